"""Import of a network and an EKS cluster from moto, with moto's ids, routes and add-ons instead of written responses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from fake_aws import moto_account

from hyperpod_constructs.assembly.rehearsal.adopting import prove
from hyperpod_constructs.cli.diff import _templates
from hyperpod_constructs.cli.rehearse import _assembly
from hyperpod_constructs.core.importing.adoption import adoption
from hyperpod_constructs.core.importing.deployed import describe
from hyperpod_constructs.core.importing.result import finished
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.live import deployed

pytestmark = pytest.mark.slow


@dataclass
class MotoDeployment:
    """The resources that moto created, and the result of an import."""

    found: deployed.Deployed
    vpc: str
    subnets: list[str]
    table: str
    group: str


@contextmanager
def deployed_by_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoDeployment]:
    with moto_account(monkeypatch):
        ec2, eks, iam = (boto3.client(name) for name in ("ec2", "eks", "iam"))
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        zones = {
            availability_zone["ZoneId"]: availability_zone["ZoneName"]
            for availability_zone in ec2.describe_availability_zones()["AvailabilityZones"]
        }
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
        reads = deployed._Reads(boto3.Session(region_name="us-west-2"))
        found = deployed.Deployed(cluster=cluster, failures=reads.failures)
        deployed._read_network(reads, found)
        found.eks = reads.one("eks:DescribeCluster", name="shared")["cluster"]
        yield MotoDeployment(found, vpc, subnets, table, group)


def test_a_network_and_an_eks_cluster_of_moto_are_described(monkeypatch: pytest.MonkeyPatch):
    with deployed_by_moto(monkeypatch) as account:
        found, subnets = account.found, account.subnets
        platform = Platform.model_validate(describe(found).data)
    existing = platform.network.existing
    assert existing is not None
    assert (existing.vpc_id, existing.vpc_cidrs, existing.security_group_id) == (
        account.vpc,
        ("10.20.0.0/16",),
        account.group,
    )
    assert [
        (node_subnet.subnet_id, node_subnet.availability_zone_id, node_subnet.cidr)
        for node_subnet in existing.node_subnets
    ] == [
        (subnets[0], "usw2-az1", "10.20.0.0/18"),
        (subnets[1], "usw2-az2", "10.20.64.0/18"),
    ]
    assert existing.node_subnets[1].route_table_id == account.table
    assert existing.node_subnets[0].route_table_id not in (None, account.table)  # the main one
    assert (platform.eks.kubernetes_version, platform.cluster.provisioning) == ("1.35", "Request")
    assert platform.cluster.instance_groups[0].availability_zone_id == "usw2-az2"
    assert found.failures == {}


def test_adopting_what_moto_has_replaces_nothing_unless_it_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with deployed_by_moto(monkeypatch) as account:
        found = account.found
    config = tmp_path / "hyperpod.yaml"
    config.write_text(finished(describe(found), origin="moto").text)
    app, environment = _assembly(config, tmp_path / "app"), {"region": "us-west-2", "account": "123456789012"}
    proof = prove(app, adoption(_templates(app), found, **environment), found, **environment)
    assert [finding.message for finding in proof.findings] == []
    assert [path.partition(".")[0] for path in (*proof.updated, *proof.unchanged)] == ["shared-HyperPod"]

    moved = {**found.cluster, "VpcConfig": {"Subnets": account.subnets, "SecurityGroupIds": ["sg-0fedcba9876543210"]}}
    other = replace(found, cluster=moved)
    proof = prove(app, adoption(_templates(app), other, **environment), other, **environment)
    assert [finding.rule for finding in proof.findings] == ["HPR01", "HPR07"]
    assert "sg-0fedcba9876543210" in proof.findings[1].message
    assert account.group in proof.findings[1].message
