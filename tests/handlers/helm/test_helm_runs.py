"""Random deployments of releases: shared, renamed, adopted, terminated and rejected, with the real helm; also with objects.

``HYPERPOD_OWNERSHIP_HELM_EVENTS`` makes them longer, ``HYPERPOD_OWNERSHIP_SEED`` sets the random seed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from helm_api_server import HelmApiServer
from helm_cloud import HelmCloud
from helm_runs import Releases
from ownership_objects import Objects
from ownership_runs import COUNTS, Run
from ownership_world import World
from sweep import ALL, only_in_full

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("HYPERPOD_OWNERSHIP_HELM_EVENTS", "120" if ALL else "32"))
SEED = int(os.environ.get("HYPERPOD_OWNERSHIP_SEED", "1"))
RUNS = 2


@only_in_full  # the other test includes such deployments
@pytest.mark.parametrize("run", range(RUNS))
def test_random_deployments_of_releases(
    web: Any, server: HelmApiServer, helm_binary: str, tmp_path: Path, run: int, capsys: pytest.CaptureFixture[str]
) -> None:
    deployments = Run([Releases(HelmCloud(web, server, helm_binary, tmp_path))], random.Random(SEED * 1000 + run))
    deployments.until(EVENTS // RUNS)
    with capsys.disabled():
        print(f"\nownership of releases, run {run}: {deployments.report()}")
    assert not any(deployments.counts[name] for name in COUNTS), "\n".join(deployments.messages)
    assert deployments.counts["UPDATE_COMPLETE"] > 0


def test_random_deployments_of_releases_and_objects(
    web: Any, server: HelmApiServer, helm_binary: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both functions in the same stacks and on the same API server, with the faults of both."""
    participants: list[Any] = [Objects(World(server)), Releases(HelmCloud(web, server, helm_binary, tmp_path))]
    deployments = Run(participants, random.Random(SEED * 1000 + 77))
    deployments.until(2 * EVENTS if ALL else EVENTS)
    with capsys.disabled():
        print(f"\nownership of releases and objects: {deployments.report()}")
    assert not any(deployments.counts[name] for name in COUNTS), "\n".join(deployments.messages)
    assert deployments.counts["UPDATE_COMPLETE"] > 0
