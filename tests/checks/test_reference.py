"""docs/rules.md matches the registry. To write it: HYPERPOD_WRITE_DOCS=1 pytest tests/checks/test_reference.py."""

from __future__ import annotations

import os
from pathlib import Path

from proving import every

from hyperpod_constructs.core.checks import rules
from hyperpod_constructs.core.rendering import rules_reference

FILE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_rule_reference_is_current() -> None:
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        FILE.write_text(rules_reference())
    assert FILE.read_text() == rules_reference(), "write it anew: HYPERPOD_WRITE_DOCS=1 pytest " + __file__


def test_every_rule_is_in_it() -> None:
    text = FILE.read_text()
    assert every(f"### {rule.id}: " in text for rule in rules())
