"""Server-side apply on plain data: the owners of fields, the changes of an apply, and its conflicts.

An object is a tree whose steps are those of Kubernetes' ``fieldsV1``: ``f:NAME`` for a field, ``k:{...}`` for an item of
a list that merges by key, ``v:...`` for an item of a set. The lists of built-in kinds that merge by key are identified
by their names; all other lists are atomic, as in a custom kind without list declarations.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Path = tuple[str, ...]
Manager = tuple[str, str]
"""Name and operation (``Apply`` or ``Update``)."""
Owned = dict[Manager, set[Path]]

_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
_SETS = {"finalizers"}

_NEVER = {("f:apiVersion",), ("f:kind",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"),
        *("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"),
    )
}


class Conflict(Exception):
    """Raised if other managers own fields that an apply without force would change."""


def tree(value: Any, *, built_in: bool, name: str = "") -> Any:
    """Returns an object as a tree; anything but a mapping is a leaf."""
    if isinstance(value, dict):
        return {f"f:{key}": tree(inner, built_in=built_in, name=key) for key, inner in value.items()}
    keys = _keys(name, value) if built_in or name in ("ownerReferences", "finalizers") else ()
    if keys:
        return {_item_key(item, keys): tree(item, built_in=built_in) for item in value}
    if name in _SETS and isinstance(value, list) and value:
        return {f"v:{json.dumps(item)}": item for item in value}
    return value


def plain(node: Any) -> Any:
    """Returns the object of a tree."""
    if not isinstance(node, dict):
        return copy.deepcopy(node)
    if node and all(key[:2] in ("k:", "v:") for key in node):
        return [plain(inner) for inner in node.values()]
    return {key[2:]: plain(inner) for key, inner in node.items()}


def leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The leaves of a tree that a manager can own."""
    if isinstance(node, dict) and node:
        for key, inner in node.items():
            yield from leaves(inner, (*path, key))
    elif path not in _NEVER and path[:2] != ("f:metadata", "f:managedFields"):
        yield path, node


def apply(current: Json | None, item: Json, owned: Owned, manager: str, *, force: bool, built_in: bool) -> Json:
    """Returns ``current`` with the fields that the manager applies; ``owned`` is updated. Raises `Conflict`."""
    node = tree(current or {}, built_in=built_in)
    wanted = {path: value for path, value in leaves(tree(item, built_in=built_in)) if value is not None}
    me = (manager, "Apply")
    present = dict(leaves(node))
    conflicts = [
        (other, path)
        for other, paths in owned.items()
        if other != me
        for path in sorted(paths & wanted.keys())
        if present.get(path) != wanted[path]
    ]
    if conflicts and not force:
        listed = "\n".join(f"- {_dotted(path)}" for _, path in conflicts)
        who = ", ".join(dict.fromkeys(f'conflicts with "{other[0]}"' for other, _ in conflicts))
        raise Conflict(f"Apply failed with {len(conflicts)} conflict{'s' * (len(conflicts) > 1)}: {who}:\n{listed}")
    for other, path in conflicts:
        owned[other].discard(path)
    for path in owned.get(me, set()) - wanted.keys():
        if not any(path in paths for other, paths in owned.items() if other != me):
            _unset(node, path)
    for path, value in wanted.items():
        _set(node, path, value)
    owned[me] = set(wanted)
    _drop_empty(owned)
    result: Json = plain(node)
    result.setdefault("metadata", {})
    return result


def update(current: Json | None, item: Json, owned: Owned, manager: str, *, built_in: bool) -> None:
    """Records a write of the whole object: the manager owns the fields that it changes; removed fields have no owner."""
    before = dict(leaves(tree(current or {}, built_in=built_in)))
    after = dict(leaves(tree(item, built_in=built_in)))
    changed = {path for path, value in after.items() if before.get(path, _MISSING) != value}
    for paths in owned.values():
        paths -= changed
        paths &= after.keys()
    if manager:
        owned.setdefault((manager, "Update"), set()).update(changed)
    _drop_empty(owned)


def encode(owned: Owned, api_version: str, time: str, former: list[Json]) -> list[Json]:
    """Returns ``metadata.managedFields``; an unchanged entry keeps its time."""
    times = {(entry["manager"], entry["operation"]): entry for entry in former}
    found = []
    for (manager, operation), paths in owned.items():
        fields: Json = {}
        for path in sorted(paths):
            inner = fields
            for step in path:
                inner = inner.setdefault(step, {})
        entry = {
            "manager": manager,
            "operation": operation,
            "apiVersion": api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        old = times.get((manager, operation))
        found.append(old if old is not None and old["fieldsV1"] == fields else entry)
    return found


def decode(managed: list[Mapping[str, Any]]) -> Owned:
    """Returns the owner of each field, from ``metadata.managedFields``."""
    return {
        (entry["manager"], entry["operation"]): set(_paths(entry.get("fieldsV1") or {}))
        for entry in managed
        if entry.get("manager")  # a list of one empty entry removes all owners
    }


_MISSING = object()


def _paths(fields: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    for step, inner in fields.items():
        if step == ".":
            continue
        if inner:
            yield from _paths(inner, (*path, step))
        else:
            yield (*path, step)


def _drop_empty(owned: Owned) -> None:
    for manager in [manager for manager, paths in owned.items() if not paths]:
        del owned[manager]


def _keys(name: str, items: Any) -> tuple[str, ...]:
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return ()
    if name == "ports":
        port = "containerPort" if all("containerPort" in item for item in items) else "port"
        keys: tuple[str, ...] = (port, "protocol")
    else:
        keys = _KEYS.get(name, ())
    return keys if keys and all(keys[0] in item for item in items) else ()


def _item_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    values = {key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}
    return f"k:{json.dumps(values, separators=(',', ':'))}"


def _set(node: Json, path: Path, value: Any) -> None:
    for step in path[:-1]:
        inner = node.get(step)
        if not isinstance(inner, dict):
            inner = node[step] = {}
        node = inner
    node[path[-1]] = copy.deepcopy(value)


def _unset(node: Json, path: Path) -> None:
    holders = [node]
    for step in path[:-1]:
        inner = holders[-1].get(step)
        if not isinstance(inner, dict):
            return
        holders.append(inner)
    holders[-1].pop(path[-1], None)
    for holder, step in zip(reversed(holders[:-1]), reversed(path[:-1]), strict=True):
        if not holder[step] and step != "f:metadata":
            del holder[step]


def _dotted(path: Path) -> str:
    return "".join(f".{step[2:]}" if step.startswith("f:") else f"[{step[2:]}]" for step in path)
