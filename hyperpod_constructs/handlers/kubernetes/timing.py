"""Clock, deadline and back-off. Tests give a clock of their own, so nothing waits on real time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from .errors import ApiError

T = TypeVar("T")

#: Time between two polls of a wait; the construct gives CDK's framework the same number.
POLL_SECONDS = 15

#: CloudFormation waits an hour for a custom resource; the last poll, slow answers and the response need some of it.
LONGEST_WAIT_SECONDS = 3480.0

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 15.0


class Clock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment: unlike ``now``, it never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Factor of each delay, so that many resources do not retry in step."""
        return random.uniform(0.75, 1.25)


@dataclass(frozen=True)
class Deadline:
    """A moment after which nothing new is begun, by a clock that never jumps."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(clock, clock.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())


class GaveUp(Exception):
    """The deadline came; ``last`` is the refusal that stood to the end."""

    def __init__(self, last: ApiError, attempts: int, seconds: float) -> None:
        super().__init__(f"gave up after {attempts} attempts in {seconds:.0f} s: {last}")
        self.last = last


def delays(clock: Clock) -> Iterator[float]:
    """Seconds between attempts: doubling, bounded, jittered."""
    delay = FIRST_DELAY_SECONDS
    while True:
        yield delay * clock.jitter()
        delay = min(delay * 2, LONGEST_DELAY_SECONDS)


def retrying(action: Callable[[], T], deadline: Deadline) -> T:
    """Run ``action`` until it succeeds, is refused for good (``ApiError``) or the deadline comes (``GaveUp``)."""
    clock = deadline.clock
    started = clock.monotonic()
    for attempt, delay in enumerate(delays(clock), start=1):
        try:
            return action()
        except ApiError as error:
            waited = clock.monotonic() - started
            if not error.is_transient(waited):
                raise
            pause = max(delay, error.retry_after or 0.0)
            if deadline.remaining <= pause:
                raise GaveUp(error, attempt, waited) from error
        clock.sleep(pause)
    raise AssertionError("unreachable: delays never ends")
