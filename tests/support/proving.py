"""Assertions that fail if there are no values to check."""

from __future__ import annotations

from collections.abc import Iterable

from hyperpod_constructs.assembly.graph import OrderProof, prove
from hyperpod_constructs.assembly.graph._assembly import Source


def every(values: Iterable[object]) -> bool:
    """`all`, for at least one value.

    >>> every([1, 2]), every([1, 0])
    (True, False)
    >>> every([])
    Traceback (most recent call last):
    AssertionError: there are no values to check
    """
    values = list(values)
    assert values, "there are no values to check"
    return all(values)


def proved(source: Source, *rules: str) -> OrderProof:
    """The order proof of templates: it must hold, and each of the rules must match resources."""
    proof = prove(source)
    assert proof.holds, proof.render()
    assert proof.pairs, "no rule matches any resources"
    empty = [rule for rule in rules if not proof.checked[rule]]
    assert not empty, (
        f"rules without a match: {empty}; rules with a match: {[id for id, n in proof.checked.items() if n]}"
    )
    return proof
