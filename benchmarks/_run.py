"""Measures complete processes in interleaved rounds after a warm-up: medians, and ratios to a floor of the same run.

Times on a shared machine vary, so no benchmark asserts a time; the ratios and the CPU seconds show whether a result is
reliable.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


@dataclass(frozen=True)
class Case:
    """A program to measure. `floor` is the name of the case to compare with, `aim` the target ratio."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    floor: str | None = None
    aim: float | None = None


@dataclass
class Times:
    """The seconds of each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)


def options(description: str, rounds: int) -> argparse.Namespace:
    """Parses the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds (default {rounds})")
    parser.add_argument("--json", type=Path, help="file to which the numbers are also written")
    return parser.parse_args()


def measure(cases: Sequence[Case], rounds: int) -> dict[str, Times]:
    """Runs every case once as a warm-up, then `rounds` times in turn; exits with the output of a program that fails."""
    times = {case.name: Times() for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            wall, cpu = _once(case)
            if number:
                times[case.name].wall.append(wall)
                times[case.name].cpu.append(cpu)
    return times


def _once(case: Case) -> tuple[float, float]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for name, value in case.environment.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(case.command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{case.name}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(title: str, cases: Sequence[Case], times: Mapping[str, Times]) -> None:
    """Prints medians [min-max], and the ratio of each case to its floor, with its aim."""
    width = max(len(case.name) for case in cases)
    print(
        f"\n{title} ({len(next(iter(times.values())).wall)} rounds, wall seconds: median [min-max], CPU median, ratio)"
    )
    for case in cases:
        measured = times[case.name]
        line = f"  {case.name:{width}}  {measured.median:7.3f} [{min(measured.wall):.3f}-{max(measured.wall):.3f}]"
        line += f"  cpu {statistics.median(measured.cpu):6.3f}"
        if case.floor:
            cpu = statistics.median(measured.cpu) / statistics.median(times[case.floor].cpu)
            line += f"  {measured.median / times[case.floor].median:5.2f} (CPU {cpu:.2f}) x {case.floor}"
            line += f" (aim: at most {case.aim:g})" if case.aim else ""
        print(line)


def slope(title: str, unit: str, points: Mapping[int, float]) -> tuple[float, float]:
    """Prints and returns the least-squares line through (count, seconds): milliseconds per unit, and seconds at zero.

    It also prints the slope of each step: if the last is much steeper than the first, the growth is worse than linear.
    """
    counts, seconds = list(points), list(points.values())
    per_unit, base = statistics.linear_regression(counts, seconds)
    steps = [(seconds[i + 1] - seconds[i]) / (counts[i + 1] - counts[i]) * 1000 for i in range(len(counts) - 1)]
    print(
        f"  {title}: {per_unit * 1000:.2f} ms per {unit}, plus {base:.2f} s"
        f" (steps: {', '.join(f'{step:.2f}' for step in steps)} ms)"
    )
    return per_unit, base


def save(path: Path | None, times: Mapping[str, Times]) -> None:
    """Writes all rounds as JSON, if requested."""
    if path:
        path.write_text(
            json.dumps({name: vars(measured) for name, measured in times.items()}, indent=2) + "\n", encoding="utf-8"
        )
