"""Dashboards and data sources with owners.

The owners of a dashboard are stored as tags, those of a data source in a list in its settings (``jsonData``). A tag has at
most 50 characters in Grafana's database, so a mark contains only the owner's digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..shared.ownership import EXISTED, TAG_NAMESPACE, Owner, Release, existed, owners, release
from .api import Api

_MARKS = "hyperpodConstructsOwners"
_EXISTED = f"{TAG_NAMESPACE}{EXISTED}"


@dataclass(frozen=True)
class Thing:
    """A dashboard or a data source.

    Attributes:
        kind: ``board`` or ``source``.
        uid: its uid.
        content: as Grafana's API accepts it; None if it does not exist.
        folder: uid of a dashboard's folder; empty for the root folder.
    """

    kind: str
    uid: str
    content: Mapping[str, Any] | None
    folder: str = ""

    @property
    def marks(self) -> list[str]:
        """Its tags, or the list that replaces them."""
        content = self.content or {}
        found = content.get("tags") if self.kind == "board" else (content.get("jsonData") or {}).get(_MARKS)
        return [str(each) for each in found or []]

    @property
    def owners(self) -> frozenset[Owner]:
        """Its owners."""
        return owners(dict.fromkeys(self.marks, ""))

    @property
    def existed(self) -> bool:
        """Whether it existed before the first owner."""
        return existed(self.marks)

    def marked(self, marks: Iterable[str]) -> dict[str, Any]:
        """Return its content with these marks instead of its current marks; other entries of the list are not changed."""
        content = dict(self.content or {})
        ours = {mark.tag_key for mark in self.owners} | {_EXISTED}
        every = [*(each for each in self.marks if each not in ours), *marks]
        if self.kind == "board":
            return {**content, "tags": every}
        return {**content, "jsonData": {**(content.get("jsonData") or {}), _MARKS: every}}


@dataclass
class Things:
    """The objects of one workspace, for one owner.

    Attributes:
        done: the content before each change, newest last.
    """

    api: Api
    me: Owner
    done: list[Thing] = field(default_factory=list)

    def board(self, uid: str) -> Thing:
        """Return a dashboard by its uid."""
        found = self.api.get(f"/api/dashboards/uid/{quote(uid, safe='')}")
        if not isinstance(found, dict):
            return Thing("board", uid, None)
        return Thing("board", uid, found.get("dashboard"), str((found.get("meta") or {}).get("folderUid") or ""))

    def source(self, uid: str) -> Thing:
        """Return a data source by its uid."""
        found = self.api.get(f"/api/datasources/uid/{quote(uid, safe='')}")
        return Thing("source", uid, found if isinstance(found, dict) else None)

    def own_objects(self) -> list[Thing]:
        """Return all objects with our mark."""
        boards = [
            self.board(each["uid"]) for each in self.api.items("/api/search", type="dash-db", tag=self.me.tag_key)
        ]
        sources = [Thing("source", each["uid"], each) for each in self.api.items("/api/datasources") if each.get("uid")]
        return [each for each in (*boards, *sources) if self.me in each.owners]

    def put_source(self, source: Mapping[str, Any], suffix: str) -> None:
        """Write the data source, with our mark."""
        before = self.source(source["uid"])
        self.done.append(before)
        others = {each["name"] for each in self.api.items("/api/datasources") if each.get("uid") != before.uid}
        default = any(each.get("isDefault") for each in self.api.items("/api/datasources"))
        wanted = dict(source)
        if wanted.get("name") in others:
            wanted["name"] = f"{wanted['name']} ({suffix or before.uid})"
        if wanted.get("isDefault"):  # a workspace has one default data source, which is not taken from another owner
            wanted["isDefault"] = bool(before.content.get("isDefault")) if before.content else not default
        self._write_source(before, Thing("source", before.uid, wanted).marked(self._with_owner(before)))

    def put_board(self, board: Mapping[str, Any], suffix: str) -> None:
        """Write a dashboard, with our mark."""
        before = self.board(board["uid"])
        self.done.append(before)
        wanted = dict(board)
        same = self.api.items("/api/search", type="dash-db", query=str(wanted.get("title", "")))
        if any(each.get("title") == wanted.get("title") and each.get("uid") != before.uid for each in same):
            # some versions of Grafana treat dashboards with the same title in one folder as the same dashboard
            wanted["title"] = f"{wanted['title']} ({suffix or before.uid})"
        self._write_board(before, Thing("board", before.uid, wanted).marked(self._with_owner(before)))

    def disown(self, thing: Thing, *, former: bool = False) -> None:
        """Remove our mark, and delete the object if it has no other owner. ``former``: it is ours even without a mark."""
        if thing.content is None:
            return
        marked = thing.owners or ({self.me} if former else set())
        decision = release(marked=marked, me=[self.me], existed_before=thing.existed)
        if decision is Release.UNMARK:
            self.put_back(thing, thing.marked(mark for mark in self._marks(thing) if mark != self.me.tag_key))
        elif decision is Release.DELETE:
            path = "dashboards" if thing.kind == "board" else "datasources"
            self.api.call("DELETE", f"/api/{path}/uid/{quote(thing.uid, safe='')}", allowed=(404,))

    def undo(self) -> None:
        """Restore the content before this event, unless the object was ours."""
        while self.done:
            before = self.done.pop()
            if before.content is None:
                self.disown(self.board(before.uid) if before.kind == "board" else self.source(before.uid))
            elif self.me not in before.owners:
                self.put_back(before, before.content)

    def put_back(self, thing: Thing, content: Mapping[str, Any]) -> None:
        """Write content as given."""
        if thing.kind == "board":
            self._write_board(thing, content)
        else:
            self._write_source(thing, content)

    def _with_owner(self, before: Thing) -> list[str]:
        return sorted({*self._marks(before), self.me.tag_key})

    @staticmethod
    def _marks(thing: Thing) -> list[str]:
        return [*(mark.tag_key for mark in thing.owners), *([_EXISTED] if thing.existed else [])]

    def _write_board(self, before: Thing, content: Mapping[str, Any]) -> None:
        body = {"dashboard": {**content, "id": None}, "overwrite": True, "message": "hyperpod-constructs"}
        if before.folder:
            body["folderUid"] = before.folder
        self.api.call("POST", "/api/dashboards/db", body)

    def _write_source(self, before: Thing, content: Mapping[str, Any]) -> None:
        current = self.source(before.uid)
        if current.content is None:
            self.api.call("POST", "/api/datasources", content)
        else:
            more = {"version": current.content["version"]} if "version" in current.content else {}
            self.api.call("PUT", f"/api/datasources/uid/{quote(before.uid, safe='')}", {**content, **more})
