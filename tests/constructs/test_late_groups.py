"""Groups that are added after a file system or a team decide where the one lies and what the other may do."""

from __future__ import annotations

import json

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack, assertions
from aws_cdk import aws_ec2 as ec2
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize

from hyperpod_constructs import (
    Cluster,
    EksClusterAttributes,
    HyperPodCluster,
    HyperPodFileSystem,
    HyperPodTeam,
    InstanceGroup,
    LustreFileSystem,
    QuotaResource,
    Team,
)
from hyperpod_constructs.assembly.synth import cdk_context

GPU = InstanceGroup(
    name="gpu",
    instance_type="ml.p5.48xlarge",
    count=2,
    availability_zone_id="usw2-az2",
    taints=({"key": "research", "effect": "NoSchedule"},),
)
TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.p5.48xlarge", count=2)])
each_order = pytest.mark.parametrize("last", [True, False])


def made(*, last: bool) -> Synthesized:
    """A file system and a team, before or after the accelerated group."""

    def build(stack: Stack) -> None:
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,)))
        if not last:
            cluster.add_instance_group(GPU)
        HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
        HyperPodTeam(stack, "Vision", cluster=cluster, team=TEAM)
        if last:
            cluster.add_instance_group(GPU)

    return synthesize(build)


@each_order
def test_the_file_system_is_in_the_zone_of_the_accelerated_group(last: bool) -> None:
    found = made(last=last)
    system = found.one("AWS::FSx::FileSystem")
    (gpu,) = (g for g in found.one("AWS::SageMaker::Cluster")["InstanceGroups"] if g["InstanceGroupName"] == "gpu")
    assert system["SubnetIds"] == gpu["OverrideVpcConfig"]["Subnets"]
    (guarded,) = found.one("Custom::HyperPodClusterGuard")["FileSystems"]
    assert [guarded["SubnetId"]] == system["SubnetIds"]


@each_order
def test_a_team_may_tolerate_the_taints_of_its_groups_and_is_kept_off_the_system_nodes(last: bool) -> None:
    (manifest,) = (
        json.loads(properties["Manifest"])
        for name, properties in made(last=last).of("Custom::HyperPodKubernetesObjects").items()
        if "Isolation" in name
    )
    rules = {rule["message"].partition(": ")[2]: rule["expression"] for rule in manifest[0]["spec"]["validations"]}
    (tolerations,) = (text for message, text in rules.items() if message.startswith("pods may tolerate only"))
    assert '"research"' in tolerations
    assert any("must not run on nodes of the group system" in message for message in rules)


def test_the_templates_of_both_orders_have_the_same_resources() -> None:
    first, second = made(last=True), made(last=False)
    assert sorted(first.template["Resources"]) == sorted(second.template["Resources"])


def test_in_a_vpc_whose_zones_are_looked_up_the_subnet_is_that_of_the_group() -> None:
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region="us-west-2"))
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-west-2a", "us-west-2b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )
    eks = EksClusterAttributes(cluster_name="mine", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35")
    cluster = HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM])
    HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
    cluster.add_instance_group(GPU)
    found = Synthesized(assertions.Template.from_stack(stack).to_json())
    (subnet,) = found.one("AWS::FSx::FileSystem")["SubnetIds"]
    name, attribute = subnet["Fn::GetAtt"]
    assert attribute == "Subnets.0.SubnetId"
    assert name in found.template["Resources"]
