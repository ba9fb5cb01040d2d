"""The change policy: every field has one, and it determines the consequence of an edit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from hyperpod_constructs.core.changes import MEANING, WORST_FIRST, Edit, deployment, edits, replaces
from hyperpod_constructs.core.changes.edit import difference, edit, ordered
from hyperpod_constructs.core.spec import (
    Addons,
    Cluster,
    Eks,
    InstanceGroup,
    LustreFileSystem,
    Network,
    Platform,
    SpecModel,
    Storage,
    change_of,
)
from hyperpod_constructs.core.spec.base import Change


def models(model: type[BaseModel], visited: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if model in visited:
        return
    visited.add(model)
    yield model
    for info in model.model_fields.values():
        yield from models_in(info.annotation, visited)


def models_in(annotation: Any, visited: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models(annotation, visited)
    for argument in get_args(annotation):
        yield from models_in(argument, visited)


ALL = sorted(models(Platform, set()), key=lambda model: model.__name__)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_field_has_a_change_policy_and_a_description(model: type[BaseModel]) -> None:
    assert issubclass(model, SpecModel)
    assert model.__doc__
    for name, info in model.model_fields.items():
        assert change_of(info) is not None, name
        assert info.description, name
        assert info.description.endswith((".", ")", ":")), name


def test_every_policy_has_a_meaning_and_a_rank() -> None:
    assert set(MEANING) == set(WORST_FIRST) == set(Change)


def platform(**parts: Any) -> Platform:
    groups = parts.pop("groups", [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}])
    cluster = parts.pop("cluster", {})
    return Platform(
        name="research",
        region=parts.pop("region", "us-west-2"),
        network=Network(availability_zone_ids=["usw2-az1", "usw2-az2"], **parts.pop("network", {})),
        eks=Eks(**parts.pop("eks", {"kubernetes_version": "1.34"})),
        cluster=Cluster(instance_groups=[InstanceGroup(**group) for group in groups], **cluster),
        **parts,
    )


GROUP = {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}


@pytest.mark.parametrize(
    ("new", "path", "change"),
    [
        ({"network": {"vpc_cidr": "10.193.0.0/16"}}, "network.vpc_cidr", Change.REPLACES_CLUSTER),
        ({"eks": {"kubernetes_version": "1.35"}}, "eks.kubernetes_version", Change.IN_PLACE),
        ({"eks": {"kubernetes_version": "1.33"}}, "eks.kubernetes_version", Change.REFUSED),
        ({"eks": {"kubernetes_version": "1.36"}}, "eks.kubernetes_version", Change.REFUSED),
        ({"eks": {"kubernetes_version": "1.34", "service_cidr": "172.20.0.0/16"}}, "eks.service_cidr",
         Change.REPLACES_CLUSTER),
        ({"groups": [GROUP | {"count": 4}]}, "cluster.instance_groups[0].count", Change.IN_PLACE),
        ({"groups": [GROUP | {"count": 1}]}, "cluster.instance_groups[0].count", Change.DRAINS),
        ({"groups": [GROUP | {"instance_type": "ml.m5.8xlarge"}]}, "cluster.instance_groups[0].instance_type",
         Change.REPLACES_GROUP),
        ({"groups": [GROUP | {"labels": {"a": "b"}}]}, "cluster.instance_groups[0].labels.a", Change.IN_PLACE),
        ({"groups": [GROUP, GROUP | {"name": "more"}]}, "cluster.instance_groups[1]", Change.IN_PLACE),
        ({"cluster": {"cluster_name": "fixed"}}, "cluster.cluster_name", Change.REPLACES_CLUSTER),
        ({"cluster": {"provisioning": "Request"}}, "cluster.provisioning", Change.REFUSED),
        ({"storage": Storage(lustre=[LustreFileSystem(name="a")])}, "storage.lustre[0]", Change.IN_PLACE),
        ({"addons": Addons(training_operator={})}, "addons.training_operator", Change.IN_PLACE),
        ({"allow_data_loss": True}, "allow_data_loss", Change.NONE),
    ],
)  # fmt: skip
def test_an_edit_is_reported_by_the_policy_of_its_field(new: dict[str, Any], path: str, change: Change) -> None:
    [edit] = edits(platform(), platform(**new))
    assert (edit.path, edit.change) == (path, change)
    assert replaces([edit]) == (change not in (Change.IN_PLACE, Change.DRAINS, Change.NONE))


def test_the_worst_change_is_listed_first_and_groups_are_identified_by_name() -> None:
    old = platform(groups=[GROUP, GROUP | {"name": "gone"}])
    new = platform(groups=[GROUP | {"name": "new"}, GROUP | {"count": 3}], region="us-east-1")
    found = edits(old, new)
    assert [edit.change for edit in found] == sorted((e.change for e in found), key=WORST_FIRST.index)
    assert {edit.path: edit.change for edit in found if "groups" in edit.path} == {
        "cluster.instance_groups[0]": Change.IN_PLACE,
        "cluster.instance_groups[1]": Change.DRAINS,
        "cluster.instance_groups[1].count": Change.IN_PLACE,
    }


def test_removing_storage_states_whether_data_is_deleted() -> None:
    def with_system(removal: str, size: int = 2400, **extra: Any) -> Platform:
        return platform(storage=Storage(lustre=[LustreFileSystem(name="a", removal=removal, size_gib=size)]), **extra)

    change = edits(with_system("destroy", allow_data_loss=True), platform(allow_data_loss=True))[0]
    assert (change.change, change.path) == (Change.LOSES_DATA, "storage.lustre[0]")
    for retaining in (with_system("destroy"), with_system("retain", allow_data_loss=True), with_system("retain")):
        edit = next(edit for edit in edits(retaining, platform()) if edit.path == "storage.lustre[0]")
        assert edit.change is Change.DRAINS  # its claims are deleted
        assert edit.impact == "its claims are removed; it is retained outside the stacks, and billed"
    assert edits(with_system("retain"), with_system("retain", 1200))[0].change is Change.REFUSED


def test_one_replacement_among_other_edits_counts() -> None:
    drains, data_loss = (edit("a", change, 1, 2) for change in (Change.DRAINS, Change.LOSES_DATA))
    assert [replaces(found) for found in ([drains, data_loss], [data_loss, drains], [drains], [])] == [
        True,
        True,
        False,
        False,
    ]


def test_edits_of_one_kind_are_in_the_order_of_stacks_and_paths() -> None:
    found = [edit(path, Change.DRAINS, 1, 2, stack=stack) for path, stack in (("b", "x"), ("a", "y"), ("a", "x"))]
    assert [(item.stack, item.path) for item in ordered(found)] == [("x", "a"), ("x", "b"), ("y", "a")]


def test_equal_platforms_have_no_edits() -> None:
    assert edits(platform(), platform()) == []


def template(**changed: Any) -> dict[str, Any]:
    group = {"InstanceGroupName": "w", "InstanceType": "ml.p5.48xlarge", "InstanceCount": 2}
    cluster = {"VpcConfig": {"Subnets": [{"Ref": "A"}]}, "InstanceGroups": [group], "NodeRecovery": "Automatic"}
    return {"Resources": {"C": {"Type": "AWS::SageMaker::Cluster", "Properties": {**cluster, **changed}}}}


def template_edits(old: dict[str, Any], new: dict[str, Any]) -> list[Edit]:
    return list(deployment({"s": old}, {"s": new}).edits)


@pytest.mark.parametrize(
    ("changed", "path", "change"),
    [
        ({"VpcConfig": {"Subnets": [{"Ref": "B"}]}}, "C (AWS::SageMaker::Cluster).VpcConfig", Change.REPLACES_CLUSTER),
        ({"ClusterName": "x"}, "C (AWS::SageMaker::Cluster).ClusterName", Change.REPLACES_CLUSTER),
        ({"InstanceGroups": []}, "C.InstanceGroups[w]", Change.DRAINS),
        ({"InstanceGroups": [{"InstanceGroupName": "w", "InstanceType": "ml.p5e.48xlarge"}]},
         "C.InstanceGroups[w].InstanceType", Change.REPLACES_GROUP),
    ],
)  # fmt: skip
def test_templates_are_compared_with_each_other(changed: dict[str, Any], path: str, change: Change) -> None:
    [edit] = template_edits(template(), template(**changed))
    assert (edit.path, edit.change) == (path, change)


def test_updates_in_place_are_only_counted() -> None:
    found = deployment({"s": template()}, {"s": template(NodeRecovery="None")})
    assert (list(found.edits), [str(step) for step in found.steps]) == ([], ["s: updated (1 changed)"])


def test_a_moved_cluster_is_replaced() -> None:
    [edit] = template_edits(template(), {"Resources": {"D": template()["Resources"]["C"]}})
    assert (edit.change, edit.message) == (Change.REPLACES_CLUSTER, "is deleted; D replaces it")


def test_the_part_of_a_large_value_that_differs_is_reported() -> None:
    subnets = [{"Ref": f"Network{number}Subnet{number:017x}"} for number in range(4)]
    old, new = ({"VpcConfig": {"SecurityGroupIds": ["a"], "Subnets": [*subnets, last]}} for last in ("b", "c"))
    [edit] = template_edits(template(**old), template(**new))
    assert edit.message == 'Subnets[4]: "b" becomes "c"'


def test_long_texts_are_cut_from_where_they_differ() -> None:
    old, new = ({"ClusterName": "x" * 100 + last} for last in "ab")
    [edit] = template_edits(template(**old), template(**new))
    assert edit.message == f'...{"x" * 20}a" becomes ...{"x" * 20}b"'


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("a", "b" * 100, f'"a" becomes "{"b" * 75}...'),
        ("b" * 100, None, f'"{"b" * 75}... becomes not set'),
        ("x" * 78, "y" * 78, f'"{"x" * 78}" becomes "{"y" * 78}"'),
        ("x" * 79, "y", f'"{"x" * 75}... becomes "y"'),
        (  # with the equal beginning, and shortened at the end
            "x" * 50 + "a" + "z" * 100,
            "x" * 50 + "b" + "z" * 100,
            f"...{'x' * 20}a{'z' * 55}... becomes ...{'x' * 20}b{'z' * 55}...",
        ),
        (["x" * 80, 1, 2, 3, 4, 5], ["x" * 80, 6, 7, 8, 9, 5],
         "[1]: 1 becomes 6; [2]: 2 becomes 7; [3]: 3 becomes 8; and 1 more"),
        (["x" * 80, 1, 2, 3], ["x" * 80, 6, 7, 8], "[1]: 1 becomes 6; [2]: 2 becomes 7; [3]: 3 becomes 8"),
        ("x" * 50 + "a", "x" * 100, f'{"x" * 0}...{"x" * 20}a" becomes ...{"x" * 70}"'),
        # a part of the maximum length is shown in full
        (["x" * 77 + "a", 1], ["x" * 77 + "b", 1], f'[0]: "{"x" * 77}a" becomes "{"x" * 77}b"'),
        (["x" * 80, 1], ["x" * 80], f'...{"x" * 19}", 1] becomes ...{"x" * 19}"]'),
    ],
)  # fmt: skip
def test_differences_in_words(before: Any, after: Any, text: str) -> None:
    assert difference(before, after) == text


def test_a_removed_addon_is_reported_with_its_prerequisites() -> None:
    found = edits(platform(addons=Addons(training_operator={})), platform(addons=Addons()))
    assert {edit.path for edit in found} == {"addons.training_operator", "addons.cert_manager"}
    assert {edit.change for edit in found} == {Change.DRAINS}
    assert "anything that depends on it stops" in found[0].message


KEPT_WORKSPACE = "its pods stop; its Prometheus workspace is retained outside the stacks, and billed"


@pytest.mark.parametrize(
    ("addon", "allowed", "change", "impact"),
    [
        ({"observability": {}}, False, Change.DRAINS, KEPT_WORKSPACE),
        ({"observability": {"retain_workspace": False}}, False, Change.DRAINS, KEPT_WORKSPACE),
        ({"observability": {}}, True, Change.DRAINS, KEPT_WORKSPACE),
        (
            {"observability": {"retain_workspace": False}},
            True,
            Change.LOSES_DATA,
            "its Prometheus workspace is deleted with its metrics",
        ),
        (
            {"observability": {"workspace_arn": "arn:aws:aps:us-west-2:111122223333:workspace/ws-0123"}},
            True,
            Change.DRAINS,
            MEANING[Change.DRAINS],
        ),
        (
            {"inference_operator": {}},
            True,
            Change.DRAINS,
            "its pods stop; its bucket of certificates is retained outside the stacks, and billed",
        ),
        ({"inference_operator": {"tls_bucket_name": "theirs"}}, True, Change.DRAINS, MEANING[Change.DRAINS]),
    ],
)
def test_the_consequence_for_an_addons_data_is_reported(
    addon: dict[str, Any], allowed: bool, change: Change, impact: str
) -> None:
    old = platform(addons=Addons.model_validate(addon), allow_data_loss=allowed)
    (name,) = addon
    [edit] = [item for item in edits(old, platform(allow_data_loss=allowed)) if item.path == f"addons.{name}"]
    assert (edit.change, edit.impact) == (change, impact)
    assert edit.message == "is removed with its pods; anything that depends on it stops"


def test_a_private_endpoint_removes_access_of_clients_outside() -> None:
    found = edits(platform(), platform(eks={"endpoint_access": "private"}))
    [edit] = [finding for finding in found if finding.path == "eks.endpoint_access"]
    assert edit.change is Change.IN_PLACE
    assert edit.impact.startswith("kubectl and other clients outside the VPC lose access")
