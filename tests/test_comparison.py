"""The page that compares this project with the official implementations matches the templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assembly import Assembly
from proving import every

from hyperpod_constructs.core.catalog import load

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "comparison.md").read_text()


def resources(type_: str) -> list[dict[str, Any]]:
    found = []
    for file in sorted((ROOT / "tests" / "__snapshots__" / "test_app").glob("*.json")):
        for resource in json.loads(file.read_text())["Resources"].values():
            if resource["Type"] == type_:
                found.append(resource.get("Properties", {}))
    return found


def row(start: str) -> str:
    """The page's text about this project in the row that begins with `start`."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    return line.rstrip(" |").rpartition("| ")[2]


def test_every_row_has_four_cells():
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert len(lines) > 40
    assert {line.count(" | ") for line in lines if not line.startswith("|---")} == {3}


def test_the_eks_cluster_matches_the_page():
    (cluster,) = resources("AWS::EKS::Cluster")
    assert row("`AWS::EKS::Cluster` name") == "the platform's name"
    assert cluster["Name"] == "research"
    assert cluster["AccessConfig"]["AuthenticationMode"] == "API_AND_CONFIG_MAP"
    assert cluster["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False
    assert cluster["BootstrapSelfManagedAddons"] is False
    assert len(cluster["Logging"]["ClusterLogging"]["EnabledTypes"]) == 5


def test_log_groups_match_the_page():
    groups = {group.get("LogGroupName"): group for group in resources("AWS::Logs::LogGroup")}
    assert groups["/aws/eks/research/cluster"]["RetentionInDays"] == 90
    assert row("log group of the control plane").startswith("90 days")


def test_the_hyperpod_cluster_matches_the_page():
    (cluster,) = resources("AWS::SageMaker::Cluster")
    assert (cluster["ClusterName"], cluster["NodeRecovery"]) == ("research", "Automatic")
    assert cluster["NodeProvisioningMode"] == "Continuous"
    assert {"Key": "SageMaker", "Value": "true"} in cluster["Tags"]
    assert every(group["OverrideVpcConfig"] for group in cluster["InstanceGroups"])


def test_core_addons_match_the_page():
    names = {addon["AddonName"] for addon in resources("AWS::EKS::Addon")}
    assert {"vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"} <= names


@pytest.mark.parametrize("action", ["ec2:DetachNetworkInterface", "sagemaker:AttachClusterNodeNetworkInterface"])
def test_the_execution_role_matches_the_page(action: str):
    assert f"| `{action}` |" in PAGE
    statements = [item for policy in resources("AWS::IAM::Policy") for item in policy["PolicyDocument"]["Statement"]]
    assert any(action in statement["Action"] for statement in statements)
    assert action in {item for group in load("iam")["roles"]["execution"]["actions"].values() for item in group}


# ---- the GPU example ----


@pytest.fixture(scope="module")
def gpu(assemble: Callable[[str], Assembly]) -> Assembly:
    return assemble("examples/gpu-multi-zone-efa.yaml")


@pytest.fixture(scope="module")
def restricted(assemble: Callable[[str], Assembly]) -> Assembly:
    return assemble("examples/restricted-groups.yaml")


def statements(found: Assembly) -> list[dict[str, Any]]:
    """Every statement of the roles, with its actions and resources as lists."""
    policies = [resource["Properties"] for resource in found.resources("AWS::IAM::Policy").values()]
    policies += [
        policy
        for role in found.resources("AWS::IAM::Role").values()
        for policy in role["Properties"].get("Policies", [])
    ]
    return [
        {
            key: [value] if isinstance(value, (str, dict)) and key in ("Action", "Resource") else value
            for key, value in item.items()
        }
        for policy in policies
        for item in policy["PolicyDocument"]["Statement"]
    ]


def actions(found: Assembly) -> set[str]:
    return {action for statement in statements(found) for action in statement["Action"]}


@pytest.mark.slow
def test_the_gpu_cluster_matches_the_page(gpu: Assembly) -> None:
    cluster = gpu.only("AWS::SageMaker::Cluster")
    assert (cluster["ClusterName"], cluster["NodeRecovery"], cluster["NodeProvisioningMode"]) == (
        "gpu",
        row("`NodeRecovery`").strip("`"),
        "Continuous",
    )
    assert row("`NodeProvisioningMode`").startswith("`Continuous`")
    assert row("`OverrideVpcConfig` per group") == "yes"
    assert every(group["OverrideVpcConfig"] for group in cluster["InstanceGroups"])
    assert row("tag `SageMaker: true`") == "yes"
    assert {"Key": "SageMaker", "Value": "true"} in cluster["Tags"]
    accelerated = [group for group in cluster["InstanceGroups"] if group["InstanceGroupName"].startswith("gpu")]
    assert row("second volume") == "if the config specifies one; HP365 reports accelerated groups without one"
    assert every(group["InstanceStorageConfigs"] for group in accelerated)
    assert row("deep health checks").endswith("per group")
    assert every(group["OnStartDeepHealthChecks"] for group in accelerated)


@pytest.mark.slow
def test_the_network_of_the_gpu_example_matches_the_page(gpu: Assembly) -> None:
    assert row("subnets").startswith("by zone id, one control-plane and one node subnet per zone")
    subnets = [subnet["Properties"] for subnet in gpu.resources("AWS::EC2::Subnet").values()]
    assert {subnet["AvailabilityZoneId"] for subnet in subnets} == {"use1-az4", "use1-az6"}
    assert len(subnets) == 2 * 3  # with a public one per zone
    keys = {tag["Key"] for subnet in subnets for tag in subnet["Tags"]}
    assert {"kubernetes.io/role/internal-elb", "kubernetes.io/role/elb"} <= keys
    assert not [key for key in keys if key.startswith("kubernetes.io/cluster/")]
    assert row("node security group") == "allows itself on all ports, in both directions (EFA)"
    rules = [
        *gpu.resources("AWS::EC2::SecurityGroupIngress").values(),
        *gpu.resources("AWS::EC2::SecurityGroupEgress").values(),
    ]
    all_traffic = [resource["Properties"] for resource in rules if resource["Properties"]["IpProtocol"] == "-1"]
    to_itself = [
        item
        for item in all_traffic
        if item["GroupId"] in (item.get("SourceSecurityGroupId"), item.get("DestinationSecurityGroupId"))
    ]
    assert {"SourceSecurityGroupId" in item for item in to_itself} == {True, False}


@pytest.mark.slow
def test_the_chart_of_the_gpu_example_matches_the_page(gpu: Assembly) -> None:
    assert row("dependency chart").startswith("a release by commit and digest; missing instance types and")
    (release,) = gpu.resources("Custom::HyperPodHelmRelease").values()
    chart = release["Properties"]["Chart"]
    assert chart["Kind"] == "git"
    assert len(chart["Digest"].removeprefix("sha256:")) == 64


@pytest.mark.slow
def test_the_execution_roles_of_the_gpu_example_match_the_page(gpu: Assembly, default: Assembly) -> None:
    assert row("`cloudwatch:DescribeAlarms`") == "if a rolling update specifies alarms"
    assert "cloudwatch:DescribeAlarms" in actions(gpu)
    assert "cloudwatch:DescribeAlarms" not in actions(default)
    assert row("`fsx:DescribeFileSystems`") == "if a group mounts FSx"
    assert "fsx:DescribeFileSystems" not in actions(gpu)
    assert row("roles") == "one, or one per group (`execution_roles`)"
    roles = {str(group["ExecutionRole"]) for group in gpu.only("AWS::SageMaker::Cluster")["InstanceGroups"]}
    assert len(roles) == 3


# ---- the restricted example ----


@pytest.mark.slow
def test_the_restricted_cluster_matches_the_page(restricted: Assembly) -> None:
    cluster = restricted.only("AWS::SageMaker::Cluster")
    assert row("restricted: provisioning").startswith("`Request` in the example")
    assert cluster.get("NodeProvisioningMode") != "Continuous"
    assert len(cluster["RestrictedInstanceGroups"]) == 2
    assert cluster["InstanceGroups"]  # in addition to standard groups
    assert every(group["OverrideVpcConfig"] for group in cluster["RestrictedInstanceGroups"])


@pytest.mark.slow
def test_network_agent_and_dns_of_restricted_nodes_are_copies(restricted: Assembly) -> None:
    assert row("restricted: network agent and DNS").startswith("copies for restricted nodes")
    objects = restricted.resources("Custom::HyperPodKubernetesObjects").values()
    copies = [resource["Properties"] for resource in objects if "CopyOf" in resource["Properties"]]
    names = {json.loads(copy["Manifest"])[0]["metadata"]["name"] for copy in copies}
    assert names == {"rig-aws-node", "rig-coredns", "node-coredns"}


@pytest.mark.slow
def test_the_role_of_restricted_groups_matches_the_page(restricted: Assembly) -> None:
    assert row("restricted: outputs") == "the same as Terraform"
    outputs = [
        statement for statement in statements(restricted) if "my-checkpoints" in json.dumps(statement["Resource"])
    ]
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= {
        a for statement in outputs for a in statement["Action"]
    }
    assert row("restricted: reward functions and queues") == "the same as Terraform, in one account and region"
    called = [statement for statement in statements(restricted) if "*SageMaker*" in json.dumps(statement["Resource"])]
    found = {action for statement in called for action in statement["Action"]}
    assert found == {"lambda:InvokeFunction", "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"}
    assert row("restricted: gated recipes") == "a field, `gated_recipes`"


@pytest.mark.slow
@pytest.mark.parametrize("start", ["restricted: Karpenter, FSx"])
def test_the_page_about_restricted_groups_is_correct(start: str, restricted: Assembly) -> None:
    assert row(start) == "allowed, with separate rules for each"
