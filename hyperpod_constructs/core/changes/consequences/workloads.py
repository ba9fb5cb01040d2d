"""Edits of governance and of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...jobs import compile_job
from ...node_pools import not_disrupted
from ...spec.base import Change
from ...spec.jobs import Job
from ..edit import Edit, edit
from .members import removed
from .registry import Versions, on


@on("governance")
def _governance(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if before is None:
        yield edit(path, Change.IN_PLACE, before, after, "the cluster policy and the teams are added")
        return
    if after is None:
        yield edit(path, Change.DRAINS, before, None, "the cluster policy is removed",
                   impact="priorities and fair share no longer apply; queued workloads wait or fail")  # fmt: skip
        for index, team in enumerate(before.teams):
            yield from removed(versions, f"{path}.teams[{index}]", team, team.name)
        return
    from ..configs import Walk

    yield from Walk(versions).compared(path, before, after)


@on("governance.through")
def _through(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    impact = "CloudFormation rejects changing the type of a resource in place"
    yield edit(path, Change.REFUSED, before, after, impact=impact,
               advice="remove governance in one deployment, and add it with the new value in the next")  # fmt: skip


@on("governance.teams[].quota", "governance.teams[].borrow_limits", "governance.teams[].borrow_limit")
def _quota(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    def total(value: Any) -> dict[str, float]:
        if not isinstance(value, tuple):
            return {"": float(value) if value is not None else 0.0}
        fields = ("count", "accelerators", "vcpu", "memory_gib", "mig_count")
        return {f"{quota.instance_type} {name}": float(getattr(quota, name) or 0) for quota in value for name in fields}

    old, new = total(before), total(after)
    less = any(new.get(key, 0.0) < amount for key, amount in old.items())
    impact = "running work beyond the smaller quota may be preempted" if less else ""
    yield edit(path, Change.DRAINS if less else Change.IN_PLACE, before, after, impact=impact)


@on("jobs[]")
def _job(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    old, new = _manifest(before), _manifest(after)
    if old is not None and old == new:
        return  # a default value is now set, or the file has another structure
    fields = [name for name in type(after).model_fields if getattr(before, name, None) != getattr(after, name)]
    yield _restarted(
        path, before, after, f'{", ".join(fields)} of "{after.name}" {"changes" if len(fields) == 1 else "change"}'
    )


def followed_jobs(versions: Versions) -> Iterator[Edit]:
    """Reports jobs that are the same in both configs, and whose manifests change with the cluster."""
    old_jobs = {(job.kind, job.effective_namespace, job.name): job for job in versions.old.jobs}
    for index, job in enumerate(versions.new.jobs):
        before = old_jobs.get((job.kind, job.effective_namespace, job.name))
        if before != job:
            continue
        then, now = (not_disrupted(job, platform.cluster) for platform in (versions.old, versions.new))
        if then != now:
            message = f'the manifest of "{job.name}" changes: Karpenter is {"enabled" if now != job else "disabled"}'
            yield _restarted(f"jobs[{index}]", then.annotations, now.annotations, message, job)


def _restarted(path: str, before: Any, after: Any, message: str, job: Job | None = None) -> Edit:
    """Returns the edit of a job whose manifest changes: if it runs, it is stopped, unless on_change is refuse."""
    job = job or after
    assert job is not None
    if job.on_change == "refuse":
        return edit(path, Change.REFUSED, before, after, message, impact="on_change: refuse fails the deployment",
                    advice="rename the job, or change on_change")  # fmt: skip
    impact = {
        "new-object": "a new job is created, then the old one is deleted: if it runs, it is stopped",
        "replace": "the old job is deleted: if it runs, it is stopped; then the new one is created",
    }[job.on_change]
    return edit(path, Change.DRAINS, before, after, message, impact=impact,
                advice="wait until it has finished, or rename the new one to keep both")  # fmt: skip


def _manifest(job: Job) -> Mapping[str, Any] | None:
    try:
        return compile_job(job)
    except ValueError:  # the job has errors, which `validate` reports
        return None
