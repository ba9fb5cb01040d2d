"""What belongs to others, used without taking it over: a changed copy of an object, and single fields of one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .errors import ApiError
from .group import ObjectGroup
from .objects import ObjectRef

log = logging.getLogger(__name__)


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

    def delete(self, refs: Iterable[ObjectRef], keep: Collection[str] = ()) -> None:
        """Give the fields back: what nobody else wants becomes what the API server takes for unset."""
        for ref in refs:
            self._attempt(f"the fields of {ref} were not given back", lambda ref=ref: self._give_back(ref))

    def _give_back(self, ref: ObjectRef) -> None:
        kind = self._discovery.find_any_version(ref)
        path = kind.path(ref) if kind else None
        if kind is None or path is None or self._client.find_metadata(path) is None:
            log.info("%s: gone", ref)
            return
        metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
        nothing = {"apiVersion": kind.api_version, "kind": ref.kind, "metadata": metadata}
        self._client.apply(path, nothing, manager=self._manager)
        log.info("%s: fields given back", ref)

    def _apply(self, ref: ObjectRef, item: dict[str, Any]) -> None:
        path = self._discovery.find(ref.api_version, ref.kind).path(ref)
        if self._client.find_metadata(path) is None:
            raise ApiError(404, "NotFound", "the object whose fields are to be set does not exist")
        self.record.before.setdefault(ref, "")
        applied = self._client.apply(path, item, manager=self._manager)
        self.record.uids.add(applied["metadata"]["uid"])
        log.info("%s: fields set", ref)

    @property
    def _manager(self) -> str:
        """A field manager for each resource: the fields of one manager are replaced as a whole."""
        return f"hyperpod-constructs-{self.owner.rpartition('/')[2]}"
