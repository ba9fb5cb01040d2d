"""Training jobs: one model for three kinds of Kubernetes objects."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from .base import Change, ListOf, defaults, field
from .jobs_policy import Elastic, RunPolicy
from .jobs_replica import LARGEST_INT32, RESOURCE_FIELDS, PodFields, Replica

JobKind = Literal["HyperPodPyTorchJob", "PyTorchJob", "Job"]


__all__ = ["RESOURCE_FIELDS", "HyperPodPyTorchJob", "Job", "JobKind", "PodFields", "Replica", "ReplicaSpec"]


class ReplicaSpec(PodFields):
    """A named replica spec, which inherits the fields that it does not set from the job."""

    name: str = field(
        change=Change.REPLACES,
        help="Name of the replica spec, part of its pods' names; `master` or `worker` in a PyTorchJob.",
    )


def _quoted_number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Job(PodFields):
    """A training job.

    >>> job = Job(name="llama", image="registry/llama:v3", nodes=16, instance_type="ml.p5.48xlarge", team="research")
    >>> job.effective_namespace, job.effective_queue
    ('hyperpod-ns-research', 'hyperpod-ns-research-localqueue')
    """

    name: str = field(change=Change.REPLACES, help="Name: lowercase letters, digits and hyphens.")
    kind: JobKind = field(
        "HyperPodPyTorchJob",
        change=Change.REPLACES,
        help="Kind of object: the training operator's HyperPodPyTorchJob, Kubeflow's PyTorchJob, or a "
        "Kubernetes Job for smoke tests.",
    )
    on_change: Literal["new-object", "replace", "refuse"] = field(
        "new-object",
        change=Change.REPLACES,
        help=(
            "What an edit does to a deployed job. `new-object`: the name ends with a hash of the content; "
            "the new job is created before the old one is deleted. `replace`: fixed name; the old job is "
            "deleted first. `refuse`: fixed name; the edit fails."
        ),
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt an existing job of this name that this library did not create, such as one submitted "
        "with kubectl; it is retained when the stack is deleted.",
    )
    image: str = field(change=Change.REPLACES, help="Container image.", min_length=1)
    replica_specs: ListOf[ReplicaSpec] = field(
        (),
        change=Change.REPLACES,
        help=("Replica specs, instead of one named `pod`; for a PyTorchJob `master` and `worker`, or only `worker`."),
    )
    processes_per_node: Annotated[str | None, BeforeValidator(_quoted_number)] = field(
        None, change=Change.REPLACES, help="Processes per replica: `auto`, `cpu`, `gpu` or a number. Default: auto."
    )
    team: str | None = field(
        None, change=Change.REPLACES, help="Name of a team; determines the namespace and the queue."
    )
    namespace: str | None = field(
        None,
        change=Change.REPLACES,
        help="Namespace. Default: the team's namespace; without a team, `default`.",
        min_length=1,
    )
    queue: str | None = field(
        None, change=Change.REPLACES, help="Kueue LocalQueue. Default: the team's queue.", min_length=1
    )
    priority: str | None = field(
        None,
        change=Change.REPLACES,
        help="Priority class of task governance, with or without the suffix -priority of its Kubernetes name.",
    )
    workload_priority_class: str | None = field(
        None, change=Change.REPLACES, help="Exact name of a Kueue WorkloadPriorityClass, instead of `priority`."
    )
    preferred_topology: str | None = field(
        None,
        change=Change.REPLACES,
        help="Node label for topology-aware scheduling: pods run on nodes with the same value if possible.",
    )
    required_topology: str | None = field(
        None,
        change=Change.REPLACES,
        help="Node label for topology-aware scheduling: all pods must run on nodes with the same value.",
    )
    run_policy: RunPolicy = field(
        default_factory=lambda: defaults(RunPolicy),
        change=Change.REPLACES,
        help="Run policy: retries, deadlines, cleanup and log rules.",
    )
    elastic: Elastic | None = field(None, change=Change.REPLACES, help="Elastic training.")
    suspend: bool = field(False, change=Change.REPLACES, help="Create the job without starting it.")
    auto_resume: bool = field(
        False,
        change=Change.REPLACES,
        help="PyTorchJob only: HyperPod resumes the job after it replaces a faulty node (Kubeflow operator 1.7-1.8).",
    )
    auto_resume_retries: int | None = field(
        None,
        change=Change.REPLACES,
        help="Maximum number of automatic resumes. Default: `run_policy.max_retries`.",
        ge=0,
        le=LARGEST_INT32,
    )
    efa_preset: bool = field(
        False,
        change=Change.REPLACES,
        help="For multi-node jobs: libfabric and NCCL environment variables, huge pages, IPC_LOCK and "
        "/dev/shm for EFA.",
    )
    labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the job and its pods."
    )
    annotations: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Annotations of the job and its pods."
    )
    job_labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the job object only, in addition to `labels`."
    )
    job_annotations: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Annotations of the job object only, in addition to `annotations`.",
    )
    job_patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Escape hatch: merged into the job object last; null deletes a field.",
    )

    @property
    def effective_namespace(self) -> str:
        """The namespace in which the job is created."""
        return self.namespace or (f"hyperpod-ns-{self.team}" if self.team else "default")

    @property
    def effective_queue(self) -> str | None:
        """The LocalQueue of the job, or None if it has no queue."""
        return self.queue or (f"hyperpod-ns-{self.team}-localqueue" if self.team else None)

    @property
    def effective_priority(self) -> str | None:
        """The WorkloadPriorityClass of the job, or None if it has no priority.

        >>> Job(name="a", image="b", priority="high").effective_priority
        'high-priority'
        >>> Job(name="a", image="b", priority="high-priority").effective_priority
        'high-priority'
        """
        if self.workload_priority_class or not self.priority:
            return self.workload_priority_class
        return self.priority.removesuffix("-priority") + "-priority"

    @cached_property
    def parts(self) -> tuple[ReplicaSpec, ...]:
        """The replica specs with the values inherited from the job; by default a single replica spec named `pod`."""
        inherited = {name: getattr(self, name) for name in PodFields.model_fields}
        if not self.replica_specs:
            return (ReplicaSpec.model_construct(None, name="pod", **inherited),)
        parts = []
        for spec in self.replica_specs:
            values = dict(inherited)
            specified = spec.model_fields_set
            if "nodes" in specified:  # whole nodes override the job's resources per replica
                values |= dict.fromkeys(("replicas", *RESOURCE_FIELDS))
            elif specified & {"replicas", *RESOURCE_FIELDS}:
                values["nodes"] = None
            if specified & set(RESOURCE_FIELDS):  # a replica spec that sets one resource does not inherit the others
                values |= dict.fromkeys(RESOURCE_FIELDS)
            parts.append(
                ReplicaSpec.model_construct(None, **values | {name: getattr(spec, name) for name in specified})
            )
        return tuple(parts)


HyperPodPyTorchJob = Job
"""`Job` by the name of its default kind."""
