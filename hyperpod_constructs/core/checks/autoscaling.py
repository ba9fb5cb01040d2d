"""HP38x: recovery, autoscaling by the managed Karpenter, and who owns the counts."""

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
    """The groups that Karpenter fills."""
    scaling = ctx.cluster.scaling if ctx.cluster is not None else None
    if scaling is None:
        return
    for path, group in ctx.instance_groups:
        if group.name in scaling.groups if scaling.groups else group.count == 0:
            yield path, group


@rule(
    "HP380",
    title="Faulty nodes are recovered; Karpenter depends on it.",
    severity=Severity.WARNING,
    why="A faulty node stays in the cluster until somebody replaces it.",
    cure="Use `node_recovery: Automatic`, the default.",
    source=_DOCS,
    wrong="cluster: {node_recovery: None}\n",
    right="cluster: {node_recovery: Automatic}\n",
)
def node_recovery(cluster: Cluster) -> Iterator[Problem]:
    if cluster.node_recovery != "Automatic":
        if cluster.scaling is not None:
            message = "is None, but autoscaling needs Automatic"
            yield Problem("cluster.node_recovery", message, None, "CreateCluster refuses it.", Severity.ERROR)
        else:
            yield Problem("cluster.node_recovery", "is None: faulty nodes are neither rebooted nor replaced")


@rule(
    "HP381",
    title="The groups that Karpenter fills exist.",
    severity=Severity.ERROR,
    complete=("cluster",),
    why="The node class names groups that are not there, and is never ready.",
    cure="Name groups of cluster.instance_groups, or give a group count 0.",
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
            yield Problem(place, f"{as_text(name)} is no instance group", f"did you mean {near!r}?" if near else None)
    pools: dict[str, str] = {}
    for path, group in _filled(ctx) if cluster.scaling.node_pool and cluster.scaling.pools == "per-group" else ():
        other = pools.setdefault(pool_name(group), group.name)
        if other != group.name:
            message = f"{as_text(group.name)} and {as_text(other)} both give the NodePool {pool_name(group)}"
            yield Problem(f"{path}.name", message, "Rename one of the two groups.", "Only one of the two can exist.")
    if not any(True for _ in _filled(ctx)) and not cluster.scaling.groups:
        message = "is on, but no group has count 0"
        yield Problem("cluster.autoscaling", message, "Name groups, or give one count 0.", severity=Severity.WARNING)


@rule(
    "HP382",
    title="Groups that Karpenter fills start at 0.",
    severity=Severity.WARNING,
    why="Karpenter scales a group that starts above 0 down to 0 first.",
    cure="Set count: 0.",
    source=_DOCS,
    wrong=_fragment("autoscaling: {groups: [workers]}, ", "count: 4"),
    right=_fragment("autoscaling: {groups: [workers]}, ", "count: 0"),
)
def start_at_zero(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, group in _filled(ctx):
        if group.count > 0:
            yield Problem(f"{path}.count", f"is {group.count} in a group that Karpenter fills")
        if group.min_count:
            yield Problem(f"{path}.min_count", f"is {group.min_count} in a group that Karpenter fills")


@rule(
    "HP383",
    title="Groups that Karpenter fills have no deep health checks and no training plan.",
    severity=Severity.ERROR,
    why="The node class does not become ready.",
    cure="Remove them, or leave the group to the config.",
    source=_DOCS,
    wrong=_fragment("autoscaling: {groups: [workers]}, ", "count: 0, deep_health_checks: [InstanceStress]"),
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def plain_groups(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, group in _filled(ctx):
        if group.deep_health_checks:
            yield Problem(f"{path}.deep_health_checks", "are in a group that Karpenter fills")
        if group.training_plan_arn is not None:
            yield Problem(f"{path}.training_plan_arn", "is in a group that Karpenter fills")
        zones = zones_of_subnets(ctx, group.subnet_ids)
        if len(zones) > 1:
            yield Problem(f"{path}.subnet_ids", f"are in {len(zones)} zones ({', '.join(zones)}); Karpenter wants one")


@rule(
    "HP384",
    title="Karpenter leaves a group for the controllers.",
    severity=Severity.WARNING,
    why="Controllers need a node before Karpenter can make one.",
    cure="Keep a group with a count of its own.",
    source=_DOCS,
    wrong="cluster: {autoscaling: {groups: [system]}, instance_groups: [{name: system, instance_type: ml.m5.4xlarge, "
    "count: 0}]}\n",
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def system_left(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    filled = list(_filled(ctx))
    if filled and len(filled) == len(cluster.instance_groups):
        yield Problem("cluster.autoscaling", "fills every group, so nothing runs Karpenter's first pods")


@rule(
    "HP385",
    title="With autoscaling, the autoscaler owns the counts.",
    severity=Severity.WARNING,
    why="Each redeploy sets the counts of the config, and undoes what was scaled.",
    cure="Set `counts: autoscaler`.",
    source="CloudFormation: InstanceCount drifts under an autoscaler",
    wrong=_fragment("autoscaling: {groups: [workers]}, "),
    right=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, "),
)
def owner_of_counts(cluster: Cluster) -> Iterator[Problem]:
    if cluster.scaling is not None and cluster.counts == "config":
        yield Problem("cluster.counts", "is `config` while Karpenter scales groups")


@rule(
    "HP386",
    title="Karpenter has the health monitoring agent.",
    severity=Severity.ERROR,
    why="Autoscaling needs the agent, version 1.0.742.0_1.0.241.0 or later.",
    cure="Leave dependencies.health_monitoring_agent on.",
    source=_DOCS,
    certain=False,
    wrong="dependencies: {health_monitoring_agent: false}\n" + _fragment("autoscaling: {groups: [workers]}, "),
    right=_fragment("autoscaling: {groups: [workers]}, "),
)
def agent_for_karpenter(cluster: Cluster, dependencies: DependencyChart) -> Iterator[Problem]:
    if cluster.scaling is not None and dependencies is not None:
        if not dependencies.enabled:
            yield Problem("dependencies.enabled", "is off while Karpenter scales groups", severity=Severity.WARNING)
        elif not dependencies.health_monitoring_agent:
            yield Problem("dependencies.health_monitoring_agent", "is off while Karpenter scales groups")


@rule(
    "HP387",
    title="Tiered storage leaves memory for the work.",
    severity=Severity.WARNING,
    why="What checkpoints take is not there for jobs; below 20 percent the service may refuse the value.",
    cure="Use 20 to 50 percent.",
    source="service model of sagemaker: InstanceMemoryAllocationPercentage 0-100; a third party reports 20-100 as valid",
    wrong="cluster: {tiered_storage: {memory_percent: 90}}\n",
    right="cluster: {tiered_storage: {memory_percent: 20}}\n",
)
def tiered_storage(cluster: Cluster) -> Iterator[Problem]:
    storage = cluster.tiered_storage if cluster is not None else None
    if storage is not None and not limit("tiered_storage_memory_advised").allows(storage.memory_percent):
        yield Problem(
            "cluster.tiered_storage.memory_percent", f"is {storage.memory_percent} percent of every node's memory"
        )


@rule(
    "HP388",
    title="Karpenter removes empty nodes only.",
    severity=Severity.WARNING,
    why="Karpenter evicts running pods to pack them on fewer nodes; training starts again from its last checkpoint. Pods of "
    "the platform's jobs are annotated against it, other pods are not.",
    cure='Leave consolidation at `empty`, or annotate pods with karpenter.sh/do-not-disrupt: "true".',
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
    title="A group that Karpenter fills has a limit.",
    severity=Severity.WARNING,
    why="Karpenter adds nodes for as long as pods are pending, up to the account's quota, and each is paid for.",
    cure="Set max_count to the most nodes that the group may have.",
    source="Karpenter documentation, page nodepools: spec.limits",
    wrong=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, "),
    right=_fragment("counts: autoscaler, autoscaling: {groups: [workers]}, ", "count: 0, max_count: 4"),
)
def limited(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    scaling = cluster.scaling
    for path, group in _filled(ctx) if scaling is not None and scaling.node_pool else ():
        if group.max_count is None:
            yield Problem(f"{path}.max_count", "is not set: the NodePool of the group has no limits")
