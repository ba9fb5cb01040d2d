"""The instance types that HyperPod supports."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import UnknownName, suggest

EFA_RESOURCE = "vpc.amazonaws.com/efa"
"""The Kubernetes resource that the EFA device plugin advertises, one for each EFA interface."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The accelerators of one instance.

    Attributes:
        kind: "gpu" (NVIDIA) or "neuron" (AWS Trainium).
        model: such as "NVIDIA H100".
        count: GPUs or Trainium chips per instance.
        memory_gib_each: memory of one accelerator in GiB as EC2 reports it, or None if unknown.
        resource_names: Kubernetes resources that the device plugin advertises; jobs request the first one.
        neuron_cores: physical Neuron cores of the instance, or None for GPUs. Logical cores depend on the LNC setting.
    """

    kind: Literal["gpu", "neuron"]
    model: str
    count: int
    memory_gib_each: float | None
    resource_names: tuple[str, ...]
    neuron_cores: int | None

    @property
    def resource(self) -> str:
        """The Kubernetes resource that a job requests: one unit is one GPU or one Trainium chip."""
        return self.resource_names[0]


class InstanceType(NamedTuple):
    """One instance type of HyperPod. A value of None means unknown.

    Attributes:
        name: with the `ml.` prefix, as in the instance-type label of nodes.
        family: such as "p5" of "ml.p5.48xlarge".
        vcpu: vCPUs with the default threads per core.
        memory_gib: memory in GiB.
        architecture: "x86_64" or "arm64".
        accelerator: None for CPU types.
        efa_interfaces: number of EFA interfaces; 0 without EFA, None if EFA is supported but the number is unknown.
        network_cards: number of network cards.
        ipv4_per_interface: IPv4 addresses per network interface.
        max_pods: maximum pods per node. HyperPod uses one network interface per node for pods, so this is far below
            EKS's limit for the same EC2 type. Pods on the host network are included.
        max_pods_certain: whether `max_pods` is documented, and no other source contradicts it.
        nvme_gb: total local NVMe storage in GB; 0 if there is none.
        mig_profiles: MIG profiles, such as "mig-1g.10gb"; empty if the type has none.
        threads_per_core: valid values of `ThreadsPerCore`.
        regions: regions with a list price, which indicates availability; empty if no price is known.
        uncertain: field name to what its sources disagree about, or what the value was inferred from.
    """

    name: str
    family: str
    vcpu: int
    memory_gib: float
    architecture: Literal["x86_64", "arm64"]
    accelerator: Accelerator | None
    efa_interfaces: int | None
    network_cards: int
    ipv4_per_interface: int | None
    max_pods: int | None
    max_pods_certain: bool
    nvme_gb: int | None
    mig_profiles: tuple[str, ...]
    threads_per_core: tuple[int, ...] | None
    regions: tuple[str, ...]
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def ips_per_node(self) -> int | None:
        """Maximum number of IPv4 addresses that one node uses in its subnet.

        The addresses of the first interface, and one address for each additional network card (P5: 50 + 31). The warm
        settings of the VPC CNI and interfaces of type `efa-only`, which have no address, can reduce the number.
        """
        return None if self.ipv4_per_interface is None else self.ipv4_per_interface + self.network_cards - 1

    @property
    def is_accelerated(self) -> bool:
        """Whether it has GPUs or Trainium chips."""
        return self.accelerator is not None

    @property
    def is_gpu(self) -> bool:
        """Whether it has NVIDIA GPUs."""
        return self.accelerator is not None and self.accelerator.kind == "gpu"

    @property
    def is_neuron(self) -> bool:
        """Whether it has AWS Trainium chips."""
        return self.accelerator is not None and self.accelerator.kind == "neuron"

    @property
    def supports_efa(self) -> bool:
        """Whether it has EFA interfaces, even if their number is unknown."""
        return self.efa_interfaces != 0

    @property
    def deep_health_checks(self) -> bool:
        """Whether it supports deep health checks: GPU and Trainium types only."""
        return self.is_accelerated

    def offered_in(self, region: str) -> bool | None:
        """Whether it has a list price in `region`; None if no price is known in any region."""
        return region in self.regions if self.regions else None


@follows_facts
@cache
def instance_types() -> Mapping[str, InstanceType]:
    """Every instance type that the API accepts in an instance group, by name.

    >>> len(instance_types())
    209
    """
    file = load("instance_types")
    return MappingProxyType({name: _read(name, entry, file) for name, entry in file["instance_types"].items()})


def find_instance_type(name: str) -> InstanceType | None:
    """Returns the instance type of this exact name, or None.

    >>> find_instance_type("p5.48xlarge") is None
    True
    """
    return instance_types().get(name)


def instance_type(name: str) -> InstanceType:
    """Returns the instance type of this exact name.

    Raises:
        UnknownName: the API does not accept it; the message has the closest name, or the reason for an EC2 type.

    >>> instance_type("ml.p5.48xlarge").ips_per_node
    81
    >>> instance_type("ml.p5.48xlage")
    Traceback (most recent call last):
    hyperpod_constructs.core.catalog._names.UnknownName: unknown instance type 'ml.p5.48xlage'; did you mean 'ml.p5.48xlarge'?
    """  # noqa: E501
    found = find_instance_type(name)
    if found is not None:
        return found
    reason = refusal(name)
    if reason:
        raise UnknownName("instance type", name, reason=reason)
    near = suggest(name, instance_types())
    prefix = "HyperPod's names start with 'ml.'" if near == f"ml.{name}" else ""
    raise UnknownName("instance type", name, near, prefix)


def refusal(name: str) -> str | None:
    """The reason why the API rejects a type that other sources list, such as `ml.inf2.xlarge`; None for other types."""
    refused: dict[str, str] = load("instance_types")["refused"]
    plain = "ml." + name.removeprefix("ml.")
    return next((why for start, why in refused.items() if plain == start or plain.startswith(start + ".")), None)


def mig_profiles_in_api() -> tuple[str, ...]:
    """The MIG profiles that the API accepts in a compute quota."""
    return tuple(load("instance_types")["mig_profiles_in_api"])


def _read(name: str, entry: dict[str, Any], file: dict[str, Any]) -> InstanceType:
    rules, addresses = file["rules"], entry.get("ipv4_per_interface")
    uncertain: dict[str, str] = dict(entry.get("uncertain", {}))
    max_pods = entry.get("max_pods")
    if max_pods is None and addresses is not None:
        max_pods = addresses - 1
        uncertain.setdefault("max_pods", rules["max_pods"])
    accelerator = entry.get("accelerator")
    return InstanceType(
        name=name,
        family=name.split(".")[1],
        vcpu=entry["vcpu"],
        memory_gib=entry["memory_gib"],
        architecture=entry.get("architecture", "x86_64"),
        accelerator=accelerator
        and Accelerator(
            kind=accelerator["kind"],
            model=accelerator["model"],
            count=accelerator["count"],
            memory_gib_each=accelerator.get("memory_gib_each"),
            resource_names=tuple(file["resource_names"][accelerator["kind"]]),
            neuron_cores=accelerator.get("neuron_cores"),
        ),
        efa_interfaces=entry.get("efa_interfaces", 0),
        network_cards=entry.get("network_cards", 1),
        ipv4_per_interface=addresses,
        max_pods=max_pods,
        max_pods_certain="max_pods" not in uncertain,
        nvme_gb=entry.get("nvme_gb", 0),
        mig_profiles=tuple(entry.get("mig_profiles", ())),
        threads_per_core=_tuple(entry.get("threads_per_core", (1, 2))),
        regions=tuple(entry["regions"]),
        uncertain=MappingProxyType(uncertain),
    )


def _tuple(values: Any) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)
