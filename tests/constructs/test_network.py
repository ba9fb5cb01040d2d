"""The network: the resources of each option, and an existing network, which is not changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Stack
from platform_parts import ZONES, Synthesized, synthesize

from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.core.spec import Network


def network(**options: Any) -> Synthesized:
    spec = Network.model_validate({"availability_zone_ids": ZONES, **options})
    return synthesize(lambda stack: HyperPodNetwork(stack, "Network", network=spec) and None)


@pytest.fixture(scope="module")
def default() -> Synthesized:
    return network()


def existing(**options: Any) -> Synthesized:
    subnets = [
        {
            "subnet_id": f"subnet-0123456789abcdef{i}",
            "availability_zone_id": zone,
            "route_table_id": "rtb-0123456789abcdef0",
        }
        for i, zone in enumerate(ZONES)
    ]
    existing_network = {"vpc_id": "vpc-0123456789abcdef0", "node_subnets": subnets, **options.pop("brought", {})}
    return network(availability_zone_ids=(), existing=existing_network, **options)


def service(endpoint: dict[str, Any]) -> str:
    name = endpoint["ServiceName"]
    return name["Fn::Join"][1][-1] if isinstance(name, dict) else name.rpartition("us-west-2.")[2]


def test_each_zone_has_a_large_node_subnet_a_small_control_plane_subnet_and_a_public_one(default: Synthesized):
    subnets = list(default.of("AWS::EC2::Subnet").values())
    sizes = sorted((s["AvailabilityZoneId"], int(s["CidrBlock"].rpartition("/")[2])) for s in subnets)
    assert sizes == [(zone, size) for zone in ZONES for size in (16, 24, 28)]


def test_load_balancers_find_their_subnets_by_tag(default: Synthesized):
    tags = {n: json.dumps(s["Tags"]) for n, s in default.of("AWS::EC2::Subnet").items()}
    internal = {name for name, tag in tags.items() if "role/internal-elb" in tag}
    public = {name for name, tag in tags.items() if "role/elb" in tag}
    assert internal == {name for name in tags if "Node" in name}
    assert public == {name for name in tags if "Public" in name}
    assert len(internal) == len(public) == len(ZONES)


def test_a_subnet_of_a_secondary_range_waits_for_the_range(default: Synthesized):
    blocks = {properties["CidrBlock"]: name for name, properties in default.of("AWS::EC2::VPCCidrBlock").items()}
    assert len(blocks) == len(ZONES)
    subnets = [body for body in default.template["Resources"].values() if body["Type"] == "AWS::EC2::Subnet"]
    for subnet in subnets:  # a subnet in the VPC's first CIDR depends on no block
        block = blocks.get(subnet["Properties"]["CidrBlock"])
        assert subnet.get("DependsOn") == ([block] if block else None)


def test_the_public_route_waits_for_the_gateways_attachment(default: Synthesized):
    (attachment,) = default.of("AWS::EC2::VPCGatewayAttachment")
    routes = [r for r in default.template["Resources"].values() if r["Type"] == "AWS::EC2::Route"]
    public = next(r for r in routes if "GatewayId" in r["Properties"])
    assert attachment in public["DependsOn"]


def test_nat_gateways_wait_for_the_route_to_the_internet():
    template = network(nat="per-zone")
    (public,) = [name for name, route in template.of("AWS::EC2::Route").items() if "GatewayId" in route]
    found = [r for r in template.template["Resources"].values() if r["Type"] == "AWS::EC2::NatGateway"]
    assert [gateway["DependsOn"] for gateway in found] == [[public], [public]]


@pytest.mark.parametrize(("nat", "gateways", "routes"), [("single", 1, 2), ("per-zone", 2, 2), ("none", 0, 0)])
def test_nat(nat: str, gateways: int, routes: int):
    template = network(nat=nat)
    assert len(template.of("AWS::EC2::NatGateway")) == gateways
    private = [r for r in template.of("AWS::EC2::Route").values() if "NatGatewayId" in r]
    assert len(private) == routes
    assert len({json.dumps(r["NatGatewayId"]) for r in private}) == gateways


def test_node_ranges_can_be_chosen():
    template = network(node_cidrs=["10.192.128.0/18", "10.192.192.0/18"])
    assert not template.of("AWS::EC2::VPCCidrBlock")
    ranges = {s["CidrBlock"] for n, s in template.of("AWS::EC2::Subnet").items() if "Node" in n}
    assert ranges == {"10.192.128.0/18", "10.192.192.0/18"}


def test_interface_endpoints_are_in_the_node_subnets_and_allow_https():
    template = network(interface_endpoints=["ecr.api", "sts"])
    interfaces = [e for e in template.of("AWS::EC2::VPCEndpoint").values() if e["VpcEndpointType"] == "Interface"]
    assert {service(e) for e in interfaces} == {"ecr.api", "sts"}
    assert [(len(e["SubnetIds"]), e["PrivateDnsEnabled"]) for e in interfaces] == [(2, True), (2, True)]
    ingress_rules = [r for r in template.of("AWS::EC2::SecurityGroupIngress").values() if r.get("FromPort") == 443]
    assert {r["CidrIp"] for r in ingress_rules} == {"10.192.0.0/16", "10.1.0.0/16", "10.2.0.0/16"}


def test_flow_logs_are_written_on_request(default: Synthesized):
    assert not default.of("AWS::EC2::FlowLog")
    assert network(flow_logs=True).only("AWS::EC2::FlowLog")["TrafficType"] == "ALL"


def test_an_existing_network_only_gets_a_security_group():
    template = existing()
    types = {r["Type"] for r in template.template["Resources"].values()}
    assert types == {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SecurityGroupEgress",
    }
    group = template.only("AWS::EC2::SecurityGroup")
    assert group["VpcId"] == "vpc-0123456789abcdef0"


def test_an_existing_network_with_its_security_group_gets_nothing():
    assert not existing(brought={"security_group_id": "sg-0123456789abcdef0"}).template.get("Resources")


def test_an_existing_network_gets_the_requested_endpoints():
    template = existing(interface_endpoints=["s3", "eks-auth"], brought={"vpc_cidrs": ["10.0.0.0/16"]})
    endpoints = {service(e): e for e in template.of("AWS::EC2::VPCEndpoint").values()}
    assert endpoints["s3"]["RouteTableIds"] == ["rtb-0123456789abcdef0"]
    assert endpoints["eks-auth"]["SubnetIds"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    assert {name: e["VpcId"] for name, e in endpoints.items()} == dict.fromkeys(
        ("s3", "eks-auth"), "vpc-0123456789abcdef0"
    )


def test_endpoints_of_a_network_without_known_cidrs_admit_the_nodes():
    template = existing(interface_endpoints=["eks-auth"], brought={"security_group_id": "sg-0123456789abcdef0"})
    (rule,) = template.of("AWS::EC2::SecurityGroupIngress").values()
    assert rule["SourceSecurityGroupId"] == "sg-0123456789abcdef0"


@pytest.mark.parametrize("with_route_tables", [True, False])
def test_subnets_of_an_existing_network_have_their_route_table_without_a_warning(with_route_tables: bool):
    table = {"route_table_id": "rtb-0123456789abcdef0"} if with_route_tables else {}
    subnets = [
        {"subnet_id": f"subnet-0123456789abcdef{i}", "availability_zone_id": zone, **table}
        for i, zone in enumerate(ZONES)
    ]
    spec = Network.model_validate({"existing": {"vpc_id": "vpc-0123456789abcdef0", "node_subnets": subnets}})
    stack = Stack(App(context=cdk_context() | UNCOPIED), "Test")
    network = HyperPodNetwork(stack, "Network", network=spec)
    if with_route_tables:
        assert network.node_subnets["usw2-az2"].route_table.route_table_id == "rtb-0123456789abcdef0"
    warnings = [
        entry.data
        for construct in network.node.find_all()
        for entry in construct.node.metadata
        if "warning" in entry.type
    ]
    assert not [text for text in warnings if "routeTableId" in text]
