"""Existing resources are used: a HyperPod cluster, an EKS cluster of any kind, and any VPC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from assembly import UNCOPIED, warnings_in
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks_v1
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.lambda_layer_kubectl_v35 import KubectlV35Layer
from platform_parts import SYSTEM, ZONES, Synthesized, vpc_by_attributes
from proving import every, proved

from hyperpod_constructs import (
    CertManagerAddon,
    CoreDnsAddon,
    EksClusterAttributes,
    HyperPodCluster,
    HyperPodEks,
    HyperPodFileSystem,
    HyperPodNetwork,
    HyperPodTeam,
    InstanceGroup,
    Job,
    LustreFileSystem,
    MountpointS3CsiAddon,
    QuotaResource,
    TaskGovernanceAddon,
    Team,
    TrainingJob,
    TrainingOperatorAddon,
)
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.imported_eks import EksFacts, facts_of

pytestmark = pytest.mark.slow

ARN = "arn:aws:sagemaker:us-west-2:222233334444:cluster/a1b2c3d4e5f6"
GPU = InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=2, availability_zone_id="usw2-az1")
JOB = Job(name="train", image="registry/a:1", instance_type="ml.p5.48xlarge", nodes=2, command=["a"])
TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.p5.48xlarge", count=1)])


class WithWarnings(Synthesized):
    """A template with the warnings of its synthesis."""

    warnings: list[str]


def synthesize(build) -> WithWarnings:
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(account="222233334444", region="us-west-2"))
    build(stack)
    folder = Path(app.synth().directory)
    result = WithWarnings(json.loads((folder / "Test.template.json").read_text()))
    result.warnings = warnings_in(folder)
    return result


def error_of(build) -> str:
    with pytest.raises(RuntimeError) as error:
        synthesize(build)
    return str(error.value)


def attributes(**extra) -> EksClusterAttributes:
    return EksClusterAttributes(
        cluster_name="shared", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35", **extra
    )


def imported(stack, **arguments) -> HyperPodCluster:
    return HyperPodCluster.from_attributes(stack, "HyperPod", cluster_arn=ARN, eks_cluster=attributes(), **arguments)


# ---- a HyperPod cluster that exists ----


def test_addons_teams_storage_and_jobs_on_an_imported_cluster():
    def build(stack):
        network = HyperPodNetwork.from_vpc(
            stack,
            "Network",
            vpc=vpc_by_attributes(stack),
            zones=ZONES,
            security_group=ec2.SecurityGroup.from_security_group_id(stack, "Nodes", "sg-0123456789abcdef1"),
        )
        cluster = imported(
            stack,
            instance_groups=[SYSTEM, GPU],
            vpc=network,
            execution_role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::222233334444:role/nodes"),
        )
        CoreDnsAddon(stack, "Dns", cluster=cluster)
        CertManagerAddon(stack, "CertManager", cluster=cluster)
        TaskGovernanceAddon(stack, "TaskGovernance", cluster=cluster)
        TrainingOperatorAddon(stack, "Operator", cluster=cluster)
        team = HyperPodTeam(stack, "Team", cluster=cluster, team=TEAM)
        HyperPodFileSystem(stack, "Scratch", cluster=cluster, file_system=LustreFileSystem(name="a", size_gib=4800))
        TrainingJob(stack, "Job", cluster=cluster, job=team.job(JOB))
        s3.Bucket(stack, "Data").grant_read(cluster)

    synthesized = synthesize(build)
    assert synthesized.of("AWS::SageMaker::Cluster") == {}
    assert synthesized.of("AWS::SageMaker::ComputeQuota") or synthesized.of("Custom::HyperPodComputeQuota")
    assert synthesized.only("AWS::FSx::FileSystem")["SecurityGroupIds"] == ["sg-0123456789abcdef1"]
    granted = [p for p in synthesized.of("AWS::IAM::Policy").values() if p.get("Roles") == ["nodes"]]
    assert len(granted) == 1
    jobs = [r for n, r in synthesized.template["Resources"].items() if n.startswith("Job")]
    assert any("Operator" in need for job in jobs for need in job.get("DependsOn", []))


def test_jobs_on_an_imported_cluster_are_checked_against_its_groups_if_known():
    def build(**options):
        return lambda stack: TrainingJob(stack, "Job", cluster=imported(stack, **options), job=JOB)

    text = error_of(build(instance_groups=[SYSTEM]))
    assert "error HP740 Test/Job.instance_type: the cluster has no nodes of ml.p5.48xlarge" in text
    assert synthesize(build(instance_groups=[SYSTEM, GPU])).of("Custom::HyperPodKubernetesObjects")
    assert synthesize(build()).of("Custom::HyperPodKubernetesObjects")


def test_a_missing_attribute_of_an_imported_cluster_is_reported_when_required():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    cluster = HyperPodCluster.from_attributes(stack, "H", cluster_name="research", eks_cluster=attributes())
    assert cluster.cluster_name == "research"
    for needed, use in {
        "cluster_arn": lambda: cluster.cluster_arn,
        "security_group": lambda: cluster.connections,
        "vpc and security_group": lambda: cluster.subnet_id("usw2-az1"),
        "execution_role": lambda: cluster.execution_role_of("gpu"),
    }.items():
        with pytest.raises(ValueError) as refusal:
            use()
        assert str(refusal.value) == (
            f"Test/H: the imported cluster requires {needed}; pass it to HyperPodCluster.from_attributes"
        )


# ---- an EKS cluster of CDK's own classes ----


def v1(stack, vpc, **overrides):
    options = {"authentication_mode": eks_v1.AuthenticationMode.API_AND_CONFIG_MAP, **overrides}
    return eks_v1.Cluster(
        stack,
        "Theirs",
        version=eks_v1.KubernetesVersion.of("1.35"),
        vpc=vpc,
        default_capacity=0,
        kubectl_layer=KubectlV35Layer(stack, "Kubectl"),
        **options,
    )


def v2(stack, vpc, **overrides):
    options = {
        "default_capacity_type": eks_v2.DefaultCapacityType.NODEGROUP,
        "default_capacity": 0,
        "endpoint_access": eks_v2.EndpointAccess.PUBLIC_AND_PRIVATE,
        **overrides,
    }
    return eks_v2.Cluster(stack, "Theirs", version=eks_v2.KubernetesVersion.of("1.35"), vpc=vpc, **options)


def build_on(kind, build=None, **extra):
    def build_stack(stack):
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        cluster = HyperPodCluster(
            stack, "HyperPod", vpc=vpc, eks_cluster=kind(stack, vpc, **extra), instance_groups=[SYSTEM]
        )
        if build:
            build(stack, cluster)

    return build_stack


@pytest.mark.parametrize("kind", [v1, v2])
def test_the_version_of_an_l2_cluster_chooses_the_addons(kind):
    synthesized = synthesize(
        build_on(kind, lambda stack, cluster: TrainingOperatorAddon(stack, "Operator", cluster=cluster))
    )
    addon = next(a for n, a in synthesized.of("AWS::EKS::Addon").items() if n.startswith("Operator"))
    assert addon["AddonVersion"] == "v1.3.0-eksbuild.1"
    assert not [warning for warning in synthesized.warnings if "HP94" in warning]


@pytest.mark.parametrize(
    ("kind", "private"), [(v1, eks_v1.EndpointAccess.PRIVATE), (v2, eks_v2.EndpointAccess.PRIVATE)]
)
def test_functions_are_inside_where_an_l2_cluster_has_a_private_endpoint_only(kind, private):
    synthesized = synthesize(build_on(kind, endpoint_access=private))
    functions = {n: f for n, f in synthesized.of("AWS::Lambda::Function").items() if "KubernetesApplier" in n}
    assert functions
    assert every("VpcConfig" in function for function in functions.values())


def test_functions_run_in_the_vpc_if_the_attributes_have_a_private_endpoint():
    def build(stack):
        HyperPodCluster(
            stack,
            "HyperPod",
            vpc=vpc_by_attributes(stack),
            eks_cluster=attributes(endpoint_access="private"),
            instance_groups=[SYSTEM],
        )

    functions = [f for n, f in synthesize(build).of("AWS::Lambda::Function").items() if "KubernetesApplier" in n]
    assert len(functions[0]["VpcConfig"]["SubnetIds"]) == 2


def test_an_authentication_mode_that_hyperpod_rejects_fails_the_synth():
    text = error_of(build_on(v1, authentication_mode=None))  # the default of CDK's older class
    assert "error HP941 eks_cluster: authentication mode is CONFIG_MAP" in text
    assert "fix: authentication_mode=AuthenticationMode.API_AND_CONFIG_MAP" in text


def test_auto_mode_and_a_public_endpoint_are_warnings():
    synthesized = synthesize(build_on(v2, default_capacity_type=None, default_capacity=None))
    assert [warning for warning in synthesized.warnings if "HP207" in warning and "EKS Auto Mode is enabled" in warning]
    synthesized = synthesize(build_on(v2, endpoint_access=eks_v2.EndpointAccess.PUBLIC))
    assert [warning for warning in synthesized.warnings if "the Kubernetes API has a public endpoint only" in warning]
    assert not [warning for warning in synthesized.warnings if "HP207" in warning]


def test_nothing_is_known_of_what_cdk_imported():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    vpc = vpc_by_attributes(stack)
    assert facts_of(eks_v1.Cluster.from_cluster_attributes(stack, "A", cluster_name="a")) == EksFacts()
    assert facts_of(eks_v2.Cluster.from_cluster_attributes(stack, "B", cluster_name="a", vpc=vpc)) == EksFacts()


def test_an_oidc_provider_that_an_imported_cluster_lacks_is_reported():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    vpc = vpc_by_attributes(stack)
    existing = eks_v2.Cluster.from_cluster_attributes(
        stack, "E", cluster_name="a", vpc=vpc, cluster_security_group_id="sg-0123456789abcdef0"
    )
    cluster = HyperPodCluster(stack, "H", vpc=vpc, eks_cluster=existing, instance_groups=[SYSTEM])
    with pytest.raises(ValueError, match="OIDC provider, which is unknown; set open_id_connect_provider where"):
        MountpointS3CsiAddon(stack, "Mountpoint", cluster=cluster)


def test_one_imported_eks_cluster_is_used_by_several_constructs():
    def build(stack):
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        eks = HyperPodEks.from_cluster(stack, "Eks", cluster=v2(stack, vpc), vpc=vpc)
        assert eks.kubernetes_version == "1.35"
        cluster = HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM])
        assert cluster.kubernetes is eks.kubernetes

    synthesized = synthesize(build)
    assert len([n for n in synthesized.of("AWS::Lambda::Function") if n.startswith("EksKubernetesApplier")]) == 1
    rules = [n for n in synthesized.of("AWS::EC2::SecurityGroupIngress") if n.startswith("HyperPodFrom")]
    assert len(rules) == 2


def test_an_arn_in_place_of_the_name_of_an_eks_cluster_is_a_finding():
    def build(stack):
        eks = HyperPodEks.from_attributes(
            stack, "Eks", cluster_name="arn:aws:eks:us-west-2:222233334444:cluster/shared", security_group_id="sg-1"
        )
        HyperPodCluster(stack, "H", vpc=vpc_by_attributes(stack), eks_cluster=eks, instance_groups=[SYSTEM])

    assert "error HP210 eks.existing.cluster_name" in error_of(build)


def test_two_hyperpod_clusters_on_one_existing_eks_cluster_are_rejected():
    def build(stack):
        vpc = vpc_by_attributes(stack)
        for id in ("A", "B"):
            HyperPodCluster(stack, id, vpc=vpc, eks_cluster=attributes(), instance_groups=[SYSTEM])

    assert "error HP027 cluster: 2 HyperPod clusters on one EKS cluster: Test/A and Test/B" in error_of(build)


# ---- any VPC ----


def platform_in(vpc, **network):
    def build(stack):
        imported = HyperPodNetwork.from_vpc(stack, "Network", vpc=vpc(stack), **network)
        eks = HyperPodEks(stack, "Eks", network=imported)
        HyperPodCluster(stack, "HyperPod", vpc=imported, eks_cluster=eks, instance_groups=[SYSTEM, GPU])

    return build


@pytest.fixture(scope="module")
def in_a_vpc() -> WithWarnings:
    """A platform in a VPC of the app."""
    return synthesize(platform_in(lambda stack: ec2.Vpc(stack, "Vpc", max_azs=2), zones=ZONES))


def test_zones_of_a_vpc_are_looked_up_among_its_private_subnets(in_a_vpc):
    template = in_a_vpc
    lookups = list(template.of("Custom::AWS"))
    assert len(lookups) == 2
    subnets = [{"Fn::GetAtt": [lookup, "Subnets.0.SubnetId"]} for lookup in lookups]
    cluster = template.only("AWS::SageMaker::Cluster")
    assert cluster["VpcConfig"]["Subnets"] == subnets
    assert cluster["InstanceGroups"][1]["OverrideVpcConfig"]["Subnets"] == subnets[:1]
    assert template.only("AWS::EKS::Cluster")["ResourcesVpcConfig"]["SubnetIds"] == subnets


def test_routes_of_a_vpc_of_the_app_are_created_before_the_cluster(in_a_vpc):
    template, resources = in_a_vpc, in_a_vpc.template["Resources"]
    routes = {name for name, resource in resources.items() if resource["Type"] == "AWS::EC2::Route"}
    assert len(routes) == 4
    for kind in ("AWS::EKS::Cluster", "AWS::SageMaker::Cluster"):
        (name,) = template.of(kind)
        assert routes <= set(resources[name]["DependsOn"]), kind


def test_specified_subnets_are_used_unchanged():
    ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]

    def build(stack):
        vpc = vpc_by_attributes(stack)
        network = HyperPodNetwork.from_vpc(
            stack, "Network", vpc=vpc, node_subnets=dict(zip(ZONES, vpc.private_subnets, strict=True))
        )
        eks = HyperPodEks(stack, "Eks", network=network)
        HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=[SYSTEM, GPU])

    synthesized = synthesize(build)
    assert synthesized.of("Custom::AWS") == {}
    assert synthesized.only("AWS::SageMaker::Cluster")["VpcConfig"]["Subnets"] == ids
    assert synthesized.only("AWS::EKS::Cluster")["ResourcesVpcConfig"]["SubnetIds"] == ids


def test_a_network_from_a_vpc_needs_zones_or_subnets():
    stack = Stack(App(context=UNCOPIED, analytics_reporting=False), "Test")
    with pytest.raises(ValueError, match="Test/N: set zones, to look up the subnet of each, or node_subnets"):
        HyperPodNetwork.from_vpc(stack, "N", vpc=vpc_by_attributes(stack))


def test_zones_of_another_region_are_findings_of_a_network_from_a_vpc():
    text = error_of(platform_in(vpc_by_attributes, zones=("use1-az1", "use1-az2")))
    assert "error HP112 network.existing.node_subnets[0].availability_zone_id" in text


def test_the_vpc_of_another_stack_and_parameters_for_its_subnets():
    app = App(context=cdk_context() | UNCOPIED)
    env = Environment(account="222233334444", region="us-west-2")
    base = Stack(app, "Base", env=env)
    vpc = ec2.Vpc(base, "Vpc", max_azs=2)
    stack = Stack(app, "Test", env=env)
    subnet = CfnParameter(stack, "Subnet").value_as_string
    imported_subnet = ec2.Subnet.from_subnet_id(stack, "Given", subnet)
    subnets = dict(zip(ZONES, [vpc.private_subnets[0], imported_subnet], strict=True))
    network = HyperPodNetwork.from_vpc(stack, "Network", vpc=vpc, node_subnets=subnets)
    eks = HyperPodEks(stack, "Eks", network=network)
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=[SYSTEM])
    artifact = app.synth().get_stack_artifact(stack.artifact_id)
    synthesized = Synthesized(artifact.template)
    assert synthesized.only("AWS::SageMaker::Cluster")["VpcConfig"]["Subnets"][1] == {"Ref": "Subnet"}
    assert "Base" in [dependency.id for dependency in artifact.dependencies]


def test_the_order_is_proved_in_a_vpc_of_the_app(in_a_vpc):
    proved(
        {"Test": in_a_vpc.template},
        "gateway-before-routes",
        "role-policies-before-clusters",
        "core-addons-before-cluster",
    )
