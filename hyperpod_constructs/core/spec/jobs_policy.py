"""How a job runs, is retried, watched, scaled and cleaned up."""

from collections.abc import Mapping
from typing import Any, Literal

from .base import Change, ListOf, SpecModel, field


class RestartPolicy(SpecModel):
    """How the training operator restarts a failed job; HyperPodPyTorchJob only."""

    evaluation_seconds: int = field(
        3600, change=Change.REPLACES, help="Window in seconds in which restarts are counted.", ge=1
    )
    restarts_before_full_restart: int | None = field(
        None, change=Change.REPLACES, help="Process restarts before the whole job is restarted.", ge=0
    )
    max_full_restarts: int | None = field(
        None, change=Change.REPLACES, help="Whole restarts in the window before the job has failed.", ge=0
    )
    max_repeat_offenders: int | None = field(
        None, change=Change.REPLACES, help="Nodes that failed repeatedly which are avoided, at most.", ge=0
    )
    scale_up_snooze_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds after a restart in which an elastic job does not grow.", ge=0
    )


class LogRule(SpecModel):
    """A pattern in the log whose absence or value tells that the job hangs or is slow; HyperPodPyTorchJob only."""

    name: str = field(change=Change.REPLACES, help="Name of the rule.", min_length=1)
    pattern: str = field(
        change=Change.REPLACES, help="Regular expression; its first group is the metric.", min_length=1
    )
    starts_within_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds within which the first match must come.", ge=1
    )
    recurs_within_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds within which each next match must come.", ge=1
    )
    threshold: int | None = field(None, change=Change.REPLACES, help="Value the metric is compared with.")
    operator: Literal["gt", "lt", "eq", "gteq", "lteq"] | None = field(
        None, change=Change.REPLACES, help="Comparison of metric and threshold that is a fault."
    )
    data_points: int | None = field(
        None, change=Change.REPLACES, help="Faulty values in a row before the job is restarted.", ge=1
    )
    stop_pattern: str | None = field(None, change=Change.REPLACES, help="Pattern that ends the watching.")
    fault_on_match: bool = field(
        False, change=Change.REPLACES, help="A match is a fault: the job is restarted, without any time or value."
    )


class Gang(SpecModel):
    """Gang scheduling of a PyTorchJob by Volcano or the scheduler plugins (`schedulingPolicy`); not Kueue's."""

    min_available: int | None = field(
        None, change=Change.REPLACES, help="Pods that must fit before one is started.", ge=0, le=2**31 - 1
    )
    queue: str | None = field(None, change=Change.REPLACES, help="Queue of the gang scheduler.")
    priority_class: str | None = field(None, change=Change.REPLACES, help="PriorityClass of the pod group.")
    min_resources: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Resources that must be free before a pod is started."
    )
    schedule_timeout_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds to wait for all pods to fit.", ge=0, le=2**31 - 1
    )


class RunPolicy(SpecModel):
    """Retries, deadlines and what is left behind. What is left out is left to the operator's own default."""

    max_retries: int | None = field(
        None, change=Change.REPLACES, help="Retries before the job has failed.", ge=0, le=2**31 - 1
    )
    clean_pods: Literal["All", "Running", "OnlyComplete", "None"] | None = field(
        None,
        change=Change.REPLACES,
        help=(
            "Pods that are deleted when the job ends; `None` keeps them for their logs. Running is a value of PyTorchJob,"
            " OnlyComplete of HyperPodPyTorchJob."
        ),
    )
    active_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds the job may be active.", ge=1
    )
    startup_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds until all pods must run; HyperPodPyTorchJob only.", ge=1
    )
    fault_deadline_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds a fault may last; HyperPodPyTorchJob only.", ge=1
    )
    ttl_seconds: int | None = field(
        None,
        change=Change.REPLACES,
        help="Seconds after which the finished job is deleted. HyperPodPyTorchJob: -1 keeps it.",
        ge=-1,
    )
    workload_mode: str | None = field(
        None, change=Change.REPLACES, help="Workload mode of the training operator; HyperPodPyTorchJob only."
    )
    restart: RestartPolicy | None = field(None, change=Change.REPLACES, help="Restarts; HyperPodPyTorchJob only.")
    log_rules: ListOf[LogRule] = field(
        (), change=Change.REPLACES, help="Log patterns that are watched; HyperPodPyTorchJob only."
    )
    gang: Gang | None = field(None, change=Change.REPLACES, help="Gang scheduling without Kueue; PyTorchJob only.")
    managed_by: str | None = field(
        None, change=Change.REPLACES, help="Controller that runs the job instead of the operator; PyTorchJob only."
    )


class Elastic(SpecModel):
    """A job that grows and shrinks between two numbers of replicas.

    The rendezvous fields, `max_restarts`, `standalone`, `processes_per_node` and `metrics` are a PyTorchJob's, the step,
    the discrete values and the times a HyperPodPyTorchJob's.
    """

    min_replicas: int | None = field(
        None, change=Change.REPLACES, help="Fewest replicas; default: the job's `nodes` or `replicas`.", ge=1
    )
    max_replicas: int | None = field(
        None, change=Change.REPLACES, help="Most replicas; only a PyTorchJob works without.", ge=1, le=2**31 - 1
    )
    step: int | None = field(None, change=Change.REPLACES, help="Replicas added or removed at a time.", ge=1)
    discrete_values: ListOf[int] = field(
        (), change=Change.REPLACES, help="The numbers of replicas that are allowed, instead of `step`."
    )
    scaling_timeout_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds a change of size may take.", ge=0
    )
    graceful_shutdown_seconds: int | None = field(
        None, change=Change.REPLACES, help="Seconds a pod has to save its work before it goes.", ge=0
    )
    faulty_scale_down_seconds: int | None = field(
        None,
        change=Change.REPLACES,
        help="Seconds to wait for a replacement before a faulty replica is given up.",
        ge=0,
    )
    rdzv_backend: Literal["c10d", "etcd", "etcd-v2"] | None = field(
        None, change=Change.REPLACES, help="Rendezvous backend of torchrun; default: the operator's, c10d."
    )
    rdzv_host: str | None = field(
        None, change=Change.REPLACES, help="Host of the rendezvous; default: the first worker."
    )
    rdzv_port: int | None = field(None, change=Change.REPLACES, help="Port of the rendezvous.", ge=1, le=65535)
    rdzv_id: str | None = field(None, change=Change.REPLACES, help="Id of the rendezvous; default: the job's name.")
    rdzv_conf: Mapping[str, str] = field(
        default_factory=dict, change=Change.REPLACES, help="Further settings of the rendezvous backend."
    )
    max_restarts: int | None = field(
        None, change=Change.REPLACES, help="Restarts of the worker processes in each pod.", ge=0, le=2**31 - 1
    )
    standalone: bool = field(False, change=Change.REPLACES, help="A rendezvous inside each pod, for one pod.")
    processes_per_node: int | None = field(
        None,
        change=Change.REPLACES,
        help="Deprecated by Kubeflow: the job's `processes_per_node` means the same.",
        ge=1,
        le=2**31 - 1,
    )
    metrics: ListOf[Mapping[str, Any]] = field(
        (), change=Change.REPLACES, help="Metrics of the autoscaler that Kubeflow makes, as Kubernetes writes them."
    )
