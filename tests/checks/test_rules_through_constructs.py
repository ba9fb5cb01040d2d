"""The incorrect example of every rule, built with constructs: it is reported at synth, or a reason is listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack
from constructs import Construct
from rule_configs import load_text, over_base
from sweep import sample
from test_rule_examples import EXAMPLES

from hyperpod_constructs import TrainingJob, use_facts
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs import validation
from hyperpod_constructs.constructs.platform import HyperPodPlatform, Scopes
from hyperpod_constructs.core.checks import Rule
from hyperpod_constructs.core.findings import Finding, InvalidSpec, errors
from hyperpod_constructs.core.spec import Platform

_FILE = "about the text of a config file; in an app there is none"
_PYDANTIC = "a wrong shape is pydantic's ValidationError when the object of the spec is made"
_OFFICIAL = "about a config of the official CLI"
REASONS = {
    **dict.fromkeys(("HP001", "HP002", "HP005", "HP006", "HP015"), _FILE),
    **dict.fromkeys(("HP010", "HP011", "HP012", "HP013", "HP014"), _PYDANTIC),
    "HP020": "an app names its stacks itself, and CDK checks the names",
    "HP025": "an app gives a boundary by iam.PermissionsBoundary or CDK's context",
    "HP029": "the generation of defaults is a field of a config",
    "HP032": "what an acknowledgement is about may be in another app on the same EKS cluster",
    "HP034": "use_facts() raises InvalidFacts with the same words",
    "HP738": "the namespace may be made by another app; with teams in the app the rule fires",
    "HP747": "a job's claim may be made by another app; with a file system in the app the rule fires",
    **dict.fromkeys(("HP790", "HP791", "HP792"), _OFFICIAL),
}
"""Rules that cannot fire for constructs, and why."""
RULES = [rule for rule in EXAMPLES if rule.id not in REASONS]


class Parts(HyperPodPlatform):
    """The constructs of a platform, created separately, so the platform is not checked as a whole."""

    def __init__(self, scope: Construct, id: str, *, platform: Platform) -> None:
        Construct.__init__(self, scope, id)
        scopes = Scopes(network=self, eks=self, hyperpod=self, addons=self, jobs=self)
        self._create(platform.model_copy(update={"jobs": ()}), scopes)
        for index, job in enumerate(platform.completed_jobs):  # which can have the same name
            TrainingJob(self, f"Job{index}", cluster=self.cluster, job=job)
        self.eks.kubernetes.parts.acknowledge += platform.acknowledge


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Finding]]:
    """All findings of the constructs, including notes, which CDK does not show."""
    all_: list[Finding] = []

    def keeping(findings: Iterable[Finding]) -> list[Finding]:
        found = list(findings)
        all_.extend(found)
        return errors(found)

    monkeypatch.setattr(validation, "errors", keeping)
    yield all_
    use_facts()


def fired(platform: Platform, found: list[Finding]) -> set[str]:
    """The rules that report findings when constructs are created or the app is synthesized; no other error is accepted."""
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region=platform.region, account=platform.account))
    try:
        Parts(stack, "Parts", platform=platform)
    except InvalidSpec as refused:
        return {finding.rule for finding in refused.findings}
    for construct in stack.node.find_all():
        construct.node.validate()
    return {finding.rule for finding in found}


def make_chart(folder: Path) -> str:
    """An empty chart, because the files of a chart are read when the construct is created."""
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("rule", sample(RULES, 10, kind=lambda rule: rule.id[:3]), ids=lambda rule: rule.id)
def test_a_rule_fires_for_constructs(rule: Rule, tmp_path: Path, found: list[Finding]) -> None:
    wrong = re.sub(r"(?<=path: )charts/\w+", lambda chart: make_chart(tmp_path / chart[0]), rule.wrong)
    platform = load_text(over_base(wrong)).platform
    assert platform is not None, "an invalid structure requires a reason"
    assert rule.id in fired(platform, found)


def test_each_reason_is_about_a_rule_that_has_an_example() -> None:
    known = {rule.id for rule in EXAMPLES}
    assert REASONS.keys() <= known
    print(f"{len(RULES)} rules fire for constructs, {len(REASONS)} cannot and say why")
    assert len(RULES) > 5 * len(REASONS)


@pytest.mark.slow
@pytest.mark.parametrize("id", sample([rule.id for rule in EXAMPLES if rule.id in REASONS], 4, kind=REASONS.get))
def test_no_reason_is_stale(id: str, found: list[Finding]) -> None:
    (rule,) = [example for example in EXAMPLES if example.id == id]
    platform = load_text(over_base(rule.wrong)).platform
    assert platform is None or id not in fired(platform, found)
