"""HyperPod task governance: Kueue managed by the service, with scheduler configs and compute quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from ...core.spec import Addon
from ..arguments import checked
from .base import NodeAddon

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class TaskGovernanceAddon(NodeAddon):
    """The task governance add-on, ready when Kueue's controller is available.

    Its webhook receives every pod outside `kube-system`, so the other HyperPod add-ons are created after it. The
    scheduler config and the quotas are also created after it, because creating them calls that webhook.
    """

    @checked
    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: Addon | None = None) -> None:
        super().__init__(scope, id, key="task_governance", cluster=cluster, settings=settings)
        self.ready = self.wait_for_deployments()
