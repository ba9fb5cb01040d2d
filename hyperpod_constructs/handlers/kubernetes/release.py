"""Releases objects: removes our mark and our changes, and deletes an object without another owner."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.clock import pauses
from ..shared.ownership import EXISTED, NAMESPACE, Owner, Release, existed, marks_of, owners, release
from .client import ApiClient
from .discovery import Discovery, Kind
from .errors import ACCESS_HINT, ApiError, HandlerError, without_dumps
from .former import BEFORE_KEY, managed_fields, others, released_values, wants_key, with_values
from .objects import ObjectRef
from .timing import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, RetriesExhausted

log = logging.getLogger(__name__)

EXISTED_KEY = f"{NAMESPACE}{EXISTED}"

_TIERS = {"CustomResourceDefinition": 1, "Namespace": 2}
_SHOWN_FAILURES = 3

RETRY_SECONDS = 30.0
"""How long all errors are retried, because no other event refers to objects that remain after this one."""


@dataclass(frozen=True)
class Wanted:
    """How objects are released.

    Attributes:
        own_owners: the current and previous owners of the resource.
        propagation: how a deletion affects dependents.
        retain: whether an object without another owner is retained, with our mark.
        wait: whether to wait until deleted objects no longer exist.
        fields: whether only fields were set, by the field managers of ``own_owners``, in existing objects.
    """

    own_owners: frozenset[Owner]
    propagation: str = "Foreground"
    retain: bool = False
    wait: bool = True
    fields: bool = False


def release_all(client: ApiClient, discovery: Discovery, refs: Sequence[ObjectRef], wanted: Wanted) -> None:
    """Releases objects in parallel: instances before CRDs, both before namespaces. Raises ``HandlerError``.

    If the release of an object fails, the others are still released.
    """
    failures: list[str] = []
    for tier in range(3):
        chosen = [ref for ref in refs if _TIERS.get(ref.kind, 0) == tier]
        failures += _release_in_parallel(client, [_Releasing(client, discovery, ref, wanted) for ref in chosen])
        if failures:
            break  # deleting a namespace would delete the objects in it
    if failures:
        suffix = f" (and {len(failures) - _SHOWN_FAILURES} more)" if len(failures) > _SHOWN_FAILURES else ""
        raise HandlerError("; ".join(failures[:_SHOWN_FAILURES]) + suffix)


def _release_in_parallel(client: ApiClient, pending: list[_Releasing]) -> list[str]:
    clock, deadline = client.deadline.clock, client.deadline
    started = clock.monotonic()
    failures: list[str] = []
    for round_, delay in enumerate(pauses(clock, first=FIRST_DELAY_SECONDS, longest=LONGEST_DELAY_SECONDS), start=1):
        waited = clock.monotonic() - started
        remaining: list[tuple[_Releasing, ApiError]] = []
        for item in pending:
            try:
                item.attempt()
            except ApiError as error:
                if error.is_transient(waited) or waited < RETRY_SECONDS:
                    remaining.append((item, error))
                else:
                    failures.append(item.failure(error))
        if not remaining:
            return failures
        pause = max(delay, *(error.retry_after or 0.0 for _, error in remaining))
        if deadline.remaining <= pause:
            return failures + [item.failure(RetriesExhausted(error, round_, waited)) for item, error in remaining]
        clock.sleep(pause)
        pending = [item for item, _ in remaining]
    raise AssertionError("unreachable: pauses never end")


class _Releasing:
    """Releases one object, with retries."""

    def __init__(self, client: ApiClient, discovery: Discovery, ref: ObjectRef, wanted: Wanted) -> None:
        self._client, self._discovery, self._ref, self._wanted = client, discovery, ref, wanted
        self._deleted: str | None = None

    def attempt(self) -> None:
        """Releases the object. Raises a retryable ``ApiError`` until it is released."""
        ref = self._ref
        kind = self._discovery.find_any_version(ref)
        current = self._client.find(kind.path(ref)) if kind else None
        if current is None or kind is None or self._deleted not in (None, current["metadata"]["uid"]):
            log.info("%s: deleted", ref)
            return
        if self._wanted.fields:
            self._restore_fields(kind, current)
            return
        metadata = current["metadata"]
        marked = owners(annotations_of(current))
        decision = release(marked=marked, me=self._wanted.own_owners, existed_before=existed(annotations_of(current)))
        if self._deleted is None and decision is Release.LEAVE:
            log.info(
                "%s: not changed, it belongs to %s",
                ref,
                ", ".join(o.text for o in sorted(marked)) or "no resource of this library",
            )
            return
        if self._deleted is None and decision is Release.UNMARK:
            if not metadata.get("deletionTimestamp"):
                self._unmark(kind, current)
            return
        if self._wanted.retain:
            log.info("%s: retained", ref)
            return
        if not metadata.get("deletionTimestamp"):
            try:
                self._client.delete(
                    kind.path(ref),
                    propagation=self._wanted.propagation,
                    uid=metadata["uid"],
                    # rejected if a mark was added in the meantime
                    resource_version=metadata["resourceVersion"],
                )
            except ApiError as error:
                if error.status == 404:
                    return
                raise
            log.info("%s: deleted", ref)
        self._deleted = metadata["uid"]
        if self._wanted.wait:
            raise ApiError(409, "StillThere", f"it still exists{held_by(metadata)}{_namespace_messages(current)}")

    def failure(self, error: ApiError | RetriesExhausted) -> str:
        """Returns the message of a failure."""
        last = error.last if isinstance(error, RetriesExhausted) else error
        what = f"the fields of {self._ref} were not restored" if self._wanted.fields else f"{self._ref} was not deleted"
        hint = f". {ACCESS_HINT}" if last.status == 401 else self._users()
        return f"{what}: {without_dumps(str(error))}{hint}"

    def _users(self) -> str:
        """Returns the pods that use a PersistentVolumeClaim, as text."""
        if self._ref.kind != "PersistentVolumeClaim" or self._deleted is None:
            return ""
        try:
            pods = self._client.items(f"/api/v1/namespaces/{self._ref.namespace or 'default'}/pods")
        except ApiError:
            return ""
        names = [
            pod["metadata"]["name"]
            for pod in pods
            for volume in (pod.get("spec") or {}).get("volumes") or []
            if (volume.get("persistentVolumeClaim") or {}).get("claimName") == self._ref.name
        ]
        return f" (used by the pods {', '.join(names[:5])}; it is deleted when they end)" if names else ""

    def _unmark(self, kind: Kind, current: dict[str, Any]) -> None:
        """Removes our marks and changes; the object is retained, with the values of all other clients."""
        for me in marks_of(annotations_of(current)):
            if me in self._wanted.own_owners:
                current = _disown(self._client, kind.path(self._ref), current, me)
        remaining = ", ".join(o.text for o in sorted(owners(annotations_of(current)))) or "its creator"
        log.info("%s: released, retained for %s", self._ref, remaining)

    def _restore_fields(self, kind: Kind, current: dict[str, Any]) -> None:
        managers = {str(entry.get("manager")) for entry in current["metadata"].get("managedFields") or []}
        for me in sorted(self._wanted.own_owners):
            if me.manager in managers:
                current = _disown(self._client, kind.path(self._ref), current, me)
                log.info("%s: fields restored", self._ref)


def _disown(client: ApiClient, path: str, current: dict[str, Any], me: Owner) -> dict[str, Any]:
    """Removes or restores the fields that only we own, and removes the mark last, so that a retry is possible."""
    restored = released_values(current, me)
    kept = {key: text for key, text in annotations_of(current).items() if key.startswith(NAMESPACE)}
    own_owners = {key: text for key, text in kept.items() if key in (me.key, wants_key(me), BEFORE_KEY, EXISTED_KEY)}
    if any(entry.get("manager") == me.manager for entry in current["metadata"].get("managedFields") or []):
        body = with_values(bare(current), restored)
        if own_owners:
            body["metadata"]["annotations"] = {**(body["metadata"].get("annotations") or {}), **own_owners}
        try:
            current = client.apply(path, body, manager=me.manager)
        except ApiError as error:
            if not error.immutable and "Required value" not in error.message:
                raise
            # a required field that only we own is retained without an owner
            log.info("%s: %s", path, without_dumps(error.message))
    last = not others(current, me)
    removed = [key for key in own_owners if last or key not in (BEFORE_KEY, EXISTED_KEY)]
    metadata: dict[str, Any] = {
        "resourceVersion": current["metadata"]["resourceVersion"],
        "managedFields": managed_fields(current, me, restored),
    }
    if removed:
        metadata["annotations"] = dict.fromkeys(removed)
    return client.merge(path, {"metadata": metadata}, manager=me.manager)


def annotations_of(item: Mapping[str, Any] | None) -> dict[str, str]:
    """Returns the annotations of an object."""
    found: dict[str, str] = ((item or {}).get("metadata") or {}).get("annotations") or {}
    return found


def bare(item: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an object without fields; applying it removes the ownership of all fields."""
    metadata = {key: item["metadata"][key] for key in ("name", "namespace") if item["metadata"].get(key)}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}


def held_by(metadata: Mapping[str, Any]) -> str:
    """Returns the finalizers of an object, as text."""
    finalizers = metadata.get("finalizers") or []
    return f", held by the finalizers {', '.join(finalizers)}" if finalizers else ""


def _namespace_messages(item: Mapping[str, Any]) -> str:
    """Returns the messages of a Namespace about its remaining objects."""
    if item.get("kind") != "Namespace":
        return ""
    messages = [
        c.get("message", "") for c in item.get("status", {}).get("conditions") or [] if c.get("status") == "True"
    ]
    return f" ({'; '.join(messages)})" if messages else ""
