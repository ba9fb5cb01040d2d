"""Apply and delete the objects of one resource: the part that knows what can go wrong on the way."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import ApiClient
from .discovery import Discovery
from .errors import ApiError, HandlerError
from .objects import ObjectRef, owned, owner_of, without_secrets
from .timing import GaveUp, retrying

log = logging.getLogger(__name__)

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass
class Record:
    """What one event did to the API server, also when it failed half-way."""

    uids: set[str] = field(default_factory=set)
    before: dict[ObjectRef, str | None] = field(default_factory=dict)
    """Owner of each object that this event tried to apply; ``None`` where there was no such object."""

    def created(self, owner: str | None = None) -> list[ObjectRef]:
        """Objects that came with this event (or, given ``owner``, that an earlier run of it left)."""
        return [ref for ref, previous in self.before.items() if previous is None or (owner and previous == owner)]


class ObjectGroup:
    """The objects that belong to ``owner`` on one API server; works until the client's deadline."""

    def __init__(
        self, client: ApiClient, owner: str, *, propagation: str = "Foreground", replace_on_immutable: bool = False
    ) -> None:
        self._client = client
        self.owner = owner
        self._propagation = propagation
        self._replace_on_immutable = replace_on_immutable
        self._discovery = Discovery(client)
        self.record = Record()

    def read(self, ref: ObjectRef) -> dict[str, Any]:
        """An object of somebody else, waited for until the deadline. Raises ``HandlerError``."""
        found: dict[str, Any] = {}

        def attempt() -> None:
            found.update(self._client.get(self._discovery.find(ref.api_version, ref.kind).path(ref)))

        self._attempt(f"{ref} could not be read", attempt)
        return found

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Server-side apply each object, CRDs established before what follows. Raises ``HandlerError``."""
        crds = [item for item in objects if item["kind"] == "CustomResourceDefinition"]
        for item in objects:
            ref = ObjectRef.of(item)
            self._attempt(f"{ref} was not applied", lambda ref=ref, item=item: self._apply(ref, item), item)
            if crds and item is crds[-1]:
                self._await_established(crds)

    def delete(self, refs: Iterable[ObjectRef], keep: Collection[str] = ()) -> None:
        """Delete, and wait until each is gone; objects with a uid in ``keep`` or another owner stay."""
        for ref in refs:
            gone = _Deletion(self._client, self._discovery, ref, self.owner, self._propagation, keep)
            self._attempt(f"{ref} was not deleted", gone.attempt)

    def _attempt(self, failure: str, action: Any, item: Mapping[str, Any] | None = None) -> None:
        try:
            retrying(action, self._client.deadline)
        except (ApiError, GaveUp) as error:
            raise HandlerError(f"{failure}: {without_secrets(str(error), item or {})}") from None

    def _apply(self, ref: ObjectRef, item: dict[str, Any]) -> None:
        path = self._discovery.find(ref.api_version, ref.kind).path(ref)
        current = self._client.find_metadata(path)
        if current and current.get("deletionTimestamp"):
            raise ApiError(409, "Terminating", f"an object of that name is still being deleted{_held_by(current)}")
        previous = owner_of(current) if current else None
        if self.record.before.setdefault(ref, previous) not in (None, "", self.owner):
            log.info("%s: taken over from %s", ref, previous)
        try:
            applied = self._client.apply(path, owned(item, self.owner))
        except ApiError as error:
            if error.immutable and self._replace_on_immutable:
                log.info("%s: immutable field changed, replaced", ref)
                self.delete([ref])
                applied = self._client.apply(path, owned(item, self.owner))
            elif error.immutable:
                hint = "set replace_on_immutable to have it deleted and created again, or give it another name"
                raise ApiError(error.status, error.reason, f"{error.message} ({hint})") from None
            else:
                raise
        self.record.uids.add(applied["metadata"]["uid"])
        log.info("%s: applied", ref)

    def _await_established(self, crds: Sequence[Mapping[str, Any]]) -> None:
        for crd in crds:
            name = crd["metadata"]["name"]

            def check(name: str = name) -> None:
                state = established(self._client.get(f"{CRDS}/{name}"))
                if state is not None:
                    raise ApiError(503, "NotEstablished", state)

            self._attempt(f"CustomResourceDefinition {name} was not established", check)


class _Deletion:
    """The deletion of one object, tried until the object is gone."""

    def __init__(
        self,
        client: ApiClient,
        discovery: Discovery,
        ref: ObjectRef,
        owner: str,
        propagation: str,
        keep: Collection[str],
    ) -> None:
        self._client, self._discovery, self._ref = client, discovery, ref
        self._owner, self._propagation, self._keep = owner, propagation, keep
        self._uid: str | None = None

    def attempt(self) -> None:
        """Return when the object is gone or not ours; raise a retryable ``ApiError`` while it is there."""
        kind = self._discovery.find_any_version(self._ref)
        current = self._client.find(kind.path(self._ref)) if kind else None
        metadata = current["metadata"] if current else {}
        if current is None or self._uid not in (None, metadata["uid"]):
            log.info("%s: gone", self._ref)
            return
        if metadata["uid"] in self._keep or owner_of(metadata) not in ("", self._owner):
            log.info("%s: kept, it belongs to %s", self._ref, owner_of(metadata))
            return
        if kind and not metadata.get("deletionTimestamp"):
            try:
                self._client.delete(kind.path(self._ref), propagation=self._propagation, uid=metadata["uid"])
            except ApiError as error:
                if error.status != 404:
                    raise
                return
            self._uid = metadata["uid"]
        raise ApiError(409, "StillThere", f"it is still there{_held_by(metadata)}{_says(current)}")


def established(crd: Mapping[str, Any]) -> str | None:
    """``None`` when a CustomResourceDefinition can be used, else why not. Raises ``HandlerError`` if it never will."""
    conditions = {item["type"]: item for item in crd.get("status", {}).get("conditions") or []}
    if conditions.get("Established", {}).get("status") == "True":
        return None
    names = conditions.get("NamesAccepted", {})
    if names.get("status") == "False":
        raise HandlerError(f"CustomResourceDefinition {crd['metadata']['name']}: {names.get('message')}")
    return "not established yet"


def _held_by(metadata: Mapping[str, Any]) -> str:
    finalizers = metadata.get("finalizers") or []
    return f", held by the finalizers {', '.join(finalizers)}" if finalizers else ""


def _says(item: Mapping[str, Any]) -> str:
    """What a Namespace says of the things in it that hold it."""
    if item.get("kind") != "Namespace":
        return ""
    said = [c.get("message", "") for c in item.get("status", {}).get("conditions") or [] if c.get("status") == "True"]
    return f" ({'; '.join(said)})" if said else ""
