"""Long sweeps: an evenly selected sample always runs, and every case with `HYPERPOD_ALL=1` (`make test-all`).

The sample depends only on the cases, so that a failure occurs again in the next run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import pytest

ALL = os.environ.get("HYPERPOD_ALL") == "1"
"""Whether every case runs, and not the sample."""
only_in_full = pytest.mark.skipif(not ALL, reason="requires all cases of a sweep: HYPERPOD_ALL=1")

Case = TypeVar("Case")


def sample(
    cases: Sequence[Case], one_in: int, kind: Callable[[Case], Hashable] = lambda _: None, everything: bool = ALL
) -> list[Case]:
    """The first case of each kind, and then every `one_in`-th, in the order of the cases.

    >>> sample(["a1", "b1", "a2", "a3", "c1", "a4"], 3, kind=lambda case: case[0], everything=False)
    ['a1', 'b1', 'c1', 'a4']
    """
    if everything:
        return list(cases)
    counts: dict[Hashable, int] = defaultdict(int)
    selected = []
    for case in cases:
        if counts[kind(case)] % one_in == 0:
            selected.append(case)
        counts[kind(case)] += 1
    return selected


def covering(rows: Sequence[Mapping[str, str]], everything: bool = ALL) -> list[int]:
    """Indexes of rows that contain every value of every factor: repeatedly the first row that adds most values.

    >>> covering([{"a": "1", "b": "1"}, {"a": "1", "b": "2"}, {"a": "2", "b": "2"}], everything=False)
    [0, 2]
    """
    if everything:
        return list(range(len(rows)))
    missing = {item for row in rows for item in row.items()}
    selected = []
    while missing:
        best = max(range(len(rows)), key=lambda index: len(missing & set(rows[index].items())))
        missing -= set(rows[best].items())
        selected.append(best)
    return sorted(selected)
