"""Converts quantities of a manifest to numbers of fields, without rounding."""

from __future__ import annotations

from typing import Any

from ..quantities import amount

Data = dict[str, Any]


def number(value: Any) -> float | int | None:
    """A number that a field can represent exactly; None if there is none, or if it would be rounded."""
    exact = amount(value)
    if exact is None or exact <= 0 or exact != round(exact, 4):
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def gib(value: Any) -> float | int | None:
    """Converts a quantity of bytes to GiB; None as for `number`.

    >>> gib("32000Mi"), gib("1G")
    (31.25, None)
    """
    exact = amount(value)
    return None if exact is None else number(str(exact / 2**30))
