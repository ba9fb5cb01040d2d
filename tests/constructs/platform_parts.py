"""Platforms in one stack for the tests of single constructs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.eks import HyperPodEks
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.core.spec import Addons, Cluster, Eks, InstanceGroup, Network

ZONES = ("usw2-az1", "usw2-az2")
SYSTEM = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)
KEY = "arn:aws:kms:us-west-2:111122223333:key/12345678-1234-1234-1234-123456789012"


EXISTING_ARN = "arn:aws:sagemaker:us-west-2:111122223333:cluster/a1b2c3d4e5f6"


def vpc_by_attributes(stack: Stack) -> ec2.IVpc:
    """An existing VPC with a private subnet in each of two zones."""
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-west-2a", "us-west-2b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )


class Synthesized:
    """One template with look-ups."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == type_
        }

    def only(self, type_: str) -> dict[str, Any]:
        """Properties of the only resource of a type."""
        found = list(self.of(type_).values())
        assert len(found) == 1, f"{len(found)} resources of type {type_}"
        return found[0]

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Inline statements of the roles whose logical id contains a text."""
        return [
            statement
            for policy in self.of("AWS::IAM::Policy").values()
            if any(role in json.dumps(item) for item in policy.get("Roles", []))
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def allows(self, role: str, action: str) -> list[dict[str, Any]]:
        """The statements that contain an action."""
        return [statement for statement in self.statements(role) if action in _list(statement["Action"])]


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def synthesize(build: Callable[[Stack], None], *, account: str | None = None, region: str = "us-west-2") -> Synthesized:
    """The template of a stack that `build` fills."""
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region=region, account=account))
    build(stack)
    folder = Path(app.synth().directory)
    return Synthesized(json.loads((folder / "Test.template.json").read_text()))


def make_cluster(
    stack: Stack,
    cluster: Cluster | None = None,
    *,
    network: Network | None = None,
    eks: Eks | None = None,
    addons: Addons | None = None,
    **options: Any,
) -> HyperPodCluster:
    """A HyperPod cluster with a new network and a new EKS cluster."""
    vpc = HyperPodNetwork(stack, "Network", network=network or Network(availability_zone_ids=ZONES))
    control_plane = HyperPodEks(stack, "Eks", network=vpc, eks=eks or Eks(kubernetes_version="1.35"), addons=addons)
    return HyperPodCluster(
        stack,
        "HyperPod",
        eks_cluster=control_plane,
        vpc=vpc,
        cluster=cluster or Cluster(instance_groups=(SYSTEM,)),
        **options,
    )


def existing_cluster(stack: Stack, *groups: InstanceGroup) -> HyperPodCluster:
    """An existing HyperPod cluster on an existing EKS cluster, with a tenth of the resources, for tests of workloads."""
    vpc = vpc_by_attributes(stack)
    return HyperPodCluster.from_attributes(
        stack,
        "HyperPod",
        cluster_arn=EXISTING_ARN,
        eks_cluster=EksClusterAttributes(
            cluster_name="existing",
            security_group_id="sg-0123456789abcdef0",
            kubernetes_version="1.35",
            oidc_provider=iam.OidcProviderNative.from_oidc_provider_arn(
                stack, "Oidc", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"
            ),
        ),
        instance_groups=groups or (SYSTEM,),
        vpc=HyperPodNetwork.from_vpc(
            stack,
            "Network",
            vpc=vpc,
            node_subnets=dict(zip(ZONES, vpc.private_subnets, strict=True)),
            security_group=ec2.SecurityGroup.from_security_group_id(stack, "Nodes", "sg-0123456789abcdef1"),
        ),
        execution_role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/Nodes"),
    )
