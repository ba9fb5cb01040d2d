"""Rules with only a part of a platform, as in a construct, and numbers that are too large for the tables."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich_config import RICH
from rule_configs import BASE, merged
from test_unreadable import EXISTING

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.core.checks import Context, check, rules
from hyperpod_constructs.core.checks.arns import findings_about_arns
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import Finding
from hyperpod_constructs.core.spec import Cluster, Eks, Governance, InstanceGroup, Job, Platform, Storage

PARTS = [part.name for part in fields(Context) if part.name not in ("acknowledge", "whole", "cut", "allow_data_loss")]
CLOSED = merged(BASE, {"network": {"mode": "closed"}, "dependencies": {"enabled": False}, "addons": {"kueue": {}}})
CONFIGS = {"rich": RICH, "existing": yaml.safe_load(EXISTING), "closed": CLOSED, "least": BASE}


def platform(config: dict[str, Any], folder: Path) -> Context:
    file = folder / "hyperpod.yaml"
    file.write_text(yaml.safe_dump(config))
    loaded = load(file).platform
    assert loaded is not None
    return replace(Context.of(loaded), whole=False)


def summaries(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.path, finding.message) for finding in findings]


@pytest.mark.parametrize("config", CONFIGS)
def test_rules_need_no_other_parts_than_they_say(config: str, tmp_path: Path) -> None:
    full_context = platform(CONFIGS[config], tmp_path)
    known = [part for part in PARTS if getattr(full_context, part) is not None]
    assert len(known) > 10
    without = [replace(full_context, **{part: None}) for part in known]
    parts = [Context(**{part: getattr(full_context, part)}) for part in known]
    pairs = [
        Context(**{part: getattr(full_context, part), other: getattr(full_context, other)})
        for index, part in enumerate(known)
        for other in known[index + 1 :]
    ]
    for context in (*without, *parts, *pairs):
        applied = {rule.id for rule in rules() if all(context.has(part) for part in rule.needs)}
        assert {finding.rule for finding in check(context)} <= {*applied, "HP030", "HP031", "HP032"}


def job(**fields: Any) -> Job:
    return Job.model_validate({"name": "train", "image": "registry/train:v1", "nodes": 1} | fields)


TWICE = [("HP750", "jobs[1].name", "'train' is also the name of jobs[0]")]


@pytest.mark.parametrize(
    ("first", "second", "whole_platform", "found"),
    [
        ({}, {}, False, TWICE),
        ({}, {"image": "registry/train:v2"}, False, []),  # a different hash means a different object
        ({}, {"image": "registry/train:v2"}, True, TWICE),
        ({"on_change": "replace"}, {"on_change": "replace", "image": "registry/train:v2"}, False, TWICE),
        ({}, {"namespace": "other"}, True, []),
    ],
)
def test_names_of_jobs_in_an_app_and_in_a_config(
    first: dict[str, Any], second: dict[str, Any], whole_platform: bool, found: list[tuple[str, str, str]]
) -> None:
    context = Context(jobs=(job(**first), job(**second)), whole=whole_platform)
    assert [summary for summary in summaries(check(context)) if summary[0] == "HP750"] == found


@pytest.mark.parametrize(("whole_platform", "reported"), [(True, True), (False, False)])
def test_what_only_a_whole_platform_knows(whole_platform: bool, reported: bool) -> None:
    storage = Storage.model_validate({"lustre": [{"name": "data", "namespaces": ["nobody"], "removal": "destroy"}]})
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "nobody"}}
    found = summaries(check(Context(storage=storage, manifests=(manifest,), whole=whole_platform)))
    expected = [
        (
            "HP738",
            "manifests[0].metadata.namespace",
            "the namespace 'nobody' is neither `default` nor the namespace of a team",
        ),
        ("HP808", "storage.lustre[0].removal", "destroy, but allow_data_loss is false"),
        (
            "HP811",
            "storage.lustre[0].namespaces[0]",
            "the namespace 'nobody' is neither `default` nor the namespace of a team",
        ),
    ]
    assert sorted(summary for summary in found if summary[0] in ("HP738", "HP808", "HP811")) == (
        expected if reported else []
    )
    teams = Context(storage=storage, manifests=(manifest,), governance=Governance.model_validate({"teams": []}))
    assert sorted(summary for summary in summaries(check(teams)) if summary[0] in ("HP738", "HP811")) == [
        expected[0],
        expected[2],
    ]


def test_the_findings_about_arns_are_those_of_their_rules() -> None:
    eks = Eks.model_validate({"admins": ["Admin"], "cluster_name": "my.cluster", "secrets_key_arn": "alias/eks"})
    assert summaries(findings_about_arns(Context(eks=eks))) == [
        ("HP214", "eks.admins[0]", "'Admin' is not the ARN of an IAM role or user"),
        ("HP217", "eks.secrets_key_arn", "'alias/eks' is not the ARN of a KMS key"),
    ]


NO_VERSION = "EKS no longer supports any version that HyperPod documents (up to 1.35 in the catalog)"
NEWEST = "Use 1.35, the latest version that HyperPod documents."


@pytest.mark.parametrize(
    ("day", "eks", "rule", "message", "cure"),
    [
        (date(2030, 1, 1), {}, "HP202", NO_VERSION, "Run `hyperpod catalog refresh`, or set a version."),
        (date(2030, 1, 1), {"existing": {"cluster_name": "mine"}}, "HP202", None, None),
        (
            date(2026, 6, 1),
            {"kubernetes_version": "1.36"},
            "HP202",
            "EKS releases Kubernetes 1.36 on 2026-06-02",
            NEWEST,
        ),
        (date(2026, 6, 2), {"kubernetes_version": "1.36"}, "HP202", None, None),
        (
            date(2026, 10, 3),
            {"kubernetes_version": "1.34"},
            "HP203",
            "standard support of Kubernetes 1.34 ends on 2026-12-02 (60 days left)",
            NEWEST,
        ),
        (date(2026, 10, 2), {"kubernetes_version": "1.34"}, "HP203", None, None),
        (
            date(2030, 1, 1),
            {"kubernetes_version": "1.28"},
            "HP201",
            "EKS no longer supports Kubernetes 1.28; the calendar begins with 1.29",
            NEWEST,
        ),
    ],
)
def test_versions_on_a_day(day: date, eks: dict[str, Any], rule: str, message: str | None, cure: str | None) -> None:
    with use_clock(day):
        found = [finding for finding in check(Context(eks=Eks.model_validate(eks))) if finding.rule == rule]
    expected = [("eks.kubernetes_version", message, cure)] if message is not None else []
    assert [(finding.path, finding.message, finding.cure) for finding in found] == expected


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (20, []),
        (21, [("warning", "21 groups; the API's limit is 100, but the documented limit is 20")]),
        (100, [("warning", "100 groups; the API's limit is 100, but the documented limit is 20")]),
        (101, [("error", "101 groups; the limit is 100")]),
    ],
)
def test_the_number_of_groups(count: int, found: list[tuple[str, str]]) -> None:
    groups = [InstanceGroup(name=f"g{index}", instance_type="ml.m5.4xlarge", count=1) for index in range(count)]
    findings = [
        finding for finding in check(Context(cluster=Cluster(instance_groups=groups))) if finding.rule == "HP308"
    ]
    assert [(str(finding.severity), finding.message) for finding in findings] == found
    assert {finding.path for finding in findings} <= {"cluster.instance_groups"}


LONGEST = 128 * 1024 - 1
TOO_LONG = "131,073 bytes; the limit of Linux for one argument or variable is 131,072"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"args": ["x" * LONGEST]}, []),
        ({"args": ["x" * (LONGEST + 1)]}, [("HP728", "jobs[0].args[0]", TOO_LONG)]),
        ({"env": {"A": "x" * (LONGEST - 2)}}, []),
        ({"env": {"A": "x" * (LONGEST - 1)}}, [("HP728", "jobs[0].env.A", TOO_LONG)]),
        ({"args": ["é" * (LONGEST // 2)]}, []),
        ({"args": ["é" * (LONGEST // 2 + 1)]}, [("HP728", "jobs[0].args[0]", TOO_LONG)]),
    ],
)
def test_the_length_of_an_argument(fields: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert [summary for summary in summaries(check(Context(jobs=(job(**fields),)))) if summary[0] == "HP728"] == found


def test_a_context_of_a_platform_has_all_its_parts() -> None:
    context = Context.of(Platform.model_validate(BASE))
    assert context.whole
    assert context.cut == frozenset()
    assert (context.name, context.region, context.has("storage"), context.has("governance")) == (
        "research",
        "us-west-2",
        True,
        False,
    )


@pytest.mark.parametrize(("count", "omitted"), [(100, None), (101, "1"), (1102, "1,002")])
def test_a_hundred_structural_errors_are_listed(count: int, omitted: str | None, tmp_path: Path) -> None:
    file = tmp_path / "hyperpod.yaml"
    unknown = {f"unknown{index}": 1 for index in range(count)}
    file.write_text(yaml.safe_dump(merged(BASE, {"network": unknown})))
    found = load(file).findings
    assert len([finding for finding in found if finding.rule == "HP010"]) == 100
    summary = [(finding.path, finding.message, finding.cure) for finding in found if finding.rule == "HP012"]
    message = f"{omitted} additional structural errors are not listed"
    assert summary == ([("", message, "Fix the listed errors first.")] if omitted is not None else [])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *((text, "true") for text in ("yes", "Yes", "on", "ON", "y")),
        *((text, "false") for text in ("no", "off", "n")),
        ("maybe", "true or false"),
    ],
)
def test_words_that_other_yaml_versions_read_as_true_or_false(text: str, meant: str, tmp_path: Path) -> None:
    file = tmp_path / "hyperpod.yaml"
    file.write_text(yaml.safe_dump(merged(BASE, {"network": {"flow_logs": text}})))
    (found,) = [finding for finding in load(file).findings if finding.path == "network.flow_logs"]
    assert (found.rule, found.message) == ("HP012", f"must be true or false, not the text {text!r}")
    assert found.cure == f"Write {meant}."
