"""Templates compared as CloudFormation does: what is rejected, replaced, deleted and retained, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_constructs.core.changes import Edit, deployment, matched
from hyperpod_constructs.core.spec.base import Change

Json = dict[str, Any]


def stack(outputs: Json | None = None, **resources: Json) -> Json:
    return {"Resources": resources, "Outputs": outputs or {}}


def resource(kind: str, policy: str | None = None, **properties: Any) -> Json:
    policies = {"DeletionPolicy": policy, "UpdateReplacePolicy": policy} if policy else {}
    return {"Type": kind, "Properties": properties, **policies}


def exported(name: str, value: Any) -> Json:
    return {name: {"Value": value, "Export": {"Name": f"net:{name}"}}}


def imported(name: str) -> Json:
    return {"Fn::ImportValue": f"net:{name}"}


VPC = resource("AWS::EC2::VPC", CidrBlock="10.0.0.0/16")
SUBNET = resource("AWS::EC2::Subnet", CidrBlock="10.0.0.0/24", VpcId={"Ref": "Vpc"})
NET = stack(exported("Subnet", {"Ref": "Subnet"}), Vpc=VPC, Subnet=SUBNET)
APP = stack(Rule=resource("AWS::Events::Rule", Description=imported("Subnet")))


def only(edits: Any) -> Edit:
    [edit] = edits
    return edit


def test_an_export_in_use_is_not_removed() -> None:
    new_net, new_app = stack(Vpc=VPC, Subnet=SUBNET), stack(Rule=resource("AWS::Events::Rule"))
    edit = only(deployment({"net": NET, "app": APP}, {"net": new_net, "app": new_app}).edits)
    assert str(edit) == (
        "refused HP970: net: removes 1 export that app imports: Subnet\n"
        "  impact: CloudFormation rejects the update of the stack, and the deployment stops\n"
        "  advice: use two deployments: first `npx cdk deploy --exclusively app` (the stacks that stop importing), "
        "then `npx cdk deploy --all`"
    )


def test_the_two_deployments_succeed() -> None:
    new_net, new_app = stack(Vpc=VPC, Subnet=SUBNET), stack(Rule=resource("AWS::Events::Rule"))
    assert not deployment({"net": NET, "app": APP}, {"net": NET, "app": new_app}).edits
    assert not deployment({"net": NET, "app": new_app}, {"net": new_net, "app": new_app}).edits


def test_a_stack_with_a_new_import_cannot_be_deployed_first() -> None:
    weak = {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "New"}}
    new_net = stack({"New": {"Value": {"Ref": "Vpc"}}}, Vpc=VPC, Subnet=SUBNET)
    edit = only(
        deployment({"net": NET, "app": APP}, {"net": new_net, "app": stack(Rule=resource("X", Name=weak))}).edits[:1]
    )
    assert edit.rule == "HP970"
    assert edit.advice.startswith("use two deployments: first the version or the part of the edit that keeps")


def test_an_unused_export_can_be_removed() -> None:
    found = deployment({"net": NET}, {"net": stack(Vpc=VPC, Subnet=SUBNET)})
    assert (list(found.edits), str(found.steps[0])) == ([], "net: updated (no changes to resources)")


def test_an_export_in_use_keeps_its_value_if_its_resource_is_replaced() -> None:
    moved = {**NET, "Resources": {**NET["Resources"], "Vpc": resource("AWS::EC2::VPC", CidrBlock="10.1.0.0/16")}}
    found = deployment({"net": NET, "app": APP}, {"net": moved, "app": APP})
    assert [(edit.change, edit.path) for edit in found.edits] == [
        (Change.REPLACES_CLUSTER, "Vpc (AWS::EC2::VPC).CidrBlock"),
        (Change.REFUSED, "net"),
        (Change.REPLACES, "Subnet (AWS::EC2::Subnet).VpcId"),
    ]
    assert found.edits[1].message == "changes 1 export that app imports: Subnet"
    assert found.edits[1].advice == "restore the value, or deploy a second platform"
    assert found.edits[2].message == "refers to a resource that is replaced"


def test_a_stack_that_left_the_app_is_reported_and_still_imports() -> None:
    found = deployment({"net": NET, "app": APP}, {"net": stack(Vpc=VPC, Subnet=SUBNET)})
    assert [(edit.change, edit.rule) for edit in found.edits] == [
        (Change.LEAVES_BEHIND, "HP971"),
        (Change.REFUSED, "HP970"),
    ]
    assert found.edits[1].advice == "delete app first (`hyperpod stacks delete app`), then deploy"
    assert str(found.steps[-1]) == "app: not in the app, remains deployed"


def test_a_weak_reference_never_blocks() -> None:
    out = {"Id": {"Value": {"Ref": "Subnet"}}}
    weak = stack(
        Rule=resource("AWS::Events::Rule", Name={"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Id"}})
    )
    old = {"net": stack(out, Vpc=VPC, Subnet=SUBNET), "app": weak}
    found = deployment(old, {"net": stack(Vpc=VPC), "app": stack()})
    assert [str(step) for step in found.steps] == ["net: updated (1 deleted)", "app: updated (1 deleted)"]
    assert not found.edits


def test_another_reference_to_the_same_resource_replaces_nothing() -> None:
    """For example, a strong reference that becomes a weak one."""
    plain = exported("Subnet", {"Ref": "Subnet"}) | {"Id": {"Value": {"Ref": "Subnet"}}}
    net = stack(plain, Vpc=VPC, Subnet=SUBNET)
    old = {"net": net, "app": stack(Rule=resource("AWS::Events::Rule", Name=imported("Subnet")))}
    weak = {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Id"}}
    new = {"net": net, "app": stack(Rule=resource("AWS::Events::Rule", Name=weak))}
    assert [str(step) for step in deployment(old, new).steps] == ["net: unchanged", "app: updated (1 changed)"]


@pytest.mark.parametrize(
    ("policy", "change", "message"),
    [
        ("Retain", Change.REPLACES, "the old one is retained outside the stack, and billed"),
        ("Delete", Change.LOSES_DATA, "the old one is deleted"),
    ],
)
def test_a_replaced_file_system_is_retained_or_deleted(policy: str, change: Change, message: str) -> None:
    old, new = (stack(Fs=resource("AWS::FSx::FileSystem", policy, SubnetIds=[subnet])) for subnet in ("a", "b"))
    edit = only(deployment({"s": old}, {"s": new}).edits)
    assert (edit.change, edit.rule) == (change, "HP973")
    assert edit.impact == f"a new, empty file system is created; {message}"


def test_readers_of_a_replaced_file_system_are_reported() -> None:
    """CDK does not deploy an unchanged template: the stack uses the old file system until its template changes."""
    out = {"Id": {"Value": {"Ref": "Fs"}}}
    claims = stack(
        Rule=resource("AWS::Events::Rule", Name={"Fn::GetStackOutput": {"StackName": "s", "OutputName": "Id"}})
    )
    old, new = (stack(out, Fs=resource("AWS::FSx::FileSystem", "Retain", SubnetIds=[subnet])) for subnet in ("a", "b"))
    edit = next(
        finding
        for finding in deployment({"s": old, "app": claims}, {"s": new, "app": claims}).edits
        if finding.rule == "HP973"
    )
    assert str(edit) == (
        'replaces HP973: s: Fs (AWS::FSx::FileSystem).SubnetIds: ["a"] becomes ["b"]\n  impact: a new, empty '
        "file system is created, which app will refer to after its next update; the old one is retained "
        "outside the stack, and billed\n  advice: restore the value, or create a second file system and "
        "copy the data"
    )


@pytest.mark.parametrize("kind", ["AWS::FSx::FileSystem", "AWS::S3::Bucket", "AWS::APS::Workspace"])
def test_removed_data_is_retained_or_deleted(kind: str) -> None:
    retained = only(deployment({"s": stack(It=resource(kind, "Retain"))}, {"s": stack()}).edits)
    deleted = only(deployment({"s": stack(It=resource(kind))}, {"s": stack()}).edits)
    assert (retained.change, retained.impact) == (Change.IN_PLACE, "it is retained outside the stack, and billed")
    assert (deleted.change, deleted.rule) == (Change.LOSES_DATA, "HP973")


def test_types_and_service_tokens_cannot_change() -> None:
    old = stack(A=resource("Custom::A", ServiceToken="x"), B=resource("Custom::B", ServiceToken="x"))
    new = stack(A=resource("AWS::SNS::Topic"), B=resource("Custom::B", ServiceToken="y"))
    found = deployment({"s": old}, {"s": new}).edits
    assert [(edit.change, edit.rule, edit.path) for edit in found] == [
        (Change.REFUSED, "HP972", "A (Custom::A)"),
        (Change.REFUSED, "HP972", "B (Custom::B).ServiceToken"),
    ]


@pytest.mark.parametrize(
    ("kind", "impact"),
    [
        ("AWS::EKS::Addon", "the add-on is removed with its pods"),
        ("AWS::SageMaker::ComputeQuota", "the team loses its quota, queue and namespace"),
        ("Custom::HyperPodComputeQuota", "the team loses its quota, queue and namespace"),
        ("AWS::SageMaker::ClusterSchedulerConfig", "the cluster policy is removed"),
        ("Custom::HyperPodClusterSchedulerConfig", "the cluster policy is removed"),
        ("Custom::HyperPodHelmRelease", "the Helm release is uninstalled with its pods"),
        ("Custom::HyperPodKubernetesObjects", "the Kubernetes objects are deleted"),
    ],
)
def test_missing_parts_for_jobs_are_reported(kind: str, impact: str) -> None:
    old = stack(It=resource(kind), Kept=resource(kind, DeletionPolicy="Retain"))
    edit = only(deployment({"s": old}, {"s": stack()}).edits)
    assert (edit.path, edit.change, edit.message, edit.impact) == (
        f"It ({kind})", Change.DRAINS, "is deleted", impact)  # fmt: skip


@pytest.mark.parametrize("kind", ["AWS::SageMaker::Cluster", "AWS::EKS::Cluster", "AWS::EC2::VPC"])
def test_a_cluster_that_is_removed_and_one_that_replaces_it(kind: str) -> None:
    edit = only(deployment({"s": stack(It=resource(kind))}, {"s": stack()}).edits)
    assert (edit.change, edit.message) == (Change.REPLACES_CLUSTER, "is deleted")
    moved = only(deployment({"s": stack(It=resource(kind))}, {"s": stack(Other=resource(kind))}).edits)
    assert (moved.change, moved.message) == (Change.REPLACES_CLUSTER, "is deleted; Other replaces it")
    beside = stack(Other=resource(kind))
    both = stack(It=resource(kind), **beside["Resources"])
    assert only(deployment({"s": both}, {"s": beside}).edits).message == "is deleted"


def test_immutable_values_are_reported_with_the_fix() -> None:
    old, new = stack(A=resource("Custom::A")), stack(A=resource("AWS::SNS::Topic"))
    assert str(only(deployment({"s": old}, {"s": new}).edits)) == (
        'refused HP972: s: A (Custom::A): "Custom::A" becomes "AWS::SNS::Topic"\n'
        "  impact: the deployment fails: CloudFormation or the service rejects the change\n"
        "  advice: deploy once without the resource, then with the new one"
    )
    old, new = (stack(B=resource("Custom::B", ServiceToken=token)) for token in ("x", "y"))
    assert str(only(deployment({"s": old}, {"s": new}).edits)) == (
        'refused HP972: s: B (Custom::B).ServiceToken: "x" becomes "y"\n'
        "  impact: the deployment fails: CloudFormation or the service rejects the change\n"
        "  advice: deploy once without the resource, then with the new one"
    )


def test_a_remaining_stack_is_reported_with_the_fix() -> None:
    assert str(only(deployment({"s": stack(), "gone": stack()}, {"s": stack()}).edits)) == (
        "leaves-behind HP971: gone: is deployed but not in the new app\n  impact: no deployment changes it: "
        "its resources are unchanged, keep running and are billed\n  advice: if it is no longer required, "
        "delete it with `hyperpod stacks "
        "delete gone`"
    )


def test_scripts_of_the_project_are_no_data_of_users() -> None:
    assert not deployment({"s": stack(HpLifecycleScripts1=resource("AWS::S3::Bucket"))}, {"s": stack()}).edits


def test_retained_resources_leave_the_stack() -> None:
    old = {"s": stack(It=resource("AWS::S3::Bucket", "RetainExceptOnCreate"))}
    assert str(only(deployment(old, {"s": stack()}).edits)) == (
        "in-place: s: It (AWS::S3::Bucket): is removed from the stack\n  impact: it is retained outside the stack, "
        "and billed"
    )


@pytest.mark.parametrize("group", ["InstanceGroups", "RestrictedInstanceGroups"])
def test_groups_that_are_removed_or_cannot_change(group: str) -> None:
    def cluster(*groups: Json) -> Json:
        return {"s": stack(C=resource("AWS::SageMaker::Cluster", **{group: list(groups)}))}

    first, second = ({"InstanceGroupName": name, "InstanceType": "ml.p5.48xlarge"} for name in "ab")
    found = deployment(
        cluster(first, second), cluster(second | {"InstanceType": "ml.p5e.48xlarge", "InstanceCount": 3})
    ).edits
    assert [(edit.path, edit.change, edit.message) for edit in found] == [
        (
            f"C.{group}[b].InstanceType",
            Change.REPLACES_GROUP,
            '"ml.p5.48xlarge" becomes "ml.p5e.48xlarge"',
        ),
        (f"C.{group}[a]", Change.DRAINS, "is removed with its nodes"),
    ]


def test_stacks_that_stop_importing_are_deployed_first() -> None:
    """The other stacks that they import from and read are deployed first, then all remaining stacks."""
    net = stack(exported("Subnet", {"Ref": "Subnet"}) | exported("Vpc", {"Ref": "Vpc"}), Vpc=VPC, Subnet=SUBNET)
    apps = {name: stack(Rule=resource("X", Name=imported("Subnet"), Vpc=imported("Vpc"))) for name in ("app", "b")}
    fewer = {name: stack(Rule=resource("X", Vpc=imported("Vpc"))) for name in apps}
    edit = only(
        deployment({"net": net, **apps}, {"net": stack(exported("Vpc", {"Ref": "Vpc"}), Vpc=VPC), **fewer}).edits
    )
    assert edit.message == "removes 1 export that app, b import: Subnet"
    assert edit.advice == (
        "use two deployments: first `npx cdk deploy --exclusively app b` (the stacks that stop importing), "
        "then `npx cdk deploy --all`"
    )
    all_stacks = {name: stack(Rule=resource("X")) for name in apps}
    edit = only(deployment({"net": net, **apps}, {"net": stack(Vpc=VPC), **all_stacks}).edits)
    assert edit.message == "removes 2 exports that app, b import: Subnet"


def test_the_operation_of_each_stack() -> None:
    old = {
        "a": stack(Same=resource("X"), Gone=resource("Y"), Kept=resource("Y", "Retain"), Changed=resource("X", A=1)),
        "b": stack(exported("Id", "1"), One=resource("X")),
        "c": stack(One=resource("X")),
    }
    new = {
        "a": stack(Same=resource("X"), Changed=resource("X", A=2), New=resource("X"), More=resource("X")),
        "b": stack(exported("Id", "2"), One=resource("X") | {"Metadata": {"a": 1}, "DependsOn": ["B"]}),
        "d": stack(One=resource("X"), Two=resource("X")),
    }
    assert sorted(map(str, deployment(old, new).steps)) == [
        "a: updated (2 added, 1 changed, 1 deleted, 1 retained)",
        "b: updated (no changes to resources)",
        "c: not in the app, remains deployed",
        "d: created (2 added)",
    ]


def test_stacks_are_deployed_in_the_order_of_imports_and_names() -> None:
    stacks = {"p-Jobs": stack(), "p-Addons": APP, "p-Network": stack(), "z": NET}
    assert [step.stack for step in deployment(stacks, stacks).steps] == ["p-Network", "z", "p-Addons", "p-Jobs"]
    assert deployment(stacks, stacks).changes_nothing


def test_templates_are_found_under_other_file_names() -> None:
    found = matched({"mine": NET, "p-Jobs": stack()}, {"p-Network": NET, "p-Jobs": stack()})
    assert list(found) == ["p-Network", "p-Jobs"]


def test_another_content_of_a_layer_is_its_next_version() -> None:
    """Every change of a layer is a replacement, and does not interrupt a function."""
    function = resource("AWS::Lambda::Function", Layers=[{"Ref": "Layer"}])
    old, new = (
        stack(Layer=resource("AWS::Lambda::LayerVersion", Content={"S3Key": key}), Function=function)
        for key in ("a.zip", "b.zip")
    )
    found = deployment({"s": old}, {"s": new})
    edit = only(found.edits)
    assert (edit.change, edit.path) == (Change.IN_PLACE, "Layer (AWS::Lambda::LayerVersion).Content")
    assert edit.impact == (
        "the next version of the layer is published, the functions are updated to it, and the old version is "
        "deleted last"
    )
    assert str(found.steps[0]) == "s: updated (1 replaced)"
