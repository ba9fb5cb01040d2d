"""Create, take over, share, change and give up one scheduler config or quota."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from ..shared.ownership import Claim, Foreign, Release, claim, existed, release, seems_to_be
from .api import Api, GovernanceError, Live
from .owned import TooLarge, joining, leaving, same, wants
from .timing import code, is_transient, retrying

T = TypeVar("T")

log = logging.getLogger(__name__)

CALL_SECONDS = 240.0
"""How long one call of ours may retry; the function's timeout is longer."""
_UNDO_SECONDS = 60.0


class Adoption:
    """One event that makes or changes something. `held` says that CloudFormation believes it to be ours already."""

    def __init__(self, api: Api, clock: Clock, *, held: bool) -> None:
        self._api = api
        self._clock = clock
        self._held = held
        self._found: Claim | None = None

    def create(self) -> int:
        """Create it, unless an earlier delivery of this event did; the version that is waited for, 0 for a new one."""
        return retry_transient(self._api, self._create, self._clock)

    def update(self) -> int:
        """Update it, from whatever version it has when nobody else is at it; 0 when it had to be made again."""
        return retry_transient(self._api, self._update, self._clock)

    def undo(self) -> None:
        """Give up what this event took or created; what carried our mark before is left."""
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
            log.warning("%s: it could not be given up: %s", self._api.name, error)

    def _create(self) -> int:
        live = self._api.find()
        found = self._claim(live)
        if live is None:
            log.info("%s: created as %s", self._api.name, self._api.create())
            return 0
        if found is Claim.OURS:
            return 0 if same(self._api.wanted, live.content) else self._api.update(live)
        return self._join(live)

    def _update(self) -> int:
        live = self._api.find()
        found = self._claim(live)
        if live is None:  # deleted behind our back: an update makes it again
            self._api.create()
            return 0
        others = self._api.marks(live) - {self._api.me}
        if found is not Claim.OURS or others or existed(live.tags) or wants(live.tags, self._api.me):
            return self._join(live)
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

    def _join(self, live: Live) -> int:
        """Mark it first, with what it was: whatever happens then can be undone."""
        others = sorted(self._api.marks(live) - {self._api.me})
        try:
            self._api.add_tags(live, joining(live.tags, self._api.me, others, live.content, self._api.wanted))
        except TooLarge:
            raise GovernanceError(
                f"{self._api.kind} {self._api.name!r} exists, and what it is does not fit into its tags, to be given back: "
                "delete it, or use another name"
            ) from None
        log.info("%s: shared with %s", self._api.name, ", ".join(o.name for o in others) or "who made it")
        if same(self._api.wanted, live.content):
            return live.version
        return self._api.update(live)


def disown(api: Api, live: Live | None) -> None:
    """Take our mark away; delete it when nobody else owns it, otherwise it becomes what the others want."""
    if live is None:
        return
    marked = api.marks(live)
    what = release(marked=marked, me=[api.me], existed_before=existed(live.tags))
    if what is Release.LEAVE:
        return
    if what is Release.DELETE:
        try:
            api.delete(live)
        except ClientError as error:
            # it is busy, or another deletion is on its way: the next poll sees
            if code(error) != "ConflictException" and not is_transient(error):
                raise
        return
    gone, content = leaving(live.tags, api.me, sorted(marked - {api.me}))
    if content and not same(content, live.content):
        api.update(live, content)
    api.remove_tags(live, gone)
    log.info("%s: given up", api.name)


def retry_transient(api: Api, attempt: Callable[[], T], clock: Clock) -> T:
    """Try again what passes. Raises `GovernanceError`."""
    try:
        # a conflict is another change of the same cluster, or a version that moved on: read again, try again
        return retrying(
            attempt, clock, clock.monotonic() + CALL_SECONDS, also=lambda error: code(error) == "ConflictException"
        )
    except ClientError as error:
        raise GovernanceError(service_message(api, error)) from None


def service_message(api: Api, error: ClientError) -> str:
    """What the service said, about what."""
    return f"{api.kind} {api.name!r}: {error.response.get('Error', {}).get('Message') or error} ({code(error)})"
