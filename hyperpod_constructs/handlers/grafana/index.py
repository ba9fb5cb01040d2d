"""The events: each creates a service account, calls Grafana and deletes the account."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from ..shared.ownership import Owner, owner
from .api import ACCOUNT_SECONDS, GONE, LONGEST_SECONDS, UNDO_SECONDS, GrafanaError, Http, requests, session
from .objects import GrafanaObject, WorkspaceObjects

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

__all__ = ["Clock", "GrafanaError", "handle", "on_event"]

_RESPONSE_SECONDS = 15.0  # reserved for the function's response
_VARIABLE = "datasource"


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    import boto3
    from botocore.config import Config

    remaining = context.get_remaining_time_in_millis() / 1000 - _RESPONSE_SECONDS
    clock, seconds = Clock(), min(LONGEST_SECONDS, remaining)
    config = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 2})
    http = requests(clock, clock.monotonic() + seconds)
    return handle(event, boto3.client("grafana", config=config), http, clock, seconds)


def handle(
    event: Mapping[str, Any], client: Any, http: Http, clock: Clock, seconds: float = LONGEST_SECONDS
) -> dict[str, Any]:
    """Handles one event within `seconds`. Raises `GrafanaError`, and errors of AWS."""
    wanted, run = (
        _Properties(event["ResourceProperties"]),
        _Run(event, client, http, clock, clock.monotonic() + seconds),
    )
    if event["RequestType"] == "Delete":
        run.delete(wanted)
        return {"PhysicalResourceId": event.get("PhysicalResourceId") or wanted.physical_id}
    run.put(wanted)
    old = event.get("OldResourceProperties")
    if old:
        former = _Properties(old)
        unknown = event.get("PhysicalResourceId") not in (None, former.physical_id)
        if unknown and former.physical_id != wanted.physical_id:
            # objects of an update whose response was lost: this event rolls it back, and no Delete event follows for them
            run.delete(former)
    return {"PhysicalResourceId": wanted.physical_id, "Data": {"Count": str(len(wanted.boards))}}


class _Properties:
    """The properties of the custom resource."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.workspace: str = properties["WorkspaceId"]
        self.source: dict[str, Any] = json.loads(properties["DataSource"])
        self.boards: list[dict[str, Any]] = json.loads(properties["Dashboards"])
        self.has_marks = "Marks" in properties
        """Whether a version of this library that sets marks created the resource."""

    @property
    def physical_id(self) -> str:
        return f"{self.workspace}/dashboards"

    @property
    def url(self) -> str:
        """The workspace that the data source reads."""
        return str(self.source.get("url") or "")

    @property
    def suffix(self) -> str:
        """The suffix that distinguishes the objects of this data source from those of another."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:8]

    def uid(self, base: str, suffix: str) -> str:
        """Returns the uid of an object; Grafana allows at most 40 characters."""
        return f"{base[: 39 - len(suffix)]}-{suffix}" if suffix else base


@dataclass(frozen=True)
class _Run:
    event: Mapping[str, Any]
    client: Any
    http: Http
    clock: Clock
    until: float

    def put(self, wanted: _Properties) -> None:
        """Handles Create and Update."""
        me = self._me(wanted)
        with session(wanted.workspace, self.client, self.http, self.clock, me.digest, self.until) as api:
            api.until -= UNDO_SECONDS
            objects = WorkspaceObjects(api, me)
            suffix = self._suffix(objects, wanted)
            source = {**wanted.source, "uid": wanted.uid(wanted.source["uid"], suffix)}
            boards = [{**board, "uid": wanted.uid(board["uid"], suffix)} for board in wanted.boards]
            try:
                objects.put_source(source, suffix)
                for board in boards:
                    objects.put_board(_with_source(board, source), suffix)
                self._disown_unused(objects, {source["uid"], *(board["uid"] for board in boards)})
            except (GrafanaError, ClientError, BotoCoreError) as error:
                self._undo(objects, error)
                raise

    def _disown_unused(self, objects: WorkspaceObjects, kept: set[str]) -> None:
        """Releases the objects whose uids are not in ``kept``."""
        for item in objects.own_objects():
            if item.uid not in kept:
                objects.disown(item)
        for item in self._former_objects(objects):
            if item.uid not in kept:
                objects.disown(item, former=True)

    def delete(self, wanted: _Properties) -> None:
        """Handles Delete, including objects of an Update whose response CloudFormation did not receive."""
        me = self._me(wanted)
        try:
            with session(wanted.workspace, self.client, self.http, self.clock, me.digest, self.until) as api:
                objects = WorkspaceObjects(api, me)
                former = self._former_objects(objects)
                found = {
                    (item.kind, item.uid): item for item in [*objects.own_objects(), *self._named(objects, wanted)]
                }
                for item in sorted(found.values(), key=lambda item: item.kind):  # dashboards first
                    objects.disown(item)
                for item in former:
                    objects.disown(item, former=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != GONE:
                raise
            log.info("Grafana workspace %s does not exist: nothing to delete", wanted.workspace)

    def _me(self, properties: _Properties) -> Owner:
        event = self.event
        return owner(event.get("StackId", ""), event.get("LogicalResourceId", ""), properties.physical_id)

    def _undo(self, objects: WorkspaceObjects, cause: Exception) -> None:
        if self.event["RequestType"] != "Create":
            return  # CloudFormation rolls back with the old properties
        objects.api.until = self.until - ACCOUNT_SECONDS
        try:
            objects.undo()
        except (GrafanaError, ClientError, BotoCoreError) as error:
            raise GrafanaError(f"{cause}; and its changes could not be undone: {error}") from cause

    def _suffix(self, objects: WorkspaceObjects, wanted: _Properties) -> str:
        """Returns no suffix if the uids are unused, or used by owners with the same data source; otherwise a suffix."""
        if not wanted.url or (wanted.has_marks and self._is_own(objects, wanted, wanted.suffix)):
            return wanted.suffix if wanted.url else ""
        source, former = objects.source(wanted.source["uid"]), self._former()
        if source.content is not None:
            same = source.content.get("url") == wanted.url
            known = source.owners == {objects.me} or (same and source.owners)
            if not known and not (former is not None and source.content.get("url") == former.url):
                return wanted.suffix
        for board in wanted.boards:
            found = objects.board(board["uid"])
            if found.content is None or objects.me in found.owners or found.owners & source.owners:
                continue
            if found.owners or former is None:
                return wanted.suffix
        return ""

    @staticmethod
    def _is_own(objects: WorkspaceObjects, wanted: _Properties, suffix: str) -> bool:
        return objects.me in objects.source(wanted.uid(wanted.source["uid"], suffix)).owners

    def _named(self, objects: WorkspaceObjects, wanted: _Properties) -> list[GrafanaObject]:
        """Returns the objects in the properties by uid, with and without a suffix: search results may be outdated."""
        suffixes = ["", wanted.suffix] if wanted.url else [""]
        boards = [objects.board(wanted.uid(board["uid"], suffix)) for board in wanted.boards for suffix in suffixes]
        return [*boards, *(objects.source(wanted.uid(wanted.source["uid"], suffix)) for suffix in suffixes)]

    def _former(self) -> _Properties | None:
        """Returns the properties of the version without marks, if it created this resource."""
        old = _Properties(self.event.get("OldResourceProperties") or self.event["ResourceProperties"])
        known = self.event.get("PhysicalResourceId") == old.physical_id and not old.has_marks
        return old if known else None

    def _former_objects(self, objects: WorkspaceObjects) -> list[GrafanaObject]:
        """Returns the objects of the version without marks, unless another platform's data source replaced them."""
        former = self._former()
        if former is None:
            return []
        source = objects.source(former.source["uid"])
        if source.content is not None and source.content.get("url") not in (None, former.url):
            return []
        return [
            found
            for board in former.boards
            if (found := objects.board(board["uid"])).content is not None and not found.owners
        ]


def _with_source(board: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a dashboard that uses the given data source by default."""
    templating = dict(board.get("templating") or {})
    if not templating.get("list"):
        return dict(board)
    current = {"current": {"text": source.get("name", ""), "value": source["uid"]}}
    templating["list"] = [
        {**variable, **(current if variable.get("name") == _VARIABLE else {})} for variable in templating["list"]
    ]
    return {**board, "templating": templating}
