"""What an object was before we took it over, kept in an annotation of it: so that it can be given back as it was.

An event that takes over an object may be rolled back much later, by a Delete. Only the object itself can remember until
then. The record has each value that we replaced, with the value that we put there, and the entries of
``metadata.managedFields`` that lost a field by it. A value is given back only where it still is the one that we put there,
and nobody else wants it.

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

from ..shared.ownership import NAMESPACE, Owner

Json = Mapping[str, Any]
Path = tuple[str, ...]

LARGEST_RECORD = 128 * 1024
"""Bytes of a record. All annotations of an object may have 256 KiB."""

ABSENT = object()
"""The value where there is none."""

_OUR_ANNOTATION = f"f:{NAMESPACE}"


@dataclass(frozen=True)
class Replaced:
    """One value that an apply replaced."""

    path: Path
    before: Any
    after: Any


@dataclass(frozen=True)
class Record:
    """What was replaced in one object by one owner."""

    replaced: tuple[Replaced, ...] = ()
    managers: tuple[Json, ...] = field(default=())
    """Entries of ``managedFields`` as they were, of those who lost a field."""

    def __bool__(self) -> bool:
        return bool(self.replaced or self.managers)


def record_key(me: Owner) -> str:
    """The annotation that holds the record of an owner."""
    return f"{NAMESPACE}before-{me.digest}"


def taken(before: Json, after: Json, former: Record, me: Owner) -> Record:
    """The record after an apply that makes ``after`` of ``before``; ``former`` is what was recorded until now.

    A field that the apply no longer sets has its former value as ``after``.
    """
    ours_before, ours_after = owned_by(before, me.manager), owned_by(after, me.manager)
    replaced = []
    for entry in former.replaced:
        if entry.path not in ours_after:
            replaced.append(Replaced(entry.path, entry.before, entry.before))
        elif value(before, entry.path) == entry.after:
            replaced.append(Replaced(entry.path, entry.before, value(after, entry.path)))
    known = {entry.path for entry in former.replaced}
    for path in sorted(ours_after - ours_before - known):
        old, new = value(before, path), value(after, path)
        if old is not ABSENT and old != new:
            replaced.append(Replaced(path, old, new))
    managers = {_manager(entry): entry for entry in former.managers}
    present = {_manager(entry): entry for entry in _managed(after)}
    for was in _managed(before):
        left = present.get(_manager(was), {}).get("fieldsV1")
        if was.get("manager") != me.manager and left != was.get("fieldsV1"):
            managers.setdefault(_manager(was), was)
    return Record(tuple(replaced), tuple(managers.values()))


def restored(current: Json, record: Record, me: Owner) -> list[Replaced]:
    """What of a record is to be given back: where the value still is ours, and nobody else wants it."""
    ours = owned_by(current, me.manager)
    others = {path for entry in _managed(current) if entry.get("manager") != me.manager for path in _leaves(entry)}
    return [
        entry
        for entry in record.replaced
        if entry.path in ours - others and value(current, entry.path) in (entry.after, entry.before)
    ]


def with_values(item: Json, entries: Iterable[Replaced]) -> dict[str, Any]:
    """``item`` with the former values of fields."""
    result: dict[str, Any] = copy.deepcopy(dict(item))
    for entry in entries:
        _put(result, entry.path, entry.before)
    return result


def managed_fields(current: Json, record: Record, me: Owner) -> list[dict[str, Any]]:
    """``managedFields`` without us, and with what others lost to us; one empty entry, which clears them, for none."""
    replaced = {entry.path: entry.before for entry in record.replaced}
    present = {entry.get("manager") for entry in _managed(current)}
    lost = {}
    for former in record.managers:
        if former["manager"].startswith("hyperpod-constructs") and former["manager"] not in present:
            continue  # it gave the object up since
        # not a field that has yet another value by now: that is somebody else's
        back = [p for p in _paths(former["fieldsV1"]) if p not in replaced or value(current, p) == replaced[p]]
        if back:
            lost[_manager(former)] = {**former, "fieldsV1": _tree(back)}
    found = []
    for entry in _managed(current):
        if entry.get("manager") == me.manager:
            continue
        again = lost.pop(_manager(entry), None)
        fields = entry.get("fieldsV1") or {}
        found.append({**entry, "fieldsV1": _union(fields, again["fieldsV1"]) if again else fields})
    return [*found, *lost.values()] or [{}]


def owned_by(item: Json, manager: str) -> set[Path]:
    """The fields of a manager, without the marks of ours."""
    return {path for entry in _managed(item) if entry.get("manager") == manager for path in _leaves(entry)}


def pack(record: Record) -> str:
    """The record as the value of an annotation."""
    content = [[[e.path, e.before, e.after] for e in record.replaced], record.managers]
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def unpack(annotations: Mapping[str, str] | None, me: Owner) -> Record:
    """The record of an owner; an empty one when there is none, or it cannot be read."""
    packed = (annotations or {}).get(record_key(me))
    if not packed:
        return Record()
    try:
        replaced, managers = json.loads(gzip.decompress(base64.b64decode(packed)))
        return Record(tuple(Replaced(tuple(path), b, a) for path, b, a in replaced), tuple(managers))
    except (ValueError, OSError, EOFError):
        return Record()


def inherited(current: Json, other: Owner, theirs: Record, gone: Record, me: Owner) -> Record:
    """The record of another owner once we are gone: what it took from us, and what it has in common with us.

    What it took from us was, before us, what we recorded. Where both set the same value, it is the one to give it back.
    """
    ours = {entry.path: entry for entry in gone.replaced}
    replaced = [
        Replaced(e.path, ours[e.path].before, e.after) if e.path in ours and ours[e.path].after == e.before else e
        for e in theirs.replaced
    ]
    known, owned = {entry.path for entry in replaced}, owned_by(current, other.manager)
    replaced += [entry for path, entry in ours.items() if path in owned - known]
    if not replaced:
        return theirs
    managers = {
        _manager(entry): entry for entry in (*theirs.managers, *gone.managers) if entry["manager"] != me.manager
    }
    return Record(tuple(replaced), tuple(managers.values()))


def value(item: Any, path: Path) -> Any:
    """The value at a path, or ``ABSENT``."""
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
    # the keys of a port have a default
    return all(item.get(key, "TCP" if key == "protocol" else None) == found for key, found in wanted.items())


def _put(item: Any, path: Path, found: Any) -> None:
    for step, following in zip(path, [*path[1:], ""], strict=True):
        last = not following
        if step.startswith("f:"):
            if last:
                item[step[2:]] = copy.deepcopy(found)
            else:
                item = item.setdefault(step[2:], {} if following.startswith("f:") else [])
        elif step.startswith("k:"):
            inner = _item(item, step)
            if inner is ABSENT:
                inner = json.loads(step[2:])
                item.append(inner)
            item = inner


def _managed(item: Json) -> list[dict[str, Any]]:
    return list((item.get("metadata") or {}).get("managedFields") or [])


def _manager(entry: Json) -> tuple[str, str, str]:
    return str(entry.get("manager")), str(entry.get("operation")), str(entry.get("subresource") or "")


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
