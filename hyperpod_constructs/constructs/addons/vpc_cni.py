"""The Amazon VPC CNI add-on, installed before the first nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import VpcCni
from ..arguments import checked
from .base import EksAddon

if TYPE_CHECKING:
    from ..interfaces import EksCluster


class VpcCniAddon(EksAddon):
    """The Amazon VPC CNI, the only network plugin that HyperPod supports. It is a DaemonSet."""

    @checked
    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, settings: VpcCni | None = None) -> None:
        super().__init__(scope, id, key="vpc_cni", eks_cluster=eks_cluster, settings=settings)
