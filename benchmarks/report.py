"""`hyperpod report` compared with `hyperpod validate` for the same configs, as complete processes.

Budget: for 20 clusters with 50 groups each, at most 3 times the time of `validate`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _configs import fleet, write
from _run import PYTHON, Case, measure, options, save, table

HYPERPOD = str(Path(PYTHON).with_name("hyperpod"))


def main() -> None:
    """Measures and prints."""
    chosen = options(str(__doc__), rounds=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = []
        for clusters in (1, 20):
            configs = write(folder, f"of-{clusters}", *fleet(clusters, groups=50)).split(",")
            floor = f"validate {clusters} x 50 groups"
            page = str(folder / f"{clusters}.html")
            command = [HYPERPOD, "report", "--configs-only", *configs, "-o", page]
            cases += [Case(floor, [HYPERPOD, "validate", *configs])]
            cases += [Case(f"report {clusters} x 50 groups", command, floor=floor, aim=3 if clusters > 1 else None)]
        times = measure(cases, chosen.rounds)
        table("hyperpod report", cases, times)
        save(chosen.json, times)


if __name__ == "__main__":
    main()
