"""Kubernetes quantities, such as `500m` and `2Gi`, as numbers."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,3})?", re.ASCII
)
_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def amount(text: str) -> Decimal | None:
    """Parses a quantity; returns None if it is not a quantity.

    >>> amount("2Gi"), amount("500m"), amount("1e3"), amount("2GB") is None
    (Decimal('2147483648'), Decimal('0.500'), Decimal('1E+3'), True)
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** (_BINARY.index(suffix) + 1)
    if suffix in _SUFFIXES:
        return number.scaleb(3 * (_SUFFIXES.index(suffix) - _SUFFIXES.index("")))
    return number.scaleb(int(suffix[1:]))
