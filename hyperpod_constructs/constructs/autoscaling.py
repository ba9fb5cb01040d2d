"""Node autoscaling by the managed Karpenter: what tells it which groups to fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from constructs import Construct

from .kubernetes import KubernetesObjects, KubernetesWait, crd_established

if TYPE_CHECKING:
    from .interfaces import IHyperPodCluster

_GROUP = "karpenter.sagemaker.amazonaws.com"


class NodePool(Construct):
    """A HyperpodNodeClass that names the groups which Karpenter fills, and a NodePool of it.

    The kinds come with the cluster, some minutes after autoscaling is switched on, and are waited for. On deletion the
    pool goes before the cluster, so that no node is added while it is torn down. `name` is that of both objects.
    """

    def __init__(self, scope: Construct, id: str, *, cluster: IHyperPodCluster, name: str = "hyperpod") -> None:
        super().__init__(scope, id)
        wait = KubernetesWait(
            self,
            "KindEstablished",
            provider=cluster.kubernetes,
            condition=crd_established(f"hyperpodnodeclasses.{_GROUP}"),
            timeout=Duration.minutes(30),
        )
        wait.node.add_dependency(cluster.resource, cluster.nodes_ready)
        node_class = KubernetesObjects(
            self,
            "NodeClass",
            provider=cluster.kubernetes,
            objects=[
                {
                    "apiVersion": f"{_GROUP}/v1",
                    "kind": "HyperpodNodeClass",
                    "metadata": {"name": name},
                    "spec": {"instanceGroups": list(cluster.spec.karpenter_groups)},
                }
            ],
        )
        node_class.node.add_dependency(wait)
        pool = KubernetesObjects(
            self,
            "NodePool",
            provider=cluster.kubernetes,
            objects=[
                {
                    "apiVersion": "karpenter.sh/v1",
                    "kind": "NodePool",
                    "metadata": {"name": name},
                    "spec": {
                        "template": {
                            "spec": {
                                "nodeClassRef": {"group": _GROUP, "kind": "HyperpodNodeClass", "name": name},
                                "expireAfter": "Never",
                                "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists"}],
                            }
                        }
                    },
                }
            ],
        )
        pool.node.add_dependency(node_class)
