"""Node classes and NodePools for the managed Karpenter: which groups it scales and when it removes nodes."""

from __future__ import annotations

from typing import Any

from . import catalog
from .spec import Cluster, InstanceGroup, Job, Taint

API_GROUP = "karpenter.sagemaker.amazonaws.com"


SHARED = "hyperpod"
"""Name of the node class and the NodePool that all groups share, as in version 0.1.0."""


def node_classes(cluster: Cluster) -> list[dict[str, Any]]:
    """The HyperpodNodeClass of each NodePool."""
    return [
        {
            "apiVersion": f"{API_GROUP}/v1",
            "kind": "HyperpodNodeClass",
            "metadata": {"name": name},
            "spec": {"instanceGroups": [group.name for group in groups]},
        }
        for name, groups in _pools(cluster).items()
    ]


def node_pools(cluster: Cluster) -> list[dict[str, Any]]:
    """The NodePools of the groups that Karpenter scales, limited by `max_count` of their groups.

    A NodePool of one group has the group's labels and taints. The shared one has none: Karpenter replaces the nodes of
    a NodePool whose template changes. Karpenter's own default for `disruption`, WhenEmptyOrUnderutilized after 0
    seconds, evicts running pods to consolidate them on fewer nodes.
    """
    scaling = cluster.autoscaling
    if scaling is None:
        return []
    policy = {"empty": "WhenEmpty", "underutilized": "WhenEmptyOrUnderutilized"}[scaling.consolidation]
    disruption = {"consolidationPolicy": policy, "consolidateAfter": f"{scaling.consolidate_after_minutes}m"}
    return [
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": name},
            "spec": {
                "template": _template(name, groups[0] if scaling.pools == "per-group" else None),
                **_limits(groups),
                "disruption": disruption,
            },
        }
        for name, groups in _pools(cluster).items()
    ]


def _pools(cluster: Cluster) -> dict[str, list[InstanceGroup]]:
    scaled = [group for group in cluster.instance_groups if group.name in cluster.karpenter_groups]
    if cluster.autoscaling is not None and cluster.autoscaling.pools == "shared":
        return {SHARED: scaled} if scaled else {}
    return {pool_name(group): [group] for group in scaled}


def _template(name: str, group: InstanceGroup | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "nodeClassRef": {"group": API_GROUP, "kind": "HyperpodNodeClass", "name": name},
        "expireAfter": "Never",
        "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists"}],
    }
    if group and group.taints:
        spec["taints"] = list(map(_taint, group.taints))
    return {**({"metadata": {"labels": dict(group.labels)}} if group and group.labels else {}), "spec": spec}


def not_disrupted(job: Job, cluster: Cluster) -> Job:
    """A job with the annotation that prevents Karpenter from evicting its pods, if Karpenter scales groups.

    If the job sets the annotation itself, such as `karpenter.sh/do-not-disrupt: "false"`, it is not changed.
    """
    if not cluster.karpenter_groups:
        return job
    annotation = catalog.label("do_not_disrupt")
    return job.model_copy(update={"annotations": {annotation.key: annotation.values[0], **job.annotations}})


def pool_name(group: InstanceGroup) -> str:
    """Name of the node class and the NodePool of a group.

    >>> pool_name(InstanceGroup(name="Spot", instance_type="ml.g5.8xlarge", count=0))
    'hyperpod-spot'
    """
    return f"hyperpod-{group.name.lower()}"


def limits(group: InstanceGroup) -> dict[str, int]:
    """The maximum vCPUs and accelerators that Karpenter can add: `max_count` nodes of the group's largest type.

    >>> limits(InstanceGroup(name="a", instance_type="ml.g5.8xlarge", count=0, max_count=4))
    {'cpu': 128, 'nvidia.com/gpu': 4}
    """
    found = [instance_type for name in group.types if (instance_type := catalog.find_instance_type(name))]
    if (
        group.max_count is None
        or len(found) < len(group.types)
        or any(instance_type.vcpu is None for instance_type in found)
    ):
        return {}
    largest = {"cpu": max(instance_type.vcpu or 0 for instance_type in found)}
    for instance_type in found:
        if instance_type.accelerator:
            resource = instance_type.accelerator.resource
            largest[resource] = max(largest.get(resource, 0), instance_type.accelerator.count)
    return {resource: group.max_count * each for resource, each in largest.items()}


def _limits(groups: list[InstanceGroup]) -> dict[str, Any]:
    each = list(map(limits, groups))
    if not all(each):
        return {}
    names = sorted({name for group in each for name in group}, key=lambda name: (name != "cpu", name))
    return {"limits": {name: str(sum(group.get(name, 0) for group in each)) for name in names}}


def _taint(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, **({"value": taint.value} if taint.value else {}), "effect": taint.effect}
