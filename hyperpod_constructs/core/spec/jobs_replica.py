"""Fields that replica specs of a job can set separately: resources and all other parts of a pod."""

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
"""Fields that request a part of a node; without any of them, a replica uses the whole node."""
LARGEST_INT32 = 2**31 - 1
"""Kubernetes replica counts are 32-bit integers."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Positive | Literal["none"] | None
"""A number, `none` to omit the request or limit, or None for the default."""


class Replica(SpecModel):
    """The number of replicas, their nodes, and the resources of each."""

    nodes: int | None = field(
        None,
        change=Change.REPLACES,
        help="Number of whole nodes, with one replica on each that uses all resources available to pods.",
        ge=1,
        le=LARGEST_INT32,
    )
    replicas: int | None = field(
        None,
        change=Change.REPLACES,
        help="Number of replicas that each use a part of a node, instead of `nodes`.",
        ge=1,
        le=LARGEST_INT32,
    )
    spares: int | None = field(
        None,
        change=Change.REPLACES,
        help="Spare pods that replace faulty pods; only for a HyperPodPyTorchJob with a queue.",
        ge=0,
        le=LARGEST_INT32,
    )
    instance_type: str | None = field(
        None, change=Change.REPLACES, help="HyperPod instance type of the nodes, such as `ml.p5.48xlarge`."
    )
    instance_group: str | None = field(
        None,
        change=Change.REPLACES,
        help="Instance group whose nodes are used. Default: all groups of the instance type.",
    )
    accelerators: int | None = field(None, change=Change.REPLACES, help="GPUs or Trainium chips per replica.", ge=1)
    accelerator_resource: str | None = field(
        None,
        change=Change.REPLACES,
        help=(
            "Kubernetes resource that `accelerators` refers to. Default: the resource of the instance type; "
            "without an instance type, nvidia.com/gpu."
        ),
    )
    vcpu: Amount = field(
        None,
        change=Change.REPLACES,
        help="vCPU per replica, `none` for no request. Default: the replica's share of the node.",
    )
    vcpu_limit: Positive | None = field(None, change=Change.REPLACES, help="vCPU limit. Default: none.")
    memory_gib: Amount = field(
        None,
        change=Change.REPLACES,
        help="Memory per replica in GiB, `none` for no request. Default: the replica's share of the node.",
    )
    memory_limit_gib: Amount = field(
        None,
        change=Change.REPLACES,
        help=(
            "Memory limit in GiB, `none` for no limit. Default: the memory requested; no limit if `memory_gib` is "
            "set for a replica that uses all accelerators of its node."
        ),
    )
    ephemeral_storage_gib: Positive | None = field(
        None, change=Change.REPLACES, help="Local disk per replica in GiB. Default: no request."
    )
    ephemeral_storage_limit_gib: Positive | None = field(
        None, change=Change.REPLACES, help="Local disk limit in GiB; a pod that exceeds it is evicted. Default: none."
    )
    mig_profile: str | None = field(
        None,
        change=Change.REPLACES,
        help="MIG profile, such as `mig-1g.10gb`, instead of whole GPUs.",
        pattern=r"^mig-[1-7]g\.[1-9][0-9]{0,3}gb$",
    )
    mig_count: int | None = field(None, change=Change.REPLACES, help="Number of partitions of that profile.", ge=1)
    efa: int | None = field(
        None,
        change=Change.REPLACES,
        help="EFA interfaces per replica. Default: the replica's share of the interfaces of an accelerated node, "
        "rounded down.",
        ge=0,
    )
    hugepages_2mi_mib: int | None = field(
        None, change=Change.REPLACES, help="Memory in 2 MiB huge pages, in MiB.", ge=2, multiple_of=2
    )
    neuron_resource: Literal["neurondevice", "neuron", "neuroncore"] = field(
        "neurondevice",
        change=Change.REPLACES,
        help="Neuron resource to request: per chip (`neurondevice`, `neuron`) or per core (`neuroncore`).",
    )
    node_selector: Mapping[str, str] = field(default_factory=dict, change=Change.REPLACES, help="Required node labels.")
    command: ListOf[str] = field((), change=Change.REPLACES, help="Command. Default: the image's.")
    args: ListOf[str] = field((), change=Change.REPLACES, help="Arguments of the command.")

    @property
    def is_partial(self) -> bool:
        """Whether a replica requests a part of a node.

        >>> Replica(nodes=2).is_partial, Replica(replicas=2, accelerators=4).is_partial, Replica(vcpu="none").is_partial
        (False, True, False)
        """
        return any(getattr(self, name) not in (None, "none") for name in RESOURCE_FIELDS)

    @property
    def count(self) -> int:
        """The number of replicas: `nodes` or `replicas`, otherwise 1."""
        return self.nodes or self.replicas or 1


class PodFields(Replica):
    """The parts of a replica spec's pods other than resources."""

    image: str | None = field(None, change=Change.REPLACES, help="Container image. Default: the job's.", min_length=1)
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment variables of the main container.")
    env_from: ListOf[EnvFrom] = field(
        (), change=Change.REPLACES, help="Secrets or config maps whose keys all become environment variables."
    )
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="Image pull policy.")
    pull_secrets: ListOf[str] = field((), change=Change.REPLACES, help="Secrets with registry credentials.")
    deep_health_check_passed_only: bool = field(
        False, change=Change.REPLACES, help="Run only on nodes that passed the deep health checks."
    )
    tolerations: ListOf[Toleration] = field((), change=Change.REPLACES, help="Taints that the pods tolerate.")
    affinity: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Affinity in Kubernetes syntax."
    )
    topology_spread: ListOf[TopologySpread] = field(
        (), change=Change.REPLACES, help="How pods are spread over nodes or zones."
    )
    scheduler_name: str | None = field(
        None,
        change=Change.REPLACES,
        help="Scheduler. Default: the Kubernetes scheduler. Do not set it for Kueue: use `queue`.",
    )
    pod_priority_class: str | None = field(None, change=Change.REPLACES, help="PriorityClass of the pods.")
    volumes: ListOf[JobVolume] = field(
        (),
        change=Change.REPLACES,
        help="Volumes and their mount paths; repeat a volume to mount it at another path.",
    )
    shared_memory_gib: Annotated[float, Field(allow_inf_nan=False)] | Literal["auto"] | None = field(
        None,
        change=Change.REPLACES,
        help="Size of /dev/shm in GiB; `auto`: half of the memory. Default: 64 MiB, set by the container runtime.",
    )
    service_account: str | None = field(None, change=Change.REPLACES, help="Service account of the pods.")
    security: SecurityContext | None = field(
        None,
        change=Change.REPLACES,
        help="Security context of the main container; sidecars and init containers set their own.",
    )
    ports: ListOf[Port] = field((), change=Change.REPLACES, help="Ports of the main container.")
    working_dir: str | None = field(None, change=Change.REPLACES, help="Working directory of the main container.")
    container_name: str | None = field(
        None,
        change=Change.REPLACES,
        help="Name of the main container; the default depends on the kind. Always `pytorch` for a PyTorchJob.",
    )
    host_network: bool = field(False, change=Change.REPLACES, help="Use the host network.")
    host_ipc: bool = field(False, change=Change.REPLACES, help="Use the host IPC namespace.")
    dns_policy: DnsPolicy | None = field(
        None,
        change=Change.REPLACES,
        help="DNS policy. Default: ClusterFirst, or ClusterFirstWithHostNet with `host_network`.",
    )
    termination_grace_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds between SIGTERM and SIGKILL.", ge=0
    )
    restart_pods: Literal["Never", "OnFailure", "Always", "ExitCode"] | None = field(
        None,
        change=Change.REPLACES,
        help="Restart policy of failed pods. Default: the operator's default; for a Kubernetes Job, Never.",
    )
    sidecars: ListOf[Container] = field(
        (), change=Change.REPLACES, help="Containers that run next to the main container."
    )
    init_containers: ListOf[Container] = field(
        (), change=Change.REPLACES, help="Containers that run before the main container."
    )
    pod_labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the pods only, in addition to `labels`."
    )
    pod_annotations: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Annotations of the pods only, in addition to `annotations`."
    )
    container_patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Escape hatch: merged into the main container, regardless of its name; null deletes a field.",
    )
    patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Escape hatch: merged into each pod template; null deletes a field, and lists of named items "
        "are merged by name.",
    )
