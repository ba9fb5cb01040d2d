"""The failure modes and the 26 mistakes: each is detected, and the table in docs/ lists the rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rule_configs import findings_in, over_base

from hyperpod_constructs.core.checks import find

DOCS = Path(__file__).parents[2] / "docs" / "failure-modes.md"
ROWS = {
    row[0].strip(): row
    for row in (line.strip("| \n").split("|") for line in DOCS.read_text().splitlines())
    if len(row) == 3
}


def test_no_failure_and_no_mistake_is_left_out() -> None:
    expected = {f"F{number}" for number in range(1, 39)} | {f"c{number:02}" for number in range(26)}
    assert expected <= set(ROWS)


def test_every_row_names_rules_that_exist_or_another_stage() -> None:
    for name, row in ROWS.items():
        if not re.fullmatch(r"F[0-9]+|c[0-9]+", name):
            continue
        ids = re.findall(r"HP[0-9]{3}", row[2])
        assert [id for id in ids if find(id) is None] == [], name
        assert ids or re.search(r"pre-flight|by construction", row[2]), name


SYSTEM = "{name: system, instance_type: ml.m5.4xlarge, count: 2}"


def groups(*others: str) -> str:
    return f"cluster: {{instance_groups: [{', '.join([SYSTEM, *others])}]}}\n"


MISTAKES = {
    "c00": ("network: {availability_zone_ids: [use2-az2, use2-az1]}\n", {"HP112"}),
    "c01": ("network: {availability_zone_ids: [usw2-az1]}\n", {"HP110"}),
    "c02": ("network: {vpc_cidr: 10.2.0.0/16, node_cidrs: [10.1.0.0/16, 10.2.0.0/16]}\n", {"HP106"}),
    "c03": ("network: {vpc_cidr: 10.192.0.0/27}\n", {"HP104"}),
    "c04": ("network: {vpc_cidr: ten-dot}\n", {"HP101"}),
    "c05": (groups("{name: w, instance_type: ml.p5.48xlage, count: 1}"), {"HP301"}),
    "c06": (groups("{name: w, instance_type: p5.48xlarge, count: 1}"), {"HP301"}),
    "c07": (
        groups(
            "{name: a, instance_type: ml.p5.48xlarge, count: 1, availability_zone_id: usw2-az1}",
            "{name: b, instance_type: ml.p5.48xlarge, count: 1, availability_zone_id: usw2-az2}",
        ),
        {"HP312"},
    ),
    "c08": (groups("{name: w, instance_type: ml.p5.48xlarge, count: 1, availability_zone_id: usw2-az3}"), {"HP311"}),
    "c09": ('eks: {kubernetes_version: "1.20"}\n', {"HP201"}),
    "c10": ('eks: {kubernetes_version: "9.99"}\n', {"HP201"}),
    "c11": ("eks: {kubernetes_version: 1.30}\n", {"HP014"}),
    "c12": ("cluster: {provisioning: continuous, node_recovery: automatic}\nstage: dev\n", {"HP013", "HP010"}),
    "c13": (groups("{name: w, instance_type: ml.p5.48xlarge, count: 1, OnStartDeepHealthChecks: []}"), {"HP010"}),
    "c14": ('eks: {kuberentes_version: "1.35"}\n', {"HP010"}),
    "c15": ("network: {existing: {}}\n", {"HP011"}),
    "c16": (groups(*(f"{{name: g{n}, instance_type: ml.m5.large, count: 1}}" for n in range(20))), {"HP308"}),
    "c17": (groups("{name: system, instance_type: ml.m5.4xlarge, count: 1}"), {"HP307"}),
    "c18": ("network: {availability_zone_ids: [us-west-2a, us-west-2b]}\n", {"HP112"}),
    "c19": ("dependencies: {enabled: false}\n", {"HP401"}),
    "c20": ('storage: {lustre: [{name: a, size_gib: 1000, throughput: 333, lustre_version: "2.1"}]}\n',
            {"HP801", "HP802", "HP803"}),
    "c21": (f"name: My_Prefix!\ncluster: {{cluster_name: {'a' * 70}}}\n", {"HP020", "HP316"}),
    "c22": ("cluster: {instance_groups: []}\n", {"HP308"}),
    "c23": ("cluster: {instance_groups: [{InstanceGroupName: a, KubernetesConfig: {Labels: {a: b}}}]}\n", {"HP010"}),
    "c24": ("network: {availability_zone_ids: [usw2-az1, usw2-az2, usw2-az3, usw2-az4, usw2-az5, usw2-az6]}\n", {"HP108"}),
    "c25": ("network: {vpc_cidr: 172.31.0.0/16, node_cidrs: [10.1.0.0/16, 10.2.0.0/16]}\n", {"HP107"}),
}  # fmt: skip


@pytest.mark.parametrize(("fragment", "rules"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_caught_as_stated_in_the_table(fragment: str, rules: set[str]) -> None:
    name = next(name for name, case in MISTAKES.items() if case == (fragment, rules))
    found = {finding.rule for finding in findings_in(over_base(fragment))}
    assert rules <= found
    assert rules & set(re.findall(r"HP[0-9]{3}", ROWS[name][2]))


@pytest.mark.parametrize("cidr", ["10.2.0.0/16", "10.192.0.0/24", "172.31.0.0/16", "192.168.0.0/16", "10.0.0.0/16"])
def test_networks_that_elsewhere_fail_just_work(cidr: str) -> None:
    findings = findings_in(over_base(f"network: {{vpc_cidr: {cidr}}}\n"))
    assert [f for f in findings if f.severity == "error"] == []


def test_all_26_are_here() -> None:
    assert list(MISTAKES) == [f"c{number:02}" for number in range(26)]
