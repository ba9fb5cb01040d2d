"""HP53x: pods: a HyperPod node supports few, because it has one network interface for them."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import addon, limit
from ..findings import Severity
from ..placement import accepts_any_pod
from ..spec.addons import ADDON_NAMES, Addons
from .context import Context, Groups, types_of
from .registry import Problem, rule

_TABLE = (
    "documentation page sagemaker-hyperpod-eks-prerequisites: one interface for pods; pods of add-ons are estimates"
)


def per_node(ctx: Context) -> int:
    """Returns the number of add-on pods on each node, with the DNS server if there are restricted nodes."""
    dns = ctx.cluster is not None and ctx.cluster.prepare_restricted_nodes and any(ctx.restricted_groups)
    return dns + sum(addon(ADDON_NAMES[key]).pods_per_node for key in ctx.effective_addons if key in ADDON_NAMES)


def in_total(ctx: Context) -> int:
    """Returns the number of other add-on pods in the cluster."""
    return sum(addon(ADDON_NAMES[key]).pods_total for key in ctx.effective_addons if key in ADDON_NAMES)


@rule(
    "HP530",
    title="Nodes have room for pods in addition to those of add-ons.",
    severity=Severity.WARNING,
    why="Pods, including those of jobs, stay pending with `Too many pods`.",
    cure="Use a size of 4xlarge or larger; ml.m5.4xlarge can run 29 pods.",
    source=_TABLE,
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.c6g.medium, count: 2}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def room_on_each_node(addons: Addons, groups: Groups, ctx: Context) -> Iterator[Problem]:
    pods = per_node(ctx)
    for path, group in groups:
        for instance_type in types_of(group):
            agents = limit("chart_pods_per_accelerated_node").value if instance_type.is_accelerated else 0
            if instance_type.max_pods is not None and pods + agents >= instance_type.max_pods:
                used = f"add-ons use about {pods + agents} on each node"
                message = f"{instance_type.name} can run {instance_type.max_pods} pods, and {used}"
                yield Problem(path, message)


@rule(
    "HP531",
    title="The nodes without taints can run the pods of all add-ons.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="Some add-ons stay pending with `Too many pods`, and the deployment waits for them until it fails.",
    cure="Use a larger type or more nodes for the system group; ml.m5.4xlarge can run 29 pods.",
    source=_TABLE + "; ai-on-sagemaker-hyperpod#142",
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.large, count: 1}]}\n"
    "addons: {training_operator: {}, task_governance: {}}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n"
    "addons: {training_operator: {}, task_governance: {}}\n",
)
def room_for_all(addons: Addons, groups: Groups, ctx: Context) -> Iterator[Problem]:
    if ctx.eks is not None and ctx.eks.existing is not None:
        return
    room = 0
    for _, group in groups:
        if accepts_any_pod(group):
            holds = [instance_type.max_pods for instance_type in types_of(group) if instance_type.max_pods is not None]
            if not holds:
                return
            room += group.count * max(0, min(holds) - per_node(ctx))
    total = in_total(ctx)
    if total > room and any(accepts_any_pod(group) for _, group in groups):
        message = f"the add-ons require about {total} pods in addition to {per_node(ctx)} on each node; "
        message += f"the nodes have room for {room}"
        yield Problem("cluster.instance_groups", message)
