"""Edits of lists: which lists are compared without order, and how their members are identified."""

from __future__ import annotations

from typing import Any

import pytest
from edit_table import BASE, ROLE
from test_consequences import RESTRICTED, VPC, platform

from hyperpod_constructs.core.changes import edits
from hyperpod_constructs.core.changes.edit import edit
from hyperpod_constructs.core.spec.base import Change

CHECKS = ("InstanceStress", "InstanceConnectivity", "MultiNodeTrainingValidation")
ARNS = tuple(f"arn:aws:s3:::bucket-{name}" for name in "abc")
ROLES = tuple(ROLE + name for name in "ABC")
CIDRS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
NAMES = ("a", "b", "c")


def group(**fields: Any) -> dict[str, Any]:
    first, *others = BASE["cluster"]["instance_groups"]
    return {"cluster": {"instance_groups": [{**first, **fields}, *others]}}


def team(**fields: Any) -> dict[str, Any]:
    first, *others = BASE["governance"]["teams"]
    return {"governance": {"teams": [{**first, **fields}, *others]}}


@pytest.mark.parametrize(
    ("path", "values", "section"),
    [
        ("eks.admins", ROLES, lambda some: {"eks": {"admins": some}}),
        ("eks.public_access_cidrs", CIDRS, lambda some: {"eks": {"public_access_cidrs": some}}),
        ("eks.logs", ("api", "audit", "scheduler"), lambda some: {"eks": {"logs": some}}),
        (
            "eks.access[0].namespaces",
            NAMES,
            lambda some: {"eks": {"access": [{"principal": ROLE + "Auditor", "policy": "view", "namespaces": some}]}},
        ),
        (
            "network.interface_endpoints",
            ("ecr.api", "ecr.dkr", "sts"),
            lambda some: {"network": {"interface_endpoints": some}},
        ),
        ("network.existing.vpc_cidrs", CIDRS, lambda some: {"network": {"existing": VPC | {"vpc_cidrs": some}}}),
        ("governance.teams[0].members", ROLES, lambda some: team(members=some)),
        ("governance.teams[0].viewers", ROLES, lambda some: team(viewers=some)),
        ("cluster.instance_groups[0].deep_health_checks", CHECKS, lambda some: group(deep_health_checks=some)),
        (
            "cluster.instance_groups[0].auto_patch.deployment.alarms",
            NAMES,
            lambda some: group(auto_patch={"deployment": {"alarms": some}}),
        ),
        (
            "cluster.restricted_instance_groups[0].input_bucket_arns",
            ARNS,
            lambda some: {"cluster": {"restricted_instance_groups": [RESTRICTED | {"input_bucket_arns": some}]}},
        ),
        (
            "cluster.restricted_instance_groups[0].output_bucket_arns",
            ARNS,
            lambda some: {"cluster": {"restricted_instance_groups": [RESTRICTED | {"output_bucket_arns": some}]}},
        ),
        (
            "addons.mountpoint_s3_csi.bucket_arns",
            ARNS,
            lambda some: {"addons": {"mountpoint_s3_csi": {"bucket_arns": some}}},
        ),
        (
            "addons.observability.alarms.emails",
            ("a@example.com", "b@example.com", "c@example.com"),
            lambda some: {"addons": {"observability": {"alarms": {"emails": some}}}},
        ),
    ],
)
def test_lists_whose_order_has_no_effect(path: str, values: tuple[str, ...], section: Any) -> None:
    first, second, third = values
    old = platform(section([first, second]))
    assert edits(old, platform(section([second, first]))) == []
    [found] = edits(old, platform(section([second, third])))
    assert (found.path, found.change) == (path, Change.NONE if "existing" in path else Change.IN_PLACE)
    assert found.message == f'"{third}" is added; "{first}" is removed'
    assert (found.before, found.after) == ((first, second), (second, third))


JOB = BASE["jobs"][0]
SPACES = [{k: v for k, v in JOB.items() if k != "team"} | {"namespace": name} for name in ("one", "two")]
KINDS = [SPACES[0] | {"kind": kind} for kind in ("PyTorchJob", "HyperPodPyTorchJob")]
TAINTS = [{"key": "a", "effect": effect} for effect in ("NoSchedule", "PreferNoSchedule")]
ACCESS = [{"principal": ROLE + "A", "policy": policy} for policy in ("view", "edit")]
LINKS = [{"path": f"/{name}", "bucket": f"s3://bucket-{name}"} for name in "ab"]
ACKNOWLEDGED = [{"rule": "HP312", "path": f"cluster.instance_groups[{index}]", "reason": "known"} for index in (0, 1)]


@pytest.mark.parametrize(
    ("members", "other", "path", "section"),
    [
        (SPACES, SPACES[1] | {"namespace": "three"}, "jobs", lambda some: {"jobs": some}),
        (KINDS, KINDS[1] | {"name": "other"}, "jobs", lambda some: {"jobs": some}),
        (
            TAINTS,
            TAINTS[1] | {"key": "b"},
            "cluster.instance_groups[0].taints",
            lambda some: group(taints=some),
        ),
        (ACCESS, ACCESS[1] | {"policy": "admin"}, "eks.access", lambda some: {"eks": {"access": some}}),
        (
            LINKS,
            {"path": "/c", "bucket": "s3://bucket-c"},
            "storage.lustre[0].data_repositories",
            lambda some: {"storage": {"lustre": [{"name": "a", "size_gib": 1200, "data_repositories": some}]}},
        ),
        (
            ACKNOWLEDGED,
            ACKNOWLEDGED[1] | {"rule": "HP313"},
            "acknowledge",
            lambda some: {"acknowledge": some},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_members_of_a_list_are_identified(members: list[Any], other: Any, path: str, section: Any) -> None:
    """Members are identified by their keys: the order has no effect, and a member with another key is a different member."""
    old = platform(section(members))
    assert edits(old, platform(section(members[::-1]))) == []
    found = edits(old, platform(section([members[0], other])))
    assert sorted((edit.path, edit.message.rpartition('" is ')[2].split()[0].strip(",")) for edit in found) == [
        (f"{path}[1]", "new"),
        (f"{path}[1]", "removed"),
    ]


def test_a_list_of_models_that_becomes_empty_or_begins() -> None:
    access = {"eks": {"access": ACCESS}}
    assert [edit.path for edit in edits(platform(access), platform({"eks": {"access": []}}))] == [
        "eks.access[0]",
        "eks.access[1]",
    ]
    assert [edit.path for edit in edits(platform({"eks": {"access": []}}), platform(access))] == [
        "eks.access[0]",
        "eks.access[1]",
    ]


def test_the_fields_of_an_edit() -> None:
    plain = edit("a.b", Change.DRAINS, 1, None)
    assert plain.as_dict() == {
        "change": "drains",
        "path": "a.b",
        "stack": "",
        "rule": "",
        "message": "1 becomes not set",
        "impact": "nodes or pods are restarted, drained or removed; running work is interrupted",
        "advice": "deploy when no job runs, or after a checkpoint",
    }
    assert (plain.before, plain.after) == (1, None)
    full = edit("a", Change.IN_PLACE, 1, 2, "text", impact="impact", advice="advice", rule="HP970", stack="net")
    assert full.as_dict() == {
        "change": "in-place",
        "path": "a",
        "stack": "net",
        "rule": "HP970",
        "message": "text",
        "impact": "impact",
        "advice": "advice",
    }
    assert str(full) == "in-place HP970: net: a: text\n  impact: impact\n  advice: advice"
    silent = edit("a", Change.DRAINS, 1, 2, advice="")
    assert str(silent) == f"drains: a: 1 becomes 2\n  impact: {plain.impact}"
    assert edit("a", Change.NONE, 1, 2).advice == ""
