"""Kubernetes objects that jobs require: config maps, services, claims, roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import RemovalPolicy
from constructs import Construct

from ..core.jobs.companions import KEPT_KINDS, placed
from .interfaces import IHyperPodCluster
from .kubernetes import KubernetesObjects


class Manifests(Construct):
    """Objects that are applied after the cluster's operators, queues and volumes, and before its jobs.

    An object without a namespace gets `default`. Several of these constructs are applied in the order of their creation.

    Args:
        cluster: the HyperPod cluster.
        objects: the objects.
        adopt: adopt existing objects of these names, see `KubernetesObjects`.
        allow_data_loss: delete persistent volumes and claims with this construct; otherwise they are retained.
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
            # namespaces first: they are cluster-wide, and the resources of others depend on those of the cluster
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
            # like a job: after the namespaces and permissions of teams
            applied.node.add_dependency(cluster.jobs_ready, *earlier, *wide)
            if not namespace:
                wide.append(applied)
            cluster.kubernetes.before_jobs.add(applied)
            cluster.kubernetes.parts.applied.append(applied)
