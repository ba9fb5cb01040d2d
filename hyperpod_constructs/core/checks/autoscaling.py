"""HP38x: recovery, autoscaling by the managed Karpenter, and management of instance counts."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import limit, suggest
from ..findings import Severity
from ..node_pools import pool_name
from ..spec.cluster import Cluster
from ..spec.dependencies import DependencyChart
from ..spec.groups import InstanceGroup
from .context import Context, as_text
from .placement import zones_of_subnets
from .registry import Problem, rule

_DOCS = "documentation pages sagemaker-hyperpod-eks-autoscaling and -nodeclass"
_SYSTEM = "{name: system, instance_type: ml.m5.4xlarge, count: 2}"


def _fragment(more: str, group: str = "count: 0") -> str:
    workers = f"{{name: workers, instance_type: ml.g5.8xlarge, {group}}}"
    return f"cluster: {{{more}instance_groups: [{_SYSTEM}, {workers}]}}\n"


def _filled(ctx: Context) -> Iterator[tuple[str, InstanceGroup]]:
    """The groups that Karpenter scales."""
    scaling = ctx.cluster.scaling if ctx.cluster is not None else None
    if scaling is None:
        return
    for path, group in ctx.instance_groups:
        if group.name in scaling.groups if scaling.groups else group.count == 0:
            yield path, group


@rule(
    "HP380",
    title="Faulty nodes are recovered automatically; Karpenter requires it.",
    severity=Severity.WARNING,
    why="A faulty node stays in the cluster until it is replaced manually.",
    cure="Set `node_recovery: Automatic`, the default.",
    source=_DOCS,
    wrong="cluster: {node_recovery: None}\n",
    right="cluster: {node_recovery: Automatic}\n",
)
def node_recovery(cluster: Cluster) -> Iterator[Problem]:
    if cluster.node_recovery != "Automatic":
        if cluster.scaling is not None:
            message = "None conflicts with autoscaling, which requires Automatic"
            yield Problem(
                "cluster.node_recovery", message, None, "CreateCluster rejects the combination.", Severity.ERROR
            )
        else:
            yield Problem("cluster.node_recovery", "None: faulty nodes are neither rebooted nor replaced")


@rule(
    "HP381",
    title="The groups that Karpenter scales exist.",
    severity=Severity.ERROR,
    complete=("cluster",),
    why="The node class refers to groups that do not exist, and does not become ready.",
    cure="Specify names of groups in cluster.instance_groups.",
    source=_DOCS,
    wrong=_fragment("autoscaling: {groups: [worker]}, "),
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def groups_exist(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    if cluster.scaling is None:
        return
    names = [group.name for group in cluster.instance_groups]
    for index, name in enumerate(cluster.scaling.groups):
        if name not in names:
            near = suggest(name, names)
            place = f"cluster.autoscaling.groups[{index}]"
            yield Problem(
                place, f"{as_text(name)} is not an instance group", f"Did you mean {near!r}?" if near else None
            )
    pools: dict[str, str] = {}
    for path, group in _filled(ctx) if cluster.scaling.node_pool and cluster.scaling.pools == "per-group" else ():
        other = pools.setdefault(pool_name(group), group.name)
        if other != group.name:
            message = f"{as_text(group.name)} and {as_text(other)} result in the same NodePool {pool_name(group)}"
            yield Problem(
                f"{path}.name", message, "Rename one of the groups.", "Only one of the two NodePools can exist."
            )
    if not any(_filled(ctx)) and not cluster.scaling.groups:
        message = "enabled, but no group has count 0"
        yield Problem(
            "cluster.autoscaling",
            message,
            "Set autoscaling.groups, or set the count of a group to 0.",
            "The node class has no instance group, so Karpenter adds no nodes.",
            Severity.WARNING,
        )


@rule(
    "HP382",
    title="Groups that Karpenter scales start at 0.",
    severity=Severity.WARNING,
    why="Karpenter first scales a group with a count above 0 down to 0.",
    cure="Set count: 0.",
    source=_DOCS,
    wrong=_fragment("autoscaling: {groups: [workers]}, ", "count: 4"),
    right=_fragment("autoscaling: {groups: [workers]}, ", "count: 0"),
)
def start_at_zero(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, group in _filled(ctx):
        if group.count > 0:
            yield Problem(f"{path}.count", f"{group.count} in a group that Karpenter scales")
        if group.min_count:
            yield Problem(
                f"{path}.min_count", f"{group.min_count} in a group that Karpenter scales", "Remove min_count."
            )


@rule(
    "HP383",
    title="Groups that Karpenter scales have no deep health checks and no training plan.",
    severity=Severity.ERROR,
    why="The node class does not become ready.",
    cure="Remove the setting, or exclude the group from autoscaling.",
    source=_DOCS,
    wrong=_fragment("autoscaling: {groups: [workers]}, ", "count: 0, deep_health_checks: [InstanceStress]"),
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def plain_groups(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, group in _filled(ctx):
        if group.deep_health_checks:
            yield Problem(f"{path}.deep_health_checks", "not supported in a group that Karpenter scales")
        if group.training_plan_arn is not None:
            yield Problem(f"{path}.training_plan_arn", "not supported in a group that Karpenter scales")
        zones = zones_of_subnets(ctx, group.subnet_ids)
        if len(zones) > 1:
            yield Problem(
                f"{path}.subnet_ids",
                f"in {len(zones)} zones ({', '.join(zones)}); Karpenter supports one zone per group",
                "Specify subnets of one zone, or exclude the group from autoscaling.",
            )


@rule(
    "HP384",
    title="At least one group is not scaled by Karpenter, and runs its controllers.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="Karpenter's controllers require a node before Karpenter can add one.",
    cure="Add a group with a fixed count.",
    source=_DOCS,
    wrong="cluster: {autoscaling: {groups: [system]}, instance_groups: [{name: system, instance_type: ml.m5.4xlarge, "
    "count: 0}]}\n",
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def system_left(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    filled = list(_filled(ctx))
    if filled and len(filled) == len(cluster.instance_groups):
        yield Problem("cluster.autoscaling", "includes every group, so no node runs Karpenter's controllers")


@rule(
    "HP385",
    title="With autoscaling, instance counts are owned by the autoscaler.",
    severity=Severity.WARNING,
    why="Each deployment resets the counts to those of the config, and reverts what was scaled.",
    cure="Set `counts: autoscaler`.",
    source="CloudFormation: InstanceCount drifts under an autoscaler",
    wrong=_fragment("autoscaling: {groups: [workers]}, "),
    right=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, "),
)
def owner_of_counts(cluster: Cluster) -> Iterator[Problem]:
    if cluster.scaling is not None and cluster.counts == "config":
        yield Problem("cluster.counts", "`config` conflicts with autoscaling, where Karpenter sets the counts")


@rule(
    "HP386",
    title="The health monitoring agent is enabled with autoscaling.",
    severity=Severity.ERROR,
    why="Autoscaling requires the agent, version 1.0.742.0_1.0.241.0 or later.",
    cure="Set dependencies.health_monitoring_agent to true.",
    source=_DOCS,
    certain=False,
    wrong="dependencies: {health_monitoring_agent: false}\n" + _fragment("autoscaling: {groups: [workers]}, "),
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def agent_for_karpenter(cluster: Cluster, dependencies: DependencyChart) -> Iterator[Problem]:
    if cluster.scaling is not None and dependencies is not None:
        if not dependencies.enabled:
            cure = "Set dependencies.enabled to true."
            yield Problem(
                "dependencies.enabled", "disabled while Karpenter scales groups", cure, severity=Severity.WARNING
            )
        elif not dependencies.health_monitoring_agent:
            yield Problem("dependencies.health_monitoring_agent", "disabled while Karpenter scales groups")


@rule(
    "HP387",
    title="Tiered storage leaves enough memory for jobs.",
    severity=Severity.WARNING,
    why="Memory reserved for checkpoints is not available to jobs; below 20 percent the service may reject the value.",
    cure="Use 20 to 50 percent.",
    source="service model of sagemaker: InstanceMemoryAllocationPercentage 0-100; a third party reports 20-100 as valid",
    wrong="cluster: {tiered_storage: {memory_percent: 90}}\n",
    right="cluster: {tiered_storage: {memory_percent: 20}}\n",
)
def tiered_storage(cluster: Cluster) -> Iterator[Problem]:
    storage = cluster.tiered_storage if cluster is not None else None
    if storage is not None and not limit("tiered_storage_memory_advised").allows(storage.memory_percent):
        yield Problem(
            "cluster.tiered_storage.memory_percent",
            f"reserves {storage.memory_percent} percent of the memory of each node",
        )


@rule(
    "HP388",
    title="Karpenter removes empty nodes only.",
    severity=Severity.WARNING,
    why="Karpenter evicts running pods to consolidate them on fewer nodes, and training restarts from its "
    "last checkpoint. Pods of the platform's jobs are annotated against eviction; other pods are not.",
    cure='Keep consolidation at `empty`, or annotate pods with karpenter.sh/do-not-disrupt: "true".',
    source=f"Karpenter documentation, page disruption; {_DOCS}; aws-samples/karpenter-blueprints issue 6",
    wrong=_fragment("counts: autoscaler, autoscaling: {groups: [workers], consolidation: underutilized}, "),
    right=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, "),
)
def consolidation(cluster: Cluster) -> Iterator[Problem]:
    scaling = cluster.scaling
    if scaling is not None and scaling.node_pool and scaling.consolidation == "underutilized":
        yield Problem("cluster.autoscaling.consolidation", "also removes nodes that run pods")


@rule(
    "HP389",
    title="A group that Karpenter scales has a limit.",
    severity=Severity.WARNING,
    why="Karpenter adds nodes, which are billed, as long as pods are pending, up to the account's quota.",
    cure="Set max_count to the maximum number of nodes of the group.",
    source="Karpenter documentation, page nodepools: spec.limits",
    wrong=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, "),
    right=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, ", "count: 0, max_count: 4"),
)
def limited(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    scaling = cluster.scaling
    for path, group in _filled(ctx) if scaling is not None and scaling.node_pool else ():
        if group.max_count is None:
            yield Problem(f"{path}.max_count", "not set, so the NodePool of the group has no limit")
