"""Times whole processes side by side: interleaved rounds after a warm-up, medians, ratios to a floor of the same run.

A shared machine is noisy, so nothing here asserts a time; the ratios and the CPU seconds show whether
a number can be trusted.
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
    """One program to time. `floor` is the name of the case to compare with, `aim` the target ratio."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    floor: str | None = None
    aim: float | None = None


@dataclass
class Times:
    """Seconds of each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)


def options(description: str, rounds: int) -> argparse.Namespace:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds (default {rounds})")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    return parser.parse_args()


def measure(cases: Sequence[Case], rounds: int) -> dict[str, Times]:
    """Run every case once to warm up, then `rounds` times in turn. Exits with the program's output if one fails."""
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
    """Print medians [min-max], and the ratio against each case's floor, with its aim."""
    width = max(len(case.name) for case in cases)
    print(
        f"\n{title} ({len(next(iter(times.values())).wall)} rounds, wall seconds: median [min-max], CPU median, ratio)"
    )
    for case in cases:
        seen = times[case.name]
        line = f"  {case.name:{width}}  {seen.median:7.3f} [{min(seen.wall):.3f}-{max(seen.wall):.3f}]"
        line += f"  cpu {statistics.median(seen.cpu):6.3f}"
        if case.floor:
            cpu = statistics.median(seen.cpu) / statistics.median(times[case.floor].cpu)
            line += f"  {seen.median / times[case.floor].median:5.2f} (CPU {cpu:.2f}) x {case.floor}"
            line += f" (aim: at most {case.aim:g})" if case.aim else ""
        print(line)


def slope(title: str, unit: str, points: Mapping[int, float]) -> tuple[float, float]:
    """Print and return the least-squares line through (count, seconds): milliseconds a unit, and the seconds at zero.

    Beside it each step's own slope: a last step much steeper than the first is worse than linear.
    """
    counts, seconds = list(points), list(points.values())
    per_unit, base = statistics.linear_regression(counts, seconds)
    steps = [(seconds[i + 1] - seconds[i]) / (counts[i + 1] - counts[i]) * 1000 for i in range(len(counts) - 1)]
    print(
        f"  {title}: {per_unit * 1000:.2f} ms a {unit} over {base:.2f} s"
        f" (steps: {', '.join(f'{step:.2f}' for step in steps)} ms)"
    )
    return per_unit, base


def save(path: Path | None, times: Mapping[str, Times]) -> None:
    """Write all rounds as JSON, if requested."""
    if path:
        path.write_text(
            json.dumps({name: vars(seen) for name, seen in times.items()}, indent=2) + "\n", encoding="utf-8"
        )
