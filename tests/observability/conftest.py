"""A client of Grafana whose server answers from a list, on a clock that does not wait."""

from __future__ import annotations

import pytest
from grafana_http import Http

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.handlers.grafana.api import Api


@pytest.fixture
def http() -> Http:
    return Http()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(http: Http, clock: Clock) -> Api:
    return Api("https://g", "the-token", http, clock, clock.monotonic() + 100)
