"""The HyperPod training operator, which provides the HyperPodPyTorchJob kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from constructs import Construct

from ...core import catalog
from ...core.spec import ADDON_NAMES, TrainingOperator
from ..arguments import checked
from ..kubernetes import KubernetesWait, crd_established
from ..roles import pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class TrainingOperatorAddon(NodeAddon):
    """The training operator add-on with its role and its pod identity association.

    The association is a separate resource and is created before the add-on: some versions reject an inline one, and a
    controller that starts without credentials stays unhealthy. The construct is ready when the HyperPodPyTorchJob kind is
    established and the controller is available; jobs of the cluster depend on it.
    """

    role: iam.IRole
    """Role of the controller."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        settings: TrainingOperator | None = None,
        role: iam.IRole | None = None,
    ) -> None:
        settings = settings or TrainingOperator()
        fact = catalog.addon(ADDON_NAMES["training_operator"])
        super().__init__(scope, id, key="training_operator", cluster=cluster, settings=settings)
        if role is None and settings.role_arn:
            role = iam.Role.from_role_arn(self, "Role", settings.role_arn)
        self.role = role or self._create_role(cluster, settings)
        self.pod_identity(self.role, fact.service_accounts[0])
        crd = KubernetesWait(
            self,
            "KindEstablished",
            kubernetes=cluster.kubernetes,
            condition=crd_established(fact.crds[0]),
            timeout=Duration.minutes(10),
            rerun_on=self.version,
        )
        crd.node.add_dependency(self.wait_until_ready())
        self.ready = crd
        cluster.jobs_ready.add(self)

    def _create_role(self, cluster: IHyperPodCluster, settings: TrainingOperator) -> iam.Role:
        managed = settings.permissions == "managed"
        role = pod_identity_role(
            self,
            "Role",
            eks_cluster_arn=cluster.eks_cluster.cluster_arn,
            managed_policies=catalog.addon(self.addon_name).managed_policies if managed else (),
        )
        if not managed:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=[
                        "sagemaker:DescribeCluster",
                        "sagemaker:DescribeClusterNode",
                        "sagemaker:ListClusterNodes",
                    ],
                    resources=[cluster.cluster_arn],
                )
            )
        return role
