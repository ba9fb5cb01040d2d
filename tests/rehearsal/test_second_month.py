"""Edits of a running platform: `hyperpod diff` and a rehearsal agree, also about changes that services reject."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ordinary_edits import Config, content
from proving import every
from rehearsal_platforms import Platforms

from hyperpod_constructs.assembly.rehearsal import Rehearsal
from hyperpod_constructs.core.changes import WORST_FIRST, edits
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.core.spec.base import Change

pytestmark = pytest.mark.slow
LUSTRE, TEAMS = "examples/lustre.yaml", "examples/teams.yaml"


def put(path: str, value: Any) -> Callable[[Config], None]:
    def edit(config: Any) -> None:
        *parts, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in parts:
            config = config[part] if isinstance(config, list) else config.setdefault(part, {})
        config[last] = value

    return edit


def remove(path: str) -> Callable[[Config], None]:
    def edit(config: Any) -> None:
        *parts, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in parts:
            config = config[part]
        del config[last]

    return edit


LINK = "storage.lustre.0.data_repositories.0"
EDITS: Mapping[str, tuple[str, Callable[[Config], None], str, str, str]] = {
    "NAT gateways added": (TEAMS, put("network.nat", "per-zone"), "in-place", "", ""),
    "the API becomes private": (TEAMS, remove("eks.public_access_cidrs"), "in-place", "", ""),
    "another administrator": (TEAMS, put("eks.admins", ["arn:aws:iam::111122223333:role/New"]), "in-place", "", ""),
    "logs kept for a shorter time": (TEAMS, put("logs", {"retention_days": 30}), "in-place", "", ""),
    "add-on version pinned": (
        TEAMS, put("addons.training_operator", {"version": "v1.2.0-eksbuild.1"}), "drains", "", ""),
    "another instance type": (
        TEAMS, put("cluster.instance_groups.0.instance_type", "ml.m5.12xlarge"), "replaces-group", "HPR01",
        "instance group system: InstanceType cannot be changed from ml.m5.4xlarge to ml.m5.12xlarge"),
    "group moved to another zone": (
        TEAMS, put("cluster.instance_groups.1.availability_zone_id", "usw2-az2"), "replaces-group", "HPR01",
        "instance group workers: OverrideVpcConfig cannot be changed"),
    "shared execution role": (
        TEAMS, put("cluster.execution_roles", "shared"), "replaces-group", "HPR01",
        "The execution role of an instance group cannot be changed"),
    "Kubernetes version lowered": (
        TEAMS, put("eks.kubernetes_version", "1.34"), "refused", "HPR01",
        "Unsupported Kubernetes minor version update from 1.35 to 1.34"),
    "provisioning mode": (
        TEAMS, put("cluster.provisioning", "Request"), "refused", "HPR01",
        "NodeProvisioningMode cannot be changed from Continuous to"),
    "nodes of a running job removed": (
        TEAMS, put("cluster.instance_groups.1.count", 1), "drains", "HPR04",
        "15 of 16 nodes of ml.p5.48xlarge are removed; the job hyperpod-ns-vision/resnet-"),
    "nodes removed that no job needs": (
        TEAMS, put("cluster.instance_groups.1.count", 15), "drains", "", ""),
    "Karpenter disabled, which restarts jobs": (
        "examples/everything.yaml", remove("cluster.autoscaling"), "drains", "", ""),
    "file system grows": (LUSTRE, put("storage.lustre.0.size_gib", 19200), "in-place", "", ""),
    "another bucket behind a directory": (
        LUSTRE, put(f"{LINK}.bucket", "s3://elsewhere"), "refused", "HPR01", "/data with s3://elsewhere overlaps with the "),
    "another directory for a bucket": (
        LUSTRE, put(f"{LINK}.path", "/other"), "refused", "HPR01", "overlaps with the data repository association"),
    "file system in another zone": (
        LUSTRE, put("storage.lustre.0.availability_zone_id", "usw2-az1"), "replaces", "HP973",
        "is replaced by a new, empty resource; the old resource is retained and billed"),
}  # fmt: skip
"""Example, edit, the worst consequence that `hyperpod diff` reports, and the finding of a rehearsal with its text."""


def platform_of(config: Config) -> Platform:
    return Platform.model_validate({**config, "jobs": [job for job in config.get("jobs", []) if isinstance(job, dict)]})


def worst(before: Config, after: Config) -> Change:
    found = edits(platform_of(before), platform_of(after))
    return min((edit.change for edit in found), key=WORST_FIRST.index)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_second_month(name: str, platforms: Platforms):
    example, edit, consequence, rule, message = EDITS[name]
    before = content(example)
    after = copy.deepcopy(before)
    edit(after)
    assert worst(before, after) == consequence
    rehearsal = Rehearsal()
    rehearsal.deploy(platforms.of(before))
    rehearsal.settle()
    rehearsal.deploy(platforms.of(after))
    rehearsal.settle()
    found = errors(rehearsal.findings)
    assert [finding.rule for finding in found] == ([rule] if rule else [])
    assert [finding.message for finding in found if message not in finding.message] == []


def test_a_running_job_that_follows_the_cluster_is_reported():
    config = content("examples/everything.yaml")
    without_queue = copy.deepcopy(config)
    del without_queue["cluster"]["autoscaling"]
    for before, after, state in ((config, without_queue, "disabled"), (without_queue, config, "enabled")):
        found = {edit.path: edit for edit in edits(platform_of(before), platform_of(after))}
        assert found["jobs[0]"].message == f'the manifest of "vision" changes: Karpenter is {state}'
        assert (found["jobs[0]"].change, found["jobs[0]"].impact) == (
            Change.DRAINS,
            "a new job is created, then the old one is deleted: if it runs, it is stopped",
        )


def test_a_claim_keeps_its_size_when_its_file_system_grows(platforms: Platforms):
    before, after = content(LUSTRE), content(LUSTRE)
    EDITS["file system grows"][1](after)
    rehearsal = Rehearsal()
    for config in (before, after, before):
        outcomes = rehearsal.deploy(platforms.of(config))
        rehearsal.settle()
        if config is after:
            assert every(outcome.ok for outcome in outcomes)
            (site,) = rehearsal.sites.values()
            (cluster,) = site.resources.clusters.values()
            volume = cluster.store.get("persistentvolumes", "data-hyperpod-ns-vision")
            claim = cluster.store.get("persistentvolumeclaims", "data", "hyperpod-ns-vision")
            assert volume is not None
            assert claim is not None
            assert volume["spec"]["capacity"] == {"storage": "19200Gi"}
            assert claim["spec"]["resources"] == {"requests": {"storage": "9600Gi"}}
    assert "cannot be decreased to 9600 GiB" in next(outcome.reason for outcome in outcomes if not outcome.ok)


def test_a_link_that_was_removed_is_retained_and_blocks_another_one(platforms: Platforms):
    linked, unlinked = content(LUSTRE), content(LUSTRE)
    del unlinked["storage"]["lustre"][0]["data_repositories"]
    (removed,) = edits(platform_of(linked), platform_of(unlinked))
    assert "removed from the stack and retained: FSx continues to synchronize the directory with S3" in str(removed)
    rehearsal = Rehearsal()
    for config in (linked, unlinked):
        assert every(outcome.ok for outcome in rehearsal.deploy(platforms.of(config)))
    assert [remaining.kind for remaining in rehearsal.left()] == ["AWS::FSx::DataRepositoryAssociation"]
    outcomes = rehearsal.deploy(platforms.of(linked))
    assert "overlaps with the data repository association" in next(item.reason for item in outcomes if not item.ok)
