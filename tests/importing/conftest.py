from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_aws import FakeAws

from hyperpod_constructs.live.operations import aws as aws_module


@pytest.fixture(scope="module")
def aws_server() -> Iterator[FakeAws]:
    with FakeAws() as running:
        yield running


@pytest.fixture
def aws(aws_server: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """AWS for the commands."""
    aws_server.reset()
    monkeypatch.setattr(
        aws_module, "session", lambda profile=None, region=None: aws_server.session(region or "us-west-2", shared=True)
    )
    yield aws_server
    assert not aws_server.problems, aws_server.problems
