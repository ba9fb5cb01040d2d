"""A platform in one stack of a user: tags and the permissions boundary apply to all resources of the platform only."""

from __future__ import annotations

import json

import pytest
from assembly import ROOT
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from platform_parts import Synthesized, synthesize
from waiting import Waiting

from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.config import load

pytestmark = pytest.mark.slow

BOUNDARY = "arn:aws:iam::111122223333:policy/Boundary"


@pytest.fixture(scope="module")
def one_stack() -> Synthesized:
    """A complete platform, with all features for which CDK creates functions, and a role of the user."""
    platform = load(ROOT / "examples" / "everything.yaml").platform
    assert platform is not None
    assert platform.governance is not None
    buckets = tuple(bucket.model_copy(update={"removal": "destroy"}) for bucket in platform.storage.buckets)
    platform = platform.model_copy(
        update={
            "permissions_boundary_arn": BOUNDARY,
            "tags": {"cost": "research"},
            "allow_data_loss": True,
            "governance": platform.governance.model_copy(update={"through": "handler"}),
            "storage": platform.storage.model_copy(update={"buckets": buckets}),
        }
    )

    def build(stack: Stack) -> None:
        iam.Role(stack, "Theirs", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        HyperPodPlatform(stack, "Platform", platform=platform)

    return synthesize(build, region=platform.region)


def test_every_role_has_the_boundary(one_stack: Synthesized):
    roles = one_stack.of("AWS::IAM::Role")
    for made_beside in ("CustomS3AutoDeleteObjects", "HyperPodGovernanceProvider"):
        assert any(name.startswith(made_beside) for name in roles), made_beside
    without = [name for name, role in roles.items() if role.get("PermissionsBoundary") != BOUNDARY]
    assert len(without) == 1
    assert without[0].startswith("Theirs")


def test_every_function_and_log_group_has_the_tags(one_stack: Synthesized):
    for kind in ("AWS::Lambda::Function", "AWS::Logs::LogGroup"):
        synthesized = one_stack.of(kind)
        assert len(synthesized) > 5
        untagged = [name for name, item in synthesized.items() if "research" not in json.dumps(item.get("Tags"))]
        # CDK's function that empties buckets is a plain resource, to which tags are not applied
        assert [name for name in untagged if not name.startswith("CustomS3AutoDeleteObjects")] == [], kind


def test_an_existing_role_has_no_tags(one_stack: Synthesized):
    (existing,) = [role for name, role in one_stack.of("AWS::IAM::Role").items() if name.startswith("Theirs")]
    assert "Tags" not in existing


def test_grafana_in_the_cluster_waits_for_nodes_without_the_order_of_stacks():
    platform = load(ROOT / "examples" / "observability-self-hosted.yaml").platform
    assert platform is not None
    synthesized = synthesize(
        lambda stack: HyperPodPlatform(stack, "Platform", platform=platform) and None, region=platform.region
    )
    waiting = Waiting({"Test": synthesized.template})
    assert waiting.after("PlatformObservabilityPartsGrafanaNamespace", "PlatformHyperPodNodesReady")
