"""Kubernetes objects that jobs require: ConfigMaps, Services, claims, Roles."""

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

    An object without a namespace gets `default`. Multiple `Manifests` are applied in the order of their creation.

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
            retained = item["kind"] in KEPT_KINDS and not allow_data_loss
            # cluster-scoped objects, such as namespaces, are applied first
            groups.setdefault((str(item["metadata"].get("namespace", "")), retained), []).append(item)
        cluster_scoped: list[KubernetesObjects] = []
        for (namespace, retained), items in sorted(groups.items(), key=lambda entry: entry[0]):
            applied = KubernetesObjects(
                self,
                (namespace or "Cluster") + ("-Kept" if retained else ""),
                kubernetes=cluster.kubernetes,
                objects=items,
                removal_policy=RemovalPolicy.RETAIN if retained else RemovalPolicy.DESTROY,
                adopt=adopt,
            )
            # as for jobs: after the namespaces and permissions of teams
            applied.node.add_dependency(cluster.jobs_ready, *earlier, *cluster_scoped)
            if not namespace:
                cluster_scoped.append(applied)
            cluster.kubernetes.before_jobs.add(applied)
            cluster.kubernetes.parts.applied.append(applied)
