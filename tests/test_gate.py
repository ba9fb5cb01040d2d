"""The app as users run it: CDK's validator on, its default rules as errors, wrong configs, and the pinned CDK CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assembly import ROOT

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent


def run_app(config: str | Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("CDK_VALIDATION", "JSII_NODE", "JSII_RUNTIME")}
    env |= {"HYPERPOD_CONFIG": str(config), "HYPERPOD_OUT": str(out), **environment}
    return subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The shipped config through the validator, and what was printed."""
    out = tmp_path_factory.mktemp("gate") / "cdk.out"
    done = run_app("hyperpod.yaml", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_the_validator_finds_no_errors_in_the_shipped_config(synthesized: tuple[Path, str]):
    report = synthesized[0] / "validation-report.json"
    assert json.loads((ROOT / "cdk.json").read_text())["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True
    if report.exists():
        violations = json.loads(report.read_text())
        assert '"severity": "error"' not in json.dumps(violations)


def cluster_with(fields: str, folder: Path) -> Path:
    """The shipped config with more fields of its cluster."""
    text = (ROOT / "hyperpod.yaml").read_text().replace("cluster:\n", f"cluster:\n  {fields}\n")
    config = folder / "hyperpod.yaml"
    config.write_text(text.replace("jobs/neuron-hello.yaml", str(ROOT / "jobs/neuron-hello.yaml")))
    return config


def test_the_validator_detects_errors(tmp_path: Path):
    """A value that no schema takes, through the escape hatch, is refused, and no output is left."""
    storage = "{Mode: Enable, InstanceMemoryAllocationPercentage: 900}"
    done = run_app(cluster_with(f"properties: {{TieredStorageConfig: {storage}}}", tmp_path), tmp_path / "out")
    assert done.returncode == 1
    assert "greater than the maximum of 100" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_properties_that_cdk_does_not_know_yet_pass_the_validator(tmp_path: Path):
    done = run_app(cluster_with("properties: {GainedLater: {A: 1}}", tmp_path), tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    (template,) = (tmp_path / "out").glob("*-HyperPod.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    (made,) = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::SageMaker::Cluster"]
    assert made["GainedLater"] == {"A": 1}


def test_every_field_of_groups_passes_the_validator(tmp_path: Path):
    done = run_app(ROOT / "tests/configs/every-group-option.yaml", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr


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
    done = run_app(config, out)
    assert done.returncode == 1
    assert "Did you mean" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in out.iterdir()] == ["mine.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "wrong.yaml"]


def test_several_configs_are_stages_of_one_app(tmp_path: Path):
    other = tmp_path / "other.yaml"
    text = (ROOT / "hyperpod.yaml").read_text().replace("name: research", "name: production", 1)
    other.write_text(text.replace("jobs/neuron-hello.yaml", str(ROOT / "jobs/neuron-hello.yaml")))
    done = run_app(f"hyperpod.yaml,{other}", tmp_path / "out", CDK_VALIDATION="false")
    assert done.returncode == 0, done.stderr
    names = {path.parent.name for path in (tmp_path / "out").rglob("*.template.json")}
    assert names == {"assembly-research", "assembly-production"}


@pytest.mark.skipif(not (ROOT / "node_modules/aws-cdk").exists(), reason="npm ci was not run (make test does it)")
def test_the_pinned_cdk_cli_gives_the_same_templates(synthesized: tuple[Path, str], tmp_path: Path):
    npx = shutil.which("npx", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    assert npx is not None
    env = {k: v for k, v in os.environ.items() if k not in ("JSII_NODE", "JSII_RUNTIME")} | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"
    }
    command = [
        npx,
        "cdk",
        "synth",
        "--quiet",
        "--no-validation",
        "--app",
        f"{sys.executable} app.py",
        "-o",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    direct = {p.name: p.read_bytes() for p in synthesized[0].glob("*.template.json")}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.template.json")} == direct


def test_cfn_lint_finds_nothing_in_the_shipped_config(synthesized: tuple[Path, str]):
    templates = sorted(str(path) for path in synthesized[0].glob("*.template.json"))
    command = [str(BIN / "cfn-lint"), "--config-file", ".cfnlintrc.yaml", "-t", *templates]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert len(templates) == 5
    assert (done.returncode, done.stdout) == (0, "")
