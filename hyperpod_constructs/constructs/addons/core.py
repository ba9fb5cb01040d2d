"""The core add-ons that every EKS cluster runs on: vpc-cni, kube-proxy and CoreDNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import Addon, CoreDns, VpcCni
from ..restricted_nodes import RestrictedDns
from .base import EksAddon, NodeAddon

if TYPE_CHECKING:
    from ..cluster import HyperPodCluster
    from ..eks import EksCluster


class VpcCniAddon(EksAddon):
    """The Amazon VPC CNI, the only network plugin that HyperPod supports. A DaemonSet."""

    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, settings: VpcCni | None = None) -> None:
        super().__init__(scope, id, key="vpc_cni", eks_cluster=eks_cluster, settings=settings)


class KubeProxyAddon(EksAddon):
    """kube-proxy. A DaemonSet."""

    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, settings: Addon | None = None) -> None:
        super().__init__(scope, id, key="kube_proxy", eks_cluster=eks_cluster, settings=settings)


class CoreDnsAddon(NodeAddon):
    """CoreDNS. A Deployment, so it comes when nodes are ready; what needs names waits for it.

    Beside restricted nodes it runs on every node besides (`RestrictedDns`).
    """

    def __init__(self, scope: Construct, id: str, *, cluster: HyperPodCluster, settings: CoreDns | None = None) -> None:
        super().__init__(scope, id, key="coredns", cluster=cluster, settings=settings)
        self.ready = self.wait_until_ready()
        if cluster.prepares_restricted_nodes:
            RestrictedDns(self, "RestrictedDns", cluster=cluster, after=[self.ready], version=self.fingerprint)
