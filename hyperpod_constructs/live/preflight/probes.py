"""The registry of probes: what is looked at in a live account, each independent of the others."""

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
"""Rule id and what was found."""
ProbeFunction = Callable[[Platform, AwsQueries], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at the account.

    Attributes:
        title: what is looked at, for the progress display and for findings about looks that failed.
        services: boto3 clients that it needs.
        wanted: whether a platform has anything for it to look at.
        function: yields what it finds.
    """

    title: str
    services: tuple[str, ...]
    wanted: Callable[[Platform], Any]
    function: ProbeFunction


_PROBES: list[Probe] = []


def probe(
    title: str, *, services: tuple[str, ...], wanted: Callable[[Platform], Any] = lambda _: True
) -> Callable[[ProbeFunction], ProbeFunction]:
    """Register a function as a probe."""

    def register(function: ProbeFunction) -> ProbeFunction:
        _PROBES.append(Probe(title, services, wanted, function))
        return function

    return register


def probes() -> tuple[Probe, ...]:
    """All probes."""
    _load()
    return tuple(_PROBES)


@cache
def _load() -> None:
    """Import every module of this package once; importing one registers its probes."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("_"):
            import_module(f"{__package__}.{path.stem}")
