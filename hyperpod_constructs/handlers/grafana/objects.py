"""Dashboards and data sources with marks of their owners.

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
class GrafanaObject:
    """A dashboard or a data source.

    Attributes:
        kind: ``board`` or ``source``.
        uid: uid in the workspace.
        content: as Grafana's API accepts it; None if it does not exist.
        folder: uid of a dashboard's folder; empty for the root folder.
    """

    kind: str
    uid: str
    content: Mapping[str, Any] | None
    folder: str = ""

    @property
    def marks(self) -> list[str]:
        """The tags of a dashboard, or the list in a data source's settings."""
        content = self.content or {}
        found = content.get("tags") if self.kind == "board" else (content.get("jsonData") or {}).get(_MARKS)
        return [str(mark) for mark in found or []]

    @property
    def owners(self) -> frozenset[Owner]:
        """The owners of the object."""
        return owners(dict.fromkeys(self.marks, ""))

    @property
    def existed(self) -> bool:
        """Whether the object existed before its first owner."""
        return existed(self.marks)

    def marked(self, marks: Iterable[str]) -> dict[str, Any]:
        """Returns the content with these marks instead of the current ones; other entries of the list are not changed."""
        content = dict(self.content or {})
        ours = {mark.tag_key for mark in self.owners} | {_EXISTED}
        entries = [*(entry for entry in self.marks if entry not in ours), *marks]
        if self.kind == "board":
            return {**content, "tags": entries}
        return {**content, "jsonData": {**(content.get("jsonData") or {}), _MARKS: entries}}


@dataclass
class WorkspaceObjects:
    """The objects of one workspace, for one owner.

    Attributes:
        done: the objects before each change, newest last.
    """

    api: Api
    me: Owner
    done: list[GrafanaObject] = field(default_factory=list)

    def board(self, uid: str) -> GrafanaObject:
        """Returns a dashboard by its uid."""
        found = self.api.get(f"/api/dashboards/uid/{quote(uid, safe='')}")
        if not isinstance(found, dict):
            return GrafanaObject("board", uid, None)
        return GrafanaObject(
            "board", uid, found.get("dashboard"), str((found.get("meta") or {}).get("folderUid") or "")
        )

    def source(self, uid: str) -> GrafanaObject:
        """Returns a data source by its uid."""
        found = self.api.get(f"/api/datasources/uid/{quote(uid, safe='')}")
        return GrafanaObject("source", uid, found if isinstance(found, dict) else None)

    def own_objects(self) -> list[GrafanaObject]:
        """Returns all objects with our mark."""
        boards = [
            self.board(found["uid"]) for found in self.api.items("/api/search", type="dash-db", tag=self.me.tag_key)
        ]
        sources = [
            GrafanaObject("source", found["uid"], found)
            for found in self.api.items("/api/datasources")
            if found.get("uid")
        ]
        return [found for found in (*boards, *sources) if self.me in found.owners]

    def put_source(self, source: Mapping[str, Any], suffix: str) -> None:
        """Writes the data source, with our mark."""
        before = self.source(source["uid"])
        self.done.append(before)
        others = {found["name"] for found in self.api.items("/api/datasources") if found.get("uid") != before.uid}
        default = any(found.get("isDefault") for found in self.api.items("/api/datasources"))
        wanted = dict(source)
        if wanted.get("name") in others:
            wanted["name"] = f"{wanted['name']} ({suffix or before.uid})"
        if wanted.get("isDefault"):  # a workspace has one default data source; that of another owner is retained
            wanted["isDefault"] = bool(before.content.get("isDefault")) if before.content else not default
        self._write_source(before, GrafanaObject("source", before.uid, wanted).marked(self._with_owner(before)))

    def put_board(self, board: Mapping[str, Any], suffix: str) -> None:
        """Writes a dashboard, with our mark."""
        before = self.board(board["uid"])
        self.done.append(before)
        wanted = dict(board)
        same = self.api.items("/api/search", type="dash-db", query=str(wanted.get("title", "")))
        if any(found.get("title") == wanted.get("title") and found.get("uid") != before.uid for found in same):
            # some versions of Grafana treat dashboards with the same title in one folder as the same dashboard
            wanted["title"] = f"{wanted['title']} ({suffix or before.uid})"
        self._write_board(before, GrafanaObject("board", before.uid, wanted).marked(self._with_owner(before)))

    def disown(self, item: GrafanaObject, *, former: bool = False) -> None:
        """Removes our mark, and deletes an object without another owner. ``former``: it is ours even without a mark."""
        if item.content is None:
            return
        marked = item.owners or ({self.me} if former else set())
        decision = release(marked=marked, me=[self.me], existed_before=item.existed)
        if decision is Release.UNMARK:
            self.restore(item, item.marked(mark for mark in self._marks(item) if mark != self.me.tag_key))
        elif decision is Release.DELETE:
            path = "dashboards" if item.kind == "board" else "datasources"
            self.api.call("DELETE", f"/api/{path}/uid/{quote(item.uid, safe='')}", allowed=(404,))

    def undo(self) -> None:
        """Restores the content before this event, except of objects that were ours before it."""
        while self.done:
            before = self.done.pop()
            if before.content is None:
                self.disown(self.board(before.uid) if before.kind == "board" else self.source(before.uid))
            elif self.me not in before.owners:
                self.restore(before, before.content)

    def restore(self, item: GrafanaObject, content: Mapping[str, Any]) -> None:
        """Writes the content without changes."""
        if item.kind == "board":
            self._write_board(item, content)
        else:
            self._write_source(item, content)

    def _with_owner(self, before: GrafanaObject) -> list[str]:
        return sorted({*self._marks(before), self.me.tag_key})

    @staticmethod
    def _marks(item: GrafanaObject) -> list[str]:
        return [*(mark.tag_key for mark in item.owners), *([_EXISTED] if item.existed else [])]

    def _write_board(self, before: GrafanaObject, content: Mapping[str, Any]) -> None:
        body = {"dashboard": {**content, "id": None}, "overwrite": True, "message": "hyperpod-constructs"}
        if before.folder:
            body["folderUid"] = before.folder
        self.api.call("POST", "/api/dashboards/db", body)

    def _write_source(self, before: GrafanaObject, content: Mapping[str, Any]) -> None:
        current = self.source(before.uid)
        if current.content is None:
            self.api.call("POST", "/api/datasources", content)
        else:
            version = {"version": current.content["version"]} if "version" in current.content else {}
            self.api.call("PUT", f"/api/datasources/uid/{quote(before.uid, safe='')}", {**content, **version})
