"""Escape hatches: values that a config passes to CloudFormation and to charts, compared with their schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import load, mismatches, unread_values
from ..documents import join
from ..findings import Severity
from ..spec.base import SpecModel
from ..spec.cluster import Cluster
from ..spec.dependencies import DependencyChart
from ..spec.groups import InstanceGroup, RestrictedInstanceGroup
from .context import InstanceGroups, RestrictedGroups, as_text
from .groups import fragment
from .registry import Problem, rule


@rule(
    "HP335",
    title="Escape properties exist in CloudFormation, and do not repeat typed fields.",
    severity=Severity.WARNING,
    why="The checks use the typed field, but the template has the property; CloudFormation rejects unknown properties.",
    cure="Use the typed field, or the property's name in CloudFormation, such as InstanceCount.",
    source="CloudFormation schema of AWS::SageMaker::Cluster",
    wrong=fragment("instance_type: ml.p5.48xlarge, count: 2, properties: {InstanceCount: 4}"),
    right=fragment("instance_type: ml.p5.48xlarge, count: 4"),
)
def escapes(
    cluster: Cluster, instance_groups: InstanceGroups, restricted_groups: RestrictedGroups
) -> Iterator[Problem]:
    places: list[tuple[str, str, Mapping[str, Any]]] = []
    places += [(f"{path}.properties", "ClusterInstanceGroup", group.properties) for path, group in instance_groups]
    places += [
        (f"{path}.properties", "ClusterRestrictedInstanceGroup", group.properties) for path, group in restricted_groups
    ]
    if cluster is not None:
        places.append(("cluster.properties", "Cluster", cluster.properties))
    for path, definition, properties in places:
        for key, value in properties.items():
            place = join(path, key)
            if key in _BUILT_ON and path == "cluster.properties":
                message = f"overrides `{_TYPED[key]}`, from which roles, placement and the cluster guard are derived"
                yield Problem(place, message, f"Set `{_TYPED[key]}` instead.", _OVERRIDDEN, Severity.ERROR)
                continue
            typed = _typed(definition, key)
            if typed is not None:
                yield Problem(place, f"overrides the typed field `{typed}`", f"Set `{typed}` instead.", _OVERRIDDEN)
            if definition == "ClusterRestrictedInstanceGroup" and key in _TYPED:
                continue  # HP374 reports the properties of restricted groups
            for below, wrong, near in mismatches(definition, {key: value}):
                yield _mismatch(path + below, wrong, near)


def _typed(definition: str, key: str) -> str | None:
    """The typed field of a property, if the cluster or the kind of group has the field."""
    field, group = _TYPED.get(key, ""), _GROUPS.get(definition)
    if group is not None:
        return field if field in group.model_fields else None
    return field if field in ("eks", "network") or field.startswith("cluster.") else None


_GROUPS: Mapping[str, type[SpecModel]] = {
    "ClusterInstanceGroup": InstanceGroup,
    "ClusterRestrictedInstanceGroup": RestrictedInstanceGroup,
}


def _mismatch(path: str, wrong: str, near: str | None) -> Problem:
    if near is not None:
        return Problem(path, wrong, f"Did you mean {near!r}?", _REJECTED, Severity.ERROR)
    if wrong.startswith("must"):
        return Problem(path, wrong, "Correct the value.", _REJECTED, Severity.ERROR)
    schemas = load("cloudformation")["date"]
    cure = f"Remove it, or acknowledge the finding if CloudFormation added the property after {schemas}."
    return Problem(path, wrong, cure, _REJECTED)


_OVERRIDDEN = "The checks use the typed field, but the template has the property."
_REJECTED = "CloudFormation rejects the template."
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
"""CloudFormation properties that have a typed field."""


@rule(
    "HP407",
    title="Values of the chart have the names that the chart uses.",
    severity=Severity.WARNING,
    why="Helm ignores values that no template uses, so the value has no effect.",
    cure="Use `enabled`, and the typed switches of `dependencies`.",
    source="the chart's own values.yaml and templates (chart_values.json); the official template's "
    "namespaced-role-and-bindings.enable, which stays off",
    wrong="dependencies: {values: {namespaced-role-and-bindings: {enable: true}}}\n",
    right="dependencies: {namespaced_role_and_bindings: true}\n",
)
def values(dependencies: DependencyChart) -> Iterator[Problem]:
    for keys, near in unread_values(dependencies.values, load("chart_values")["values"]):
        path = "dependencies.values"
        for key in keys:
            path = join(path, key)
        if "." in keys[-1] and near is None:
            message, cure = (
                f"{as_text(keys[-1])} is one key that contains dots",
                "Use nested keys, as in a values file.",
            )
            yield Problem(path, message, cure)
        elif near is not None or dependencies.chart is None:
            message = f"the chart has no value {as_text('.'.join(keys))}"
            yield Problem(path, message, f"Did you mean {near!r}?" if near is not None else "Remove it.")
