"""HP33x: options of a group: training plans, images, interfaces, escape hatches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import limit, pattern, source_of
from ..findings import Severity
from ..spec.base import is_token
from .context import InstanceGroups, as_text, skipped, types_of
from .groups import fragment
from .registry import Problem, rule


@rule(
    "HP331",
    title="A training plan is used for one type of accelerated on-demand instances.",
    severity=Severity.WARNING,
    why="A plan reserves capacity of one type; it includes no spot capacity, other types or CPU types.",
    cure="Use the plan for a group of the plan's type only.",
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
            yield Problem(place, "conflicts with `capacity: spot`")
        if len(group.instance_types) > 1:
            yield Problem(place, f"conflicts with {len(group.instance_types)} instance types")
        for instance_type in types_of(group):
            if not instance_type.is_accelerated:
                yield Problem(
                    place, f"{instance_type.name} has no accelerators; training plans include accelerated types only"
                )


@rule(
    "HP332",
    title="Images and releases match the API's pattern.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the group.",
    cure="Set image_id to ami-... or `default`, and image_release_version to three numbers separated by dots.",
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
                yield Problem(place, f"{as_text(value)} is not a valid {_FORMS[name][0]}", _FORMS[name][1])


_FORMS = {
    "image_id": ("image id", "Specify an AMI id, such as ami-0123456789abcdef0, or `default`."),
    "image_release_version": ("release", "Specify three numbers separated by dots, such as 1.2.3."),
}


@rule(
    "HP333",
    title="An image is pinned or patched by the service, not both.",
    severity=Severity.WARNING,
    why="The service moves nodes past the pinned release, and the template no longer describes what runs.",
    cure="Remove image_release_version or auto_patch.",
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
            yield Problem(place, "pinned, which conflicts with auto_patch")
        if group.image_id not in (None, "default"):
            yield Problem(
                place,
                f"conflicts with the custom image {group.image_id}",
                "Remove image_release_version, or image_id.",
                "The custom image takes precedence.",
            )


@rule(
    "HP334",
    title="EFA interfaces are requested for types that support EFA.",
    severity=Severity.ERROR,
    why="CreateCluster rejects the interface type.",
    cure="Remove network_interface.",
    source="service model of sagemaker: ClusterInstanceGroupSpecification; EC2's list of types with EFA",
    certain=False,
    wrong=fragment("instance_type: ml.m5.4xlarge, count: 2, network_interface: efa"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 2, network_interface: efa-only"),
)
def efa_interfaces(instance_groups: InstanceGroups) -> Iterator[Problem]:
    for path, group in instance_groups:
        for instance_type in types_of(group):
            if group.network_interface is not None and not instance_type.supports_efa:
                yield Problem(
                    f"{path}.network_interface",
                    f"{group.network_interface} is not supported: {instance_type.name} has no EFA",
                )
