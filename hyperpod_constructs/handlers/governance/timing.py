"""Transient errors of AWS, and retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock, pauses

T = TypeVar("T")

_TRANSIENT = {
    "InternalFailure",
    "InternalServerError",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_LONGEST_PAUSE_SECONDS = 20.0


def code(error: Exception) -> str:
    """Returns the error code of the service; empty if the service could not be reached."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttling, service errors, connection errors."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return code(error) in _TRANSIENT or status >= 500
    return isinstance(error, BotoCoreError)


def retrying(action: Callable[[], T], clock: Clock, until: float, *, also: Callable[[Exception], bool]) -> T:
    """Runs `action` until it succeeds, fails with a final error, or the time limit is reached; then raises the last error.

    `until` is a time of the monotonic clock. `also` selects additional errors that are retried.
    """
    for pause in pauses(clock, first=1.0, longest=_LONGEST_PAUSE_SECONDS):
        try:
            return action()
        except (ClientError, BotoCoreError) as error:
            if not (is_transient(error) or also(error)) or clock.monotonic() + pause >= until:
                raise
        clock.sleep(pause)
    raise AssertionError("unreachable: pauses never end")
