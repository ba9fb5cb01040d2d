"""The meaning of each status for each kind of event: pure functions from a status to the next step."""

from __future__ import annotations

from enum import Enum

RETRY_SECONDS = 420.0
"""How long transient failures are retried: the start of Kueue's webhook takes some minutes."""


class Step(Enum):
    """The next step."""

    DONE = "done"
    WAIT = "wait"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    FAIL = "fail"


UPDATE_FAILED = "UpdateFailed"
_IN_PROGRESS = {"Creating", "Updating", "Deleting"}
_SUCCEEDED = {"Created", "Updated"}
_DELETE_AND_RECREATE = {"CreateFailed", "CreateRollbackFailed"}
_DELETION_FAILED = {"DeleteFailed", "DeleteRollbackFailed"}


def next_step(event: str, status: str | None, *, up_to_date: bool, waited: float) -> Step:
    """Returns the next step of an event (`Create`, `Update` or `Delete`).

    `status` is None if the resource does not exist, `up_to_date` is whether it has the version that the update created,
    and `waited` is the seconds since the event started.

    >>> next_step("Create", "Created", up_to_date=True, waited=5.0)
    <Step.DONE: 'done'>
    >>> next_step("Create", "CreateFailed", up_to_date=True, waited=5.0)
    <Step.DELETE: 'delete'>
    >>> next_step("Delete", None, up_to_date=False, waited=5.0)
    <Step.DONE: 'done'>
    """
    if status in _IN_PROGRESS:
        return Step.WAIT
    can_retry = waited < RETRY_SECONDS
    if event == "Delete":
        if status is None:
            return Step.DONE
        return Step.DELETE if can_retry or status not in _DELETION_FAILED else Step.FAIL
    if status is None:
        return Step.CREATE if can_retry else Step.FAIL
    if status in _SUCCEEDED:
        return Step.DONE if up_to_date else Step.WAIT
    if status in _DELETE_AND_RECREATE and event == "Create":
        return Step.DELETE if can_retry else Step.FAIL
    if status == UPDATE_FAILED and event == "Update":
        return Step.UPDATE if can_retry else Step.FAIL
    # an existing quota is never deleted and recreated, because that would delete its team's jobs
    return Step.FAIL


def advice(status: str) -> str:
    """Returns the fix for a final status, as an instruction."""
    if status in _DELETE_AND_RECREATE | {"UpdateRollbackFailed"}:
        return "delete and recreate it"
    if status in _DELETION_FAILED | {UPDATE_FAILED}:
        return "fix the cause and retry"
    return "check the task governance add-on and the nodes"
