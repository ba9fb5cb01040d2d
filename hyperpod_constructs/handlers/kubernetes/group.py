"""Applies the objects of one resource, and handles failures; ``release`` does the opposite."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..shared.ownership import LEGACY_KEY, Claim, Foreign, Owner, claim, existed, owners, seems_to_be
from .client import ApiClient
from .controlled import with_bound_size, without_controlled
from .discovery import Discovery
from .errors import ACCESS_HINT, ApiError, HandlerError, KindUnknown, without_dumps
from .former import LARGEST_RECORD, content, missing_records, others, records, wants_key, with_values
from .objects import ObjectRef, without_secrets
from .release import EXISTED_KEY, Wanted, annotations_of, bare, held_by, release_all
from .timing import RetriesExhausted, retrying

log = logging.getLogger(__name__)

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Holder:
    """The resource that applies objects, as an owner.

    Attributes:
        me: the owner that the event's properties define.
        also: its previous owners: by its old properties, and in the former version.
        adopt: whether existing objects may be adopted.
        held: objects that are already part of the resource in CloudFormation. If such an object has no marks, because
            another client recreated it, it is adopted as an existing object.
        former: the objects of the manifest before the update.
    """

    me: Owner
    also: frozenset[Owner] = frozenset()
    adopt: bool = False
    held: frozenset[tuple[str, str, str, str]] = frozenset()
    former: Mapping[tuple[str, str, str, str], Mapping[str, Any]] = field(default_factory=dict)


class ObjectGroup:
    """The objects of an owner on one API server; operations end at the client's deadline."""

    always_recorded = False
    """Whether the state is stored even if the object has no other owner."""

    def __init__(
        self, client: ApiClient, holder: Holder, *, propagation: str = "Foreground", replace_on_immutable: bool = False
    ) -> None:
        self._client = client
        self.holder = holder
        self._me = holder.me
        self._propagation = propagation
        self._replace_on_immutable = replace_on_immutable
        self._discovery = Discovery(client)
        self.claims: dict[ObjectRef, Claim] = {}
        """The initial state of each object that this event processed, even if the event failed."""

    def read(self, ref: ObjectRef) -> dict[str, Any]:
        """Reads an object of another owner, and waits for it until the deadline. Raises ``HandlerError``."""
        found: dict[str, Any] = {}

        def attempt() -> None:
            found.update(self._client.get(self._discovery.find(ref.api_version, ref.kind).path(ref)))

        self._attempt(f"{ref} could not be read", attempt)
        return found

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Applies each object server-side; CRDs are established before the next objects. Raises ``HandlerError``."""
        for item in objects if len(objects) > 1 else ():
            # check all objects first, so that nothing changes if one of them cannot be adopted
            ref = ObjectRef.of(item)
            self._attempt(f"{ref} was not applied", partial(self._check_claim, ref), item)
        crds = [item for item in objects if item["kind"] == "CustomResourceDefinition"]
        for item in objects:
            ref = ObjectRef.of(item)
            self._attempt(f"{ref} was not applied", partial(self._apply, ref, item), item)
            if crds and item is crds[-1]:
                self._await_established(crds)

    def release(
        self, refs: Iterable[ObjectRef], own_owners: Collection[Owner], *, retain: bool = False, wait: bool = True
    ) -> None:
        """Releases objects: deletes those without another owner, and waits for it. Raises ``HandlerError``."""
        wanted = Wanted(frozenset(own_owners), self._propagation, retain=retain, wait=wait)
        release_all(self._client, self._discovery, list(refs), wanted)

    def undo(self) -> None:
        """Releases only objects that this event adopted or created: no Delete follows a failed Create."""
        changed = [ref for ref, found in self.claims.items() if found is not Claim.OURS]
        self.release(reversed(changed), {self._me})

    def _attempt(self, failure: str, action: Callable[[], object], item: Mapping[str, Any] | None = None) -> None:
        try:
            retrying(action, self._client.deadline)
        except (ApiError, RetriesExhausted) as error:
            message = without_dumps(without_secrets(str(error), item or {}))
            last = error.last if isinstance(error, RetriesExhausted) else error
            hint = f". {ACCESS_HINT}" if last.status == 401 else ""
            raise HandlerError(f"{failure}: {message}{hint}") from None

    def _check_claim(self, ref: ObjectRef) -> None:
        try:
            path = self._discovery.find(ref.api_version, ref.kind).path(ref)
        except KindUnknown:
            return
        self._claim(ref, self._client.find(path))

    def _claim(self, ref: ObjectRef, current: Mapping[str, Any] | None) -> Claim:
        """Returns how to handle the object. Raises ``HandlerError`` for an existing one, unless it may be adopted."""
        metadata = (current or {}).get("metadata") or {}
        managers = [str(entry.get("manager")) for entry in metadata.get("managedFields") or []]
        try:
            return claim(
                str(ref),
                exists=current is not None and not metadata.get("deletionTimestamp"),
                marked=owners(annotations_of(current)),
                me=self._me,
                adopt=self.holder.adopt or ref.key in self.holder.held,
                seems=seems_to_be(metadata.get("labels"), annotations_of(current), managers=reversed(managers)),
            )
        except Foreign as foreign:
            raise HandlerError(str(foreign)) from None

    def _apply(self, ref: ObjectRef, item: dict[str, Any]) -> None:
        path = self._discovery.find(ref.api_version, ref.kind).path(ref)
        current = self._client.find(path)
        if current and current["metadata"].get("deletionTimestamp"):
            raise ApiError(
                409, "Terminating", f"an object of that name is still being deleted{held_by(current['metadata'])}"
            )
        found = self._claim(ref, current)
        self.claims.setdefault(ref, found)
        if found in (Claim.SHARE, Claim.ADOPT):
            log.info(
                "%s: %s with %s",
                ref,
                found.value,
                ", ".join(o.text for o in sorted(owners(annotations_of(current)))) or "-",
            )
        item = self._marked(item, current, found)
        if current is not None:
            item = with_bound_size(item, current)
            item, controlled = without_controlled(item, current, self.holder.former.get(ref.key))
            for field_path in controlled:
                log.info(
                    "%s: %s is not changed, because a controller has set it",
                    ref,
                    ".".join(step[2:] for step in field_path),
                )
        try:
            applied = self._put(path, item, current, found)
        except ApiError as error:
            if not error.immutable:
                raise
            self._replace(ref, error, current)
            applied = self._client.apply(path, self._marked(item, None, Claim.CREATE), manager=self._me.manager)
        legacy = annotations_of(applied).get(LEGACY_KEY, "")
        if legacy.endswith(f"/{self._me.digest}"):
            self._client.apply(path, bare(applied), manager=Owner("", "", legacy=True).manager)
            log.info("%s: the mark of the former version is replaced", ref)
        log.info("%s: applied", ref)

    def _marked(self, item: Mapping[str, Any], current: Mapping[str, Any] | None, found: Claim) -> dict[str, Any]:
        """Returns the object with our mark."""
        marks = {self._me.key: self._me.value}
        if found is Claim.ADOPT or (current is not None and existed(annotations_of(current))):
            marks[EXISTED_KEY] = "true"
        return with_annotations(item, marks)

    def _put(self, path: str, item: dict[str, Any], current: dict[str, Any] | None, found: Claim) -> dict[str, Any]:
        """Applies the object, and stores the previous values of fields of other clients, so that they can be restored."""
        if current is None or (found is Claim.OURS and self._is_alone(current)):
            return self._client.apply(path, item, manager=self._me.manager)
        now = self._predicted(path, item)
        missing = missing_records(current, self._me)
        state, restored = records(current, now, self._me)
        size = sum(map(len, [*state.values(), *missing.values(), *annotations_of(current).values()]))
        if size > LARGEST_RECORD and not restored and content(now) == content(current):
            return self._client.apply(path, item, manager=self._me.manager)  # no change, so no state to restore
        if size > LARGEST_RECORD:
            raise HandlerError(
                "the object has other owners, and its fields are too large to be stored for a later "
                f"restore ({size} bytes; the limit is {LARGEST_RECORD}). Do not manage it here, delete it, "
                "or use another name"
            )
        for other, text in missing.items():
            metadata = {
                "annotations": {wants_key(other): text},
                "resourceVersion": current["metadata"]["resourceVersion"],
            }
            current = self._client.merge(path, {"metadata": metadata}, manager=other.manager)
        item = with_annotations(with_values(item, restored), state)
        # only if the object has not changed: the stored state must be the state that is replaced
        pinned = {**item, "metadata": {**item["metadata"], "resourceVersion": current["metadata"]["resourceVersion"]}}
        return self._client.apply(path, pinned, manager=self._me.manager)

    def _predicted(self, path: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the object after the change. Raises ``ApiError``, also if an admission webhook rejects dry runs."""
        try:
            return self._client.apply(path, item, manager=self._me.manager, dry_run=True)
        except ApiError as error:
            if error.status != 400 or "does not support dry run" not in error.message:
                raise
            raise ApiError(
                error.status,
                error.reason,
                "the object already exists, and the result of the change can be determined only with a dry "
                f"run, but {error.message}. Set sideEffects of that webhook to None, or to NoneOnDryRun if it "
                "supports dryRun (kubectl get "
                "validatingwebhookconfigurations,mutatingwebhookconfigurations), or exclude the object "
                "from it",
            ) from None

    def _is_alone(self, current: dict[str, Any]) -> bool:
        """Whether no other owner has had a field of the object since its creation."""
        annotations = annotations_of(current)
        return not (
            self.always_recorded
            or existed(annotations)
            or wants_key(self._me) in annotations
            or others(current, self._me)
        )

    def _replace(self, ref: ObjectRef, error: ApiError, current: Mapping[str, Any] | None) -> None:
        """Deletes an object whose changed field is immutable, if that is allowed. Raises ``ApiError``."""
        other_owners = owners(annotations_of(current)) - {self._me, *self.holder.also}
        if not self._replace_on_immutable:
            hint = "set replace_on_immutable to delete and recreate it, or use another name"
        elif other_owners or existed(annotations_of(current)):
            whose = ", ".join(sorted(other.name for other in other_owners)) or "its creator"
            hint = f"it also belongs to {whose}, so it cannot be replaced; use another name"
        else:
            log.info("%s: immutable field changed, replaced", ref)
            self.release([ref], {self._me, *self.holder.also})
            return
        raise ApiError(error.status, error.reason, f"{hint}. {without_dumps(error.message)}") from None

    def _await_established(self, crds: Sequence[Mapping[str, Any]]) -> None:
        for crd in crds:
            name = crd["metadata"]["name"]

            def check(name: str = name) -> None:
                state = established(self._client.get(f"{CRDS}/{name}"))
                if state is not None:
                    raise ApiError(503, "NotEstablished", state)

            self._attempt(f"CustomResourceDefinition {name} was not established", check)


def with_annotations(item: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
    """Returns ``item`` with annotations added."""
    metadata = dict(item["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **more}
    return {**item, "metadata": metadata}


def established(crd: Mapping[str, Any]) -> str | None:
    """Returns ``None`` if a CRD is established, otherwise the reason. Raises ``HandlerError`` for a permanent one."""
    conditions = {item["type"]: item for item in crd.get("status", {}).get("conditions") or []}
    if conditions.get("Established", {}).get("status") == "True":
        return None
    names = conditions.get("NamesAccepted", {})
    if names.get("status") == "False":
        raise HandlerError(f"CustomResourceDefinition {crd['metadata']['name']}: {names.get('message')}")
    return "not established yet"
