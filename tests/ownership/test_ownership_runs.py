"""Random deployments: thousands of events with shared, renamed and adopted names; no object is lost, orphaned or changed.

``HYPERPOD_OWNERSHIP_EVENTS=20000`` makes them longer, ``HYPERPOD_OWNERSHIP_SEED`` sets the random seed.
"""

from __future__ import annotations

import os
import random

import pytest
from ownership_guards import Guards
from ownership_objects import Objects
from ownership_quotas import Quotas
from ownership_runs import COUNTS, Run
from sweep import ALL

EVENTS = int(os.environ.get("HYPERPOD_OWNERSHIP_EVENTS", "3000" if ALL else "1500"))
SEED = int(os.environ.get("HYPERPOD_OWNERSHIP_SEED", "1"))
RUNS = 6


@pytest.mark.parametrize("run", range(RUNS))
def test_random_deployments(run: int, capsys: pytest.CaptureFixture[str]) -> None:
    deployments = Run([Objects(), Quotas(), Guards()], random.Random(SEED * 1000 + run))
    deployments.until(EVENTS // RUNS)
    with capsys.disabled():
        print(f"\nownership run {run}: {deployments.report()}")
    assert not any(deployments.counts[name] for name in COUNTS), "\n".join(deployments.messages)
    assert deployments.counts["UPDATE_ROLLBACK_COMPLETE"] > 5
    assert deployments.counts["UPDATE_COMPLETE"] > 5
