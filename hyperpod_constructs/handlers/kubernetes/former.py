"""The state of an object before its first owner, and the content of each owner, in annotations of the object.

The Delete that rolls back an adoption may be much later than the event that adopted the object, or fields of it. Only
the object itself can store the state until then:

===================  ================================================================================================
annotation           content
===================  ================================================================================================
``before``           values of other clients that were replaced, and the entries of ``metadata.managedFields`` that
                     lost a field by this
``wants-DIGEST``     the fields of one owner with their values, and a number that grows with each apply
===================  ================================================================================================

An object has them only while it has several owners, or if this library did not create it. When an owner is removed, each
field that only it has gets the value of the most recent other owner, or the value before the first owner, or is removed.

A path is one of ``fieldsV1``: ``f:NAME`` for a field, ``k:{...}`` for an item of a list by its keys.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..shared.ownership import NAMESPACE, Owner, marks_of

Json = Mapping[str, Any]
Path = tuple[str, ...]
Fields = Mapping[Path, Any]

BEFORE_KEY = f"{NAMESPACE}before"
LARGEST_RECORD = 200 * 1024
"""Bytes of all annotations with stored state. Kubernetes limits an object's annotations to 256 KiB."""

ABSENT = object()
"""The value of a field that is not set."""

_OURS = Owner("", "").manager
_OUR_ANNOTATION = f"f:{NAMESPACE}"


@dataclass(frozen=True)
class Before:
    """The changed fields of an object before its first owner."""

    fields: Fields = field(default_factory=dict)
    managers: tuple[Json, ...] = ()
    """Previous entries of ``managedFields`` of other managers that lost a field."""


@dataclass(frozen=True)
class Wants:
    """The content that one owner specifies for an object."""

    order: int = 0
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True)
class Restored:
    """The value of a field that an owner no longer sets: that of ``successor``, or the previous value."""

    path: Path
    value: Any
    successor: Owner | None


def wants_key(me: Owner) -> str:
    """Returns the annotation with the content of an owner."""
    return f"{NAMESPACE}wants-{me.digest}"


def others(current: Json, me: Owner) -> list[Owner]:
    """Returns other resources of this library with marks on an object, or fields in it."""
    managers = {str(entry.get("manager")) for entry in _managed(current)}
    digests = {name.removeprefix(_OURS) for name in managers if name.startswith(_OURS)}
    return sorted({*marks_of(_annotations(current)), *(Owner("", digest) for digest in digests)} - {me})


def missing_records(current: Json, me: Owner) -> dict[Owner, str]:
    """Returns the missing annotations of other owners, whose content is that of the object."""
    annotations = _annotations(current)
    lacking = [other for other in others(current, me) if wants_key(other) not in annotations]
    return {other: _pack_wants(Wants(1, _values(current, other))) for other in lacking}


def records(current: Json, now: Json, me: Owner) -> tuple[dict[str, str], list[Restored]]:
    """Returns the annotations for the change from ``current`` to ``now``, and the values of fields no longer set."""
    before = _before(current)
    ours_before, ours_now = owned_by(current, me.manager), owned_by(now, me.manager)
    of_us = {path for entry in _managed(current) if _is_ours(entry) for path in _leaves(entry)}
    fields = dict(before.fields)
    for path in sorted(ours_now - of_us):
        old = value(current, path)
        if old is not ABSENT and old != value(now, path):
            fields.setdefault(path, old)
    managers = {_manager(entry): entry for entry in before.managers}
    present = {_manager(entry): entry for entry in _managed(now)}
    for was in _managed(current):
        left = (present.get(_manager(was)) or {}).get("fieldsV1")
        if not _is_ours(was) and left != was.get("fieldsV1"):
            known = (managers.get(_manager(was)) or {}).get("fieldsV1") or {}
            managers[_manager(was)] = {**was, "fieldsV1": _union(known, was.get("fieldsV1") or {})}
    order = 1 + max([_wants(current, other).order for other in others(current, me)], default=0)
    notes = {wants_key(me): _pack_wants(Wants(order, _values(now, me)))}
    if fields or managers:
        notes[BEFORE_KEY] = _pack([[list(path), fields[path]] for path in sorted(fields)], list(managers.values()))
    dropped = (
        ours_before - ours_now - {p for e in _managed(current) if e.get("manager") != me.manager for p in _leaves(e)}
    )
    return notes, _restored(current, me, dropped, Before(fields, tuple(managers.values())))


def released_values(current: Json, me: Owner) -> list[Restored]:
    """Returns the values of the fields that only this owner has, after its removal."""
    others_have = {path for e in _managed(current) if e.get("manager") != me.manager for path in _leaves(e)}
    return _restored(current, me, owned_by(current, me.manager) - others_have, _before(current))


def with_values(item: Json, restored: Iterable[Restored]) -> dict[str, Any]:
    """Returns ``item`` with the restored values of fields."""
    result: dict[str, Any] = copy.deepcopy(dict(item))
    for field_value in restored:
        _put(result, field_value.path, field_value.value)
    return result


def managed_fields(current: Json, me: Owner, restored: Iterable[Restored]) -> list[dict[str, Any]]:
    """Returns ``managedFields`` without this owner, after fields were restored; a single empty entry clears the list."""
    restored = list(restored)
    entries = {_manager(entry): entry for entry in _managed(current) if entry.get("manager") != me.manager}
    ours = {path for entry in entries.values() if _is_ours(entry) for path in _leaves(entry)}
    ours |= {field_value.path for field_value in restored if field_value.successor}
    before = _before(current)
    restored_entries: list[tuple[Json, list[Path]]] = []
    for was in before.managers:
        # without fields that another owner has set to another value
        lost_paths = [
            p for p in _leaves(was) if p not in ours and value(current, p) == before.fields.get(p, value(current, p))
        ]
        restored_entries.append((was, [p for p in lost_paths if value(current, p) is not ABSENT]))
    for successor in {field_value.successor for field_value in restored if field_value.successor}:
        entry: Json = {"manager": successor.manager, "operation": "Apply", "apiVersion": current.get("apiVersion")}
        restored_entries.append(
            (
                {**entry, "fieldsType": "FieldsV1"},
                [field_value.path for field_value in restored if field_value.successor == successor],
            )
        )
    for entry, paths in restored_entries:
        if paths:
            known = entries.get(_manager(entry), entry)
            fields = (known.get("fieldsV1") or {}) if _manager(entry) in entries else {}
            entries[_manager(entry)] = {**known, "fieldsV1": _union(fields, _tree(paths))}
    return list(entries.values()) or [{}]


def owned_by(item: Json, manager: str) -> set[Path]:
    """Returns the fields of a manager, without the annotations of this library."""
    return {path for entry in _managed(item) if entry.get("manager") == manager for path in _leaves(entry)}


def value(item: Any, path: Path) -> Any:
    """Returns the value at a path, or ``ABSENT``."""
    for step in path:
        if step.startswith("f:"):
            if not isinstance(item, Mapping) or step[2:] not in item:
                return ABSENT
            item = item[step[2:]]
        else:
            item = _item(item, step)
            if item is ABSENT:
                return ABSENT
    return item


def content(item: Json) -> dict[str, Any]:
    """Returns the part of an object that an apply can change: without status, marks and fields that the server sets."""
    metadata = item.get("metadata") or {}
    annotations = {key: text for key, text in _annotations(item).items() if not key.startswith(NAMESPACE)}
    rest = {key: found for key, found in item.items() if key not in ("metadata", "status")}
    return {**rest, "labels": metadata.get("labels") or {}, "annotations": annotations}


def _restored(current: Json, me: Owner, paths: Iterable[Path], before: Before) -> list[Restored]:
    wants = sorted(
        ((_wants(current, other), other) for other in others(current, me)), key=lambda entry: -entry[0].order
    )
    found = []
    for path in sorted(paths):
        successors = [(wanted.fields[path], other) for wanted, other in wants if path in wanted.fields]
        if successors:
            found.append(Restored(path, successors[0][0], successors[0][1]))
        elif path in before.fields:
            found.append(Restored(path, before.fields[path], None))
    return found


def _values(item: Json, me: Owner) -> dict[Path, Any]:
    values = {path: value(item, path) for path in owned_by(item, me.manager)}
    return {path: found for path, found in values.items() if found is not ABSENT}


def _before(current: Json) -> Before:
    fields, managers = _unpack(_annotations(current).get(BEFORE_KEY)) or ([], [])
    return Before({tuple(path): found for path, found in fields}, tuple(managers))


def _wants(current: Json, other: Owner) -> Wants:
    order, fields = _unpack(_annotations(current).get(wants_key(other))) or (0, [])
    return Wants(order, {tuple(path): found for path, found in fields})


def _pack_wants(wants: Wants) -> str:
    return _pack(wants.order, [[list(path), wants.fields[path]] for path in sorted(wants.fields)])


def _pack(*content: Any) -> str:
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _unpack(packed: str | None) -> Any:
    """Returns the packed content; ``None`` if there is none, or if it was modified."""
    try:
        return json.loads(gzip.decompress(base64.b64decode(packed or "")))
    except (ValueError, OSError, EOFError):
        return None


def _annotations(item: Json) -> dict[str, str]:
    return dict((item.get("metadata") or {}).get("annotations") or {})


def _item(items: Any, step: str) -> Any:
    if not isinstance(items, list):
        return ABSENT
    wanted = json.loads(step[2:])
    if step.startswith("v:"):
        return wanted if wanted in items else ABSENT
    if not step.startswith("k:"):
        return ABSENT
    return next((item for item in items if isinstance(item, Mapping) and _has_keys(item, wanted)), ABSENT)


def _has_keys(item: Json, wanted: Json) -> bool:
    # the protocol of a port has a default value
    return all(item.get(key, "TCP" if key == "protocol" else None) == found for key, found in wanted.items())


def _put(item: Any, path: Path, found: Any) -> None:
    for step, following in zip(path, [*path[1:], ""], strict=True):
        if step.startswith("v:"):
            if found not in item:
                item.append(found)
        elif step.startswith("k:"):
            inner = _item(item, step)
            if inner is ABSENT:
                inner = json.loads(step[2:])
                item.append(inner)
            item = inner
        elif following:
            item = item.setdefault(step[2:], {} if following.startswith("f:") else [])
        else:
            item[step[2:]] = copy.deepcopy(found)


def _managed(item: Json) -> list[dict[str, Any]]:
    return list((item.get("metadata") or {}).get("managedFields") or [])


def _manager(entry: Json) -> tuple[str, str, str]:
    return str(entry.get("manager")), str(entry.get("operation")), str(entry.get("subresource") or "")


def _is_ours(entry: Json) -> bool:
    return str(entry.get("manager")).startswith(Owner("", "", legacy=True).manager)


def _leaves(entry: Json) -> Iterator[Path]:
    for path in _paths(entry.get("fieldsV1") or {}):
        if not (path[:2] == ("f:metadata", "f:annotations") and len(path) > 2 and path[2].startswith(_OUR_ANNOTATION)):
            yield path


def _paths(fields: Json, path: Path = ()) -> Iterator[Path]:
    for step, inner in fields.items():
        if step == ".":
            continue
        if inner:
            yield from _paths(inner, (*path, step))
        else:
            yield (*path, step)


def _tree(paths: Iterable[Path]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for path in paths:
        inner = fields
        for step in path:
            inner = inner.setdefault(step, {})
    return fields


def _union(fields: Json, other: Json) -> dict[str, Any]:
    return {key: _union(fields.get(key) or {}, other.get(key) or {}) for key in {**fields, **other}}
