"""Runs the probes concurrently, with a deadline, and reports one finding per kind of failure."""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ...core.checks import Problem, find
from ...core.checks.engine import acknowledged
from ...core.findings import Finding
from ...core.spec.platform import Platform
from ..operations.aws import ATTEMPTS, READ_SECONDS, Failure, FailureCause
from .probes import Found, Probe, probes
from .queries import AwsQueries, Clients, QueryCache, QueryFailed

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 120.0
"""Deadline of a probe in seconds."""

Progress = Callable[[str, int, int], None]
"""Called with the title of each finished probe, the number of finished ones, and their total."""

_RULES = {
    FailureCause.CREDENTIALS: "HP901",
    FailureCause.EXPIRED: "HP902",
    FailureCause.DENIED: "HP903",
    FailureCause.THROTTLED: "HP904",
    FailureCause.NETWORK: "HP905",
    FailureCause.CLOCK: "HP906",
    FailureCause.SERVICE: "HP907",
    FailureCause.REGION: "HP907",
    FailureCause.NO_REGION: "HP907",
    FailureCause.NOT_FOUND: "HP907",
}
_STOPPING = (FailureCause.CREDENTIALS, FailureCause.EXPIRED, FailureCause.CLOCK)
"""Failures that affect every request: one finding is sufficient."""


_FIRST = ("service-quotas", "sagemaker", "cloudformation", "eks")
"""Clients to create first: those with the longest chains of requests."""


@dataclass(slots=True, eq=False)
class _Run:
    """One running probe. Only its own thread writes to it. Partial findings are reported after the deadline."""

    probe: Probe
    found: list[Found] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    bug: Exception | None = None


def preflight(
    platform: Platform,
    *,
    session: Any,
    region: str | None = None,
    progress: Progress | None = None,
    only: Iterable[Probe] | None = None,
    attempts: int = ATTEMPTS,
    read_seconds: float = READ_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> list[Finding]:
    """Checks the account that a platform is deployed to; read-only.

    Args:
        platform: the platform; it should have no errors.
        session: a boto3 session.
        region: region of the requests; default: the platform's region.
        progress: called for each finished probe.
        only: probes to run; default: all that apply to the platform.
        attempts: attempts of each request.
        read_seconds: timeout of a response.
        deadline_seconds: timeout of a probe.

    Returns:
        The findings, errors first. Paths are those of the platform.
    """
    chosen = [probe for probe in (probes() if only is None else only) if probe.applies(platform)]
    needed = {service for probe in chosen for service in probe.services}
    services = [*(service for service in _FIRST if service in needed), *sorted(needed.difference(_FIRST))]
    clients = Clients(session, services, region=region or platform.region, attempts=attempts, read_seconds=read_seconds)
    cache = QueryCache(clients)
    finished: queue.SimpleQueue[_Run] = queue.SimpleQueue()
    started = [_start(probe, platform, cache, finished) for probe in chosen]
    runs: list[_Run] = []
    until = time.monotonic() + deadline_seconds
    while len(runs) < len(started):
        try:
            runs.append(finished.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            break
        if progress:
            progress(runs[-1].probe.title, len(runs), len(started))
    late = [run for run in started if run not in runs]
    findings = [*_query_failures(runs, late, deadline_seconds), *_bugs(runs)]
    seen: set[tuple[str, str, str]] = set()
    for run in started:
        for id_, problem in list(run.found):
            if (id_, problem.path, problem.message) not in seen:
                seen.add((id_, problem.path, problem.message))
                findings.append(_finding(id_, problem))
    return acknowledged(findings, tuple(a for a in platform.acknowledge if a.rule.startswith("HP9")), stale=False)


def _start(probe: Probe, platform: Platform, cache: QueryCache, finished: queue.SimpleQueue[_Run]) -> _Run:
    run, queries = _Run(probe), AwsQueries(cache)

    def function() -> None:
        try:
            for found in probe.function(platform, queries):
                run.found.append(found)
        except QueryFailed as error:
            run.failures.append(error.failure)
        except Exception as error:  # noqa: BLE001 - becomes a finding
            run.bug = error
        run.failures += queries.failures
        finished.put(run)

    context = contextvars.copy_context()  # includes the caller's clock
    threading.Thread(target=context.run, args=(function,), name=probe.title, daemon=True).start()
    return run


def _query_failures(runs: list[_Run], late: list[_Run], deadline_seconds: float) -> list[Finding]:
    """One finding per kind of failure, with the failed requests and the incomplete checks."""
    by_kind: dict[FailureCause, dict[str, Failure]] = {}
    affected: dict[FailureCause, dict[str, None]] = {}
    for run in runs:
        for failure in run.failures:
            by_kind.setdefault(failure.cause, {}).setdefault(failure.call, failure)
            affected.setdefault(failure.cause, {})[run.probe.title] = None
    for cause in _STOPPING:
        if cause in by_kind:
            return [_failure(cause, by_kind[cause], affected[cause], everything=True)]
    findings = [_failure(cause, failures, affected[cause]) for cause, failures in by_kind.items()]
    if late:
        titles = [run.probe.title for run in late]
        message = f"no result within {deadline_seconds:g} seconds: {', '.join(titles)}"
        findings.append(_finding("HP905", Problem("", message, consequence=_incomplete(titles))))
    return findings


def _bugs(runs: list[_Run]) -> Iterator[Finding]:
    """Reports a probe that failed on an unexpected response; the other probes continue."""
    for run in runs:
        if run.bug is not None:
            log.debug("the check %r failed", run.probe.title, exc_info=run.bug)
            message = f"unexpected error in the check: {type(run.bug).__name__}: {run.bug}"
            cure = "Report it with the traceback that is logged at level DEBUG."
            yield _finding("HP907", Problem("", message, cure, _incomplete([run.probe.title])))


def _failure(
    cause: FailureCause, failures: dict[str, Failure], titles: Iterable[str], *, everything: bool = False
) -> Finding:
    first = next(iter(failures.values()))
    calls = ", ".join(sorted(call for call in failures if call))
    text = f"{calls} ({first.message})" if calls and not everything else first.message
    cure = (
        f"Allow {calls} for this role or user, or use another --profile."
        if cause is FailureCause.DENIED
        else first.cure
    )
    consequence = "No check was completed." if everything else _incomplete(titles)
    return _finding(_RULES[cause], Problem("", f"{cause}: {text}", cure, consequence))


def _incomplete(titles: Iterable[str]) -> str:
    return f"Checks that were not completed: {', '.join(dict.fromkeys(titles))}."


def _finding(id_: str, problem: Problem) -> Finding:
    rule = find(id_)
    if rule is None:
        raise LookupError(f"rule {id_} is not registered")
    return rule.finding(problem)
