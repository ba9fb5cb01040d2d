"""Amazon CloudWatch Observability (Container Insights), the alternative to HyperPod observability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core import catalog
from ...core.spec import CloudWatchObservability
from ..arguments import checked
from ..roles import pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class CloudWatchObservabilityAddon(NodeAddon):
    """The CloudWatch agent and Fluent Bit on every node, with a pod identity role."""

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: CloudWatchObservability | None = None
    ) -> None:
        super().__init__(scope, id, key="cloudwatch_observability", cluster=cluster, settings=settings)
        fact = catalog.addon(self.addon_name)
        self.role = pod_identity_role(
            self, "Role", eks_cluster_arn=cluster.eks_cluster.cluster_arn, managed_policies=fact.managed_policies
        )
        self.pod_identity(self.role, fact.service_accounts[0])
        self.ready = self.wait_until_ready()
