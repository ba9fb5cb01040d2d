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
        """Return seconds of a monotonic clock, whose start is arbitrary."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Return the factor of each pause, so that many resources do not retry in step."""
        return random.uniform(0.75, 1.25)


def pauses(clock: Clock, *, first: float, longest: float) -> Iterator[float]:
    """Return seconds between attempts: doubling up to the longest, jittered."""
    pause = first
    while True:
        yield pause * clock.jitter()
        pause = min(pause * 2, longest)
