"""The page that compares us with the official implementations says what our templates have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
    """What the page says of us in the row that starts so."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    return line.rstrip(" |").rpartition("| ")[2]


def test_every_row_has_four_cells():
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert len(lines) > 40
    assert {line.count(" | ") for line in lines if not line.startswith("|---")} == {3}


def test_the_eks_cluster_is_as_the_page_says():
    (cluster,) = resources("AWS::EKS::Cluster")
    assert row("`AWS::EKS::Cluster` name") == "the platform's name"
    assert cluster["Name"] == "research"
    assert cluster["AccessConfig"]["AuthenticationMode"] == "API_AND_CONFIG_MAP"
    assert cluster["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False
    assert cluster["BootstrapSelfManagedAddons"] is False
    assert len(cluster["Logging"]["ClusterLogging"]["EnabledTypes"]) == 5


def test_log_groups_are_as_the_page_says():
    groups = {group.get("LogGroupName"): group for group in resources("AWS::Logs::LogGroup")}
    assert groups["/aws/eks/research/cluster"]["RetentionInDays"] == 90
    assert row("log group of the control plane").startswith("90 days")


def test_the_hyperpod_cluster_is_as_the_page_says():
    (cluster,) = resources("AWS::SageMaker::Cluster")
    assert (cluster["ClusterName"], cluster["NodeRecovery"]) == ("research", "Automatic")
    assert cluster["NodeProvisioningMode"] == "Continuous"
    assert {"Key": "SageMaker", "Value": "true"} in cluster["Tags"]
    assert all(group["OverrideVpcConfig"] for group in cluster["InstanceGroups"])


def test_core_addons_are_as_the_page_says():
    names = {addon["AddonName"] for addon in resources("AWS::EKS::Addon")}
    assert {"vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"} <= names


@pytest.mark.parametrize("action", ["ec2:DetachNetworkInterface", "sagemaker:AttachClusterNodeNetworkInterface"])
def test_the_execution_role_is_as_the_page_says(action: str):
    assert f"| `{action}` |" in PAGE
    statements = [one for policy in resources("AWS::IAM::Policy") for one in policy["PolicyDocument"]["Statement"]]
    assert any(action in one["Action"] for one in statements)
    assert action in {each for group in load("iam")["roles"]["execution"]["actions"].values() for each in group}
