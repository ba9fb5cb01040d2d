"""The pages on governance, observability, storage, access and cost: their configs load, their code runs, rules exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner

from hyperpod_constructs.assembly.graph import ORDER_RULES
from hyperpod_constructs.cli import main
from hyperpod_constructs.core.checks import find
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import errors

PAGES = ["governance", "observability", "storage", "access", "cost"]
TEXTS = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in PAGES}
BASE = {
    "name": "research",
    "region": "us-west-2",
    "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
    "cluster": {
        "instance_groups": [
            {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
            {"name": "workers", "instance_type": "ml.p5.48xlarge", "count": 16, "availability_zone_id": "usw2-az1"},
        ]
    },
}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (name, block) for name, text in TEXTS.items() for block in re.findall(rf"```{language}\n(.*?)```", text, re.S)
    ]


@pytest.mark.parametrize(("page", "block"), blocks("yaml"), ids=[page for page, _ in blocks("yaml")])
def test_configs_load_without_errors(page: str, block: str, tmp_path: Path) -> None:
    path = tmp_path / "hyperpod.yaml"
    path.write_text(yaml.safe_dump({**BASE, **yaml.safe_load(block)}))
    loaded = load(path)
    assert loaded.platform is not None
    assert errors(loaded.findings) == []


@pytest.mark.parametrize(("page", "block"), blocks("python"), ids=[page for page, _ in blocks("python")])
def test_code_runs(page: str, block: str, tmp_path: Path) -> None:
    names: dict[str, object] = {}
    exec(compile(block, page, "exec"), names)
    if "write" in names:
        names["write"](tmp_path)  # type: ignore[operator]
        assert len(list(tmp_path.glob("*.json"))) == 5


@pytest.mark.parametrize("page", PAGES)
def test_rules_and_links_exist(page: str) -> None:
    for rule in re.findall(r"`(HP[0-9]{3})`", TEXTS[page]):
        assert find(rule) is not None, rule
    for link in re.findall(r"\]\(([\w-]+\.md)\)", TEXTS[page]):
        assert (ROOT / "docs" / link).is_file(), link
    for example in re.findall(r"`(examples/[\w.-]+)`", TEXTS[page]):
        assert (ROOT / example).is_file(), example
    known = {rule.id for rule in ORDER_RULES}
    for rule in re.findall(r"`([a-z-]+-before-[a-z-]+)`", TEXTS[page]):
        assert rule in known, rule


def test_commands_of_the_cost_page_run() -> None:
    commands = re.findall(r"^\$ hyperpod (.*)$", TEXTS["cost"], re.M)
    assert commands
    for command in commands:
        arguments = [str(ROOT / part) if part == "hyperpod.yaml" else part for part in shlex.split(command)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
