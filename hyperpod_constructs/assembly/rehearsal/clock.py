"""Virtual time."""

from __future__ import annotations


class Clock:
    """Time that passes only by ``sleep`` or ``advance``."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Returns seconds since the epoch; ``time`` may be set, like a clock that jumps."""
        return self.time

    def monotonic(self) -> float:
        """Returns seconds since an arbitrary point in time; never jumps."""
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Waits."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Advances the time."""
        self.time += seconds
        self.elapsed += seconds

    def jitter(self) -> float:
        """Returns the factor of each delay."""
        return 1.0
