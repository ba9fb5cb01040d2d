from __future__ import annotations

from collections.abc import Iterator

import pytest
from accounts import healthy
from fake_aws import FakeAws


@pytest.fixture(scope="session")
def server() -> Iterator[FakeAws]:
    with FakeAws() as running:
        yield running


@pytest.fixture
def aws(server: FakeAws) -> Iterator[FakeAws]:
    """An account in which everything is right."""
    server.reset()
    yield healthy(server)
    assert not server.problems, server.problems


@pytest.fixture
def separate_aws() -> Iterator[FakeAws]:
    """The same account on a separate server, for tests whose calls continue after the test."""
    with FakeAws() as running:
        yield healthy(running)
