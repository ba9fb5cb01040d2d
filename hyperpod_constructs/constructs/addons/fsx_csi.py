"""The Amazon FSx CSI driver, which mounts FSx for Lustre file systems in pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Construct

from ...core import catalog
from ...core.spec import ADDON_NAMES, Addon
from ..arguments import checked
from ..roles import pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class FsxCsiAddon(NodeAddon):
    """The FSx CSI driver with its role and its pod identity association, which is created first.

    The role can describe file systems, which mounting those of `storage.lustre` requires. With
    `dynamic_provisioning` it can create and delete file systems, by the AWS managed policy: each claim of a storage class
    then creates a file system that is not in a template.
    """

    role: iam.IRole
    """Role of the driver's controller."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        settings: Addon | None = None,
        role: iam.IRole | None = None,
        dynamic_provisioning: bool = False,
    ) -> None:
        fact = catalog.addon(ADDON_NAMES["fsx_csi"])
        super().__init__(scope, id, key="fsx_csi", cluster=cluster, settings=settings)
        self.role = role or self._create_role(cluster, dynamic_provisioning, fact.managed_policies)
        self.pod_identity(self.role, fact.service_accounts[0])
        self.ready = self.wait_for_deployments()

    def _create_role(self, cluster: IHyperPodCluster, dynamic: bool, policies: tuple[str, ...]) -> iam.Role:
        role = pod_identity_role(
            self,
            "Role",
            eks_cluster_arn=cluster.eks_cluster.cluster_arn,
            managed_policies=policies if dynamic else (),
        )
        if not dynamic:
            # this call does not support resource-level permissions
            role.add_to_policy(iam.PolicyStatement(actions=["fsx:DescribeFileSystems"], resources=["*"]))
        return role
