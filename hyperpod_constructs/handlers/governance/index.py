"""Lambda entry points: start an event, then poll until it is complete."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from .adoption import Adoption, disown, retry_transient, service_message
from .api import Api, GovernanceError, Live, api_of
from .settle import Step, advice, next_step
from .timing import code, is_transient

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

POLL_SECONDS = 15
"""Time between two calls of `is_complete`; the construct passes the same number to the framework."""
TIMEOUT_SECONDS = 1500.0
"""Time after which an event fails with a reason; the timeout that the construct sets for the framework is longer."""


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: creates or updates the resource."""
    return begin(event, _client(), Clock())


def is_complete(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: checks the status, and retries transient failures."""
    return poll(event, _client(), Clock())


def begin(event: Mapping[str, Any], client: Any, clock: Clock) -> dict[str, Any]:
    """Creates or updates the resource; `poll` performs a deletion.

    The values that are returned in addition to the physical id are passed to each `poll`.
    """
    started = str(clock.now())
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"], "StartedAt": started}
    api = api_of(event, client)
    in_place = event["RequestType"] == "Update" and api.physical_id == event["PhysicalResourceId"]
    adoption = Adoption(api, clock, held=in_place)
    try:
        version = adoption.update() if in_place else adoption.create()
        if event["RequestType"] == "Update":
            _release_failed_event(event, client, clock)
    except (GovernanceError, ClientError, BotoCoreError) as error:
        if event["RequestType"] == "Create" or not in_place:
            adoption.undo()
        raise GovernanceError(str(error)) from None
    log.info("%s: started", api.physical_id)
    return {"PhysicalResourceId": api.physical_id, "StartedAt": started, "WantedVersion": str(version)}


def _release_failed_event(event: Mapping[str, Any], client: Any, clock: Clock) -> None:
    """Releases the resource of the old properties if a failed event created it: its physical id is not the given one."""
    failed, api = api_of(event, client, old=True), api_of(event, client)
    if failed.physical_id not in (event["PhysicalResourceId"], api.physical_id):
        retry_transient(failed, lambda: disown(failed, failed.find()), clock)


def poll(event: Mapping[str, Any], client: Any, clock: Clock) -> dict[str, Any]:
    """Whether the event is complete. Raises `GovernanceError` if it failed or exceeded its time limit."""
    api = api_of(event, client)
    waited = clock.now() - float(event["StartedAt"])
    try:
        return _poll(event, api, waited, clock)
    except ClientError as error:
        retry = is_transient(error) or code(error) == "ConflictException"  # another change is in progress
        if not retry or waited >= TIMEOUT_SECONDS:
            raise GovernanceError(service_message(api, error)) from None
        log.info("%s: polling failed: %s", api.name, code(error))
        return {"IsComplete": False}


def _poll(event: Mapping[str, Any], api: Api, waited: float, clock: Clock) -> dict[str, Any]:
    kind = "Create" if _replaces(event, api) else str(event["RequestType"])
    live = api.find()
    if kind == "Delete":
        live = _still_ours(api, live)
    up_to_date = live is not None and live.version >= int(event.get("WantedVersion") or 0)
    step = next_step(kind, live.status if live else None, up_to_date=up_to_date, waited=waited)
    log.info("%s: %s after %.0f s: %s", api.name, live.status if live else "does not exist", waited, step.value)
    if step is Step.DONE:
        return {"IsComplete": True, **({"Data": {"Id": live.id, "Arn": live.arn}} if live else {})}
    if step is Step.FAIL or waited >= TIMEOUT_SECONDS:
        raise GovernanceError(_state(api, live, waited))
    adoption = Adoption(api, clock, held=True)
    if step is Step.CREATE:
        adoption.create()
    elif live is not None and step is Step.UPDATE:
        adoption.update()
    elif live is not None and step is Step.DELETE:
        disown(api, live)
    return {"IsComplete": False}


def _still_ours(api: Api, live: Live | None) -> Live | None:
    """Returns the resource to delete; None if it does not have our mark, which completes the deletion without a change."""
    if live is not None and api.me not in api.marks(live):
        log.info("%s: not changed, because it does not have the mark of this resource", api.name)
        return None
    return live


def _replaces(event: Mapping[str, Any], api: Api) -> bool:
    """Whether an update created a new resource, because the previous one has another physical id."""
    if event["RequestType"] != "Update":
        return False
    return api_of(event, None, old=True).physical_id != api.physical_id


def _state(api: Api, live: Live | None, waited: float) -> str:
    if live is None:
        return f"{api.kind} {api.name!r} does not exist after {waited:.0f} s"
    return f"{api.kind} {api.name!r} is {live.status} after {waited:.0f} s: {live.reason}; {advice(live.status)}"


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # this function retries with knowledge of the conflicts; retries of the SDK would only add time
    return boto3.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
