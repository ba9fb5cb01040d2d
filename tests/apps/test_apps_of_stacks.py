"""Layouts of stacks in apps of consumers: one, several, stages, pipelines, nested stacks, two clusters."""

from __future__ import annotations

import json

import pytest
from aws_cdk import Environment, NestedStack, Stack, Stage, pipelines
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template
from constructs import Construct
from consumer import ADMIN, ENV, ZONES, app, base, groups, platform, training
from proving import every

from hyperpod_constructs import (
    CertManagerAddon,
    Cluster,
    CoreDnsAddon,
    Eks,
    FsxCsiAddon,
    HyperPodAlarms,
    HyperPodCluster,
    HyperPodDependencies,
    HyperPodEks,
    HyperPodFileSystem,
    HyperPodGovernance,
    HyperPodNetwork,
    LustreFileSystem,
    Network,
    Platform,
    TaskGovernanceAddon,
    TrainingJob,
    TrainingOperatorAddon,
    platform_stacks,
)
from hyperpod_constructs.core.spec import Governance, QuotaResource, Team

pytestmark = pytest.mark.slow

# ---- 1: one stack with everything ----


@pytest.fixture(scope="module")
def research() -> Template:
    cdk_app = app()
    stack = Stack(cdk_app, "Research", env=ENV)
    network, eks = base(stack)
    types = [group.instance_type for group in groups() if group.instance_type]
    chart = HyperPodDependencies(stack, "Chart", kubernetes=eks.kubernetes, region=stack.region, instance_types=types)
    cluster = HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups(), after=[chart])
    for addon in (CoreDnsAddon, CertManagerAddon, FsxCsiAddon, TaskGovernanceAddon, TrainingOperatorAddon):
        addon(stack, addon.__name__.removesuffix("Addon"), cluster=cluster)
    HyperPodAlarms(stack, "Alarms", cluster=cluster)
    HyperPodFileSystem(stack, "Scratch", cluster=cluster, file_system=LustreFileSystem(name="scratch", size_gib=4800))
    vision = Team(name="vision", quota=(QuotaResource(instance_type="ml.p5.48xlarge", count=2),))
    teams = HyperPodGovernance(stack, "Governance", cluster=cluster, governance=Governance(teams=(vision,)))
    TrainingJob(stack, "Job", cluster=cluster, job=teams.teams["vision"].job(training()))
    s3.Bucket(stack, "Data").grant_read_write(cluster)
    return Template.from_stack(stack)


def test_everything_in_one_stack(research: Template) -> None:
    for kind in ("AWS::EC2::VPC", "AWS::EKS::Cluster", "AWS::SageMaker::Cluster", "AWS::FSx::FileSystem"):
        research.resource_count_is(kind, 1)
    research.has_resource_properties("AWS::SageMaker::ComputeQuota", {"ComputeQuotaTarget": {"TeamName": "vision"}})
    research.has_resource_properties(
        "AWS::SageMaker::Cluster",
        {"InstanceGroups": Match.array_with([Match.object_like({"InstanceGroupName": "gpu", "InstanceCount": 2})])},
    )


def test_the_job_is_created_after_its_operator(research: Template) -> None:
    objects = research.find_resources("Custom::HyperPodKubernetesObjects")
    (job,) = [item for name, item in objects.items() if name.startswith("Job")]
    assert any("TrainingOperator" in name for name in job["DependsOn"])


# ---- 2: a stack for each lifetime; 3: a stage for each environment; 4: both stages in one account ----


class Ml(Stage):
    """All stacks of one environment."""

    def __init__(self, scope: Construct, id: str, *, region: str, account: str, gpu_nodes: int) -> None:
        super().__init__(scope, id, env=Environment(account=account, region=region))
        zones = ZONES[region]
        names = ("Net", "K8s", "Hp", "Addons", "Jobs")
        self.net, self.k8s, self.hp, self.addons, self.jobs = (Stack(self, name) for name in names)
        network = HyperPodNetwork(self.net, "Network", network=Network(availability_zone_ids=tuple(zones)))
        eks = HyperPodEks(self.k8s, "Eks", network=network, eks=Eks(admins=(ADMIN,)))
        members = groups(zones[0], gpu_nodes=gpu_nodes)
        cluster = HyperPodCluster(self.hp, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=members)
        CoreDnsAddon(self.addons, "CoreDns", cluster=cluster)
        CertManagerAddon(self.addons, "CertManager", cluster=cluster)
        TrainingOperatorAddon(self.addons, "Operator", cluster=cluster)
        TrainingJob(self.jobs, "Train", cluster=cluster, job=training(gpu_nodes))


@pytest.fixture(scope="module")
def environments() -> dict[str, Ml]:
    cdk_app = app()
    return {
        "dev": Ml(cdk_app, "Dev", region="us-west-2", account="111122223333", gpu_nodes=1),
        "prod": Ml(cdk_app, "Prod", region="us-east-1", account="444455556666", gpu_nodes=4),
    }


def test_stacks_by_lifetime_are_deployed_in_order(environments: dict[str, Ml]) -> None:
    dev = environments["dev"]
    artifacts = {stack.stack_name.removeprefix("Dev-"): stack for stack in dev.synth().stacks}
    before = {name: {d.id for d in artifact.dependencies} for name, artifact in artifacts.items()}
    assert artifacts["Net"].id in before["K8s"]
    assert artifacts["K8s"].id in before["Hp"]
    assert artifacts["Hp"].id in before["Addons"]
    assert artifacts["Addons"].id in before["Jobs"]


def test_each_environment_has_its_own_zones_size_and_region(environments: dict[str, Ml]) -> None:
    for name, zone, nodes in (("dev", "usw2-az1", 1), ("prod", "use1-az4", 4)):
        stage = environments[name]
        Template.from_stack(stage.net).has_resource_properties("AWS::EC2::Subnet", {"AvailabilityZoneId": zone})
        Template.from_stack(stage.hp).has_resource_properties(
            "AWS::SageMaker::Cluster",
            {"InstanceGroups": Match.array_with([Match.object_like({"InstanceCount": nodes})])},
        )
    prod = [json.dumps(Template.from_stack(s).to_json()) for s in (environments["prod"].net, environments["prod"].hp)]
    assert not any("usw2" in text or "us-west-2" in text for text in prod)


def test_stages_in_one_account_have_stacks_of_different_names() -> None:
    cdk_app = app()
    stages = [Ml(cdk_app, name, region="us-west-2", account="111122223333", gpu_nodes=1) for name in ("Dev", "Test")]
    names = [stack.stack_name for stage in stages for stack in (stage.net, stage.k8s, stage.hp)]
    assert len(set(names)) == 6
    physical = [Template.from_stack(stage.hp).find_resources("AWS::SageMaker::Cluster") for stage in stages]
    assert every("ClusterName" not in resource["Properties"] for found in physical for resource in found.values())


# ---- 5: a pipeline that deploys the stages ----


def test_a_pipeline_deploys_the_stacks_of_a_stage_in_order() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Pipeline", env=ENV)
    source = pipelines.CodePipelineSource.s3(s3.Bucket(stack, "Source", versioned=True), "app.zip")
    synth = pipelines.ShellStep("Synth", input=source, commands=["pip install hyperpod-constructs", "npx cdk synth"])
    pipeline = pipelines.CodePipeline(stack, "Pipeline", synth=synth)
    pipeline.add_stage(Ml(stack, "Prod", region="us-west-2", account="111122223333", gpu_nodes=2))
    (found,) = Template.from_stack(stack).find_resources("AWS::CodePipeline::Pipeline").values()
    (prod,) = [stage for stage in found["Properties"]["Stages"] if stage["Name"] == "Prod"]
    order = {action["Name"]: action["RunOrder"] for action in prod["Actions"]}
    deploys = [order[f"{name}.Deploy"] for name in ("Net", "K8s", "Hp", "Addons", "Jobs")]
    assert deploys == sorted(set(deploys))


# ---- 6: nested stacks ----


def test_the_network_in_a_nested_stack() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Research", env=ENV)
    nested = NestedStack(stack, "NetworkStack")
    network = HyperPodNetwork(nested, "Network", network=Network(availability_zone_ids=tuple(ZONES["us-west-2"])))
    eks = HyperPodEks(stack, "Eks", network=network, eks=Eks(admins=(ADMIN,)))
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=groups())
    parent, child = Template.from_stack(stack), Template.from_stack(nested)
    child.resource_count_is("AWS::EC2::VPC", 1)
    parent.resource_count_is("AWS::EC2::VPC", 0)
    (cluster,) = parent.find_resources("AWS::SageMaker::Cluster").values()
    subnets = cluster["Properties"]["VpcConfig"]["Subnets"]
    assert every("NestedStack" in json.dumps(subnet) for subnet in subnets)


# ---- 7: two EKS clusters with a HyperPod cluster each, in one network ----


def test_two_clusters_in_one_network() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Two", env=ENV)
    network, first = base(stack)
    second = HyperPodEks(stack, "Eks2", network=network, eks=Eks(admins=(ADMIN,)))
    for name, eks in (("A", first), ("B", second)):
        cluster = HyperPodCluster(stack, name, vpc=network, eks_cluster=eks, instance_groups=groups())
        TrainingOperatorAddon(stack, f"Operator{name}", cluster=cluster)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::SageMaker::Cluster", 2)
    template.resource_count_is("AWS::EC2::VPC", 1)
    clusters = template.find_resources("AWS::SageMaker::Cluster").values()
    assert len({json.dumps(resource["Properties"]["Orchestrator"]) for resource in clusters}) == 2


# ---- 8: whole platforms from specs, in the stacks of an app that has more ----


def spec(name: str, region: str) -> Platform:
    return Platform(
        name=name,
        region=region,
        network=Network(availability_zone_ids=tuple(ZONES[region])),
        eks=Eks(admins=(ADMIN,)),
        cluster=Cluster(instance_groups=tuple(groups(ZONES[region][0]))),
    )


def test_platforms_of_two_regions_with_a_stack_of_the_user() -> None:
    cdk_app = app()
    images = Stack(cdk_app, "Images", env=ENV)
    s3.Bucket(images, "Models")
    for name, region in (("west", "us-west-2"), ("east", "us-east-1")):
        stage = Stage(cdk_app, name, env=Environment(account="111122223333", region=region))
        platform_stacks(stage, spec(name, region))
    assembly = cdk_app.synth()
    assert [stack.stack_name for stack in assembly.stacks] == ["Images"]
    regions = {stack.environment.region for stack in assembly.stacks_recursively if stack.stack_name != "Images"}
    assert regions == {"us-west-2", "us-east-1"}
    assert len(assembly.stacks_recursively) == 11


# ---- 9: an app without a region ----


def test_an_environment_agnostic_stack_names_no_region_or_partition() -> None:
    cdk_app = app()
    stack = Stack(cdk_app, "Anywhere")
    cluster = platform(stack)
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    text = json.dumps(Template.from_stack(stack).to_json())
    assert "us-west-2" not in text
    assert "arn:aws:sagemaker" not in text
