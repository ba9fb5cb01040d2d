"""The EKS pod identity agent, through which pods get AWS credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import Addon
from ..arguments import checked
from .base import EksAddon

if TYPE_CHECKING:
    from ..interfaces import EksCluster


class PodIdentityAgentAddon(EksAddon):
    """The EKS pod identity agent. A DaemonSet is ACTIVE without nodes, so it is created before the HyperPod cluster."""

    @checked
    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster, settings: Addon | None = None) -> None:
        super().__init__(scope, id, key="pod_identity_agent", eks_cluster=eks_cluster, settings=settings)
