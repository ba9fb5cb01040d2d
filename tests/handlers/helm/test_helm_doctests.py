"""The examples in the handler's own documentation."""

from __future__ import annotations

import doctest

import pytest

from hyperpod_constructs.handlers.helm import binary, leftovers, retries, secrets, subcharts


@pytest.mark.parametrize(
    "module", [binary, leftovers, retries, secrets, subcharts], ids=lambda module: module.__name__.rpartition(".")[2]
)
def test_examples(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed
