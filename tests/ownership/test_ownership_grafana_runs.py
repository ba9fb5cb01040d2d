"""Random deployments of dashboards: platforms that share, move and rename them, dashboards of users, and faults."""

from __future__ import annotations

import os
import random

import pytest
from ownership_grafana import Dashboards
from ownership_runs import COUNTS, Run
from sweep import ALL

EVENTS = int(os.environ.get("HYPERPOD_OWNERSHIP_EVENTS", "3000" if ALL else "1500"))
SEED = int(os.environ.get("HYPERPOD_OWNERSHIP_SEED", "1"))
RUNS = 3


@pytest.mark.parametrize("run", [0, *(pytest.param(run, marks=pytest.mark.slow) for run in range(1, RUNS))])
def test_random_deployments_of_dashboards(run: int, capsys: pytest.CaptureFixture[str]) -> None:
    deployments = Run([Dashboards()], random.Random(SEED * 1000 + run))
    deployments.until(EVENTS // RUNS)
    with capsys.disabled():
        print(f"\nownership of dashboards, run {run}: {deployments.report()}")
    assert not any(deployments.counts[name] for name in COUNTS), "\n".join(deployments.messages)
    assert deployments.counts["UPDATE_ROLLBACK_COMPLETE"] > 5
    assert deployments.counts["UPDATE_COMPLETE"] > 5
