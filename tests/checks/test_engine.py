"""How rules are run: parts that are missing, tokens, dates, acknowledgements, and what constructs get."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from proving import every

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.core.checks import Context, check, describe, ensure, error_texts, find, rule, rules
from hyperpod_constructs.core.checks.pods import per_node
from hyperpod_constructs.core.findings import Finding, InvalidSpec, Severity
from hyperpod_constructs.core.spec import (
    Acknowledgement,
    Addons,
    Cluster,
    Eks,
    InstanceGroup,
    Network,
    RestrictedInstanceGroup,
)

TOKEN = "${Token[TOKEN.42]}"


def found(context: Context, id: str) -> list[Finding]:
    return [finding for finding in check(context) if finding.rule == id]


def cluster(**group: Any) -> Cluster:
    return Cluster(
        instance_groups=[InstanceGroup(**{"name": "w", "instance_type": "ml.p5.48xlarge", "count": 2} | group)]
    )


def test_unknown_parts_are_not_reported() -> None:
    assert check(Context()) == []
    assert found(Context(cluster=cluster(instance_type="ml.trn1.32xlarge")), "HP302") == []
    assert found(Context(cluster=cluster(instance_type="ml.trn1.32xlarge"), region="us-west-1"), "HP302")


def test_a_region_that_is_a_token_is_not_known() -> None:
    context = Context(region=TOKEN, account=TOKEN)
    assert (context.region, context.account) == (None, None)
    assert check(context) == []


@pytest.mark.parametrize(
    ("context", "rule", "path"),
    [
        (Context(cluster=cluster(instance_type=TOKEN)), "HP301", "cluster.instance_groups[0].instance_type"),
        (Context(network=Network(vpc_cidr=TOKEN, availability_zone_ids=["a", "b"])), "HP101", "network.vpc_cidr"),
        (
            Context(eks=Eks(kubernetes_version=TOKEN, existing={"cluster_name": "mine"})),
            "HP201",
            "eks.kubernetes_version",
        ),
        (Context(eks=Eks(admins=[TOKEN])), "HP214", "eks.admins[0]"),
        (Context(cluster=cluster(image_id=TOKEN)), "HP332", "cluster.instance_groups[0].image_id"),
        (Context(cluster=cluster(subnet_ids=[TOKEN])), "HP117", "cluster.instance_groups[0].subnet_ids[0]"),
    ],
)
def test_tokens_are_skipped_with_one_note(context: Context, rule: str, path: str) -> None:
    [note] = found(context, rule)
    assert (note.severity, note.path) == (Severity.NOTE, path)
    assert "token" in note.message
    assert not [f for f in check(context) if f.path == path and f.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("day", "version", "rule", "message"),
    [
        (date(2026, 11, 23), "1.31", "HP203", "3 days left"),
        (date(2026, 11, 26), "1.31", "HP202", "ended on 2026-11-26"),
        (date(2026, 11, 23), "1.34", "HP203", "9 days left"),
        (date(2026, 12, 2), "1.34", "HP203", "costs extra"),
        (date(2026, 1, 1), "1.36", "HP202", "2026-06-02"),
        (date(2030, 1, 1), None, "HP202", "EKS no longer supports any version"),
    ],
)
def test_dates_are_those_of_the_clock(day: date, version: str | None, rule: str, message: str) -> None:
    with use_clock(day):
        assert any(message in finding.message for finding in found(Context(eks=Eks(kubernetes_version=version)), rule))


@pytest.mark.parametrize("version", ["1.38", "1.35"])
def test_a_version_that_is_newer_than_the_catalog_is_not_an_error(version: str) -> None:
    with use_clock(date(2026, 11, 23)):
        assert every(f.severity is not Severity.ERROR for f in check(Context(eks=Eks(kubernetes_version=version))))


def accepted(rule: str, path: str = "") -> tuple[Acknowledgement, ...]:
    return (Acknowledgement(rule=rule, path=path, reason="agreed"),)


def test_an_acknowledgement_is_for_a_rule_and_a_place() -> None:
    eks = Eks(endpoint_access="public")
    assert found(Context(eks=eks, acknowledge=accepted("HP211")), "HP211")[0].acknowledged == "agreed"
    assert found(Context(eks=eks, acknowledge=accepted("HP211", "eks")), "HP211")[0].acknowledged == "agreed"
    assert found(Context(eks=eks, acknowledge=accepted("HP211", "cluster")), "HP211")[0].acknowledged is None


def test_an_error_that_is_not_certain_can_be_acknowledged() -> None:
    context = Context(
        cluster=cluster(instance_type="ml.m5.4xlarge", network_interface="efa"), acknowledge=accepted("HP334")
    )
    assert found(context, "HP334")[0].acknowledged == "agreed"
    assert not any("HP334" in text for text in error_texts(context))


def test_a_certain_error_cannot() -> None:
    context = Context(network=Network(availability_zone_ids=["usw2-az1"]), acknowledge=accepted("HP110"))
    assert any("HP110" in text for text in error_texts(context))
    assert found(context, "HP031")


def test_stale_acknowledgements_are_reported_where_the_whole_platform_is_known() -> None:
    assert not found(Context(acknowledge=accepted("HP211")), "HP032")
    assert found(Context(acknowledge=accepted("HP211"), whole=True), "HP032")
    assert not found(Context(acknowledge=accepted("HP901"), whole=True), "HP032")


def test_ensure_raises_with_the_findings_as_text() -> None:
    with pytest.raises(InvalidSpec, match=r"Did you mean 'ml\.p5\.48xlarge'"):
        ensure(Context(cluster=cluster(instance_type="ml.p5.48xlage")))
    assert ensure(Context()) == []


def test_errors_are_listed_first() -> None:
    ranks = [f.severity for f in check(Context(eks=Eks(endpoint_access="public", cluster_name="my.cluster")))]
    assert ranks == sorted(ranks, key=list(Severity).index)


def test_ids_are_unique_and_belong_to_an_area() -> None:
    documentation: dict[str, Any] = dict.fromkeys(("title", "why", "cure", "source"), "x")
    with pytest.raises(ValueError, match="twice"):
        describe("HP301", severity=Severity.ERROR, **documentation)
    with pytest.raises(ValueError, match="no area"):
        rule("XX301", severity=Severity.ERROR, **documentation)(lambda context: iter(()))
    assert len({item.id for item in rules()}) == len(rules())
    assert find("HP999") is None


def test_a_cluster_by_itself_may_have_capacity_of_others() -> None:
    tainted = cluster(taints=[{"key": "a", "effect": "NoSchedule"}])
    assert found(Context(cluster=tainted), "HP315")[0].severity is Severity.WARNING
    assert found(Context(cluster=tainted, eks=Eks()), "HP315")[0].severity is Severity.ERROR


def test_dns_servers_with_restricted_nodes_use_a_pod_on_every_node() -> None:
    system = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)
    rig = RestrictedInstanceGroup(name="rig", instance_type="ml.p5.48xlarge", count=2)
    ordinary = Context(cluster=Cluster(instance_groups=[system]), addons=Addons())
    mixed = Context(cluster=Cluster(instance_groups=[system], restricted_instance_groups=[rig]), addons=Addons())
    assert per_node(mixed) == per_node(ordinary) + 1
