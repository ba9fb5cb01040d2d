"""The HyperPod dependency chart on an EKS cluster, which the HyperPod cluster requires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import Stack
from constructs import Construct

from ..core.chart import (
    chart_values,
    namespace,
    patching_node_permissions,
    pinned_chart,
    release_name,
    subchart_digests,
    values_files,
)
from ..core.chart_lines import insertions
from ..core.spec.base import is_token
from ..core.spec.dependencies import ChartSource, DependencyChart
from .arguments import checked
from .kubernetes.helm_release import HelmRelease
from .kubernetes.objects import KubernetesObjects
from .kubernetes.provider import KubernetesProvider


class HyperPodDependencies(Construct):
    """The official dependency chart as a Helm release: health monitoring, device plugins, permissions, operators.

    HyperPod clusters of this app on the EKS cluster depend on it, and their instance types are added at synthesis.

    Args:
        kubernetes: the Kubernetes provider of the EKS cluster.
        region: the cluster's region, which determines the registry of the agents' images. Default: the stack's.
        instance_types: instance types in addition to those of the HyperPod clusters of this app on the EKS cluster. A
            type that is missing in the chart's own lists is added, so that its GPUs, EFA interfaces or Neuron devices are
            advertised.
        restricted_nodes: whether there are restricted instance groups, whose taint the EFA plugin must tolerate. Default:
            whether a HyperPod cluster of this app has one.
        chart: source of the chart. Default: the source in `components`, otherwise the pinned upstream commit.
        components: the chart's switches, as `DependencyChart` or as a mapping of its fields. Default: the chart's own.
        values: values of the chart, merged last, over those of `components`.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        kubernetes: KubernetesProvider,
        region: str | None = None,
        instance_types: Sequence[str] = (),
        restricted_nodes: bool | None = None,
        chart: ChartSource | None = None,
        components: DependencyChart | Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(scope, id)
        spec = components if isinstance(components, DependencyChart) else DependencyChart(**(components or {}))
        self._instance_types = set(instance_types)
        self._parts = kubernetes.parts
        kubernetes.before_clusters.add(self)
        region = region or Stack.of(self).region
        kubernetes.parts.dependencies = spec if chart is None else spec.model_copy(update={"chart": chart})
        self.release = HelmRelease(
            self,
            "Release",
            kubernetes=kubernetes,
            chart=chart or spec.chart or pinned_chart(),
            release=release_name(),
            namespace=namespace(),
            # At synthesis: instance groups may be added to the cluster after this construct.
            values=lambda: chart_values(
                spec,
                region=region,
                instance_types=self._types(),
                restricted_nodes=self._has_restricted() if restricted_nodes is None else restricted_nodes,
                values=values,
            ),
            values_files=values_files(spec, region=region),
            subchart_digests=subchart_digests(spec),
            allow_unpinned_subcharts=spec.allow_unpinned_subcharts,
            adopt=spec.adopt,
            insertions=lambda: insertions(spec, instance_types=self._types()),
        )

        if spec.hyperpod_patching:
            KubernetesObjects(
                self,
                "PatchingNodes",
                kubernetes=kubernetes,
                objects=patching_node_permissions(),
                adopt=spec.adopt,
            )

    def add_instance_types(self, instance_types: Iterable[str]) -> None:
        """Adds the instance types of a group that is created after this construct."""
        self._instance_types.update(instance_types)

    def _types(self) -> set[str]:
        groups = [group for cluster in self._parts.clusters for group in cluster.spec.groups]
        return self._instance_types | {name for group in groups for name in group.types if not is_token(name)}

    def _has_restricted(self) -> bool:
        return any(cluster.spec.restricted_instance_groups for cluster in self._parts.clusters)
