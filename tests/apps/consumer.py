"""Common parts of the apps in these tests, as a consumer writes them."""

from __future__ import annotations

from typing import Any

from assembly import UNCOPIED, warnings_in
from aws_cdk import App, Environment, Stack
from constructs import Construct

from hyperpod_constructs import Eks, HyperPodCluster, HyperPodEks, HyperPodNetwork, InstanceGroup, Job, Network
from hyperpod_constructs.assembly.synth import cdk_context

ACCOUNT = "111122223333"
ENV = Environment(account=ACCOUNT, region="us-west-2")
ZONES = {"us-west-2": ["usw2-az1", "usw2-az2"], "us-east-1": ["use1-az4", "use1-az6"]}
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/Admin"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/train:v1"


def app(**context: Any) -> App:
    """An app with the flags of our cdk.json, and more context."""
    return App(context={**cdk_context(), **UNCOPIED, **context}, analytics_reporting=False)


def groups(zone: str = "usw2-az1", *, gpu_nodes: int = 2) -> list[InstanceGroup]:
    """Two CPU nodes for operators, and accelerators in one zone."""
    return [
        InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2),
        InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=gpu_nodes, availability_zone_id=zone),
    ]


def base(scope: Construct, region: str = "us-west-2") -> tuple[HyperPodNetwork, HyperPodEks]:
    """A network and an EKS cluster of this library."""
    network = HyperPodNetwork(scope, "Network", network=Network(availability_zone_ids=tuple(ZONES[region])))
    return network, HyperPodEks(scope, "Eks", network=network, eks=Eks(admins=(ADMIN,)))


def platform(scope: Construct, *, gpu_nodes: int = 2) -> HyperPodCluster:
    """A network, an EKS cluster and a HyperPod cluster in one stack."""
    network, eks = base(scope)
    return HyperPodCluster(scope, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups(gpu_nodes=gpu_nodes))


def one_stack(**context: Any) -> tuple[App, Stack, HyperPodCluster]:
    """An app with a platform in one stack."""
    created = app(**context)
    stack = Stack(created, "Research", env=ENV)
    return created, stack, platform(stack)


def training(nodes: int = 2, **options: Any) -> Job:
    """A job on the accelerators."""
    return Job.model_validate(
        {
            "name": "train",
            "image": IMAGE,
            "instance_type": "ml.p5.48xlarge",
            "nodes": nodes,
            "command": ["torchrun", "train.py"],
            **options,
        }
    )


def error_of(app: App) -> str:
    """The error of the synthesis; empty if the synthesis succeeds."""
    try:
        app.synth()
    except RuntimeError as reason:
        return str(reason)
    return ""


def warnings(app: App) -> list[str]:
    """The warnings of all constructs."""
    return warnings_in(app.synth().directory)
