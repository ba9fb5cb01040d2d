"""Deep merge of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merges mappings of `over` into `base` recursively; other values, including lists and nulls, are replaced.

    >>> overlay({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": None})
    {'a': {'x': 1, 'y': 3}, 'b': None}
    """
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
