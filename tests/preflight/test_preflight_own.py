"""Existing resources of the platform: log groups of an earlier cluster, running health checks, a custom bootstrap stack."""

from __future__ import annotations

import json

import pytest
from accounts import ACCOUNT, NOW, REGION, finding_of, has_clusters, has_stacks, hyperpod, look, stack
from fake_aws import AwsFault
from preflight_platforms import existing_platform, new

ADMIN = "arn:aws:iam::111122223333:role/PlatformAdmin"


def test_a_log_group_of_an_earlier_cluster_is_reported(aws):
    name = f"/aws/eks/{new().name}/cluster"
    aws.on("logs", "DescribeLogGroups", {"logGroups": [{"logGroupName": f"{name}-other"}, {"logGroupName": name}]})
    finding = finding_of(look(aws, new()), "HP956")
    assert finding.message == f"log group {name} already exists; an earlier EKS cluster of this name created it"
    assert f"aws logs delete-log-group --log-group-name {name}" in finding.cure


def test_deep_health_checks_that_run_are_reported(aws):
    name = new().name
    has_stacks(aws, stack(f"{name}-HyperPod"), resources={f"{name}-HyperPod": {"AWS::SageMaker::Cluster": name}})
    has_clusters(aws, hyperpod(name, []))
    nodes = [
        {
            "InstanceGroupName": group,
            "InstanceId": f"i-{n:017}",
            "InstanceType": "ml.p5.48xlarge",
            "LaunchTime": NOW,
            "InstanceStatus": {"Status": status},
        }
        for n, (group, status) in enumerate(
            [("workers", "DeepHealthCheckInProgress"), ("workers", "DeepHealthCheckInProgress"), ("system", "Running")]
        )
    ]
    aws.on("sagemaker", "ListClusterNodes", {"ClusterNodeSummaries": nodes})
    finding = finding_of(look(aws, new()), "HP966")
    assert finding.message == f"deep health checks run on 2 nodes of {name} (workers)"


@pytest.fixture
def corp1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_CONTEXT_JSON", json.dumps({"@aws-cdk/core:bootstrapQualifier": "corp1"}))


@pytest.mark.usefixtures("corp1")
def test_the_bootstrap_is_the_one_that_the_synth_uses(aws):
    def parameter(principals):
        if "/corp1/" in principals["Name"]:
            return {"Parameter": {"Value": "28"}}
        raise AwsFault("ParameterNotFound")

    aws.on("ssm", "GetParameter", parameter)
    assert [finding for finding in look(aws, new()) if finding.rule == "HP909"] == []
    principals = {item["PolicySourceArn"] for item in aws.received("iam", "SimulatePrincipalPolicy")}
    assert f"arn:aws:iam::{ACCOUNT}:role/cdk-corp1-cfn-exec-role-{ACCOUNT}-{REGION}" in principals


@pytest.mark.usefixtures("corp1")
def test_a_qualifier_without_a_bootstrap_is_reported(aws):
    aws.fail("ssm", "GetParameter", "ParameterNotFound")
    finding = finding_of(look(aws, new()), "HP909")
    assert finding.message.endswith("(with the qualifier corp1 of the CDK context)")
    assert finding.cure == f"cdk bootstrap aws://{ACCOUNT}/{REGION} --qualifier corp1"


def test_existing_access_entries_of_administrators_can_be_kept(aws):
    platform = existing_platform()
    (admin, *_) = platform.eks.admins or (ADMIN,)
    platform = platform.model_copy(update={"eks": platform.eks.model_copy(update={"admins": (admin,)})})
    aws.on("eks", "ListAccessEntries", {"accessEntries": [admin]})
    assert "eks.existing.admin_entries to false" in finding_of(look(aws, platform), "HP946").cure
    existing = platform.eks.existing.model_copy(update={"admin_entries": False})
    without_entries = platform.model_copy(update={"eks": platform.eks.model_copy(update={"existing": existing})})
    assert [finding for finding in look(aws, without_entries) if finding.rule == "HP946"] == []
