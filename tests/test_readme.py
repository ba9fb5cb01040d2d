"""The README's commands and its example work as written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from assembly import ROOT
from click.testing import CliRunner

from hyperpod_constructs.cli import main

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]


IN_A_PROCESS = {"hyperpod synth"}
"""tests/package runs it as a user does."""


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("hyperpod ") and c not in IN_A_PROCESS])
def test_hyperpod_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("hyperpod.yaml", "jobs"):
        source = ROOT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path)
    shutil.copy(ROOT / "hyperpod.yaml", tmp_path / "old.yaml")
    shutil.copy(ROOT / "hyperpod.yaml", tmp_path / "new.yaml")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert result.output.strip()


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = {word.split()[1] for word in COMMANDS if word.startswith("make ")}
    assert {"synth", "test", "diff", "deploy", "destroy"} <= used <= targets


def test_the_example_app_synthesizes():
    (example,) = [text for kind, text in BLOCKS if kind == "python"]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(example, "README.md", "exec"), names)
    (stack,) = names["app"].synth().stacks
    assert "AWS::SageMaker::Cluster" in {resource["Type"] for resource in stack.template["Resources"].values()}


def test_files_that_are_linked_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_supported_systems_are_stated() -> None:
    """cdk.json runs `.venv/bin/python`, which native Windows does not have (aws/aws-cdk issue 2181)."""
    before_commands = README.partition("```bash")[0]
    assert "Linux, macOS or Windows Subsystem for Linux" in before_commands
