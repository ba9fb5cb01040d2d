"""The probes of existing resources against moto: resources that moto created instead of written responses."""

from __future__ import annotations

import json

import boto3
import pytest
from accounts import REGION, TODAY, ids
from fake_aws import moto_account
from preflight_platforms import existing_platform, workers

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.live.preflight import preflight, probes

pytestmark = pytest.mark.slow

TITLES = {
    *("subnets", "VPC, routes and endpoints", "security groups", "zones and instance types", "account"),
    *("EKS cluster", "roles and principals", "KMS keys", "images"),
}


@pytest.fixture
def account(monkeypatch):
    with moto_account(monkeypatch, REGION):
        yield


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def account_of(*, service="sagemaker.amazonaws.com", public=False, second_zone="usw2-az2"):
    """A network, an EKS cluster, a role and a key, and the platform that uses them."""
    ec2, iam, kms, eks = (boto3.client(name) for name in ("ec2", "iam", "kms", "eks"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": True}})
    zones = {zone["ZoneId"]: zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{64 * index}.0/18", AvailabilityZone=zones[zone])["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate(("usw2-az1", second_zone))
    ]
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    if public:
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    else:
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=itself)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=itself)
    role = iam.create_role(RoleName="Nodes", AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]
    key = kms.create_key()["KeyMetadata"]["Arn"]
    network = {"subnetIds": subnets, "endpointPrivateAccess": True}
    eks.create_cluster(name="shared", version="1.35", roleArn=role, resourcesVpcConfig=network)
    return existing_platform(
        network={
            "existing": {
                "vpc_id": vpc,
                "node_subnets": [
                    {"subnet_id": subnets[0], "availability_zone_id": "usw2-az1"},
                    {"subnet_id": subnets[1], "availability_zone_id": "usw2-az2"},
                ],
                "security_group_id": group,
            }
        },
        cluster={
            **workers(
                instance_type="ml.g5.48xlarge",
                availability_zone_id="usw2-az1",
                volume={"size_gib": 100, "kms_key_arn": key},
            ),
            "execution_role_arn": role,
        },
    )


def look(platform):
    selected = [probe for probe in probes() if probe.title in TITLES]
    assert len(selected) == len(TITLES)
    with use_clock(TODAY):
        return preflight(platform, session=boto3.Session(), only=selected, attempts=1)


def without_eks_findings(found):
    """moto's EKS keeps neither the access configuration nor the VPC of a cluster."""
    return [id_ for id_ in ids(found) if id_ not in ("HP941", "HP943", "HP944")]


def test_a_valid_config_has_no_findings(account):
    found = look(account_of())
    assert without_eks_findings(found) == [], [str(finding) for finding in found]


def test_errors_are_found(account):
    found = look(account_of(service="ec2.amazonaws.com", public=True, second_zone="usw2-az3"))
    assert set(without_eks_findings(found)) == {"HP931", "HP933", "HP951"}, [str(finding) for finding in found]
