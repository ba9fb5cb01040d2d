"""SageMaker Spaces: notebooks and editors on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core import catalog
from ...core.spec import Spaces
from ..arguments import checked
from ..roles import pod_identity_role
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class SpacesAddon(NodeAddon):
    """The Spaces add-on with a role for its controller and one for its router (web access), each by pod identity."""

    @checked
    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: Spaces | None = None) -> None:
        super().__init__(scope, id, key="spaces", cluster=cluster, settings=settings)
        controller, router = catalog.addon(self.addon_name).service_accounts
        for name, account in (("controller", controller), ("router", router)):
            role = pod_identity_role(
                self,
                f"{name.capitalize()}Role",
                eks_cluster_arn=cluster.eks_cluster.cluster_arn,
                managed_policies=catalog.role(f"spaces_{name}").managed_policies,
            )
            self.pod_identity(role, account)
        self.ready = self.wait_for_deployments()
