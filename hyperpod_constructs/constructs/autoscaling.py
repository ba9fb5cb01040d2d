"""Node autoscaling with managed Karpenter: the node classes and node pools of the groups that it scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_cdk import Duration
from constructs import Construct

from ..core.node_pools import API_GROUP, node_classes, node_pools
from ..core.spec import Cluster, InstanceGroup
from .arguments import checked
from .kubernetes import KubernetesObjects, KubernetesWait, crd_established

if TYPE_CHECKING:
    from .cluster import HyperPodCluster


class NodePool(Construct):
    """A HyperpodNodeClass and a NodePool for each group that Karpenter scales, named `hyperpod-<group>`.

    With `pools: shared`, there is one of each for all these groups, named `hyperpod`.

    The deployment waits for the CRDs of both kinds, which are established a few minutes after autoscaling is enabled. The
    pools are deleted before the cluster, so that no node is added during its deletion.

    Args:
        cluster: the HyperPod cluster.
        groups: the groups that Karpenter scales. Default: all groups of the cluster that it scales, as of synthesis.
    """

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: HyperPodCluster, groups: Sequence[InstanceGroup] | None = None
    ) -> None:
        super().__init__(scope, id)

        def spec_of_groups() -> Cluster:
            update = {} if groups is None else {"instance_groups": tuple(groups)}
            return cluster.spec.model_copy(update=update)

        wait = KubernetesWait(
            self,
            "KindEstablished",
            kubernetes=cluster.kubernetes,
            condition=crd_established(f"hyperpodnodeclasses.{API_GROUP}"),
            timeout=Duration.minutes(30),
        )
        wait.node.add_dependency(cluster.resource, cluster.nodes_ready)
        kubernetes, adopt = cluster.kubernetes, cluster.spec.adopt
        classes = KubernetesObjects(
            self, "NodeClass", kubernetes=kubernetes, objects=lambda: node_classes(spec_of_groups()), adopt=adopt
        )
        classes.node.add_dependency(wait)
        pools = KubernetesObjects(
            self, "NodePool", kubernetes=kubernetes, objects=lambda: node_pools(spec_of_groups()), adopt=adopt
        )
        pools.node.add_dependency(classes)
