"""Validates the types of data of other formats: values of unexpected types are removed and reported."""

from __future__ import annotations

from typing import Any


def conform(value: Any, shape: Any, losses: list[str], path: str = "") -> Any:
    """Removes and reports the parts whose type differs from `shape`: a mapping, a list, or a scalar.

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


SCALAR = ""
"""The shape of a scalar."""
_BATCH = {"Type": SCALAR, "Value": SCALAR}
_DEPLOYMENT = {
    "RollingUpdatePolicy": {"MaximumBatchSize": _BATCH, "RollbackMaximumBatchSize": _BATCH},
    "AutoRollbackConfiguration": [{"AlarmName": SCALAR}],
}
_LUSTRE = {"SizeInGiB": SCALAR, "PerUnitStorageThroughput": SCALAR}
GROUP: dict[str, Any] = {
    **dict.fromkeys(("InstanceGroupName", "InstanceType", "InstanceCount", "MinInstanceCount"), SCALAR),
    **dict.fromkeys(("TargetAvailabilityZoneId", "ExecutionRole", "ThreadsPerCore", "TrainingPlanArn"), SCALAR),
    **dict.fromkeys(("ImageId", "ImageReleaseVersion"), SCALAR),
    "InstanceRequirements": {"InstanceTypes": [SCALAR]},
    "OverrideVpcConfig": {"Subnets": [SCALAR], "SecurityGroupIds": [SCALAR]},
    "LifeCycleConfig": {"SourceS3Uri": SCALAR, "OnCreate": SCALAR, "OnInitComplete": SCALAR},
    "InstanceStorageConfigs": [
        {
            "EbsVolumeConfig": {"VolumeSizeInGB": SCALAR},
            "FsxLustreConfig": {"DnsName": SCALAR},
            "FsxOpenZfsConfig": {"DnsName": SCALAR},
        }
    ],
    "EnvironmentConfig": {"FSxLustreConfig": _LUSTRE, "FsxLustreConfig": _LUSTRE},
    "OnStartDeepHealthChecks": [SCALAR],
    "CapacityRequirements": {},
    "KubernetesConfig": {"Labels": {}, "Taints": [{"Key": SCALAR, "Value": SCALAR, "Effect": SCALAR}]},
    "NetworkInterface": {"InterfaceType": SCALAR},
    "ScheduledUpdateConfig": {"DeploymentConfig": _DEPLOYMENT},
    "AutoPatchConfig": {"DeploymentConfig": _DEPLOYMENT},
}
"""The shape of an instance group of the API."""

_RESOURCE = {"instance_type": SCALAR, "accelerator_partition": {"type": SCALAR, "count": SCALAR}}
_TERRAFORM_GROUP = {
    "name": SCALAR,
    "instance_type": SCALAR,
    "availability_zone_id": SCALAR,
    "labels": {},
    "taints": [{}],
}
VARIABLES: dict[str, Any] = {
    "instance_groups": [_TERRAFORM_GROUP],
    "restricted_instance_groups": [_TERRAFORM_GROUP],
    "task_governance_compute_quotas": [
        {
            "name": SCALAR,
            "compute_quota_resources": [_RESOURCE],
            "resource_sharing_config": {"absolute_borrow_limits": [_RESOURCE]},
            "target": {"team_name": SCALAR},
        }
    ],
}
"""Shapes of the Terraform module's variables other than scalars and lists of scalars."""
