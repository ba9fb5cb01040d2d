"""The registry of rules: each a function from a context to problems, with an id that never changes and its documentation.

A rule is registered by its decorator when its module is imported; there is no list to forget it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..findings import Severity

if TYPE_CHECKING:
    from .context import Context

AREAS: Mapping[str, str] = {
    "HP0": "Files, their shape, and the platform as a whole",
    "HP1": "Network",
    "HP2": "EKS and Kubernetes versions",
    "HP3": "Cluster and instance groups",
    "HP4": "Dependencies of the cluster",
    "HP5": "Add-ons",
    "HP6": "Governance",
    "HP7": "Jobs",
    "HP8": "Storage and observability",
    "HP9": "Needs a live account, or what is deployed",
}
"""The beginning of an id to what its rules are about."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule found. Texts that are left out are those of the rule."""

    path: str
    message: str
    cure: str | None = None
    consequence: str | None = None
    severity: Severity | None = None


Check = Callable[["Context"], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its documentation.

    Attributes:
        id: such as "HP301"; it never changes its meaning.
        title: what must hold, as a short sentence.
        severity: of its findings, unless one of them says otherwise.
        needs: parts of the context that must be known; without them the rule is skipped.
        complete: parts that must have been read whole: what could not be read would be missed in them.
        why: what happens otherwise.
        cure: what to do in general; a finding may be more exact.
        source: where the rule comes from.
        wrong: a fragment of a config that breaks it; empty where no fragment can show it.
        right: the same, mended.
        certain: whether AWS or Kubernetes is certain to refuse, so that an error cannot be acknowledged.
        function: the check; None where the finding is made elsewhere (files, live accounts).
    """

    id: str
    title: str
    severity: Severity
    needs: tuple[str, ...]
    why: str
    cure: str
    source: str
    wrong: str
    right: str
    certain: bool
    function: Check | None
    complete: tuple[str, ...] = ()

    @property
    def area(self) -> str:
        """What it is about, by its id."""
        return AREAS[self.id[:3]]


_RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    title: str,
    severity: Severity,
    needs: tuple[str, ...] = (),
    complete: tuple[str, ...] = (),
    why: str,
    cure: str,
    source: str,
    wrong: str = "",
    right: str = "",
    certain: bool | None = None,
) -> Callable[[Check], Check]:
    """Register a check as a rule. `certain` defaults to true for errors.

    Raises:
        ValueError: the id is taken, or belongs to no area.
    """

    def register(function: Check) -> Check:
        _register(id, title, severity, needs, why, cure, source, wrong, right, certain, function, complete)
        return function

    return register


def describe(
    id: str,
    *,
    title: str,
    severity: Severity,
    why: str,
    cure: str,
    source: str,
    wrong: str = "",
    right: str = "",
    certain: bool | None = None,
) -> None:
    """Register the documentation of a rule whose findings are made elsewhere."""
    _register(id, title, severity, (), why, cure, source, wrong, right, certain, None)


def _register(
    id: str,
    title: str,
    severity: Severity,
    needs: tuple[str, ...],
    why: str,
    cure: str,
    source: str,
    wrong: str,
    right: str,
    certain: bool | None,
    function: Check | None,
    complete: tuple[str, ...] = (),
) -> None:
    if id in _RULES:
        raise ValueError(f"rule {id} is registered twice")
    if id[:3] not in AREAS or len(id) != 5:
        raise ValueError(f"{id!r} belongs to no area")
    sure = severity is Severity.ERROR if certain is None else certain
    _RULES[id] = Rule(id, title, severity, needs, why, cure, source, wrong, right, sure, function, complete)


def rules() -> tuple[Rule, ...]:
    """Every rule, by id."""
    _load()
    return tuple(_RULES[id] for id in sorted(_RULES))


def active() -> tuple[Rule, ...]:
    """The rules that look at a context, by id."""
    _load()
    return tuple(_RULES[id] for id in sorted(_RULES) if _RULES[id].function is not None)


def find(id: str) -> Rule | None:
    """The rule of an id, None where there is none.

    >>> find("HP301").severity.value, find("HP999") is None
    ('error', True)
    """
    _load()
    return _RULES.get(id)


@cache
def _load() -> None:
    """Import every module of this package once; importing one registers its rules."""
    folder = Path(__file__).parent
    for name in sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")):
        import_module(f"{__package__}.{name}")
