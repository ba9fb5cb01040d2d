"""Time and back-off. Tests give a clock of their own, so nothing waits on real time."""

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
        """Seconds since some moment: unlike `now`, it never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """Factor of each pause, so that many resources do not retry in step."""
        return random.uniform(0.75, 1.25)


def pauses(clock: Clock, *, first: float, longest: float) -> Iterator[float]:
    """Seconds between attempts: doubling up to the longest, jittered."""
    pause = first
    while True:
        yield pause * clock.jitter()
        pause = min(pause * 2, longest)
