"""Kubernetes quantities, such as `32000Mi`, `1.5` and `500m`, as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?",
    re.ASCII,
)
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def amount(value: object) -> Decimal | None:
    """Parses a quantity in units or bytes; returns None if it is not a quantity.

    >>> amount("32000Mi") == 32000 * 2**20, amount("500m"), amount(8), amount("1e3"), amount("16 Gi")
    (True, Decimal('0.500'), Decimal('8'), Decimal('1E+3'), None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"] or ""
    if suffix in _BINARY:
        number *= _BINARY[suffix]
    elif suffix in _DECIMAL:
        number = number.scaleb(_DECIMAL[suffix])
    elif suffix:
        number = number.scaleb(int(suffix[1:]))
    return -number if found["sign"] == "-" else number
