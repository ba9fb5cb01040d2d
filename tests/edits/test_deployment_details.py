"""Templates compared: what counts as the same reference, as replaced and as blocked, and what each step counts."""

from __future__ import annotations

from typing import Any

import pytest
from test_deployments import APP, NET, SUBNET, VPC, Json, exported, imported, only, resource, stack

from hyperpod_constructs.core.catalog import allowed
from hyperpod_constructs.core.changes import Step, deployment
from hyperpod_constructs.core.spec.base import Change

Told = list[tuple[str, str]]


def reported_edits(old: Json, new: Json) -> Told:
    return [(str(edit.change), edit.path) for edit in deployment(old, new).edits]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step(stack="a", action="create", added=2), "a: created (2 added)"),
        (Step(stack="a", action="create"), "a: created"),
        (Step(stack="a", action="none"), "a: unchanged"),
        (Step(stack="a", action="stays"), "a: not in the app, remains deployed"),
        (Step(stack="a", action="update"), "a: updated (no changes to resources)"),
        (
            Step(stack="a", action="update", added=1, changed=2, replaced=3, deleted=4, retained=5),
            "a: updated (1 added, 2 changed, 3 replaced, 4 deleted, 5 retained)",
        ),
    ],
)
def test_a_step_as_text(step: Step, text: str) -> None:
    assert str(step) == text


# References that are the same

READ = {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Id"}}
OTHER = {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Vpc"}}
LOCAL: Json = {"Ref": "Topic"}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (imported("Subnet"), READ, True),
        (READ, imported("Subnet"), True),
        (imported("Subnet"), OTHER, False),
        ([imported("Subnet"), "a"], [READ, "a"], True),
        ([imported("Subnet"), "a"], [READ, "b"], False),
        ([imported("Subnet")], [READ, READ], False),
        ([imported("Subnet")], READ, False),
        ([[imported("Subnet")]], [[READ]], True),
        (imported("Subnet"), None, False),
        (imported("Subnet"), "subnet-1", False),
        ("subnet-1", imported("Subnet"), False),
        (imported("Subnet"), LOCAL, False),
        (LOCAL, {"Fn::GetAtt": ["Topic", "Id"]}, False),
        (imported("Gone"), imported("Elsewhere"), False),
        (imported("Subnet"), {**READ, "Other": 1}, False),
        ({**imported("Subnet"), "Other": 1}, READ, False),
        ({"a": imported("Subnet")}, {"a": READ}, False),
    ],
    ids=str,
)
def test_two_references_to_the_same_resource(before: Any, after: Any, same: bool) -> None:
    outputs = {"Id": {"Value": {"Ref": "Subnet"}}, "Vpc": {"Value": {"Ref": "Vpc"}}}
    net = stack(exported("Subnet", {"Ref": "Subnet"}) | outputs, Vpc=VPC, Subnet=SUBNET)
    old, new = (
        {"net": net, "app": stack(Topic=resource("X"), Fs=resource("AWS::FSx::FileSystem", "Retain", SubnetIds=value))}
        for value in (before, after)
    )
    assert (reported_edits(old, new) == []) is same
    old, new = (
        {"net": net, "app": stack(Topic=resource("X"), C=resource("Custom::C", ServiceToken=value))}
        for value in (before, after)
    )
    assert reported_edits(old, new) == ([] if same else [("refused", "C (Custom::C).ServiceToken")])


# Replacements


@pytest.mark.parametrize(
    ("kind", "before", "after", "path"),
    [
        (
            "AWS::FSx::FileSystem",
            {"LustreConfiguration": {"DeploymentType": "SCRATCH_2"}},
            {"LustreConfiguration": {"DeploymentType": "PERSISTENT_2"}},
            "LustreConfiguration/DeploymentType",
        ),
        ("AWS::FSx::FileSystem", {}, {"LustreConfiguration": {"EfaEnabled": True}}, "LustreConfiguration/EfaEnabled"),
        ("AWS::FSx::FileSystem", {"LustreConfiguration": "odd"}, {"LustreConfiguration": {"Weekly": "1"}}, None),
        ("AWS::FSx::FileSystem", {"StorageCapacity": 1}, {"StorageCapacity": 2}, None),
        ("AWS::Unknown::Thing", {"Name": 1}, {"Name": 2}, None),
    ],
    ids=str,
)
def test_create_only_properties(kind: str, before: Json, after: Json, path: str | None) -> None:
    old, new = ({"s": stack(It=resource(kind, "Retain", **value))} for value in (before, after))
    assert reported_edits(old, new) == ([("replaces", f"It ({kind}).{path}")] if path else [])
    assert str(deployment(old, new).steps[0]) == f"s: updated (1 {'replaced' if path else 'changed'})"


def test_a_function_that_is_replaced_moves_the_tokens_that_name_it() -> None:
    def app(name: str) -> Json:
        function = resource("AWS::Lambda::Function", FunctionName=name)
        custom = resource("Custom::C", ServiceToken={"Fn::GetAtt": ["Fn", "Arn"]})
        return {"s": stack(Fn=function, C=custom, Plain=resource("X", ServiceToken={"Ref": "Fn"}))}

    def either(name: str) -> Json:
        resources = app(name)["s"]["Resources"]
        token = {"Fn::Join": ["", [{"Ref": "Other"}, {"Ref": "Fn"}]]}
        return {"s": stack(**{**resources, "C": resource("Custom::C", ServiceToken=token), "Other": resource("X")})}

    assert reported_edits(app("a"), app("a")) == []
    assert reported_edits(either("a"), either("b"))[0] == ("refused", "C (Custom::C).ServiceToken")
    assert reported_edits(app("a"), app("b")) == [
        ("refused", "C (Custom::C).ServiceToken"),
        ("replaces", "Fn (AWS::Lambda::Function).FunctionName"),
    ]


def test_each_reader_of_a_replaced_bucket_is_named_once() -> None:
    out = {"Name": {"Value": {"Ref": "Bucket"}}}
    read = {"Fn::GetStackOutput": {"StackName": "s", "OutputName": "Name"}}
    readers = {name: stack(One=resource("X", Of=read), Two=resource("X", Of=read)) for name in ("a", "b")}
    old, new = (
        {
            "s": stack(
                out,
                Bucket=resource("AWS::S3::Bucket", "Snapshot", BucketName=name),
                User=resource("X", Of={"Ref": "Bucket"}),
            )
        }
        | readers
        for name in ("one", "two")
    )
    found = only(deployment(old, new).edits)
    assert (found.change, found.impact) == (
        Change.REPLACES,
        "a new, empty bucket is created, which a, b will refer to after its next update; "
        "the old one is retained outside the stack, and billed",
    )


def test_a_replaced_cluster_is_reported_without_its_groups() -> None:
    def app(name: str, *groups: str) -> Json:
        listed = [{"InstanceGroupName": group} for group in groups]
        return {"s": stack(C=resource("AWS::SageMaker::Cluster", ClusterName=name, InstanceGroups=listed))}

    assert reported_edits(app("a", "x", "y"), app("b", "x")) == [
        ("replaces-cluster", "C (AWS::SageMaker::Cluster).ClusterName")
    ]
    assert reported_edits(app("a", "x", "y"), app("a", "x")) == [("drains", "C.InstanceGroups[y]")]
    without_groups = {"s": stack(C={"Type": "AWS::SageMaker::Cluster"})}
    assert reported_edits(without_groups, without_groups) == []
    assert reported_edits({"s": stack(C=resource("AWS::SageMaker::Cluster", InstanceGroups=[]))}, without_groups) == []


@pytest.mark.parametrize("part", allowed("immutable_of_instance_group"))
def test_each_property_of_a_group_that_cannot_change(part: str) -> None:
    old, new = (
        {"s": stack(C=resource("AWS::SageMaker::Cluster", InstanceGroups=[{"InstanceGroupName": "g", **value}]))}
        for value in ({part: 1, "InstanceCount": 1}, {"InstanceCount": 2})
    )
    assert reported_edits(old, new) == [("replaces-group", f"C.InstanceGroups[g].{part}")]
    found = only(deployment(old, new).edits)
    assert (found.before, found.after, found.message, found.stack) == (1, None, "1 becomes not set", "s")


# Removals


@pytest.mark.parametrize("kind", ["AWS::FSx::FileSystem", "AWS::S3::Bucket", "AWS::APS::Workspace"])
def test_data_that_moves_to_another_logical_id(kind: str) -> None:
    moved = only(deployment({"s": stack(It=resource(kind))}, {"s": stack(Other=resource(kind), X=resource("X"))}).edits)
    assert (moved.change, moved.message) == (Change.LOSES_DATA, "is deleted; Other replaces it")


def test_what_serves_and_moves_is_deleted_without_a_replacement() -> None:
    old, new = stack(It=resource("AWS::EKS::Addon")), stack(Other=resource("AWS::EKS::Addon"))
    assert only(deployment({"s": old}, {"s": new}).edits).message == "is deleted"


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate", "Snapshot"])
def test_policies_that_retain(policy: str) -> None:
    old = {"s": stack(It=resource("AWS::S3::Bucket", policy), Gone=resource("X"))}
    found = deployment(old, {"s": stack()})
    assert [(edit.path, edit.before, edit.after) for edit in found.edits] == [
        ("It (AWS::S3::Bucket)", "AWS::S3::Bucket", None)
    ]
    assert str(found.steps[0]) == "s: updated (1 deleted, 1 retained)"


# Exports


def test_two_stacks_that_change_sides() -> None:
    """The stack that stops importing is deployed first, so the edit is not blocked."""
    a, b = stack(exported("A", "1"), X=resource("X")), stack(X=resource("X", Of=imported("A")))
    new_a, new_b = stack(X=resource("X", Of=imported("B"))), stack(exported("B", "1"), X=resource("X"))
    found = deployment({"a": a, "b": b}, {"a": new_a, "b": new_b})
    assert [step.stack for step in found.steps] == ["b", "a"]
    assert found.edits == []


@pytest.mark.parametrize(
    ("outputs", "message", "advice"),
    [
        (
            {},
            "removes 2 exports that app imports: One",
            "use two deployments: first `npx cdk deploy --exclusively app`",
        ),
        (exported("One", "1"), "removes 1 export that app imports: Two", "use two deployments: first `npx cdk deploy"),
        (exported("One", "2"), "removes 2 exports that app imports: One", "use two deployments: first `npx cdk deploy"),
        (
            exported("One", "2") | exported("Two", "2"),
            "changes 2 exports that app imports: One",
            "restore the value, or deploy a second platform",
        ),
    ],
    ids=str,
)
def test_exports_that_go_or_change(outputs: Json, message: str, advice: str) -> None:
    old = {
        "net": stack(exported("One", "1") | exported("Two", "1"), X=resource("X")),
        "app": stack(X=resource("X", Of=[imported("One"), imported("Two")])),
    }
    found = only(deployment(old, {"net": stack(outputs, X=resource("X")), "app": stack(X=resource("X"))}).edits)
    assert (found.message, found.after) == (message, None)
    assert found.advice.startswith(advice)


def test_a_removed_and_a_changed_export_of_a_stack_that_imports_more() -> None:
    old = {
        "net": stack(exported("One", "1") | exported("Two", "1"), X=resource("X")),
        "app": stack(X=resource("X", Of=[imported("One"), imported("Two")])),
    }
    new = {
        "net": stack(exported("One", "2") | exported("New", "1"), X=resource("X")),
        "app": stack(X=resource("X", Of=imported("New"))),
    }
    assert only(deployment(old, new).edits).advice == "restore the value, or deploy a second platform"
    new["net"] = stack(exported("One", "1") | exported("New", "1"), X=resource("X"))
    assert only(deployment(old, new).edits).advice == (
        "use two deployments: first the version or the part of the edit that keeps the imported exports, then the rest"
    )


def test_an_export_of_several_resources_of_which_one_is_replaced() -> None:
    def net(cidr: str) -> Json:
        value = {"Fn::Join": ["", [{"Ref": "Other"}, {"Ref": "Vpc"}]]}
        return stack(exported("Both", value), Vpc=resource("AWS::EC2::VPC", CidrBlock=cidr), Other=resource("X"))

    app = stack(X=resource("X", Of=imported("Both")))
    found = deployment({"net": net("10.0.0.0/16"), "app": app}, {"net": net("10.1.0.0/16"), "app": app}).edits
    assert [edit.message for edit in found if edit.rule == "HP970"] == ["changes 1 export that app imports: Both"]


def test_all_stacks_that_stop_importing_have_to_be_able_to_go_first() -> None:
    """The stacks can read deployed outputs, but not new ones."""
    outputs = exported("Id", "1") | {"Old": {"Value": "1"}}
    old = {"net": stack(outputs, X=resource("X")), **{name: stack(X=resource("X", Of=imported("Id"))) for name in "ab"}}

    def new(a: str, b: str) -> Json:
        exports = {name: {"Value": "1"} for name in ("Old", "New")}
        read = {n: {"Fn::GetStackOutput": {"StackName": "net", "OutputName": name}} for n, name in (("a", a), ("b", b))}
        return {"net": stack(exports, X=resource("X")), **{n: stack(X=resource("X", Of=read[n])) for n in read}}

    first = "use two deployments: first `npx cdk deploy --exclusively a b` (the stacks that stop importing), "
    assert only(deployment(old, new("Old", "Old")).edits).advice == first + "then `npx cdk deploy --all`"
    for names in (("Old", "New"), ("New", "Old")):
        assert only(deployment(old, new(*names)).edits).advice.startswith("use two deployments: first the version or")


def test_templates_without_outputs_and_a_new_stack() -> None:
    old: Json = {"net": {k: v for k, v in NET.items() if k != "Outputs"}, "gone": {"Resources": {}}}
    new: Json = {"net": NET, "app": APP}
    found = deployment(old, new)
    assert [str(step) for step in found.steps] == [
        "net: updated (no changes to resources)",
        "app: created (1 added)",
        "gone: not in the app, remains deployed",
    ]
    assert not found.changes_nothing
    assert reported_edits(old, new) == [("leaves-behind", "gone")]


def test_stacks_that_are_not_in_the_app_and_import_are_deleted_first() -> None:
    old = {"net": NET, "app one": APP, "b": APP}
    found = [edit for edit in deployment(old, {"net": stack(Vpc=VPC, Subnet=SUBNET)}).edits if edit.rule == "HP970"]
    assert only(found).message == "removes 1 export that app one, b import: Subnet"
    assert only(found).advice == "delete app one, b first (`hyperpod stacks delete 'app one'`), then deploy"
