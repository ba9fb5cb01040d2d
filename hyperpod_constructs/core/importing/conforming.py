"""Filters data of another format by its expected types: values of another type are removed and reported."""

from __future__ import annotations

from typing import Any


def conform(value: Any, shape: Any, losses: list[str], path: str = "") -> Any:
    """Removes the parts that do not have the type of `shape`: a mapping, a list, or a scalar.

    >>> losses: list[str] = []
    >>> conform({"taints": [{"key": "a"}, 5], "labels": "x"}, {"taints": [{}], "labels": {}}, losses)
    {'taints': [{'key': 'a'}]}
    >>> losses
    ['taints[1] (5): must be a mapping', 'labels (x): must be a mapping']
    """
    if value is None:
        return None
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            losses.append(f"{path} ({value}): must be a mapping")
            return None
        found = {}
        for key, inner in value.items():
            kept = conform(inner, shape[key], losses, f"{path}.{key}" if path else str(key)) if key in shape else inner
            if kept is not None or inner is None:
                found[key] = kept
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            losses.append(f"{path} ({value}): must be a list")
            return None
        items = [conform(item, shape[0], losses, f"{path}[{index}]") for index, item in enumerate(value)]
        return [item for item in items if item is not None]
    if isinstance(value, dict | list):
        losses.append(f"{path} ({value}): must be a single value")
        return None
    return value


ONE = ""
"""Shape of a scalar."""
_BATCH = {"Type": ONE, "Value": ONE}
_DEPLOYMENT = {
    "RollingUpdatePolicy": {"MaximumBatchSize": _BATCH, "RollbackMaximumBatchSize": _BATCH},
    "AutoRollbackConfiguration": [{"AlarmName": ONE}],
}
_LUSTRE = {"SizeInGiB": ONE, "PerUnitStorageThroughput": ONE}
GROUP: dict[str, Any] = {
    **dict.fromkeys(("InstanceGroupName", "InstanceType", "InstanceCount", "MinInstanceCount"), ONE),
    **dict.fromkeys(("TargetAvailabilityZoneId", "ExecutionRole", "ThreadsPerCore", "TrainingPlanArn"), ONE),
    **dict.fromkeys(("ImageId", "ImageReleaseVersion"), ONE),
    "InstanceRequirements": {"InstanceTypes": [ONE]},
    "OverrideVpcConfig": {"Subnets": [ONE], "SecurityGroupIds": [ONE]},
    "LifeCycleConfig": {"SourceS3Uri": ONE, "OnCreate": ONE, "OnInitComplete": ONE},
    "InstanceStorageConfigs": [
        {
            "EbsVolumeConfig": {"VolumeSizeInGB": ONE},
            "FsxLustreConfig": {"DnsName": ONE},
            "FsxOpenZfsConfig": {"DnsName": ONE},
        }
    ],
    "EnvironmentConfig": {"FSxLustreConfig": _LUSTRE, "FsxLustreConfig": _LUSTRE},
    "OnStartDeepHealthChecks": [ONE],
    "CapacityRequirements": {},
    "KubernetesConfig": {"Labels": {}, "Taints": [{"Key": ONE, "Value": ONE, "Effect": ONE}]},
    "NetworkInterface": {"InterfaceType": ONE},
    "ScheduledUpdateConfig": {"DeploymentConfig": _DEPLOYMENT},
    "AutoPatchConfig": {"DeploymentConfig": _DEPLOYMENT},
}
"""An instance group of the API."""

_RESOURCE = {"instance_type": ONE, "accelerator_partition": {"type": ONE, "count": ONE}}
_TERRAFORM_GROUP = {"name": ONE, "instance_type": ONE, "availability_zone_id": ONE, "labels": {}, "taints": [{}]}
VARIABLES: dict[str, Any] = {
    "instance_groups": [_TERRAFORM_GROUP],
    "restricted_instance_groups": [_TERRAFORM_GROUP],
    "task_governance_compute_quotas": [
        {
            "name": ONE,
            "compute_quota_resources": [_RESOURCE],
            "resource_sharing_config": {"absolute_borrow_limits": [_RESOURCE]},
            "target": {"team_name": ONE},
        }
    ],
}
"""Variables of the Terraform module that are not scalars or lists of scalars."""
