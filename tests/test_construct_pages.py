"""A page for each public construct: its example runs and makes one, and it names every argument."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from assembly import ROOT
from constructs import Construct

import hyperpod_constructs
from hyperpod_constructs.core.checks import find

FOLDER = ROOT / "docs" / "constructs"
NAMES = sorted(
    name
    for name in hyperpod_constructs.__all__
    if inspect.isclass(found := getattr(hyperpod_constructs, name)) and issubclass(found, Construct)
)
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
each = pytest.mark.parametrize("name", NAMES)


def code(page: str) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGES[page], re.S)
    return str(block)


def made(names: dict[str, Any], kind: type[Construct]) -> int:
    return sum(isinstance(one, kind) for one in names["app"].node.find_all())


def test_there_is_a_page_for_each_construct_and_the_index_has_them_all():
    assert set(PAGES) == {*NAMES, "README"}
    assert sorted(re.findall(r"^- \[\w+\]\((\w+)\.md\)", PAGES["README"], re.M)) == NAMES


@each
def test_its_example_makes_one_and_synthesizes(name: str):
    names: dict[str, Any] = {}
    exec(compile(code("README"), "README", "exec"), names)
    before = made(names, getattr(hyperpod_constructs, name))
    exec(compile(code(name), name, "exec"), names)
    assert made(names, getattr(hyperpod_constructs, name)) > before
    assert names["app"].synth().stacks


@each
def test_it_names_every_argument_and_no_other(name: str):
    takes = set(inspect.signature(getattr(hyperpod_constructs, name).__init__).parameters) - {"self", "scope", "id"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGES[name], re.M)) == takes


@pytest.mark.parametrize("page", sorted(PAGES))
def test_rules_and_links_exist(page: str):
    assert all(find(rule) for rule in re.findall(r"HP\d{3}", PAGES[page]))
    for link in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert (FOLDER / link).exists(), link
