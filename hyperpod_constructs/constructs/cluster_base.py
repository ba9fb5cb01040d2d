"""The members of every HyperPod cluster, created or imported: grants, order, events and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct, DependencyGroup, IDependable

from ..core import catalog
from ..core.placement import system_group
from ..core.spec import ADDON_NAMES, Cluster
from .arguments import checked
from .cluster_events import CLUSTER_EVENT, NODE_HEALTH, STATE_CHANGE, cluster_rule
from .eks import HyperPodEks
from .imported_eks import EksClusterAttributes, ImportedEks
from .interfaces import CdkEksCluster, EksCluster
from .kubernetes import KubernetesProvider
from .node_placement import NodePlacement


@jsii.implements(iam.IGrantable, ec2.IConnectable)
class HyperPodClusterBase(Construct):
    """A HyperPod cluster on which add-ons, teams, storage and jobs are placed: a `HyperPodCluster`, or an imported one."""

    spec: Cluster
    """The spec of the cluster; of an imported cluster, the part that was specified."""
    eks_cluster: EksCluster
    kubernetes: KubernetesProvider
    """The Kubernetes provider of the EKS cluster, for Kubernetes objects and Helm releases."""
    cluster_arn: str
    nodes_ready: IDependable
    """The nodes of the system group are ready; resources that require pods depend on it."""
    jobs_ready: DependencyGroup
    """Operators, queues, namespaces and volumes that jobs depend on."""
    _placement: NodePlacement
    _milestones: dict[str, DependencyGroup]

    @property
    def cluster_name(self) -> str:
        """The cluster's name, for requests to SageMaker.

        If CloudFormation chooses the name, it does not return it, and the ARN is used instead.
        """
        return self.spec.cluster_name or self.cluster_arn

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """All execution roles as one principal."""
        raise NotImplementedError

    @property
    def security_group(self) -> ec2.ISecurityGroup:
        """Security group of the nodes."""
        return self._placement.security_group

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of the nodes."""
        return ec2.Connections(security_groups=[self.security_group])

    @property
    def prepares_restricted_nodes(self) -> bool:
        """Whether this library installs a network agent and DNS servers for restricted nodes."""
        return bool(self.spec.restricted_instance_groups) and self.spec.prepare_restricted_nodes

    @property
    def system_nodes(self) -> int:
        """The number of nodes of the system group that `nodes_ready` waits for; 1 without such a group."""
        group = system_group(self.spec)
        return (group.min_count or group.count) if group else 1

    def milestone(self, key: str) -> DependencyGroup:
        """The milestone of the add-on with a config key, such as `cert_manager`; empty until the add-on is added.

        Add-ons join the milestone of their key and depend on those of others, regardless of the order of creation.
        `scheduler_config` is that of the cluster scheduler policy.

        Raises:
            UnknownName: the key is not that of an add-on.
        """
        known = (*ADDON_NAMES, "kueue", "scheduler_config")
        if key not in known:
            raise catalog.UnknownName("milestone", key, catalog.suggest(key, known))
        return self._milestones.setdefault(key, DependencyGroup())

    def namespace_ready(self, namespace: str) -> DependencyGroup:
        """The milestone of a team's namespace and permissions, which resources in the namespace depend on."""
        return self._milestones.setdefault(f"namespace {namespace}", DependencyGroup())

    def subnet_id(self, availability_zone_id: str | None = None) -> str:
        """Returns the id of the private subnet that nodes of a zone use. Default: that of the first zone."""
        return self._placement.subnet_id(availability_zone_id)

    # ---- events that HyperPod sends to EventBridge ----

    def on_state_change(self, id: str, **options: Any) -> events.Rule:
        """Creates a rule for changes of the cluster's state, such as `Failed`; `options` are those of `on_event`."""
        return self.on_event(id, detail_type=STATE_CHANGE, **options)

    def on_node_health_event(self, id: str, **options: Any) -> events.Rule:
        """Creates a rule for changes of the health of nodes; `options` are those of `on_event`."""
        return self.on_event(id, detail_type=NODE_HEALTH, **options)

    def on_cluster_event(self, id: str, **options: Any) -> events.Rule:
        """Creates a rule for events of the cluster and its instance groups; `options` are those of `on_event`."""
        return self.on_event(id, detail_type=CLUSTER_EVENT, **options)

    @checked
    def on_event(
        self,
        id: str,
        *,
        detail_type: str,
        detail: Mapping[str, Any] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        scope: Construct | None = None,
    ) -> events.Rule:
        """Creates a rule for events of this cluster.

        Args:
            id: construct id of the rule.
            detail_type: detail type of the events.
            detail: pattern of the events' details. Default: all.
            target: target of the events. Default: none until a target is added to the rule.
            description: of the rule. Default: none.
            scope: scope of the rule. Default: the cluster.
        """
        rule = cluster_rule(scope or self, id, self.cluster_arn, detail_type, detail, description=description)
        if target is not None:
            rule.add_target(target)
        return rule

    # ---- metrics ----

    def metric(self, metric_name: str, **options: Any) -> cloudwatch.Metric:
        """Returns a metric of Container Insights about the cluster, which the CloudWatch Observability add-on publishes.

        `options` are those of `aws_cloudwatch.Metric`, such as `period` and `statistic`.
        """
        dimensions = {"ClusterName": self.eks_cluster.cluster_name, **options.pop("dimensions_map", {})}
        return cloudwatch.Metric(
            namespace="ContainerInsights", metric_name=metric_name, dimensions_map=dimensions, **options
        )

    def metric_node_count(self, **options: Any) -> cloudwatch.Metric:
        """Nodes of the EKS cluster (Container Insights, maximum)."""
        return self.metric("cluster_node_count", **{"statistic": "Maximum", **options})

    def metric_failed_node_count(self, **options: Any) -> cloudwatch.Metric:
        """Nodes of the EKS cluster with a failed node condition (Container Insights, maximum)."""
        return self.metric("cluster_failed_node_count", **{"statistic": "Maximum", **options})


def eks_cluster_of(
    scope: Construct,
    eks_cluster: HyperPodEks | ImportedEks | CdkEksCluster | EksClusterAttributes,
    *,
    vpc: ec2.IVpc | None,
    nodes: ec2.ISecurityGroup | None,
    handler_subnets: Sequence[ec2.ISubnet],
) -> EksCluster:
    """Returns an EKS cluster in the form that all constructs use, with rules between `nodes` and its security group."""
    if isinstance(eks_cluster, HyperPodEks):
        return eks_cluster
    if isinstance(eks_cluster, ImportedEks):
        if nodes is not None:
            eks_cluster.allow_node_traffic(scope, nodes)
        return eks_cluster
    return ImportedEks(
        scope,
        "Eks",
        eks_cluster=eks_cluster,
        vpc=vpc,
        node_security_group=nodes,
        handler_subnets=handler_subnets,
    )
