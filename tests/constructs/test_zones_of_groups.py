"""A zone outside the network is reported by a rule; a zone that is known only at deployment is looked up."""

from __future__ import annotations

import pytest
from assembly import UNCOPIED
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from platform_parts import SYSTEM, ZONES, synthesize, vpc_by_attributes

from hyperpod_constructs import (
    EksClusterAttributes,
    HyperPodCluster,
    HyperPodEks,
    HyperPodNetwork,
    InstanceGroup,
    Network,
)
from hyperpod_constructs.assembly.synth import cdk_context

pytestmark = pytest.mark.slow

THERE = EksClusterAttributes(cluster_name="mine", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35")


def group(zone: str) -> InstanceGroup:
    return InstanceGroup(name="gpu", instance_type="ml.g5.8xlarge", count=2, availability_zone_id=zone)


def refusal(build) -> str:
    app = App(context=cdk_context() | UNCOPIED)
    stack = Stack(app, "Test", env=Environment(account="222233334444", region="us-west-2"))
    build(stack)
    with pytest.raises(RuntimeError) as error:
        app.synth()
    return str(error.value)


def in_our_network(zone: str):
    def build(stack):
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
        eks = HyperPodEks(stack, "Eks", network=network)
        HyperPodCluster(stack, "H", vpc=network, eks_cluster=eks, instance_groups=[SYSTEM, group(zone)])

    return build


def in_subnets(zone: str, *subnet_ids: str):
    def build(stack):
        vpc = vpc_by_attributes(stack)
        subnets = dict(zip(subnet_ids, vpc.private_subnets, strict=False))
        HyperPodCluster(
            stack, "H", vpc=vpc, node_subnets=subnets, eks_cluster=THERE, instance_groups=[SYSTEM, group(zone)]
        )

    return build


@pytest.mark.parametrize(
    ("build", "finding"),
    [
        (
            in_our_network("usw2-az3"),
            "error HP311 cluster.instance_groups[1].availability_zone_id: 'usw2-az3' is not a zone of the network; the "
            "network's zones are usw2-az1, usw2-az2",
        ),
        (
            in_our_network("us-west-2a"),
            "error HP112 cluster.instance_groups[1].availability_zone_id: 'us-west-2a' is a zone name, not a zone id such "
            "as usw2-az1",
        ),
        (
            in_subnets("usw2-az1", "usw2-az2"),
            "error HP311 cluster.instance_groups[1].availability_zone_id: 'usw2-az1' is not a zone of the network; the "
            "network's zones are usw2-az2",
        ),
        (
            in_subnets("usw2-az1", "us-west-2a", "us-west-2b"),
            "error HP112 network.existing.node_subnets[0].availability_zone_id: 'us-west-2a' is a zone name, not a zone id "
            "such as usw2-az1",
        ),
        (
            in_subnets("us-west-2b"),
            "error HP112 cluster.instance_groups[1].availability_zone_id: 'us-west-2b' is a zone name, not a zone id such "
            "as usw2-az1",
        ),
    ],
    ids=["unknown zone", "zone name", "subnets of other zones", "subnets by zone names", "zone name in any VPC"],
)
def test_a_zone_without_a_subnet_is_a_finding(build, finding: str):
    assert finding in refusal(build)


def test_a_zone_that_is_added_later_is_checked_too():
    def build(stack):
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
        eks = HyperPodEks(stack, "Eks", network=network)
        cluster = HyperPodCluster(stack, "H", vpc=network, eks_cluster=eks, instance_groups=[SYSTEM])
        cluster.add_instance_group(group("usw2-az4"))

    assert "error HP311 cluster.instance_groups[1].availability_zone_id" in refusal(build)


@pytest.mark.parametrize("of_ours", [True, False])
def test_a_parameter_for_the_zone_is_looked_up_among_the_subnets(of_ours: bool):
    ids = []

    def build(stack):
        for index in range(len(ids)):
            _ = CfnParameter(stack, f"Unrelated{index}").value_as_string  # other tokens before
        zone = CfnParameter(stack, "Zone").value_as_string
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
        eks = HyperPodEks(stack, "Eks", network=network)
        vpc = network if of_ours else ec2.Vpc(stack, "Vpc", max_azs=2)
        HyperPodCluster(stack, "H", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM, group(zone)])

    for _ in range(2):
        synthesized = synthesize(build)
        (lookup,) = synthesized.of("Custom::AWS")
        ids.append(lookup)
        groups = synthesized.only("AWS::SageMaker::Cluster")["InstanceGroups"]
        assert groups[1]["OverrideVpcConfig"]["Subnets"] == [{"Fn::GetAtt": [lookup, "Subnets.0.SubnetId"]}]
    assert ids[0] == ids[1]


def test_a_parameter_for_the_name_of_a_group_makes_no_id():
    def build(stack):
        name = CfnParameter(stack, "Name").value_as_string
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
        eks = HyperPodEks(stack, "Eks", network=network)
        groups = [SYSTEM, InstanceGroup(name=name, instance_type="ml.g5.8xlarge", count=2)]
        HyperPodCluster(stack, "H", vpc=network, eks_cluster=eks, instance_groups=groups)

    groups = synthesize(build).only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert groups[1]["InstanceGroupName"] == {"Ref": "Name"}


def test_an_isolated_vpc_is_used_and_a_public_one_is_rejected():
    def isolated(stack):
        vpc = _vpc(stack, ec2.SubnetType.PRIVATE_ISOLATED)
        HyperPodCluster(stack, "H", vpc=vpc, eks_cluster=THERE, instance_groups=[SYSTEM])

    subnets = synthesize(isolated).only("AWS::SageMaker::Cluster")["VpcConfig"]["Subnets"]
    assert [next(iter(subnet)) for subnet in subnets] == ["Ref", "Ref"]
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    with pytest.raises(ValueError, match="Test/H: vpc has no private subnets, and HyperPod nodes cannot run in public"):
        HyperPodCluster(stack, "H", vpc=_vpc(stack, ec2.SubnetType.PUBLIC), eks_cluster=THERE, instance_groups=[SYSTEM])


def _vpc(stack, kind):
    subnets = [ec2.SubnetConfiguration(name="a", subnet_type=kind)]
    return ec2.Vpc(stack, "Vpc", nat_gateways=0, max_azs=2, subnet_configuration=subnets)
