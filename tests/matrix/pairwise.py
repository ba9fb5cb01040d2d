"""Pairwise coverage: few rows of options in which every allowed pair of values occurs. Deterministic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def pairs_of(row: Mapping[str, str]) -> set[Pair]:
    """Every pair of values in a row."""
    return set(combinations(sorted(row.items()), 2))


def required_pairs(factors: Mapping[str, Sequence[str]], allowed: Callable[[Row], bool]) -> set[Pair]:
    """Every allowed pair of values."""
    found = set()
    for first, second in combinations(sorted(factors), 2):
        for a in factors[first]:
            for b in factors[second]:
                if allowed({first: a, second: b}):
                    found.add(((first, a), (second, b)))
    return found


def rows(factors: Mapping[str, Sequence[str]], allowed: Callable[[Row], bool]) -> list[Row]:
    """Rows that cover every allowed pair.

    Each row starts with a pair that is not covered yet and takes, factor by factor, the value that covers most. `allowed` is
    asked about parts of rows, and must not refuse a part that some whole row may hold.

    >>> found = rows({"a": ["1", "2"], "b": ["1", "2"], "c": ["1", "2"]}, lambda row: True)
    >>> len(found) <= 5
    True
    """
    open_pairs = required_pairs(factors, allowed)
    found = []
    while open_pairs:
        row = max(
            (_filled(dict(pair), factors, allowed, open_pairs) for pair in sorted(open_pairs)[:30]),
            key=lambda candidate: len(pairs_of(candidate) & open_pairs) if candidate else -1,
        )
        if row is None:
            raise ValueError(f"no row can hold {sorted(open_pairs)[0]}")
        open_pairs -= pairs_of(row)
        found.append({factor: row[factor] for factor in factors})
    return found


def _filled(
    row: Row, factors: Mapping[str, Sequence[str]], allowed: Callable[[Row], bool], open_pairs: set[Pair]
) -> Row | None:
    """The row with every factor; None if the constraints allow no value."""
    for factor in factors:
        if factor not in row:
            choices = list(_choices(row, factor, factors, allowed, open_pairs))
            if not choices:
                return None
            row = {**row, factor: max(choices, key=lambda choice: choice[0])[1]}
    return row


def _choices(
    row: Row, factor: str, factors: Mapping[str, Sequence[str]], allowed: Callable[[Row], bool], open_pairs: set[Pair]
) -> Iterator[tuple[int, str]]:
    for value in factors[factor]:
        candidate = {**row, factor: value}
        if allowed(candidate):
            yield len(pairs_of(candidate) & open_pairs), value
