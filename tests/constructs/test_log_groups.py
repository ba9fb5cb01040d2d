"""Log groups: each has the retention and the key of the config, including that of the control plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT, UNCOPIED
from aws_cdk import App, Environment, Stack, assertions
from platform_parts import KEY as OTHER_KEY
from proving import proved

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.cost import estimate
from hyperpod_constructs.core.spec import Logs, Platform

pytestmark = pytest.mark.slow

KEY = OTHER_KEY.replace("us-west-2", "us-east-1")
EXAMPLE = ROOT / "examples" / "everything.yaml"


def platform() -> Platform:
    spec = load(EXAMPLE).platform
    assert spec is not None
    return spec


def in_one_stack(platform: Platform) -> dict[str, Any]:
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region=platform.region))
    HyperPodPlatform(stack, "Platform", platform=platform)
    template: dict[str, Any] = assertions.Template.from_stack(stack).to_json()
    return template


def log_groups(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Logs::LogGroup":
            yield resource.get("Properties", {})


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return in_one_stack(platform())


def test_every_log_group_has_a_retention(default: dict[str, Any]):
    groups = list(log_groups(default))
    assert len(groups) > 8
    assert {group["RetentionInDays"] for group in groups} == {90}
    assert not any("KmsKeyId" in group for group in groups)


@pytest.mark.parametrize(("days", "found"), [(365, {365}), ("unset", {None})])
def test_the_setting_reaches_every_log_group_also_those_of_cdk(days: Any, found: set[int | None], default: Any):
    key = KEY if days == 365 else OTHER_KEY
    logs = Logs(retention_days=days, kms_key_arn=key)
    synthesized = in_one_stack((platform() if days == 365 else small()).model_copy(update={"logs": logs}))
    groups = list(log_groups(synthesized))
    assert len(groups) == len(list(log_groups(default))) if days == 365 else len(groups) > 4
    assert {group.get("RetentionInDays") for group in groups} == found
    assert {group["KmsKeyId"] for group in groups} == {key}


def test_it_reaches_every_stack(tmp_path: Path):
    app = build([small(logs={"retention_days": 7})], context=cdk_context() | UNCOPIED, outdir=str(tmp_path))
    app.synth()
    groups = {
        file.name: [group["RetentionInDays"] for group in log_groups(json.loads(file.read_text()))]
        for file in tmp_path.glob("*.template.json")
    }
    assert {days for found in groups.values() for days in found} == {7}
    assert len([name for name, found in groups.items() if found]) > 1


def test_the_control_planes_log_group_is_created_before_the_cluster(default: dict[str, Any]):
    name = platform().name
    log_groups = [
        (id, resource)
        for id, resource in default["Resources"].items()
        if resource.get("Properties", {}).get("LogGroupName") == f"/aws/eks/{name}/cluster"
    ]
    ((id, log_group),) = log_groups
    assert log_group["DeletionPolicy"] == "Delete"
    (cluster,) = [item for item in default["Resources"].values() if item["Type"] == "AWS::EKS::Cluster"]
    assert cluster["Properties"]["Name"] == name
    assert id in cluster["DependsOn"]
    proved({"Test": default}, "nodes-before-addons", "role-policies-before-clusters")


def small(**parts: dict[str, Any]) -> Platform:
    base: dict[str, Any] = {
        "name": "research",
        "region": "us-west-2",
        "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
        "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
    }
    return Platform.model_validate({key: base.get(key, {}) for key in parts} | base | _merged(base, parts))


def _merged(base: dict[str, Any], parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {key: {**base.get(key, {}), **part} for key, part in parts.items()}


def test_both_clusters_are_named_after_the_platform():
    spec = small()
    assert (spec.completed_cluster.cluster_name, spec.completed_eks.cluster_name) == ("research", "research")


@pytest.mark.parametrize("name", ["own", None])
def test_a_name_that_is_given_stays_also_null(name: str | None):
    spec = small(cluster={"cluster_name": name}, eks={"cluster_name": name})
    assert (spec.completed_cluster.cluster_name, spec.completed_eks.cluster_name) == (name, name)


def retentions(template: dict[str, Any]) -> list[tuple[Any, int]]:
    return [
        (resource["Properties"]["LogGroupName"], resource["Properties"]["RetentionInDays"])
        for resource in template["Resources"].values()
        if resource["Type"] == "Custom::LogRetention"
    ]


@pytest.mark.parametrize("days", [90, 365])
def test_the_retention_of_a_log_group_that_eks_names_is_set(days: int):
    synthesized = in_one_stack(small(eks={"cluster_name": None}, logs={"retention_days": days}))
    assert not [group for group in log_groups(synthesized) if "LogGroupName" in group]
    (cluster,) = [id for id, resource in synthesized["Resources"].items() if resource["Type"] == "AWS::EKS::Cluster"]
    assert retentions(synthesized) == [({"Fn::Join": ["", ["/aws/eks/", {"Ref": cluster}, "/cluster"]]}, days)]


def test_without_logs_or_with_the_accounts_retention_nothing_is_set():
    for parts in ({"eks": {"logs": []}}, {"eks": {"cluster_name": None}, "logs": {"retention_days": "unset"}}):
        synthesized = in_one_stack(small(**parts))
        assert not [group for group in log_groups(synthesized) if "LogGroupName" in group]
        assert retentions(synthesized) == []


def test_control_plane_logs_are_in_the_cost_table():
    lines = [line for line in estimate(small()).lines if "control-plane logs" in line.what]
    types = "api, audit, authenticator, controllerManager, scheduler"
    assert [(line.part, line.what, line.usd_per_hour, line.note) for line in lines] == [
        ("eks", "control-plane logs, 5 types", None, f"usage-based: per GB of {types} ingested, and stored for 90 days")
    ]
    assert not [line for line in estimate(small(eks={"logs": []})).lines if "control-plane logs" in line.what]
