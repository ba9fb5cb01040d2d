"""The objects of one cluster by key, with indexes for frequent queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .kinds import Json, Key


class Objects(dict[Key, Json]):
    """All objects. The duration of a request does not depend on their number, because of the indexes.

    Labels and specs may be changed in place; owner references and the deletion time are read when an object is written.
    """

    def __init__(self, objects: Iterable[tuple[Key, Json]] = ()) -> None:
        super().__init__()
        self.deleting: dict[Key, None] = {}
        """Keys of objects that are deleted as soon as no finalizer blocks them."""
        self._kinds: dict[tuple[str, str], dict[Key, None]] = defaultdict(dict)
        self._namespaces: dict[str, dict[Key, None]] = defaultdict(dict)
        self._dependents: dict[str, dict[Key, None]] = defaultdict(dict)
        self._undo: list[tuple[Key, Json | None]] | None = None
        for key, item in objects:
            self[key] = item

    def __setitem__(self, key: Key, item: Json) -> None:
        self._remember(key)
        self._write(key, item)

    def __delitem__(self, key: Key) -> None:
        self._remember(key)
        self._erase(key)

    def discard(self, key: Key) -> None:
        """Removes an object, if it exists."""
        if key in self:
            del self[key]

    def mark(self, key: Key) -> None:
        """Marks an object whose deletion has started, so that it is removed when no finalizer blocks it."""
        if key in self and self[key]["metadata"].get("deletionTimestamp"):
            self.deleting[key] = None

    def of(self, group: str, plural: str) -> list[tuple[Key, Json]]:
        """Returns the objects of one kind."""
        return [(key, self[key]) for key in self._kinds[group, plural]]

    def count(self, group: str, plural: str) -> int:
        """Returns the number of objects of one kind."""
        return len(self._kinds[group, plural])

    def inside(self, namespace: str) -> list[Key]:
        """Returns the keys of the objects in a namespace."""
        return list(self._namespaces[namespace])

    def dependents(self, uid: str) -> list[Key]:
        """Returns the keys of the objects that have an owner reference to a uid."""
        return list(self._dependents.get(uid, ()))

    @property
    def is_dry(self) -> bool:
        """Whether current writes will be undone."""
        return self._undo is not None

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undoes the writes in the block, like a dry run. Objects that are changed in place are not restored."""
        outer, self._undo = self._undo, []
        try:
            yield
        finally:
            written, self._undo = self._undo, outer
            for key, before in reversed(written):
                self._erase(key)
                if before is not None:
                    self._write(key, before)

    def _remember(self, key: Key) -> None:
        if self._undo is not None:
            self._undo.append((key, self.get(key)))

    def _write(self, key: Key, item: Json) -> None:
        self._erase(key)
        super().__setitem__(key, item)
        self._kinds[key[:2]][key] = None
        if key[2]:
            self._namespaces[key[2]][key] = None
        for uid in _owners(item):
            self._dependents[uid][key] = None
        if item["metadata"].get("deletionTimestamp"):
            self.deleting[key] = None

    def _erase(self, key: Key) -> None:
        if key not in self:
            return
        for uid in _owners(self[key]):
            self._dependents[uid].pop(key, None)
        super().__delitem__(key)
        self._kinds[key[:2]].pop(key, None)
        self._namespaces[key[2]].pop(key, None)
        self.deleting.pop(key, None)


def _owners(item: Json) -> list[str]:
    return [str(owner.get("uid")) for owner in item["metadata"].get("ownerReferences") or []]
