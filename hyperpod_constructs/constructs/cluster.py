"""The HyperPod cluster as a construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import jsii
from aws_cdk import CfnOutput, CfnResource, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, DependencyGroup, IConstruct, IDependable

from ..core import catalog
from ..core.cluster_properties import GroupPlacement, cluster_properties, has_newer_properties, lifecycle_settings
from ..core.placement import system_group
from ..core.spec import ADDON_NAMES, Acknowledgement, Cluster, InstanceGroup, RestrictedInstanceGroup
from .autoscaling import NodePool
from .cluster_guard import ClusterGuard
from .eks import BroughtEks, EksClusterAttributes, HyperPodEks
from .execution_roles import ExecutionRoles
from .interfaces import EksCluster
from .kubernetes import KubernetesProvider, KubernetesWait, nodes_ready
from .l1 import set_properties
from .lifecycle_scripts import LifecycleScripts
from .network import HyperPodNetwork, node_security_group
from .restricted_nodes import RestrictedNetwork
from .roles import cluster_role, grant_volume_key
from .subnet_lookup import subnet_in_zone
from .validation import accept_newer_properties

if TYPE_CHECKING:
    from aws_cdk import aws_eks as eks_v1
    from aws_cdk import aws_eks_v2 as eks


@jsii.implements(iam.IGrantable)
class HyperPodCluster(Construct):
    """An `AWS::SageMaker::Cluster` orchestrated by EKS, with what its nodes need.

    Bring or make: `vpc` and `eks_cluster` may come from anywhere (a `HyperPodNetwork` and `HyperPodEks` of ours, L2
    clusters of either EKS module, or `EksClusterAttributes`); `security_group`, `execution_role` and `lifecycle_bucket`
    are made when they are not given. `node_subnets` says which subnet lies in which zone id; where it is left out and the
    network is not ours, the subnet of a group's zone is looked up at deploy time.

    `handler_subnets` are private subnets of `vpc` in which our functions run; a brought EKS cluster without a public
    endpoint needs them (a `HyperPodEks` places its functions itself). The node security group and the cluster security
    group of a brought EKS cluster are let into each other.

    `cluster_subnets` are the subnets of the cluster's `VpcConfig`, whose edit replaces the cluster although every group has
    subnets of its own: name them where zones may be added to a VPC later. Default: those of the first two zones of a
    `HyperPodNetwork` (`control_plane_zone_ids`), all of `node_subnets`, or all private subnets of another VPC.

    `cluster` is the whole spec; `instance_groups` is the short way for a cluster with defaults. An edit that would make
    CloudFormation replace the cluster fails the deployment before anything happens, unless `allow_replacement` is set.

    It is a grantable: `bucket.grant_read(cluster)` lets the nodes of every group read, whichever role they run with.
    """

    resource: sagemaker.CfnCluster
    """The `AWS::SageMaker::Cluster`; property overrides are merged over what the spec says, whenever they are made."""
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
        handler_subnets: Sequence[ec2.ISubnet] = (),
        cluster_subnets: Sequence[ec2.ISubnet] = (),
        allow_replacement: bool = False,
        after: Sequence[IDependable] = (),
        acknowledge: Sequence[Acknowledgement] = (),
    ) -> None:
        super().__init__(scope, id)
        spec = cluster or Cluster()
        self.spec = spec.model_copy(update={"instance_groups": (*spec.instance_groups, *instance_groups)})
        self._place(vpc, node_subnets, security_group, cluster_subnets)
        self.eks_cluster: EksCluster = (
            eks_cluster
            if isinstance(eks_cluster, HyperPodEks)
            else BroughtEks(
                self,
                "Eks",
                eks_cluster=eks_cluster,
                vpc=self._vpc,
                node_security_group=self.security_group,
                handler_subnets=handler_subnets,
            )
        )
        self.kubernetes: KubernetesProvider = self.eks_cluster.kubernetes
        parts = self.kubernetes.parts
        parts.clusters.append(self)
        parts.acknowledge += acknowledge
        if isinstance(vpc, HyperPodNetwork):
            parts.network = parts.network or vpc.spec
            vpc.is_checked_with_cluster = True
        self._roles = ExecutionRoles(
            self,
            "ExecutionRoles",
            cluster=self.spec,
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            given=execution_role,
            vpc_id=self._vpc.vpc_id,
            shared_placement=lambda: {
                "subnet_ids": list(dict.fromkeys([*self._cluster_subnet_ids(), *self._used_subnet_ids()])),
                "security_group_ids": [self.security_group.security_group_id],
            },
        )
        self.cluster_role = self._cluster_role()
        self.lifecycle_scripts = LifecycleScripts(self, "LifecycleScripts", bucket=self._bucket(lifecycle_bucket))
        self._milestones: dict[str, DependencyGroup] = {}
        self.jobs_ready = DependencyGroup()
        self.resource = sagemaker.CfnCluster(self, "Resource")
        self.cluster_arn: str = self.resource.get_att("ClusterArn").to_string()
        self._guard = ClusterGuard(self, "Guard", guarded=self.resource, allow_replacement=allow_replacement)
        self._render()
        restricted = (
            [RestrictedNetwork(self, "RestrictedNetwork", eks_cluster=self.eks_cluster, adopt=spec.adopt)]
            if self.prepares_restricted_nodes
            else []
        )
        for dependable in (
            # the VPC with its routes and endpoints (nodes need a way out from their first boot on), and the security group
            # with its rules; what only stands for something that exists has nothing to wait for, and maybe no stack
            *(each for each in (self._vpc, self.security_group) if _has_resources(each)),
            self.eks_cluster.ready,
            self._roles.principal.ready,
            self.lifecycle_scripts.ready,
            *([self.cluster_role] if self.cluster_role else []),
            *restricted,  # restricted nodes never become ready without
            *after,
        ):
            self.resource.node.add_dependency(dependable)
        self.nodes_ready = self._gate()
        if self.spec.scaling and self.spec.scaling.node_pool and self.spec.karpenter_groups:
            pool = NodePool(self, "NodePool", cluster=self)
            self.jobs_ready.add(pool)
        CfnOutput(self, "ClusterArn", value=self.cluster_arn)

    @property
    def execution_role(self) -> iam.IRole:
        """Execution role of the groups that name none of their own.

        Raises:
            ValueError: each group has a role of its own (`execution_roles: per-group`).
        """
        return self._roles.shared

    def execution_role_of(self, group_name: str) -> iam.IRole:
        """Execution role of one group.

        Raises:
            KeyError: there is no such group.
        """
        group = next((group for group in self.spec.groups if group.name == group_name), None)
        if group is None:
            raise KeyError(f"{self.node.path} has no instance group {group_name!r}")
        return self._roles.of(group, self._where(group))

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """All execution roles as one principal."""
        return self._roles.principal

    def grant_volume_key(self, key: kms.IKey) -> None:
        """Let a key encrypt volumes of the nodes: the key's policy and the roles' get what the service needs of it."""
        grant_volume_key(self._roles.principal, key)
        if self.cluster_role:
            grant_volume_key(self.cluster_role, key)

    def add_instance_group(self, group: InstanceGroup) -> None:
        """Add an instance group; it takes part in the same checks."""
        self.spec = self.spec.model_copy(update={"instance_groups": (*self.spec.instance_groups, group)})
        self._render()
        if self._subnets and not group.subnet_ids:
            self._roles.admit(self.subnet_id(group.availability_zone_id))

    @property
    def prepares_restricted_nodes(self) -> bool:
        """Whether restricted nodes get a network agent and DNS servers of their own from us."""
        return bool(self.spec.restricted_instance_groups) and self.spec.prepare_restricted_nodes

    @property
    def system_nodes(self) -> int:
        """How many nodes of the system group `nodes_ready` waits for; 1 where there is no such group."""
        group = system_group(self.spec)
        return (group.min_count or group.count) if group else 1

    def milestone(self, key: str) -> DependencyGroup:
        """What comes before whatever needs the add-on of a config key, such as `cert_manager`; empty until it is added.

        Add-ons join the milestone of their key and depend on those of others, in whichever order they are made.
        `scheduler_config` is that of the cluster scheduler policy.

        Raises:
            UnknownName: the key is not that of an add-on.
        """
        known = (*ADDON_NAMES, "kueue", "scheduler_config")
        if key not in known:
            raise catalog.UnknownName("milestone", key, catalog.suggest(key, known))
        return self._milestones.setdefault(key, DependencyGroup())

    def namespace_ready(self, namespace: str) -> DependencyGroup:
        """What comes before whatever is placed in a team's namespace: the namespace and the team's rights in it."""
        return self._milestones.setdefault(f"namespace {namespace}", DependencyGroup())

    def subnet_id(self, availability_zone_id: str | None = None) -> str:
        """Id of the private subnet that nodes of a zone use; of the first zone when none is named."""
        zone = availability_zone_id
        if self._subnets:
            return (self._subnets[zone] if zone else next(iter(self._subnets.values()))).subnet_id
        private = self._vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids
        return subnet_in_zone(self, zone, private) if zone else private[0]

    # ---- parts ----

    def _place(
        self,
        vpc: ec2.IVpc | HyperPodNetwork,
        node_subnets: Mapping[str, ec2.ISubnet] | None,
        security_group: ec2.ISecurityGroup | None,
        cluster_subnets: Sequence[ec2.ISubnet],
    ) -> None:
        self._cluster_subnets = list(cluster_subnets or (node_subnets or {}).values())
        if isinstance(vpc, HyperPodNetwork):
            self._vpc = vpc.vpc
            self._subnets = dict(node_subnets or vpc.node_subnets)
            self._cluster_subnets = self._cluster_subnets or list(vpc.cluster_subnets)
            self.security_group: ec2.ISecurityGroup = security_group or vpc.node_security_group
            return
        self._vpc = vpc
        self._subnets = dict(node_subnets or {})
        self.security_group = security_group or node_security_group(self, "NodeSecurityGroup", vpc)

    def _cluster_subnet_ids(self) -> list[str]:
        """Subnets of the cluster's `VpcConfig`."""
        private = ec2.SubnetType.PRIVATE_WITH_EGRESS
        return [s.subnet_id for s in self._cluster_subnets] or self._vpc.select_subnets(subnet_type=private).subnet_ids

    def _used_subnet_ids(self) -> list[str]:
        """Subnets of zones that groups name; those that groups name by id are granted to their own role."""
        if not self._subnets:
            return []
        return [self.subnet_id(group.availability_zone_id) for group in self.spec.groups if not group.subnet_ids]

    def _subnet_ids(self, group: InstanceGroup | RestrictedInstanceGroup) -> list[str]:
        return list(group.subnet_ids) or [self.subnet_id(group.availability_zone_id)]

    def _cluster_role(self) -> iam.IRole | None:
        scaling = self.spec.autoscaling
        if scaling is None:
            return None
        if scaling.cluster_role_arn:
            return iam.Role.from_role_arn(self, "ClusterRole", scaling.cluster_role_arn)
        return cluster_role(self, "ClusterRole", key_arns=self.spec.volume_key_arns)

    def _bucket(self, bucket: s3.IBucket | None) -> s3.IBucket | None:
        if bucket is None and self.spec.lifecycle_bucket_name:
            return s3.Bucket.from_bucket_name(self, "LifecycleBucket", self.spec.lifecycle_bucket_name)
        return bucket

    def _where(self, group: InstanceGroup | RestrictedInstanceGroup) -> dict[str, Sequence[str]]:
        # its own groups come on top: the node security group is what lets nodes reach each other and the control plane
        security_groups = dict.fromkeys([*group.security_group_ids, self.security_group.security_group_id])
        return {"subnet_ids": self._subnet_ids(group), "security_group_ids": list(security_groups)}

    def _placement(self, group: InstanceGroup | RestrictedInstanceGroup) -> GroupPlacement:
        where = self._where(group)
        role = self._roles.of(group, where)
        lifecycle = None
        if isinstance(group, InstanceGroup):
            lifecycle = self.lifecycle_scripts.configuration(
                group.lifecycle or self.spec.lifecycle, role, lifecycle_settings(self.spec, group)
            )
        return GroupPlacement(execution_role_arn=role.role_arn, lifecycle=lifecycle, **where)

    def keep_in_place(self, file_system: fsx.CfnFileSystem, *, name: str) -> None:
        """Let a deployment fail that would move a file system of this stack to another subnet."""
        if Stack.of(file_system) is Stack.of(self):
            self._guard.watch_file_system(file_system, name=name)

    def _render(self) -> None:
        values = self._guard.watch(self._properties(), self.spec.scaled_groups)
        set_properties(self.resource, sagemaker.CfnClusterProps, values)
        if has_newer_properties(self.spec):
            accept_newer_properties(self.resource)

    def _properties(self) -> dict[str, object]:
        placements = {group.name: self._placement(group) for group in self.spec.groups}
        return cluster_properties(
            self.spec,
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            subnet_ids=self._cluster_subnet_ids(),
            security_group_ids=[self.security_group.security_group_id],
            placements=placements,
            cluster_role_arn=self.cluster_role.role_arn if self.cluster_role else None,
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
                count=self.system_nodes,
                cluster_arn=self.cluster_arn,
                instance_types=group.types,
            ),
            timeout=Duration.minutes(self.spec.nodes_ready_minutes),
        )
        wait.node.add_dependency(self.resource)
        return wait


def _has_resources(construct: IConstruct) -> bool:
    return any(CfnResource.is_cfn_resource(node) for node in construct.node.find_all())
