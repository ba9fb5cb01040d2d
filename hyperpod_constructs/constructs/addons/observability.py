"""HyperPod observability: the add-on that sends metrics of nodes, accelerators and jobs to Managed Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from ...core import catalog
from ...core.spec import ADDON_NAMES, Metrics, Observability
from ..arguments import checked
from ..roles import pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..grafana import ManagedGrafana, SelfHostedGrafana
    from ..interfaces import IHyperPodCluster
    from ..observability import HyperPodAlarms, PrometheusWorkspace

_AREAS = {
    "training": "trainingMetrics",
    "inference": "inferenceMetrics",
    "task_governance": "taskGovernanceMetrics",
    "scaling": "scalingMetrics",
    "custom": "customMetrics",
    "node": "nodeMetrics",
    "accelerated_compute": "acceleratedComputeMetrics",
    "network": "networkMetrics",
}
"""Maps the config key of each area of metrics to the add-on's key."""


class ObservabilityAddon(NodeAddon):
    """The observability add-on with its Prometheus workspace, Grafana, alarms, role and pod identity association.

    The association is a separate resource and is created before the add-on: that works with every version, and pods that
    start before it get no credentials. The role's trust policy is limited to this account and this EKS cluster.

    `allow_data_loss` must also be true for `retain_workspace: false` to take effect; `outputs` adds stack outputs with
    the endpoint, the address of Grafana and the ARN of the topic.
    """

    role: iam.IRole
    """Role of the collector."""
    prometheus: PrometheusWorkspace
    grafana: ManagedGrafana | SelfHostedGrafana | None
    alarms: HyperPodAlarms | None

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        settings: Observability | None = None,
        allow_data_loss: bool = False,
        outputs: bool = False,
    ) -> None:
        from ..grafana import ManagedGrafana, SelfHostedGrafana
        from ..observability import HyperPodAlarms, PrometheusWorkspace

        settings = settings or Observability()
        parts = Construct(scope, f"{id}Parts")  # before the add-on, whose configuration refers to them
        self.alarms = (
            HyperPodAlarms(parts, "Alarms", cluster=cluster, alarms=settings.alarms, outputs=outputs)
            if settings.alarms
            else None
        )
        self.prometheus = PrometheusWorkspace(
            parts,
            "Prometheus",
            workspace_arn=settings.workspace_arn,
            kms_key_arn=settings.kms_key_arn,
            retain=settings.retain_workspace,
            allow_data_loss=allow_data_loss,
            levels=settings.metrics,
            rules=settings.rules,
            topic=self.alarms.topic if self.alarms else None,
            outputs=outputs,
        )
        self.grafana = None
        if settings.grafana.kind == "managed":
            self.grafana = ManagedGrafana(
                parts,
                "Grafana",
                settings=settings.grafana,
                prometheus=self.prometheus,
                levels=settings.metrics,
                outputs=outputs,
            )
        elif settings.grafana.kind == "self-hosted":
            self.grafana = SelfHostedGrafana(
                parts,
                "Grafana",
                cluster=cluster,
                settings=settings.grafana,
                prometheus=self.prometheus,
                levels=settings.metrics,
                outputs=outputs,
            )
        super().__init__(
            scope,
            id,
            key="observability",
            cluster=cluster,
            settings=settings,
            defaults=self._values(settings),
            tags={"SageMaker": "true"},
        )
        fact = catalog.addon(ADDON_NAMES["observability"])
        self.role = self._create_role(cluster, logs=settings.logs)
        self.pod_identity(self.role, fact.service_accounts[0])
        self._grant_restricted_nodes(cluster)
        self.ready = self.wait_until_ready()

    def _values(self, settings: Observability) -> dict[str, Any]:
        from ..grafana import ManagedGrafana

        values: dict[str, Any] = {
            "ampWorkspace": {"prometheusEndpoint": self.prometheus.endpoint, "arn": self.prometheus.arn},
            "metricsProvider": metric_levels(settings.metrics),
            "logging": {"enabled": settings.logs},
        }
        if isinstance(self.grafana, ManagedGrafana):
            name = self.grafana.name or self.grafana.workspace_id
            values["amgWorkspace"] = {"workspaceName": name, "arn": self.grafana.arn}
        return values

    def _grant_restricted_nodes(self, cluster: IHyperPodCluster) -> None:
        """Grants write access to the execution roles of restricted nodes, which do not support pod identity."""
        names = [group.name for group in cluster.spec.restricted_instance_groups]
        roles = {r.node.path: r for r in map(cluster.execution_role_of, names)}
        if roles:
            write = iam.PolicyStatement(
                actions=list(catalog.role("observability").actions["metrics"]), resources=[self.prometheus.arn]
            )
            policy = iam.Policy(self, "RestrictedMetrics", roles=list(roles.values()), statements=[write])
            self.resource.node.add_dependency(policy)

    def _create_role(self, cluster: IHyperPodCluster, *, logs: bool) -> iam.Role:
        allowed = catalog.role("observability").actions
        role = pod_identity_role(self, "Role", eks_cluster_arn=cluster.eks_cluster.cluster_arn)
        role.add_to_policy(iam.PolicyStatement(actions=list(allowed["metrics"]), resources=[self.prometheus.arn]))
        if logs:
            groups = Stack.of(self).format_arn(
                service="logs",
                resource="log-group",
                resource_name=f"{catalog.label('cluster_log_groups').key}*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            role.add_to_policy(iam.PolicyStatement(actions=list(allowed["logs"]), resources=[groups]))
            role.add_to_policy(iam.PolicyStatement(actions=list(allowed["log_queries"]), resources=["*"]))
        return role


def metric_levels(metrics: Metrics) -> dict[str, dict[str, Any]]:
    """Returns `metricsProvider` of the add-on for metric levels of the config.

    >>> metric_levels(Metrics(training="ADVANCED"))["trainingMetrics"]
    {'level': 'ADVANCED', 'scrapeInterval': 30}
    """
    return {
        addon_key: {"level": getattr(metrics, field_name), "scrapeInterval": metrics.interval_seconds}
        for field_name, addon_key in _AREAS.items()
    }
