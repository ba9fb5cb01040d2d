"""Where each rule's wrong example fires, and how severe it is: ids and paths are what people acknowledge and script.

The reviewed table is fires.json. To write it anew: HYPERPOD_WRITE_DOCS=1 pytest tests/checks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rule_configs import load_over, load_text
from test_rule_examples import EXAMPLES, WHOLE_FILES

from hyperpod_constructs.core.checks import Rule
from hyperpod_constructs.core.findings import Finding

FILE = Path(__file__).parent / "fires.json"
FIRES: dict[str, list[str]] = json.loads(FILE.read_text()) if FILE.exists() else {}


def first(rule: Rule, folder: Path) -> Finding:
    findings = (load_text if rule.id in WHOLE_FILES else load_over)(rule.wrong, folder).findings
    return next(each for each in findings if each.rule == rule.id)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_where_a_rule_fires(rule: Rule, tmp_path: Path) -> None:
    finding = first(rule, tmp_path)
    found = [str(finding.severity), finding.path]
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        FIRES[rule.id] = found
        rows = ",\n".join(f" {json.dumps(id)}: {json.dumps(FIRES[id])}" for id in sorted(FIRES))
        FILE.write_text("{\n" + rows + "\n}\n")
    assert FIRES.get(rule.id) == found
    assert finding.line is not None
    assert finding.cure


def test_no_rule_is_left_over() -> None:
    assert set(FIRES) == {rule.id for rule in EXAMPLES}
