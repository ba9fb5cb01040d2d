"""Converts instance groups of the SageMaker API or its CloudFormation type to the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conforming import GROUP, conform

_NAMES = (
    *("InstanceGroupName", "InstanceType", "InstanceRequirements", "InstanceTypes", "InstanceCount"),
    *("MinInstanceCount", "TargetAvailabilityZoneId", "OverrideVpcConfig", "SecurityGroupIds", "Subnets"),
    *("ExecutionRole", "LifeCycleConfig", "SourceS3Uri", "OnCreate", "OnInitComplete", "ThreadsPerCore"),
    *("InstanceStorageConfigs", "EbsVolumeConfig", "VolumeSizeInGB", "VolumeKmsKeyId", "RootVolume"),
    *("FsxLustreConfig", "FsxOpenZfsConfig", "DnsName", "MountName", "MountPath", "OnStartDeepHealthChecks"),
    *("TrainingPlanArn", "CapacityRequirements", "Spot", "OnDemand", "ImageId", "ImageReleaseVersion"),
    *("KubernetesConfig", "Labels", "Taints", "Key", "Value", "Effect", "NetworkInterface", "InterfaceType"),
    *("ScheduledUpdateConfig", "ScheduleExpression", "AutoPatchConfig", "PatchingStrategy", "DeploymentConfig"),
    *("RollingUpdatePolicy", "MaximumBatchSize", "RollbackMaximumBatchSize", "WaitIntervalInSeconds", "Type"),
    *("AutoRollbackConfiguration", "AlarmName", "EnvironmentConfig", "SizeInGiB"),
    *("PerUnitStorageThroughput", "SlurmConfig", "InstanceGroupType"),
)
_BY_LETTERS = {name.lower(): name for name in reversed(_NAMES)}


def canonical(value: Any) -> Any:
    """Converts keys of any case, with or without underscores, to the API's spelling; keys of labels are not changed.

    >>> canonical({"instance_group_name": "a", "KubernetesConfig": {"labels": {"Team": "b"}}})
    {'InstanceGroupName': 'a', 'KubernetesConfig': {'Labels': {'Team': 'b'}}}
    """
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, inner in value.items():
        name = _BY_LETTERS.get(str(key).replace("_", "").lower(), key)
        found[name] = inner if name == "Labels" else canonical(inner)
    return found


@dataclass(slots=True)
class Group:
    """A converted instance group, and its parts without an equivalent."""

    data: dict[str, Any] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClusterDefaults:
    """Values of the cluster that groups do not repeat.

    Attributes:
        zones: zone IDs of the subnets in the config, by subnet ID.
        security_group_ids: security groups of the cluster.
        execution_role_arn: execution role of the cluster.
        lifecycle: lifecycle configuration of the cluster, as in the spec.
    """

    zones: Mapping[str, str] = field(default_factory=dict)
    security_group_ids: Sequence[str] = ()
    execution_role_arn: str | None = None
    lifecycle: Mapping[str, Any] | None = None


def group_of(given: Mapping[str, Any], defaults: ClusterDefaults | None = None, *, restricted: bool = False) -> Group:
    """Converts an instance group of `AWS::SageMaker::Cluster` to the spec.

    >>> group_of({"InstanceGroupName": "a", "InstanceType": "ml.m5.4xlarge", "InstanceCount": "2"}).data
    {'name': 'a', 'instance_type': 'ml.m5.4xlarge', 'count': 2}
    """
    defaults = defaults or ClusterDefaults()
    group = Group()
    rest = dict(conform(canonical(dict(given)), GROUP, group.losses))
    data = group.data
    _move(data, rest, "name", "InstanceGroupName")
    _move(data, rest, "instance_type", "InstanceType")
    requirements = rest.pop("InstanceRequirements", None) or {}
    if types := requirements.get("InstanceTypes"):
        data["instance_types"] = list(types)
        data.pop("instance_type", None)
    for key, name in (("count", "InstanceCount"), ("min_count", "MinInstanceCount")):
        _move(data, rest, key, name, number=True)
    data.setdefault("count", 0)
    _location(group, rest, defaults)
    role = rest.pop("ExecutionRole", None)
    if role and role != defaults.execution_role_arn:
        data["execution_role_arn"] = role
    found = lifecycle_of(rest.pop("LifeCycleConfig", None))
    if found is not None and found != defaults.lifecycle:
        data["lifecycle"] = found
    _move(data, rest, "threads_per_core", "ThreadsPerCore", number=True)
    for config in rest.pop("InstanceStorageConfigs", None) or ():
        _storage(group, config, restricted=restricted)
    environment = rest.pop("EnvironmentConfig", None) or {}
    lustre = environment.get("FSxLustreConfig") or environment.get("FsxLustreConfig") or {}
    _move(data, lustre, "lustre_size_gib", "SizeInGiB", number=True)
    _move(data, lustre, "lustre_throughput", "PerUnitStorageThroughput", number=True)
    _move(data, rest, "deep_health_checks", "OnStartDeepHealthChecks")
    _move(data, rest, "training_plan_arn", "TrainingPlanArn")
    capacity = rest.pop("CapacityRequirements", None) or {}
    if capacity:
        data["capacity"] = "spot" if "Spot" in capacity else "on-demand"
    _move(data, rest, "image_id", "ImageId")
    _move(data, rest, "image_release_version", "ImageReleaseVersion")
    kubernetes = rest.pop("KubernetesConfig", None) or {}
    _move(data, kubernetes, "labels", "Labels")
    if taints := kubernetes.get("Taints"):
        data["taints"] = [
            {key: taint[name] for key, name in _TAINT if taint.get(name) not in (None, "")} for taint in taints
        ]
    if interface := (rest.pop("NetworkInterface", None) or {}).get("InterfaceType"):
        data["network_interface"] = interface
    _updates(data, rest)
    group.losses += [f"{name} ({value}): {_WHY.get(name, _UNKNOWN)}" for name, value in rest.items() if value]
    return group


_TAINT = (("key", "Key"), ("value", "Value"), ("effect", "Effect"))
_SLURM = "applies only to clusters orchestrated by Slurm"
_WHY = {"SlurmConfig": _SLURM, "InstanceGroupType": _SLURM}
_UNKNOWN = "unknown property; set it in the group's `properties` by its CloudFormation name"


def lifecycle_of(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Converts a `LifeCycleConfig`; returns None if it is not set."""
    if not config or not config.get("SourceS3Uri"):
        return None
    found: dict[str, Any] = {"source": config["SourceS3Uri"]}
    if config.get("OnInitComplete"):
        found = {"mode": "extension", **found}
    script = config.get("OnInitComplete") or config.get("OnCreate")
    if script and script != "on_create.sh":
        found["script"] = script
    return found


def _location(group: Group, rest: dict[str, Any], defaults: ClusterDefaults) -> None:
    data = group.data
    vpc = rest.pop("OverrideVpcConfig", None) or {}
    subnets = list(vpc.get("Subnets") or ())
    zone = rest.pop("TargetAvailabilityZoneId", None)
    if zone:
        data["availability_zone_id"] = zone
    elif len(subnets) == 1 and subnets[0] in defaults.zones:
        data["availability_zone_id"] = defaults.zones[subnets[0]]
    elif subnets:
        data["subnet_ids"] = subnets
    others = [
        security_group_id
        for security_group_id in vpc.get("SecurityGroupIds") or ()
        if security_group_id not in defaults.security_group_ids
    ]
    if others:
        data["security_group_ids"] = others


def _storage(group: Group, config: Mapping[str, Any], *, restricted: bool) -> None:
    data = group.data
    if volume := config.get("EbsVolumeConfig"):
        found: dict[str, Any] = {}
        _move(found, volume, "size_gib", "VolumeSizeInGB", number=True)
        _move(found, volume, "kms_key_arn", "VolumeKmsKeyId")
        is_root = str(volume.get("RootVolume", "")).lower() == "true"
        if found and not (restricted and is_root):
            data["root_volume" if is_root else "volume"] = found
    elif lustre := config.get("FsxLustreConfig"):
        data["lustre"] = _mount(lustre, "DnsName", "MountName", "MountPath")
    elif zfs := config.get("FsxOpenZfsConfig"):
        data["open_zfs"] = _mount(zfs, "DnsName", "MountPath")
    else:
        group.losses.append(f"InstanceStorageConfigs ({config}): {_UNKNOWN}")


_MOUNT = {"DnsName": "dns_name", "MountName": "mount_name", "MountPath": "mount_path"}


def _mount(config: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {_MOUNT[key]: config[key] for key in keys if config.get(key)}


def _updates(data: dict[str, Any], rest: dict[str, Any]) -> None:
    for key, name, inner, api_key in (
        ("scheduled_update", "ScheduledUpdateConfig", "schedule", "ScheduleExpression"),
        ("auto_patch", "AutoPatchConfig", "strategy", "PatchingStrategy"),
    ):
        if config := rest.pop(name, None):
            data[key] = {inner: config[api_key]} if config.get(api_key) else {}
            if deployment := _deployment(config.get("DeploymentConfig")):
                data[key]["deployment"] = deployment


def _deployment(config: Mapping[str, Any] | None) -> dict[str, Any]:
    if not config:
        return {}
    policy = config.get("RollingUpdatePolicy") or {}
    found: dict[str, Any] = {
        key: {"percent" if policy[name].get("Type") == "CAPACITY_PERCENTAGE" else "count": policy[name]["Value"]}
        for key, name in (
            ("maximum_batch_size", "MaximumBatchSize"),
            ("rollback_batch_size", "RollbackMaximumBatchSize"),
        )
        if policy.get(name)
    }
    if config.get("WaitIntervalInSeconds") is not None:
        found["wait_seconds"] = config["WaitIntervalInSeconds"]
    if alarms := config.get("AutoRollbackConfiguration"):
        found["alarms"] = [alarm["AlarmName"] for alarm in alarms]
    return found


def _move(data: dict[str, Any], given: Any, key: str, name: str, *, number: bool = False) -> None:
    """Moves a value if it is set; numbers can be strings."""
    value = given.pop(name, None) if isinstance(given, dict) else None
    if value in (None, "", [], {}):
        return
    data[key] = int(value) if number and str(value).lstrip("-").isdigit() else value
