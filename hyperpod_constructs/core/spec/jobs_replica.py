"""What can differ between the replica specs of a job: the share of a node, and everything a pod is made of."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Change, ListOf, SpecModel, field
from .jobs_pod import (
    Container,
    DnsPolicy,
    Env,
    EnvFrom,
    JobVolume,
    Port,
    PullPolicy,
    SecurityContext,
    Toleration,
    TopologySpread,
)

RESOURCE_FIELDS = ("accelerators", "vcpu", "memory_gib", "mig_profile", "mig_count")
"""Fields that ask for a part of a node; with none of them a replica takes the whole node."""
LARGEST_INT32 = 2**31 - 1
"""Kubernetes counts replicas with 32 bits."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Positive | Literal["none"] | None
"""A number, `none` to leave the request or limit out, or nothing for the default."""


class Replica(SpecModel):
    """How many replicas, on which nodes, with which share of a node each."""

    nodes: int | None = field(
        None,
        change=Change.REPLACES,
        help="Whole nodes: one replica on each, with all that pods can use.",
        ge=1,
        le=LARGEST_INT32,
    )
    replicas: int | None = field(
        None,
        change=Change.REPLACES,
        help="Replicas that take a part of a node each, instead of `nodes`.",
        ge=1,
        le=LARGEST_INT32,
    )
    spares: int | None = field(
        None,
        change=Change.REPLACES,
        help="Extra pods kept ready to replace faulty ones; HyperPodPyTorchJob with a queue only.",
        ge=0,
        le=LARGEST_INT32,
    )
    instance_type: str | None = field(
        None, change=Change.REPLACES, help="HyperPod instance type of the nodes, such as `ml.p5.48xlarge`."
    )
    instance_group: str | None = field(
        None, change=Change.REPLACES, help="Instance group whose nodes are used; default: every group of the type."
    )
    accelerators: int | None = field(None, change=Change.REPLACES, help="GPUs or Trainium chips of one replica.", ge=1)
    accelerator_resource: str | None = field(
        None,
        change=Change.REPLACES,
        help=(
            "Kubernetes resource that `accelerators` counts; default: the instance type's, nvidia.com/gpu where no"
            " instance type is stated."
        ),
    )
    vcpu: Amount = field(
        None, change=Change.REPLACES, help="vCPU of one replica, `none` for no request; default: its share of the node."
    )
    vcpu_limit: Positive | None = field(None, change=Change.REPLACES, help="vCPU limit; default: none.")
    memory_gib: Amount = field(
        None,
        change=Change.REPLACES,
        help="Memory of one replica in GiB, `none` for no request; default: its share of the node.",
    )
    memory_limit_gib: Amount = field(
        None,
        change=Change.REPLACES,
        help=(
            "Memory limit in GiB, `none` for no limit; default: what is requested, but no limit where `memory_gib` is"
            " stated for a replica with all accelerators of its node."
        ),
    )
    ephemeral_storage_gib: Positive | None = field(
        None, change=Change.REPLACES, help="Local disk of one replica in GiB; default: no request."
    )
    ephemeral_storage_limit_gib: Positive | None = field(
        None, change=Change.REPLACES, help="Limit of local disk in GiB; a pod above it is evicted. Default: none."
    )
    mig_profile: str | None = field(
        None,
        change=Change.REPLACES,
        help="MIG profile, such as `mig-1g.10gb`, instead of whole GPUs.",
        pattern=r"^mig-[1-7]g\.[1-9][0-9]{0,3}gb$",
    )
    mig_count: int | None = field(None, change=Change.REPLACES, help="Partitions of that profile.", ge=1)
    efa: int | None = field(
        None,
        change=Change.REPLACES,
        help="EFA interfaces of one replica; 0 for none. Default: its share of an accelerated node's, rounded down.",
        ge=0,
    )
    hugepages_2mi_mib: int | None = field(
        None, change=Change.REPLACES, help="Memory in 2 MiB huge pages, in MiB.", ge=2, multiple_of=2
    )
    neuron_resource: Literal["neurondevice", "neuron", "neuroncore"] = field(
        "neurondevice",
        change=Change.REPLACES,
        help="Resource name for Trainium: one per chip (`neurondevice`, `neuron`) or per core (`neuroncore`).",
    )
    node_selector: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Node labels that are required."
    )
    command: ListOf[str] = field((), change=Change.REPLACES, help="Command; default: the image's.")
    args: ListOf[str] = field((), change=Change.REPLACES, help="Arguments of the command.")

    @property
    def is_partial(self) -> bool:
        """Whether a replica asks for a part of a node.

        >>> Replica(nodes=2).is_partial, Replica(replicas=2, accelerators=4).is_partial, Replica(vcpu="none").is_partial
        (False, True, False)
        """
        return any(getattr(self, name) not in (None, "none") for name in RESOURCE_FIELDS)

    @property
    def count(self) -> int:
        """How many replicas run: `nodes` or `replicas`, else 1."""
        return self.nodes or self.replicas or 1


class PodFields(Replica):
    """What the pods of a replica spec are made of besides their share of a node."""

    image: str | None = field(None, change=Change.REPLACES, help="Container image; default: the job's.", min_length=1)
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment of the main container.")
    env_from: ListOf[EnvFrom] = field((), change=Change.REPLACES, help="Whole secrets or config maps as environment.")
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="When the image is pulled.")
    pull_secrets: ListOf[str] = field((), change=Change.REPLACES, help="Secrets with registry credentials.")
    deep_health_check_passed_only: bool = field(
        False, change=Change.REPLACES, help="Only nodes that passed the deep health checks."
    )
    tolerations: ListOf[Toleration] = field((), change=Change.REPLACES, help="Taints that the pods put up with.")
    affinity: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Affinity as Kubernetes writes it."
    )
    topology_spread: ListOf[TopologySpread] = field(
        (), change=Change.REPLACES, help="How pods are spread over nodes or zones."
    )
    scheduler_name: str | None = field(
        None, change=Change.REPLACES, help="Scheduler; default: Kubernetes' own. Kueue is not one: `queue` selects it."
    )
    pod_priority_class: str | None = field(None, change=Change.REPLACES, help="PriorityClass of the pods.")
    volumes: ListOf[JobVolume] = field(
        (),
        change=Change.REPLACES,
        help="Volumes and where they are mounted; the same volume again is another mount of it.",
    )
    shared_memory_gib: Annotated[float, Field(allow_inf_nan=False)] | Literal["auto"] | None = field(
        None,
        change=Change.REPLACES,
        help="Size of /dev/shm in GiB; `auto`: half of the memory. Default: the container runtime's 64 MiB.",
    )
    service_account: str | None = field(None, change=Change.REPLACES, help="Service account of the pods.")
    security: SecurityContext | None = field(
        None,
        change=Change.REPLACES,
        help="Rights of the main container's processes; sidecars and init containers state their own.",
    )
    ports: ListOf[Port] = field((), change=Change.REPLACES, help="Ports of the main container.")
    working_dir: str | None = field(None, change=Change.REPLACES, help="Working directory of the main container.")
    container_name: str | None = field(
        None,
        change=Change.REPLACES,
        help="Name of the main container; default by kind. A PyTorchJob's is always `pytorch`.",
    )
    host_network: bool = field(False, change=Change.REPLACES, help="Use the node's network.")
    host_ipc: bool = field(False, change=Change.REPLACES, help="Use the node's shared memory segments.")
    dns_policy: DnsPolicy | None = field(
        None,
        change=Change.REPLACES,
        help="Where names are resolved; default: ClusterFirst, with `host_network` ClusterFirstWithHostNet.",
    )
    termination_grace_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds between the signal to stop and the kill.", ge=0
    )
    restart_pods: Literal["Never", "OnFailure", "Always", "ExitCode"] | None = field(
        None, change=Change.REPLACES, help="Restart of a failed pod; default: the operator's (plain Job: Never)."
    )
    sidecars: ListOf[Container] = field((), change=Change.REPLACES, help="Containers beside the main one.")
    init_containers: ListOf[Container] = field((), change=Change.REPLACES, help="Containers that run first.")
    pod_labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the pods only, besides `labels`."
    )
    pod_annotations: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Annotations of the pods only, besides `annotations`."
    )
    container_patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Last resort: merged into the main container, whatever its name is; null deletes.",
    )
    patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Last resort: merged into each pod template; null deletes, lists of named things are merged by name.",
    )
