"""Converts the cluster spec to the properties of `AWS::SageMaker::Cluster`: plain data, no CDK.

Keys are CloudFormation's, so the result can be compared with the service's model, and a property that CloudFormation
adds later can be merged by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import catalog
from .spec import Cluster, Deployment, InstanceGroup, RestrictedInstanceGroup, Volume
from .spec.base import deployed
from .spec.groups import BatchSize


class GroupPlacement(NamedTuple):
    """Values for a group that are not in its spec; they can be CDK tokens."""

    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    execution_role_arn: str
    lifecycle: Mapping[str, str] | None
    """`LifeCycleConfig`, None in bootstrap mode."""


def cluster_properties(
    cluster: Cluster,
    *,
    eks_cluster_arn: str,
    subnet_ids: Sequence[str],
    security_group_ids: Sequence[str],
    placements: Mapping[str, GroupPlacement],
    cluster_role_arn: str | None = None,
) -> dict[str, Any]:
    """Properties of the cluster; `placements` has an entry for each group name."""
    properties: dict[str, Any] = {
        "ClusterName": cluster.cluster_name,
        "Orchestrator": {"Eks": {"ClusterArn": eks_cluster_arn}},
        "VpcConfig": {"SecurityGroupIds": list(security_group_ids), "Subnets": list(subnet_ids)},
        "NodeRecovery": cluster.node_recovery,
        "NodeProvisioningMode": "Continuous" if cluster.provisioning == "Continuous" else None,
        "InstanceGroups": [group_properties(g, placements[g.name]) for g in cluster.instance_groups],
        "RestrictedInstanceGroups": [
            restricted_group_properties(g, placements[g.name]) for g in cluster.restricted_instance_groups
        ],
        # the training operator's console link requires this tag
        "Tags": [{"Key": k, "Value": v} for k, v in {"SageMaker": "true", **cluster.tags}.items()],
    }
    if cluster.autoscaling:
        properties["AutoScaling"] = {"Mode": _mode(cluster.autoscaling.enabled), "AutoScalerType": "Karpenter"}
        properties["ClusterRole"] = cluster_role_arn
    if cluster.tiered_storage:
        properties["TieredStorageConfig"] = {
            "Mode": _mode(cluster.tiered_storage.enabled),
            "InstanceMemoryAllocationPercentage": cluster.tiered_storage.memory_percent,
        }
    if cluster.shared_environment:
        shared = cluster.shared_environment
        properties["RestrictedInstanceGroupsConfig"] = {
            "SharedEnvironmentConfig": {
                "FSxLustreConfig": _lustre(shared.lustre_size_gib, shared.lustre_throughput),
                "FSxLustreDeletionPolicy": shared.on_delete,
            }
        }
    return {**_given(properties), **cluster.properties}


def has_newer_properties(cluster: Cluster) -> bool:
    """Whether the cluster sets properties that older schemas lack: image releases, or any in `properties`.

    >>> has_newer_properties(Cluster(properties={"AddedLater": 1})), has_newer_properties(Cluster())
    (True, False)
    """
    releases = any(group.image_release_version for group in cluster.instance_groups)
    return releases or bool(cluster.properties) or any(group.properties for group in cluster.groups)


def group_properties(group: InstanceGroup, placement: GroupPlacement) -> dict[str, Any]:
    """Properties of one instance group.

    >>> placement = GroupPlacement(
    ...     subnet_ids=["subnet-1"], security_group_ids=["sg-1"], execution_role_arn="arn", lifecycle=None
    ... )
    >>> group_properties(InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=2), placement)["InstanceCount"]
    2
    """
    properties: dict[str, Any] = {
        **_common(group, placement),
        "InstanceRequirements": {"InstanceTypes": list(group.instance_types)} if group.instance_types else None,
        "MinInstanceCount": None if group.min_count is None else deployed(group.min_count),
        "LifeCycleConfig": dict(placement.lifecycle) if placement.lifecycle else None,
        "InstanceStorageConfigs": _storage(group),
        "CapacityRequirements": {"spot": {"Spot": {}}, "on-demand": {"OnDemand": {}}}.get(group.capacity or ""),
        "ImageId": group.image_id,
        "ImageReleaseVersion": group.image_release_version,
        "KubernetesConfig": _given(
            {
                "Labels": dict(group.labels),
                "Taints": [_given({"Key": t.key, "Value": t.value, "Effect": t.effect}) for t in group.taints],
            }
        ),
        "NetworkInterface": {"InterfaceType": group.network_interface} if group.network_interface else None,
    }
    if group.scheduled_update:
        properties["ScheduledUpdateConfig"] = _given(
            {
                "ScheduleExpression": group.scheduled_update.schedule,
                "DeploymentConfig": _deployment(group.scheduled_update.deployment),
            }
        )
    if group.auto_patch:
        properties["AutoPatchConfig"] = _given(
            {
                "PatchingStrategy": group.auto_patch.strategy,
                "DeploymentConfig": _deployment(group.auto_patch.deployment),
            }
        )
    return {**_given(properties), **group.properties}


def restricted_group_properties(group: RestrictedInstanceGroup, placement: GroupPlacement) -> dict[str, Any]:
    """Properties of one restricted instance group: no lifecycle configuration, image, labels or minimum count."""
    properties = _common(group, placement)
    properties["InstanceStorageConfigs"] = [_volume(group.volume)] if group.volume else []
    if group.lustre_size_gib and group.lustre_throughput:
        properties["EnvironmentConfig"] = {"FSxLustreConfig": _lustre(group.lustre_size_gib, group.lustre_throughput)}
    return {**_given(properties), **group.properties}


def _common(group: InstanceGroup | RestrictedInstanceGroup, placement: GroupPlacement) -> dict[str, Any]:
    return {
        "InstanceGroupName": group.name,
        "InstanceType": group.instance_type,
        "InstanceCount": deployed(group.count),
        "ExecutionRole": placement.execution_role_arn,
        "OverrideVpcConfig": {
            "SecurityGroupIds": list(placement.security_group_ids),
            "Subnets": list(placement.subnet_ids),
        },
        "ThreadsPerCore": group.threads_per_core,
        "OnStartDeepHealthChecks": list(group.deep_health_checks),
        "TrainingPlanArn": group.training_plan_arn,
    }


def _storage(group: InstanceGroup) -> list[dict[str, Any]]:
    configs: list[dict[str, Any]] = []
    if group.root_volume:
        configs.append(
            {"EbsVolumeConfig": _given({"RootVolume": True, "VolumeKmsKeyId": group.root_volume.kms_key_arn})}
        )
    if group.volume:
        configs.append(_volume(group.volume))
    if group.lustre:
        mount = group.lustre
        configs.append(
            {
                "FsxLustreConfig": {
                    "DnsName": mount.dns_name,
                    "MountName": mount.mount_name,
                    "MountPath": mount.mount_path,
                }
            }
        )
    if group.open_zfs:
        configs.append(
            {"FsxOpenZfsConfig": {"DnsName": group.open_zfs.dns_name, "MountPath": group.open_zfs.mount_path}}
        )
    return configs


def container_data(group: InstanceGroup) -> str:
    """Where new nodes of a group store the data of containerd and the kubelet, as in `InstanceGroup.container_data`.

    >>> container_data(InstanceGroup(name="a", instance_type="ml.p5.48xlarge", count=1, volume=Volume(size_gib=500)))
    'second-volume'
    """
    return group.container_data or ("second-volume" if group.volume else "root-volume")


def lifecycle_settings(cluster: Cluster, group: InstanceGroup) -> dict[str, str]:
    """Settings for the lifecycle scripts' `settings.env`; empty for a group that does not require their steps.

    >>> lifecycle_settings(
    ...     Cluster(), InstanceGroup(name="a", instance_type="ml.p5.48xlarge", count=1, volume=Volume(size_gib=500))
    ... )
    {'CONTAINER_DATA': '/opt/sagemaker'}
    """
    settings: dict[str, str] = {}
    mounted_at = catalog.load("nodes")["volumes"].get(container_data(group))
    if mounted_at:
        settings["CONTAINER_DATA"] = mounted_at
    client = cluster.lustre_efa_client
    types = [catalog.find_instance_type(name) for name in group.types]
    if client and any(found and found.supports_efa for found in types):
        settings["LUSTRE_EFA_CLIENT"] = client.package_url or "image"
        if client.package_sha256:
            settings["LUSTRE_EFA_CLIENT_SHA256"] = client.package_sha256
    return settings


def _volume(volume: Volume) -> dict[str, Any]:
    size = None if volume.size_gib is None else deployed(volume.size_gib)
    return {"EbsVolumeConfig": _given({"VolumeSizeInGB": size, "VolumeKmsKeyId": volume.kms_key_arn})}


def _deployment(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    policy = _given(
        {
            "MaximumBatchSize": _batch(deployment.maximum_batch_size),
            "RollbackMaximumBatchSize": _batch(deployment.rollback_batch_size),
        }
    )
    return _given(
        {
            "RollingUpdatePolicy": policy,
            "WaitIntervalInSeconds": deployment.wait_seconds,
            "AutoRollbackConfiguration": [{"AlarmName": alarm} for alarm in deployment.alarms],
        }
    )


def _batch(batch: BatchSize | None) -> dict[str, Any] | None:
    if batch is None:
        return None
    if batch.percent is not None:
        return {"Type": "CAPACITY_PERCENTAGE", "Value": batch.percent}
    return {"Type": "INSTANCE_COUNT", "Value": batch.count}


def _mode(on: bool) -> str:
    return "Enable" if on else "Disable"


def _lustre(size_gib: int, throughput: int) -> dict[str, int]:
    return {"SizeInGiB": size_gib, "PerUnitStorageThroughput": throughput}


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without nulls, empty lists and empty mappings (an empty `Spot` is kept)."""
    return {key: value for key, value in properties.items() if value is not None and value not in ([], {})}
