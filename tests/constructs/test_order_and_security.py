"""Order and security of the shipped examples and of other options, line by line, as a reviewed text.

Each line is a `DependsOn`, a retention, a policy statement or another security setting of one resource. A line of a config
that is also in a config before it is left out. A line that a construct no longer makes is therefore a line of the diff.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from assemblies import platform_of, templates
from assembly import ROOT, UNCOPIED, read_assembly
from aws_cdk import App, CfnResource, Environment, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct
from platform_parts import KEY, vpc_by_attributes
from syrupy.assertion import SnapshotAssertion

from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.addons import TrainingOperatorAddon
from hyperpod_constructs.constructs.bucket import HyperPodBucket
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.eks import HyperPodEks
from hyperpod_constructs.constructs.file_system import HyperPodFileSystem
from hyperpod_constructs.constructs.functions_in_vpc import put_functions_into_vpc
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes, ImportedEks
from hyperpod_constructs.constructs.kubernetes.helm_release import HelmRelease
from hyperpod_constructs.constructs.network import HyperPodNetwork
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.constructs.training_job import TrainingJob, TrainingJobs
from hyperpod_constructs.core.report.words import Words, words_of
from hyperpod_constructs.core.spec import (
    Autoscaling,
    Bucket,
    Cluster,
    Eks,
    ExistingEks,
    InstanceGroup,
    Job,
    LustreFileSystem,
    Volume,
)
from hyperpod_constructs.core.spec.dependencies import OciChart

CONFIGS = (
    "hyperpod.yaml",
    *(
        f"examples/{name}.yaml"
        for name in (
            *("everything", "existing-vpc-and-eks", "closed-network", "lustre", "teams", "karpenter-spot"),
            *("observability-managed", "observability-self-hosted", "restricted-groups"),
        )
    ),
    *("tests/configs/keys-and-options.yaml", "tests/configs/closed-control-plane.yaml"),
)
SINGLE, EXISTING, ONE_STACK = "single constructs", "existing control plane", "one stack"
IMPORTED = "imported by attributes"
POLICIES = ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy")
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "AWS::APS::Workspace": ("KmsKeyArn", "LoggingConfiguration"),
    "AWS::EC2::FlowLog": ("TrafficType", "ResourceId"),
    "AWS::EC2::SecurityGroup": ("SecurityGroupEgress", "SecurityGroupIngress"),
    "AWS::EC2::SecurityGroupEgress": ("",),
    "AWS::EC2::SecurityGroupIngress": ("",),
    "AWS::EC2::VPCEndpoint": ("ServiceName", "PrivateDnsEnabled", "SecurityGroupIds", "SubnetIds", "RouteTableIds"),
    "AWS::EKS::AccessEntry": ("",),
    "AWS::EKS::Addon": ("PodIdentityAssociations", "ServiceAccountRoleArn", "ResolveConflicts", "PreserveOnDelete"),
    "AWS::EKS::Cluster": (
        "AccessConfig",
        "EncryptionConfig",
        "Logging",
        "ResourcesVpcConfig",
        "DeletionProtection",
        "UpgradePolicy",
    ),
    "AWS::EKS::PodIdentityAssociation": ("",),
    "AWS::FSx::FileSystem": ("KmsKeyId", "SecurityGroupIds", "SubnetIds"),
    "AWS::IAM::Role": ("ManagedPolicyArns", "PermissionsBoundary", "Policies"),
    "AWS::Lambda::Function": ("VpcConfig",),
    "AWS::Lambda::Permission": ("",),
    "AWS::Logs::LogGroup": ("KmsKeyId", "LogGroupName", "RetentionInDays"),
    "AWS::S3::Bucket": (
        *("BucketEncryption", "PublicAccessBlockConfiguration", "OwnershipControls", "VersioningConfiguration"),
        *("LoggingConfiguration", "ObjectLockEnabled", "LifecycleConfiguration"),
    ),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SageMaker::Cluster": ("VpcConfig", "TieredStorageConfig", "GainedLater"),
    "Custom::HyperPodClusterGuard": ("SecurityGroupIds", "Subnets", "EksClusterArn", "FileSystems", "Groups", "Roles"),
    "Custom::HyperPodKubernetesWait": ("Condition",),
    "AWS::StepFunctions::StateMachine": ("RoleArn", "LoggingConfiguration", "EncryptionConfiguration"),
    "Custom::HyperPodLifecycleScripts": ("",),
    "Custom::LogRetention": ("RetentionInDays",),
}
"""Properties by type; '' for all of them."""
TEXTS = {"Ref", "Fn::GetAtt", "Fn::GetStackOutput", "Fn::ImportValue", "Fn::Join"}
HASH = re.compile(r"\b[0-9a-f]{64}\b")


def flat(names: Words, stack: str, value: Any) -> Any:
    """A value in which references and joined strings are replaced by strings."""
    if isinstance(value, list):
        return [flat(names, stack, item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and value.keys() & TEXTS:
        return names.text(stack, value)
    return {key: flat(names, stack, item) for key, item in value.items()}


def lines(stacks: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """The order and the security settings of templates."""
    names = words_of(stacks)
    for stack, template in stacks.items():
        for name, resource in template["Resources"].items():
            title, type_ = names.name(stack, name), resource["Type"]
            after = resource.get("DependsOn", [])
            for other in [after] if isinstance(after, str) else after:
                yield f"{title} after {names.name(stack, other)}"
            policies = [resource.get(key) for key in ("DeletionPolicy", "UpdateReplacePolicy")]
            if any(policies) and policies != ["Delete", "Delete"]:
                yield f"{title} {type_} on deletion and replacement: {policies}"
            properties = flat(names, stack, resource.get("Properties", {}))
            for key in POLICIES:
                policy = properties.get(key, {})
                statements = policy.get("Statement", [policy]) if isinstance(policy, dict) else [policy]
                yield from (f"{title} {key}: {json.dumps(statement)}" for statement in statements if statement)
            for key in SETTINGS.get(type_, ()):
                value = properties.get(key) if key else properties
                if value is not None:
                    yield f"{title} {key or type_}: {json.dumps(value)}"


def single_constructs(app: App) -> None:
    """Constructs with options that no config has, on an existing VPC and an existing EKS cluster."""
    environment = Environment(account="111122223333", region="us-west-2")
    stack, later = Stack(app, "Cluster", env=environment), Stack(app, "Jobs", env=environment)
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=["us-west-2a", "us-west-2b"], private_subnet_ids=["s-1", "s-2"]
    )
    existing_eks = EksClusterAttributes(
        cluster_name="mine", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35"
    )
    groups = tuple(
        InstanceGroup(name=name, instance_type=type_, count=count, availability_zone_id=zone)
        for name, type_, count, zone in (
            *(("system", "ml.m5.4xlarge", 2, "usw2-az1"), ("gpu", "ml.p5.48xlarge", 2, "usw2-az2")),
            ("spare", "ml.g5.8xlarge", 0, "usw2-az2"),
        )
    )
    spec = Cluster(instance_groups=groups, autoscaling=Autoscaling(groups=("spare",)))
    cluster = HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=existing_eks, cluster=spec)
    key = kms.Key(stack, "Key")
    cluster.grant_volume_key(key)
    volume = Volume(size_gib=500, kms_key_arn=KEY)
    cluster.add_instance_group(groups[1].model_copy(update={"name": "late", "volume": volume}))
    HyperPodBucket(stack, "Results", cluster=cluster, bucket=Bucket(name="results", nodes=True), encryption_key=key)
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    job = Job(name="train", image="registry/train:v1", instance_type="ml.p5.48xlarge")
    TrainingJob(stack, "Train", cluster=cluster, job=job, wait_for="start", removal_policy=RemovalPolicy.RETAIN)
    TrainingJobs(
        later, "Many", cluster=cluster, jobs=[job.model_copy(update={"name": name}) for name in "abcd"], shards=2
    )


def existing_control_plane(app: App) -> None:
    """A cluster with a shared role on an EKS cluster of CDK, and one whose API has a private endpoint only."""
    stack = Stack(app, "Existing", env=Environment(account="111122223333", region="us-west-2"))
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=["us-west-2a", "us-west-2b"], private_subnet_ids=["s-1", "s-2"]
    )
    subnets = [ec2.SubnetSelection(subnets=vpc.private_subnets)]
    existing = eks_v2.Cluster(
        stack, "Theirs", version=eks_v2.KubernetesVersion.of("1.35"), vpc=vpc, vpc_subnets=subnets
    )
    nodes = ec2.SecurityGroup(stack, "Nodes", vpc=vpc)
    system = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2, availability_zone_id="usw2-az1")
    cluster = HyperPodCluster(
        stack,
        "Shared",
        vpc=vpc,
        eks_cluster=ImportedEks(stack, "There", eks_cluster=existing, vpc=vpc),
        node_subnets=dict(zip(("usw2-az1", "usw2-az2"), vpc.private_subnets, strict=True)),
        security_group=nodes,
        cluster=Cluster(execution_roles="shared", instance_groups=(system,)),
    )
    cluster.add_instance_group(system.model_copy(update={"name": "late", "availability_zone_id": "usw2-az2"}))
    office = ec2.Peer.ipv4("192.0.2.0/24")
    cluster.connections.allow_from(office, ec2.Port.tcp(22))
    files = HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
    files.connections.allow_default_port_from(ec2.Peer.ipv4("198.51.100.0/24"))
    files.admit(office)
    private = EksClusterAttributes(
        cluster_name="private", kubernetes_version="1.35", endpoint_access="private", vpc=vpc
    )
    apart = ImportedEks(stack, "Private", eks_cluster=private, vpc=vpc, node_security_group=nodes)
    apart.kubernetes.connections.allow_from(ec2.Peer.ipv4("203.0.113.0/24"), ec2.Port.tcp(443))
    scope = Construct(stack, "Mine")
    HyperPodBucket(scope, "Results", bucket=Bucket(name="results", removal="destroy"), allow_data_loss=True)
    lambda_.Function(
        scope,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=cast(lambda_.Code, lambda_.Code.from_inline("def handler(event, context): pass")),
    )
    route = CfnResource(stack, "Route", type="AWS::EC2::Route")
    put_functions_into_vpc(stack, subnet_ids=["s-1"], security_group_ids=["sg-1"], after=[route])


def imported_by_attributes(app: App) -> None:
    """Control plane, network and HyperPod cluster by their attributes, with the security groups that connect them."""
    stack = Stack(app, "ByAttributes", env=Environment(account="111122223333", region="us-west-2"))
    vpc = vpc_by_attributes(stack)
    subnets = dict(zip(("usw2-az1", "usw2-az2"), vpc.private_subnets, strict=True))
    nodes = ec2.SecurityGroup.from_security_group_id(stack, "Nodes", "sg-a123456789abcdef0")
    eks = HyperPodEks.from_attributes(
        stack, "Eks", cluster_name="mine", security_group_id="sg-b123456789abcdef0", kubernetes_version="1.35"
    )
    office, ssh = ec2.Peer.ipv4("192.0.2.0/24"), ec2.Port.tcp(22)
    network = HyperPodNetwork.from_vpc(stack, "Network", vpc=vpc, node_subnets=subnets, security_group=nodes)
    network.connections.allow_from(office, ssh)
    system = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2, availability_zone_id="usw2-az2")
    spec = Cluster(instance_groups=(system,), properties={"GainedLater": {"Mode": "Strict"}})
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, cluster=spec)
    cluster = HyperPodCluster.from_attributes(
        stack,
        "There",
        eks_cluster=eks,
        cluster_name="there",
        cluster_arn="arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl",
        vpc=vpc,
        node_subnets=subnets,
        security_group=ec2.SecurityGroup.from_security_group_id(stack, "NodesThere", "sg-c123456789abcdef0"),
    )
    cluster.connections.allow_from(office, ssh)
    spec_of_eks = Eks(existing=ExistingEks(cluster_name="mine", security_group_id="sg-d123456789abcdef0"))
    other = HyperPodEks(stack, "Other", network=network, eks=spec_of_eks)
    other.connections.allow_from(office, ec2.Port.tcp(443))
    HyperPodEks(stack, "Named", network=network, eks=Eks(cluster_name="named", logs=("audit",)))
    HelmRelease(
        stack,
        "Release",
        kubernetes=eks.kubernetes,
        chart=OciChart(reference="oci://quay.io/mine", version="1.0.0", digest=f"sha256:{'0' * 64}"),
        release="mine",
        namespace="default",
        removal_policy=RemovalPolicy.RETAIN,
    )


def one_stack(app: App) -> None:
    """The order of stacks as an order of resources."""
    platform = platform_of(Path("tests/configs/keys-and-options.yaml"))
    stack = Stack(app, "One", env=Environment(account=platform.account, region=platform.region))
    HyperPodPlatform(stack, "Platform", platform=platform)


APPS: Mapping[str, Callable[[App], None]] = {
    SINGLE: single_constructs,
    EXISTING: existing_control_plane,
    IMPORTED: imported_by_attributes,
    ONE_STACK: one_stack,
}


def stacks_of(config: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The templates of a config or of an app."""
    if config in APPS:
        app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False, outdir=str(folder / config))
        APPS[config](app)
        app.synth()
        return read_assembly(folder / config).templates
    path = Path(config)
    if "closed-network" in config:  # its chart must be downloaded: a placeholder, whose content is not in the template
        chart = folder / "vendor" / "hyperpod-chart" / "Chart.yaml"
        chart.parent.mkdir(parents=True, exist_ok=True)
        chart.write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
        path = Path(shutil.copy(ROOT / path, folder))
    return templates(platform_of(path))


@pytest.fixture(scope="module")
def by_config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    recorded: set[str] = set()
    found = {}
    for config in (*CONFIGS, *APPS):
        stack_lines = lines(stacks_of(config, tmp_path_factory.mktemp("stacks")))
        written = {
            HASH.sub("<asset>", line).replace("Platform/", "") for line in stack_lines
        }  # one stack has the same names
        found[config] = sorted(written - recorded)
        recorded.update(written)
    return found


@pytest.mark.parametrize("config", [*CONFIGS, *APPS])
def test_order_and_security_are_the_reviewed_ones(
    config: str, by_config: dict[str, list[str]], snapshot: SnapshotAssertion
) -> None:
    assert "\n".join(by_config[config]) == snapshot
