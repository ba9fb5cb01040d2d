"""Deadlines, and retries until a deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..shared.clock import Clock, pauses
from .errors import ApiError

T = TypeVar("T")

#: Time between two polls of a wait; the construct passes the same number to CDK's framework.
POLL_SECONDS = 15

#: CloudFormation waits one hour for a custom resource, including the last poll and the response.
LONGEST_WAIT_SECONDS = 3480.0

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 15.0


@dataclass(frozen=True)
class Deadline:
    """A time on the monotonic clock after which no operation is started."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """Returns the deadline ``seconds`` from now."""
        return cls(clock, clock.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Returns the seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())


class RetriesExhausted(Exception):
    """The deadline was reached; ``last`` is the last error."""

    def __init__(self, last: ApiError, attempts: int, seconds: float) -> None:
        super().__init__(f"failed after {attempts} attempt{'s' if attempts > 1 else ''} in {seconds:.0f} s: {last}")
        self.last = last


def retrying(action: Callable[[], T], deadline: Deadline) -> T:
    """Runs ``action`` until success, a permanent error (``ApiError``) or the deadline (``RetriesExhausted``)."""
    clock = deadline.clock
    started = clock.monotonic()
    for attempt, delay in enumerate(pauses(clock, first=FIRST_DELAY_SECONDS, longest=LONGEST_DELAY_SECONDS), start=1):
        try:
            return action()
        except ApiError as error:
            waited = clock.monotonic() - started
            if not error.is_transient(waited):
                raise
            pause = max(delay, error.retry_after or 0.0)
            if deadline.remaining <= pause:
                raise RetriesExhausted(error, attempt, waited) from error
        clock.sleep(pause)
    raise AssertionError("unreachable: pauses never end")
