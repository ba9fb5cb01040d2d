"""One invocation of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .account import AwsResource
from .resources import Resources


@dataclass
class Call:
    """One invocation of a function: its role, and its time limit."""

    services: Resources
    function: AwsResource
    role: str
    limit: float

    @property
    def left(self) -> Callable[[], float]:
        """Returns the remaining seconds of the invocation."""
        end = self.services.world.now + self.limit
        return lambda: end - self.services.world.now
