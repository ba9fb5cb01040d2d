"""Which errors of AWS may pass by themselves, and trying again."""

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
    """The service's error code, empty when the service was not reached."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_transient(error: Exception) -> bool:
    """Whether the same call may work a little later: throttling, the service's own failures, no connection."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return code(error) in _TRANSIENT or status >= 500
    return isinstance(error, BotoCoreError)


def retrying(action: Callable[[], T], clock: Clock, until: float, *, also: Callable[[Exception], bool]) -> T:
    """Run `action` until it works, fails for good, or the time is up; then the last error is raised.

    `until` is a time of the clock that never jumps. `also` says which further errors are worth another try.
    """
    for pause in pauses(clock, first=1.0, longest=_LONGEST_PAUSE_SECONDS):
        try:
            return action()
        except (ClientError, BotoCoreError) as error:
            if not (is_transient(error) or also(error)) or clock.monotonic() + pause >= until:
                raise
        clock.sleep(pause)
    raise AssertionError("unreachable: pauses never end")
