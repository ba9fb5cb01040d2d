"""HP37x: restricted instance groups."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity
from .context import Context
from .registry import Problem, rule

_RIG = "service model of sagemaker: ClusterRestrictedInstanceGroupSpecification"


def _fragment(group: str, more: str = "") -> str:
    system = "instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]"
    return f"cluster: {{{system}, restricted_instance_groups: [{{name: rig, {group}}}]{more}}}\n"


@rule(
    "HP370",
    title="A restricted group's file system has a size and a throughput.",
    severity=Severity.ERROR,
    needs=("cluster",),
    why="CreateCluster wants both.",
    cure="Give lustre_size_gib and lustre_throughput, or neither and a shared_environment.",
    source=_RIG + "; FSxLustreConfig",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125"),
)
def file_system(ctx: Context) -> Iterator[Problem]:
    """Half a configuration."""
    for path, group in ctx.restricted_groups:
        if (group.lustre_size_gib is None) != (group.lustre_throughput is None):
            given, missing = "lustre_size_gib", "lustre_throughput"
            if group.lustre_size_gib is None:
                given, missing = missing, given
            yield Problem(f"{path}.{given}", f"is given without {missing}")


@rule(
    "HP371",
    title="A shared environment is shared by restricted groups, and instead of their own.",
    severity=Severity.ERROR,
    needs=("cluster",),
    why="CreateCluster refuses it without restricted groups; beside a group's own file system, one is paid for in vain.",
    cure="Keep one kind of file system.",
    source="service model of sagemaker: RestrictedInstanceGroupsConfig",
    certain=False,
    wrong="cluster: {shared_environment: {lustre_size_gib: 12000, lustre_throughput: 125}}\n",
    right=_fragment(
        "instance_type: ml.p5.48xlarge, count: 2",
        ", shared_environment: {lustre_size_gib: 12000, lustre_throughput: 125}",
    ),
)
def shared_environment(ctx: Context) -> Iterator[Problem]:
    """shared_environment against the groups."""
    if ctx.cluster is None or ctx.cluster.shared_environment is None:
        return
    if not ctx.cluster.restricted_instance_groups:
        yield Problem("cluster.shared_environment", "is given, but there are no restricted_instance_groups")
    for path, group in ctx.restricted_groups:
        if group.lustre_size_gib is not None:
            message = "is given beside cluster.shared_environment"
            yield Problem(f"{path}.lustre_size_gib", message, severity=Severity.WARNING)


@rule(
    "HP372",
    title="A cluster with both kinds of groups knows what does not work on the restricted ones.",
    severity=Severity.WARNING,
    needs=("cluster",),
    why="kube-dns needs internalTrafficPolicy Local, or DNS times out on ordinary nodes; pod identity and kubectl logs do "
    "not work on restricted nodes.",
    cure="Run the chart's second step for restricted groups, patch kube-dns, give the execution role what pods need.",
    source="documentation page hyperpod-observability-addon-troubleshooting (hybrid clusters); Terraform treats the two "
    "kinds as exclusive",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125"),
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def hybrid(ctx: Context) -> Iterator[Problem]:
    """Both kinds in one cluster."""
    if ctx.cluster is not None and ctx.cluster.instance_groups and ctx.cluster.restricted_instance_groups:
        yield Problem("cluster.restricted_instance_groups", "are beside ordinary instance groups")


@rule(
    "HP373",
    title="Restricted groups are of accelerated types.",
    severity=Severity.WARNING,
    needs=("cluster",),
    why="They exist for training Amazon's own models.",
    cure="Use an ordinary instance group for CPU nodes.",
    source="documentation of restricted instance groups",
    wrong=_fragment("instance_type: ml.m5.4xlarge, count: 2"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2"),
)
def accelerated(ctx: Context) -> Iterator[Problem]:
    """CPU types in restricted groups."""
    from .context import types_of

    for path, group in ctx.restricted_groups:
        for kind in types_of(group):
            if not kind.is_accelerated:
                yield Problem(f"{path}.instance_type", f"{kind.name} has no accelerators")


@rule(
    "HP374",
    title="A restricted group has no lifecycle, image, labels or minimum of its own.",
    severity=Severity.ERROR,
    needs=("cluster",),
    why="CreateCluster refuses them: the service runs the environment.",
    cure="Remove the property.",
    source=_RIG,
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, properties: {ImageId: ami-0123456789abcdef0}"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2"),
)
def refused_properties(ctx: Context) -> Iterator[Problem]:
    """Escape properties that the API does not have for restricted groups."""
    for path, group in ctx.restricted_groups:
        for key in group.properties:
            if key in _REFUSED:
                yield Problem(f"{path}.properties.{key}", f"restricted groups have no {key}")
    for path, ordinary in ctx.instance_groups:
        if "SlurmConfig" in ordinary.properties:
            yield Problem(f"{path}.properties.SlurmConfig", "is for Slurm, and this cluster is orchestrated by EKS")


_REFUSED = frozenset(
    {
        "AutoPatchConfig",
        "CapacityRequirements",
        "ImageId",
        "ImageReleaseVersion",
        "InstanceRequirements",
        "KubernetesConfig",
        "LifeCycleConfig",
        "MinInstanceCount",
        "SlurmConfig",
    }
)
