"""The HyperPod cluster as a construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, CfnResource, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct, DependencyGroup, IDependable

from . import catalog
from .checks import Context
from .cluster_properties import GroupPlacement, cluster_properties
from .eks import BroughtEks, EksCluster, EksClusterAttributes, HyperPodEks
from .kubernetes import KubernetesProvider, KubernetesWait, nodes_ready
from .lifecycle_scripts import LifecycleScripts
from .network import HyperPodNetwork, node_security_group
from .roles import execution_role, grant_group_needs
from .spec import Cluster, InstanceGroup, RestrictedInstanceGroup
from .subnet_lookup import subnet_in_zone
from .validation import region_of, validate_with

if TYPE_CHECKING:
    from aws_cdk import aws_eks as eks_v1
    from aws_cdk import aws_eks_v2 as eks


class HyperPodCluster(Construct):
    """An `AWS::SageMaker::Cluster` orchestrated by EKS, with what its nodes need.

    Bring or make: `vpc` and `eks_cluster` may come from anywhere (a `HyperPodNetwork` and `HyperPodEks` of ours, L2
    clusters of either EKS module, or `EksClusterAttributes`); `security_group`, `execution_role` and `lifecycle_bucket`
    are made when they are not given. `node_subnets` says which subnet lies in which zone id; where it is left out and the
    network is not ours, the subnet of a group's zone is looked up at deploy time.

    `cluster` is the whole spec; `instance_groups` is the short way for a cluster with defaults.
    """

    resource: CfnResource
    """The `AWS::SageMaker::Cluster`, for property overrides."""
    execution_role: iam.IRole
    """Execution role of the groups that name none of their own; grant to it what all nodes may do."""
    nodes_ready: IDependable
    """The nodes of the system group are ready: what needs pods depends on it."""
    jobs_ready: DependencyGroup
    """Operators, queues, namespaces and volumes that jobs come after."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        eks_cluster: HyperPodEks | eks.ICluster | eks_v1.ICluster | EksClusterAttributes,
        vpc: ec2.IVpc | HyperPodNetwork,
        instance_groups: Sequence[InstanceGroup] = (),
        cluster: Cluster | None = None,
        node_subnets: Mapping[str, ec2.ISubnet] | None = None,
        security_group: ec2.ISecurityGroup | None = None,
        execution_role: iam.IRole | None = None,
        lifecycle_bucket: s3.IBucket | None = None,
        after: Sequence[IDependable] = (),
    ) -> None:
        super().__init__(scope, id)
        spec = cluster or Cluster()
        self.spec = spec.model_copy(update={"instance_groups": (*spec.instance_groups, *instance_groups)})
        network = vpc.spec if isinstance(vpc, HyperPodNetwork) else None
        validate_with(self, lambda: Context(cluster=self.spec, network=network, region=region_of(self)))
        self._place(vpc, node_subnets, security_group)
        self.eks_cluster: EksCluster = (
            eks_cluster
            if isinstance(eks_cluster, HyperPodEks)
            else BroughtEks(self, "Eks", eks_cluster=eks_cluster, vpc=self._vpc)
        )
        self.kubernetes: KubernetesProvider = self.eks_cluster.kubernetes
        self.execution_role = self._execution_role(execution_role)
        self.lifecycle_scripts = LifecycleScripts(self, "LifecycleScripts", bucket=self._bucket(lifecycle_bucket))
        self._milestones: dict[str, DependencyGroup] = {}
        self.jobs_ready = DependencyGroup()
        self.resource = CfnResource(self, "Resource", type="AWS::SageMaker::Cluster", properties=self._properties())
        self.cluster_arn: str = self.resource.get_att("ClusterArn").to_string()
        for dependable in (
            self._vpc,  # with its routes and endpoints: nodes need a way out from their first boot on
            self.eks_cluster.ready,
            self.execution_role,  # with its policies: the first nodes would boot without them
            self.lifecycle_scripts.ready,
            *after,
        ):
            self.resource.node.add_dependency(dependable)
        self.nodes_ready = self._gate()
        CfnOutput(self, "ClusterArn", value=self.cluster_arn)

    def add_instance_group(self, group: InstanceGroup) -> None:
        """Add an instance group; it takes part in the same checks."""
        self.spec = self.spec.model_copy(update={"instance_groups": (*self.spec.instance_groups, group)})
        for name, value in self._properties().items():
            self.resource.add_property_override(name, value)

    def milestone(self, name: str) -> DependencyGroup:
        """What has to be there before whatever needs `name`, such as `cert_manager`; empty until something joins it.

        Add-ons join the milestone of their config key and depend on those of others, in whichever order they are made.
        """
        return self._milestones.setdefault(name, DependencyGroup())

    def metric(self, metric_name: str, **options: object) -> cloudwatch.Metric:
        """A CloudWatch metric of this cluster in the namespace `AWS/SageMaker/Clusters`."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker/Clusters",
            metric_name=metric_name,
            dimensions_map={"ClusterArn": self.cluster_arn},
            **options,  # type: ignore[arg-type]
        )

    # ---- parts ----

    def _place(
        self,
        vpc: ec2.IVpc | HyperPodNetwork,
        node_subnets: Mapping[str, ec2.ISubnet] | None,
        security_group: ec2.ISecurityGroup | None,
    ) -> None:
        if isinstance(vpc, HyperPodNetwork):
            self._vpc = vpc.vpc
            self._subnets = dict(node_subnets or vpc.node_subnets)
            self.security_group: ec2.ISecurityGroup = security_group or vpc.node_security_group
            return
        self._vpc = vpc
        self._subnets = dict(node_subnets or {})
        self.security_group = security_group or node_security_group(self, "NodeSecurityGroup", vpc)

    def _subnet_ids(self, group: InstanceGroup | RestrictedInstanceGroup) -> list[str]:
        if group.subnet_ids:
            return list(group.subnet_ids)
        zone = group.availability_zone_id
        if self._subnets:
            return [self._subnets[zone].subnet_id if zone else next(iter(self._subnets.values())).subnet_id]
        private = self._vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids
        return [subnet_in_zone(self, zone, private)] if zone else private[:1]

    def _execution_role(self, role: iam.IRole | None) -> iam.IRole:
        if role:
            return role
        if self.spec.execution_role_arn:
            return iam.Role.from_role_arn(self, "ExecutionRole", self.spec.execution_role_arn)
        subnets = list(self._subnets.values()) or list(self._vpc.private_subnets)
        return execution_role(
            self,
            "ExecutionRole",
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            subnet_ids=[subnet.subnet_id for subnet in subnets],
            security_group_ids=[self.security_group.security_group_id],
        )

    def _bucket(self, bucket: s3.IBucket | None) -> s3.IBucket | None:
        if bucket is None and self.spec.lifecycle_bucket_name:
            return s3.Bucket.from_bucket_name(self, "LifecycleBucket", self.spec.lifecycle_bucket_name)
        return bucket

    def _group_role(self, group: InstanceGroup | RestrictedInstanceGroup) -> iam.IRole:
        if group.execution_role_arn is None:
            return self.execution_role
        id = f"ExecutionRole-{group.name}"
        found = self.node.try_find_child(id)
        return found if found else iam.Role.from_role_arn(self, id, group.execution_role_arn)  # type: ignore[return-value]

    def _placement(self, group: InstanceGroup | RestrictedInstanceGroup) -> GroupPlacement:
        role = self._group_role(group)
        grant_group_needs(role, group)
        lifecycle = None
        if isinstance(group, InstanceGroup):
            lifecycle = self.lifecycle_scripts.configuration(group.lifecycle or self.spec.lifecycle, role)
        return GroupPlacement(
            subnet_ids=self._subnet_ids(group),
            security_group_ids=list(group.security_group_ids) or [self.security_group.security_group_id],
            execution_role_arn=role.role_arn,
            lifecycle=lifecycle,
        )

    def _properties(self) -> dict[str, object]:
        placements = {group.name: self._placement(group) for group in self.spec.groups}
        subnets = [subnet.subnet_id for subnet in self._subnets.values()]
        return cluster_properties(
            self.spec,
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            subnet_ids=subnets or self._vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids,
            security_group_ids=[self.security_group.security_group_id],
            placements=placements,
        )

    def _gate(self) -> IDependable:
        """Wait for the nodes of the system group: Continuous provisioning is in service before a node is."""
        group = system_group(self.spec)
        if group is None:
            return self.resource
        wait = KubernetesWait(
            self,
            "NodesReady",
            provider=self.kubernetes,
            condition=nodes_ready(
                count=group.min_count or group.count,
                cluster_arn=self.cluster_arn,
                instance_types=group.types,
            ),
            timeout=Duration.minutes(self.spec.nodes_ready_minutes),
        )
        wait.node.add_dependency(self.resource)
        return wait


def system_group(cluster: Cluster) -> InstanceGroup | None:
    """The group that carries operators and add-ons: CPU, no taints, no deep health checks, at least one instance.

    Of several the one with the most instances; None when there is none.
    """
    candidates = [
        group
        for group in cluster.instance_groups
        if group.count > 0 and not group.taints and not group.deep_health_checks and not _accelerated(group)
    ]
    return max(candidates, key=lambda group: group.count, default=None)


def _accelerated(group: InstanceGroup) -> bool:
    types = [catalog.find_instance_type(name) for name in group.types]
    return any(type_ is None or type_.is_accelerated for type_ in types)
