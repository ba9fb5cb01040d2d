"""Rehearsals in one process: creation and deletion compared with the synthesis of the same app, by size."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from _configs import with_groups, with_jobs, write
from _run import ROOT, Times, options, save, slope

GROUPS = (1, 10, 50, 100)
"""A HyperPod cluster has at most 100 groups."""
JOBS = (10, 50, 100, 200, 400)
AIM = 1.0
"""Maximum ratio of a rehearsal (reading the assembly, creation and deletion) to a synthesis."""


def synthesized(config: Path, folder: Path) -> float:
    """Synthesizes a config in this process, without CDK's validator; returns the seconds."""
    from hyperpod_constructs.assembly.synth import build, cdk_context
    from hyperpod_constructs.core.config import load

    start = time.perf_counter()
    platform = load(config).platform
    assert platform is not None, config
    context = {**cdk_context(), "aws:cdk:disable-asset-staging": True}
    build([platform], context=context, outdir=str(folder), validate=False).synth()
    return time.perf_counter() - start


def rehearsed(folder: Path) -> float:
    """Creates and deletes an app; returns the seconds."""
    from hyperpod_constructs.assembly.rehearsal import Rehearsal

    start = time.perf_counter()
    rehearsal = Rehearsal()
    assert all(outcome.ok for outcome in rehearsal.deploy(folder))
    assert all(outcome.ok for outcome in rehearsal.destroy())
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints."""
    given = options(str(__doc__), rounds=5)
    from hyperpod_constructs.core.packaged_node import use_packaged_node

    use_packaged_node()
    with tempfile.TemporaryDirectory() as scratch:
        synth, rehearsal = Times(), Times()
        for number in range(given.rounds + 1):
            folder = Path(scratch) / f"default{number}"
            seconds = synthesized(ROOT / "hyperpod.yaml", folder), rehearsed(folder)
            if number:  # the first is the warm-up
                synth.wall.append(seconds[0])
                rehearsal.wall.append(seconds[1])
        ratio = rehearsal.median / synth.median
        print(
            f"shipped platform: synth {synth.median:.2f} s, rehearsal {rehearsal.median:.2f} s: {ratio:.2f} (aim {AIM})"
        )
        times = {"synth": synth, "rehearsal": rehearsal}
        for what, sizes, config in (("groups", GROUPS, with_groups), ("jobs", JOBS, with_jobs)):
            points: dict[int, float] = {}
            for size in sizes:
                file = Path(write(Path(scratch), f"{what}{size}", config(size)))
                synthesized(file, Path(scratch) / f"{what}{size}")
                points[size] = rehearsed(Path(scratch) / f"{what}{size}")
                times[f"{size} {what}"] = Times([points[size]])
            slope(what, what[:-1], points)
    save(given.json, times)


if __name__ == "__main__":
    main()
