"""Kubernetes objects that come with jobs: config maps, services, claims, roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.jobs.companions import KEPT_KINDS, placed
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesObjects


class Manifests(Construct):
    """Objects that are applied after the cluster's operators, queues and volumes, before its jobs, and deleted after them.

    An object without a namespace goes into `default`. Several of these constructs are applied in the order they are made.

    Args:
        cluster: the HyperPod cluster.
        objects: the objects.
        adopt: take over objects of these names that exist already, see `KubernetesObjects`.
        allow_data_loss: delete persistent volumes and claims with this construct; they are retained otherwise.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IHyperPodCluster,
        objects: Sequence[Mapping[str, Any]],
        adopt: bool = False,
        allow_data_loss: bool = False,
    ) -> None:
        super().__init__(scope, id)
        cluster.kubernetes.parts.manifests += objects
        earlier = list(cluster.kubernetes.parts.applied)
        groups: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
        for item in map(placed, objects):
            kept = item["kind"] in KEPT_KINDS and not allow_data_loss
            # namespaces first: they are cluster-wide, and the others' resources come after that of the cluster
            groups.setdefault((str(item["metadata"].get("namespace", "")), kept), []).append(item)
        wide: list[KubernetesObjects] = []
        for (namespace, kept), items in sorted(groups.items(), key=lambda entry: entry[0]):
            applied = KubernetesObjects(
                self,
                (namespace or "Cluster") + ("-Kept" if kept else ""),
                kubernetes=cluster.kubernetes,
                objects=items,
                removal_policy=RemovalPolicy.RETAIN if kept else RemovalPolicy.DESTROY,
                adopt=adopt,
            )
            applied.node.add_dependency(cluster.jobs_ready, *earlier, *wide)
            if namespace:
                applied.node.add_dependency(cluster.namespace_ready(namespace))
            else:
                wide.append(applied)
            cluster.kubernetes.before_jobs.add(applied)
            cluster.kubernetes.parts.applied.append(applied)
