"""Numbers with their nouns, in messages and reports."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: float, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "node"), count(1200, "node"), count(2, "policy", "policies")
    ('1 node', '1,200 nodes', '2 policies')
    """
    return f"{number:,g} {noun if number == 1 else plural or noun + 's'}" if number < 1e6 else f"{number:,.0f} {noun}s"


def either(words: Iterable[str]) -> str:
    """Alternatives as in a sentence.

    >>> either(["a"]), either(["a", "b"]), either(["a", "b", "c"])
    ('a', 'a or b', 'a, b or c')
    """
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
