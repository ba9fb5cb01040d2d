"""Existing networks of a config, and the endpoints in them."""

from __future__ import annotations

import pytest
from accounts import (
    REGION,
    S3_ROUTE,
    finding_of,
    group,
    has_clusters,
    has_network,
    has_stacks,
    hyperpod,
    ids,
    look,
    stack,
    subnet,
    table,
)
from preflight_platforms import existing_platform, workers

PUBLIC = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}
BLACKHOLE = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole"}
A, B = subnet("subnet-a", "usw2-az1"), subnet("subnet-b", "usw2-az2")


@pytest.mark.parametrize(
    ("rule", "network", "path", "text"),
    [
        ("HP930", {"subnets": [A]}, "network.existing.node_subnets[1]", "subnet subnet-b does not exist in us-west-2"),
        (
            "HP931",
            {"subnets": [A, {**B, "VpcId": "vpc-2"}]},
            "network.existing.node_subnets[1]",
            "in vpc-2, not in vpc-1",
        ),
        (
            "HP931",
            {"subnets": [A, {**B, "AvailabilityZoneId": "usw2-az3"}]},
            "network.existing.node_subnets[1].availability_zone_id",
            "subnet-b is in usw2-az3, not in usw2-az2",
        ),
        # 4 workers and one that is being replaced, 81 addresses each
        (
            "HP932",
            {"subnets": [A, {**B, "AvailableIpAddressCount": 400}]},
            "network.existing.node_subnets[1]",
            "subnet-b has 400 free IP addresses, but the nodes use up to 405 (workers 5 x 81)",
        ),
        ("HP930", {"groups": []}, "network.existing.security_group_id", "security group sg-nodes does not exist"),
        ("HP931", {"groups": [group("sg-nodes", VpcId="vpc-2")]}, "network.existing.security_group_id", "not in vpc-1"),
        (
            "HP935",
            {"groups": [group("sg-nodes", IpPermissions=[])]},
            "network.existing.security_group_id",
            "sg-nodes has no ingress rule for all traffic from itself",
        ),
        (
            "HP935",
            {
                "groups": [
                    group("sg-nodes", IpPermissionsEgress=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
                ]
            },
            "network.existing.security_group_id",
            "a rule for 0.0.0.0/0 does not apply to EFA",
        ),
    ],
)
def test_network(aws, rule, network, path, text):
    has_network(aws, **network)
    finding = finding_of(look(aws, existing_platform()), rule)
    assert finding.path == path
    assert text in finding.message


def test_subnets_of_the_control_plane_in_one_zone(aws):
    has_network(aws, subnets=[A, {**B, "AvailabilityZoneId": "usw2-az1"}])
    platform = existing_platform(eks={"kubernetes_version": "1.35"})
    found = {finding.path: finding.message for finding in look(aws, platform) if finding.rule == "HP931"}
    assert found["network.existing.control_plane_subnet_ids"] == (
        "the subnets of the control plane are in usw2-az1 only; EKS requires two zones"
    )


def test_nodes_that_exist_have_their_addresses(aws):
    has_network(aws, subnets=[A, {**B, "AvailableIpAddressCount": 100}])
    own_cluster = hyperpod("ours", [{"InstanceType": "ml.p5.48xlarge", "CurrentCount": 4, "TargetCount": 4}])
    has_clusters(aws, own_cluster)
    has_stacks(aws, stack("research-HyperPod"), resources={"research-HyperPod": {"ours": "AWS::SageMaker::Cluster"}})
    assert "HP932" not in ids(look(aws, existing_platform()))


def test_a_live_node_counts_for_one_group_only(aws):
    """Two groups of a type, each with 4 nodes and a replacement, 4 live: 6 more nodes require 81 addresses each."""
    has_network(aws, subnets=[A, {**B, "AvailableIpAddressCount": 200}])
    own_cluster = hyperpod("ours", [{"InstanceType": "ml.p5.48xlarge", "CurrentCount": 4, "TargetCount": 4}])
    has_clusters(aws, own_cluster)
    has_stacks(aws, stack("research-HyperPod"), resources={"research-HyperPod": {"ours": "AWS::SageMaker::Cluster"}})
    cluster = workers()
    cluster["instance_groups"].append({**cluster["instance_groups"][1], "name": "more"})
    finding = finding_of(look(aws, existing_platform(cluster=cluster)), "HP932")
    assert "200 free IP addresses, but the nodes use up to 486 (workers 1 x 81, more 5 x 81)" in finding.message


def test_endpoints_of_a_closed_network_depend_on_the_features_in_use(aws):
    """Encrypted volumes need `kms`, file systems that groups mount need `fsx`."""
    has_network(aws)
    aws.on("ec2", "DescribeRouteTables", table())
    key = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"
    aws.fail("kms", "DescribeKey", "NotFoundException")
    aws.fail("kms", "GetKeyPolicy", "NotFoundException")
    mount = {"dns_name": "fs-1.fsx.us-west-2.amazonaws.com", "mount_name": "abcd"}
    changes = {"volume": {"size_gib": 500, "kms_key_arn": key}, "lustre": mount}
    found = [f for f in look(aws, existing_platform(cluster=workers(**changes))) if f.rule == "HP934"]
    services = {f.message.split()[3].rpartition(".")[2] for f in found}
    assert {"kms", "fsx"} <= services
    assert "sqs" not in services


def test_a_vpc_that_does_not_exist(aws):
    aws.on("ec2", "DescribeVpcs", {"Vpcs": []})
    assert finding_of(look(aws, existing_platform()), "HP930").path == "network.existing.vpc_id"


def test_a_vpc_without_dns(aws):
    aws.on(
        "ec2",
        "DescribeVpcAttribute",
        lambda request: {
            request["Attribute"][0].upper() + request["Attribute"][1:]: {
                "Value": request["Attribute"] != "enableDnsHostnames"
            }
        },
    )
    assert finding_of(look(aws, existing_platform()), "HP936").message == "DNS hostnames is disabled in vpc-1"


def test_public_subnets(aws):
    aws.on("ec2", "DescribeRouteTables", table(PUBLIC))
    found = [f for f in look(aws, existing_platform()) if f.rule == "HP933"]
    assert [f.path for f in found] == ["network.existing.node_subnets[0]", "network.existing.node_subnets[1]"]
    assert found[0].message == "subnet-a is public: rtb-1 routes 0.0.0.0/0 to igw-1"


def test_a_blackhole_route_is_reported(aws):
    aws.on("ec2", "DescribeRouteTables", table(BLACKHOLE))
    assert "blackhole" in next(f for f in look(aws, existing_platform()) if f.rule == "HP933").message


def endpoint(service: str, **overrides):
    return {
        "VpcEndpointId": f"vpce-{service}",
        "VpcEndpointType": "Interface",
        "ServiceName": f"com.amazonaws.{REGION}.{service}",
        "State": "available",
        "PrivateDnsEnabled": True,
        "Groups": [{"GroupId": "sg-endpoints", "GroupName": "endpoints"}],
        **overrides,
    }


BASE = [
    *("ec2", "ecr.api", "ecr.dkr", "sts", "eks-auth", "logs", "monitoring"),
    *("ssm", "ssmmessages", "ec2messages", "eks", "sagemaker.api"),
]
ADMITTING = {
    "GroupId": "sg-endpoints",
    "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": "sg-nodes"}]}
    ],
}


def closed(aws, services, *, groups=(ADMITTING,), routes=(S3_ROUTE,), **extra):
    has_network(aws, groups=[group("sg-nodes"), *groups])
    aws.on("ec2", "DescribeRouteTables", table(*routes))
    aws.on("ec2", "DescribeVpcEndpoints", {"VpcEndpoints": [endpoint(name, **extra) for name in services]})


def test_a_closed_network_with_all_its_endpoints(aws):
    closed(aws, BASE)
    assert ids(look(aws, existing_platform())) == ["HP947"]


def test_a_closed_network_that_lacks_an_endpoint(aws):
    closed(aws, [name for name in BASE if name != "ecr.dkr"])
    finding = finding_of(look(aws, existing_platform()), "HP934")
    assert "no endpoint of com.amazonaws.us-west-2.ecr.dkr" in finding.message
    assert finding.cure == "Add ecr.dkr to network.interface_endpoints."


def test_a_closed_network_that_cannot_reach_s3(aws):
    closed(aws, BASE, routes=())
    found = [f for f in look(aws, existing_platform()) if f.rule == "HP933"]
    assert found[0].message == "subnet-a has access to neither the internet nor S3: rtb-1 has no route to either"


def test_endpoints_that_do_not_allow_traffic_from_nodes(aws):
    closed(aws, BASE, groups=[{"GroupId": "sg-endpoints", "IpPermissions": []}])
    found = [f for f in look(aws, existing_platform()) if f.rule == "HP934"]
    assert len(found) == len(BASE)
    assert "does not allow sg-nodes on port 443" in found[0].message


def test_endpoints_without_private_names(aws):
    closed(aws, BASE, PrivateDnsEnabled=False)
    assert "has private DNS disabled" in next(f for f in look(aws, existing_platform()) if f.rule == "HP934").message


def test_an_endpoint_that_we_would_make_a_second_time(aws):
    closed(aws, BASE)
    network = existing_platform().network.model_copy(update={"interface_endpoints": ("ecr.api",)})
    finding = finding_of(look(aws, existing_platform(network=network)), "HP934")
    assert finding.path == "network.interface_endpoints[0]"
