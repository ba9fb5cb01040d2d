"""A correct account has no findings."""

from __future__ import annotations

from accounts import look
from preflight_platforms import existing_platform, new


def test_a_new_platform(aws):
    assert [str(f) for f in look(aws, new())] == []


def test_an_imported_platform(aws):
    found = look(aws, existing_platform())
    assert [f.rule for f in found] == ["HP947"], [str(f) for f in found]
    assert found[0].severity == "note"
