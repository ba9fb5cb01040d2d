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
from functools import lru_cache
from typing import Any

from ..catalog import EFA_RESOURCE, InstanceType, find_instance_type
from ..catalog._files import follows_facts, load
from ..spec.jobs import Job
from ..spec.jobs_replica import RESOURCE_FIELDS, PodFields, Replica
from .devices import accelerator_name, accelerator_resource, mig_per_node, mig_share
from .room import exact, number, offered, quantity, usable

HUGEPAGES = "hugepages-2Mi"
EPHEMERAL = "ephemeral-storage"
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


def other_containers(job: PodFields) -> tuple[Decimal, Decimal]:
    """CPU and GiB that the containers beside the main one request."""
    running = [*job.sidecars, *(container for container in job.init_containers if container.restart_always)]
    vcpu = sum((exact(container.vcpu) for container in running if container.vcpu), Decimal())
    return vcpu, sum((exact(container.memory_gib) for container in running if container.memory_gib), Decimal())


def share(replica: Replica, job: Job) -> Share:
    """The share of a node that a replica of a job requests.

    >>> job = Job(name="a", image="b", instance_type="ml.p5.48xlarge", nodes=2)
    >>> share(job, job).requests
    {'cpu': '179', 'memory': '1890Gi', 'nvidia.com/gpu': 8, 'vpc.amazonaws.com/efa': 32}
    >>> half = Job(name="a", image="b", instance_type="ml.p5.48xlarge", accelerators=4)
    >>> share(half, half).requests
    {'cpu': '89', 'memory': '945Gi', 'nvidia.com/gpu': 4, 'vpc.amazonaws.com/efa': 16}
    """
    pod = replica if isinstance(replica, PodFields) else job
    asked = tuple(getattr(replica, name) for name in _ASKED)
    device = accelerator_name(replica, pod.affinity)
    return _cached_share(asked, *other_containers(pod), _hugepages(replica, job), device)


_ASKED = (
    *("instance_type", *RESOURCE_FIELDS, "vcpu_limit", "memory_limit_gib", "efa", "hugepages_2mi_mib"),
    *("neuron_resource", "accelerator_resource", "ephemeral_storage_gib", "ephemeral_storage_limit_gib"),
)
"""The fields that the numbers depend on."""


@follows_facts
@lru_cache(maxsize=1024)
def _cached_share(
    asked: tuple[Any, ...], other_vcpu: Decimal, other_memory: Decimal, hugepages: int, device: str
) -> Share:
    """Jobs of one cluster mostly ask for the same few shares, and each is asked for by several rules."""
    replica = Replica.model_construct(None, **dict(zip(_ASKED, asked, strict=True)))
    instance_type = find_instance_type(replica.instance_type) if replica.instance_type else None
    return _share(replica, instance_type, other_vcpu, other_memory, hugepages, device)


def _hugepages(replica: Replica, job: Job) -> int:
    """MiB of huge pages: stated, or the preset's for a job over several nodes."""
    if replica.hugepages_2mi_mib is not None:
        return replica.hugepages_2mi_mib
    return int(load("jobs")["efa_preset"]["hugepages_2mi_mib"]) if wants_efa_preset(replica, job) else 0


def wants_efa_preset(replica: Replica, job: Job) -> bool:
    """Whether the EFA preset applies: it is asked for, and the job runs over several nodes with EFA."""
    if not job.efa_preset or replica.efa == 0 or job_size(job) < 2:
        return False
    instance_type = find_instance_type(replica.instance_type) if replica.instance_type else None
    return instance_type is None or instance_type.supports_efa


def job_size(job: Job) -> int:
    """Replicas of the whole job."""
    return sum(part.count for part in job.parts)


def _share(
    replica: Replica,
    instance_type: InstanceType | None,
    other_vcpu: Decimal,
    other_memory: Decimal,
    hugepages: int,
    device: str,
) -> Share:
    steps: list[Step] = []
    vcpu, memory = number(replica.vcpu), number(replica.memory_gib)
    requests: dict[str, int | str] = {}
    devices: dict[str, int] = {}
    part = Decimal()
    efa = replica.efa or 0
    if instance_type is not None:
        part, why = _part(replica, instance_type)
        vcpu, memory = _derive(replica, instance_type, part, why, other_vcpu, other_memory, steps)
        devices = _devices(replica, instance_type, part, steps)
        efa = _efa(replica, instance_type, part, why, steps)
    elif replica.instance_type is None:
        devices = _unplaced(replica, device, steps)
    if (stated := number(replica.vcpu)) is not None:
        steps.append(Step("cpu", quantity(stated), "as stated"))
    if (stated := number(replica.memory_gib)) is not None:
        steps.append(Step("memory", quantity(stated, "Gi"), "as stated"))
    if vcpu is not None:
        requests["cpu"] = quantity(vcpu)
    if memory is not None:
        requests["memory"] = quantity(memory, "Gi")
    if replica.ephemeral_storage_gib is not None:
        requests[EPHEMERAL] = quantity(replica.ephemeral_storage_gib, "Gi")
        steps.append(Step(EPHEMERAL, str(requests[EPHEMERAL]), "as stated"))
    fixed: dict[str, int | str] = {**devices, **({EFA_RESOURCE: efa} if efa else {})}
    if hugepages:
        fixed[HUGEPAGES] = f"{hugepages}Mi"
        how = "as stated" if replica.hugepages_2mi_mib is not None else "EFA preset"
        steps.append(Step(HUGEPAGES, f"{hugepages}Mi", how))
    limits: dict[str, int | str] = dict(fixed)
    max_memory = memory_limit(replica, instance_type, memory)
    if max_memory is not None:
        limits["memory"] = quantity(max_memory, "Gi")
    if replica.ephemeral_storage_limit_gib is not None:
        limits[EPHEMERAL] = quantity(replica.ephemeral_storage_limit_gib, "Gi")
    if replica.vcpu_limit is not None:
        limits["cpu"] = quantity(replica.vcpu_limit)
    whole = _whole(instance_type, part)
    per_node = None
    if instance_type is not None:
        per_node = _per_node(replica, instance_type, (vcpu or 0) + other_vcpu, (memory or 0) + other_memory, whole, efa)
    return Share({**requests, **fixed}, limits, vcpu, memory, whole, efa, tuple(steps), per_node)


def memory_limit(replica: Replica, instance_type: InstanceType | None, memory: Decimal | None) -> Decimal | None:
    """GiB of the memory limit: stated, or the request; None for none.

    A request that is stated for all accelerators of a node is no limit: the pod has the node to itself, and a limit far
    below the node's memory would have the kernel kill what runs today.
    """
    if replica.memory_limit_gib is not None:
        return number(replica.memory_limit_gib)
    stated = number(replica.memory_gib) is not None
    return None if stated and has_all_accelerators(replica, instance_type) else memory


def has_all_accelerators(replica: Replica, instance_type: InstanceType | None) -> bool:
    """Whether a replica leaves no accelerator to others, also where its type is not known and it may be so."""
    if replica.accelerators is None:
        return False
    return instance_type is None or (
        instance_type.accelerator is not None and replica.accelerators >= instance_type.accelerator.count
    )


def _unplaced(replica: Replica, device: str, steps: list[Step]) -> dict[str, int]:
    """Devices as stated, without an instance type."""
    devices: dict[str, int] = {}
    if replica.mig_profile is not None:
        devices[f"nvidia.com/{replica.mig_profile}"] = replica.mig_count or 0
    elif replica.accelerators is not None:
        devices[device] = replica.accelerators
    steps += [Step(name, str(count), "as stated; limit equal") for name, count in devices.items()]
    if replica.efa:
        steps.append(Step(EFA_RESOURCE, str(replica.efa), "as stated; limit equal"))
    return devices


def _whole(instance_type: InstanceType | None, part: Decimal) -> Decimal:
    return (
        part * instance_type.accelerator.count
        if instance_type is not None and instance_type.accelerator is not None
        else Decimal()
    )


def _part(replica: Replica, instance_type: InstanceType) -> tuple[Decimal, str]:
    """The part of the node's accelerators (on CPU types: of the node) that is asked for, and its reason."""
    if not replica.is_partial:
        return Decimal(1), "whole node"
    if instance_type.accelerator is None:
        return Decimal(), ""
    total = instance_type.accelerator.count
    if replica.mig_profile is not None:
        count = replica.mig_count or 0
        return mig_share(replica.mig_profile, count) / total, f"{count} {replica.mig_profile} of {total} GPUs"
    if replica.accelerators is None:
        return Decimal(), ""
    return Decimal(replica.accelerators) / total, f"{replica.accelerators} of {total} accelerators"


def _derive(
    replica: Replica,
    instance_type: InstanceType,
    part: Decimal,
    why: str,
    other_vcpu: Decimal,
    other_memory: Decimal,
    steps: list[Step],
) -> tuple[Decimal | None, Decimal | None]:
    """CPU and memory: stated, or the share of what pods can use, less what the other containers take."""
    can_vcpu, can_memory = usable("vcpu", instance_type.vcpu), usable("memory_gib", instance_type.memory_gib)
    share_vcpu = share_memory = part
    how_vcpu = how_memory = why
    vcpu, memory = number(replica.vcpu), number(replica.memory_gib)
    if not part:  # only vCPU or memory is stated: the other follows by its ratio
        if memory is not None:
            share_vcpu, how_vcpu = memory / can_memory, "share of the memory stated"
        if vcpu is not None:
            share_memory, how_memory = vcpu / can_vcpu, "share of the vCPU stated"
    if replica.vcpu is None:
        vcpu = _floor(can_vcpu * share_vcpu - other_vcpu)
        how = _explanation("vCPU", instance_type, instance_type.vcpu, can_vcpu, share_vcpu, how_vcpu, other_vcpu)
        steps.append(Step("cpu", quantity(vcpu), how))
    if replica.memory_gib is None:
        memory = _floor(can_memory * share_memory - other_memory)
        how = _explanation(
            "GiB", instance_type, instance_type.memory_gib, can_memory, share_memory, how_memory, other_memory
        )
        steps.append(Step("memory", quantity(memory, "Gi"), how))
    return vcpu, memory


def _explanation(
    unit: str, instance_type: InstanceType, total: float, can: Decimal, part: Decimal, why: str, other: Decimal
) -> str:
    reserved = f"{quantity(exact(total) - can)} reserved"
    text = f"{instance_type.name} has {quantity(total)} {unit}, {reserved}, {quantity(can)} for pods"
    exactly = can * part
    if part != 1:
        text += f"; {why}: {quantity(round(part, 4))} x {quantity(can)} = {quantity(round(exactly, 3))}"
    if other:
        text += f"; less {quantity(other)} for the other containers"
    return text + "; rounded down"


def _floor(value: Decimal) -> Decimal:
    """Rounded down to whole units; below one to hundredths, so that small shares are not nothing."""
    if value >= 1:
        return value.quantize(Decimal(1), rounding=ROUND_FLOOR)
    return max(value, Decimal()).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)


def _devices(replica: Replica, instance_type: InstanceType, part: Decimal, steps: list[Step]) -> dict[str, int]:
    if instance_type.accelerator is None or not part:
        return {}
    if replica.mig_profile is not None:
        name, count = f"nvidia.com/{replica.mig_profile}", replica.mig_count or 0
        steps.append(
            Step(name, str(count), f"as stated; limit equal; {quantity(round(_whole(instance_type, part), 3))} GPUs")
        )
        return {name: count}
    named = accelerator_resource(instance_type, replica)
    if named is None:
        return {}
    name, units = named
    count = replica.accelerators or instance_type.accelerator.count
    how = "as stated" if replica.accelerators else f"whole node: {count} x {instance_type.accelerator.model}"
    if units != 1:
        how += f"; {units} cores each"
    steps.append(Step(name, str(count * units), f"{how}; limit equal"))
    return {name: count * units}


def _efa(replica: Replica, instance_type: InstanceType, part: Decimal, why: str, steps: list[Step]) -> int:
    if replica.efa is not None:
        steps.append(Step(EFA_RESOURCE, str(replica.efa), "as stated; limit equal" if replica.efa else "switched off"))
        return replica.efa
    if instance_type.accelerator is None or not part or replica.mig_profile is not None:
        if instance_type.supports_efa:
            steps.append(
                Step(EFA_RESOURCE, "0", "none by default without whole accelerators; state `efa` to have some")
            )
        return 0
    total = instance_type.efa_interfaces
    if total is None:
        steps.append(Step(EFA_RESOURCE, "0", f"{instance_type.name} has EFA but no source says how many; state `efa`"))
        return 0
    count = math.floor(part * total)
    if total:
        how = f"whole node: all {total}" if part == 1 else f"{why}: {quantity(round(part, 4))} x {total}, rounded down"
        steps.append(Step(EFA_RESOURCE, str(count), f"{how}; limit equal"))
    return count


def _per_node(
    replica: Replica, instance_type: InstanceType, vcpu: Decimal, memory: Decimal, accelerators: Decimal, efa: int
) -> int | None:
    has_and_needs: list[tuple[Any, Any]] = [
        (_room("vcpu", instance_type, vcpu), vcpu),
        (_room("memory_gib", instance_type, memory), memory),
        (instance_type.efa_interfaces, efa),
    ]
    if replica.mig_profile is not None:
        has_and_needs.append((mig_per_node(replica.mig_profile, instance_type), replica.mig_count))
    elif instance_type.accelerator is not None:
        has_and_needs.append((instance_type.accelerator.count, accelerators))
    fits = [math.floor(has / needs) for has, needs in has_and_needs if needs and has is not None]
    return min(fits) if fits else None


def _room(resource: str, instance_type: InstanceType, needs: Decimal) -> Decimal:
    """What pods can use of a node; for a request above the estimate, what the kubelet offers at most."""
    room = usable(resource, getattr(instance_type, resource))
    return offered(resource, instance_type) if needs > room else room
