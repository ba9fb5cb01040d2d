"""The kube-proxy add-on, installed before the first nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import Addon
from ..arguments import checked
from .base import EksAddon

if TYPE_CHECKING:
    from ..interfaces import EksCluster


class KubeProxyAddon(EksAddon):
    """kube-proxy, a DaemonSet."""

    @checked
    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, settings: Addon | None = None) -> None:
        super().__init__(scope, id, key="kube_proxy", eks_cluster=eks_cluster, settings=settings)
