"""HP30x to HP31x: the cluster as a whole, and the instance types of its groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import find_instance_type, instance_types, limit, pattern, refusal, source_of, suggest
from ..findings import Severity
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.groups import InstanceGroup
from .context import Context, Groups, InstanceGroups, as_text, skipped, types_of
from .registry import Problem, rule

_API = "service model of sagemaker: CreateCluster"


def _typed(ctx: Context) -> Iterator[tuple[str, str]]:
    """Returns every instance type of every group, with its path."""
    for path, group in ctx.groups:
        if isinstance(group, InstanceGroup) and group.instance_type is None:
            yield from ((f"{path}.instance_types[{index}]", name) for index, name in enumerate(group.instance_types))
        else:
            yield from ((f"{path}.instance_type", name) for name in group.types)


@rule(
    "HP301",
    title="Instance types are supported by HyperPod.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the type, 20 to 30 minutes after the start of the deployment.",
    cure="Use a type that `hyperpod catalog list instance-type` lists, or specify a newer one in `facts.instance_types`.",
    source="service model of sagemaker: ClusterInstanceType",
    wrong="cluster: {instance_groups: [{name: system, instance_type: m5.4xlarge, count: 2}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def unknown_instance_type(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for path, name in _typed(ctx):
        if is_token(name):
            yield skipped(path)
        elif find_instance_type(name) is None:
            why, near = refusal(name), suggest(name, instance_types())
            message = f"{as_text(name)} is not a HyperPod instance type" + (f": {why}" if why else "")
            yield Problem(path, message, f"Did you mean {near!r}?" if near and not why else None)


@rule(
    "HP302",
    title="Instance types are available in the region.",
    severity=Severity.WARNING,
    why="Nodes of a type that is not available do not start; with Continuous provisioning the service keeps retrying.",
    cure="Use another type or region; `hyperpod preflight` checks the zones with your account.",
    source="SageMaker's price list in cfn-lint 1.58, used as the list of the regions that offer a type",
    wrong="region: us-west-1\nnetwork: {availability_zone_ids: [usw1-az1, usw1-az3]}\n"
    "cluster: {instance_groups: [{name: workers, instance_type: ml.trn1.32xlarge, count: 2}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def type_in_region(cluster: Cluster, region: str, ctx: Context) -> Iterator[Problem]:
    if ctx.region_facts is None or not ctx.region_facts.hyperpod:  # reported once, as HP022
        return
    for path, name in _typed(ctx):
        instance_type = find_instance_type(name)
        if instance_type is not None and instance_type.offered_in(region) is False:
            cure = f"Use another instance type, or a region that offers it: {', '.join(instance_type.regions)}."
            yield Problem(path, f"{name} may not be available in {region} (no list price)", cure)
        elif instance_type is not None and not instance_type.regions:
            message = f"{name} is not in the price list, so its regions are unknown"
            yield Problem(
                path, message, "Check the availability with AWS, or in your training plan.", severity=Severity.NOTE
            )


@rule(
    "HP303",
    title="A group has one instance type, or a list of types.",
    severity=Severity.ERROR,
    why="CreateCluster requires exactly one of InstanceType and InstanceRequirements.",
    cure="Set instance_type, or instance_types for a flexible group.",
    source=_API + "; ClusterInstanceGroupSpecification",
    wrong="cluster: {instance_groups: [{name: system, count: 2}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def one_kind_of_type(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        if group.instance_type is None and not group.instance_types:
            yield Problem(path, "neither instance_type nor instance_types is set")
        elif group.instance_type is not None and group.instance_types:
            yield Problem(f"{path}.instance_types", "conflicts with instance_type; set one of the two")
        for index, name in enumerate(group.instance_types):
            if name in group.instance_types[:index]:
                why = "A second position in the order of priority has no effect, or is rejected."
                message = f"{as_text(name)} is listed twice"
                yield Problem(f"{path}.instance_types[{index}]", message, "Remove the duplicate.", why)


@rule(
    "HP304",
    title="The types of a flexible group are of the same kind.",
    severity=Severity.WARNING,
    why="A job, its image and its device plugin require one kind of node.",
    cure="List types with the same accelerators and architecture, or create two groups.",
    source="service model of sagemaker: ClusterInstanceRequirementDetails; Kubernetes scheduling",
    wrong="cluster: {instance_groups: [{name: mixed, instance_types: [ml.p5.48xlarge, ml.m7g.4xlarge], count: 2}]}\n",
    right="cluster: {instance_groups: [{name: mixed, instance_types: [ml.p5.48xlarge, ml.p5en.48xlarge], count: 2}]}\n",
)
def alike(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        types = types_of(group)
        shapes = {
            f"{kind.architecture} {_DEVICES[kind.accelerator.kind if kind.accelerator else None]}" for kind in types
        }
        if len(shapes) > 1:
            yield Problem(f"{path}.instance_types", f"mixes {' and '.join(sorted(shapes))}")


_DEVICES = {"gpu": "with GPUs", "neuron": "with Trainium chips", None: "without accelerators"}


@rule(
    "HP305",
    title="Features that require Continuous provisioning are used with it.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the combination.",
    cure="Set `provisioning: Continuous`, the default.",
    source="documentation pages sagemaker-hyperpod-scaling-eks, sagemaker-hyperpod-spot, smcluster-cmk, "
    "sagemaker-hyperpod-eks-autoscaling",
    wrong="cluster: {provisioning: Request, instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "min_count: 1}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, min_count: 1}]}\n",
)
def needs_continuous(cluster: Cluster, instance_groups: InstanceGroups) -> Iterator[Problem]:
    if cluster.provisioning == "Continuous":
        return
    if cluster.autoscaling is not None:
        yield Problem("cluster.autoscaling", "requires Continuous provisioning; the cluster has Request")
    for path, group in instance_groups:
        for name, used in (
            ("min_count", group.min_count is not None),
            ("instance_types", bool(group.instance_types)),
            ("capacity", group.capacity == "spot"),
            ("root_volume.kms_key_arn", group.root_volume is not None and group.root_volume.kms_key_arn is not None),
            ("volume.kms_key_arn", group.volume is not None and group.volume.kms_key_arn is not None),
        ):
            if used:
                yield Problem(f"{path}.{name}", "requires Continuous provisioning; the cluster has Request")


@rule(
    "HP306",
    title="Names of groups match the API's pattern.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the name.",
    cure="Use letters, digits and single hyphens between them, 63 characters at most.",
    source=source_of("patterns", "instance_group_name"),
    wrong="cluster: {instance_groups: [{name: my_group, instance_type: ml.m5.4xlarge, count: 2}]}\n",
    right="cluster: {instance_groups: [{name: my-group, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def group_names(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        yield from _name(f"{path}.name", group.name, "instance_group_name", "group")


def _name(path: str, name: str, what: str, of: str) -> Iterator[Problem]:
    maximum = limit(f"{what}_length").value
    if is_token(name):
        yield skipped(path)
    elif len(name) > maximum:
        yield Problem(path, f"{len(name)} characters; the limit is {maximum}")
    elif not re.fullmatch(pattern(what), name):
        yield Problem(path, f"invalid characters in the {of} name {as_text(name)}")


@rule(
    "HP307",
    title="Names of groups are unique in the cluster.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the second group.",
    cure="Rename one of them.",
    source=_API,
    wrong="cluster: {instance_groups: [{name: a, instance_type: ml.m5.4xlarge, count: 2}, {name: a, instance_type: "
    "ml.m5.4xlarge, count: 1}]}\n",
    right="cluster: {instance_groups: [{name: a, instance_type: ml.m5.4xlarge, count: 2}, {name: b, instance_type: "
    "ml.m5.4xlarge, count: 1}]}\n",
)
def unique_names(groups: Groups) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for path, group in groups:
        if group.name in seen:
            yield Problem(f"{path}.name", f"{as_text(group.name)} is already used by {seen[group.name]}")
        seen.setdefault(group.name, path)


@rule(
    "HP308",
    title="The number of groups is within the limits.",
    severity=Severity.ERROR,
    complete=("cluster",),
    why="CreateCluster rejects the list.",
    cure="Specify 1 to 100 instance groups.",
    source=_API + "; the documentation still says 20 groups where the API says 100",
    wrong="cluster: {instance_groups: []}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}]}\n",
)
def number_of_groups(cluster: Cluster) -> Iterator[Problem]:
    documented = limit("instance_groups_per_cluster_documented").value
    for name, what in (("instance_groups", "instance_groups_per_cluster"), ("restricted_instance_groups",) * 2):
        count, maximum = len(getattr(cluster, name)), limit(what if "_per_" in what else f"{what}_per_cluster").value
        if count > maximum:
            yield Problem(f"cluster.{name}", f"{count} groups; the limit is {maximum}")
        elif count > documented:
            message = f"{count} groups; the API's limit is {maximum}, but the documented limit is {documented}"
            why = "The service may enforce the documented limit."
            yield Problem(f"cluster.{name}", message, "Use fewer groups, or ask AWS Support.", why, Severity.WARNING)
    if not cluster.groups:
        yield Problem("cluster.instance_groups", "empty; a cluster requires at least one group")


@rule(
    "HP309",
    title="Counts are within the API's limits and consistent.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the count.",
    cure="Use min_count <= count <= max_count <= 6758.",
    source="service model of sagemaker: ClusterInstanceCount, MinInstanceCount",
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, min_count: 4}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 4, min_count: 2}]}\n",
)
def counts(groups: Groups) -> Iterator[Problem]:
    bound = limit("instance_count")
    for path, group in groups:
        if not bound.allows(group.count):
            yield Problem(f"{path}.count", f"{group.count} exceeds the limit of {bound.value}")
        if not isinstance(group, InstanceGroup):
            continue
        if group.min_count is not None and group.min_count > group.count:
            yield Problem(f"{path}.min_count", f"{group.min_count} exceeds the count of {group.count}")
        if group.max_count is not None and group.max_count < group.count:
            yield Problem(f"{path}.max_count", f"{group.max_count} is less than the count of {group.count}")


@rule(
    "HP310",
    title="A group of accelerated instances does not require all instances at once.",
    severity=Severity.WARNING,
    why="If the minimum is not reached within 3 hours, the group is rolled back to 0 instances, and the "
    "cluster cannot be changed until then.",
    cure="Reduce or remove min_count, unless a training plan reserves the capacity.",
    source="documentation page sagemaker-hyperpod-scaling-eks",
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 16, min_count: 16}]}\n",
    right="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 16, min_count: 4}]}\n",
)
def all_or_nothing(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        scarce = any(instance_type.is_accelerated for instance_type in types_of(group))
        if scarce and group.min_count and group.min_count == group.count and group.training_plan_arn is None:
            yield Problem(
                f"{path}.min_count", f"all {group.count} accelerated instances must be available within 3 hours"
            )


@rule(
    "HP316",
    title="The cluster's name matches the API's pattern.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the name, after the network and the EKS cluster have been created.",
    cure="Use letters, digits and single hyphens between them, 63 characters at most.",
    source=source_of("patterns", "cluster_name"),
    wrong="cluster: {cluster_name: My_Cluster!}\n",
    right="cluster: {cluster_name: my-cluster}\n",
)
def cluster_name(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    if cluster.cluster_name is not None:
        yield from _name("cluster.cluster_name", cluster.cluster_name, "cluster_name", "cluster")
    elif ctx.name is not None and "cluster_name" not in cluster.model_fields_set and not is_token(ctx.name):
        maximum = limit("cluster_name_length").value
        if len(ctx.name) > maximum:
            message = f"{len(ctx.name)} characters; the HyperPod cluster gets this name, and the limit is {maximum}"
            yield Problem("name", message, "Shorten it, or set cluster.cluster_name.")
