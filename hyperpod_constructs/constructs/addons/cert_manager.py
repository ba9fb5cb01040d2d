"""cert-manager, which issues the certificates of the operators' webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import CertManager
from ..arguments import checked
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class CertManagerAddon(NodeAddon):
    """cert-manager as an EKS community add-on, ready when its three deployments are available.

    Its pods tolerate every taint, so they also run in a cluster that has accelerated nodes only.
    """

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: CertManager | None = None
    ) -> None:
        tolerate = {"tolerations": [{"operator": "Exists"}]}
        super().__init__(
            scope,
            id,
            key="cert_manager",
            cluster=cluster,
            settings=settings,
            defaults={**tolerate, "webhook": tolerate, "cainjector": tolerate},
        )
        self.ready = self.wait_until_ready(
            deployments=[
                "cert-manager/cert-manager",
                "cert-manager/cert-manager-cainjector",
                "cert-manager/cert-manager-webhook",
            ]
        )
