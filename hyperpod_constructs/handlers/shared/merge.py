"""JSON merge patches of manifests, chart values and live objects.

They are in this package because functions run without the rest of the library, and the library and the functions must
merge in the same way.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def merge_patch(base: Any, patch: Any, *, by_name: bool = False) -> Any:
    """Applies a JSON merge patch (RFC 7386): mappings are merged, null removes a key, other values replace.

    With `by_name`, lists of mappings that all have a `name` are merged by name, as Kubernetes merges containers and their
    environment. Neither argument is changed, and the result shares no values with `patch`.

    >>> merge_patch({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": None}, "b": [2]})
    {'a': {'x': 1}, 'b': [2]}
    >>> merge_patch([{"name": "x", "v": 1}], [{"name": "x", "v": 2}, {"name": "y"}], by_name=True)
    [{'name': 'x', 'v': 2}, {'name': 'y'}]
    """
    if isinstance(patch, Mapping):
        result = dict(base) if isinstance(base, Mapping) else {}
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merge_patch(result.get(key), value, by_name=by_name)
        return result
    if by_name and _named(base) and _named(patch):
        items = {item["name"]: item for item in base}
        for item in patch:
            items[item["name"]] = merge_patch(items.get(item["name"]), item, by_name=True)
        return list(items.values())
    return copy.deepcopy(list(patch) if isinstance(patch, tuple) else patch)


def _named(items: Any) -> bool:
    return isinstance(items, list | tuple) and all(isinstance(item, Mapping) and "name" in item for item in items)
