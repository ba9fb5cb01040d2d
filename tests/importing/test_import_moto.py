"""The network and the EKS cluster of an import as moto has them: its own ids, routes and add-ons, not answers of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from fake_aws import moto_account

from hyperpod_constructs.core.importing.deployed import describe
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.live import deployed


def test_a_network_and_an_eks_cluster_of_moto_are_described(monkeypatch: pytest.MonkeyPatch):
    with moto_account(monkeypatch):
        ec2, eks, iam = (boto3.client(name) for name in ("ec2", "eks", "iam"))
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        zones = {one["ZoneId"]: one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]}
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{64 * index}.0/18", AvailabilityZone=zones[zone])["Subnet"][
                "SubnetId"
            ]
            for index, zone in enumerate(("usw2-az1", "usw2-az2"))
        ]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[1])
        group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
        role = iam.create_role(RoleName="Eks", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        eks.create_cluster(
            name="shared",
            version="1.35",
            roleArn=role,
            resourcesVpcConfig={"subnetIds": subnets, "securityGroupIds": [group]},
        )
        arn = eks.describe_cluster(name="shared")["cluster"]["arn"]
        cluster: dict[str, Any] = {
            "ClusterArn": "arn:aws:sagemaker:us-west-2:123456789012:cluster/abcdefghijkl",
            "ClusterName": "shared",
            "ClusterStatus": "InService",
            "CreationTime": datetime(2026, 11, 26, tzinfo=UTC),
            "Orchestrator": {"Eks": {"ClusterArn": arn}},
            "VpcConfig": {"Subnets": subnets, "SecurityGroupIds": [group]},
            "NodeRecovery": "Automatic",
            "InstanceGroups": [
                {
                    "InstanceGroupName": "system",
                    "InstanceType": "ml.m5.4xlarge",
                    "CurrentCount": 2,
                    "TargetCount": 2,
                    "ExecutionRole": role,
                    "OverrideVpcConfig": {"Subnets": subnets[1:], "SecurityGroupIds": [group]},
                }
            ],
        }
        ask = deployed._Asker(boto3.Session(region_name="us-west-2"))
        found = deployed.Deployed(cluster=cluster, failures=ask.failures)
        deployed._read_network(ask, found)
        found.eks = ask.one("eks:DescribeCluster", name="shared")["cluster"]
        platform = Platform.model_validate(describe(found).data)
    existing = platform.network.existing
    assert existing is not None
    assert (existing.vpc_id, existing.vpc_cidrs, existing.security_group_id) == (vpc, ("10.20.0.0/16",), group)
    assert [(one.subnet_id, one.availability_zone_id, one.cidr) for one in existing.node_subnets] == [
        (subnets[0], "usw2-az1", "10.20.0.0/18"),
        (subnets[1], "usw2-az2", "10.20.64.0/18"),
    ]
    assert existing.node_subnets[1].route_table_id == table
    assert existing.node_subnets[0].route_table_id not in (None, table)  # the main one
    assert (platform.eks.kubernetes_version, platform.cluster.provisioning) == ("1.35", "Request")
    assert platform.cluster.instance_groups[0].availability_zone_id == "usw2-az2"
    assert found.failures == {}
