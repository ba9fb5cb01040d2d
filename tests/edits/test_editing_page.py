"""docs/editing.md: its keywords are those of `hyperpod diff`, and its commands run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from assembly import ROOT, Assembly
from click.testing import CliRunner
from edit_table import BASE

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.changes import MEANING

PAGE = (ROOT / "docs" / "editing.md").read_text()


def test_the_table_of_words_is_that_of_the_command() -> None:
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE, re.M)) == {
        str(item): text for item, text in MEANING.items()
    }


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default: Assembly) -> None:
    commands = [line for line in PAGE.splitlines() if line.startswith("hyperpod diff")]
    assert commands == [
        "hyperpod diff deployed.yaml hyperpod.yaml",
        "hyperpod diff --deployed deployed hyperpod.yaml",
    ]
    monkeypatch.chdir(tmp_path)
    Path("deployed.yaml").write_text(yaml.safe_dump(BASE))
    Path("hyperpod.yaml").write_text(yaml.safe_dump({**BASE, "tags": {"owner": "platform"}}))
    result = CliRunner().invoke(main, [*commands[0].split()[1:], "--configs-only"])
    assert (result.exit_code, result.output.splitlines()[0]) == (0, 'in-place: tags.owner: "ml" becomes "platform"')
    monkeypatch.chdir(ROOT)  # with the app's cdk.json, as deployed
    arguments = commands[1].replace(" deployed ", f" {default.folder} ").split()[1:]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, "no differences\n")
