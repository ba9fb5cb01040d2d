"""HP37x: restricted instance groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..catalog import allowed, label, limit, load
from ..findings import Severity
from ..plural import either
from ..spec.addons import Addons
from ..spec.base import is_token
from ..spec.cluster import Cluster
from .context import Context, InstanceGroups, RestrictedGroups, types_of
from .registry import Problem, rule

_RESTRICTED_GROUP_SCHEMA = "service model of sagemaker: ClusterRestrictedInstanceGroupSpecification"


def _fragment(group: str, more: str = "") -> str:
    system = "instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]"
    return f"cluster: {{{system}, restricted_instance_groups: [{{name: rig, {group}}}]{more}}}\n"


@rule(
    "HP370",
    title="A restricted group's file system has a size and a throughput.",
    severity=Severity.ERROR,
    why="CreateCluster requires both.",
    cure="Set both lustre_size_gib and lustre_throughput, or neither, with a shared_environment.",
    source=_RESTRICTED_GROUP_SCHEMA + "; FSxLustreConfig",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125"),
)
def file_system(restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    for path, group in restricted_groups:
        if (group.lustre_size_gib is None) != (group.lustre_throughput is None):
            given, missing = "lustre_size_gib", "lustre_throughput"
            if group.lustre_size_gib is None:
                given, missing = missing, given
            yield Problem(f"{path}.{given}", f"requires {missing}")


@rule(
    "HP371",
    title="A shared environment is used by restricted groups without a separate file system.",
    severity=Severity.ERROR,
    complete=("cluster",),
    why="CreateCluster rejects a shared environment without restricted groups.",
    cure="Add a restricted instance group, or remove shared_environment.",
    source="service model of sagemaker: RestrictedInstanceGroupsConfig",
    certain=False,
    wrong="cluster: {shared_environment: {lustre_size_gib: 12000, lustre_throughput: 125}}\n",
    right=_fragment(
        "instance_type: ml.p5.48xlarge, count: 2",
        ", shared_environment: {lustre_size_gib: 12000, lustre_throughput: 125}",
    ),
)
def shared_environment(cluster: Cluster, restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    if cluster.shared_environment is None:
        return
    if not cluster.restricted_instance_groups:
        yield Problem("cluster.shared_environment", "set, but there are no restricted_instance_groups")
    for path, group in restricted_groups:
        if group.lustre_size_gib is not None:
            message = "conflicts with cluster.shared_environment"
            cure, why = "Remove one of the two file systems.", "One of the two file systems is billed but not used."
            yield Problem(f"{path}.lustre_size_gib", message, cure, why, Severity.WARNING)


@rule(
    "HP372",
    title="Restricted nodes have their own network agent and DNS servers.",
    severity=Severity.WARNING,
    why="Restricted nodes do not become ready with the ordinary network agent, and DNS does not work on "
    "either kind of node.",
    cure="Set prepare_restricted_nodes to true, or run the service's script after the dependency chart, and "
    "keep aws-node off nodes labeled sagemaker.amazonaws.com/instance-group-type=Restricted.",
    source="documentation pages sagemaker-hyperpod-eks-operate-cli-command-create-cluster and "
    "hyperpod-observability-addon-troubleshooting (hybrid clusters)",
    wrong=_fragment(
        "instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125",
        ", prepare_restricted_nodes: false",
    ),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125"),
)
def prepared(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    if not cluster.restricted_instance_groups:
        return
    ours = ctx.eks is None or ctx.eks.existing is None or ctx.eks.existing.core_addons
    if not cluster.prepare_restricted_nodes:
        yield Problem(
            "cluster.prepare_restricted_nodes",
            "disabled: the nodes of restricted groups are not prepared by the deployment",
        )
    elif not ours:
        message = "disabled: aws-node of the cluster cannot be kept off restricted nodes"
        yield Problem("eks.existing.core_addons", message, "Set eks.existing.core_addons to true.")
    elif ctx.addons is not None and not ctx.addons.vpc_cni.enabled:
        message = "disabled: aws-node cannot be kept off restricted nodes"
        yield Problem("addons.vpc_cni.enabled", message, "Set addons.vpc_cni.enabled to true.")


@rule(
    "HP373",
    title="Restricted groups have accelerated types.",
    severity=Severity.WARNING,
    why="Restricted groups are for customizing Amazon's own models, on accelerated instances.",
    cure="Use an ordinary instance group for CPU nodes.",
    source="documentation of restricted instance groups",
    wrong=_fragment("instance_type: ml.m5.4xlarge, count: 2"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2"),
)
def accelerated(restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    for path, group in restricted_groups:
        for instance_type in types_of(group):
            if not instance_type.is_accelerated:
                yield Problem(f"{path}.instance_type", f"{instance_type.name} has no accelerators")


@rule(
    "HP379",
    title="File systems of restricted groups have a valid size and throughput.",
    severity=Severity.ERROR,
    why="The service creates an FSx for Lustre file system, and FSx rejects the values.",
    cure="Use 1200, 2400, or a multiple of 2400 GiB, and 125, 250, 500 or 1000 MB/s per TiB.",
    source="botocore 1.44.5, service model of fsx: StorageCapacity and PerUnitStorageThroughput of PERSISTENT_2",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 1300, lustre_throughput: 125"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 2400, lustre_throughput: 125"),
)
def file_system_sizes(cluster: Cluster, restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    least, step = limit("fsx_capacity_min_gib").value, limit("fsx_capacity_step_gib").value
    throughputs = allowed("fsx_throughput_persistent_2")
    places: list[tuple[str, int | None, int | None]] = [
        (path, group.lustre_size_gib, group.lustre_throughput) for path, group in restricted_groups
    ]
    shared = cluster.shared_environment if cluster is not None else None
    if shared is not None:
        places.append(("cluster.shared_environment", shared.lustre_size_gib, shared.lustre_throughput))
    for path, size, throughput in places:
        if size is not None and size != least and size % step:
            near = -(-size // step) * step
            cure = f"Use {near:,} GiB, the next valid size."
            yield Problem(f"{path}.lustre_size_gib", f"{size:,} GiB is not a valid size", cure)
        if throughput is not None and throughput not in throughputs:
            cure = f"Use {either(map(str, throughputs))} MB/s per TiB."
            yield Problem(f"{path}.lustre_throughput", f"{throughput} is not a valid throughput", cure)


@rule(
    "HP374",
    title="A restricted group has no lifecycle, image, labels or minimum count.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the property: the service manages the environment of restricted groups.",
    cure="Remove the property.",
    source=_RESTRICTED_GROUP_SCHEMA,
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, properties: {ImageId: ami-0123456789abcdef0}"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2"),
)
def refused_properties(instance_groups: InstanceGroups, restricted_groups: RestrictedGroups) -> Iterator[Problem]:
    for path, group in restricted_groups:
        for key in group.properties:
            if key in _REFUSED:
                yield Problem(f"{path}.properties.{key}", f"restricted groups do not support {key}")
    for path, ordinary in instance_groups:
        if "SlurmConfig" in ordinary.properties:
            message = "for Slurm only; this cluster is orchestrated by EKS"
            yield Problem(f"{path}.properties.SlurmConfig", message, consequence="CreateCluster rejects the property.")


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


@rule(
    "HP375",
    title="Restricted groups are in a supported region.",
    severity=Severity.WARNING,
    why="The script rejects other regions, and restricted groups may not be available there.",
    cure="Use another region, or acknowledge the finding if the service is now available in yours.",
    source="install_rig_dependencies.sh of github.com/aws/sagemaker-hyperpod-cli, 2026-02-26",
    certain=False,
    wrong="region: eu-central-1\n" + _fragment("instance_type: ml.p5.48xlarge, count: 2"),
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2"),
)
def region(restricted_groups: RestrictedGroups, region: str) -> Iterator[Problem]:
    known = load("restricted_nodes")["regions"]
    if any(restricted_groups) and not is_token(region) and region not in known:
        message = f"the setup script for restricted nodes supports {', '.join(known)}, not {region}"
        yield Problem("region", message)


@rule(
    "HP376",
    title="The network add-on does not run on restricted nodes.",
    severity=Severity.ERROR,
    why="Two network agents on one node conflict, and the ordinary one cannot reach the EC2 API there.",
    cure="Remove the affinity, or exclude nodes labeled sagemaker.amazonaws.com/instance-group-type=Restricted in it.",
    source="install_rig_dependencies.sh of github.com/aws/sagemaker-hyperpod-cli, 2026-02-26",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2")
    + "addons: {vpc_cni: {configuration: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
    "{nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}]}}}}}}\n",
    right=_fragment("instance_type: ml.p5.48xlarge, count: 2")
    + "addons: {vpc_cni: {configuration: {env: {WARM_ENI_TARGET: '1'}}}}\n",
)
def network_addon(cluster: Cluster, restricted_groups: RestrictedGroups, addons: Addons) -> Iterator[Problem]:
    if not cluster.prepare_restricted_nodes:
        return
    value: object = addons.vpc_cni.configuration
    for part in _TERMS:
        if not isinstance(value, Mapping):
            break
        if part not in value:
            return
        value = value[part]
    if any(restricted_groups) and label("instance_group_type").key not in str(value):
        message = "replaces the built-in affinity, which keeps aws-node off restricted nodes, without excluding them"
        yield Problem("addons.vpc_cni.configuration.affinity", message)


_TERMS = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")


@rule(
    "HP377",
    title="Restricted groups are used without Continuous provisioning.",
    severity=Severity.WARNING,
    why="The official Terraform module disables Continuous provisioning for restricted groups, and does not "
    "combine them with ordinary groups. The guide combines both kinds and does not mention the "
    "provisioning mode. The API documents neither limit.",
    cure="Set `provisioning: Request`, or acknowledge this rule once your cluster has been created.",
    source="README of the Terraform modules of awslabs/awsome-distributed-ai at 95b939c (2026-07-23); guide page "
    "sagemaker-hyperpod-eks-operate-cli-command-create-cluster",
    wrong=_fragment("instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125"),
    right=_fragment(
        "instance_type: ml.p5.48xlarge, count: 2, lustre_size_gib: 12000, lustre_throughput: 125",
        ", provisioning: Request",
    ),
)
def restricted_provisioning(cluster: Cluster) -> Iterator[Problem]:
    if cluster.restricted_instance_groups and cluster.provisioning == "Continuous":
        yield Problem(
            "cluster.provisioning", "Continuous may not be supported with restricted groups; sources disagree"
        )
