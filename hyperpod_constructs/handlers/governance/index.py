"""Lambda entry points: begin an event, then ask until it settles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from .api import Api, GovernanceError, Live, api_of
from .settle import Step, advice, next_step
from .timing import Clock, code, is_transient, retrying

T = TypeVar("T")

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

POLL_SECONDS = 15
"""Time between two calls of `is_complete`; the construct gives the framework the same number."""
TIMEOUT_SECONDS = 1500.0
"""When an event fails by itself, with a reason; the construct lets the framework wait longer than this."""
_CALL_SECONDS = 240.0
"""How long one call of ours may retry; the function's timeout is longer."""


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: create or update."""
    return begin(event, _client(), Clock())


def is_complete(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: look at it, and try again what may pass."""
    return poll(event, _client(), Clock())


def begin(event: Mapping[str, Any], client: Any, clock: Clock) -> dict[str, Any]:
    """Create, update, or nothing for a deletion, which `poll` does.

    What is returned besides the physical id is handed on to each `poll`.
    """
    started = str(clock.now())
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"], "StartedAt": started}
    api = api_of(event, client)
    version = 0
    if event["RequestType"] == "Update" and api.physical_id == event["PhysicalResourceId"]:
        version = _update(api, clock)
    else:
        _create(api, clock)
    log.info("%s: begun", api.physical_id)
    return {"PhysicalResourceId": api.physical_id, "StartedAt": started, "WantedVersion": str(version)}


def poll(event: Mapping[str, Any], client: Any, clock: Clock) -> dict[str, Any]:
    """Whether the event has settled. Raises `GovernanceError` when it failed or took too long."""
    api = api_of(event, client)
    waited = clock.now() - float(event["StartedAt"])
    try:
        return _poll(event, api, waited, clock)
    except ClientError as error:
        if not is_transient(error) or waited >= TIMEOUT_SECONDS:
            raise GovernanceError(_said(api, error)) from None
        log.info("%s: asked in vain: %s", api.name, code(error))
        return {"IsComplete": False}


def _poll(event: Mapping[str, Any], api: Api, waited: float, clock: Clock) -> dict[str, Any]:
    kind = "Create" if _replaces(event, api) else str(event["RequestType"])
    live = _mine_or_none(api) if kind == "Delete" else api.find()
    up_to_date = live is not None and live.version >= int(event.get("WantedVersion") or 0)
    step = next_step(kind, live.status if live else None, up_to_date=up_to_date, waited=waited)
    log.info("%s: %s after %.0f s: %s", api.name, live.status if live else "gone", waited, step.value)
    if step is Step.DONE:
        return {"IsComplete": True, **({"Data": {"Id": live.id, "Arn": live.arn}} if live else {})}
    if step is Step.FAIL or waited >= TIMEOUT_SECONDS:
        raise GovernanceError(_state(api, live, waited))
    if step is Step.CREATE:
        _create(api, clock)
    elif live is not None and step is Step.UPDATE:
        _update(api, clock)
    elif live is not None and step is Step.DELETE:
        _delete(api, live)
    return {"IsComplete": False}


def _replaces(event: Mapping[str, Any], api: Api) -> bool:
    """Whether an update made something new: what it was before has another physical id."""
    if event["RequestType"] != "Update":
        return False
    return api_of(event, None, old=True).physical_id != api.physical_id


def _mine_or_none(api: Api) -> Live | None:
    """For a deletion: what is not ours is left alone, which is the same as gone."""
    try:
        return api.find()
    except GovernanceError as error:
        log.info("left alone: %s", error)
        return None


def _create(api: Api, clock: Clock) -> None:
    """Create it, unless an earlier delivery of this event did. Raises `GovernanceError`."""

    def attempt() -> None:
        if api.find() is None:
            log.info("%s: created as %s", api.name, api.create())

    _try(api, attempt, clock)


def _update(api: Api, clock: Clock) -> int:
    """Update it, from whatever version it has when nobody else is at it; 0 when it had to be made again."""

    def attempt() -> int:
        live = api.find()
        if live is None:  # deleted behind our back: an update makes it again
            api.create()
            return 0
        version = api.update(live)
        api.tag(live)
        return version

    return _try(api, attempt, clock)


def _delete(api: Api, live: Live) -> None:
    try:
        api.delete(live)
    except ClientError as error:
        # it is busy, or another deletion is on its way: the next poll sees
        if code(error) != "ConflictException" and not is_transient(error):
            raise


def _try(api: Api, attempt: Callable[[], T], clock: Clock) -> T:
    try:
        # a conflict is another change of the same cluster, or a version that moved on: read again, try again
        return retrying(
            attempt, clock, clock.now() + _CALL_SECONDS, also=lambda error: code(error) == "ConflictException"
        )
    except ClientError as error:
        raise GovernanceError(_said(api, error)) from None


def _said(api: Api, error: ClientError) -> str:
    return f"{api.kind} {api.name!r}: {error.response.get('Error', {}).get('Message') or error} ({code(error)})"


def _state(api: Api, live: Live | None, waited: float) -> str:
    if live is None:
        return f"{api.kind} {api.name!r} is not there after {waited:.0f} s"
    return f"{api.kind} {api.name!r} is {live.status} after {waited:.0f} s: {live.reason}; {advice(live.status)}"


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # our own retries know which conflicts pass; the SDK's would only add to the time
    return boto3.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
