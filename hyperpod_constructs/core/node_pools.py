"""What tells the managed Karpenter which groups to fill and when to remove nodes: a node class and a NodePool per group."""

from __future__ import annotations

from typing import Any

from . import catalog
from .spec import Cluster, InstanceGroup, Job, Taint

API_GROUP = "karpenter.sagemaker.amazonaws.com"


def node_classes(cluster: Cluster) -> list[dict[str, Any]]:
    """A HyperpodNodeClass for each group that Karpenter fills."""
    return [
        {
            "apiVersion": f"{API_GROUP}/v1",
            "kind": "HyperpodNodeClass",
            "metadata": {"name": pool_name(group)},
            "spec": {"instanceGroups": [group.name]},
        }
        for group in _filled(cluster)
    ]


def node_pools(cluster: Cluster) -> list[dict[str, Any]]:
    """A NodePool for each group that Karpenter fills, limited to the group's `max_count`.

    Karpenter's own default, WhenEmptyOrUnderutilized after 0 seconds, evicts running pods to pack them on fewer nodes.
    """
    scaling = cluster.autoscaling
    if scaling is None:
        return []
    policy = {"empty": "WhenEmpty", "underutilized": "WhenEmptyOrUnderutilized"}[scaling.consolidation]
    return [
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": pool_name(group)},
            "spec": {
                "template": {
                    **({"metadata": {"labels": dict(group.labels)}} if group.labels else {}),
                    "spec": {
                        "nodeClassRef": {"group": API_GROUP, "kind": "HyperpodNodeClass", "name": pool_name(group)},
                        "expireAfter": "Never",
                        "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "Exists"}],
                        **({"taints": list(map(_taint, group.taints))} if group.taints else {}),
                    },
                },
                **_limits(group),
                "disruption": {
                    "consolidationPolicy": policy,
                    "consolidateAfter": f"{scaling.consolidate_after_minutes}m",
                },
            },
        }
        for group in _filled(cluster)
    ]


def not_disrupted(job: Job, cluster: Cluster) -> Job:
    """A job whose pods Karpenter does not evict to remove or replace their node, where Karpenter fills groups.

    An annotation of the job itself, such as `karpenter.sh/do-not-disrupt: "false"`, stays.
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
    """The most vCPUs and accelerators that Karpenter may add: `max_count` nodes of the group's largest type.

    >>> limits(InstanceGroup(name="a", instance_type="ml.g5.8xlarge", count=0, max_count=4))
    {'cpu': 128, 'nvidia.com/gpu': 4}
    """
    found = [kind for name in group.types if (kind := catalog.find_instance_type(name))]
    if group.max_count is None or len(found) < len(group.types) or any(kind.vcpu is None for kind in found):
        return {}
    most = {"cpu": max(kind.vcpu or 0 for kind in found)}
    for kind in found:
        if kind.accelerator:
            resource = kind.accelerator.resource
            most[resource] = max(most.get(resource, 0), kind.accelerator.count)
    return {resource: group.max_count * each for resource, each in most.items()}


def _limits(group: InstanceGroup) -> dict[str, Any]:
    most = limits(group)
    return {"limits": {resource: str(amount) for resource, amount in most.items()}} if most else {}


def _taint(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, **({"value": taint.value} if taint.value else {}), "effect": taint.effect}


def _filled(cluster: Cluster) -> list[InstanceGroup]:
    return [group for group in cluster.instance_groups if group.name in cluster.karpenter_groups]
