"""One invocation of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .account import Thing
from .resources import Resources


@dataclass
class Call:
    """One invocation of a function: with which role, and how long it may take."""

    services: Resources
    function: Thing
    role: str
    limit: float

    @property
    def left(self) -> Callable[[], float]:
        """Seconds that are left of it, asked again and again."""
        end = self.services.world.now + self.limit
        return lambda: end - self.services.world.now
