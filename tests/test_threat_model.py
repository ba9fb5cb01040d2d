"""The threat model lists a test for each boundary, and the tests exist."""

from __future__ import annotations

import re

from assembly import ROOT
from proving import every

PAGE = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]


def test_every_boundary_names_a_test_that_exists():
    assert len(ROWS) >= 15
    for row in ROWS:
        tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert tests, row
        for file, test in tests:
            text = (ROOT / file).read_text()
            assert not test or f"def {test}(" in text, f"{file} has no {test}"


def test_the_page_lists_the_services_that_are_not_restricted_to_the_account():
    text = (ROOT / "tests" / "constructs" / "test_trust.py").read_text()
    services = re.findall(r'^    "([\w.]+\.amazonaws\.com)":', text, re.MULTILINE)
    assert len(services) == 3
    assert every(f"`{service}`" in PAGE for service in services)
