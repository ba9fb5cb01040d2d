"""The registry of probes: independent checks of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.checks import Problem
from ...core.spec.platform import Platform
from .queries import AwsQueries

Found = tuple[str, Problem]
"""Rule ID and problem."""
ProbeFunction = Callable[[Platform, AwsQueries], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One check of the account.

    Attributes:
        title: what is checked, for the progress bar and for findings about failed checks.
        services: boto3 clients that it uses.
        applies: whether it applies to a platform.
        function: yields its findings.
    """

    title: str
    services: tuple[str, ...]
    applies: Callable[[Platform], Any]
    function: ProbeFunction


_PROBES: list[Probe] = []


def probe(
    title: str, *, services: tuple[str, ...], applies: Callable[[Platform], Any] = lambda _: True
) -> Callable[[ProbeFunction], ProbeFunction]:
    """Registers a function as a probe."""

    def register(function: ProbeFunction) -> ProbeFunction:
        _PROBES.append(Probe(title, services, applies, function))
        return function

    return register


def probes() -> tuple[Probe, ...]:
    """All probes."""
    _load()
    return tuple(_PROBES)


@cache
def _load() -> None:
    """Imports every module of this package once, which registers their probes."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            import_module(f"{__package__}.{path.stem}")
