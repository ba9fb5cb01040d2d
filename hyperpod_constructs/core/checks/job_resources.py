"""HP71x and HP72x: what a job asks of its nodes. What is stated is honoured or refused with the numbers, never trimmed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ..catalog import InstanceType
from ..findings import Severity
from ..jobs.resources import beside, exact, job_size, mig_per_node, quantity, share, usable, wants_efa_preset
from ..spec.jobs import Job, Replica
from .job_rule import FORMULA, KUBERNETES, example, opaque, parts
from .registry import Problem, rule

P5 = "instance_type: ml.p5.48xlarge"


@rule(
    "HP710",
    title="A job's instance type is one of HyperPod's",
    why="No node carries that label, so the pods stay pending.",
    cure="take a type of the cluster's instance groups, with its ml. prefix",
    source="HyperPod API: the instance types it takes",
    wrong=example("instance_type: ml.p5.48xlage"),
    right=example(P5),
)
def instance_types(job: Job) -> Iterator[Problem]:
    from ..catalog import UnknownName, instance_type

    for prefix, part, kind in parts(job):
        if kind is None and part.instance_type is not None and not opaque(part.instance_type):
            try:
                instance_type(part.instance_type)
            except UnknownName as unknown:
                cure = f"did you mean {unknown.suggestion!r}?" if unknown.suggestion else None
                yield Problem(f"{prefix}instance_type", str(unknown).partition(";")[0], cure)


@rule(
    "HP711",
    title="What depends on the node is asked for with an instance type",
    why="Without it nobody knows which accelerators are meant, and the pods could land on any node.",
    cure="state instance_type",
    source=FORMULA,
    wrong=example("accelerators: 4"),
    right=example(f"{P5}, accelerators: 4"),
)
def needs_type(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        if part.instance_type is not None:
            if part.node_selector.get("node.kubernetes.io/instance-type", part.instance_type) != part.instance_type:
                yield Problem(f"{prefix}node_selector", f"names another type than instance_type {part.instance_type!r}")
            continue
        devices = [name for name in ("accelerators", "mig_profile", "mig_count", "efa") if getattr(part, name)]
        for name in devices:
            yield Problem(f"{prefix}{name}", f"is {getattr(part, name)} but no instance_type is stated")
        if not devices and not part.is_partial:
            message = "requests no resources: the pods may land on any node, together with others"
            yield Problem(prefix.removesuffix("."), message, severity=Severity.WARNING)


@rule(
    "HP712",
    title="A job takes whole nodes or parts of them",
    why="It is unclear what is meant, and one of the two would be lost.",
    cure="use `nodes` alone for whole nodes, or `replicas` with accelerators, vcpu or memory_gib for parts",
    source=FORMULA,
    wrong=example(f"{P5}, nodes: 2, accelerators: 4"),
    right=example(f"{P5}, replicas: 2, accelerators: 4"),
)
def nodes_or_parts(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        if part.nodes is None:
            continue
        if part.replicas is not None:
            yield Problem(f"{prefix}replicas", f"is {part.replicas}, and nodes is {part.nodes}")
        for name in ("accelerators", "vcpu", "memory_gib", "mig_profile"):
            if getattr(part, name) is not None:
                message = (
                    f"{name} {getattr(part, name)} asks for a part of a node, and nodes: {part.nodes} for whole ones"
                )
                yield Problem(f"{prefix}{name}", message)


@rule(
    "HP713",
    title="Accelerators are asked of types that have them, and no more than they have",
    why="No node can ever hold such a pod.",
    cure="ask for what one node has; several nodes are several replicas",
    source="HyperPod instance types",
    wrong=example(f"{P5}, accelerators: 16"),
    right=example(f"{P5}, replicas: 2, accelerators: 8"),
)
def accelerators(job: Job) -> Iterator[Problem]:
    for prefix, part, kind in parts(job):
        if part.accelerators is None or kind is None:
            continue
        if kind.accelerator is None:
            message = f"is {part.accelerators}, but {kind.name} has no accelerators"
            yield Problem(f"{prefix}accelerators", message, "remove it, or choose a GPU or Trainium type")
        elif part.accelerators > kind.accelerator.count:
            message = f"is {part.accelerators}, but {kind.name} has {kind.accelerator.count} x {kind.accelerator.model}"
            yield Problem(f"{prefix}accelerators", message)


@rule(
    "HP714",
    title="vCPU and memory fit the part of a node that pods can use",
    why="The scheduler never finds a node for such a pod.",
    cure="ask for less, or leave it out to get the share that fits",
    source=FORMULA,
    wrong=example(f"{P5}, vcpu: 300"),
    right=example(f"{P5}, vcpu: 150"),
)
def capacity(job: Job) -> Iterator[Problem]:
    other = dict(zip(("vcpu", "memory_gib"), beside(job), strict=True))
    for prefix, part, kind in parts(job):
        if kind is None:
            continue
        sized = share(part, job)
        for field, unit, derived in (("vcpu", "vCPU", sized.vcpu), ("memory_gib", "GiB", sized.memory_gib)):
            total = getattr(kind, field)
            room, stated = usable(field, total), getattr(part, field)
            less = f"{quantity(total)} less {quantity(exact(total) - room)}"
            has = f"{kind.name} has {quantity(room)} {unit} for pods ({less})"
            if stated is not None and exact(stated) + other[field] > room:
                more = f" and the other containers' {quantity(other[field])}" if other[field] else ""
                yield Problem(
                    f"{prefix}{field}", f"is {quantity(stated)}{more}, but {has}", f"state {_most(room - other[field])}"
                )
            elif stated is None and other[field] and (derived or 0) <= 0:
                message = f"the containers beside the main one take {quantity(other[field])} {unit}, but {has}"
                yield Problem(f"{prefix}{field}", message, "leave something to the main container")
        yield from _limits_fit(prefix, part, kind)


def _limits_fit(prefix: str, part: Replica, kind: InstanceType) -> Iterator[Problem]:
    for field, unit, total in (("vcpu_limit", "vCPU", kind.vcpu), ("memory_limit_gib", "GiB", kind.memory_gib)):
        stated = getattr(part, field)
        if stated is not None and stated > total:
            yield Problem(f"{prefix}{field}", f"is {quantity(stated)}, but {kind.name} has {quantity(total)} {unit}")


def _most(room: Decimal) -> str:
    return f"{quantity(max(Decimal(), room.quantize(Decimal(1), rounding='ROUND_FLOOR')))} at most"


@rule(
    "HP715",
    title="A limit is no less than the request",
    why="Kubernetes refuses the pods.",
    cure="raise the limit, or state a smaller request",
    source=KUBERNETES,
    wrong=example("instance_type: ml.g5.8xlarge, memory_limit_gib: 64"),
    right=example("instance_type: ml.g5.8xlarge, memory_gib: 64, memory_limit_gib: 64"),
)
def limits(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        sized = share(part, job)
        for field, request in (("vcpu", sized.vcpu), ("memory", sized.memory_gib)):
            name = "vcpu_limit" if field == "vcpu" else "memory_limit_gib"
            limit = getattr(part, name)
            if limit is not None and request is not None and exact(limit) < request:
                stated = getattr(part, "vcpu" if field == "vcpu" else "memory_gib") is not None
                how = "stated" if stated else "a whole node's share" if not part.is_partial else "derived"
                yield Problem(
                    f"{prefix}{name}", f"is {quantity(limit)}, below the request of {quantity(request)} ({how})"
                )


@rule(
    "HP716",
    title="A MIG partition is one that the type has, counted, and fits a node",
    why="No node offers such partitions, so the pods stay pending.",
    cure="state mig_profile and mig_count, without accelerators",
    source="NVIDIA MIG profiles by instance type (sagemaker-hyperpod 3.12.0)",
    wrong=example(f"{P5}, mig_profile: mig-1g.5gb, mig_count: 2"),
    right=example(f"{P5}, mig_profile: mig-1g.10gb, mig_count: 2"),
)
def partitions(job: Job) -> Iterator[Problem]:
    for prefix, part, kind in parts(job):
        profile, count = part.mig_profile, part.mig_count
        if (profile is None) != (count is None):
            missing, there = ("mig_count", "mig_profile") if count is None else ("mig_profile", "mig_count")
            yield Problem(f"{prefix}{there}", f"is given without {missing}", f"state {missing}")
            continue
        if profile is None or count is None or opaque(profile):
            continue
        if part.accelerators is not None:
            yield Problem(
                f"{prefix}mig_profile", f"stands beside accelerators: {part.accelerators}", "keep one of the two"
            )
        if kind is None:
            continue
        if profile not in kind.mig_profiles:
            known = ", ".join(kind.mig_profiles) or "none"
            yield Problem(f"{prefix}mig_profile", f"{kind.name} has no {profile!r}", f"{kind.name} has {known}")
        elif count > (most := mig_per_node(profile, kind)):
            yield Problem(f"{prefix}mig_count", f"is {count}, but a node of {kind.name} holds {most} x {profile}")


@rule(
    "HP717",
    title="EFA interfaces are asked of types that have them, and no more than they have",
    why="No node can ever hold such a pod.",
    cure="leave efa out to get the share that fits, or state 0 for none",
    source="HyperPod instance types",
    wrong=example("instance_type: ml.g5.2xlarge, efa: 1"),
    right=example("instance_type: ml.g5.8xlarge, efa: 1"),
)
def efa(job: Job) -> Iterator[Problem]:
    for prefix, part, kind in parts(job):
        if not part.efa or kind is None:
            continue
        if not kind.supports_efa:
            yield Problem(f"{prefix}efa", f"is {part.efa}, but {kind.name} has no EFA")
        elif kind.efa_interfaces is None:
            message = f"is {part.efa}; how many {kind.name} has no source says for certain"
            yield Problem(f"{prefix}efa", message, "check a node's allocatable resources", severity=Severity.NOTE)
        elif part.efa > kind.efa_interfaces:
            yield Problem(f"{prefix}efa", f"is {part.efa}, but {kind.name} has {kind.efa_interfaces}")


@rule(
    "HP718",
    title="Shared memory fits the memory limit",
    why="/dev/shm counts towards the memory limit: a job that fills it is killed.",
    cure="state a smaller shared_memory_gib, or `auto` for half of the memory",
    source="Kubernetes: emptyDir with medium Memory",
    wrong=example("instance_type: ml.g5.8xlarge, shared_memory_gib: 200"),
    right=example("instance_type: ml.g5.8xlarge, shared_memory_gib: auto"),
    certain=False,
)
def shared_memory(job: Job) -> Iterator[Problem]:
    size: Any = job.shared_memory_gib
    if size is None or size == "auto":
        return
    if size <= 0:
        yield Problem("shared_memory_gib", f"is {size:g}, which is no size")
    for _, part, _ in parts(job):
        memory = share(part, job).memory_gib
        limit = exact(part.memory_limit_gib) if part.memory_limit_gib is not None else memory
        if limit is not None and exact(size) > limit:
            yield Problem(
                "shared_memory_gib", f"is {quantity(size)} GiB, above the memory limit of {quantity(limit)} GiB"
            )


@rule(
    "HP719",
    title="A Trainium job says which resource name it requests",
    severity=Severity.NOTE,
    why="A device plugin that advertises another name leaves the pods pending.",
    cure="nothing to do if the nodes advertise it; else state neuron_resource",
    source="HyperPod: the Neuron device plugin's names; the official CLI requests neurondevice, its guide's example neuron",
    wrong=example("instance_type: ml.trn1.32xlarge"),
    right=example(P5),
)
def neuron(job: Job) -> Iterator[Problem]:
    for prefix, part, kind in parts(job):
        path = f"{prefix}neuron_resource"
        if kind is None:
            continue
        if not kind.is_neuron:
            if "neuron_resource" in job.model_fields_set:
                cure = "remove it"
                yield Problem(path, f"{kind.name} has no Trainium chips", cure, severity=Severity.WARNING)
            continue
        yield Problem(path, f"requests aws.amazon.com/{part.neuron_resource}")
        if part.neuron_resource == "neuroncore" and kind.family != "trn1" and kind.family != "trn1n":
            message = f"counts physical cores; how many {kind.name} advertises depends on its logical core setting"
            cure = "check a node's allocatable resources, or use neurondevice"
            yield Problem(path, message, cure, severity=Severity.WARNING)


@rule(
    "HP720",
    title="A job over several EFA nodes uses EFA",
    severity=Severity.WARNING,
    why="Training between nodes falls back to TCP, many times slower.",
    cure="leave `efa` out, or take whole nodes",
    source="AWS documentation of EFA on EKS; aws/sagemaker-hyperpod-cli issue 306",
    wrong=example(f"{P5}, nodes: 2, efa: 0"),
    right=example(f"{P5}, nodes: 2"),
)
def uses_efa(job: Job) -> Iterator[Problem]:
    if job_size(job) < 2:
        return
    for prefix, part, kind in parts(job):
        whole = kind is not None and kind.accelerator is not None and kind.supports_efa
        if whole and kind is not None and (part.nodes or 0) > 1 and share(part, job).efa == 0:
            has = kind.efa_interfaces if kind.efa_interfaces is not None else "some, but no source says how many"
            yield Problem(f"{prefix}efa", f"no EFA for {part.nodes} nodes of {kind.name}, which has {has}")
    if job.efa_preset and not any(wants_efa_preset(part, job) for _, part, _ in parts(job)):
        yield Problem("efa_preset", "does nothing: the job's nodes have no EFA or it is switched off")


@rule(
    "HP721",
    title="The patch leaves the resources alone",
    severity=Severity.WARNING,
    why="The numbers are then not those that were checked and explained.",
    cure="state accelerators, vcpu, memory_gib or efa instead",
    source="This project: the compiler's numbers are what is applied",
    wrong=example("patch: {spec: {containers: [{name: pytorch-job-container, resources: {limits: {cpu: 4}}}]}}"),
    right=example("patch: {spec: {runtimeClassName: nvidia}}"),
)
def patched(job: Job) -> Iterator[Problem]:
    spec = job.patch.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    for index, one in enumerate(containers if isinstance(containers, list | tuple) else ()):
        if isinstance(one, dict) and "resources" in one:
            yield Problem(f"patch.spec.containers[{index}].resources", "changes the resources of a container")
