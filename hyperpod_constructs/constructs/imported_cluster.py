"""An existing HyperPod cluster, on which add-ons, teams, storage and jobs are placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from constructs import Construct, DependencyGroup, IDependable

from ..core.spec import Cluster, InstanceGroup
from .arguments import checked
from .cluster_base import HyperPodClusterBase, eks_cluster_of
from .eks import HyperPodEks
from .execution_roles import AllRoles
from .imported_eks import EksClusterAttributes, ImportedEks
from .interfaces import CdkEksCluster
from .network import HyperPodNetwork
from .node_placement import NodePlacement


class ImportedCluster(HyperPodClusterBase):
    """See `HyperPodCluster.from_attributes`. Its nodes exist, so no resource waits for them."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        eks_cluster: HyperPodEks | ImportedEks | CdkEksCluster | EksClusterAttributes,
        cluster_arn: str | None,
        cluster_name: str | None,
        cluster: Cluster | None,
        instance_groups: Sequence[InstanceGroup],
        vpc: ec2.IVpc | HyperPodNetwork | None,
        node_subnets: Mapping[str, ec2.ISubnet] | None,
        security_group: ec2.ISecurityGroup | None,
        execution_role: iam.IRole | None,
        execution_roles: Mapping[str, iam.IRole] | None,
        handler_subnets: Sequence[ec2.ISubnet],
    ) -> None:
        super().__init__(scope, id)
        spec = cluster or Cluster()
        groups = (*spec.instance_groups, *instance_groups)
        self.spec = spec.model_copy(update={"instance_groups": groups})
        self._name = cluster_name or spec.cluster_name
        self._arn = cluster_arn
        self._security_group = security_group
        if security_group is None and isinstance(vpc, HyperPodNetwork):
            self._security_group = vpc.node_security_group
        self._nodes = (
            NodePlacement(self, vpc=vpc, node_subnets=node_subnets, security_group=self._security_group)
            if vpc is not None and self._security_group is not None
            else None
        )
        self._roles = dict(execution_roles or {})
        self._role = execution_role
        self.eks_cluster = eks_cluster_of(
            self,
            eks_cluster,
            vpc=vpc.vpc if isinstance(vpc, HyperPodNetwork) else vpc,
            nodes=None,  # the nodes have already joined, so the rules exist
            handler_subnets=handler_subnets,
        )
        self.kubernetes = self.eks_cluster.kubernetes
        if groups or spec.restricted_instance_groups:
            self.kubernetes.parts.described_cluster = self
        self._milestones = {}
        self.nodes_ready: IDependable = DependencyGroup()
        self.jobs_ready = DependencyGroup()

    @property
    def cluster_arn(self) -> str:  # type: ignore[override]
        """ARN of the cluster.

        Raises:
            ValueError: only its name is known; the ARN ends with an id that SageMaker chooses.
        """
        if self._arn is None:
            raise ValueError(self._missing("cluster_arn"))
        return self._arn

    @property
    def cluster_name(self) -> str:
        """The name of the cluster, or its ARN if the name is unknown."""
        return self._name or self.cluster_arn

    @property
    def security_group(self) -> ec2.ISecurityGroup:
        """Security group of the nodes."""
        if self._security_group is None:
            raise ValueError(self._missing("security_group"))
        return self._security_group

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The execution roles; if none is known, CDK lists the permissions to grant."""
        roles = [*([self._role] if self._role else []), *self._roles.values()]
        if not roles:
            unknown: Any = iam.UnknownPrincipal(resource=self)
            return unknown  # type: ignore[no-any-return]
        if len(roles) == 1:
            return roles[0].grant_principal
        principal = AllRoles(self)
        for role in roles:
            principal.include(role)
        return principal

    def execution_role_of(self, group_name: str) -> iam.IRole:
        """Returns the execution role of an instance group.

        Raises:
            ValueError: the role is unknown.
        """
        role = self._roles.get(group_name) or self._role
        if role is None:
            raise ValueError(self._missing("execution_role"))
        return role

    def subnet_id(self, availability_zone_id: str | None = None) -> str:
        """Returns the id of the private subnet that nodes of a zone use. Default: that of the first zone."""
        if self._nodes is None:
            raise ValueError(self._missing("vpc and security_group"))
        return self._nodes.subnet_id(availability_zone_id)

    def keep_in_place(self, file_system: fsx.CfnFileSystem, *, name: str) -> None:
        """Does nothing: the guard that checks file systems runs in the stack that creates the cluster."""

    def _missing(self, what: str) -> str:
        return f"{self.node.path}: the imported cluster requires {what}; pass it to HyperPodCluster.from_attributes"
