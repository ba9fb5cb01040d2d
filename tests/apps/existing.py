"""Apps as users write them: their own VPC and EKS cluster, and constructs of this library."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
from assembly import UNCOPIED
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks_v1
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.lambda_layer_kubectl_v35 import KubectlV35Layer

from hyperpod_constructs import (
    CertManagerAddon,
    CoreDnsAddon,
    EksClusterAttributes,
    HyperPodCluster,
    HyperPodDependencies,
    HyperPodPyTorchJob,
    InstanceGroup,
    TrainingJob,
    TrainingOperatorAddon,
)

GROUPS = [
    InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2),
    InstanceGroup(name="workers", instance_type="ml.g5.48xlarge", count=2, availability_zone_id="usw2-az2"),
]


def of_v1(stack: cdk.Stack, vpc: ec2.IVpc) -> eks_v1.ICluster:
    """An EKS cluster of the older module."""
    return eks_v1.Cluster(  # type: ignore[return-value]  # CDK's stubs: a Cluster lacks a member of ICluster
        stack,
        "Eks",
        version=eks_v1.KubernetesVersion.of("1.35"),
        vpc=vpc,
        default_capacity=0,
        authentication_mode=eks_v1.AuthenticationMode.API_AND_CONFIG_MAP,
        kubectl_layer=KubectlV35Layer(stack, "Kubectl"),
    )


def of_v2(stack: cdk.Stack, vpc: ec2.IVpc) -> eks_v2.ICluster:
    """An EKS cluster of the newer module."""
    return eks_v2.Cluster(  # type: ignore[return-value]
        stack,
        "Eks",
        version=eks_v2.KubernetesVersion.of("1.35"),
        vpc=vpc,
        default_capacity_type=eks_v2.DefaultCapacityType.NODEGROUP,
        default_capacity=0,
    )


def by_attributes(stack: cdk.Stack, vpc: ec2.IVpc) -> EksClusterAttributes:
    """An EKS cluster that the app imports by name."""
    return EksClusterAttributes(
        cluster_name="shared", security_group_id="sg-0123456789abcdef1", vpc=vpc, kubernetes_version="1.35"
    )


def vpc_of_shared(stack: cdk.Stack) -> ec2.IVpc:
    """The VPC of that cluster, which the app also imports."""
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-west-2a", "us-west-2b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        private_subnet_route_table_ids=["rtb-0123456789abcdef0", "rtb-0123456789abcdef1"],
    )


KINDS: dict[str, Callable[[cdk.Stack, ec2.IVpc], eks_v1.ICluster | eks_v2.ICluster | EksClusterAttributes]] = {
    "v1": of_v1,
    "v2": of_v2,
    "attributes": by_attributes,
}


def app(kind: str, outdir: str) -> cdk.App:
    """A stack with a VPC and an EKS cluster of one kind, and a HyperPod cluster in them."""
    app_ = cdk.App(outdir=outdir, context=UNCOPIED, analytics_reporting=False)
    stack = cdk.Stack(app_, "Mine", env=cdk.Environment(account="111122223333", region="us-west-2"))
    vpc = vpc_of_shared(stack) if kind == "attributes" else ec2.Vpc(stack, "Vpc", max_azs=2)
    eks_cluster = KINDS[kind](stack, vpc)
    cluster = HyperPodCluster(
        stack,
        "HyperPod",
        vpc=vpc,
        eks_cluster=eks_cluster,
        instance_groups=GROUPS,
        execution_role=iam.Role.from_role_arn(stack, "Nodes", "arn:aws:iam::111122223333:role/Nodes"),
        lifecycle_bucket=s3.Bucket.from_bucket_name(stack, "Scripts", "sagemaker-scripts"),
        security_group=ec2.SecurityGroup.from_security_group_id(stack, "NodeGroup", "sg-0123456789abcdef0"),
    )
    chart = HyperPodDependencies(
        stack,
        "Dependencies",
        kubernetes=cluster.kubernetes,
        region="us-west-2",
        instance_types=["ml.m5.4xlarge", "ml.g5.48xlarge"],
    )
    cluster.resource.node.add_dependency(chart)
    CoreDnsAddon(stack, "CoreDns", cluster=cluster)
    CertManagerAddon(stack, "CertManager", cluster=cluster)
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    image = f"{stack.account}.dkr.ecr.{stack.region}.amazonaws.com/llama:v3"
    job = HyperPodPyTorchJob(
        name="llama", image=image, instance_type="ml.g5.48xlarge", nodes=2, command=["python", "train.py"]
    )
    TrainingJob(stack, "Llama", cluster=cluster, job=job)
    return app_
