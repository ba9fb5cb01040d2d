"""Virtual time."""

from __future__ import annotations


class Clock:
    """Time that only a sleep, or ``advance``, moves."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch; ``time`` may be set, as a clock that jumps."""
        return self.time

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move time on."""
        self.time += seconds
        self.elapsed += seconds

    def jitter(self) -> float:
        """Factor of each delay."""
        return 1.0
