"""Converts quantities in manifests to values of fields, without rounding."""

from __future__ import annotations

from typing import Any

from ..quantities import amount

Data = dict[str, Any]


def number(value: Any) -> float | int | None:
    """Converts a quantity to a number; returns None if it is missing, not positive, or would be rounded."""
    exact = amount(value)
    if exact is None or exact <= 0 or exact != round(exact, 4):
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def gib(value: Any) -> float | int | None:
    """Converts a quantity of bytes to GiB; returns None in the same cases as `number`.

    >>> gib("32000Mi"), gib("1G")
    (31.25, None)
    """
    exact = amount(value)
    return None if exact is None else number(str(exact / 2**30))
