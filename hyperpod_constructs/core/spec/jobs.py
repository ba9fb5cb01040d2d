"""Training jobs: one model, three kinds of Kubernetes object."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from .base import Change, ListOf, field
from .jobs_policy import Elastic, RunPolicy
from .jobs_replica import LARGEST_INT32, RESOURCE_FIELDS, PodFields, Replica

JobKind = Literal["HyperPodPyTorchJob", "PyTorchJob", "Job"]


__all__ = ["RESOURCE_FIELDS", "HyperPodPyTorchJob", "Job", "JobKind", "PodFields", "Replica", "ReplicaSpec"]


class ReplicaSpec(PodFields):
    """A named replica spec; it takes from the job every field that it does not state itself."""

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
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over a job of this name that exists already and was not made by this library, such as one that was "
        "submitted by hand; it is kept when ours goes.",
    )
    image: str = field(change=Change.REPLACES, help="Container image.", min_length=1)
    replica_specs: ListOf[ReplicaSpec] = field(
        (),
        change=Change.REPLACES,
        help=(
            "Several replica specs instead of one named `pod`; of a PyTorchJob `master` and `worker`, or workers only."
        ),
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
        help="Priority class of task governance, with or without the suffix -priority of its Kubernetes name.",
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
    auto_resume_retries: int | None = field(
        None,
        change=Change.REPLACES,
        help="How often HyperPod resumes the job; default: `run_policy.max_retries`.",
        ge=0,
        le=LARGEST_INT32,
    )
    efa_preset: bool = field(
        False,
        change=Change.REPLACES,
        help="For jobs over several nodes: libfabric and NCCL environment, huge pages, IPC_LOCK and /dev/shm for EFA.",
    )
    labels: Mapping[str, str] = field(default_factory=dict, change=Change.REPLACES, help="Labels of job and pods.")
    annotations: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Annotations of job and pods."
    )
    job_labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Labels of the job's object only, besides `labels`."
    )
    job_annotations: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Annotations of the job's object only, besides `annotations`.",
    )
    job_patch: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.REPLACES,
        help="Last resort: merged into the job's object at the end; null deletes.",
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
        >>> Job(name="a", image="b", priority="high-priority").effective_priority
        'high-priority'
        """
        if self.workload_priority_class or not self.priority:
            return self.workload_priority_class
        return self.priority.removesuffix("-priority") + "-priority"

    @cached_property
    def parts(self) -> tuple[ReplicaSpec, ...]:
        """The replica specs in full: each with what it took from the job; one named `pod` when none is stated."""
        inherited = {name: getattr(self, name) for name in PodFields.model_fields}
        if not self.replica_specs:
            return (ReplicaSpec.model_construct(None, name="pod", **inherited),)
        parts = []
        for spec in self.replica_specs:
            values = dict(inherited)
            stated = spec.model_fields_set
            if "nodes" in stated:  # whole nodes instead of the job's parts
                values |= dict.fromkeys(("replicas", *RESOURCE_FIELDS))
            elif stated & {"replicas", *RESOURCE_FIELDS}:
                values["nodes"] = None
            if stated & set(RESOURCE_FIELDS):  # a share stated in part is stated as a whole
                values |= dict.fromkeys(RESOURCE_FIELDS)
            parts.append(ReplicaSpec.model_construct(None, **values | {name: getattr(spec, name) for name in stated}))
        return tuple(parts)


HyperPodPyTorchJob = Job
"""A `Job` for the HyperPod training operator, which is its default; `kind="PyTorchJob"` makes it Kubeflow's."""
