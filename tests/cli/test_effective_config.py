"""`hyperpod show`: what a config comes to, the same as what is synthesized."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hyperpod_constructs.cli import main

ROOT = Path(__file__).parents[2]

EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.yaml")) if path.name != "closed-network.yaml"]
"""The closed network's chart must be vendored first."""


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["show", *arguments])


def test_the_shipped_config_is_shown_with_its_defaults() -> None:
    found: dict[str, Any] = json.loads(show(str(ROOT / "hyperpod.yaml"), "-o", "json").stdout)
    assert found["network"]["subnets"] == [
        {"kind": "control-plane", "zone": "usw2-az1", "cidr": "10.192.0.0/28"},
        {"kind": "control-plane", "zone": "usw2-az2", "cidr": "10.192.0.16/28"},
        {"kind": "public", "zone": "usw2-az1", "cidr": "10.192.1.0/24"},
        {"kind": "public", "zone": "usw2-az2", "cidr": "10.192.2.0/24"},
        {"kind": "node", "zone": "usw2-az1", "cidr": "10.1.0.0/16"},
        {"kind": "node", "zone": "usw2-az2", "cidr": "10.2.0.0/16"},
    ]
    assert found["eks"]["kubernetes_version"] == "1.35"
    assert found["system_group"] == "system"
    operator = next(each for each in found["addons"] if each["key"] == "training_operator")
    assert operator == {
        "key": "training_operator",
        "version": "v1.3.0-eksbuild.1",
        "version_from": "catalog",
        "in_config": True,
    }
    assert [each["zone"] for each in found["groups"]] == ["usw2-az1", "usw2-az1"]


def test_formats_say_the_same() -> None:
    path = str(ROOT / "hyperpod.yaml")
    assert yaml.safe_load(show(path, "-o", "yaml").stdout) == json.loads(show(path, "-o", "json").stdout)
    assert "| node | usw2-az2 | 10.2.0.0/16 |" in show(path, "-o", "markdown").stdout
    text = show(path).stdout
    assert "node           usw2-az2  10.2.0.0/16\n" in text
    assert "EKS's default" in text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_can_be_shown(path: Path) -> None:
    result = show(str(path))
    assert result.exit_code == 0, result.output
    assert "subnets\n" in result.stdout


def test_a_config_with_errors_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "hyperpod.yaml").write_text("name: 1\n")
    result = show(str(tmp_path / "hyperpod.yaml"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "HP014" in result.stderr
