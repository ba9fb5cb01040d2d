"""A page for each public construct: its example runs and creates the construct, and the page lists every argument."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
from assembly import ROOT, warnings_in
from constructs import Construct

import hyperpod_constructs
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.core.checks import find

FOLDER = ROOT / "docs" / "constructs"
NAMES = sorted(
    name
    for name in hyperpod_constructs.__all__
    if inspect.isclass(found := getattr(hyperpod_constructs, name)) and issubclass(found, Construct)
)
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
each_construct = pytest.mark.parametrize("name", NAMES)


def code(page: str) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGES[page], re.S)
    return str(block)


def created_count(names: dict[str, Any], kind: type[Construct]) -> int:
    return sum(isinstance(construct, kind) for construct in names["app"].node.find_all())


def unnamed(app: Any, page: str) -> set[str]:
    """Warnings of a synthesized app whose rule is not on a page."""
    warnings = warnings_in(app.synth().directory)
    rules = {rule for text in warnings for rule in re.findall(r"hyperpod-constructs:([\w-]+)", text) or [text]}
    return {rule for rule in rules if rule not in page}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/constructs.md"])
def test_the_main_examples_are_whole_and_have_no_findings(page: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CDK_CONTEXT_JSON", json.dumps(cdk_context()))
    names: dict[str, Any] = {"__name__": "__main__"}
    example = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)[0]
    exec(compile(example, page, "exec"), names)
    assert unnamed(names["app"], "") == set()
    template = json.dumps([stack.template for stack in names["app"].synth().stacks])
    for part in ("Custom::HyperPodHelmRelease", "cert-manager", "AWS::SageMaker::Cluster"):
        assert part in template


def test_each_construct_has_a_page_that_the_index_lists():
    assert set(PAGES) == {*NAMES, "README"}
    assert sorted(re.findall(r"^- \[\w+\]\((\w+)\.md\)", PAGES["README"], re.M)) == NAMES


@pytest.mark.slow
@each_construct
def test_its_example_makes_one_and_synthesizes_without_a_finding_that_it_does_not_name(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    names: dict[str, Any] = {}
    monkeypatch.setenv("CDK_CONTEXT_JSON", json.dumps(cdk_context()))  # the flags of cdk.json
    exec(compile(code("README"), "README", "exec"), names)
    before = created_count(names, getattr(hyperpod_constructs, name))
    exec(compile(code(name), name, "exec"), names)
    assert created_count(names, getattr(hyperpod_constructs, name)) > before
    assert names["app"].synth().stacks
    assert unnamed(names["app"], PAGES[name] + PAGES["README"]) == set()


@each_construct
def test_it_names_every_argument_and_no_other(name: str):
    takes = set(inspect.signature(getattr(hyperpod_constructs, name).__init__).parameters) - {"self", "scope", "id"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGES[name], re.M)) == takes


@pytest.mark.parametrize("page", sorted(PAGES))
def test_rules_and_links_exist(page: str):
    assert [rule for rule in re.findall(r"HP\d{3}", PAGES[page]) if not find(rule)] == []
    for link in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert (FOLDER / link).exists(), link
