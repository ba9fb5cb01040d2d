"""Grafana as constructs: a managed workspace with the library's dashboards, or Grafana in the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_cdk import ArnFormat, Aws, CfnOutput, CustomResource, Duration, Stack, custom_resources
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_grafana as grafana
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..core import catalog
from ..core.checks import Problem, find
from ..core.dashboards import dashboards
from ..core.findings import InvalidSpec
from ..core.manifests import namespace as namespace_object
from ..core.overlay import overlay
from ..core.spec import Grafana, Metrics
from .arguments import checked
from .functions import function_logs, function_role, handler_function
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesObjects
from .kubernetes.helm_release import HelmRelease
from .roles import pod_identity_role
from .trust import keep_internal

if TYPE_CHECKING:
    from .observability import PrometheusWorkspace

GRAFANA_NAMESPACE = "grafana"
_SERVICE_ACCOUNT = "grafana"
_DATA_SOURCE_UID = "hyperpod"
_DASHBOARD_LABEL = "grafana_dashboard"


class ManagedGrafana(Construct):
    """An Amazon Managed Grafana workspace for users of IAM Identity Center, with access to a Prometheus workspace.

    `outputs` adds a stack output with its URL.
    """

    url: str
    workspace_id: str

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Grafana,
        prometheus: PrometheusWorkspace,
        levels: Metrics | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self.name: str | None = settings.workspace_name
        if settings.workspace_id:
            self.workspace_id = settings.workspace_id
            self.url = f"https://{self.workspace_id}.grafana-workspace.{Aws.REGION}.{Aws.URL_SUFFIX}"
        else:
            workspaces = stack.format_arn(service="grafana", resource="/workspaces", resource_name="*")
            role = iam.Role(
                self,
                "Role",
                description="Grafana workspace that reads metrics, alarms and logs",
                assumed_by=iam.ServicePrincipal(
                    "grafana.amazonaws.com",
                    conditions={
                        "StringEquals": {"aws:SourceAccount": stack.account},
                        "ArnLike": {"aws:SourceArn": workspaces},
                    },
                ),
            )
            for statement in _read_statements(stack, prometheus.arn):
                role.add_to_policy(statement)
            workspace = grafana.CfnWorkspace(
                self,
                "Resource",
                account_access_type="CURRENT_ACCOUNT",
                authentication_providers=["AWS_SSO"],
                permission_type="CUSTOMER_MANAGED",
                role_arn=role.role_arn,
                data_sources=["PROMETHEUS", "CLOUDWATCH"],
                name=settings.workspace_name,
            )
            workspace.node.add_dependency(role)
            self.workspace_id = workspace.ref
            self.url = f"https://{workspace.attr_endpoint}"
        self.arn = stack.format_arn(service="grafana", resource="/workspaces", resource_name=self.workspace_id)
        if settings.dashboards:
            GrafanaDashboards(
                self,
                "Dashboards",
                workspace_id=self.workspace_id,
                workspace_arn=self.arn,
                prometheus=prometheus,
                levels=levels,
            )
        if outputs:
            CfnOutput(self, "Url", value=self.url, description="Grafana")


class GrafanaDashboards(Construct):
    """The library's data source and dashboards in a managed Grafana workspace, created through Grafana's API."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        workspace_id: str,
        workspace_arn: str,
        prometheus: PrometheusWorkspace,
        levels: Metrics | None = None,
    ) -> None:
        super().__init__(scope, id)
        log_group = function_logs(self, "Logs")
        role = function_role(self, "Role", "Function that creates dashboards in a Grafana workspace")
        function = handler_function(
            self,
            "Handler",
            "grafana.index.on_event",
            description="Creates dashboards in a Grafana workspace",
            role=role,
            log_group=log_group,
            timeout=Duration.minutes(5),
            memory_size=256,
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=list(catalog.role("grafana_dashboards").actions["workspace"]), resources=[workspace_arn]
            )
        )
        provider = custom_resources.Provider(self, "Provider", on_event_handler=function, log_group=log_group)
        keep_internal(self)
        source = {**_data_source(prometheus.endpoint), "uid": _DATA_SOURCE_UID}
        boards = list(dashboards(levels).values())
        CustomResource(
            self,
            "Resource",
            resource_type="Custom::HyperPodGrafanaDashboards",
            service_token=provider.service_token,
            properties={
                "WorkspaceId": workspace_id,
                "DataSource": Stack.of(self).to_json_string(source),
                "Dashboards": json.dumps(boards, separators=(",", ":")),
                "Marks": "tags",
            },
        )


class SelfHostedGrafana(Construct):
    """Grafana in the cluster from its Helm chart, with the Prometheus workspace as data source, and dashboards.

    You provide the chart, pinned by digest. Its pods sign their queries with a separate role, through pod identity. It is
    not exposed outside the cluster: use `kubectl -n grafana port-forward service/grafana 3000:80`; the chart creates the
    admin password in the secret `grafana`. Dashboards and data sources come from the configuration, so no data is
    retained. `outputs` adds a stack output with that command.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        settings: Grafana,
        prometheus: PrometheusWorkspace,
        levels: Metrics | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        if settings.chart is None:
            rule = find("HP824")
            assert rule is not None
            raise InvalidSpec([rule.finding(Problem(f"{self.node.path}.settings.chart", "is not set"))])
        namespace = KubernetesObjects(
            self,
            "Namespace",
            kubernetes=cluster.kubernetes,
            objects=[namespace_object(GRAFANA_NAMESPACE)],
            adopt=settings.adopt,
        )
        namespace.node.add_dependency(cluster.nodes_ready)
        self.role = pod_identity_role(self, "Role", eks_cluster_arn=cluster.eks_cluster.cluster_arn)
        metric_actions = [
            action for action in catalog.role("grafana").actions["metrics"] if action != "aps:ListWorkspaces"
        ]
        self.role.add_to_policy(iam.PolicyStatement(actions=metric_actions, resources=[prometheus.arn]))
        association = eks.CfnPodIdentityAssociation(
            self,
            "PodIdentityAssociation",
            cluster_name=cluster.eks_cluster.cluster_name,
            namespace=GRAFANA_NAMESPACE,
            service_account=_SERVICE_ACCOUNT,
            role_arn=self.role.role_arn,
        )
        association.node.add_dependency(self.role, cluster.eks_cluster.ready)
        boards = KubernetesObjects(
            self,
            "Dashboards",
            kubernetes=cluster.kubernetes,
            objects=[_config_map(name, board) for name, board in dashboards(levels).items()],
            adopt=settings.adopt,
        )
        boards.node.add_dependency(namespace)
        release = HelmRelease(
            self,
            "Release",
            kubernetes=cluster.kubernetes,
            chart=settings.chart,
            release="grafana",
            namespace=GRAFANA_NAMESPACE,
            values=overlay(_values(prometheus.endpoint), settings.values),
            create_namespace=False,
            wait=True,
            adopt=settings.adopt,
        )
        release.node.add_dependency(
            namespace, association, boards, cluster.milestone("coredns"), cluster.milestone("task_governance")
        )
        if outputs:
            command = f"kubectl -n {GRAFANA_NAMESPACE} port-forward service/grafana 3000:80"
            CfnOutput(self, "PortForward", value=command, description="Grafana at http://localhost:3000")


def _read_statements(stack: Stack, workspace_arn: str) -> list[iam.PolicyStatement]:
    """Returns the permissions of a Grafana workspace, limited to one Prometheus workspace and, for logs, to log groups."""
    allowed = catalog.role("grafana").actions
    log_groups = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{catalog.label('cluster_log_groups').key}*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    workspace_actions = [action for action in allowed["metrics"] if action != "aps:ListWorkspaces"]
    log_actions = [action for action in allowed["logs"] if action != "logs:DescribeLogGroups"]
    unrestricted = [
        *("aps:ListWorkspaces", "logs:DescribeLogGroups"),
        *allowed["log_queries"],
        *allowed["cloudwatch"],
        *allowed["tags"],
    ]
    return [
        iam.PolicyStatement(actions=workspace_actions, resources=[workspace_arn]),
        iam.PolicyStatement(actions=log_actions, resources=[log_groups]),
        iam.PolicyStatement(actions=unrestricted, resources=["*"]),
    ]


def _data_source(endpoint: str) -> dict[str, Any]:
    """Returns the Prometheus workspace as a data source with signed queries."""
    signing = {"sigV4Auth": True, "sigV4AuthType": "default", "sigV4Region": Aws.REGION, "httpMethod": "POST"}
    return {
        "name": "HyperPod",
        "type": "prometheus",
        "access": "proxy",
        "url": endpoint,
        "isDefault": True,
        "jsonData": signing,
    }


def _values(endpoint: str) -> dict[str, Any]:
    """Returns the library's values of the Grafana chart."""
    return {
        "serviceAccount": {"name": _SERVICE_ACCOUNT},
        "env": {"AWS_SDK_LOAD_CONFIG": "true", "GF_AUTH_SIGV4_AUTH_ENABLED": "true"},
        "datasources": {
            "datasources.yaml": {
                "apiVersion": 1,
                "datasources": [{**_data_source(endpoint), "uid": _DATA_SOURCE_UID}],
            }
        },
        "sidecar": {"dashboards": {"enabled": True, "label": _DASHBOARD_LABEL, "searchNamespace": GRAFANA_NAMESPACE}},
    }


def _config_map(name: str, board: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"dashboard-{name}",
            "namespace": GRAFANA_NAMESPACE,
            "labels": {_DASHBOARD_LABEL: "1"},
        },
        "data": {f"{name}.json": json.dumps(board, separators=(",", ":"))},
    }
