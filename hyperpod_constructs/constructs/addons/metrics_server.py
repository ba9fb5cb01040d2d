"""metrics-server, which provides metrics to autoscalers and `kubectl top`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import MetricsServer
from ..arguments import checked
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class MetricsServerAddon(NodeAddon):
    """metrics-server as an EKS community add-on. It tolerates every taint, for clusters with accelerated nodes only."""

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: MetricsServer | None = None
    ) -> None:
        super().__init__(
            scope,
            id,
            key="metrics_server",
            cluster=cluster,
            settings=settings,
            defaults={"tolerations": [{"operator": "Exists"}]},
        )
        self.ready = self.wait_for_deployments()
