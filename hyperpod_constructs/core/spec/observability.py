"""HyperPod observability: the add-on, its Prometheus workspace, Grafana and alarms."""

from collections.abc import Mapping
from typing import Any, Literal

from .arns import PrometheusKeyArn, TopicArn, WorkspaceArn
from .base import Change, ListOf, SpecModel, defaults, field
from .dependencies import ChartSource

Level = Literal["BASIC", "ADVANCED"]
OptionalLevel = Literal["DISABLED", "ADVANCED"]


class Metrics(SpecModel):
    """Metrics to collect per category. More metrics create more time series, at a higher cost."""

    training: Level = field("BASIC", change=Change.IN_PLACE, help="Training jobs.")
    inference: Literal["BASIC"] = field("BASIC", change=Change.IN_PLACE, help="Inference.")
    task_governance: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="Queues and quotas.")
    scaling: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="Autoscaling.")
    custom: Level = field("BASIC", change=Change.IN_PLACE, help="Metrics of the cluster.")
    node: Level = field("BASIC", change=Change.IN_PLACE, help="Nodes.")
    accelerated_compute: Level = field("BASIC", change=Change.IN_PLACE, help="Accelerators.")
    network: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="EFA and network metrics.")
    interval_seconds: int = field(30, change=Change.IN_PLACE, help="Scrape interval in seconds.", ge=10, le=300)


class Grafana(SpecModel):
    """Grafana, for dashboards.

    Default: none. Metrics are always stored in Amazon Managed Service for Prometheus.
    """

    kind: Literal["none", "managed", "self-hosted"] = field(
        "none",
        change=Change.REPLACES,
        help="`managed`: Amazon Managed Grafana, which requires IAM Identity Center. `self-hosted`: Grafana "
        "in the cluster.",
    )
    workspace_id: str | None = field(
        None,
        change=Change.REPLACES,
        help="ID of an existing Amazon Managed Grafana workspace. Default: a new workspace.",
    )
    workspace_name: str | None = field(None, change=Change.IN_PLACE, help="Name of a new workspace in the console.")
    dashboards: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Create this library's dashboards in a managed workspace, with a service account that is "
        "deleted after the deployment.",
    )
    chart: ChartSource | None = field(
        None,
        change=Change.IN_PLACE,
        help="Chart of Grafana, pinned by digest or vendored; required for `self-hosted`.",
    )
    values: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.DRAINS,
        help="Values of the chart, merged over this library's values; `self-hosted` only.",
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt an existing Helm release, namespace and dashboards of the same names that this library "
        "did not create; they are retained when the stack is deleted. `self-hosted` only.",
    )


class Alarms(SpecModel):
    """CloudWatch alarms and EventBridge rules for node health and cluster state."""

    emails: ListOf[str] = field((), change=Change.IN_PLACE, help="Email addresses that subscribe to the topic.")
    topic_arn: TopicArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="ARN of an existing SNS topic. Default: a new topic, encrypted with its own KMS key.",
    )
    node_failures_per_hour: int = field(
        3, change=Change.IN_PLACE, help="Number of node health events in an hour that triggers the alarm.", ge=1
    )


class Observability(SpecModel):
    """The HyperPod observability add-on and the destinations of its metrics and logs."""

    enabled: bool = field(True, change=Change.REPLACES, help="Whether the add-on is installed.")
    version: str | None = field(
        None,
        change=Change.DRAINS,
        help="Add-on version. Default: the catalog's version; if the catalog has none, EKS's default version.",
    )
    configuration: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Configuration values, merged over this library's values."
    )
    resolve_conflicts: Literal["OVERWRITE", "PRESERVE", "NONE"] = field(
        "OVERWRITE",
        change=Change.IN_PLACE,
        help="How EKS resolves conflicts with fields that were changed in the cluster.",
    )
    preserve_on_delete: bool | None = field(
        None, change=Change.IN_PLACE, help="Retain the add-on's objects when the add-on is deleted."
    )
    workspace_arn: WorkspaceArn | None = field(
        None,
        change=Change.REPLACES,
        help="ARN of an existing Amazon Managed Service for Prometheus workspace. Default: a new workspace.",
    )
    retain_workspace: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Retain the Prometheus workspace when the stack is deleted; deleting it also requires `allow_data_loss`.",
    )
    kms_key_arn: PrometheusKeyArn | None = field(
        None, change=Change.REPLACES, help="KMS key of a new Prometheus workspace. Default: an AWS owned key."
    )
    rules: bool = field(
        True, change=Change.IN_PLACE, help="Load this library's alert rules into the Prometheus workspace."
    )
    metrics: Metrics = field(defaults(Metrics), change=Change.IN_PLACE, help="Metrics to collect.")
    logs: bool = field(False, change=Change.IN_PLACE, help="Send container logs to CloudWatch Logs.")
    grafana: Grafana = field(defaults(Grafana), change=Change.IN_PLACE, help="Grafana.")
    alarms: Alarms | None = field(None, change=Change.IN_PLACE, help="Alarms and notifications.")
