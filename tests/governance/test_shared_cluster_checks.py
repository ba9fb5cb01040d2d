"""Findings about teams, storage and observability, in addition to the examples of each rule."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.findings import Finding, Severity
from hyperpod_constructs.core.spec import Addons, Cluster, Governance, Storage

CLUSTER = Cluster.model_validate(
    {
        "instance_groups": [
            {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
            {"name": "workers", "instance_type": "ml.p5.48xlarge", "count": 16, "availability_zone_id": "usw2-az1"},
        ]
    }
)


def found(rule: str, **parts: Any) -> list[Finding]:
    return [finding for finding in check(Context(**parts)) if finding.rule == rule]


def teams(*quotas: list[dict[str, Any]], **overrides: Any) -> Governance:
    return Governance.model_validate(
        {"teams": [{"name": f"team-{index}", "quota": quota, **overrides} for index, quota in enumerate(quotas)]}
    )


P5 = "ml.p5.48xlarge"


@pytest.mark.parametrize(
    ("quotas", "instances"),
    [
        ([[{"instance_type": P5, "count": 8}], [{"instance_type": P5, "count": 8}]], None),
        ([[{"instance_type": P5, "count": 8}], [{"instance_type": P5, "count": 9}]], "17"),
        ([[{"instance_type": P5, "count": 12}], [{"instance_type": P5, "accelerators": 32}]], None),
        ([[{"instance_type": P5, "count": 12}], [{"instance_type": P5, "accelerators": 36}]], "16.5"),
        ([[{"instance_type": P5, "count": 16}], [{"instance_type": P5, "vcpu": 96}]], "16.5"),
        ([[{"instance_type": P5, "memory_gib": 2048 * 17}]], "17"),
    ],
)
def test_the_sum_of_quotas_is_compared_with_the_capacity(
    quotas: list[list[dict[str, Any]]], instances: str | None
) -> None:
    findings = found("HP606", governance=teams(*quotas), cluster=CLUSTER)
    if instances is None:
        assert findings == []
    else:
        (finding,) = findings
        assert f"the quotas total {instances} instances of ml.p5.48xlarge, but the groups have 16" in finding.message


@pytest.mark.parametrize(
    ("arn", "severity"),
    [
        ("arn:aws:iam::111122223333:role/Vision", None),
        ("arn:aws:iam::111122223333:role/path/Vision", None),
        ("arn:aws-cn:iam::111122223333:user/ada", None),
        ("arn:aws:sts::111122223333:assumed-role/Vision/ada", Severity.ERROR),
        ("arn:aws:iam::111122223333:group/vision", Severity.ERROR),
        ("vision", Severity.ERROR),
    ],
)
def test_principals_are_roles_and_users(arn: str, severity: Severity | None) -> None:
    findings = found("HP611", governance=teams([], members=(arn,)))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_a_principal_listed_twice() -> None:
    arn = "arn:aws:iam::111122223333:role/Vision"
    (finding,) = found("HP611", governance=teams([], members=(arn,), viewers=(arn,)))
    assert finding.severity is Severity.WARNING
    assert finding.path == "governance.teams[0].viewers[0]"


@pytest.mark.parametrize("namespace", ["team-0", "hyperpod-ns-team-0", "default"])
def test_claims_in_namespaces_that_come(namespace: str) -> None:
    storage = Storage.model_validate({"lustre": [{"name": "data", "namespaces": [namespace]}]})
    assert found("HP811", storage=storage, governance=teams([])) == []


def test_claims_in_namespaces_that_do_not() -> None:
    storage = Storage.model_validate({"buckets": [{"name": "data", "namespaces": ["nobody"]}]})
    (finding,) = found("HP811", storage=storage, governance=teams([]))
    assert finding.path == "storage.buckets[0].namespaces[0]"


def test_a_bucket_that_is_mounted_needs_its_driver() -> None:
    storage = Storage.model_validate({"buckets": [{"name": "data", "namespaces": ["default"]}]})
    (finding,) = found("HP810", storage=storage, addons=Addons())
    assert "mountpoint_s3_csi" in finding.message
    assert found("HP810", storage=storage, addons=Addons.model_validate({"mountpoint_s3_csi": {}})) == []


@pytest.mark.parametrize(
    ("settings", "rule", "region"),
    [
        ({"grafana": {"kind": "self-hosted"}}, "HP824", "us-west-2"),
        ({"metrics": {"interval_seconds": 10}}, "HP825", "us-west-2"),
        ({"grafana": {"values": {"replicas": 2}}}, "HP821", "us-west-2"),
    ],
)
def test_observability_is_checked(settings: dict[str, Any], rule: str, region: str) -> None:
    addons = Addons.model_validate({"observability": settings})
    assert found(rule, addons=addons, region=region), rule
    assert not found(rule, addons=Addons.model_validate({"observability": {}}), region="us-west-2")
