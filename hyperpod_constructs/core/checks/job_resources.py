"""HP71x and HP72x: resources that a job requests. Configured values are used or rejected, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ..catalog import InstanceType, find_instance_type, label
from ..catalog._files import load
from ..findings import Severity
from ..jobs.devices import accelerator_name, mig_per_node, named_types
from ..jobs.resources import has_all_accelerators, job_size, memory_limit, other_containers, share, uses_efa_preset
from ..jobs.room import exact, number, offered, quantity, usable
from ..plural import count
from ..spec.jobs import Job, Replica
from .job_rule import FORMULA, KUBERNETES, example, opaque, parts
from .registry import Problem, rule

P5 = "instance_type: ml.p5.48xlarge"


@rule(
    "HP710",
    title="A job's instance type is supported by HyperPod.",
    why="No node has this instance type, and the pods stay pending.",
    cure="Use a type of the cluster's instance groups, with its ml. prefix.",
    source="HyperPod API: the instance types that it supports",
    wrong=example("instance_type: ml.p5.48xlage"),
    right=example(P5),
)
def instance_types(job: Job) -> Iterator[Problem]:
    from ..catalog import UnknownName, instance_type

    for prefix, part, known in parts(job):
        if known is None and part.instance_type is not None and not opaque(part.instance_type):
            try:
                instance_type(part.instance_type)
            except UnknownName as unknown:
                cure = f"Did you mean {unknown.suggestion!r}?" if unknown.suggestion else None
                yield Problem(f"{prefix}instance_type", str(unknown).partition(";")[0], cure)


@rule(
    "HP711",
    title="Requests that depend on the node specify an instance type.",
    severity=Severity.WARNING,
    why="The nodes of the pods are not specified, and the requests are not checked against an instance type.",
    cure="Set instance_type, or accelerator_resource for the kind of devices.",
    source=FORMULA,
    wrong=example("accelerators: 4"),
    right=example(f"{P5}, accelerators: 4"),
)
def needs_type(job: Job) -> Iterator[Problem]:
    key = label("instance_type").key
    for prefix, part, _ in parts(job):
        if part.instance_type is not None:
            if part.node_selector.get(key, part.instance_type) != part.instance_type:
                message = f"{key} is {part.node_selector[key]!r}, but instance_type is {part.instance_type!r}"
                why = "Both set one label of the node selector, and one of them would be ignored."
                yield Problem(f"{prefix}node_selector", message, f"Remove {key}.", why, Severity.ERROR)
            continue
        if named_types(part, part.affinity):
            continue
        devices = [name for name in ("accelerators", "mig_profile", "mig_count", "efa") if getattr(part, name)]
        if not part.accelerator_resource:
            for name in devices:
                stated: Any = getattr(part, name)
                what = count(stated, _UNITS[name]) if name in _UNITS else str(stated)
                what += f" of {accelerator_name(part)}" if name == "accelerators" else ""
                cure = None if name == "accelerators" else "Set instance_type."
                yield Problem(f"{prefix}{name}", f"{what}, but no instance type is set", cure)
        if not devices and not part.is_partial:
            message = "requests no resources: the pods may run on any node, together with others"
            yield Problem(prefix.removesuffix("."), message, "Set instance_type, or vcpu and memory_gib.")


_UNITS = {"mig_count": "partition", "efa": "EFA interface"}


@rule(
    "HP712",
    title="A job uses whole nodes or parts of nodes.",
    why="The settings conflict, and one of them would be ignored.",
    cure="Set only `nodes` for whole nodes, or `replicas` with accelerators, vcpu or memory_gib for parts of nodes.",
    source=FORMULA,
    wrong=example(f"{P5}, nodes: 2, accelerators: 4"),
    right=example(f"{P5}, replicas: 2, accelerators: 4"),
)
def nodes_or_parts(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        if part.nodes is None:
            continue
        if part.replicas is not None:
            yield Problem(f"{prefix}replicas", f"conflicts with nodes: {part.nodes}")
        for name in ("accelerators", "vcpu", "memory_gib", "mig_profile"):
            if getattr(part, name) not in (None, "none"):
                value: Any = getattr(part, name)
                request = f"{value if isinstance(value, str) else format(value, 'g')} requests a part of a node"
                yield Problem(f"{prefix}{name}", f"{request}, but nodes: {part.nodes} requests whole nodes")


@rule(
    "HP713",
    title="Accelerators are requested for types that have them, up to the number per node.",
    why="No node can run such a pod.",
    cure="Request at most what one node has; use several replicas for several nodes.",
    source="HyperPod instance types",
    wrong=example(f"{P5}, accelerators: 16"),
    right=example(f"{P5}, replicas: 2, accelerators: 8"),
)
def accelerators(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        named = map(find_instance_type, named_types(part, part.affinity))
        types = [known for known in named if known is not None]
        if part.accelerators is None or not types:
            continue
        names = " and ".join(known.name for known in types)
        node_type = max(types, key=lambda known: known.accelerator.count if known.accelerator else 0)
        counts_chips = part.accelerator_resource is None
        if node_type.accelerator is None:
            have = "has" if len(types) == 1 else "have"
            message = f"{count(part.accelerators, 'accelerator')}, but {names} {have} none"
            yield Problem(f"{prefix}accelerators", message, "Remove it, or use a GPU or Trainium type.")
        elif part.accelerators > node_type.accelerator.count and counts_chips:
            has = f"{node_type.accelerator.count} x {node_type.accelerator.model}"
            message = f"{part.accelerators} accelerators, but {node_type.name} has {has}"
            yield Problem(f"{prefix}accelerators", message)


@rule(
    "HP714",
    title="Requests of vCPUs, memory and huge pages fit in the allocatable resources of a node.",
    why="The scheduler finds no node for such a pod.",
    cure="Request less, or remove the request to use the node's share.",
    source=f"{FORMULA}; Amazon EKS AMI: what its nodes reserve",
    wrong=example(f"{P5}, vcpu: 300"),
    right=example(f"{P5}, vcpu: 150"),
)
def capacity(job: Job) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        if node_type is None:
            continue
        other = dict(zip(("vcpu", "memory_gib"), other_containers(part), strict=True))
        sized = share(part, job)
        pages = exact(part.hugepages_2mi_mib or 0) / 1024
        for field, unit, derived in (("vcpu", "vCPU", sized.vcpu), ("memory_gib", "GiB", sized.memory_gib)):
            more = pages if field == "memory_gib" else Decimal()
            stated = number(getattr(part, field))
            needs = (derived or Decimal()) + other[field] + more
            if stated is None and other[field] and getattr(part, field) is None and (derived or 0) <= 0:
                room = usable(field, getattr(node_type, field))
                message = f"the other containers use {quantity(other[field])} {unit}, but "
                message += f"{node_type.name} has {quantity(room)} {unit} for pods"
                yield Problem(f"{prefix}{field}", message, "Reduce the requests of the sidecars.")
            elif stated is not None or more:
                yield from _fits(prefix, part, node_type, field, unit, needs, other[field], more)
        yield from _limits_fit(prefix, part, node_type)


def _fits(
    prefix: str,
    part: Replica,
    node_type: InstanceType,
    field: str,
    unit: str,
    needs: Decimal,
    other: Decimal,
    pages: Decimal,
) -> Iterator[Problem]:
    """A request compared with the estimate and with the maximum that a kubelet can offer."""
    total = getattr(node_type, field)
    room, maximum = usable(field, total), offered(field, node_type)
    allocatable = quantity(round(maximum, 2))
    stated = number(getattr(part, field))
    path = f"{prefix}{field}" if stated is not None else f"{prefix}hugepages_2mi_mib"
    requested = f"{quantity(stated)} {unit}" if stated is not None else f"{part.hugepages_2mi_mib} MiB"
    other_requests = [f"{quantity(other)} for the other containers"] if other else []
    if pages and stated is not None:
        other_requests.append(f"{quantity(round(pages, 2))} for huge pages")
    more = "".join(f" plus {resource}" for resource in other_requests)
    if needs > maximum:
        has = f"{node_type.name} has {quantity(total)} {unit}, of which at most {allocatable} are allocatable"
        cure = f"Use {_maximum(room - other - pages)}." if stated is not None else "Request fewer huge pages."
        yield Problem(path, f"{requested}{more}, but {has}", cure)
    elif needs > room and stated is not None:
        less = f"{quantity(total)} minus {quantity(exact(total) - room)}"
        estimate = f"the estimate for {node_type.name}: {quantity(room)} {unit} for pods ({less})"
        why = (
            f"A kubelet of the EKS AMI offers up to {allocatable} {unit}, minus the requests of "
            "DaemonSets: the pods may stay pending."
        )
        cure = f"Use {_maximum(room - other - pages)}, or check a node's allocatable resources."
        yield Problem(path, f"{requested}{more} exceeds {estimate}", cure, why, Severity.WARNING)


def _limits_fit(prefix: str, part: Replica, node_type: InstanceType) -> Iterator[Problem]:
    for field, unit, total in (
        ("vcpu_limit", "vCPU", node_type.vcpu),
        ("memory_limit_gib", "GiB", node_type.memory_gib),
    ):
        stated = number(getattr(part, field))
        if stated is not None and stated > total:
            message = f"{quantity(stated)} {unit} exceeds the {quantity(total)} {unit} of {node_type.name}"
            cure = f"Use at most {quantity(total)}, or remove the limit."
            yield Problem(f"{prefix}{field}", message, cure, "No node can provide what the limit allows.")


def _maximum(room: Decimal) -> str:
    return f"at most {quantity(max(Decimal(), room.quantize(Decimal(1), rounding='ROUND_FLOOR')))}"


@rule(
    "HP731",
    title="A replica with all accelerators of its node can use the node's memory.",
    severity=Severity.WARNING,
    why="The kernel kills a process of the pod when the pod reaches its limit, although memory of the node "
    "is free, and a pod far above its request is evicted first.",
    cure="Remove memory_gib to use the node's share, or set memory_limit_gib: none.",
    source="Kubernetes: memory limits and node-pressure eviction; AWS examples for 70B models request 32000Mi, no limit",
    wrong=example(f"{P5}, replicas: 2, accelerators: 8, memory_gib: 31.25, memory_limit_gib: 31.25"),
    right=example(f"{P5}, nodes: 2"),
)
def small_memory(job: Job) -> Iterator[Problem]:
    few = exact(load("jobs")["small_memory_share"])
    for prefix, part, node_type in parts(job):
        if node_type is None or not has_all_accelerators(part, node_type):
            continue
        limit, room = number(part.memory_limit_gib), usable("memory_gib", node_type.memory_gib)
        has = f", but the pod uses all accelerators of {node_type.name}, which has {quantity(room)} GiB for pods"
        requested_gib = number(part.memory_gib)
        if limit is not None and limit < few * room:
            yield Problem(f"{prefix}memory_limit_gib", f"{quantity(limit)} GiB{has}")
        elif part.memory_limit_gib is None and requested_gib is not None and requested_gib < few * room:
            message = f"requests {quantity(requested_gib)} GiB without a limit{has}"
            cure = "Remove it to use the node's share, or set memory_limit_gib (`none` for no limit)."
            yield Problem(f"{prefix}memory_gib", message, cure)


@rule(
    "HP715",
    title="A limit is not less than the request.",
    why="Kubernetes rejects the pods.",
    cure="Increase the limit, or set a smaller request.",
    source=KUBERNETES,
    wrong=example("instance_type: ml.g5.8xlarge, memory_limit_gib: 64"),
    right=example("instance_type: ml.g5.8xlarge, memory_gib: 64, memory_limit_gib: 64"),
)
def limits(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        sized = share(part, job)
        for field, request in (("vcpu", sized.vcpu), ("memory", sized.memory_gib)):
            name = "vcpu_limit" if field == "vcpu" else "memory_limit_gib"
            limit = number(getattr(part, name))
            if limit is not None and request is not None and limit < request:
                stated = number(getattr(part, "vcpu" if field == "vcpu" else "memory_gib")) is not None
                whose = "a share of the node" if part.is_partial else "a whole node's share"
                how = "" if stated else f" ({whose})"
                has = f"{quantity(limit)} is less than the request of {quantity(request)}{how}"
                yield Problem(f"{prefix}{name}", has)


@rule(
    "HP716",
    title="A MIG partition is a profile of the type, has a count, and fits on a node.",
    why="No node has such partitions, and the pods stay pending.",
    cure="Set mig_profile and mig_count, without accelerators.",
    source="NVIDIA MIG profiles by instance type (sagemaker-hyperpod 3.12.0)",
    wrong=example(f"{P5}, mig_profile: mig-1g.5gb, mig_count: 2"),
    right=example(f"{P5}, mig_profile: mig-1g.10gb, mig_count: 2"),
)
def partitions(job: Job) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        profile, mig_count = part.mig_profile, part.mig_count
        if (profile is None) != (mig_count is None):
            missing, stated = ("mig_count", "mig_profile") if mig_count is None else ("mig_profile", "mig_count")
            yield Problem(f"{prefix}{stated}", f"requires {missing}", f"Set {missing}.")
            continue
        if profile is None or mig_count is None or opaque(profile):
            continue
        if part.accelerators is not None:
            message = f"conflicts with accelerators: {part.accelerators}"
            yield Problem(f"{prefix}mig_profile", message, "Remove one of the two.")
        if node_type is None:
            continue
        if profile not in node_type.mig_profiles:
            known = f"Use one of: {', '.join(node_type.mig_profiles)}."
            cure = known if node_type.mig_profiles else "Remove mig_profile and mig_count, or use a type with MIG."
            yield Problem(f"{prefix}mig_profile", f"{node_type.name} does not support {profile!r}", cure)
        elif mig_count > (maximum := mig_per_node(profile, node_type)):
            has = f"but a node of {node_type.name} has at most {maximum} x {profile}"
            message = f"{count(mig_count, 'partition')}, {has}"
            yield Problem(f"{prefix}mig_count", message, f"Use at most {maximum}.")


@rule(
    "HP717",
    title="EFA interfaces are requested for types that have them, up to the number per node.",
    why="No node can run such a pod.",
    cure="Remove efa to use the node's share, or set 0 for none.",
    source="HyperPod instance types",
    wrong=example("instance_type: ml.g5.2xlarge, efa: 1"),
    right=example("instance_type: ml.g5.8xlarge, efa: 1"),
)
def efa(job: Job) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        if not part.efa or node_type is None:
            continue
        if not node_type.supports_efa:
            message = f"{count(part.efa, 'EFA interface')}, but {node_type.name} does not support EFA"
            yield Problem(f"{prefix}efa", message)
        elif node_type.efa_interfaces is None:
            message = f"the number of EFA interfaces of {node_type.name} is unknown; {part.efa} cannot be checked"
            cure = "Compare it with a node's allocatable vpc.amazonaws.com/efa."
            why = "If the nodes have fewer, the pods stay pending."
            yield Problem(f"{prefix}efa", message, cure, why, Severity.NOTE)
        elif part.efa > node_type.efa_interfaces:
            message = f"{part.efa} EFA interfaces, but {node_type.name} has {node_type.efa_interfaces}"
            yield Problem(f"{prefix}efa", message)


@rule(
    "HP718",
    title="Shared memory fits in the memory limit.",
    why="/dev/shm counts toward the memory limit: a job that fills it is killed.",
    cure="Set a smaller shared_memory_gib, or `auto` for half of the memory.",
    source="Kubernetes: emptyDir with medium Memory",
    wrong=example("instance_type: ml.g5.8xlarge, shared_memory_gib: 200"),
    right=example("instance_type: ml.g5.8xlarge, shared_memory_gib: auto"),
    certain=False,
)
def shared_memory(job: Job) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        size: Any = part.shared_memory_gib
        if size is None or size == "auto":
            continue
        stated_at = prefix if prefix and "shared_memory_gib" in _stated(job, prefix) else ""
        if size <= 0:
            cure = "Set a number of GiB greater than 0, or `auto`."
            yield Problem(f"{stated_at}shared_memory_gib", f"{size:g} is not a valid size", cure, "")
        limit = memory_limit(part, node_type, share(part, job).memory_gib)
        if limit is not None and exact(size) > limit:
            message = f"{quantity(size)} GiB exceeds the memory limit of {quantity(limit)} GiB"
            yield Problem(f"{stated_at}shared_memory_gib", message)


def _stated(job: Job, prefix: str) -> set[str]:
    return job.replica_specs[int(prefix.removeprefix("replica_specs[").removesuffix("]."))].model_fields_set


@rule(
    "HP719",
    title="A Trainium job requests the resource name that nodes advertise.",
    severity=Severity.NOTE,
    why="If the device plugin advertises another name, the pods stay pending.",
    cure="Set neuron_resource if the nodes advertise another name; otherwise no change is required.",
    source="HyperPod: the Neuron device plugin's names; the official CLI requests neurondevice, its guide's example neuron",
    wrong=example("instance_type: ml.trn1.32xlarge"),
    right=example(P5),
)
def neuron(job: Job) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        path = f"{prefix}neuron_resource"
        if node_type is None:
            continue
        if not node_type.is_neuron:
            if "neuron_resource" in job.model_fields_set:
                message, why = f"{node_type.name} has no Trainium chips", "The setting has no effect."
                yield Problem(path, message, "Remove neuron_resource.", why, Severity.WARNING)
            continue
        yield Problem(path, f"requests aws.amazon.com/{part.neuron_resource}")
        if part.neuron_resource == "neuroncore" and node_type.family != "trn1" and node_type.family != "trn1n":
            advertised = f"the number that {node_type.name} advertises depends on its logical core setting"
            cure = "Check a node's allocatable resources, or use neurondevice."
            yield Problem(path, f"requests physical cores; {advertised}", cure, severity=Severity.WARNING)


@rule(
    "HP720",
    title="A job on several EFA nodes uses EFA.",
    severity=Severity.WARNING,
    why="Communication between nodes falls back to TCP, which is many times slower.",
    cure="Remove `efa`, or use whole nodes.",
    source="AWS documentation of EFA on EKS; aws/sagemaker-hyperpod-cli issue 306",
    wrong=example(f"{P5}, nodes: 2, efa: 0"),
    right=example(f"{P5}, nodes: 2"),
)
def uses_efa(job: Job) -> Iterator[Problem]:
    if job_size(job) < 2:
        return
    for prefix, part, node_type in parts(job):
        whole = node_type is not None and node_type.accelerator is not None and node_type.supports_efa
        if whole and node_type is not None and (part.nodes or 0) > 1 and share(part, job).efa == 0:
            has = node_type.efa_interfaces if node_type.efa_interfaces is not None else "several"
            yield Problem(
                f"{prefix}efa", f"no EFA interfaces for {part.nodes} nodes of {node_type.name}, each with {has}"
            )
    if job.efa_preset and not any(uses_efa_preset(part, job) for _, part, _ in parts(job)):
        yield Problem("efa_preset", "no effect: the job's nodes have no EFA, or EFA is disabled", "Remove efa_preset.")
