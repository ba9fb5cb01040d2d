"""A pytest fixture for people who test their own apps; name this module in `pytest_plugins`."""

from __future__ import annotations

import pytest

from . import Rehearsal


@pytest.fixture
def rehearsal() -> Rehearsal:
    """A rehearsal that nothing was deployed in yet, with typical durations.

    In a test: `rehearsal.deploy("cdk.out")`, then look at `rehearsal.findings`, `rehearsal.left()` and `rehearsal.steps`.
    """
    return Rehearsal()
