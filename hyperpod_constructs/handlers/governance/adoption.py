"""Creates, adopts, shares, changes and releases one scheduler config or quota."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from ..shared.ownership import Claim, Foreign, Release, claim, existed, release, seems_to_be
from .api import Api, GovernanceError, Live
from .owned import TooLarge, same, tags_to_add, tags_to_remove, wants
from .settle import UPDATE_FAILED
from .timing import code, is_transient, retrying

T = TypeVar("T")

log = logging.getLogger(__name__)

CALL_SECONDS = 240.0
"""How long one call may be retried; the function's timeout is longer."""
_UNDO_SECONDS = 60.0


class Adoption:
    """One event that creates or changes a resource. `held`: the resource is already part of the CloudFormation stack."""

    def __init__(self, api: Api, clock: Clock, *, held: bool) -> None:
        self._api = api
        self._clock = clock
        self._held = held
        self._found: Claim | None = None

    def create(self) -> int:
        """Creates it, unless an earlier delivery of this event did; returns the version to wait for, 0 for a new one."""
        return retry_transient(self._api, self._create, self._clock)

    def update(self) -> int:
        """Updates it from its current version; returns 0 if it was recreated."""
        return retry_transient(self._api, self._update, self._clock)

    def undo(self) -> None:
        """Releases a resource that this event adopted or created; one that had our mark before is not changed."""
        if self._found in (None, Claim.OURS):
            return
        try:
            retrying(
                lambda: disown(self._api, self._api.find()),
                self._clock,
                self._clock.monotonic() + _UNDO_SECONDS,
                also=lambda error: code(error) == "ConflictException",
            )
        except (GovernanceError, ClientError, BotoCoreError) as error:
            log.warning("%s: the release failed: %s", self._api.name, error)

    def _create(self) -> int:
        live = self._api.find()
        found = self._claim(live)
        if live is None:
            log.info("%s: created as %s", self._api.name, self._api.create())
            return 0
        if found is Claim.OURS:
            return 0 if self._is_current(live) else self._api.update(live)
        return self._share(live)

    def _update(self) -> int:
        live = self._api.find()
        found = self._claim(live)
        if live is None:  # deleted outside of CloudFormation: an update recreates it
            self._api.create()
            return 0
        others = self._api.marks(live) - {self._api.me}
        if found is not Claim.OURS or others or existed(live.tags) or wants(live.tags, self._api.me):
            return self._share(live)
        version = self._api.update(live)
        self._api.tag(live)
        return version

    def _claim(self, live: Live | None) -> Claim:
        api = self._api
        try:
            found = claim(
                f"{api.kind} {api.name!r}{f' ({live.id})' if live else ''}",
                exists=live is not None,
                marked=api.marks(live) if live else (),
                me=api.me,
                adopt=api.adopt or self._held,
                seems=seems_to_be(live.tags) if live else "",
            )
        except Foreign as foreign:
            raise GovernanceError(str(foreign)) from None
        self._found = self._found or found
        return found

    def _share(self, live: Live) -> int:
        """Marks it and stores its previous content before the update, so that later changes can be undone."""
        others = sorted(self._api.marks(live) - {self._api.me})
        try:
            self._api.add_tags(live, tags_to_add(live.tags, self._api.me, others, live.content, self._api.wanted))
        except TooLarge:
            raise GovernanceError(
                f"{self._api.kind} {self._api.name!r} exists, and its content is too large to be stored in "
                "its tags for a later restore: delete it, or use another name"
            ) from None
        log.info("%s: shared with %s", self._api.name, ", ".join(o.name for o in others) or "its creator")
        return live.version if self._is_current(live) else self._api.update(live)

    def _is_current(self, live: Live) -> bool:
        """Whether no update is required: a failed one is repeated, because it may have changed only the stored content."""
        return same(self._api.wanted, live.content) and live.status != UPDATE_FAILED


def disown(api: Api, live: Live | None) -> None:
    """Removes our mark; deletes the resource if it has no other owner, otherwise restores the content of the others."""
    if live is None:
        return
    marked = api.marks(live)
    decision = release(marked=marked, me=[api.me], existed_before=existed(live.tags))
    if decision is Release.LEAVE:
        return
    if decision is Release.DELETE:
        try:
            api.delete(live)
        except ClientError as error:
            # it is being changed or deleted; the next poll handles it
            if code(error) != "ConflictException" and not is_transient(error):
                raise
        return
    removed, content = tags_to_remove(live.tags, api.me, sorted(marked - {api.me}))
    if content and not same(content, live.content):
        api.update(live, content)
    api.remove_tags(live, removed)
    log.info("%s: released", api.name)


def retry_transient(api: Api, attempt: Callable[[], T], clock: Clock) -> T:
    """Retries transient errors. Raises `GovernanceError`."""
    try:
        # a conflict is another change of the same cluster, or a newer version: read the resource again and retry
        return retrying(
            attempt, clock, clock.monotonic() + CALL_SECONDS, also=lambda error: code(error) == "ConflictException"
        )
    except ClientError as error:
        raise GovernanceError(service_message(api, error)) from None


def service_message(api: Api, error: ClientError) -> str:
    """Returns the service's message, with the resource."""
    return f"{api.kind} {api.name!r}: {error.response.get('Error', {}).get('Message') or error} ({code(error)})"
