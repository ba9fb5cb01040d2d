"""cdk-nag's AwsSolutions pack on the examples of a shared cluster: each finding is one that was reviewed."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import aws_cdk as cdk
import pytest
from assembly import ROOT
from cdk_nag import AwsSolutionsChecks
from nag_reasons import REASONS

from hyperpod_constructs.config import load
from hyperpod_constructs.stacks import platform_stacks

pytestmark = pytest.mark.slow

EXAMPLES = ["teams", "lustre", "observability-managed", "observability-self-hosted"]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Construct path and rule of each finding."""
    folder = tmp_path_factory.mktemp("nag")
    app = cdk.App(outdir=str(folder), analytics_reporting=False, builtin_cloud_formation_validation=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    for name in EXAMPLES:
        platform = load(ROOT / f"examples/{name}.yaml").platform
        assert platform is not None
        platform_stacks(cdk.Stage(app, name, env=cdk.Environment(region=platform.region)), platform)
    with contextlib.suppress(RuntimeError):  # it fails while there are findings: the report has them
        app.synth()
    report = json.loads((Path(folder) / "validation-report.json").read_text())
    return [
        (construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def reason(path: str, rule: str) -> str | None:
    """Why a finding is accepted."""
    return next(
        (text for where, what, text in REASONS if re.search(where, path) and re.match(rf"AwsSolutions-{what}", rule)),
        None,
    )


def test_the_pack_looked(findings: list[tuple[str, str]]) -> None:
    assert len(findings) > 50


def test_every_finding_was_reviewed(findings: list[tuple[str, str]]) -> None:
    assert [(path, rule) for path, rule in findings if reason(path, rule) is None] == []


def test_no_reason_is_stale(findings: list[tuple[str, str]]) -> None:
    used = {reason(path, rule) for path, rule in findings}
    assert [text for _, _, text in REASONS if text not in used] == []


def test_nothing_is_accepted_of_encryption_or_public_access(findings: list[tuple[str, str]]) -> None:
    rules = {rule.partition("[")[0].removeprefix("AwsSolutions-") for _, rule in findings}
    assert rules <= {"VPC7", "IAM4", "IAM5", "L1", "S1", "SF1", "SF2"}
