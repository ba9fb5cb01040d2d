"""HyperPod observability: the add-on, its Prometheus workspace, Grafana and alarms."""

from collections.abc import Mapping
from typing import Any, Literal

from .arns import PrometheusKeyArn, TopicArn, WorkspaceArn
from .base import Change, ListOf, SpecModel, defaults, field
from .dependencies import ChartSource

Level = Literal["BASIC", "ADVANCED"]
OptionalLevel = Literal["DISABLED", "ADVANCED"]


class Metrics(SpecModel):
    """How much of each kind of metric is collected; more levels mean more time series to pay for."""

    training: Level = field("BASIC", change=Change.IN_PLACE, help="Training jobs.")
    inference: Literal["BASIC"] = field("BASIC", change=Change.IN_PLACE, help="Inference.")
    task_governance: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="Queues and quotas.")
    scaling: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="Autoscaling.")
    custom: Level = field("BASIC", change=Change.IN_PLACE, help="Cluster metrics.")
    node: Level = field("BASIC", change=Change.IN_PLACE, help="Nodes.")
    accelerated_compute: Level = field("BASIC", change=Change.IN_PLACE, help="Accelerators.")
    network: OptionalLevel = field("DISABLED", change=Change.IN_PLACE, help="EFA and network.")
    interval_seconds: int = field(30, change=Change.IN_PLACE, help="Scrape interval in seconds.", ge=10, le=300)


class Grafana(SpecModel):
    """Where dashboards are shown. Default none: the metrics are in Amazon Managed Prometheus all the same."""

    kind: Literal["none", "managed", "self-hosted"] = field(
        "none",
        change=Change.REPLACES,
        help="`managed` is Amazon Managed Grafana and needs IAM Identity Center; `self-hosted` runs in the cluster.",
    )
    workspace_id: str | None = field(
        None, change=Change.REPLACES, help="Managed Grafana workspace that exists; default: a new one."
    )
    workspace_name: str | None = field(None, change=Change.IN_PLACE, help="Name shown in the console.")
    dashboards: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Put our dashboards into a managed workspace, by a service account that lives for the deployment.",
    )
    chart: ChartSource | None = field(
        None,
        change=Change.IN_PLACE,
        help="Grafana's chart for `self-hosted`, pinned by digest or vendored: none is chosen for you.",
    )
    values: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Values of the chart, merged over ours; `self-hosted` only."
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over a Helm release, a namespace and dashboards of our names that this library did not make; they are "
        "kept when the stack is deleted. "
        "`self-hosted` only.",
    )


class Alarms(SpecModel):
    """CloudWatch alarms and EventBridge rules for node health and cluster state."""

    emails: ListOf[str] = field((), change=Change.IN_PLACE, help="E-mail addresses subscribed to the topic.")
    topic_arn: TopicArn | None = field(
        None, change=Change.IN_PLACE, help="SNS topic that exists; default: a new one, encrypted with a key of its own."
    )
    node_failures_per_hour: int = field(
        3, change=Change.IN_PLACE, help="Node health events within an hour that raise the alarm.", ge=1
    )


class Observability(SpecModel):
    """The HyperPod observability add-on with what it writes to."""

    enabled: bool = field(True, change=Change.REPLACES, help="Whether it is installed.")
    version: str | None = field(None, change=Change.DRAINS, help="Add-on version; default: the catalog's, else EKS's.")
    configuration: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Configuration values, merged over ours."
    )
    resolve_conflicts: Literal["OVERWRITE", "PRESERVE", "NONE"] = field(
        "OVERWRITE", change=Change.IN_PLACE, help="Who wins where a field was changed in the cluster."
    )
    preserve_on_delete: bool | None = field(None, change=Change.IN_PLACE, help="Keep the objects on deletion.")
    workspace_arn: WorkspaceArn | None = field(
        None, change=Change.REPLACES, help="Amazon Managed Prometheus workspace that exists; default: a new one."
    )
    retain_workspace: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Keep the Prometheus workspace when the stack is deleted; it goes only with `allow_data_loss` as well.",
    )
    kms_key_arn: PrometheusKeyArn | None = field(
        None, change=Change.REPLACES, help="KMS key of a new Prometheus workspace; default: AWS's own."
    )
    rules: bool = field(True, change=Change.IN_PLACE, help="Load our alert rules into the Prometheus workspace.")
    metrics: Metrics = field(defaults(Metrics), change=Change.IN_PLACE, help="Metric levels.")
    logs: bool = field(False, change=Change.IN_PLACE, help="Send container logs to CloudWatch Logs.")
    grafana: Grafana = field(defaults(Grafana), change=Change.IN_PLACE, help="Grafana.")
    alarms: Alarms | None = field(None, change=Change.IN_PLACE, help="Alarms and notifications.")
