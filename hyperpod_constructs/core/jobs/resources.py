"""What a replica requests of its node, and how each number comes about.

The arithmetic is the official CLI's where that is sound: a node's capacity less a reserve, rounded down to whole vCPUs and
GiB. A part of a node gets its share of what pods can use, so that as many parts fit a node as it has accelerators for.
What the user states is taken as it is; whether it fits is the checks' business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import cache, lru_cache
from typing import Any

from ..catalog import EFA_RESOURCE, InstanceType, find_instance_type
from ..catalog._files import load
from ..spec.jobs import RESOURCE_FIELDS, Job, Replica

HUGEPAGES = "hugepages-2Mi"
MIG_READY = ("nvidia.com/mig.config.state", "success")
"""Node label and value of a node whose GPUs are partitioned."""


@dataclass(frozen=True, slots=True)
class Step:
    """One derived number: its name, its value as the manifest has it, and how it came about."""

    name: str
    value: str
    how: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one replica requests: Kubernetes requests and limits, how they came about, and how many fit one node."""

    requests: Mapping[str, int | str]
    limits: Mapping[str, int | str]
    vcpu: Decimal | None
    """vCPU of the main container; None when nothing is requested."""
    memory_gib: Decimal | None
    """GiB of the main container; None when nothing is requested."""
    accelerators: Decimal
    """Whole accelerators, or parts of one, of the replica."""
    efa: int
    steps: tuple[Step, ...]
    per_node: int | None
    """Replicas that fit one node at a time, None when the node is not known."""

    @property
    def resources(self) -> dict[str, dict[str, int | str]]:
        """`resources` of the Kubernetes container; empty when nothing is requested."""
        return {key: dict(part) for key, part in (("requests", self.requests), ("limits", self.limits)) if part}


@cache
def reserved(resource: str, capacity: float) -> Decimal:
    """What pods cannot use of a node's `vcpu` or `memory_gib`.

    >>> reserved("vcpu", 192), reserved("memory_gib", 2048)
    (Decimal('12.03'), Decimal('157.74'))
    """
    facts = load("jobs")["reserved"][resource]
    left, total = exact(capacity), exact(facts["fixed"])
    for size, share in facts["brackets"]:
        part = left if size is None else min(left, exact(size))
        total += part * exact(share)
        left -= part
    return total


@cache
def usable(resource: str, capacity: float) -> Decimal:
    """What pods can use of a node's `vcpu` or `memory_gib`.

    >>> usable("vcpu", 192), usable("memory_gib", 2048)
    (Decimal('179.97'), Decimal('1890.26'))
    """
    return exact(capacity) - reserved(resource, capacity)


def exact(value: float | Decimal) -> Decimal:
    """A number as it was written, without binary rounding."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def quantity(value: float | Decimal, unit: str = "") -> str:
    """A Kubernetes quantity.

    >>> quantity(4.0), quantity(0.5), quantity(16, "Gi"), quantity(1.5, "Gi")
    ('4', '0.5', '16Gi', '1.5Gi')
    """
    text = f"{exact(value):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit


def accelerator_resource(kind: InstanceType, replica: Replica) -> tuple[str, int] | None:
    """Kubernetes' name of the type's accelerators as the replica asks for them, and units per accelerator.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> trn1 = instance_type("ml.trn1.32xlarge")
    >>> accelerator_resource(trn1, Replica()), accelerator_resource(trn1, Replica(neuron_resource="neuroncore"))
    (('aws.amazon.com/neurondevice', 1), ('aws.amazon.com/neuroncore', 2))
    """
    if kind.accelerator is None:
        return None
    if kind.accelerator.kind == "gpu":
        return kind.accelerator.resource, 1
    per_chip = (kind.accelerator.neuron_cores or 0) // kind.accelerator.count
    name = next(name for name in kind.accelerator.resource_names if name.endswith("/" + replica.neuron_resource))
    return name, per_chip if replica.neuron_resource == "neuroncore" else 1


def mig_share(profile: str, count: int) -> Decimal:
    """How many whole GPUs so many partitions of a profile make up, by compute slices.

    >>> mig_share("mig-1g.10gb", 7), mig_share("mig-3g.40gb", 2) < 1
    (Decimal('1'), True)
    """
    slices: int = load("jobs")["mig"]["slices_per_gpu"]
    return Decimal(count * _slices(profile)) / slices


def mig_per_node(profile: str, kind: InstanceType) -> int:
    """How many partitions of a profile one node holds: its GPUs' compute slices and memory allow no more.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> [mig_per_node(f"mig-{name}", instance_type("ml.p5.48xlarge")) for name in ("1g.10gb", "1g.20gb", "3g.40gb")]
    [56, 32, 16]
    """
    if kind.accelerator is None or not kind.mig_profiles:
        return 0
    by_slices: int = load("jobs")["mig"]["slices_per_gpu"] // _slices(profile)
    by_memory = round(max(map(_gigabytes, kind.mig_profiles)) / _gigabytes(profile))
    return kind.accelerator.count * min(by_slices, by_memory)


def _slices(profile: str) -> int:
    return int(profile.removeprefix("mig-").partition("g.")[0])


def _gigabytes(profile: str) -> int:
    return int(profile.partition("g.")[2].removesuffix("gb"))


def beside(job: Job) -> tuple[Decimal, Decimal]:
    """CPU and GiB that the containers beside the main one request."""
    running = [*job.sidecars, *(one for one in job.init_containers if one.restart_always)]
    vcpu = sum((exact(one.vcpu) for one in running if one.vcpu), Decimal())
    return vcpu, sum((exact(one.memory_gib) for one in running if one.memory_gib), Decimal())


def share(replica: Replica, job: Job) -> Share:
    """The share of a node that a replica of a job requests.

    >>> job = Job(name="a", image="b", instance_type="ml.p5.48xlarge", nodes=2)
    >>> share(job, job).requests
    {'cpu': '179', 'memory': '1890Gi', 'nvidia.com/gpu': 8, 'vpc.amazonaws.com/efa': 32}
    >>> half = Job(name="a", image="b", instance_type="ml.p5.48xlarge", accelerators=4)
    >>> share(half, half).requests
    {'cpu': '89', 'memory': '945Gi', 'nvidia.com/gpu': 4, 'vpc.amazonaws.com/efa': 16}
    """
    asked = tuple(getattr(replica, name) for name in _ASKED)
    return _cached_share(asked, *beside(job), _hugepages(replica, job))


_ASKED = (
    *("instance_type", *RESOURCE_FIELDS, "vcpu_limit", "memory_limit_gib", "efa", "hugepages_2mi_mib"),
    "neuron_resource",
)
"""The fields that the numbers depend on."""


@lru_cache(maxsize=1024)
def _cached_share(asked: tuple[Any, ...], beside_vcpu: Decimal, beside_memory: Decimal, hugepages: int) -> Share:
    """Jobs of one cluster mostly ask for the same few shares, and each is asked for by several rules."""
    replica = Replica.model_construct(None, **dict(zip(_ASKED, asked, strict=True)))
    kind = find_instance_type(replica.instance_type) if replica.instance_type else None
    return _share(replica, kind, beside_vcpu, beside_memory, hugepages)


def _hugepages(replica: Replica, job: Job) -> int:
    """MiB of huge pages: stated, or the preset's for a job over several nodes."""
    if replica.hugepages_2mi_mib is not None:
        return replica.hugepages_2mi_mib
    return int(load("jobs")["efa_preset"]["hugepages_2mi_mib"]) if wants_efa_preset(replica, job) else 0


def wants_efa_preset(replica: Replica, job: Job) -> bool:
    """Whether the EFA preset applies: it is asked for, and the job runs over several nodes with EFA."""
    if not job.efa_preset or replica.efa == 0 or job_size(job) < 2:
        return False
    kind = find_instance_type(replica.instance_type) if replica.instance_type else None
    return kind is None or kind.supports_efa


def job_size(job: Job) -> int:
    """Replicas of the whole job."""
    return sum(part.count for part in job.parts)


def _share(
    replica: Replica, kind: InstanceType | None, beside_vcpu: Decimal, beside_memory: Decimal, hugepages: int
) -> Share:
    steps: list[Step] = []
    vcpu = None if replica.vcpu is None else exact(replica.vcpu)
    memory = None if replica.memory_gib is None else exact(replica.memory_gib)
    requests: dict[str, int | str] = {}
    devices: dict[str, int] = {}
    part = Decimal()
    efa = replica.efa or 0
    if kind is not None:
        part, why = _part(replica, kind)
        vcpu, memory = _derive(replica, kind, part, why, beside_vcpu, beside_memory, steps)
        devices = _devices(replica, kind, part, steps)
        efa = _efa(replica, kind, part, why, steps)
    if replica.vcpu is not None:
        steps.append(Step("cpu", quantity(replica.vcpu), "as stated"))
    if replica.memory_gib is not None:
        steps.append(Step("memory", quantity(replica.memory_gib, "Gi"), "as stated"))
    if vcpu is not None:
        requests["cpu"] = quantity(vcpu)
    if memory is not None:
        requests["memory"] = quantity(memory, "Gi")
    fixed: dict[str, int | str] = {**devices, **({EFA_RESOURCE: efa} if efa else {})}
    if hugepages:
        fixed[HUGEPAGES] = f"{hugepages}Mi"
        how = "as stated" if replica.hugepages_2mi_mib is not None else "EFA preset"
        steps.append(Step(HUGEPAGES, f"{hugepages}Mi", how))
    limits: dict[str, int | str] = dict(fixed)
    if replica.memory_limit_gib is not None:
        limits["memory"] = quantity(replica.memory_limit_gib, "Gi")
    elif memory is not None:
        limits["memory"] = requests["memory"]
    if replica.vcpu_limit is not None:
        limits["cpu"] = quantity(replica.vcpu_limit)
    whole = _whole(kind, part)
    per_node = None
    if kind is not None:
        per_node = _per_node(replica, kind, (vcpu or 0) + beside_vcpu, (memory or 0) + beside_memory, whole, efa)
    return Share({**requests, **fixed}, limits, vcpu, memory, whole, efa, tuple(steps), per_node)


def _whole(kind: InstanceType | None, part: Decimal) -> Decimal:
    return part * kind.accelerator.count if kind is not None and kind.accelerator is not None else Decimal()


def _part(replica: Replica, kind: InstanceType) -> tuple[Decimal, str]:
    """The part of the node's accelerators (on CPU types: of the node) that is asked for, and its reason."""
    if not replica.is_partial:
        return Decimal(1), "whole node"
    if kind.accelerator is None:
        return Decimal(), ""
    total = kind.accelerator.count
    if replica.mig_profile is not None:
        count = replica.mig_count or 0
        return mig_share(replica.mig_profile, count) / total, f"{count} {replica.mig_profile} of {total} GPUs"
    if replica.accelerators is None:
        return Decimal(), ""
    return Decimal(replica.accelerators) / total, f"{replica.accelerators} of {total} accelerators"


def _derive(
    replica: Replica,
    kind: InstanceType,
    part: Decimal,
    why: str,
    beside_vcpu: Decimal,
    beside_memory: Decimal,
    steps: list[Step],
) -> tuple[Decimal, Decimal]:
    """CPU and memory: stated, or the share of what pods can use, less what the other containers take."""
    can_vcpu, can_memory = usable("vcpu", kind.vcpu), usable("memory_gib", kind.memory_gib)
    share_vcpu = share_memory = part
    how_vcpu = how_memory = why
    if not part:  # only vCPU or memory is stated: the other follows by its ratio
        if replica.memory_gib is not None:
            share_vcpu, how_vcpu = exact(replica.memory_gib) / can_memory, "share of the memory stated"
        if replica.vcpu is not None:
            share_memory, how_memory = exact(replica.vcpu) / can_vcpu, "share of the vCPU stated"
    vcpu = None if replica.vcpu is None else exact(replica.vcpu)
    memory = None if replica.memory_gib is None else exact(replica.memory_gib)
    if vcpu is None:
        vcpu = _floor(can_vcpu * share_vcpu - beside_vcpu)
        how = _story("vCPU", kind, kind.vcpu, can_vcpu, share_vcpu, how_vcpu, beside_vcpu)
        steps.append(Step("cpu", quantity(vcpu), how))
    if memory is None:
        memory = _floor(can_memory * share_memory - beside_memory)
        how = _story("GiB", kind, kind.memory_gib, can_memory, share_memory, how_memory, beside_memory)
        steps.append(Step("memory", quantity(memory, "Gi"), how))
    return vcpu, memory


def _story(unit: str, kind: InstanceType, total: float, can: Decimal, part: Decimal, why: str, beside: Decimal) -> str:
    text = (
        f"{kind.name} has {quantity(total)} {unit}, {quantity(exact(total) - can)} reserved, {quantity(can)} for pods"
    )
    exactly = can * part
    if part != 1:
        text += f"; {why}: {quantity(round(part, 4))} x {quantity(can)} = {quantity(round(exactly, 3))}"
    if beside:
        text += f"; less {quantity(beside)} for the other containers"
    return text + "; rounded down"


def _floor(value: Decimal) -> Decimal:
    """Rounded down to whole units; below one to hundredths, so that small shares are not nothing."""
    if value >= 1:
        return value.quantize(Decimal(1), rounding=ROUND_FLOOR)
    return max(value, Decimal()).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)


def _devices(replica: Replica, kind: InstanceType, part: Decimal, steps: list[Step]) -> dict[str, int]:
    if kind.accelerator is None or not part:
        return {}
    if replica.mig_profile is not None:
        name, count = f"nvidia.com/{replica.mig_profile}", replica.mig_count or 0
        steps.append(Step(name, str(count), f"as stated; limit equal; {quantity(round(_whole(kind, part), 3))} GPUs"))
        return {name: count}
    named = accelerator_resource(kind, replica)
    if named is None:
        return {}
    name, units = named
    count = replica.accelerators or kind.accelerator.count
    how = "as stated" if replica.accelerators else f"whole node: {count} x {kind.accelerator.model}"
    if units != 1:
        how += f"; {units} cores each"
    steps.append(Step(name, str(count * units), f"{how}; limit equal"))
    return {name: count * units}


def _efa(replica: Replica, kind: InstanceType, part: Decimal, why: str, steps: list[Step]) -> int:
    if replica.efa is not None:
        steps.append(Step(EFA_RESOURCE, str(replica.efa), "as stated; limit equal" if replica.efa else "switched off"))
        return replica.efa
    if kind.accelerator is None or not part or replica.mig_profile is not None:
        if kind.supports_efa:
            steps.append(
                Step(EFA_RESOURCE, "0", "none by default without whole accelerators; state `efa` to have some")
            )
        return 0
    total = kind.efa_interfaces
    if total is None:
        steps.append(Step(EFA_RESOURCE, "0", f"{kind.name} has EFA but no source says how many; state `efa`"))
        return 0
    count = math.floor(part * total)
    if total:
        how = f"whole node: all {total}" if part == 1 else f"{why}: {quantity(round(part, 4))} x {total}, rounded down"
        steps.append(Step(EFA_RESOURCE, str(count), f"{how}; limit equal"))
    return count


def _per_node(
    replica: Replica, kind: InstanceType, vcpu: Decimal, memory: Decimal, accelerators: Decimal, efa: int
) -> int | None:
    has_and_needs: list[tuple[Any, Any]] = [
        (usable("vcpu", kind.vcpu), vcpu),
        (usable("memory_gib", kind.memory_gib), memory),
        (kind.efa_interfaces, efa),
    ]
    if replica.mig_profile is not None:
        has_and_needs.append((mig_per_node(replica.mig_profile, kind), replica.mig_count))
    elif kind.accelerator is not None:
        has_and_needs.append((kind.accelerator.count, accelerators))
    fits = [math.floor(has / needs) for has, needs in has_and_needs if needs and has is not None]
    return min(fits) if fits else None
