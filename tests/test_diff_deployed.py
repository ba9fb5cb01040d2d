"""`hyperpod diff --deployed`: a config is compared with the deployed templates."""

from __future__ import annotations

from pathlib import Path

from assembly import ROOT, Assembly
from click.testing import CliRunner

from hyperpod_constructs.cli import main


def test_the_same_config_replaces_nothing(default: Assembly):
    result = CliRunner().invoke(main, ["diff", "--deployed", str(default.folder), str(ROOT / "hyperpod.yaml")])
    assert (result.exit_code, result.output.strip()) == (0, "no differences")


def test_an_edit_that_replaces_the_cluster_is_reported(default: Assembly, tmp_path: Path):
    text = (ROOT / "hyperpod.yaml").read_text().replace("10.192.0.0/16", "10.200.0.0/16")
    edited = tmp_path / "edited.yaml"
    edited.write_text(text.replace("jobs/neuron-hello.yaml", str(ROOT / "jobs/neuron-hello.yaml")))
    result = CliRunner().invoke(main, ["diff", "--deployed", str(default.folder), str(edited)])
    assert result.exit_code == 3
    assert "CidrBlock" in result.output
