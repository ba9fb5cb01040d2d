"""Overrides, tags and aspects of users on the HyperPod cluster."""

from __future__ import annotations

import jsii
import pytest
from aws_cdk import Aspects, IAspect, Tags
from aws_cdk import aws_sagemaker as sagemaker
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize

from hyperpod_constructs import Cluster, InstanceGroup

WORKERS = InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=4, availability_zone_id="usw2-az1")
MORE = InstanceGroup(name="more", instance_type="ml.m5.4xlarge", count=1)


@pytest.fixture(scope="module")
def visited_types() -> list[str]:
    return []


@pytest.fixture(scope="module")
def overridden(visited_types: list[str]) -> Synthesized:
    @jsii.implements(IAspect)
    class Look:
        def visit(self, node):
            if isinstance(node, sagemaker.CfnCluster):
                visited_types.append(node.node.path)

    def build(stack):
        spec = Cluster(instance_groups=(SYSTEM, WORKERS), tags={"team": "vision"}, properties={"GainedLater": {"A": 1}})
        cluster = make_cluster(stack, spec)
        cluster.resource.add_property_override("InstanceGroups.1.InstanceCount", 7)
        cluster.resource.add_property_override("InstanceGroups.0.GainedLater", "x")
        cluster.resource.add_property_override("NodeRecovery", "None")
        cluster.resource.add_property_deletion_override("InstanceGroups.0.LifeCycleConfig.OnCreate")
        cluster.add_instance_group(MORE)
        Tags.of(stack).add("cost-center", "42")
        Aspects.of(stack).add(Look())

    return synthesize(build)


def test_overrides_are_merged_also_when_a_group_is_added_after_them(overridden: Synthesized):
    properties = overridden.only("AWS::SageMaker::Cluster")
    groups = properties["InstanceGroups"]
    assert [(group["InstanceGroupName"], group["InstanceCount"]) for group in groups] == [
        ("system", 2),
        ("workers", 7),
        ("more", 1),
    ]
    assert groups[1]["InstanceType"] == "ml.p5.48xlarge"
    assert groups[0]["GainedLater"] == "x"
    assert set(groups[0]["LifeCycleConfig"]) == {"SourceS3Uri"}
    assert properties["NodeRecovery"] == "None"


def test_properties_that_cdk_does_not_know_yet_pass(overridden: Synthesized):
    assert overridden.only("AWS::SageMaker::Cluster")["GainedLater"] == {"A": 1}


def test_no_property_is_dropped_for_names_that_differ_in_case():
    """`FSxLustreConfig` of an environment and `FsxLustreConfig` of a mount are two properties."""
    lustre = {"dns_name": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com", "mount_name": "abcdefgh"}
    zfs = {"dns_name": "fs-0123456789abcdef1.fsx.us-west-2.amazonaws.com"}
    group = WORKERS.model_validate({**WORKERS.model_dump(exclude_unset=True), "lustre": lustre, "open_zfs": zfs})
    spec = Cluster(instance_groups=(SYSTEM, group))
    synthesized = synthesize(lambda stack: make_cluster(stack, spec) and None)
    storage = synthesized.only("AWS::SageMaker::Cluster")["InstanceGroups"][1]["InstanceStorageConfigs"]
    assert {"FsxLustreConfig": {"DnsName": lustre["dns_name"], "MountName": "abcdefgh", "MountPath": "/fsx"}} in storage
    assert {"FsxOpenZfsConfig": {"DnsName": zfs["dns_name"], "MountPath": "/home"}} in storage


def test_tags_of_the_app_reach_the_cluster(overridden: Synthesized):
    tags = {tag["Key"]: tag["Value"] for tag in overridden.only("AWS::SageMaker::Cluster")["Tags"]}
    assert tags == {"SageMaker": "true", "team": "vision", "cost-center": "42"}


def test_aspects_see_the_l1(overridden: Synthesized, visited_types: list[str]):
    assert overridden.template
    assert [path.rpartition("/")[2] for path in visited_types] == ["Resource"]
