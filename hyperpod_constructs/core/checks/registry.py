"""The registry of rules: each a function from the parts that it needs to problems, with an id that never changes.

A rule is registered by its decorator when its module is imported; there is no list to forget it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
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
    "HPR": "Found by a rehearsal",
}
"""The beginning of an id to what its rules are about."""

_PART_OF = {
    "groups": "cluster",
    "instance_groups": "cluster",
    "restricted_groups": "cluster",
    "effective_addons": "addons",
    "region_facts": "region",
}
"""Look-ups of a context to the part that they need."""

Check = TypeVar("Check", bound=Callable[..., Iterator[Problem]])
_RULES: dict[str, Rule] = {}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule with its documentation; as a decorator it takes the function that looks for problems.

    The function asks for what it needs by the names of its parameters: parts of a `Context` (`network`, `eks`,
    `cluster`, ...), its look-ups (`groups`, ...), `job` to run for each job with paths inside the job, or `ctx` for the
    whole context. A rule is skipped where a part that it asks for is not known.

    Attributes:
        id: such as "HP301"; it never changes its meaning.
        title: what must hold, as a short sentence.
        severity: of its findings, unless one of them says otherwise.
        why: what happens otherwise.
        cure: what to do in general; a finding may be more exact.
        source: where the rule comes from.
        wrong: a fragment of a config that breaks it; empty where no fragment can show it.
        right: the same, corrected.
        certain: whether AWS or Kubernetes is certain to refuse, so that an error cannot be acknowledged; None: it is so
            for errors.
        complete: parts that must have been read whole, because what could not be read would be missed in them; for rules
            about a job, all parts around it.
        function: the check; None where the findings are made elsewhere (files, live accounts).
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
        """Register the function as this rule's check."""
        asks = function.__code__.co_varnames[: function.__code__.co_argcount]
        around = {_PART_OF.get(name, name) for name in asks} - {"job", "ctx"} if "job" in asks else ()
        replace(self, function=function, asks=asks, complete=(*self.complete, *around)).register()
        return function

    def register(self) -> None:
        """Add to the registry.

        Raises:
            ValueError: the id is taken, or belongs to no area.
        """
        if self.id in _RULES:
            raise ValueError(f"rule {self.id} is registered twice")
        if self.id[:3] not in AREAS or len(self.id) != 5:
            raise ValueError(f"{self.id!r} belongs to no area")
        _RULES[self.id] = self

    @property
    def area(self) -> str:
        """What it is about, by its id."""
        return AREAS[self.id[:3]]

    @property
    def is_certain(self) -> bool:
        """Whether an error of this rule cannot be acknowledged."""
        return self.severity is Severity.ERROR if self.certain is None else self.certain

    @property
    def about_a_job_alone(self) -> bool:
        """Whether a job is all that it looks at."""
        return self.asks == ("job",)

    @property
    def needs(self) -> tuple[str, ...]:
        """The parts of a context without which it is skipped."""
        parts = (_PART_OF.get(name, "jobs" if name == "job" else name) for name in self.asks if name != "ctx")
        return tuple(dict.fromkeys(parts))

    @property
    def _given(self) -> tuple[str, ...]:
        return tuple(name for name in self.asks if name not in ("job", "ctx"))

    def applies_to(self, context: Context) -> bool:
        """Whether the context has all that it asks for, read whole where that matters."""
        return (
            self.function is not None
            and all(context.has(part) for part in (*self.needs, *self._given))
            and context.cut.isdisjoint(self.complete)
        )

    def problems(self, context: Context) -> Iterator[Problem]:
        """What it finds in a context that it applies to."""
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
        """What a rule about a job alone finds in it, with paths inside the job."""
        assert self.function is not None
        return self.function(job=job)

    def finding(self, problem: Problem) -> Finding:
        """A problem with the texts of this rule."""
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
    """Register the documentation of a rule whose findings are made elsewhere."""
    Rule(
        id, title=title, severity=severity, why=why, cure=cure, source=source, wrong=wrong, right=right, certain=certain
    ).register()


def rules() -> tuple[Rule, ...]:
    """Every rule, by id."""
    _load()
    return tuple(_RULES[id] for id in sorted(_RULES))


def active() -> tuple[Rule, ...]:
    """The rules that look at a context, by id."""
    return tuple(rule for rule in rules() if rule.function is not None)


def find(id: str) -> Rule | None:
    """The rule of an id, None where there is none.

    >>> find("HP301").severity.value, find("HP999") is None
    ('error', True)
    """
    _load()
    return _RULES.get(id)


def nearest(id: str) -> str | None:
    """The rule that a wrong id most likely means; letters that look like a digit are read as that digit.

    >>> nearest("HP31O"), nearest("hp30l")
    ('HP310', 'HP301')
    """
    return suggest(id.upper().translate(_DIGITS), (rule.id for rule in rules()))


_DIGITS = str.maketrans("OILSB", "01158")


@cache
def _load() -> None:
    """Import every module of this package once; importing one registers its rules."""
    folder = Path(__file__).parent
    for name in sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")):
        import_module(f"{__package__}.{name}")
