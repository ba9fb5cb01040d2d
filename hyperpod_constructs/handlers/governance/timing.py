"""Clock and retries. Tests give a clock of their own, so nothing waits on real time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

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


class Clock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment: unlike `now`, it never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Factor of each pause, so that many quotas do not retry in step."""
        return random.uniform(0.75, 1.25)


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
    pause = 1.0
    while True:
        try:
            return action()
        except (ClientError, BotoCoreError) as error:
            wait = pause * clock.jitter()
            if not (is_transient(error) or also(error)) or clock.monotonic() + wait >= until:
                raise
        clock.sleep(wait)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
