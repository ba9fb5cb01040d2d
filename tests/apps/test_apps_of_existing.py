"""Existing resources of consumers: a VPC (looked up, imported or created), EKS clusters of each kind, roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks_v1
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template
from aws_cdk.lambda_layer_kubectl_v35 import KubectlV35Layer
from consumer import ACCOUNT, ENV, app, groups
from proving import every

from hyperpod_constructs import (
    Eks,
    EksClusterAttributes,
    ExistingNetwork,
    HyperPodCluster,
    HyperPodEks,
    HyperPodNetwork,
    Network,
    NodeSubnet,
    TrainingOperatorAddon,
)

pytestmark = pytest.mark.slow

VPC_ID = "vpc-0aaaaaaaaaaaaaaaa"
LOOKED_UP = {
    f"vpc-provider:account={ACCOUNT}:filter.vpc-id={VPC_ID}:region=us-west-2:returnAsymmetricSubnets=true": {
        "vpcId": VPC_ID,
        "vpcCidrBlock": "10.0.0.0/16",
        "ownerAccountId": ACCOUNT,
        "availabilityZones": [],
        "subnetGroups": [
            {
                "name": "Private",
                "type": "Private",
                "subnets": [
                    {
                        "subnetId": f"subnet-0000000000000000{letter}",
                        "cidr": f"10.0.{64 * index}.0/18",
                        "availabilityZone": f"us-west-2{letter}",
                        "routeTableId": f"rtb-0000000000000000{letter}",
                    }
                    for index, letter in enumerate("ab")
                ],
            }
        ],
    }
}
SHARED = EksClusterAttributes(
    cluster_name="shared", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35"
)


def subnets(template: Template) -> list[str]:
    """The subnets of the cluster's VpcConfig, as texts."""
    (found,) = template.find_resources("AWS::SageMaker::Cluster").values()
    return [json.dumps(item) for item in found["Properties"]["VpcConfig"]["Subnets"]]


# ---- 30: a VPC by look-up, with its answer and before it ----


def test_a_vpc_by_look_up() -> None:
    stack = Stack(app(**LOOKED_UP), "Research", env=ENV)
    vpc = ec2.Vpc.from_lookup(stack, "Vpc", vpc_id=VPC_ID)
    HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=SHARED, instance_groups=groups())
    template = Template.from_stack(stack)
    assert subnets(template) == ['"subnet-0000000000000000a"', '"subnet-0000000000000000b"']
    template.resource_count_is("AWS::EC2::VPC", 0)
    template.resource_count_is("AWS::EKS::Cluster", 0)


def test_an_unanswered_look_up_is_requested_by_cdk() -> None:
    scope = app()
    stack = Stack(scope, "Research", env=ENV)
    vpc = ec2.Vpc.from_lookup(stack, "Vpc", vpc_id=VPC_ID)
    HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=SHARED, instance_groups=groups())
    manifest = json.loads((Path(scope.synth().directory) / "manifest.json").read_text())
    assert [item["key"] for item in manifest["missing"]] == [*LOOKED_UP]


NETWORKS = {
    "zones": lambda stack, vpc: HyperPodNetwork.from_vpc(stack, "Network", vpc=vpc, zones=["usw2-az1", "usw2-az2"]),
    "node_subnets": lambda stack, vpc: HyperPodNetwork.from_vpc(
        stack,
        "Network",
        vpc=vpc,
        node_subnets=dict(zip(["usw2-az1", "usw2-az2"], vpc.private_subnets, strict=True)),
        control_plane_subnets=vpc.private_subnets,
    ),
    "spec": lambda stack, vpc: HyperPodNetwork(
        stack,
        "Network",
        network=Network(
            existing=ExistingNetwork(
                vpc_id=vpc.vpc_id,
                node_subnets=[
                    NodeSubnet(subnet_id=subnet.subnet_id, availability_zone_id=zone)
                    for subnet, zone in zip(vpc.private_subnets, ["usw2-az1", "usw2-az2"], strict=True)
                ],
            )
        ),
    ),
}


@pytest.mark.parametrize("make", NETWORKS)
def test_the_ids_that_cdk_has_before_the_look_up_are_no_errors(make: str) -> None:
    stack = Stack(app(), "Research", env=ENV)
    network = NETWORKS[make](stack, ec2.Vpc.from_lookup(stack, "Vpc", vpc_id=VPC_ID))
    eks = HyperPodEks(stack, "Eks", network=network, admins=[f"arn:aws:iam::{ACCOUNT}:role/Admin"])
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups())
    assert [text for construct in stack.node.find_all() for text in construct.node.validate()] == []


# ---- 31: subnets whose zones are known ----


def test_the_subnet_of_each_zone_is_reported() -> None:
    stack = Stack(app(**LOOKED_UP), "Research", env=ENV)
    vpc = ec2.Vpc.from_lookup(stack, "Vpc", vpc_id=VPC_ID)
    by_zone = dict(zip(["usw2-az1", "usw2-az2"], vpc.private_subnets, strict=True))
    HyperPodCluster(
        stack, "HyperPod", vpc=vpc, node_subnets=by_zone, eks_cluster=SHARED, instance_groups=groups("usw2-az2")
    )
    override = {"OverrideVpcConfig": Match.object_like({"Subnets": ["subnet-0000000000000000b"]})}
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Cluster", {"InstanceGroups": Match.array_with([Match.object_like(override)])}
    )


# ---- 32: a VPC of the app, with a new EKS cluster of the library's in it ----


def test_a_new_eks_cluster_in_a_vpc_of_the_app() -> None:
    stack = Stack(app(), "Research", env=ENV)
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
    existing = ExistingNetwork(
        vpc_id=vpc.vpc_id,
        node_subnets=[
            NodeSubnet(subnet_id=s.subnet_id, availability_zone_id=zone, route_table_id=s.route_table.route_table_id)
            for s, zone in zip(vpc.private_subnets, ["usw2-az1", "usw2-az2"], strict=True)
        ],
    )
    network = HyperPodNetwork(stack, "Network", network=Network(existing=existing))
    eks = HyperPodEks(stack, "Eks", network=network, eks=Eks())
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups())
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::EC2::VPC", 1)
    template.resource_count_is("AWS::EKS::Cluster", 1)
    assert every("VpcPrivateSubnet" in item for item in subnets(template))


# ---- 33: a VPC that another stack exports ----


def test_a_vpc_by_the_exports_of_another_stack() -> None:
    stack = Stack(app(), "Research", env=ENV)
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id=Fn.import_value("vpc"),
        availability_zones=["us-west-2a", "us-west-2b"],
        private_subnet_ids=[Fn.import_value("subnet-a"), Fn.import_value("subnet-b")],
        private_subnet_route_table_ids=[Fn.import_value("routes-a"), Fn.import_value("routes-b")],
    )
    HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=SHARED, instance_groups=groups()[:1])
    assert subnets(Template.from_stack(stack)) == [
        '{"Fn::ImportValue": "subnet-a"}',
        '{"Fn::ImportValue": "subnet-b"}',
    ]


# ---- 34, 35: EKS clusters of both modules, public and private ----


def eks_of(kind: str, stack: Stack, vpc: ec2.IVpc) -> eks_v1.ICluster | eks_v2.ICluster | EksClusterAttributes:
    """An EKS cluster of a kind."""
    if kind == "v1, private":
        return eks_v1.Cluster(  # type: ignore[return-value]  # CDK's stubs: a Cluster lacks a member of ICluster
            stack,
            "Eks",
            version=eks_v1.KubernetesVersion.of("1.35"),
            vpc=vpc,
            default_capacity=0,
            kubectl_layer=KubectlV35Layer(stack, "Kubectl"),
            endpoint_access=eks_v1.EndpointAccess.PRIVATE,
            authentication_mode=eks_v1.AuthenticationMode.API,
        )
    if kind == "v2":
        return eks_v2.Cluster(  # type: ignore[return-value]
            stack,
            "Eks",
            version=eks_v2.KubernetesVersion.of("1.35"),
            vpc=vpc,
            default_capacity_type=eks_v2.DefaultCapacityType.NODEGROUP,
            default_capacity=0,
        )
    if kind == "v2, imported":
        return eks_v2.Cluster.from_cluster_attributes(
            stack, "Eks", cluster_name="shared", vpc=vpc, cluster_security_group_id="sg-0123456789abcdef0"
        )
    return SHARED


@pytest.mark.parametrize("kind", ["v1, private", "v2", "v2, imported", "attributes"])
def test_an_eks_cluster_of_each_kind(kind: str) -> None:
    stack = Stack(app(), "Research", env=ENV)
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
    cluster = HyperPodCluster(
        stack,
        "HyperPod",
        vpc=vpc,
        eks_cluster=eks_of(kind, stack, vpc),
        handler_subnets=vpc.private_subnets if "private" in kind else [],
        instance_groups=groups()[:1],
    )
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    template = Template.from_stack(stack)
    (found,) = template.find_resources("AWS::SageMaker::Cluster").values()
    assert "cluster" in json.dumps(found["Properties"]["Orchestrator"]).lower()
    (operator,) = template.find_resources(
        "AWS::EKS::Addon", {"Properties": {"AddonName": "amazon-sagemaker-hyperpod-training-operator"}}
    ).values()
    assert any("NodesReady" in name for name in operator["DependsOn"])
    functions = template.find_resources("AWS::Lambda::Function")
    eks_functions = [function for name, function in functions.items() if name.startswith("HyperPodEks")]
    assert any("VpcConfig" in resource["Properties"] for resource in eks_functions) == ("private" in kind)


# ---- 36: a role and a security group of the organization ----


def test_nodes_with_a_role_of_the_organization() -> None:
    stack = Stack(app(**LOOKED_UP), "Research", env=ENV)
    vpc = ec2.Vpc.from_lookup(stack, "Vpc", vpc_id=VPC_ID)
    HyperPodCluster(
        stack,
        "HyperPod",
        vpc=vpc,
        eks_cluster=SHARED,
        instance_groups=groups()[:1],
        execution_role=iam.Role.from_role_arn(stack, "Nodes", f"arn:aws:iam::{ACCOUNT}:role/Nodes"),
        security_group=ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-0123456789abcdef1"),
    )
    template = Template.from_stack(stack)
    group = {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/Nodes"}
    template.has_resource_properties("AWS::SageMaker::Cluster", {"InstanceGroups": [Match.object_like(group)]})
    assert not [n for n in template.find_resources("AWS::EC2::SecurityGroup") if "NodeSecurityGroup" in n]
