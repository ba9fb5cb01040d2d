"""The CoreDNS add-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import CoreDns
from ..arguments import checked
from ..restricted_nodes import RestrictedDns
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class CoreDnsAddon(NodeAddon):
    """CoreDNS. It is a Deployment and is created after the nodes are ready; resources that require DNS depend on it.

    In a cluster with restricted nodes, a DNS server also runs on every node (`RestrictedDns`).
    """

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: CoreDns | None = None
    ) -> None:
        super().__init__(scope, id, key="coredns", cluster=cluster, settings=settings)
        self.ready = self.wait_until_ready()
        if cluster.prepares_restricted_nodes:
            RestrictedDns(self, "RestrictedDns", cluster=cluster, after=[self.ready], version=self.fingerprint)
