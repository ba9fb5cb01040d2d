"""Explains a job's resource amounts: their derivation, replicas per node, and the capacity of the cluster's groups."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ..catalog import find_instance_type
from ..plural import count
from ..spec.cluster import Cluster
from ..spec.jobs import Job, ReplicaSpec
from .compile import compile_job
from .resources import Share, Step, share
from .room import quantity


def explain(job: Job, cluster: Cluster | None = None) -> str:
    """Returns all derived numbers of a job with their derivation, as text.

    Raises:
        InvalidSpec: the job has errors.

    >>> job = Job(name="train", image="b", instance_type="ml.g5.8xlarge", nodes=2, on_change="replace")
    >>> print(explain(job).splitlines()[1])
      2 replicas, each a whole node of ml.g5.8xlarge, requesting
    """
    return "\n".join(_lines(job, cluster)) + "\n"


def explained(job: Job, cluster: Cluster | None = None) -> dict[str, Any]:
    """Returns the explanation as data: each replica spec with its numbers, and the capacity of nodes and groups.

    Raises:
        InvalidSpec: the job has errors.

    >>> job = Job(name="train", image="b", instance_type="ml.g5.8xlarge", nodes=2, on_change="replace")
    >>> explained(job)["replicas"][0]["per_node"]
    1
    """
    manifest = compile_job(job)["metadata"]
    replicas = []
    for part in job.parts:
        sized, instance_type = share(part, job), find_instance_type(part.instance_type) if part.instance_type else None
        groups = cluster.groups if cluster is not None and instance_type is not None else ()
        replicas.append(
            {
                "name": part.name,
                "count": part.count,
                "spares": part.spares,
                "instance_type": part.instance_type,
                "numbers": [{"name": step.name, "value": step.value, "how": step.how} for step in sized.steps],
                "per_node": sized.per_node,
                "groups": [
                    {
                        "name": group.name,
                        "nodes": group.max_instances,
                        "replicas": group.max_instances * (sized.per_node or 0),
                    }
                    for group in groups
                    if instance_type is not None
                    and instance_type.name in group.types
                    and part.instance_group in (None, group.name)
                ],
            }
        )
    return {
        "kind": job.kind,
        "name": manifest["name"],
        "namespace": manifest["namespace"],
        "queue": job.effective_queue,
        "priority": job.effective_priority,
        "replicas": replicas,
    }


def _lines(job: Job, cluster: Cluster | None) -> Iterator[str]:
    manifest = compile_job(job)["metadata"]
    yield f"{job.kind} {manifest['name']} in namespace {manifest['namespace']}"
    if job.on_change == "new-object":
        yield f"  the name is {job.name} plus a hash of the content, so that an edit creates a new object"
    if job.effective_queue:
        how = f"team {job.team}" if job.team and job.queue is None else "as specified"
        yield f"  waits in queue {job.effective_queue} ({how})"
    if job.effective_priority:
        yield f"  has priority class {job.effective_priority}"
    for part in job.parts:
        yield from _part(job, part, cluster)


def _part(job: Job, part: ReplicaSpec, cluster: Cluster | None) -> Iterator[str]:
    sized = share(part, job)
    name = f" {part.name}:" if job.replica_specs else ""
    spares = f" and {count(part.spares, 'spare')}" if part.spares else ""
    where = f" of {part.instance_type}" if part.instance_type else ""
    what = "each a part of a node" if part.is_partial else "each a whole node" if where else "on any node"
    yield f" {name} {count(part.count, 'replica')}{spares}, {what}{where}, requesting"
    if not sized.steps:
        yield "    nothing: set instance_type, or vcpu and memory_gib"
        return
    limits = [
        Step(f"limit {key}", str(value), _limit_how(part, key))
        for key, value in sized.limits.items()
        if key in ("cpu", "memory")
    ]
    steps = [*sized.steps, *limits]
    names, values = (max(len(getattr(step, field)) for step in steps) for field in ("name", "value"))
    for step in steps:
        yield f"    {step.name:<{names}}  {step.value:>{values}}  {step.how}"
    yield from _totals(part, sized)
    yield from _capacity(part, sized, cluster)


def _limit_how(part: ReplicaSpec, key: str) -> str:
    stated = part.vcpu_limit if key == "cpu" else part.memory_limit_gib
    return "as specified" if stated is not None else "the amount requested"


def _totals(part: ReplicaSpec, sized: Share) -> Iterator[str]:
    totals = []
    for name, value, unit in (("vCPU", sized.vcpu, ""), ("memory", sized.memory_gib, "Gi")):
        if value is not None:
            totals.append(f"{quantity(value * part.count, unit)} {name}")
    if sized.accelerators:
        total = round(sized.accelerators * part.count, 2)
        totals.append(f"{quantity(total)} accelerator{'' if total == 1 else 's'}")
    if sized.efa:
        totals.append(f"{sized.efa * part.count} EFA")
    yield f"    total: {', '.join(totals)}"


def _capacity(part: ReplicaSpec, sized: Share, cluster: Cluster | None) -> Iterator[str]:
    instance_type = find_instance_type(part.instance_type) if part.instance_type else None
    if instance_type is None or sized.per_node is None:
        return
    yield f"    {count(sized.per_node, 'replica')} per node{_used_accelerators(sized, part)}"
    for group in cluster.groups if cluster is not None else ():
        if instance_type.name in group.types and part.instance_group in (None, group.name):
            nodes = group.max_instances
            yield (
                f"    group {group.name} ({count(nodes, 'node')}) can run {count(nodes * sized.per_node, 'replica')}"
            )


def _used_accelerators(sized: Share, part: ReplicaSpec) -> str:
    if not part.is_partial or sized.per_node is None:
        return ""
    used = sized.accelerators * sized.per_node
    return f", which use {quantity(round(used, 2))} of its accelerators" if used > Decimal() else ""
