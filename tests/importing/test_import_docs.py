"""The commands of docs/import.md run, and its links and rules exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from assembly import ROOT
from click.testing import CliRunner
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.checks import find

PAGE = (ROOT / "docs" / "import.md").read_text()
DATA = Path(__file__).parent / "data"


def test_the_commands_of_the_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("hcl2", reason="the extra `import` is not installed")
    shutil.copy(DATA / "cluster-stack/04-second-generation.yaml", tmp_path / "config.yaml")
    shutil.copy(DATA / "stack/08-inference-off.json", tmp_path / "parameters.json")
    shutil.copy(DATA / "tfvars/02-every-switch-as-shipped.tfvars", tmp_path / "terraform.tfvars")
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) if "cluster-stack" in block)
    codes = [CliRunner().invoke(main, shlex.split(line)[1:]).exit_code for line in block.splitlines()]
    assert codes == [3, 0, 0, 0]


def test_every_rule_of_the_page_exists():
    assert every(find(rule) for rule in re.findall(r"HP\d{3}", PAGE))
