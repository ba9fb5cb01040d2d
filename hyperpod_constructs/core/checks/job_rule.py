"""How a rule about one job is registered: written for a job, run for each job of a context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..catalog import InstanceType, find_instance_type
from ..documents import join
from ..findings import Severity
from ..spec.base import is_token
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_replica import PodFields
from .context import Context
from .registry import Check, Problem, Rule, rule

JobCheck = Callable[[Job], Iterator[Problem]]
PlacementCheck = Callable[[Job, Context], Iterator[Problem]]

JOB_CHECKS: list[tuple[Rule, JobCheck]] = []
"""Rule and check of everything that can be said about a job without its cluster."""

FORMULA = "The official CLI's arithmetic (sagemaker-hyperpod 3.12.0), by which quotas are sized"
KUBERNETES = "Kubernetes API"


def example(fields: str, rest: str = "") -> str:
    """A config fragment with one job."""
    return f"jobs:\n  - {{name: train, image: registry/train:v1, {fields}}}\n{rest}"


def job_rule(
    id: str,
    *,
    title: str,
    severity: Severity = Severity.ERROR,
    why: str,
    cure: str,
    source: str,
    wrong: str = "",
    right: str = "",
    certain: bool | None = None,
) -> Callable[[JobCheck], JobCheck]:
    """Register a rule about a job by itself; its problems have paths inside the job."""

    def register(check: JobCheck) -> JobCheck:
        def run(context: Context) -> Iterator[Problem]:
            for index, job in enumerate(context.jobs or ()):
                yield from _at(index, check(job))

        needs = ("jobs",)
        _register(id, run, needs, title, severity, why, cure, source, wrong, right, certain)
        sure = severity is Severity.ERROR if certain is None else certain
        made = Rule(id, title, severity, needs, why, cure, source, wrong, right, sure, run)
        JOB_CHECKS.append((made, check))
        return check

    return register


def placement_rule(
    id: str,
    *,
    needs: tuple[str, ...],
    title: str,
    severity: Severity = Severity.ERROR,
    why: str,
    cure: str,
    source: str,
    wrong: str = "",
    right: str = "",
    certain: bool | None = None,
) -> Callable[[PlacementCheck], PlacementCheck]:
    """Register a rule about a job and the parts around it, which must have been read whole."""

    def register(check: PlacementCheck) -> PlacementCheck:
        def run(context: Context) -> Iterator[Problem]:
            for index, job in enumerate(context.jobs or ()):
                yield from _at(index, check(job, context))

        _register(id, run, ("jobs", *needs), title, severity, why, cure, source, wrong, right, certain, needs)
        return check

    return register


def _register(
    id: str,
    run: Check,
    needs: tuple[str, ...],
    title: str,
    severity: Severity,
    why: str,
    cure: str,
    source: str,
    wrong: str,
    right: str,
    certain: bool | None,
    complete: tuple[str, ...] = (),
) -> None:
    register = rule(
        id,
        title=title,
        severity=severity,
        needs=needs,
        complete=complete,
        why=why,
        cure=cure,
        source=source,
        wrong=wrong,
        right=right,
        certain=certain,
    )
    register(run)


def _at(index: int, problems: Iterator[Problem]) -> Iterator[Problem]:
    for problem in problems:
        around = join("jobs", index)
        yield replace(problem, path=f"{around}.{problem.path}" if problem.path else around)


def parts(job: Job) -> Iterator[tuple[str, ReplicaSpec, InstanceType | None]]:
    """Path prefix, replica spec and instance type (None: none stated, unknown or a token) of a job's replica specs."""
    for index, part in enumerate(job.parts):
        prefix = f"replica_specs[{index}]." if job.replica_specs else ""
        yield prefix, part, find_instance_type(part.instance_type) if part.instance_type else None


def pods(job: Job) -> Iterator[tuple[str, PodFields]]:
    """Path prefix and pod fields of every place where a job states them: the job itself and its replica specs."""
    yield "", job
    for index, spec in enumerate(job.replica_specs):
        yield f"replica_specs[{index}].", spec


def opaque(value: object) -> bool:
    """Whether nothing can be said about a value: there is none, or it is only known at deploy time."""
    return value is None or is_token(value)
