"""Numbers with their nouns, in messages and reports."""

from __future__ import annotations


def count(number: float, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "node"), count(1200, "node"), count(2, "policy", "policies")
    ('1 node', '1,200 nodes', '2 policies')
    """
    return f"{number:,g} {noun if number == 1 else plural or noun + 's'}" if number < 1e6 else f"{number:,.0f} {noun}s"
