"""Retries, monitoring, scaling and cleanup of a job."""

from collections.abc import Mapping
from typing import Any, Literal

from .base import Change, ListOf, SpecModel, field


class RestartPolicy(SpecModel):
    """How the training operator restarts a failed job; HyperPodPyTorchJob only."""

    evaluation_seconds: int = field(
        3600, change=Change.REPLACES, help="Length in seconds of the window in which restarts are counted.", ge=1
    )
    restarts_before_full_restart: int | None = field(
        None, change=Change.REPLACES, help="Process restarts before the whole job restarts.", ge=0
    )
    max_full_restarts: int | None = field(
        None, change=Change.REPLACES, help="Whole-job restarts within the window before the job fails.", ge=0
    )
    max_repeat_offenders: int | None = field(
        None, change=Change.REPLACES, help="Maximum number of repeatedly failing nodes to avoid.", ge=0
    )
    scale_up_snooze_seconds: int | None = field(
        None,
        change=Change.REPLACES,
        help="Seconds after a restart during which an elastic job does not scale up.",
        ge=0,
    )


class LogRule(SpecModel):
    """A log pattern to detect hanging or slow jobs: a missing match or a faulty value; HyperPodPyTorchJob only."""

    name: str = field(change=Change.REPLACES, help="Name of the rule.", min_length=1)
    pattern: str = field(
        change=Change.REPLACES, help="Regular expression whose first group is the metric.", min_length=1
    )
    starts_within_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds within which the first match must occur.", ge=1
    )
    recurs_within_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds within which each subsequent match must occur.", ge=1
    )
    threshold: int | None = field(None, change=Change.REPLACES, help="Threshold that the metric is compared with.")
    operator: Literal["gt", "lt", "eq", "gteq", "lteq"] | None = field(
        None, change=Change.REPLACES, help="Comparison of the metric with the threshold that indicates a fault."
    )
    data_points: int | None = field(
        None, change=Change.REPLACES, help="Consecutive faulty values before the job restarts.", ge=1
    )
    stop_pattern: str | None = field(None, change=Change.REPLACES, help="Pattern that ends the monitoring.")
    fault_on_match: bool = field(
        False, change=Change.REPLACES, help="A match is a fault: the job restarts regardless of time and value."
    )


class Gang(SpecModel):
    """Gang scheduling of a PyTorchJob (`schedulingPolicy`) by Volcano or the scheduler plugins; Kueue ignores it."""

    min_available: int | None = field(
        None,
        change=Change.REPLACES,
        help="Minimum number of pods that must be schedulable before any starts.",
        ge=0,
        le=2**31 - 1,
    )
    queue: str | None = field(None, change=Change.REPLACES, help="Queue of the gang scheduler.")
    priority_class: str | None = field(None, change=Change.REPLACES, help="PriorityClass of the pod group.")
    min_resources: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Resources that must be free before any pod starts."
    )
    schedule_timeout_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds to wait until all pods can be scheduled.", ge=0, le=2**31 - 1
    )


class RunPolicy(SpecModel):
    """Retries, deadlines and cleanup. Unset fields use the operator's defaults."""

    max_retries: int | None = field(
        None, change=Change.REPLACES, help="Retries before the job fails.", ge=0, le=2**31 - 1
    )
    clean_pods: Literal["All", "Running", "OnlyComplete", "None"] | None = field(
        None,
        change=Change.REPLACES,
        help=(
            "Pods to delete when the job ends; `None` retains all pods and their logs. `Running` is valid only "
            "for PyTorchJob, `OnlyComplete` only for HyperPodPyTorchJob."
        ),
    )
    active_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Maximum duration of the job in seconds.", ge=1
    )
    startup_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds within which all pods must run; HyperPodPyTorchJob only.", ge=1
    )
    fault_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Maximum duration of a fault in seconds; HyperPodPyTorchJob only.", ge=1
    )
    ttl_seconds: int | None = field(
        None,
        change=Change.REPLACES,
        help="Seconds after which the finished job is deleted. HyperPodPyTorchJob: -1 retains it.",
        ge=-1,
    )
    workload_mode: str | None = field(
        None, change=Change.REPLACES, help="Workload mode of the training operator; HyperPodPyTorchJob only."
    )
    restart: RestartPolicy | None = field(None, change=Change.REPLACES, help="Restart policy; HyperPodPyTorchJob only.")
    log_rules: ListOf[LogRule] = field(
        (), change=Change.REPLACES, help="Log patterns to monitor; HyperPodPyTorchJob only."
    )
    gang: Gang | None = field(None, change=Change.REPLACES, help="Gang scheduling without Kueue; PyTorchJob only.")
    managed_by: str | None = field(
        None, change=Change.REPLACES, help="Controller that manages the job instead of the operator; PyTorchJob only."
    )


class Elastic(SpecModel):
    """A job that scales between two numbers of replicas.

    The rendezvous fields, `max_restarts`, `standalone`, `processes_per_node` and `metrics` apply to a
    PyTorchJob; `step`, `discrete_values` and the fields in seconds apply to a HyperPodPyTorchJob.
    """

    min_replicas: int | None = field(
        None, change=Change.REPLACES, help="Minimum number of replicas. Default: the job's `nodes` or `replicas`.", ge=1
    )
    max_replicas: int | None = field(
        None,
        change=Change.REPLACES,
        help="Maximum number of replicas; optional only for a PyTorchJob.",
        ge=1,
        le=2**31 - 1,
    )
    step: int | None = field(None, change=Change.REPLACES, help="Replicas added or removed at a time.", ge=1)
    discrete_values: ListOf[int] = field(
        (), change=Change.REPLACES, help="The allowed numbers of replicas, instead of `step`."
    )
    scaling_timeout_seconds: int | None = field(
        None, change=Change.REPLACES, help="Maximum duration of scaling in seconds.", ge=0
    )
    graceful_shutdown_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds that a pod has to save its state before it is deleted.", ge=0
    )
    faulty_scale_down_seconds: int | None = field(
        None,
        change=Change.REPLACES,
        help="Seconds to wait for a replacement before scaling down a faulty replica.",
        ge=0,
    )
    rdzv_backend: Literal["c10d", "etcd", "etcd-v2"] | None = field(
        None, change=Change.REPLACES, help="Rendezvous backend of torchrun. Default: c10d, the operator's default."
    )
    rdzv_host: str | None = field(
        None, change=Change.REPLACES, help="Host of the rendezvous. Default: the first worker."
    )
    rdzv_port: int | None = field(None, change=Change.REPLACES, help="Port of the rendezvous.", ge=1, le=65535)
    rdzv_id: str | None = field(None, change=Change.REPLACES, help="ID of the rendezvous. Default: the job's name.")
    rdzv_conf: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Additional settings of the rendezvous backend."
    )
    max_restarts: int | None = field(
        None, change=Change.REPLACES, help="Maximum restarts of the worker processes in each pod.", ge=0, le=2**31 - 1
    )
    standalone: bool = field(
        False, change=Change.REPLACES, help="Start a local rendezvous in each pod, for single-pod jobs."
    )
    processes_per_node: int | None = field(
        None,
        change=Change.REPLACES,
        help="Deprecated by Kubeflow; use the job's `processes_per_node`.",
        ge=1,
        le=2**31 - 1,
    )
    metrics: ListOf[Mapping[str, Any]] = field(
        (),
        change=Change.REPLACES,
        help="Metrics of the HorizontalPodAutoscaler that Kubeflow creates, in Kubernetes syntax.",
    )
