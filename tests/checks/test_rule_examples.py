"""The examples of every rule: the incorrect one is reported by the rule, the correct one is not; each rule is documented."""

from __future__ import annotations

import re

import pytest
from rule_configs import BASE, dumped, findings_in, over_base

from hyperpod_constructs.core.checks import AREAS, Rule, rules
from hyperpod_constructs.core.documents import parse
from hyperpod_constructs.core.findings import Finding, errors

RULES = rules()
WITHOUT_EXAMPLE = {"HP003", "HP004", "HP026", "HP027", "HP035", "HP207", "HP517", "HP751"}
"""No fragment can be too large, be no text, be two configs, or be a stack, an EKS cluster or a second add-on of CDK."""
WHOLE_FILES = {"HP001", "HP005", "HP006"}
"""Examples that are not valid YAML, or lose their point when they are merged."""


def found_in_example(rule: Rule, fragment: str) -> tuple[Finding, ...]:
    """All findings in an example of a rule."""
    return findings_in(fragment if rule.id in WHOLE_FILES else over_base(fragment))


def of_rule(rule: Rule, fragment: str) -> list[Finding]:
    """The findings of a rule in its own example."""
    return [finding for finding in found_in_example(rule, fragment) if finding.rule == rule.id]


EXAMPLES = [rule for rule in RULES if rule.wrong and not rule.id.startswith("HP9")]


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_wrong_example_fires_the_rule(rule: Rule) -> None:
    assert of_rule(rule, rule.wrong)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_the_right_example_does_not(rule: Rule) -> None:
    assert not of_rule(rule, rule.right)


@pytest.mark.parametrize("rule", [r for r in EXAMPLES if r.id[:3] != "HP7"], ids=lambda rule: rule.id)
def test_the_right_example_has_no_errors_at_all(rule: Rule) -> None:
    whole_file = rule.id in WHOLE_FILES
    found = (
        findings_in(dumped({**BASE, **parse(rule.right).value})) if whole_file else found_in_example(rule, rule.right)
    )
    assert errors(found) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule: Rule) -> None:
    assert re.fullmatch(r"HP[0-9R][0-9]{2}", rule.id)
    assert rule.id[:3] in AREAS
    for text in (rule.title, rule.why, rule.cure, rule.source):
        assert text
        assert text == text.strip()
    assert [text[-1] for text in (rule.title, rule.why, rule.cure)] == [".", ".", "."]
    if not rule.id.startswith(("HP9", "HPR")) and rule.id not in WITHOUT_EXAMPLE:
        assert rule.wrong
        assert rule.right
