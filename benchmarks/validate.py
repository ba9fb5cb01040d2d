"""`hyperpod validate` as a complete process compared with Python with pydantic and PyYAML, by size.

Budget: at most 2 times the floor; linear up to 1,000 groups in 20 clusters.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _configs import fleet, shipped, write
from _run import PYTHON, Case, measure, options, save, slope, table

HYPERPOD = str(Path(PYTHON).with_name("hyperpod"))
FLOOR = "python, pydantic, yaml"


def main() -> None:
    """Measures and prints."""
    chosen = options(str(__doc__), rounds=9)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        default = write(folder, "default", shipped())
        cases = [
            Case(FLOOR, [PYTHON, "-c", "from pydantic import BaseModel; import yaml"]),
            Case("hyperpod --help", [HYPERPOD, "--help"], floor=FLOOR),
            Case("hyperpod validate", [HYPERPOD, "validate", default], floor=FLOOR, aim=2),
        ]
        times = measure(cases, chosen.rounds)
        table("hyperpod validate", cases, times)

        sizes = {clusters * 50: fleet(clusters, groups=50) for clusters in (1, 5, 20)}
        grown = [
            Case(f"{groups} groups", [HYPERPOD, "validate", *write(folder, f"{groups}", *configs).split(",")])
            for groups, configs in sizes.items()
        ]
        more = measure(grown, max(1, chosen.rounds // 3))
        table("growth, 50 groups per cluster", grown, more)
        slope("groups", "group", {groups: more[f"{groups} groups"].median for groups in sizes})
        save(chosen.json, times | more)


if __name__ == "__main__":
    main()
