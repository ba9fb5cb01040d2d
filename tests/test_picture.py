"""docs/images/validate.svg shows what `hyperpod validate` finds; HYPERPOD_WRITE_DOCS=1 draws it again."""

from __future__ import annotations

import html
import io
import os
import re
from pathlib import Path

import pytest
from assembly import ROOT
from click.testing import CliRunner
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from hyperpod_constructs.cli import main

PICTURE = ROOT / "docs" / "images" / "validate.svg"
CONFIG = """\
name: research
region: us-west-2
defaults: 2
network: {availability_zone_ids: [usw2-az1]}
eks: {admins: ["arn:aws:iam::210987654321:role/PlatformAdmin"], endpoint_access: private}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: gpu, instance_type: ml.p5.48xlrage, count: 4}
addons: {training_operator: {}}
"""
HEAD = re.compile(r"^\S+: (?:error|warning|note) (HP\d{3}) (\S+):", re.M)


def picture_of(output: str) -> str:
    console = Console(record=True, file=io.StringIO(), width=128)
    console.print(Text("$ hyperpod validate", style="bold"))
    for line in output.splitlines():
        text = Text(line)
        text.highlight_regex(r"\berror HP\d{3}", "bold red")
        text.highlight_regex(r"^  impact:", "yellow")
        text.highlight_regex(r"^  fix:", "green")
        console.print(text, soft_wrap=False)
    picture = console.export_svg(title="hyperpod.yaml", theme=MONOKAI, unique_id="validate")
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.S)


def texts(picture: str) -> str:
    """The text of a picture, a line for each line of the terminal."""
    rows: dict[float, str] = {}
    for y, text in re.findall(r'<text class="validate-r\d+"[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', picture):
        rows[float(y)] = rows.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return "\n".join(rows[y] for y in sorted(rows))


def test_the_picture_shows_the_findings_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hyperpod.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["validate"])
    assert result.exit_code == 1
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        PICTURE.write_text(picture_of(result.output))
    headings = HEAD.findall(texts(PICTURE.read_text()))
    assert len(headings) == 2
    assert headings == HEAD.findall(result.output)
