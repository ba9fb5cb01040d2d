"""The exact messages of the rules: one file for each module of rules, in `messages/`.

A block begins with `--- ` and a rule id (its wrong example) or a title (a fragment of YAML, laid over the config of
`rule_configs.py`, follows), and `=>` and the findings of the module's rules come after it: severity, rule, path, message,
impact and fix. To write the findings anew, also for fragments that were added by hand, and review the difference:
HYPERPOD_WRITE_DOCS=1 pytest tests/checks/test_messages.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from rule_configs import findings_in, folder, over_base
from test_rule_examples import EXAMPLES, of_rule

from hyperpod_constructs.core.checks import Rule, rules
from hyperpod_constructs.core.findings import Finding

FOLDER = Path(__file__).parent / "messages"
BLOCK, ARROW = "--- ", "=>"


def module_of(rule: Rule) -> str:
    return rule.function.__module__.rpartition(".")[2] if rule.function else "shape"


MODULES: dict[str, list[Rule]] = {
    module: list(group)
    for module, group in groupby(sorted(EXAMPLES, key=lambda example: (module_of(example), example.id)), module_of)
}


def messages_of(findings: list[Finding]) -> str:
    """The findings as the command line prints them, without file and line."""
    return "".join(f"{replace(finding, file=None, line=None, column=None)}\n" for finding in findings)


def fragments(module: str) -> Iterator[tuple[str, str]]:
    """Title and fragment of the manually written blocks."""
    file = FOLDER / f"{module}.txt"
    for block in file.read_text().split(f"\n{BLOCK}") if file.exists() else ():
        title, _, lines = block.removeprefix(BLOCK).partition("\n")
        fragment = lines.partition(f"{ARROW}\n")[0]
        if fragment:
            yield title, fragment


def table(module: str) -> str:
    """All blocks of a module of rules."""
    ids = {rule.id for rule in MODULES[module]}
    blocks = []
    for rule in MODULES[module]:
        blocks.append(f"{BLOCK}{rule.id}\n{ARROW}\n{messages_of(of_rule(rule, rule.wrong))}")
    for title, fragment in fragments(module):
        found = [finding for finding in findings_in(over_base(fragment)) if finding.rule in ids]
        blocks.append(f"{BLOCK}{title}\n{fragment}{ARROW}\n{messages_of(found)}")
    return "\n".join(blocks).replace(str(folder()), "FOLDER")


@pytest.mark.parametrize("module", MODULES)
def test_the_messages_of_the_rules(module: str) -> None:
    file = FOLDER / f"{module}.txt"
    found = table(module)
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(found)
    assert found == file.read_text()


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_every_finding_has_a_line_and_a_fix(rule: Rule) -> None:
    found = of_rule(rule, rule.wrong)
    assert found
    assert [finding for finding in found if finding.line is None or not finding.cure] == []


def test_every_file_is_of_a_module() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(MODULES)
    assert {module_of(rule) for rule in rules()} >= set(MODULES)
