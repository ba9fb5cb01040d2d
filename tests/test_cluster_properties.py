"""From spec to CloudFormation properties: every field of a group and of the cluster, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from proving import every

from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.cluster_properties import (
    GroupPlacement,
    cluster_properties,
    group_properties,
    restricted_group_properties,
)
from hyperpod_constructs.core.findings import Severity
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, RestrictedInstanceGroup

ROLE = "arn:aws:iam::111122223333:role/Nodes"
KEY = "arn:aws:kms:us-west-2:111122223333:key/a"
PLACE = GroupPlacement(subnet_ids=["subnet-1"], security_group_ids=["sg-1"], execution_role_arn=ROLE, lifecycle=None)
ALWAYS = {
    "InstanceGroupName": "a",
    "InstanceType": "ml.p5.48xlarge",
    "InstanceCount": 2,
    "ExecutionRole": ROLE,
    "OverrideVpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
}
DEPLOYMENT = {
    "maximum_batch_size": {"count": 2},
    "rollback_batch_size": {"percent": 50},
    "wait_seconds": 60,
    "alarms": ["bad"],
}
DEPLOYMENT_PROPERTIES = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 2},
        "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENTAGE", "Value": 50},
    },
    "WaitIntervalInSeconds": 60,
    "AutoRollbackConfiguration": [{"AlarmName": "bad"}],
}


def group(**fields: Any) -> dict[str, Any]:
    spec = InstanceGroup.model_validate({"name": "a", "instance_type": "ml.p5.48xlarge", "count": 2, **fields})
    return group_properties(spec, PLACE)


def test_a_plain_group_has_what_it_must_have_and_nothing_else():
    assert group() == ALWAYS


@pytest.mark.parametrize(
    ("fields", "properties"),
    [
        ({"min_count": 1}, {"MinInstanceCount": 1}),
        ({"min_count": 0}, {"MinInstanceCount": 0}),
        ({"threads_per_core": 1}, {"ThreadsPerCore": 1}),
        ({"capacity": "spot"}, {"CapacityRequirements": {"Spot": {}}}),
        ({"capacity": "on-demand"}, {"CapacityRequirements": {"OnDemand": {}}}),
        ({"training_plan_arn": "arn:plan"}, {"TrainingPlanArn": "arn:plan"}),
        ({"image_id": "ami-0123456789abcdef0"}, {"ImageId": "ami-0123456789abcdef0"}),
        ({"image_release_version": "1.2.3"}, {"ImageReleaseVersion": "1.2.3"}),
        ({"network_interface": "efa-only"}, {"NetworkInterface": {"InterfaceType": "efa-only"}}),
        ({"deep_health_checks": ["InstanceStress"]}, {"OnStartDeepHealthChecks": ["InstanceStress"]}),
        ({"labels": {"a/b": "c"}}, {"KubernetesConfig": {"Labels": {"a/b": "c"}}}),
        (
            {"taints": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "NoExecute"}]},
            {
                "KubernetesConfig": {
                    "Taints": [{"Key": "k", "Effect": "NoSchedule"}, {"Key": "k", "Value": "v", "Effect": "NoExecute"}]
                }
            },
        ),
        (
            {"root_volume": {"kms_key_arn": KEY}, "volume": {"size_gib": 500, "kms_key_arn": KEY}},
            {
                "InstanceStorageConfigs": [
                    {"EbsVolumeConfig": {"RootVolume": True, "VolumeKmsKeyId": KEY}},
                    {"EbsVolumeConfig": {"VolumeSizeInGB": 500, "VolumeKmsKeyId": KEY}},
                ]
            },
        ),
        (
            {
                "lustre": {"dns_name": "fs-1.fsx", "mount_name": "abc"},
                "open_zfs": {"dns_name": "fs-2.fsx", "mount_path": "/zfs"},
            },
            {
                "InstanceStorageConfigs": [
                    {"FsxLustreConfig": {"DnsName": "fs-1.fsx", "MountName": "abc", "MountPath": "/fsx"}},
                    {"FsxOpenZfsConfig": {"DnsName": "fs-2.fsx", "MountPath": "/zfs"}},
                ]
            },
        ),
        (
            {"scheduled_update": {"schedule": "cron(0 3 ? * SUN *)", "deployment": DEPLOYMENT}},
            {
                "ScheduledUpdateConfig": {
                    "ScheduleExpression": "cron(0 3 ? * SUN *)",
                    "DeploymentConfig": DEPLOYMENT_PROPERTIES,
                }
            },
        ),
        (
            {"auto_patch": {"strategy": "WhenAllIdle", "deployment": DEPLOYMENT}},
            {"AutoPatchConfig": {"PatchingStrategy": "WhenAllIdle", "DeploymentConfig": DEPLOYMENT_PROPERTIES}},
        ),
        ({"auto_patch": {"deployment": {}}}, {"AutoPatchConfig": {"PatchingStrategy": "WhenIdle"}}),
        ({"properties": {"GainedLater": {"A": 1}}}, {"GainedLater": {"A": 1}}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_field_sets_its_property(fields: dict[str, Any], properties: dict[str, Any]):
    assert group(**fields) == {**ALWAYS, **properties}


def test_a_flexible_group_lists_its_types_in_order_of_preference():
    properties = group(instance_type=None, instance_types=["ml.p5.48xlarge", "ml.p5en.48xlarge"])
    assert properties["InstanceRequirements"] == {"InstanceTypes": ["ml.p5.48xlarge", "ml.p5en.48xlarge"]}
    assert "InstanceType" not in properties


@pytest.mark.parametrize("lifecycle", [{"SourceS3Uri": "s3://b/p", "OnCreate": "a.sh"}, {"OnInitComplete": "b.sh"}])
def test_a_lifecycle_configuration_is_passed_on(lifecycle: dict[str, str]):
    place = GroupPlacement(subnet_ids=["s"], security_group_ids=["g"], execution_role_arn=ROLE, lifecycle=lifecycle)
    spec = InstanceGroup(name="a", instance_type="ml.m5.xlarge", count=1)
    assert group_properties(spec, place)["LifeCycleConfig"] == lifecycle


def test_a_restricted_group_has_its_own_environment_and_storage():
    spec = RestrictedInstanceGroup.model_validate(
        {
            "name": "a",
            "instance_type": "ml.p5.48xlarge",
            "count": 2,
            "lustre_size_gib": 1200,
            "lustre_throughput": 125,
            "volume": {"size_gib": 500},
            "threads_per_core": 2,
            "deep_health_checks": ["InstanceConnectivity"],
            "training_plan_arn": "arn:plan",
            "properties": {"GainedLater": 1},
        }
    )
    assert restricted_group_properties(spec, PLACE) == {
        **ALWAYS,
        "EnvironmentConfig": {"FSxLustreConfig": {"SizeInGiB": 1200, "PerUnitStorageThroughput": 125}},
        "InstanceStorageConfigs": [{"EbsVolumeConfig": {"VolumeSizeInGB": 500}}],
        "ThreadsPerCore": 2,
        "OnStartDeepHealthChecks": ["InstanceConnectivity"],
        "TrainingPlanArn": "arn:plan",
        "GainedLater": 1,
    }


def cluster(**fields: Any) -> dict[str, Any]:
    return cluster_properties(
        Cluster.model_validate(fields),
        eks_cluster_arn="arn:eks",
        subnet_ids=["subnet-1"],
        security_group_ids=["sg-1"],
        placements={},
        cluster_role_arn="arn:role",
    )


PLAIN = {
    "Orchestrator": {"Eks": {"ClusterArn": "arn:eks"}},
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    "NodeRecovery": "Automatic",
    "NodeProvisioningMode": "Continuous",
    "Tags": [{"Key": "SageMaker", "Value": "true"}],
}


def test_a_plain_cluster():
    assert cluster() == PLAIN


@pytest.mark.parametrize(
    ("fields", "properties"),
    [
        ({"cluster_name": "mine"}, {"ClusterName": "mine"}),
        ({"node_recovery": "None"}, {"NodeRecovery": "None"}),
        (
            {"autoscaling": {}},
            {"AutoScaling": {"Mode": "Enable", "AutoScalerType": "Karpenter"}, "ClusterRole": "arn:role"},
        ),
        (
            {"autoscaling": {"enabled": False}},
            {"AutoScaling": {"Mode": "Disable", "AutoScalerType": "Karpenter"}, "ClusterRole": "arn:role"},
        ),
        (
            {"tiered_storage": {"enabled": False}},
            {"TieredStorageConfig": {"Mode": "Disable", "InstanceMemoryAllocationPercentage": 20}},
        ),
        (
            {"tiered_storage": {"memory_percent": 30}},
            {"TieredStorageConfig": {"Mode": "Enable", "InstanceMemoryAllocationPercentage": 30}},
        ),
        (
            {"shared_environment": {"lustre_size_gib": 1200, "lustre_throughput": 125, "on_delete": "DeleteIfNotUsed"}},
            {
                "RestrictedInstanceGroupsConfig": {
                    "SharedEnvironmentConfig": {
                        "FSxLustreConfig": {"SizeInGiB": 1200, "PerUnitStorageThroughput": 125},
                        "FSxLustreDeletionPolicy": "DeleteIfNotUsed",
                    }
                }
            },
        ),
        ({"tags": {"a": "b"}}, {"Tags": [{"Key": "SageMaker", "Value": "true"}, {"Key": "a", "Value": "b"}]}),
        ({"properties": {"AutoScaling": {"Mode": "Disable"}}}, {"AutoScaling": {"Mode": "Disable"}}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_each_field_of_the_cluster_sets_its_property(fields: dict[str, Any], properties: dict[str, Any]):
    assert cluster(**fields) == {**PLAIN, **properties}


def test_request_provisioning_leaves_the_mode_out():
    assert "NodeProvisioningMode" not in cluster(provisioning="Request")


# ---- all that CloudFormation takes, by its own schema ----

EVERYTHING = {
    "cluster_name": "mine",
    "autoscaling": {},
    "tiered_storage": {},
    "tags": {"a": "b"},
    "shared_environment": {"lustre_size_gib": 1200, "lustre_throughput": 125},
    "instance_groups": [
        {
            "name": "a",
            "instance_type": "ml.p5.48xlarge",
            "count": 2,
            "min_count": 1,
            "threads_per_core": 1,
            "capacity": "spot",
            "training_plan_arn": "arn:plan",
            "image_id": "ami-0123456789abcdef0",
            "image_release_version": "1.2.3",
            "network_interface": "efa",
            "deep_health_checks": ["InstanceStress"],
            "labels": {"a": "b"},
            "taints": [{"key": "k", "value": "v", "effect": "NoExecute"}],
            "root_volume": {"kms_key_arn": KEY},
            "volume": {"size_gib": 500, "kms_key_arn": KEY},
            "lustre": {"dns_name": "fs-1.fsx", "mount_name": "abc"},
            "open_zfs": {"dns_name": "fs-2.fsx"},
            "scheduled_update": {"schedule": "cron(0 3 ? * SUN *)", "deployment": DEPLOYMENT},
            "auto_patch": {"deployment": DEPLOYMENT},
        },
        {"name": "b", "instance_types": ["ml.p5.48xlarge"], "count": 2, "capacity": "on-demand"},
    ],
    "restricted_instance_groups": [
        {
            "name": "c",
            "instance_type": "ml.p5.48xlarge",
            "count": 2,
            "threads_per_core": 1,
            "training_plan_arn": "arn:plan",
            "deep_health_checks": ["InstanceStress"],
            "volume": {"size_gib": 500},
            "lustre_size_gib": 1200,
            "lustre_throughput": 125,
        }
    ],
}
OMITTED = {
    "/Orchestrator/Slurm": "another orchestrator",
    "/InstanceGroups/*/SlurmConfig": "another orchestrator",
    "/RestrictedInstanceGroups/*/InstanceStorageConfigs/*/EbsVolumeConfig/VolumeKmsKeyId": "refused for such groups",
    "/RestrictedInstanceGroups/*/InstanceStorageConfigs/*/EbsVolumeConfig/RootVolume": "is for its key alone",
    "/RestrictedInstanceGroups/*/InstanceStorageConfigs/*/FsxLustreConfig": "such a group has a file system of its own",
    "/RestrictedInstanceGroups/*/InstanceStorageConfigs/*/FsxOpenZfsConfig": "such a group has a file system of its own",
}


def _taken(schema: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[str]:
    """Paths of every value that a CloudFormation schema allows."""
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    inner = {
        name: property_
        for part in (node, *node.get("oneOf", ()))
        for name, property_ in part.get("properties", {}).items()
    }
    if "items" in node:
        yield from _taken(schema, node["items"], f"{path}/*")
    elif inner:
        for name, item in inner.items():
            yield from _taken(schema, item, f"{path}/{name}")
    else:
        yield path


def _set(value: Any, path: str) -> Iterator[str]:
    """Paths of every value in properties."""
    if isinstance(value, list):
        for item in value:
            yield from _set(item, f"{path}/*")
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _set(item, f"{path}/{name}")
    else:
        yield path


def everything() -> dict[str, Any]:
    """Properties of a cluster that uses every field."""
    spec = Cluster.model_validate(EVERYTHING)
    modes = [{"SourceS3Uri": "s3://b/p", "OnCreate": "a.sh"}, {"OnInitComplete": "b.sh"}, None]
    return cluster_properties(
        spec,
        eks_cluster_arn="arn:eks",
        subnet_ids=["subnet-1"],
        security_group_ids=["sg-1"],
        placements={g.name: PLACE._replace(lifecycle=m) for g, m in zip(spec.groups, modes, strict=True)},
        cluster_role_arn="arn:role",
    )


def test_every_property_of_cloudformation_is_set_by_a_field():
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-west-2", "AWS::SageMaker::Cluster").schema
    read_only = {path.removeprefix("/properties") for path in schema["readOnlyProperties"]}
    takes = set(_taken(schema, schema, "")) - read_only
    assert len(takes) > 60
    properties = everything()
    set_paths = {path.replace("/Labels/a", "/Labels") for path in _set(properties, "")}  # any key may be there
    assert set_paths <= takes
    missing = takes - set_paths
    assert {path for path in missing if not path.startswith(tuple(OMITTED))} == set()
    assert every(any(path.startswith(omitted) for path in missing) for omitted in OMITTED)


def test_an_escape_that_repeats_any_field_is_reported():
    properties = everything()
    ordinary = {name: 0 for group in properties["InstanceGroups"] for name in group}
    restricted = {name: 0 for group in properties["RestrictedInstanceGroups"] for name in group}
    fields = {"instance_type": "ml.p5.48xlarge", "count": 2}
    spec = Cluster(
        instance_groups=(InstanceGroup(name="a", properties=ordinary, **fields),),
        restricted_instance_groups=(RestrictedInstanceGroup(name="b", properties=restricted, **fields),),
        properties=dict.fromkeys(properties, 0),
    )
    found = [finding.message for finding in check(Context(cluster=spec)) if finding.rule == "HP335"]
    assert sum("overrides " in message for message in found) == len(properties) + len(ordinary) + len(restricted)


def test_an_escape_must_not_replace_values_that_resources_are_derived_from():
    for name in ("InstanceGroups", "Orchestrator", "VpcConfig"):
        (found,) = [
            finding for finding in check(Context(cluster=Cluster(properties={name: 7}))) if finding.rule == "HP335"
        ]
        assert (found.severity, found.path) == (Severity.ERROR, f"cluster.properties.{name}")
