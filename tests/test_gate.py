"""The app as users run it: CDK's validator enabled, its default rules as errors, invalid configs, and the pinned CDK CLI."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assembly import ROOT
from reports import copied_examples
from sweep import sample

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
JSII = ("JSII_NODE", "JSII_RUNTIME", "NODE_OPTIONS")
"""Variables of the tests that a user does not have."""


def run_app(config: str | Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("CDK_VALIDATION", *JSII)}
    env |= {"HYPERPOD_CONFIG": str(config), "HYPERPOD_OUT": str(out), **environment}
    return subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The shipped config without the validator, and its output."""
    out = tmp_path_factory.mktemp("gate") / "cdk.out"
    result = run_app("hyperpod.yaml", out, CDK_VALIDATION="false")
    assert result.returncode == 0, result.stdout + result.stderr
    return out, result.stdout


def with_property(text: str, folder: Path) -> Path:
    """The shipped config with a property of its cluster that has no separate field."""
    config = (ROOT / "hyperpod.yaml").read_text().replace("cluster:\n", f"cluster:\n  properties: {{{text}}}\n")
    path = folder / "with-property.yaml"
    path.write_text(config.replace("jobs/neuron-hello.yaml", str(ROOT / "jobs/neuron-hello.yaml")))
    return path


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """Several configs in one run of the validator, which takes as long for one: output and names of the platforms."""
    folder = copied_examples(tmp_path_factory.mktemp("validated"))
    examples = [path for path in sorted(folder.glob("*.yaml")) if path.name != "hyperpod.yaml"]
    options = Path(shutil.copy(ROOT / "tests/configs/every-group-option.yaml", folder))
    configs = [folder / "hyperpod.yaml", options, with_property("GainedLater: {A: 1}", folder), *sample(examples, 12)]
    for config in configs:  # examples may share a name
        config.write_text(re.sub("^name: .*", f"name: {config.stem[:20]}", config.read_text(), flags=re.M))
    result = run_app(",".join(map(str, configs)), folder / "out")
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    return folder / "out", {config.stem[:20] for config in configs}


def test_the_validator_finds_no_errors(validated: tuple[Path, set[str]]):
    """In the shipped config, examples, and a config with every group field; properties that CDK lacks are acknowledged."""
    assert json.loads((ROOT / "cdk.json").read_text())["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True
    (report,) = json.loads((validated[0] / "validation-report.json").read_text())["pluginReports"]
    assert report["violations"] == []
    passed = {item["description"].partition(":")[0] for item in report["suppressedViolations"]}
    assert passed >= {"GainedLater", "InstanceGroups.1.ImageReleaseVersion"}, "CDK's schema now contains one of these"


def test_several_configs_are_stages_of_one_app(validated: tuple[Path, set[str]]):
    out, names = validated
    assert names >= {"hyperpod", "every-group-option", "with-property"}
    assert {path.parent.name for path in out.rglob("*.template.json")} == {f"assembly-{name}" for name in names}


def test_properties_that_cdk_does_not_know_yet_pass_the_validator(validated: tuple[Path, set[str]]):
    (template,) = (validated[0] / "assembly-with-property").glob("*HyperPod*.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    (cluster,) = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::SageMaker::Cluster"]
    assert cluster["GainedLater"] == {"A": 1}


def test_the_validator_detects_errors(tmp_path: Path):
    """An invalid value through the escape hatch is rejected, and no output remains."""
    storage = "{Mode: Enable, InstanceMemoryAllocationPercentage: 900}"
    result = run_app(with_property(f"TieredStorageConfig: {storage}", tmp_path), tmp_path / "out")
    assert result.returncode == 1
    assert "greater than the maximum of 100" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_summary_names_stacks_findings_and_next_commands(synthesized: tuple[Path, str]):
    assert "research: 5 stacks" in synthesized[1]
    assert "findings:" in synthesized[1]
    assert "npx cdk deploy" in synthesized[1]


def test_a_wrong_config_does_not_change_an_earlier_output(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("earlier")
    config = tmp_path / "wrong.yaml"
    config.write_text((ROOT / "hyperpod.yaml").read_text().replace("ml.trn1.32xlarge", "ml.trn1.32xlage"))
    result = run_app(config, out)
    assert result.returncode == 1
    assert "Did you mean" in result.stderr
    assert "Traceback" not in result.stderr
    assert [p.name for p in out.iterdir()] == ["mine.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "wrong.yaml"]


@pytest.mark.skipif(not (ROOT / "node_modules/aws-cdk").exists(), reason="npm ci was not run (make test does it)")
def test_the_pinned_cdk_cli_gives_the_same_templates(synthesized: tuple[Path, str], tmp_path: Path):
    env = {k: v for k, v in os.environ.items() if k not in JSII} | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [
        str(BIN / "node"),
        "node_modules/aws-cdk/bin/cdk",
        "synth",
        "--quiet",
        "--no-validation",
        "--app",
        f"{sys.executable} app.py",
        "-o",
        str(tmp_path / "out"),
    ]
    completed = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    direct = {p.name: p.read_bytes() for p in synthesized[0].glob("*.template.json")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.template.json")} == direct


def test_cfn_lint_finds_nothing_in_the_shipped_config(synthesized: tuple[Path, str]):
    templates = sorted(str(path) for path in synthesized[0].glob("*.template.json"))
    command = [str(BIN / "cfn-lint"), "--config-file", ".cfnlintrc.yaml", "-t", *templates]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert len(templates) == 5
    assert (completed.returncode, completed.stdout) == (0, "")
