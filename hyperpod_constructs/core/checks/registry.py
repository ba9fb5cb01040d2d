"""The registry of rules: each is a function from the parts that it requires to problems, with an ID that never changes.

A rule is registered by its decorator when its module is imported; no separate list is required.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..catalog import suggest
from ..documents import join
from ..findings import Finding, Problem, Severity

if TYPE_CHECKING:
    from ..spec.jobs import Job
    from .context import Context

__all__ = ["AREAS", "Problem", "Rule", "active", "describe", "find", "rule", "rules"]

AREAS: Mapping[str, str] = {
    "HP0": "Files, their structure, and the platform",
    "HP1": "Network",
    "HP2": "EKS and Kubernetes versions",
    "HP3": "Cluster and instance groups",
    "HP4": "Dependencies of the cluster",
    "HP5": "Add-ons",
    "HP6": "Governance",
    "HP7": "Jobs",
    "HP8": "Storage and observability",
    "HP9": "Live accounts and deployed resources",
    "HPR": "Rehearsals",
}
"""Area of the rules, by the prefix of their IDs."""

_PART_OF = {
    "groups": "cluster",
    "instance_groups": "cluster",
    "restricted_groups": "cluster",
    "effective_addons": "addons",
    "region_facts": "region",
}
"""The part of a context that a lookup requires."""

Check = TypeVar("Check", bound=Callable[..., Iterator[Problem]])
_RULES: dict[str, Rule] = {}


@dataclass(kw_only=True, eq=False)
class Rule:
    """A rule with its documentation; as a decorator it registers the function that finds problems.

    The function's parameters name its input: parts of a `Context` (`network`, `eks`, `cluster`, ...), its lookups
    (`groups`, ...), `job` to run for each job with paths in the job, or `ctx` for the whole context. A rule is skipped
    if a part that it requires is unknown.

    Attributes:
        id: such as "HP301"; its meaning never changes.
        title: the requirement, as a short sentence.
        severity: of its findings, unless a finding sets another one.
        why: what happens otherwise.
        cure: how to fix it in general; a finding can be more specific.
        source: source of the rule.
        wrong: a fragment of a config that violates it; empty if no fragment can.
        right: the same, corrected.
        certain: whether AWS or Kubernetes certainly rejects it, so that an error cannot be acknowledged; None: true
            for errors.
        complete: parts that must have been read completely, because unread items would look missing; for rules
            about a job, all other parts.
        function: the check; None if the findings are created elsewhere (files, accounts).
    """

    id: str = field(kw_only=False)
    title: str
    severity: Severity = Severity.ERROR
    why: str
    cure: str
    source: str
    wrong: str = ""
    right: str = ""
    certain: bool | None = None
    complete: tuple[str, ...] = ()
    function: Callable[..., Iterator[Problem]] | None = None
    asks: tuple[str, ...] = field(default=(), repr=False)

    def __call__(self, function: Check) -> Check:
        """Registers the function as this rule's check."""
        asks = function.__code__.co_varnames[: function.__code__.co_argcount]
        around = {_PART_OF.get(name, name) for name in asks} - {"job", "ctx"} if "job" in asks else ()
        self.function, self.asks, self.complete = function, asks, (*self.complete, *around)
        self.register()
        return function

    def register(self) -> None:
        """Adds the rule to the registry.

        Raises:
            ValueError: the ID is already used, or its prefix is unknown.
        """
        if self.id in _RULES:
            raise ValueError(f"rule {self.id} is registered twice")
        if self.id[:3] not in AREAS or len(self.id) != 5:
            raise ValueError(f"{self.id!r} belongs to no area")
        _RULES[self.id] = self

    @property
    def area(self) -> str:
        """Its area, by its ID."""
        return AREAS[self.id[:3]]

    @property
    def is_certain(self) -> bool:
        """Whether an error of this rule cannot be acknowledged."""
        return self.severity is Severity.ERROR if self.certain is None else self.certain

    @property
    def about_a_job_alone(self) -> bool:
        """Whether its only input is a job."""
        return self.asks == ("job",)

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The parts of a context that it requires."""
        parts = (_PART_OF.get(name, "jobs" if name == "job" else name) for name in self.asks if name != "ctx")
        return tuple(dict.fromkeys(parts))

    @cached_property
    def _given(self) -> tuple[str, ...]:
        return tuple(name for name in self.asks if name not in ("job", "ctx"))

    def applies_to(self, context: Context) -> bool:
        """Whether the context has all required parts, read completely if required."""
        return (
            self.function is not None
            and all(context.has(part) for part in (*self.needs, *self._given))
            and context.cut.isdisjoint(self.complete)
        )

    def problems(self, context: Context) -> Iterator[Problem]:
        """Runs the rule on a context that it applies to."""
        assert self.function is not None
        given = {name: getattr(context, name) for name in self._given}
        if "ctx" in self.asks:
            given["ctx"] = context
        if "job" not in self.asks:
            yield from self.function(**given)
            return
        for index, job in enumerate(context.jobs or ()):
            around = join("jobs", index)
            for problem in self.function(job=job, **given):
                yield replace(problem, path=f"{around}.{problem.path}" if problem.path else around)

    def problems_of_job(self, job: Job) -> Iterator[Problem]:
        """Runs a rule about a job alone, with paths in the job."""
        assert self.function is not None
        return self.function(job=job)

    def finding(self, problem: Problem) -> Finding:
        """Returns the finding of a problem, with the texts of this rule."""
        return Finding(
            rule=self.id,
            severity=problem.severity or self.severity,
            path=problem.path,
            message=problem.message,
            consequence=self.why if problem.consequence is None else problem.consequence,
            cure=self.cure if problem.cure is None else problem.cure,
            source=self.source,
        )


rule = Rule


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
    """Registers the documentation of a rule whose findings are created elsewhere."""
    Rule(
        id, title=title, severity=severity, why=why, cure=cure, source=source, wrong=wrong, right=right, certain=certain
    ).register()


def rules() -> tuple[Rule, ...]:
    """Returns every rule, ordered by ID."""
    _load()
    return tuple(_RULES[id] for id in sorted(_RULES))


def active() -> tuple[Rule, ...]:
    """Returns the rules that check a context, ordered by ID."""
    return tuple(rule for rule in rules() if rule.function is not None)


def find(id: str) -> Rule | None:
    """Returns the rule of an ID, None if there is none.

    >>> find("HP301").severity.value, find("HP999") is None
    ('error', True)
    """
    _load()
    return _RULES.get(id)


def nearest(id: str) -> str | None:
    """Returns the ID that is most similar to an unknown one; letters that resemble a digit are read as that digit.

    >>> nearest("HP31O"), nearest("hp30l")
    ('HP310', 'HP301')
    """
    return suggest(id.upper().translate(_DIGITS), (rule.id for rule in rules()))


_DIGITS = str.maketrans("OILSB", "01158")


@cache
def _load() -> None:
    """Imports every module of this package once, which registers its rules."""
    folder = Path(__file__).parent
    for name in sorted(path.stem for path in folder.iterdir() if path.suffix == ".py" and path.stem[0] != "_"):
        import_module(f"{__package__}.{name}")
