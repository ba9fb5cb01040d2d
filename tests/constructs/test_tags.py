"""Tags of an app reach the HyperPod cluster, the cluster policy and the quotas, and aspects find their L1s."""

from __future__ import annotations

import json

import jsii
import pytest
from assembly import UNCOPIED
from aws_cdk import App, Aspects, Environment, IAspect, Stack, TagManager, Tags
from aws_cdk import aws_sagemaker as sagemaker
from platform_parts import SYSTEM, Synthesized, make_cluster

from hyperpod_constructs import (
    Cluster,
    Governance,
    HyperPodGovernance,
    Network,
    QuotaResource,
    Scheduler,
    TaskGovernanceAddon,
    Team,
)
from hyperpod_constructs.assembly.synth import cdk_context

pytestmark = pytest.mark.slow

TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.m5.4xlarge", count=1)])


@jsii.implements(IAspect)
class Seen:
    """Types of the taggable resources that an aspect finds."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit(self, node):
        if isinstance(node, sagemaker.CfnCluster | sagemaker.CfnClusterSchedulerConfig):
            self.found.append(type(node).__name__)
        elif TagManager.is_taggable_v2(node) and "ComputeQuota" in getattr(node, "cfn_resource_type", ""):
            self.found.append(node.cfn_resource_type)


def synthesized(tagged_by: str) -> tuple[Synthesized, list[str]]:
    app = App(context=cdk_context() | UNCOPIED)
    stack = Stack(app, "Test", env=Environment(account="222233334444", region="us-east-1"))
    network = Network(availability_zone_ids=["use1-az4", "use1-az6"])
    cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,), tags={"Own": "1"}), network=network)
    TaskGovernanceAddon(stack, "TaskGovernance", cluster=cluster)
    governance = Governance(teams=(TEAM,), scheduler=Scheduler(), through=tagged_by)
    HyperPodGovernance(
        stack, "Governance", cluster=cluster, governance=governance, tags={"Given": "2", "CostCenter": "0"}
    )
    Tags.of(app).add("CostCenter", "42")
    visitor = Seen()
    Aspects.of(app).add(visitor)
    assembly = app.synth()
    return Synthesized(assembly.get_stack_artifact(stack.artifact_id).template), visitor.found


def tags(properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties["Tags"]}


@pytest.fixture(scope="module")
def native():
    return synthesized("native")


@pytest.fixture(scope="module")
def handled():
    return synthesized("handler")


def test_tags_of_the_app_reach_the_cluster(native):
    assert tags(native[0].only("AWS::SageMaker::Cluster")) == {"CostCenter": "42", "Own": "1", "SageMaker": "true"}


def test_tags_of_the_app_reach_cloudformations_own_types_over_those_given(native):
    for kind in ("ComputeQuota", "ClusterSchedulerConfig"):
        assert tags(native[0].only(f"AWS::SageMaker::{kind}")) == {"CostCenter": "42", "Given": "2"}, kind


def test_tags_of_the_app_reach_the_requests_of_the_function(handled):
    for kind in ("ComputeQuota", "ClusterSchedulerConfig"):
        properties = handled[0].only(f"Custom::HyperPod{kind}")
        request = properties["Request"]
        text = "".join(part if isinstance(part, str) else "TOKEN" for part in request["Fn::Join"][1])
        assert tags(json.loads(text)) == {"CostCenter": "42", "Given": "2"}, kind
        assert "Tags" not in properties


def test_aspects_find_the_resources_as_what_they_are(native, handled):
    assert native[1] == ["CfnCluster", "CfnClusterSchedulerConfig", "AWS::SageMaker::ComputeQuota"]
    assert handled[1] == ["CfnCluster", "Custom::HyperPodComputeQuota"]
