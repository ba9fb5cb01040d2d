"""CloudFormation in a rehearsal: order, exports, replacement, rollback, retention, custom resources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT
from rehearsal_apps import custom, export, function, resource, stack, subnet, vpc

from hyperpod_constructs.assembly.rehearsal import Fault, Rehearsal, Timing

pytest_plugins = ["hyperpod_constructs.assembly.rehearsal.pytest_plugin"]


def statuses(outcomes: list[Any]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def test_values_are_resolved(rehearsal: Rehearsal):
    template = {
        "Parameters": {"Block": {"Type": "String", "Default": "10.7.0.0/16"}},
        "Conditions": {"Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-west-2"]}},
        "Mappings": {"Sizes": {"us-west-2": {"Bits": "10.7.1.0/24"}}},
        "Resources": {
            "Vpc": resource("AWS::EC2::VPC", CidrBlock={"Ref": "Block"}),
            "Subnet": resource(
                "AWS::EC2::Subnet",
                VpcId={"Fn::Select": [0, {"Fn::Split": ["|", {"Fn::Sub": "${Vpc}|${AWS::StackName}"}]}]},
                CidrBlock={"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "Bits"]},
                Tags={
                    "Fn::If": [
                        "Here",
                        [{"Key": "a", "Value": {"Fn::GetAtt": ["Vpc", "VpcId"]}}],
                        {"Ref": "AWS::NoValue"},
                    ]
                },
            ),
            "Never": {**vpc(), "Condition": "Not"},
        },
        "Outputs": {"Id": {"Value": {"Fn::Join": ["/", [{"Ref": "Vpc"}, {"Ref": "Subnet"}]]}}},
    }
    template["Conditions"]["Not"] = {"Fn::Not": [{"Condition": "Here"}]}
    assert statuses(rehearsal.deploy({"Net": template})) == ["CREATE_COMPLETE"]
    (deployed,) = (site.cloudformation.stacks["Net"] for site in rehearsal.sites.values())
    live = deployed.live
    assert set(live) == {"Vpc", "Subnet"}
    assert re.fullmatch(r"vpc-[0-9a-f]{17}", live["Vpc"].id)
    assert live["Subnet"].properties == {
        "VpcId": live["Vpc"].id,
        "CidrBlock": "10.7.1.0/24",
        "Tags": [{"Key": "a", "Value": live["Vpc"].id}],
    }
    assert deployed.outputs == {"Id": f"{live['Vpc'].id}/{live['Subnet'].id}"}


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (
            {"Vpc": resource("AWS::EC2::VPC", CidrBlok="10.0.0.0/16")},
            r"Additional properties are not allowed .'CidrBlok' was unexpected",
        ),
        ({"Subnet": subnet("10.0.0.0/24", of="Nowhere")}, "Nowhere does not exist"),
        (
            {"Vpc": vpc(), "Subnet": subnet("10.1.0.0/24")},
            "The CIDR '10.1.0.0/24' is invalid: it is not in a CIDR block of the VPC",
        ),
        ({"A": resource("AWS::EC2::Subnet", VpcId="x", CidrBlock="10.0.0.0/24")}, "VpcId: the VPC 'x' does not exist"),
        ({"A": resource("AWS::No::Such")}, "CloudFormation has no resource type AWS::No::Such in us-west-2"),
        ({"A": {**vpc(), "Properties": {"CidrBlock": {"Fn::Cidr": ["10.0.0.0/8", 2]}}}}, "Fn::Cidr is not modeled"),
    ],
)
def test_rejected_requests(rehearsal: Rehearsal, resources: dict[str, Any], reason: str):
    (outcome,) = rehearsal.deploy({"Net": {"Resources": resources}})
    assert outcome.status == "ROLLBACK_COMPLETE"
    assert re.search(reason, outcome.reason), outcome.reason
    assert [finding.rule for finding in rehearsal.findings if finding.rule == "HPR01"] == ["HPR01"]
    assert rehearsal.left() == []


def test_a_kind_without_a_model_is_reported(rehearsal: Rehearsal):
    assert statuses(rehearsal.deploy({"A": {"Resources": {"Q": resource("AWS::SQS::Queue")}}})) == ["CREATE_COMPLETE"]
    (finding,) = rehearsal.findings
    assert (finding.rule, finding.severity.value, finding.path) == ("HPR05", "note", "A.Q")


def test_dependent_resources_wait_and_others_start_immediately(rehearsal: Rehearsal):
    nets = {"A": vpc(), "B": vpc("10.1.0.0/16"), "C": resource("AWS::EC2::VPC", ["A"], CidrBlock="10.2.0.0/16")}
    rehearsal.deploy({"Net": {"Resources": nets}})
    start_times = {step.logical_id: step.start for step in rehearsal.steps}
    ended = {step.logical_id: step.end for step in rehearsal.steps}
    assert start_times["A"] == start_times["B"] == 0
    assert start_times["C"] == ended["A"]


def test_a_late_resource_shows_a_missing_dependency():
    block = resource("AWS::EC2::VPCCidrBlock", VpcId={"Ref": "Vpc"}, CidrBlock="10.1.0.0/16")
    lucky = {"Net": {"Resources": {"Vpc": vpc(), "Block": block, "Subnet": subnet("10.1.0.0/24")}}}
    right = {"Net": {"Resources": {"Vpc": vpc(), "Block": block, "Subnet": subnet("10.1.0.0/24", "Block")}}}
    timing = Timing(late=["Net.Block"])
    assert statuses(Rehearsal(timing).deploy(lucky)) == ["ROLLBACK_COMPLETE"]
    assert statuses(Rehearsal(Timing(late=["Net.Block"])).deploy(right)) == ["CREATE_COMPLETE"]


def test_deletion_is_in_reverse_order_and_rejected_for_resources_in_use(rehearsal: Rehearsal):
    rehearsal.deploy(
        {"Net": {"Resources": {"Vpc": vpc(), "Subnet": {**subnet("10.0.0.0/24"), "DeletionPolicy": "Retain"}}}}
    )
    (outcome,) = rehearsal.destroy()
    assert outcome.status == "DELETE_FAILED"
    assert re.fullmatch(
        r"Vpc \(AWS::EC2::VPC\): vpc-\w+ is still used by Subnet subnet-\w+ \(Net.Subnet\)", outcome.reason
    )


# Exports


def _two(exports: dict[str, Any], uses: Any) -> list[Any]:
    first = stack("One", {"Vpc": vpc(), "Other": vpc("10.9.0.0/16")}, exports)
    second = stack(
        "Two", {"Subnet": subnet("10.0.0.0/24") | {"Properties": {"VpcId": uses, "CidrBlock": "10.0.0.0/24"}}}
    )
    return [first, stack("Two", second.template["Resources"], depends_on=("One",))]


def test_an_export_in_use_cannot_be_removed_or_changed(rehearsal: Rehearsal):
    using = {"Fn::ImportValue": "one:vpc"}
    vpc_export = {"V": export({"Ref": "Vpc"}, "one:vpc")}
    assert statuses(rehearsal.deploy(_two(vpc_export, using))) == ["CREATE_COMPLETE"] * 2
    gone, _ = _two({}, using)
    (outcome,) = rehearsal.deploy([gone])
    assert outcome.status == "UPDATE_ROLLBACK_COMPLETE"
    assert outcome.reason == "Export one:vpc cannot be deleted as it is in use by Two"
    (outcome,) = rehearsal.deploy([_two({"V": export({"Ref": "Other"}, "one:vpc")}, using)[0]])
    assert outcome.reason == "Export one:vpc cannot be updated as it is in use by Two"
    assert [finding.rule for finding in rehearsal.findings if finding.path == "One"] == ["HP970", "HP970"]


def test_the_last_use_is_removed_in_one_deployment_and_the_export_in_the_next(rehearsal: Rehearsal):
    vpc_export = {"V": export({"Ref": "Vpc"}, "one:vpc")}
    rehearsal.deploy(_two(vpc_export, {"Fn::ImportValue": "one:vpc"}))
    own = {"Vpc": vpc("10.4.0.0/16"), "Subnet": subnet("10.4.0.0/24")}
    first, second = stack("One", {"Vpc": vpc()}, {}), stack("Two", own, depends_on=("One",))
    outcomes = rehearsal.deploy([first, second])
    assert [outcome.reason for outcome in outcomes] == ["Export one:vpc cannot be deleted as it is in use by Two"]
    first = stack("One", {"Vpc": vpc()}, vpc_export)
    assert statuses(rehearsal.deploy([first, second])) == ["UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert statuses(rehearsal.deploy([stack("One", {"Vpc": vpc()}, {}), second])) == ["UPDATE_COMPLETE", "UNCHANGED"]


def test_a_stack_that_left_the_app_is_reported(rehearsal: Rehearsal):
    rehearsal.deploy([stack("One", {"Vpc": vpc()}), stack("Two", {"Vpc": vpc()})])
    rehearsal.deploy([stack("One", {"Vpc": vpc()})])
    (finding,) = rehearsal.findings
    assert (finding.rule, finding.message) == ("HP971", "stack Two is deployed, but no longer in the app")


# Updates


def test_a_create_only_property_replaces_and_the_old_resource_is_deleted_afterwards(rehearsal: Rehearsal):
    rehearsal.deploy([stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24")})])
    rehearsal.deploy([stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.1.0/24")})])
    recorded_steps = [(step.logical_id, step.action) for step in rehearsal.steps]
    assert recorded_steps == [("Vpc", "create"), ("Subnet", "create"), ("Subnet", "update"), ("Subnet", "delete")]
    (site,) = rehearsal.sites.values()
    assert [item.properties["CidrBlock"] for item in site.resources.account.of_kind("AWS::EC2::Subnet")] == [
        "10.0.1.0/24"
    ]


def test_a_failed_update_leaves_everything_as_it_was(rehearsal: Rehearsal):
    before = stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24")})
    rehearsal.deploy([before])
    (site,) = rehearsal.sites.values()
    was = {name: live.id for name, live in site.cloudformation.stacks["Net"].live.items()}
    after = stack("Net", {"Vpc": vpc(), "Subnet": subnet("10.0.1.0/24"), "New": subnet("10.0.2.0/24", "Subnet")})
    rehearsal.faults_left.append(Fault("Net.New"))
    assert statuses(rehearsal.deploy([after])) == ["UPDATE_ROLLBACK_COMPLETE"]
    assert {name: live.id for name, live in site.cloudformation.stacks["Net"].live.items()} == was
    assert [item.id for item in site.resources.account.of_kind("AWS::EC2::Subnet")] == [was["Subnet"]]
    assert statuses(rehearsal.deploy([after])) == ["UPDATE_COMPLETE"]


def test_resources_of_a_failed_update_are_deleted_in_reverse_order(rehearsal: Rehearsal):
    rehearsal.deploy([stack("Net", {"Other": vpc("10.9.0.0/16")})])
    parts = {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24"), "Last": subnet("10.0.1.0/24", "Subnet")}
    rehearsal.faults_left.append(Fault("Net.Last"))
    assert statuses(rehearsal.deploy([stack("Net", {"Other": vpc("10.9.0.0/16"), **parts})])) == [
        "UPDATE_ROLLBACK_COMPLETE"
    ]
    deleted = [step.logical_id for step in rehearsal.steps if step.action == "delete"]
    assert deleted == ["Last", "Subnet", "Vpc"]


def test_an_interrupted_deployment_is_taken_up_again(rehearsal: Rehearsal):
    app = [
        stack("One", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24")}),
        stack("Two", {"Vpc": vpc("10.1.0.0/16")}, depends_on=("One",)),
    ]
    rehearsal.faults_left.append(Fault("One.Vpc", how="interrupted"))
    assert [(item.stack, item.status) for item in rehearsal.deploy(app)] == [("One", "INTERRUPTED")]
    assert rehearsal.steps == []
    (site,) = rehearsal.sites.values()
    assert site.cloudformation.stacks["One"].status == "CREATE_IN_PROGRESS"
    assert rehearsal.left() == []
    (rejected,) = rehearsal.deploy(app)
    assert rejected.status == "REFUSED"
    assert rejected.reason.endswith("is in CREATE_IN_PROGRESS state and can not be updated.")
    rehearsal.stabilize()
    outcomes = rehearsal.deploy(app)
    assert [(outcome.stack, outcome.status) for outcome in outcomes] == [
        ("One", "UNCHANGED"),
        ("Two", "CREATE_COMPLETE"),
    ]
    assert [(step.name, step.action) for step in rehearsal.steps] == [
        ("One.Vpc", "create"),
        ("One.Subnet", "create"),
        ("Two.Vpc", "create"),
    ]


def test_an_interrupted_update_that_fails_is_repeated(rehearsal: Rehearsal):
    rehearsal.deploy([stack("One", {"Vpc": vpc()})])
    after = stack("One", {"Vpc": vpc(), "Subnet": subnet("10.0.0.0/24"), "Last": subnet("10.0.1.0/24", "Subnet")})
    rehearsal.faults_left += [Fault("One.Subnet", how="interrupted"), Fault("One.Last")]
    assert statuses(rehearsal.deploy([after])) == ["INTERRUPTED"]
    rehearsal.stabilize()
    assert statuses(rehearsal.deploy([after])) == ["UPDATE_COMPLETE"]
    deleted = [step.logical_id for step in rehearsal.steps if step.action == "delete"]
    assert deleted == ["Last", "Subnet"], "CloudFormation rolled back automatically"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (vpc(), subnet("10.0.0.0/24", of="Other"), "Update of resource type is not permitted"),
        (custom(), {**custom(), "Properties": {"ServiceToken": {"Fn::GetAtt": ["Two", "Arn"]}}}, "service token"),
    ],
)
def test_failures_that_diff_also_finds_have_its_rule(before: Any, after: Any, reason: str):
    rehearsal, _ = _with(lambda event: {"PhysicalResourceId": "a"})
    fixed = {**function(), "Two": function()["Function"], "Other": vpc("10.9.0.0/16")}
    assert statuses(rehearsal.deploy([stack("A", {**fixed, "It": before})])) == ["CREATE_COMPLETE"]
    rehearsal.deploy([stack("A", {**fixed, "It": after})])
    (finding,) = rehearsal.findings
    assert (finding.rule, finding.path) == ("HP972", "A")
    assert reason in finding.message


def test_an_update_that_deletes_data_is_reported(rehearsal: Rehearsal):
    bucket = {"Data": resource("AWS::S3::Bucket"), "Vpc": vpc()}
    rehearsal.deploy([stack("A", bucket)])
    rehearsal.deploy([stack("A", {"Vpc": vpc()})])
    (finding,) = rehearsal.findings
    assert (finding.rule, finding.path) == ("HP973", "A.Data")
    assert finding.message.startswith("the update deletes AWS::S3::Bucket ")
    assert finding.message.endswith(" (replaced or removed): its objects are deleted")


@pytest.mark.parametrize("retained", [True, False])
def test_deleting_a_key_is_a_loss_while_data_encrypted_with_it_is_retained(rehearsal: Rehearsal, retained: bool):
    key = resource("AWS::KMS::Key", KeyPolicy={"Statement": []})
    topic = resource("AWS::SNS::Topic", KmsMasterKeyId={"Fn::GetAtt": ["Key", "Arn"]})
    policy = {"DeletionPolicy": "Retain"} if retained else {}
    rehearsal.deploy([stack("A", {"Key": key, "Topic": {**topic, **policy}, "Vpc": vpc()})])
    assert statuses(rehearsal.deploy([stack("A", {"Vpc": vpc()})])) == ["UPDATE_COMPLETE"]
    assert [(finding.rule, finding.path) for finding in rehearsal.findings] == [("HPR04", "A.Key")] * retained


@pytest.mark.parametrize(("policy", "remains"), [("Retain", True), ("RetainExceptOnCreate", False), ("Delete", False)])
def test_the_remainder_of_a_failed_creation_depends_on_the_deletion_policy(policy: str, remains: bool):
    rehearsal = Rehearsal(faults=[Fault("A.Vpc")])
    bucket = {**resource("AWS::S3::Bucket"), "DeletionPolicy": policy}
    rehearsal.deploy(
        [stack("A", {"Data": bucket, "Vpc": resource("AWS::EC2::VPC", ["Data"], CidrBlock="10.0.0.0/16")})]
    )
    assert [item.why for item in rehearsal.left()] == ["creation rolled back; its deletion policy retains it"] * remains


# Custom resources


def _with(code: Any, *events: str) -> tuple[Rehearsal, list[Any]]:
    recorded: list[Any] = []

    def handle(event: Any, call: Any) -> Any:
        recorded.append((event["RequestType"], event.get("PhysicalResourceId")))
        return code(event)

    return Rehearsal(own_functions={"mine.handler": handle}), recorded


def test_events_of_a_custom_resource():
    rehearsal, events = _with(
        lambda event: {"PhysicalResourceId": event["ResourceProperties"]["Name"], "Data": {"A": "1"}}
    )
    for name in ("a", "a", "b"):
        rehearsal.deploy([stack("S", {**function(), "Thing": custom(Name=name, Wait=len(events))})])
    rehearsal.destroy()
    assert events == [("Create", None), ("Update", "a"), ("Update", "a"), ("Delete", "a"), ("Delete", "b")]


def test_a_failed_update_is_undone_with_another_update():
    rehearsal, events = _with(lambda event: {"PhysicalResourceId": event["ResourceProperties"]["Name"]})
    rehearsal.deploy([stack("S", {**function(), "Thing": custom(Name="a")})])
    rehearsal.faults_left.append(Fault("S.Vpc"))
    after = {
        **function(),
        "Thing": custom(Name="b"),
        "Vpc": resource("AWS::EC2::VPC", ["Thing"], CidrBlock="10.0.0.0/16"),
    }
    assert statuses(rehearsal.deploy([stack("S", after)])) == ["UPDATE_ROLLBACK_COMPLETE"]
    assert events == [("Create", None), ("Update", "a"), ("Update", "b"), ("Delete", "b")]


def test_resources_created_before_a_reported_failure_are_deleted():
    rehearsal, events = _with(lambda event: {"PhysicalResourceId": "a"})
    rehearsal.faults_left.append(Fault("S.Thing"))
    assert statuses(rehearsal.deploy([stack("S", {**function(), "Thing": custom()})])) == ["ROLLBACK_COMPLETE"]
    assert events == [("Create", None), ("Delete", "a")]


def test_an_answer_is_too_large_and_an_answer_never_comes():
    rehearsal, events = _with(lambda event: {"PhysicalResourceId": "a", "Data": {"X": "x" * 4000}})
    (outcome,) = rehearsal.deploy([stack("S", {**function(), "Thing": custom()})])
    assert [request for request, _ in events] == ["Create", "Delete"]
    assert outcome.reason == "Thing (Custom::Thing): Response object is too long."
    rehearsal, events = _with(lambda event: {"PhysicalResourceId": "a"})
    rehearsal.faults_left.append(Fault("S.Thing", how="lost"))
    (outcome,) = rehearsal.deploy([stack("S", {**function(), "Thing": custom()})])
    assert "did not receive a response" in outcome.reason
    assert events == [("Create", None), ("Delete", "S-Thing-000000000001")]
    assert 3600 <= rehearsal.world.now < 3800


def test_a_function_may_only_run_with_its_role():
    rehearsal, events = _with(lambda event: {})
    parts = function()
    parts["Role"]["Properties"]["AssumeRolePolicyDocument"] = {"Statement": []}
    (outcome,) = rehearsal.deploy([stack("S", {**parts, "Thing": custom()})])
    assert outcome.reason.endswith("cannot be assumed by Lambda.")
    assert events == []


def test_the_same_seed_is_the_same_rehearsal():
    def times(seed: int) -> list[float]:
        rehearsal = Rehearsal(Timing(seed))
        rehearsal.deploy([stack("Net", {f"V{index}": vpc() for index in range(5)})])
        return [step.end for step in rehearsal.steps]

    assert times(3) == times(3)
    assert times(3) != times(4)


# The page


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", (ROOT / "docs/rehearsal.md").read_text(), re.S))
def test_the_examples_of_the_page_run(
    block: str, rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scope: dict[str, Any] = {}
    exec(compile(block, "rehearsal.md", "exec"), scope)
    if "test_my_app_can_be_deployed" in scope:
        (tmp_path / "cdk.out").mkdir()
        (tmp_path / "cdk.out/manifest.json").write_text('{"artifacts": {}}')
        monkeypatch.chdir(tmp_path)
        scope["test_my_app_can_be_deployed"](rehearsal)
