"""A pytest fixture for tests of your own apps; name this module in `pytest_plugins`."""

from __future__ import annotations

import pytest

from . import Rehearsal


@pytest.fixture
def rehearsal() -> Rehearsal:
    """A rehearsal without deployments, with typical durations.

    In a test: call `rehearsal.deploy("cdk.out")`, then check `rehearsal.findings`, `rehearsal.left()` and
    `rehearsal.steps`.
    """
    return Rehearsal()
