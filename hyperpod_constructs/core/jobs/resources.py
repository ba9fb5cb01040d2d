"""The resources that a replica requests, and the derivation of each number.

The calculation is that of the official CLI where it is correct: the capacity of a node minus a reserve, rounded down to
whole vCPUs and GiB. A replica that uses a part of the accelerators requests the same share of the resources that pods can
use, so that as many replicas fit on a node as its accelerators allow. Values that the user sets are not changed; rules
check whether they fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ..catalog import EFA_RESOURCE, InstanceType, find_instance_type
from ..catalog._files import follows_facts, load
from ..spec.jobs import Job
from ..spec.jobs_replica import RESOURCE_FIELDS, PodFields, Replica
from .devices import accelerator_name, accelerator_resource, mig_per_node, mig_share
from .room import exact, number, offered, quantity, usable

HUGEPAGES = "hugepages-2Mi"
EPHEMERAL = "ephemeral-storage"
MIG_READY = ("nvidia.com/mig.config.state", "success")
"""Label and value of nodes whose GPUs are partitioned."""


class Step(NamedTuple):
    """One derived number: its name, its value in the manifest, and its derivation."""

    name: str
    value: str
    how: str


class Share(NamedTuple):
    """The resources of one replica: Kubernetes requests and limits, their derivation, and replicas per node."""

    requests: Mapping[str, int | str]
    limits: Mapping[str, int | str]
    vcpu: Decimal | None
    """vCPU of the main container; None if none is requested."""
    memory_gib: Decimal | None
    """GiB of the main container; None if none is requested."""
    accelerators: Decimal
    """Whole or partial accelerators of the replica."""
    efa: int
    steps: tuple[Step, ...]
    per_node: int | None
    """Replicas per node; None if the instance type is unknown."""

    @property
    def resources(self) -> dict[str, dict[str, int | str]]:
        """`resources` of the Kubernetes container; empty if nothing is requested."""
        return {key: dict(part) for key, part in (("requests", self.requests), ("limits", self.limits)) if part}


def other_containers(job: PodFields) -> tuple[Decimal, Decimal]:
    """Returns the vCPU and the GiB of memory that containers other than the main container request."""
    running = [*job.sidecars, *(container for container in job.init_containers if container.restart_always)]
    vcpu = sum((exact(container.vcpu) for container in running if container.vcpu), Decimal())
    return vcpu, sum((exact(container.memory_gib) for container in running if container.memory_gib), Decimal())


def share(replica: Replica, job: Job) -> Share:
    """Returns the resources that a replica of a job requests.

    >>> job = Job(name="a", image="b", instance_type="ml.p5.48xlarge", nodes=2)
    >>> share(job, job).requests
    {'cpu': '179', 'memory': '1890Gi', 'nvidia.com/gpu': 8, 'vpc.amazonaws.com/efa': 32}
    >>> half = Job(name="a", image="b", instance_type="ml.p5.48xlarge", accelerators=4)
    >>> share(half, half).requests
    {'cpu': '89', 'memory': '945Gi', 'nvidia.com/gpu': 4, 'vpc.amazonaws.com/efa': 16}
    """
    pod = replica if isinstance(replica, PodFields) else job
    inputs = tuple(getattr(replica, name) for name in _INPUTS)
    device = accelerator_name(replica, pod.affinity)
    return _cached_share(inputs, *other_containers(pod), _hugepages(replica, job), device)


_INPUTS = (
    *("instance_type", *RESOURCE_FIELDS, "vcpu_limit", "memory_limit_gib", "efa", "hugepages_2mi_mib"),
    *("neuron_resource", "accelerator_resource", "ephemeral_storage_gib", "ephemeral_storage_limit_gib"),
)
"""The fields that determine the share."""


@follows_facts
@lru_cache(maxsize=1024)
def _cached_share(
    inputs: tuple[Any, ...], other_vcpu: Decimal, other_memory: Decimal, hugepages: int, device: str
) -> Share:
    """Caches shares: the jobs of a cluster usually request the same few shares, and several rules use each."""
    replica = Replica.model_construct(None, **dict(zip(_INPUTS, inputs, strict=True)))
    instance_type = find_instance_type(replica.instance_type) if replica.instance_type else None
    return _share(replica, instance_type, other_vcpu, other_memory, hugepages, device)


def _hugepages(replica: Replica, job: Job) -> int:
    """Returns the MiB of huge pages: the configured value, or the value of the preset for a multi-node job."""
    if replica.hugepages_2mi_mib is not None:
        return replica.hugepages_2mi_mib
    return int(load("jobs")["efa_preset"]["hugepages_2mi_mib"]) if uses_efa_preset(replica, job) else 0


def uses_efa_preset(replica: Replica, job: Job) -> bool:
    """Whether the EFA preset applies: it is enabled, and the job has several nodes with EFA."""
    if not job.efa_preset or replica.efa == 0 or job_size(job) < 2:
        return False
    instance_type = find_instance_type(replica.instance_type) if replica.instance_type else None
    return instance_type is None or instance_type.supports_efa


def job_size(job: Job) -> int:
    """Returns the number of replicas of the whole job."""
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
        devices = _specified_devices(replica, device, steps)
    if (stated := number(replica.vcpu)) is not None:
        steps.append(Step("cpu", quantity(stated), "as specified"))
    if (stated := number(replica.memory_gib)) is not None:
        steps.append(Step("memory", quantity(stated, "Gi"), "as specified"))
    if vcpu is not None:
        requests["cpu"] = quantity(vcpu)
    if memory is not None:
        requests["memory"] = quantity(memory, "Gi")
    if replica.ephemeral_storage_gib is not None:
        requests[EPHEMERAL] = quantity(replica.ephemeral_storage_gib, "Gi")
        steps.append(Step(EPHEMERAL, str(requests[EPHEMERAL]), "as specified"))
    fixed: dict[str, int | str] = {**devices, **({EFA_RESOURCE: efa} if efa else {})}
    if hugepages:
        fixed[HUGEPAGES] = f"{hugepages}Mi"
        how = "as specified" if replica.hugepages_2mi_mib is not None else "EFA preset"
        steps.append(Step(HUGEPAGES, f"{hugepages}Mi", how))
    limits: dict[str, int | str] = dict(fixed)
    max_memory = memory_limit(replica, instance_type, memory)
    if max_memory is not None:
        limits["memory"] = quantity(max_memory, "Gi")
    if replica.ephemeral_storage_limit_gib is not None:
        limits[EPHEMERAL] = quantity(replica.ephemeral_storage_limit_gib, "Gi")
    if replica.vcpu_limit is not None:
        limits["cpu"] = quantity(replica.vcpu_limit)
    accelerators = _accelerators(instance_type, part)
    per_node = None
    if instance_type is not None:
        all_vcpu, all_memory = (vcpu or 0) + other_vcpu, (memory or 0) + other_memory
        per_node = _per_node(replica, instance_type, all_vcpu, all_memory, accelerators, efa)
    return Share({**requests, **fixed}, limits, vcpu, memory, accelerators, efa, tuple(steps), per_node)


def memory_limit(replica: Replica, instance_type: InstanceType | None, memory: Decimal | None) -> Decimal | None:
    """Returns the memory limit in GiB: the configured value, otherwise the request; None for no limit.

    There is no limit if the request is set and the replica uses all accelerators of a node: no other replica can use the
    node, and with a limit far below the node's memory the kernel would kill processes that have enough memory today.
    """
    if replica.memory_limit_gib is not None:
        return number(replica.memory_limit_gib)
    stated = number(replica.memory_gib) is not None
    return None if stated and has_all_accelerators(replica, instance_type) else memory


def has_all_accelerators(replica: Replica, instance_type: InstanceType | None) -> bool:
    """Whether a replica uses all accelerators of its node, or may use all of a node whose type is unknown."""
    if replica.accelerators is None:
        return False
    return instance_type is None or (
        instance_type.accelerator is not None and replica.accelerators >= instance_type.accelerator.count
    )


def _specified_devices(replica: Replica, device: str, steps: list[Step]) -> dict[str, int]:
    """Returns the devices of a replica without an instance type, as specified."""
    devices: dict[str, int] = {}
    if replica.mig_profile is not None:
        devices[f"nvidia.com/{replica.mig_profile}"] = replica.mig_count or 0
    elif replica.accelerators is not None:
        devices[device] = replica.accelerators
    steps += [Step(name, str(count), "as specified; limit equal") for name, count in devices.items()]
    if replica.efa:
        steps.append(Step(EFA_RESOURCE, str(replica.efa), "as specified; limit equal"))
    return devices


def _accelerators(instance_type: InstanceType | None, part: Decimal) -> Decimal:
    return (
        part * instance_type.accelerator.count
        if instance_type is not None and instance_type.accelerator is not None
        else Decimal()
    )


def _part(replica: Replica, instance_type: InstanceType) -> tuple[Decimal, str]:
    """Returns the fraction of the node's accelerators (on CPU types: of the node) that is requested, and its reason."""
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
    """Returns vCPU and memory: configured, or the share of what pods can use minus the requests of other containers."""
    usable_vcpu, usable_memory = usable("vcpu", instance_type.vcpu), usable("memory_gib", instance_type.memory_gib)
    share_vcpu = share_memory = part
    how_vcpu = how_memory = why
    vcpu, memory = number(replica.vcpu), number(replica.memory_gib)
    if not part:  # only vCPU or memory is set: the other has the same share
        if memory is not None:
            share_vcpu, how_vcpu = memory / usable_memory, "share of the specified memory"
        if vcpu is not None:
            share_memory, how_memory = vcpu / usable_vcpu, "share of the specified vCPU"
    if replica.vcpu is None:
        vcpu = _floor(usable_vcpu * share_vcpu - other_vcpu)
        how = _explanation("vCPU", instance_type, instance_type.vcpu, usable_vcpu, share_vcpu, how_vcpu, other_vcpu)
        steps.append(Step("cpu", quantity(vcpu), how))
    if replica.memory_gib is None:
        memory = _floor(usable_memory * share_memory - other_memory)
        how = _explanation(
            "GiB", instance_type, instance_type.memory_gib, usable_memory, share_memory, how_memory, other_memory
        )
        steps.append(Step("memory", quantity(memory, "Gi"), how))
    return vcpu, memory


def _explanation(
    unit: str, instance_type: InstanceType, total: float, usable: Decimal, part: Decimal, why: str, other: Decimal
) -> str:
    reserved = f"{quantity(exact(total) - usable)} reserved"
    text = f"{instance_type.name} has {quantity(total)} {unit}, {reserved}, {quantity(usable)} for pods"
    if part != 1:
        text += f"; {why}: {quantity(round(part, 4))} x {quantity(usable)} = {quantity(round(usable * part, 3))}"
    if other:
        text += f"; minus {quantity(other)} for the other containers"
    return text + "; rounded down"


def _floor(value: Decimal) -> Decimal:
    """Rounds down to whole units, and values below 1 to hundredths, so that small shares are not 0."""
    if value >= 1:
        return value.quantize(Decimal(1), rounding=ROUND_FLOOR)
    return max(value, Decimal()).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)


def _devices(replica: Replica, instance_type: InstanceType, part: Decimal, steps: list[Step]) -> dict[str, int]:
    if instance_type.accelerator is None or not part:
        return {}
    if replica.mig_profile is not None:
        name, count = f"nvidia.com/{replica.mig_profile}", replica.mig_count or 0
        steps.append(
            Step(
                name,
                str(count),
                f"as specified; limit equal; {quantity(round(_accelerators(instance_type, part), 3))} GPUs",
            )
        )
        return {name: count}
    named = accelerator_resource(instance_type, replica)
    if named is None:
        return {}
    name, units = named
    count = replica.accelerators or instance_type.accelerator.count
    how = "as specified" if replica.accelerators else f"whole node: {count} x {instance_type.accelerator.model}"
    if units != 1:
        how += f"; {units} cores each"
    steps.append(Step(name, str(count * units), f"{how}; limit equal"))
    return {name: count * units}


def _efa(replica: Replica, instance_type: InstanceType, part: Decimal, why: str, steps: list[Step]) -> int:
    if replica.efa is not None:
        steps.append(Step(EFA_RESOURCE, str(replica.efa), "as specified; limit equal" if replica.efa else "disabled"))
        return replica.efa
    if instance_type.accelerator is None or not part or replica.mig_profile is not None:
        if instance_type.supports_efa:
            steps.append(
                Step(
                    EFA_RESOURCE,
                    "0",
                    "not requested by default without whole accelerators; set `efa` to request interfaces",
                )
            )
        return 0
    total = instance_type.efa_interfaces
    if total is None:
        steps.append(
            Step(
                EFA_RESOURCE,
                "0",
                f"{instance_type.name} supports EFA, but the number of interfaces is unknown; set `efa`",
            )
        )
        return 0
    count = math.floor(part * total)
    if total:
        how = f"whole node: all {total}" if part == 1 else f"{why}: {quantity(round(part, 4))} x {total}, rounded down"
        steps.append(Step(EFA_RESOURCE, str(count), f"{how}; limit equal"))
    return count


def _per_node(
    replica: Replica, instance_type: InstanceType, vcpu: Decimal, memory: Decimal, accelerators: Decimal, efa: int
) -> int | None:
    available_and_requested: list[tuple[Any, Any]] = [
        (_available("vcpu", instance_type, vcpu), vcpu),
        (_available("memory_gib", instance_type, memory), memory),
        (instance_type.efa_interfaces, efa),
    ]
    if replica.mig_profile is not None:
        available_and_requested.append((mig_per_node(replica.mig_profile, instance_type), replica.mig_count))
    elif instance_type.accelerator is not None:
        available_and_requested.append((instance_type.accelerator.count, accelerators))
    counts = [
        math.floor(available / requested)
        for available, requested in available_and_requested
        if requested and available is not None
    ]
    return min(counts) if counts else None


def _available(resource: str, instance_type: InstanceType, request: Decimal) -> Decimal:
    """Returns the amount that pods can use on a node; for a larger request, the maximum that the kubelet can offer."""
    amount = usable(resource, getattr(instance_type, resource))
    return offered(resource, instance_type) if request > amount else amount
