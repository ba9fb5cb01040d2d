"""What cannot be read is one finding: nothing is said of what would be missing in its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.documents import join, within
from hyperpod_constructs.core.findings import Finding, Severity

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
SHAPE = ("HP010", "HP011", "HP012", "HP013", "HP014")


def places(value: Any, around: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and list entry of a config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*around, key)
        yield from places(inside, (*around, key))


def spoiled(content: Any, place: tuple[str | int, ...]) -> Any:
    """The content with something unreadable at one place."""
    changed = inside = copy.deepcopy(content)
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = {"unreadable": [1]}
    return changed


def seen(content: Any, folder: Path) -> list[Finding]:
    file = folder / "hyperpod.yaml"
    file.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
    return [finding for finding in load(file).findings if finding.severity is not Severity.NOTE]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_one_unreadable_value_is_one_finding(example: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(example.read_text())
    if "name" not in content:
        pytest.skip("a list of values, no config")
    # files that an example names are not beside the copy, and acknowledged findings show where acknowledge is spoiled
    before = {finding.rule for finding in seen(content, tmp_path)}
    for place in places(content):
        path = reduce(join, place, "")
        further = [
            str(finding)
            for finding in seen(spoiled(content, place), tmp_path)
            if finding.rule not in before and not (finding.rule in SHAPE or within(finding.path, path))
        ]
        assert further == [], f"{path} cannot be read"
