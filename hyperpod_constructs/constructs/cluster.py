"""The HyperPod cluster as a construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, DependencyGroup, IDependable

from ..core.cluster_properties import GroupPlacement, cluster_properties, has_newer_properties, lifecycle_settings
from ..core.placement import system_group
from ..core.spec import Acknowledgement, Cluster, InstanceGroup, RestrictedInstanceGroup
from ..core.spec.base import deployed
from .arguments import checked
from .autoscaling import NodePool
from .cluster_base import HyperPodClusterBase, eks_cluster_of
from .cluster_guard import ClusterGuard
from .eks import HyperPodEks
from .execution_roles import ExecutionRoles
from .existing_network import has_resources
from .ids import known_id
from .imported_eks import EksClusterAttributes, ImportedEks
from .interfaces import CdkEksCluster, EksCluster
from .kubernetes import KubernetesProvider, KubernetesWait, nodes_ready
from .l1 import set_properties
from .lifecycle_scripts import LifecycleScripts
from .network import HyperPodNetwork
from .node_placement import NodePlacement
from .restricted_nodes import RestrictedNetwork
from .roles import cluster_role, grant_volume_key, grant_volume_keys
from .validation import accept_newer_properties, ensure_arns, ensure_unique, region_of, validate_with

if TYPE_CHECKING:
    from .imported_cluster import ImportedCluster


class HyperPodCluster(HyperPodClusterBase):
    """An `AWS::SageMaker::Cluster` orchestrated by EKS, with the resources that its nodes require.

    `vpc` and `eks_cluster` may be created or existing (`HyperPodNetwork` and `HyperPodEks`, L2 clusters of either EKS
    module, or `EksClusterAttributes`); `security_group`, `execution_role` and `lifecycle_bucket` are created unless
    given. `node_subnets` maps zone ids to subnets; without it, and if `vpc` is not a `HyperPodNetwork`, the
    subnet of a group's zone is looked up at deploy time.

    `handler_subnets` are private subnets of `vpc` in which the functions of this library run; an imported EKS cluster
    without a public endpoint requires them (`HyperPodEks` places its functions itself). Rules allow traffic between the
    node security group and the cluster security group of an imported EKS cluster.

    `cluster_subnets` are the subnets of the cluster's `VpcConfig`. Changing them replaces the cluster, even if every
    group has its own subnets: set them if zones may be added to the VPC later. Default: those of the first two zones of
    a `HyperPodNetwork` (`control_plane_zone_ids`), all of `node_subnets`, or all private subnets of another VPC.

    `cluster` is the whole spec; `instance_groups`, `cluster_name` and `nodes_ready_timeout` (at most one hour) are
    shortcuts for a cluster with defaults, and take precedence over it. `outputs` adds a stack output with the ARN. An
    edit that would make CloudFormation replace the cluster fails the deployment before any change, unless
    `allow_replacement` is set.

    The cluster is a grantable: `bucket.grant_read(cluster)` gives the nodes of every group read access, with any role.
    """

    resource: sagemaker.CfnCluster
    """The `AWS::SageMaker::Cluster`; property overrides are merged over the spec, regardless of when they are added."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        eks_cluster: HyperPodEks | ImportedEks | CdkEksCluster | EksClusterAttributes,
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
        cluster_name: str | None = None,
        nodes_ready_timeout: Duration | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        spec = cluster or Cluster()
        given: dict[str, object] = {"instance_groups": (*spec.instance_groups, *instance_groups)}
        if cluster_name is not None:
            given["cluster_name"] = cluster_name
        if nodes_ready_timeout is not None:
            given["nodes_ready_minutes"] = int(nodes_ready_timeout.to_minutes())
        self.spec = spec.model_copy(update=given)
        ensure_arns(self, cluster=self.spec)
        self._placement = NodePlacement(
            self, vpc=vpc, node_subnets=node_subnets, security_group=security_group, cluster_subnets=cluster_subnets
        )
        self._vpc = self._placement.vpc
        validate_with(self, lambda: self._placement.findings(self.spec, region=region_of(self)))
        self.eks_cluster: EksCluster = eks_cluster_of(
            self, eks_cluster, vpc=self._vpc, nodes=self.security_group, handler_subnets=handler_subnets
        )
        self.kubernetes: KubernetesProvider = self.eks_cluster.kubernetes
        parts = self.kubernetes.parts
        parts.clusters.append(self)
        parts.acknowledge += acknowledge
        ensure_unique(self, "HyperPod cluster", self.spec.cluster_name, parts.acknowledge)
        if isinstance(vpc, HyperPodNetwork):
            parts.network = parts.network or vpc.spec
            vpc.is_checked_with_cluster = True
            if isinstance(self.eks_cluster, ImportedEks):  # a `HyperPodNetwork` includes its rules and routes
                after = [*after, vpc.ready]
        self._roles = ExecutionRoles(
            self,
            "ExecutionRoles",
            cluster=self.spec,
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            given=execution_role,
            vpc_id=self._vpc.vpc_id,
            shared_placement=lambda: {
                "subnet_ids": list(dict.fromkeys([*self._placement.cluster_subnet_ids, *self._used_subnet_ids()])),
                "security_group_ids": [self.security_group.security_group_id],
            },
        )
        self._created_cluster_role: iam.Role | None = None
        self.cluster_role = self._cluster_role()
        self.lifecycle_scripts = LifecycleScripts(self, "LifecycleScripts", bucket=self._bucket(lifecycle_bucket))
        self._milestones: dict[str, DependencyGroup] = {}
        self.jobs_ready = DependencyGroup()
        self.resource = sagemaker.CfnCluster(self, "Resource")
        self.cluster_arn: str = self.resource.get_att("ClusterArn").to_string()
        self._guard = ClusterGuard(self, "Guard", guarded=self.resource, allow_replacement=allow_replacement)
        self._nodes_ready = DependencyGroup()
        self.nodes_ready: IDependable = self._nodes_ready
        self._gate: KubernetesWait | None = None
        self._pooled: set[str] = set()
        self._render()
        restricted = (
            [RestrictedNetwork(self, "RestrictedNetwork", eks_cluster=self.eks_cluster, adopt=spec.adopt)]
            if self.prepares_restricted_nodes
            else []
        )
        # the `vpc` of a network that creates its VPC is imported by attributes: a construct without resources
        by_attributes = isinstance(vpc, HyperPodNetwork) and vpc.spec.existing is None
        places = [self.security_group] if by_attributes else [self._vpc, self.security_group]
        self.resource.node.add_dependency(
            # the VPC with its routes and endpoints (nodes require internet access or endpoints from their first boot), and
            # the security group with its rules; an imported one has no resources to depend on, and may have no stack
            *(place for place in places if has_resources(place)),
            self.eks_cluster.ready,
            self._roles.principal.ready,
            self.lifecycle_scripts.ready,
            *([self.cluster_role] if self.cluster_role else []),
            *restricted,  # restricted nodes do not become ready without them
            self.kubernetes.before_clusters,
            *after,
        )
        if self._gate is None:  # created with the first group whose nodes it can wait for
            self._nodes_ready.add(self.resource)
        self._create_node_pools()
        if outputs:
            CfnOutput(self, "ClusterArn", value=self.cluster_arn)

    @staticmethod
    def from_attributes(
        scope: Construct,
        id: str,
        *,
        eks_cluster: HyperPodEks | ImportedEks | CdkEksCluster | EksClusterAttributes,
        cluster_arn: str | None = None,
        cluster_name: str | None = None,
        cluster: Cluster | None = None,
        instance_groups: Sequence[InstanceGroup] = (),
        vpc: ec2.IVpc | HyperPodNetwork | None = None,
        node_subnets: Mapping[str, ec2.ISubnet] | None = None,
        security_group: ec2.ISecurityGroup | None = None,
        execution_role: iam.IRole | None = None,
        execution_roles: Mapping[str, iam.IRole] | None = None,
        handler_subnets: Sequence[ec2.ISubnet] = (),
    ) -> ImportedCluster:
        """Returns a HyperPod cluster that another stack, app or tool created, for add-ons, teams, storage and jobs.

        This app does not change the cluster. Jobs and teams are checked against its groups if they are specified.

        Args:
            scope: the scope of the resources that are created for it.
            id: construct id.
            eks_cluster: its EKS cluster, as for `HyperPodCluster`.
            cluster_arn: ARN of the HyperPod cluster.
            cluster_name: name of the HyperPod cluster. One of the two is required; teams and operators require the ARN.
            cluster: the known part of its spec. Default: unknown.
            instance_groups: its groups, a shortcut for `cluster`.
            vpc: its VPC, for file systems and for functions in private subnets.
            node_subnets: subnets of its nodes by zone id. Default: the network's, or looked up in `vpc`.
            security_group: security group of its nodes, for file systems and `connections`.
            execution_role: execution role of its groups, for grants.
            execution_roles: execution roles by group, if groups have separate roles.
            handler_subnets: as for `HyperPodCluster`.
        """
        from .imported_cluster import ImportedCluster

        return ImportedCluster(
            scope,
            id,
            eks_cluster=eks_cluster,
            cluster_arn=cluster_arn,
            cluster_name=cluster_name,
            cluster=cluster,
            instance_groups=instance_groups,
            vpc=vpc,
            node_subnets=node_subnets,
            security_group=security_group,
            execution_role=execution_role,
            execution_roles=execution_roles,
            handler_subnets=handler_subnets,
        )

    @property
    def execution_role(self) -> iam.IRole:
        """The execution role of the groups that do not specify one.

        Raises:
            ValueError: each group has a separate role (`execution_roles: per-group`).
        """
        return self._roles.shared

    def execution_role_of(self, group_name: str) -> iam.IRole:
        """Returns the execution role of an instance group.

        Raises:
            KeyError: the cluster has no such group.
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
        """Allows a key to encrypt volumes of the nodes: adds the required permissions to the key policy and the roles."""
        grant_volume_key(self._roles.principal, key)
        if self.cluster_role:
            grant_volume_key(self.cluster_role, key)

    @checked
    def add_instance_group(self, group: InstanceGroup) -> None:
        """Adds an instance group; it is included in the same checks."""
        before = self.spec
        self.spec = before.model_copy(update={"instance_groups": (*before.instance_groups, group)})
        ensure_arns(self, cluster=self.spec)
        self._render()
        keys = [arn for arn in self.spec.volume_key_arns if arn not in before.volume_key_arns]
        if keys and self._created_cluster_role:
            grant_volume_keys(self._created_cluster_role, keys)
        self._create_node_pools()
        if self._placement.subnets and not group.subnet_ids:
            self._roles.admit(self.subnet_id(group.availability_zone_id))

    # ---- components ----

    def _used_subnet_ids(self) -> list[str]:
        """Returns the subnets of the groups' zones; subnets that a group specifies by id are granted to the group's role."""
        if not self._placement.subnets:
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
        self._created_cluster_role = cluster_role(self, "ClusterRole", key_arns=self.spec.volume_key_arns)
        return self._created_cluster_role

    def _bucket(self, bucket: s3.IBucket | None) -> s3.IBucket | None:
        if bucket is None and self.spec.lifecycle_bucket_name:
            return s3.Bucket.from_bucket_name(self, "LifecycleBucket", self.spec.lifecycle_bucket_name)
        return bucket

    def _where(self, group: InstanceGroup | RestrictedInstanceGroup) -> dict[str, Sequence[str]]:
        # always with the node security group, which allows traffic between nodes and the control plane
        security_groups = dict.fromkeys([*group.security_group_ids, self.security_group.security_group_id])
        return {"subnet_ids": self._subnet_ids(group), "security_group_ids": list(security_groups)}

    def _place(self, group: InstanceGroup | RestrictedInstanceGroup) -> GroupPlacement:
        where = self._where(group)
        role = self._roles.of(group, where)
        lifecycle = None
        if isinstance(group, InstanceGroup):
            lifecycle = self.lifecycle_scripts.configuration(
                group.lifecycle or self.spec.lifecycle, role, lifecycle_settings(self.spec, group)
            )
        return GroupPlacement(execution_role_arn=role.role_arn, lifecycle=lifecycle, **where)

    def keep_in_place(self, file_system: fsx.CfnFileSystem, *, name: str) -> None:
        """Fails a deployment that would move a file system of this stack to another subnet."""
        if Stack.of(file_system) is Stack.of(self):
            self._guard.watch_file_system(file_system, name=name)

    def _render(self) -> None:
        values = self._guard.watch(self._properties(), self.spec.scaled_groups)
        set_properties(self.resource, sagemaker.CfnClusterProps, values)
        if has_newer_properties(self.spec):
            accept_newer_properties(self.resource)
        self._wait_for_nodes()

    def _properties(self) -> dict[str, object]:
        placements = {group.name: self._place(group) for group in self.spec.groups}
        return cluster_properties(
            self.spec,
            eks_cluster_arn=self.eks_cluster.cluster_arn,
            subnet_ids=self._placement.cluster_subnet_ids,
            security_group_ids=[self.security_group.security_group_id],
            placements=placements,
            cluster_role_arn=self.cluster_role.role_arn if self.cluster_role else None,
        )

    def _wait_for_nodes(self) -> None:
        """Waits for the nodes of the system group: with Continuous provisioning, a cluster is InService before it has nodes.

        The group and the number of nodes are resolved at synthesis, because groups may be added later.
        """
        if self._gate is not None or system_group(self.spec) is None:
            return
        self._gate = KubernetesWait(
            self,
            "NodesReady",
            kubernetes=self.kubernetes,
            condition=lambda: nodes_ready(
                count=deployed(self.system_nodes),
                cluster_arn=self.cluster_arn,
                instance_types=group.types if (group := system_group(self.spec)) else (),
            ),
            timeout=Duration.minutes(self.spec.nodes_ready_minutes),
        )
        self._gate.node.add_dependency(self.resource)
        self._nodes_ready.add(self._gate)

    def _create_node_pools(self) -> None:
        """Creates Karpenter's NodePools: one construct for the initial groups, and one for each group that is added.

        A NodePool that all groups share is one construct, with the groups as of synthesis.
        """
        scaling = self.spec.scaling
        if scaling is None or not scaling.node_pool or (self._pooled and scaling.pools == "shared"):
            return
        added = set(self.spec.karpenter_groups) - self._pooled
        groups = [group for group in self.spec.instance_groups if group.name in added]
        if groups:
            id = f"NodePool-{known_id(self, groups[0].name)}" if self._pooled else "NodePool"
            self.jobs_ready.add(NodePool(self, id, cluster=self, groups=None if scaling.pools == "shared" else groups))
            self._pooled |= {group.name for group in groups}
