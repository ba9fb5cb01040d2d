"""Training jobs: one model, three kinds of Kubernetes object."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from .base import Change, SpecModel, field
from .jobs_pod import Container, Env, EnvFrom, JobVolume, Port, PullPolicy, SecurityContext, Toleration
from .jobs_policy import Elastic, RunPolicy

JobKind = Literal["HyperPodPyTorchJob", "PyTorchJob", "Job"]

RESOURCE_FIELDS = ("accelerators", "vcpu", "memory_gib", "mig_profile", "mig_count")
"""Fields that ask for a part of a node; with none of them a replica takes the whole node."""


class Replica(SpecModel):
    """What can differ between the replica specs of a job: how many, on which nodes, with which share of a node."""

    nodes: int | None = field(
        None, change=Change.REPLACES, help="Whole nodes: one replica on each, with all that pods can use.", ge=1
    )
    replicas: int | None = field(
        None, change=Change.REPLACES, help="Replicas that take a part of a node each, instead of `nodes`.", ge=1
    )
    spares: int | None = field(
        None,
        change=Change.REPLACES,
        help="Extra pods kept ready to replace faulty ones; HyperPodPyTorchJob only.",
        ge=0,
    )
    instance_type: str | None = field(
        None, change=Change.REPLACES, help="HyperPod instance type of the nodes, such as `ml.p5.48xlarge`."
    )
    instance_group: str | None = field(
        None, change=Change.REPLACES, help="Instance group whose nodes are used; default: every group of the type."
    )
    accelerators: int | None = field(None, change=Change.REPLACES, help="GPUs or Trainium chips of one replica.", ge=1)
    vcpu: float | None = field(
        None, change=Change.REPLACES, help="vCPU of one replica; default: by its share of the node.", gt=0
    )
    vcpu_limit: float | None = field(None, change=Change.REPLACES, help="vCPU limit; default: none.", gt=0)
    memory_gib: float | None = field(
        None, change=Change.REPLACES, help="Memory of one replica in GiB; default: by its share of the node.", gt=0
    )
    memory_limit_gib: float | None = field(
        None, change=Change.REPLACES, help="Memory limit in GiB; default: what is requested.", gt=0
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
    command: tuple[str, ...] = field((), change=Change.REPLACES, help="Command; default: the image's.")
    args: tuple[str, ...] = field((), change=Change.REPLACES, help="Arguments of the command.")

    @property
    def is_partial(self) -> bool:
        """Whether a replica asks for a part of a node.

        >>> Replica(nodes=2).is_partial, Replica(replicas=2, accelerators=4).is_partial
        (False, True)
        """
        return any(getattr(self, name) is not None for name in RESOURCE_FIELDS)

    @property
    def count(self) -> int:
        """How many replicas run: `nodes` or `replicas`, else 1."""
        return self.nodes or self.replicas or 1


class ReplicaSpec(Replica):
    """A named replica spec of a HyperPodPyTorchJob; it takes from the job what it does not state itself."""

    name: str = field(change=Change.REPLACES, help="Name of the replica spec, part of its pods' names.")


def _quoted_number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Job(Replica):
    """A training job.

    >>> job = Job(name="llama", image="registry/llama:v3", nodes=16, instance_type="ml.p5.48xlarge", team="research")
    >>> job.effective_namespace, job.effective_queue
    ('hyperpod-ns-research', 'hyperpod-ns-research-localqueue')
    """

    name: str = field(change=Change.REPLACES, help="Name: lower case letters, digits and hyphens.")
    kind: JobKind = field(
        "HyperPodPyTorchJob",
        change=Change.REPLACES,
        help="Kind of object: the training operator's, Kubeflow's PyTorchJob, or a plain Job for smoke tests.",
    )
    on_change: Literal["new-object", "replace", "refuse"] = field(
        "new-object",
        change=Change.REPLACES,
        help=(
            "What an edit does to a deployed job. `new-object`: the name carries a hash of the content, the new job is"
            " created before the old one is deleted. `replace`: fixed name, the old job is deleted first. `refuse`:"
            " fixed name, the edit fails."
        ),
    )
    image: str = field(change=Change.REPLACES, help="Container image.", min_length=1)
    env: Env = field(default_factory=dict, change=Change.REPLACES, help="Environment of the main container.")
    env_from: tuple[EnvFrom, ...] = field(
        (), change=Change.REPLACES, help="Whole secrets or config maps as environment."
    )
    pull_policy: PullPolicy | None = field(None, change=Change.REPLACES, help="When the image is pulled.")
    pull_secrets: tuple[str, ...] = field((), change=Change.REPLACES, help="Secrets with registry credentials.")
    replica_specs: tuple[ReplicaSpec, ...] = field(
        (), change=Change.REPLACES, help="Several replica specs instead of one named `pod`; HyperPodPyTorchJob only."
    )
    processes_per_node: Annotated[str | None, BeforeValidator(_quoted_number)] = field(
        None, change=Change.REPLACES, help="Processes of each replica: `auto`, `cpu`, `gpu` or a number; default: auto."
    )
    team: str | None = field(
        None, change=Change.REPLACES, help="Team of task governance: names the namespace and the queue."
    )
    namespace: str | None = field(
        None, change=Change.REPLACES, help="Namespace; default: the team's, else `default`.", min_length=1
    )
    queue: str | None = field(None, change=Change.REPLACES, help="Kueue LocalQueue; default: the team's.", min_length=1)
    priority: str | None = field(
        None,
        change=Change.REPLACES,
        help="Priority class of task governance; Kubernetes knows it as `<class>-priority`.",
    )
    workload_priority_class: str | None = field(
        None, change=Change.REPLACES, help="Exact name of a Kueue WorkloadPriorityClass, instead of `priority`."
    )
    preferred_topology: str | None = field(
        None, change=Change.REPLACES, help="Node label within whose value all pods should run, if that can be."
    )
    required_topology: str | None = field(
        None, change=Change.REPLACES, help="Node label within whose value all pods must run."
    )
    deep_health_check_passed_only: bool = field(
        False, change=Change.REPLACES, help="Only nodes that passed the deep health checks."
    )
    tolerations: tuple[Toleration, ...] = field((), change=Change.REPLACES, help="Taints that the pods put up with.")
    affinity: Mapping[str, Any] = field(
        default_factory=dict, change=Change.REPLACES, help="Affinity as Kubernetes writes it."
    )
    scheduler_name: str | None = field(None, change=Change.REPLACES, help="Scheduler; default: Kubernetes' own.")
    pod_priority_class: str | None = field(None, change=Change.REPLACES, help="PriorityClass of the pods.")
    run_policy: RunPolicy = field(
        default_factory=RunPolicy, change=Change.REPLACES, help="Retries, deadlines, clean-up, log rules."
    )
    elastic: Elastic | None = field(None, change=Change.REPLACES, help="Elastic training.")
    suspend: bool = field(False, change=Change.REPLACES, help="Create the job without starting it.")
    auto_resume: bool = field(
        False,
        change=Change.REPLACES,
        help="PyTorchJob only: HyperPod resumes the job after it replaced a faulty node (Kubeflow operator 1.7-1.8).",
    )
    volumes: tuple[JobVolume, ...] = field((), change=Change.REPLACES, help="Volumes and where they are mounted.")
    shared_memory_gib: float | Literal["auto"] | None = field(
        None,
        change=Change.REPLACES,
        help="Size of /dev/shm in GiB; `auto`: half of the memory. Default: the container runtime's 64 MiB.",
    )
    efa_preset: bool = field(
        False,
        change=Change.REPLACES,
        help="For jobs over several nodes: libfabric and NCCL environment, huge pages and /dev/shm for EFA.",
    )
    service_account: str | None = field(None, change=Change.REPLACES, help="Service account of the pods.")
    security: SecurityContext | None = field(None, change=Change.REPLACES, help="Rights of the processes.")
    ports: tuple[Port, ...] = field((), change=Change.REPLACES, help="Ports of the main container.")
    working_dir: str | None = field(None, change=Change.REPLACES, help="Working directory of the main container.")
    host_network: bool = field(False, change=Change.REPLACES, help="Use the node's network.")
    host_ipc: bool = field(False, change=Change.REPLACES, help="Use the node's shared memory segments.")
    termination_grace_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds between the signal to stop and the kill.", ge=0
    )
    restart_pods: Literal["Never", "OnFailure", "Always", "ExitCode"] | None = field(
        None, change=Change.REPLACES, help="Restart of a failed pod; default: the operator's (plain Job: Never)."
    )
    sidecars: tuple[Container, ...] = field((), change=Change.REPLACES, help="Containers beside the main one.")
    init_containers: tuple[Container, ...] = field((), change=Change.REPLACES, help="Containers that run first.")
    labels: Mapping[str, str] = field(default_factory=dict, change=Change.REPLACES, help="Labels of job and pods.")
    annotations: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Annotations of job and pods."
    )
    patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Last resort: merged into each pod template; null deletes, lists of named things are merged by name.",
    )

    @property
    def effective_namespace(self) -> str:
        """The namespace the job is created in."""
        return self.namespace or (f"hyperpod-ns-{self.team}" if self.team else "default")

    @property
    def effective_queue(self) -> str | None:
        """The LocalQueue that the job waits in, None without one."""
        return self.queue or (f"hyperpod-ns-{self.team}-localqueue" if self.team else None)

    @property
    def effective_priority(self) -> str | None:
        """The WorkloadPriorityClass, None without one.

        >>> Job(name="a", image="b", priority="high").effective_priority
        'high-priority'
        """
        return self.workload_priority_class or (f"{self.priority}-priority" if self.priority else None)

    @cached_property
    def parts(self) -> tuple[ReplicaSpec, ...]:
        """The replica specs in full: each with what it took from the job; one named `pod` when none is stated."""
        inherited = {name: getattr(self, name) for name in Replica.model_fields}
        if not self.replica_specs:
            return (ReplicaSpec.model_construct(None, name="pod", **inherited),)
        parts = []
        for spec in self.replica_specs:
            values = dict(inherited)
            own = spec.model_fields_set
            if "nodes" in own:  # whole nodes instead of the job's parts
                values |= dict.fromkeys(("replicas", *RESOURCE_FIELDS))
            elif own & {"replicas", *RESOURCE_FIELDS}:
                values["nodes"] = None
            if own & set(RESOURCE_FIELDS):  # a share stated in part is stated as a whole
                values |= dict.fromkeys(RESOURCE_FIELDS)
            parts.append(ReplicaSpec.model_construct(None, **values | {name: getattr(spec, name) for name in own}))
        return tuple(parts)


HyperPodPyTorchJob = Job
"""A `Job` for the HyperPod training operator, which is its default; `kind="PyTorchJob"` makes it Kubeflow's."""
