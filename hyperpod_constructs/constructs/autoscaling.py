"""Node autoscaling by the managed Karpenter: what tells it which groups to fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from constructs import Construct

from ..core.node_pools import API_GROUP, node_classes, node_pools
from .kubernetes import KubernetesObjects, KubernetesWait, crd_established

if TYPE_CHECKING:
    from .interfaces import IHyperPodCluster


class NodePool(Construct):
    """A HyperpodNodeClass and a NodePool for each group that Karpenter fills, named `hyperpod-<group>`.

    With `pools: shared` there is one of each, named `hyperpod`, for all these groups.

    The kinds come with the cluster, some minutes after autoscaling is switched on, and are waited for. On deletion the
    pools go before the cluster, so that no node is added while it is torn down.
    """

    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster) -> None:
        super().__init__(scope, id)
        wait = KubernetesWait(
            self,
            "KindEstablished",
            provider=cluster.kubernetes,
            condition=crd_established(f"hyperpodnodeclasses.{API_GROUP}"),
            timeout=Duration.minutes(30),
        )
        wait.node.add_dependency(cluster.resource, cluster.nodes_ready)
        spec, provider = cluster.spec, cluster.kubernetes
        classes = KubernetesObjects(self, "NodeClass", provider=provider, objects=node_classes(spec), adopt=spec.adopt)
        classes.node.add_dependency(wait)
        pools = KubernetesObjects(self, "NodePool", provider=provider, objects=node_pools(spec), adopt=spec.adopt)
        pools.node.add_dependency(classes)
