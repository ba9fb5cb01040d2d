"""HP33x: what a group asks for: training plans, images, interfaces, escape properties."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..catalog import limit, pattern, source_of
from ..documents import join
from ..findings import Severity
from ..spec.base import is_token
from ..spec.cluster import Cluster
from .context import Context, Groups, InstanceGroups, as_text, skipped, types_of
from .groups import fragment
from .registry import Problem, rule


@rule(
    "HP330",
    title="A training plan is named by its ARN, in the region.",
    severity=Severity.ERROR,
    why="CreateCluster refuses the group.",
    cure="Copy the ARN: arn:aws:sagemaker:us-west-2:111122223333:training-plan/name.",
    source=source_of("patterns", "training_plan_arn"),
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, training_plan_arn: my-plan"),
    right=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, "
        "training_plan_arn: 'arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine'"
    ),
)
def training_plan_arn(groups: Groups, ctx: Context) -> Iterator[Problem]:
    for path, group in groups:
        arn, place = group.training_plan_arn, f"{path}.training_plan_arn"
        if arn is None:
            continue
        if is_token(arn):
            yield skipped(place)
        elif not re.fullmatch(pattern("training_plan_arn"), arn) or not limit("training_plan_arn_length").allows(
            len(arn)
        ):
            yield Problem(place, f"{as_text(arn)} is no ARN of a training plan")
        elif ctx.region is not None and arn.split(":")[3] != ctx.region:
            yield Problem(place, f"the training plan is in {arn.split(':')[3]}, the platform in {ctx.region}")


@rule(
    "HP331",
    title="A training plan is for one type of accelerated on-demand instances.",
    severity=Severity.WARNING,
    why="A plan reserves capacity of one type: spot, other types and CPU types are not in it.",
    cure="Use the plan for a group of the plan's type alone.",
    source="documentation of training plans; the exclusion of spot is inferred",
    wrong=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, capacity: spot, "
        "training_plan_arn: 'arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine'"
    ),
    right=fragment(
        "instance_type: ml.p5.48xlarge, count: 2, "
        "training_plan_arn: 'arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine'"
    ),
)
def training_plan_capacity(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        if group.training_plan_arn is None:
            continue
        place = f"{path}.training_plan_arn"
        if group.capacity == "spot":
            yield Problem(place, "is given beside `capacity: spot`")
        if len(group.instance_types) > 1:
            yield Problem(place, f"is given beside {len(group.instance_types)} instance types")
        for kind in types_of(group):
            if not kind.is_accelerated:
                yield Problem(place, f"{kind.name} has no accelerators, and training plans have no such type")


@rule(
    "HP332",
    title="Images and releases keep to the API's pattern.",
    severity=Severity.ERROR,
    why="CreateCluster refuses the group.",
    cure="image_id: ami-... or `default`; image_release_version: three numbers with dots.",
    source=source_of("patterns", "image_id"),
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, image_id: my-image"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, image_id: ami-0123456789abcdef0"),
)
def images(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        for name in ("image_id", "image_release_version"):
            value, place = getattr(group, name), f"{path}.{name}"
            if is_token(value):
                yield skipped(place)
            elif value is not None and (
                not re.fullmatch(pattern(name), value) or not limit(f"{name}_length").allows(len(value))
            ):
                yield Problem(place, f"{as_text(value)} does not have the form that the API takes")


@rule(
    "HP333",
    title="An image is either pinned or patched by the service.",
    severity=Severity.WARNING,
    why="The service moves nodes past the pinned release, and the template says something else than what runs.",
    cure="Remove image_release_version, or auto_patch.",
    source="CloudFormation schema of AWS::SageMaker::Cluster: ImageReleaseVersion",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, image_release_version: 1.2.3, auto_patch: {}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, auto_patch: {}"),
)
def pinned_or_patched(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        if group.image_release_version is None:
            continue
        place = f"{path}.image_release_version"
        if group.auto_patch is not None:
            yield Problem(place, "is pinned beside auto_patch")
        if group.image_id not in (None, "default"):
            yield Problem(
                place, "is given beside a custom image", "Remove one of the two.", "The custom image decides."
            )


@rule(
    "HP334",
    title="EFA interfaces are asked for on types that have them.",
    severity=Severity.ERROR,
    why="CreateCluster refuses the interface type.",
    cure="Remove network_interface.",
    source="service model of sagemaker: ClusterInstanceGroupSpecification; EC2's list of types with EFA",
    certain=False,
    wrong=fragment("instance_type: ml.m5.4xlarge, count: 2, network_interface: efa"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, network_interface: efa-only"),
)
def efa_interfaces(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        for kind in types_of(group):
            if group.network_interface is not None and not kind.supports_efa:
                yield Problem(f"{path}.network_interface", f"is {group.network_interface}, and {kind.name} has no EFA")


@rule(
    "HP335",
    title="Escape properties are CloudFormation's, and do not repeat typed fields.",
    severity=Severity.WARNING,
    why="A typed field that is overridden was checked in vain; a misspelt property is refused by CloudFormation.",
    cure="Use the typed field; write properties in CloudFormation's spelling, such as InstanceCount.",
    source="CloudFormation schema of AWS::SageMaker::Cluster",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, properties: {InstanceCount: 4}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 4"),
)
def escapes(cluster: Cluster, groups: Groups) -> Iterator[Problem]:
    places: list[tuple[str, Mapping[str, object]]] = [(f"{path}.properties", g.properties) for path, g in groups]
    if cluster is not None:
        places.append(("cluster.properties", cluster.properties))
    for path, properties in places:
        for key in properties:
            if key in _BUILT_ON and path == "cluster.properties":
                message = f"overrides `{_TYPED[key]}`, from which roles, placement and the guard are made"
                yield Problem(join(path, key), message, severity=Severity.ERROR)
            elif key in _TYPED:
                yield Problem(join(path, key), f"overrides the typed field `{_TYPED[key]}`")
            elif not re.fullmatch(r"[A-Z][A-Za-z0-9]*", key):
                yield Problem(join(path, key), f"{as_text(key)} is not spelt as CloudFormation's properties are")


_BUILT_ON = ("InstanceGroups", "Orchestrator", "VpcConfig")

_TYPED = {
    "AutoPatchConfig": "auto_patch",
    "AutoScaling": "cluster.autoscaling",
    "CapacityRequirements": "capacity",
    "ClusterName": "cluster.cluster_name",
    "ClusterRole": "cluster.autoscaling.cluster_role_arn",
    "EnvironmentConfig": "lustre_size_gib",
    "ExecutionRole": "execution_role_arn",
    "ImageId": "image_id",
    "ImageReleaseVersion": "image_release_version",
    "InstanceCount": "count",
    "InstanceGroupName": "name",
    "InstanceGroups": "cluster.instance_groups",
    "InstanceRequirements": "instance_types",
    "InstanceStorageConfigs": "volume",
    "InstanceType": "instance_type",
    "KubernetesConfig": "labels",
    "LifeCycleConfig": "lifecycle",
    "MinInstanceCount": "min_count",
    "NetworkInterface": "network_interface",
    "NodeProvisioningMode": "cluster.provisioning",
    "NodeRecovery": "cluster.node_recovery",
    "OnStartDeepHealthChecks": "deep_health_checks",
    "Orchestrator": "eks",
    "OverrideVpcConfig": "subnet_ids",
    "RestrictedInstanceGroups": "cluster.restricted_instance_groups",
    "RestrictedInstanceGroupsConfig": "cluster.shared_environment",
    "ScheduledUpdateConfig": "scheduled_update",
    "Tags": "cluster.tags",
    "ThreadsPerCore": "threads_per_core",
    "TieredStorageConfig": "cluster.tiered_storage",
    "TrainingPlanArn": "training_plan_arn",
    "VpcConfig": "network",
}
"""CloudFormation's properties that have a field."""
