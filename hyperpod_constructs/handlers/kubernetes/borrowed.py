"""What belongs to others, used without taking it over: a changed copy of an object, and single fields of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..shared.ownership import Claim, Owner
from .errors import ApiError
from .group import ObjectGroup
from .objects import ObjectRef
from .release import Wanted, release_all


def copied(original: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """An object like ``changes``, whose ``spec`` is that of ``original`` with the changes over it.

    >>> copied({"spec": {"a": 1, "b": 2}}, {"kind": "DaemonSet", "spec": {"b": None, "c": 3}})
    {'kind': 'DaemonSet', 'spec': {'a': 1, 'c': 3}}
    """
    return {**changes, "spec": merged(original.get("spec"), changes.get("spec") or {})}


def merged(base: Any, changes: Any) -> Any:
    """``changes`` over ``base`` as a JSON merge patch has it (null removes), but lists of named items merge by name.

    That is what Kubernetes does with containers and their environment; any other list is replaced.

    >>> merged({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "2"}]})
    {'env': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '2'}]}
    """
    if isinstance(changes, Mapping):
        result = dict(base) if isinstance(base, Mapping) else {}
        for key, change in changes.items():
            if change is None:
                result.pop(key, None)
            else:
                result[key] = merged(result.get(key), change)
        return result
    if _named(base) and _named(changes):
        over = {item["name"]: item for item in changes}
        kept = [merged(item, over.pop(item["name"], {})) for item in base]
        return [*kept, *over.values()]
    return changes


def _named(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, Mapping) and "name" in item for item in items)


class BorrowedFields(ObjectGroup):
    """Fields of objects that others made: set by server-side apply, and given back instead of deleted."""

    always_recorded = True

    def release(
        self, refs: Iterable[ObjectRef], mine: Collection[Owner], *, retain: bool = False, wait: bool = True
    ) -> None:
        """Give the fields back: they become what they were before, or unset."""
        if not retain:
            release_all(self._client, self._discovery, list(refs), Wanted(frozenset(mine), fields=True))

    def _claim(self, ref: ObjectRef, current: Mapping[str, Any] | None) -> Claim:
        if current is None:
            raise ApiError(404, "NotFound", "the object whose fields are to be set does not exist")
        managers = {str(entry.get("manager")) for entry in current["metadata"].get("managedFields") or []}
        return Claim.OURS if self._me.manager in managers else Claim.SHARE

    def _marked(self, item: Mapping[str, Any], current: Mapping[str, Any] | None, found: Claim) -> dict[str, Any]:
        return dict(item)
