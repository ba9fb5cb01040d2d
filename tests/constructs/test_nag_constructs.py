"""cdk-nag on single constructs: findings are accepted by class, and broader permissions are reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from constructs import Construct
from platform_parts import SYSTEM, ZONES, make_cluster

from hyperpod_constructs.assembly.nag import Justified, JustifiedNag
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.eks import HyperPodEks
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.core.spec import Network

pytestmark = pytest.mark.slow


def findings_of(build: Callable[[cdk.Stack], None], folder: Path) -> list[str]:
    app = cdk.App(outdir=str(folder), context=cdk_context() | UNCOPIED)
    build(cdk.Stack(app, "Mine"))
    return JustifiedNag(app).findings()


def test_another_construct_with_the_name_of_a_library_construct_is_a_finding(tmp_path: Path):
    names = (("InferenceOperatorAccess", "LoadBalancerRole"), ("ExecutionRoles", "system"), ("Guard", "Role"))

    def build(stack: cdk.Stack) -> None:
        for parent, id in names:
            role = iam.Role(Construct(stack, parent), id, assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
            role.add_to_policy(iam.PolicyStatement(actions=["*"], resources=["*"]))

    found = findings_of(build, tmp_path)
    assert len([item for item in found if "AwsSolutions-IAM5[Resource::*]" in item]) == len(names)


@pytest.mark.parametrize("action", ["iam:PassRole", "s3:*", "ec2:TerminateInstances", "*"])
def test_a_broader_statement_on_a_library_role_is_a_finding(tmp_path: Path, action: str):
    def build(stack: cdk.Stack) -> None:
        iam.Grant.add_to_principal(grantee=make_cluster(stack), actions=[action], resource_arns=["*"])

    found = findings_of(build, tmp_path)
    assert [item for item in found if "ExecutionRoles" in item and "Resource::*" in item]


def test_library_constructs_are_explained_under_any_id(tmp_path: Path):
    def build(stack: cdk.Stack) -> None:
        network = HyperPodNetwork(stack, "Wires", network=Network(availability_zone_ids=ZONES))
        eks = HyperPodEks(stack, "Control", network=network)
        HyperPodCluster(stack, "Machines", eks_cluster=eks, vpc=network, instance_groups=[SYSTEM])

    assert findings_of(build, tmp_path) == []


def test_the_rules_of_eks_see_clusters_of_the_newer_module(tmp_path: Path):
    def build(stack: cdk.Stack) -> None:
        eks_v2.CfnCluster(
            stack,
            "Cluster",
            role_arn="arn:aws:iam::111122223333:role/Eks",
            resources_vpc_config=eks_v2.CfnCluster.ResourcesVpcConfigProperty(
                subnet_ids=["subnet-0123456789abcdef0"], endpoint_public_access=True
            ),
        )

    rules = {item.partition(" ")[0].partition("[")[0] for item in findings_of(build, tmp_path)}
    assert {"AwsSolutions-EKS1", "AwsSolutions-EKS2"} <= rules


def test_a_row_for_any_resource_names_its_actions():
    with pytest.raises(ValueError, match="list the actions that are accepted on any resource"):
        Justified("AwsSolutions-IAM5", HyperPodEks, "Role/Resource", "no reason at all", r"Resource::.*")
