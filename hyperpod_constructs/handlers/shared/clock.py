"""Time and backoff. Tests use a simulated clock, so they do not wait in real time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator


class Clock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Returns the seconds of a monotonic clock, which has an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits for a number of seconds."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Returns the factor for a pause, so that many resources do not retry at the same time."""
        return random.uniform(0.75, 1.25)


def pauses(clock: Clock, *, first: float, longest: float) -> Iterator[float]:
    """Yields the seconds between attempts: doubled up to the longest, with jitter."""
    pause = first
    while True:
        yield pause * clock.jitter()
        pause = min(pause * 2, longest)
