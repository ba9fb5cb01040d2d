"""Single consequences that depend on values or on other parts of the config, with their exact texts."""

from __future__ import annotations

from typing import Any

import pytest
from edit_table import BASE
from test_consequences import GROUPS, IN_EKS, JOB, LUSTRE, REPOSITORY, RESTRICTED, SYSTEM, ZONES, autoscaling, platform

from hyperpod_constructs.core.changes import edits
from hyperpod_constructs.core.changes.consequences import Versions
from hyperpod_constructs.core.changes.consequences.cluster import is_version
from hyperpod_constructs.core.changes.consequences.registry import special
from hyperpod_constructs.core.changes.edit import text
from hyperpod_constructs.core.changes.effective import effective

Config = dict[str, Any]


def reported_edits(old: Config, new: Config) -> list[tuple[str, str, str]]:
    return [(edit.path, str(edit.change), edit.message) for edit in edits(platform(old), platform(new))]


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("1.35", True),
        ("10.1234", True),
        ("1.12345", False),
        ("12345.1", False),
        ("1", False),
        ("1.35.2", False),
        ("1.x", False),
        ("x.1", False),
        ("1.", False),
        ("1.\N{ARABIC-INDIC DIGIT THREE}", False),
        ("${Token[TOKEN.1]}", False),
        (1.35, False),
        (None, False),
    ],
)
def test_versions(value: Any, is_one: bool) -> None:
    assert is_version(value) is is_one


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("1.34", "1.35", "in-place"),
        ("1.34", "1.36", "refused"),
        ("1.34", "1.33", "refused"),
        (None, "1.35", "in-place"),
        ("1.34", None, "in-place"),
        ("${Token[TOKEN.1]}", "1.35", "in-place"),
    ],
)
def test_edits_of_the_kubernetes_version(before: Any, after: Any, change: str) -> None:
    versions = Versions(platform({}), platform({}))
    found = special(versions, "eks.kubernetes_version", before, after)
    assert found is not None
    assert [str(edit.change) for edit in found] == [change]
    assert special(versions, "eks.support", before, after) is None


def lustre(**fields: Any) -> Config:
    return {"storage": {"lustre": [SYSTEM | fields]}}


def buckets(**fields: Any) -> Config:
    return {"storage": {"buckets": [{"name": "models", **fields}]}}


@pytest.mark.parametrize(
    ("removal", "impact", "advice"),
    [
        (
            "destroy",
            "the association is deleted: the directory is no longer synchronized with S3; files are retained",
            "",
        ),
        (
            "retain",
            "the association is removed from the stack and retained: FSx continues to synchronize the directory with S3",
            "to stop it, run `aws fsx delete-data-repository-association --association-id ID`",
        ),
    ],
)
def test_a_data_repository_that_is_removed(removal: str, impact: str, advice: str) -> None:
    old, new = lustre(removal=removal, data_repositories=[REPOSITORY]), lustre(removal=removal)
    [found] = edits(platform(old), platform(new))
    assert (found.path, str(found.change), found.message) == (
        "storage.lustre[0].data_repositories[0]",
        "in-place",
        '"/raw" is removed',
    )
    assert (found.impact, found.advice) == (impact, advice)


def test_a_data_repository_of_another_bucket() -> None:
    old, new = (lustre(data_repositories=[{"path": "/raw", "bucket": f"s3://{name}"}]) for name in ("one", "two"))
    [found] = edits(platform(old), platform(new))
    assert (found.path, str(found.change), found.message) == (
        "storage.lustre[0].data_repositories[0].bucket",
        "refused",
        '"s3://one" becomes "s3://two"',
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            lustre(namespaces=["a", "b", "c"]),
            lustre(namespaces=["c", "d", "e"]),
            [
                ("storage.lustre[0].namespaces", "drains", "claims are removed from a, b"),
                ("storage.lustre[0].namespaces", "in-place", "claims are added in d, e"),
            ],
        ),
        (
            buckets(access="none"),
            buckets(access="read"),
            [("storage.buckets[0].access", "in-place", '"none" becomes "read"')],
        ),
        (
            buckets(access="read"),
            buckets(access="none"),
            [("storage.buckets[0].access", "drains", '"read" becomes "none"')],
        ),
        (  # if the stacks replace an existing file system by one of another type, only the first consequence is reported
            {"storage": {"lustre": [LUSTRE | {"deployment_type": "SCRATCH_2"}]}},
            {"storage": {"lustre": [{**LUSTRE, "existing_id": None, "deployment_type": "PERSISTENT_2"}]}},
            [("storage.lustre[0].existing_id", "refused", '"fs-0123456789abcdef0" becomes not set')],
        ),
        (
            {"network": {"mode": "closed", "nat": "none"}},
            {"network": {"mode": "open", "nat": "none"}},
            [("network.mode", "in-place", '"closed" becomes "open"')],
        ),
        (
            {"network": {"availability_zone_ids": ZONES[:2]}},
            {"network": {"availability_zone_ids": [*ZONES, "usw2-az4"]}},
            [("network.availability_zone_ids", "in-place", "usw2-az3, usw2-az4 are added")],
        ),
        (  # a node subnet in a zone of the control plane moves, and one in another zone
            {"network": {"node_cidrs": ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]}},
            {"network": {"node_cidrs": ["10.1.0.0/16", "10.8.0.0/16", "10.9.0.0/16"]}},
            [
                (
                    "network.node_cidrs",
                    "replaces-cluster",
                    "the node subnet of usw2-az2 moves from 10.2.0.0/16 to 10.8.0.0/16, and 1 more subnet moves",
                )
            ],
        ),
        (
            {"jobs": [JOB]},
            {"jobs": [JOB | {"image": "registry/train:v2", "command": ["python", "other.py"]}]},
            [("jobs[0]", "drains", 'command, image of "train" change')],
        ),
        (
            {"acknowledge": [{"rule": "HP312", "reason": "known"}]},
            {"acknowledge": []},
            [("acknowledge[0]", "none", '"HP312" is removed')],
        ),
        (
            {"acknowledge": []},
            {"acknowledge": [{"rule": "HP312", "reason": "known"}]},
            [("acknowledge[0]", "in-place", '"HP312" is new')],
        ),
    ],
    ids=text,
)
def test_one_consequence(old: Config, new: Config, expected: list[tuple[str, str, str]]) -> None:
    assert reported_edits(old, new) == expected


def test_a_network_that_opens() -> None:
    old, new = ({"network": {"mode": mode, "nat": "none"}} for mode in ("closed", "open"))
    assert edits(platform(old), platform(new))[0].impact == (
        "an internet gateway and public subnets are added, NAT gateways by network.nat; running work continues"
    )


def test_a_job_that_changes_while_its_nodes_begin_to_scale_is_reported_once() -> None:
    new = autoscaling() | {"jobs": [{**JOB, "image": "registry/train:v2"}]}
    assert [
        (path, message) for path, _, message in reported_edits({"jobs": [JOB]}, new) if path.startswith("jobs")
    ] == [("jobs[0]", 'image of "train" changes')]


# Values that are set before configs are compared


def test_an_existing_cluster_keeps_no_version() -> None:
    assert effective(platform(IN_EKS)).eks.kubernetes_version is None
    assert effective(platform({"eks": {"kubernetes_version": None}})).eks.kubernetes_version is not None
    assert effective(platform({"eks": {"kubernetes_version": "1.33"}})).eks.kubernetes_version == "1.33"


def test_the_zone_of_groups_without_one() -> None:
    without_zone = {key: value for key, value in RESTRICTED.items() if key != "availability_zone_id"}
    found = effective(
        platform({"cluster": {"instance_groups": GROUPS[:1], "restricted_instance_groups": [without_zone, RESTRICTED]}})
    )
    assert [group.availability_zone_id for group in found.cluster.restricted_instance_groups] == [ZONES[0]] * 2
    others = [
        {**GROUPS[0], "availability_zone_id": None},
        {**GROUPS[2], "name": "own", "subnet_ids": ["subnet-0123456789abcdef0"], "availability_zone_id": None},
    ]
    found = effective(platform({"cluster": {"instance_groups": others}}))
    assert [group.availability_zone_id for group in found.cluster.instance_groups] == [ZONES[0], None]


def test_data_is_destroyed_only_where_that_is_allowed() -> None:
    def removals(**config: Any) -> list[str]:
        storage = effective(platform(config)).storage
        return [item.removal for item in (*storage.lustre, *storage.buckets)]

    assert removals() == [
        item.get("removal", "retain") for kind in ("lustre", "buckets") for item in BASE["storage"][kind]
    ]
    assert set(removals(allow_data_loss=False)) == {"retain"}
