"""Quantities of a manifest as the numbers of fields, where nothing is rounded."""

from __future__ import annotations

from typing import Any

from ..quantities import amount

Data = dict[str, Any]


def number(value: Any) -> float | int | None:
    """A number that a field can hold as it is; None for none, and where it would be rounded."""
    exact = amount(value)
    if exact is None or exact <= 0 or exact != round(exact, 4):
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def gib(value: Any) -> float | int | None:
    """A quantity of bytes in GiB; None as for `number`.

    >>> gib("32000Mi"), gib("1G")
    (31.25, None)
    """
    exact = amount(value)
    return None if exact is None else number(str(exact / 2**30))
