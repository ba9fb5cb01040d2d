"""A job: the derivation of its resource amounts, the nodes that it uses, and how many replicas fit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ..catalog import find_instance_type
from ..findings import Finding, errors
from ..jobs.compile import compile_job
from ..jobs.resources import Share, share
from ..jobs.room import quantity
from ..plural import count
from ..spec.groups import InstanceGroup, RestrictedInstanceGroup
from ..spec.jobs import Job, ReplicaSpec
from ..spec.platform import Platform
from .canvas import Canvas
from .model import Block, Code, Content, Drawing, Figures, Notice, Paragraph, Part, Section, code, table
from .overview import findings as findings_section
from .subject import Subject

_WIDTH = 980.0


def section(subject: Subject) -> Section | None:
    """Returns the section of a platform's jobs, or None if it has no jobs."""
    jobs = subject.platform.completed_jobs
    if not jobs:
        return None
    head = ("Job", "Kind", "Namespace", "Replicas", "Requests of a replica", "Replicas per node", "Capacity")
    rows: list[tuple[Content, ...]] = []
    for job in jobs:
        for part in job.parts:
            sized = share(part, job)
            rows.append(
                (
                    job.name,
                    job.kind,
                    code(job.effective_namespace),
                    str(part.count),
                    _requests(sized),
                    count(sized.per_node, "replica") if sized.per_node else "unknown",
                    _capacity(part, sized, subject.platform),
                )
            )
    note = "The report of a job shows the derivation of each number: hyperpod report CONFIG --job FILE."
    return Section("jobs", "Jobs", (*table("Jobs", head, rows, numbers=[3], folded=len(rows) > 12), Paragraph(note)))


def _requests(sized: Share) -> str:
    return ", ".join(f"{key.rpartition('/')[2]} {value}" for key, value in sized.requests.items()) or "nothing"


def _capacity(part: ReplicaSpec, sized: Share, platform: Platform) -> str:
    found = [f"{group.name}: {_fit(group, part, sized)}" for group in groups_for(part, platform)]
    return "; ".join(found) or "no group has this instance type"


def _fit(group: InstanceGroup | RestrictedInstanceGroup, part: ReplicaSpec, sized: Share) -> str:
    if not sized.per_node:
        return "unknown"
    total = group.max_instances * sized.per_node
    jobs = total // max(1, part.count)
    return f"{count(total, 'replica')}, {count(jobs, 'job of this size', 'jobs of this size')} at a time"


def groups_for(part: ReplicaSpec, platform: Platform | None) -> list[InstanceGroup | RestrictedInstanceGroup]:
    """Returns the groups whose nodes a replica can use."""
    return [
        group
        for group in (platform.cluster.groups if platform is not None else ())
        if part.instance_type in group.types and part.instance_group in (None, group.name)
    ]


# ---- the report of one job ----


def job_part(job: Job, platform: Platform | None, found: Sequence[Finding], *, id: str) -> Part:
    """Returns the report of a job; `platform` is the cluster that it runs on, if known."""
    completed = platform.governance.completed(job) if platform and platform.governance else job
    sections = [findings_section(found)]
    if not errors(found):
        sections = [
            _overview(completed),
            *sections,
            *_numbers(completed),
            _usage(completed, platform),
            _manifest(completed),
        ]
    where = f"on the cluster of {platform.name}" if platform else "without a cluster"
    subtitle = f"{job.kind} in namespace {job.effective_namespace}, {where}"
    return Part(id, f"Job {job.name}", subtitle, tuple(sections))


def _overview(job: Job) -> Section:
    replicas = sum(part.count for part in job.parts)
    sizes = [(part, share(part, job)) for part in job.parts]
    devices = sum((sized.accelerators * part.count for part, sized in sizes), Decimal())
    efa = sum(sized.efa * part.count for part, sized in sizes)
    items = (
        (
            "Replicas",
            f"{replicas:,}",
            f"of {', '.join(dict.fromkeys(part.instance_type or 'any node' for part in job.parts))}",
        ),
        ("Accelerators", quantity(round(devices, 2)), "total"),
        ("EFA interfaces", f"{efa:,}", "total"),
        ("Queue", job.effective_queue or "none", f"priority {job.effective_priority or 'not set'}"),
        ("On change", job.on_change, ""),
    )
    return Section("overview", "Overview", (Figures(items), Paragraph(f"Image: {job.image}")))


def _numbers(job: Job) -> Iterator[Section]:
    blocks: list[Block] = []
    for part in job.parts:
        sized = share(part, job)
        rows: list[tuple[Content, ...]] = [(code(step.name), step.value, step.how) for step in sized.steps]
        rows += [(code(f"limit {key}"), str(value), "container limit") for key, value in sized.limits.items()]
        blocks += table(
            f"Replica spec {part.name}: {count(part.count, 'replica')}",
            ("Resource", "Value", "Derivation"),
            rows,
            numbers=[1],
            empty=f"Replica spec {part.name} requests nothing: set instance_type, or vcpu and memory_gib.",
        )
    yield Section("numbers", "Derivation of resource amounts", tuple(blocks))


def _usage(job: Job, platform: Platform | None) -> Section:
    blocks: list[Block] = []
    for number, part in enumerate(job.parts):
        sized = share(part, job)
        if sized.per_node:
            blocks.append(_drawing(job, part, sized, platform, f"takes-{number}"))
    rows: list[tuple[Content, ...]] = []
    for part in job.parts:
        sized = share(part, job)
        for group in groups_for(part, platform):
            nodes = -(-part.count // sized.per_node) if sized.per_node else 0
            rows.append((part.name, group.name, f"{nodes} of {group.max_instances}", _fit(group, part, sized)))
    head = ("Replica spec", "Group", "Nodes used", "Capacity of the group")
    empty = "" if platform is None else "No group of the cluster has the instance type of the job."
    blocks += table("Usage of the cluster if the whole job runs in one group", head, rows, numbers=[2], empty=empty)
    if platform is None:
        blocks.append(
            Notice("No cluster is specified, so the capacity of its groups is unknown: also specify a config.")
        )
    return Section("takes", "Nodes and replicas", tuple(blocks))


def _drawing(job: Job, part: ReplicaSpec, sized: Share, platform: Platform | None, id: str) -> Drawing:
    """Draws one node with its replicas, and each group with the nodes that the job uses."""
    canvas, per_node = Canvas(), sized.per_node or 1
    instance_type = find_instance_type(part.instance_type or "")
    title = f"Replica spec {part.name} on {part.instance_type}"
    canvas.text(4, 16, f"One node of {part.instance_type}: {count(per_node, 'replica')}", "strong", width=_WIDTH)
    canvas.describe(0, f"one node of {part.instance_type}, {count(per_node, 'replica')}: {_requests(sized)} each")
    shown = min(per_node, 16)
    width = (_WIDTH - 8) / shown
    for number in range(shown):
        canvas.box(2 + number * width, 26, width - 4, 40, "share s0", f"replica {number + 1}: {_requests(sized)}")
        canvas.text(
            2 + number * width + 8, 51, _requests(sized) if shown < 5 else str(number + 1), "on", width=width - 16
        )
    if instance_type and instance_type.accelerator:
        used = quantity(round(sized.accelerators * per_node, 2))
        summary = f"{used} of {instance_type.accelerator.count} {instance_type.accelerator.model} of the node are used"
        canvas.text(4, 86, summary, "small", width=_WIDTH)
        canvas.describe(0, summary)
    y = 98.0
    for group in groups_for(part, platform):
        nodes = -(-part.count // per_node)
        label = (
            f"group {group.name}: {nodes} of {count(group.max_instances, 'node')} for {count(part.count, 'replica')}"
        )
        label += f"; {_fit(group, part, sized)}"
        canvas.text(4, y + 14, label, "small", width=_WIDTH)
        canvas.describe(0, label)
        scale = (_WIDTH - 4) / max(group.max_instances, nodes, 1)
        canvas.box(2, y + 20, max(2.0, group.max_instances * scale), 22, "bar-room", count(group.max_instances, "node"))
        canvas.box(
            2,
            y + 20,
            nodes * scale,
            22,
            "bar over" if nodes > group.max_instances else "bar",
            f"{count(nodes, 'node')} of the job",
        )
        y += 54
    desc = f"{title}: {count(part.count, 'replica')}, {count(per_node, 'replica')} per node."
    return canvas.drawing(
        id,
        title,
        desc,
        _WIDTH,
        y,
        [("share s0", "a replica"), ("bar", "nodes of the job"), ("bar-room", "nodes of the group")],
    )


def _manifest(job: Job) -> Section:
    text = json.dumps(compile_job(job), indent=2)
    return Section("manifest", "Manifest", (Code("Manifest as applied", text),))
