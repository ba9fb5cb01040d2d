"""The Amazon EBS CSI driver, which attaches volumes to HyperPod nodes through SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Construct

from ...core import catalog
from ...core.spec import Addon
from ..arguments import checked
from ..roles import allow_catalog_actions, pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class EbsCsiAddon(NodeAddon):
    """The EBS CSI driver with its role. SageMaker attaches the volumes: the nodes run in an account of the service."""

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
    ) -> None:
        super().__init__(scope, id, key="ebs_csi", cluster=cluster, settings=settings)
        self.role = role or self._create_role(cluster)
        self.pod_identity(self.role, catalog.addon(self.addon_name).service_accounts[0])
        self.ready = self.wait_for_deployments()

    def _create_role(self, cluster: IHyperPodCluster) -> iam.Role:
        role = pod_identity_role(
            self,
            "Role",
            eks_cluster_arn=cluster.eks_cluster.cluster_arn,
            managed_policies=catalog.role("ebs_csi").managed_policies,
        )
        allow_catalog_actions(
            role, "ebs_csi", hyperpod_volumes=[cluster.cluster_arn], eks=[cluster.eks_cluster.cluster_arn]
        )
        return role
