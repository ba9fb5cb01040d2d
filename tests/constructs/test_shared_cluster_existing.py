"""A team, a file system, observability and alarms on a HyperPod cluster in an existing VPC and EKS cluster."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED, Assembly, read_assembly
from aws_cdk import aws_ec2 as ec2
from proving import proved

from hyperpod_constructs import (
    CoreDnsAddon,
    EksClusterAttributes,
    FsxCsiAddon,
    HyperPodAlarms,
    HyperPodBucket,
    HyperPodCluster,
    HyperPodFileSystem,
    HyperPodTeam,
    InstanceGroup,
    LustreFileSystem,
    ObservabilityAddon,
    QuotaResource,
    TaskGovernanceAddon,
    Team,
)
from hyperpod_constructs.core.spec import Bucket

pytestmark = pytest.mark.slow

P5 = "ml.p5.48xlarge"


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder: Path = tmp_path_factory.mktemp("brought")
    app = cdk.App(outdir=str(folder), context=UNCOPIED, analytics_reporting=False)
    stack = cdk.Stack(app, "Theirs", env=cdk.Environment(account="111122223333", region="us-west-2"))
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2, nat_gateways=1)
    cluster = HyperPodCluster(
        stack,
        "HyperPod",
        vpc=vpc,
        eks_cluster=EksClusterAttributes(cluster_name="mine", kubernetes_version="1.35"),
        instance_groups=[
            InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2),
            InstanceGroup(name="workers", instance_type=P5, count=2, availability_zone_id="usw2-az1"),
        ],
    )
    team = Team(
        name="vision",
        members=("arn:aws:iam::111122223333:role/Vision",),
        quota=(QuotaResource(instance_type=P5, count=2),),
    )
    HyperPodTeam(
        stack, "Vision", cluster=cluster, team=team
    )  # before its add-on: the order of the lines does not matter
    TaskGovernanceAddon(stack, "Governance", cluster=cluster)
    CoreDnsAddon(stack, "Dns", cluster=cluster)
    FsxCsiAddon(stack, "Fsx", cluster=cluster)
    ObservabilityAddon(stack, "Observability", cluster=cluster)
    HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
    HyperPodBucket(stack, "Datasets", cluster=cluster, bucket=Bucket(name="datasets", access="read"))
    HyperPodAlarms(stack, "Alarms", cluster=cluster)
    app.synth()
    return read_assembly(folder)


def test_everything_is_in_order(assembly: Assembly) -> None:
    proved(
        str(assembly.folder), "governance-before-quotas", "quotas-before-contents", "security-group-rules-before-nodes"
    )


def test_the_file_system_is_in_the_subnet_of_the_zone(assembly: Assembly) -> None:
    groups = {
        resource["InstanceGroupName"]: resource
        for resource in assembly.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    }
    subnets = assembly.only("AWS::FSx::FileSystem")["SubnetIds"]
    assert subnets == groups["workers"]["OverrideVpcConfig"]["Subnets"]


def test_access_entries_are_created_for_the_existing_cluster(assembly: Assembly) -> None:
    entries = [entry["Properties"] for entry in assembly.resources("AWS::EKS::AccessEntry").values()]
    assert {entry["ClusterName"] for entry in entries} == {"mine"}
    principals = [entry["PrincipalArn"] for entry in entries]
    assert "arn:aws:iam::111122223333:role/Vision" in principals
