"""File systems, teams, jobs, NodePools and roles use groups that are added after them."""

from __future__ import annotations

import json
from functools import cache

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Environment, Stack, assertions
from platform_parts import KEY, SYSTEM, Synthesized, existing_cluster, make_cluster, synthesize, vpc_by_attributes

from hyperpod_constructs import (
    Autoscaling,
    Cluster,
    EksClusterAttributes,
    HyperPodCluster,
    HyperPodFileSystem,
    HyperPodTeam,
    InstanceGroup,
    Job,
    LustreFileSystem,
    QuotaResource,
    RestrictedInstanceGroup,
    Team,
    TrainingJob,
    TrainingJobs,
    Volume,
)
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.manifests import Manifests

pytestmark = pytest.mark.slow

GPU = InstanceGroup(
    name="gpu",
    instance_type="ml.p5.48xlarge",
    count=2,
    availability_zone_id="usw2-az2",
    taints=({"key": "research", "effect": "NoSchedule"},),
)
TEAM = Team(name="vision", quota=[QuotaResource(instance_type="ml.p5.48xlarge", count=2)])
each_order = pytest.mark.parametrize("groups_late", [True, False])


@cache
def synthesized(*, groups_late: bool) -> Synthesized:
    """A file system and a team, before or after the accelerated group."""

    def build(stack: Stack) -> None:
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,)))
        if not groups_late:
            cluster.add_instance_group(GPU)
        HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
        HyperPodTeam(stack, "Vision", cluster=cluster, team=TEAM)
        if groups_late:
            cluster.add_instance_group(GPU)

    return synthesize(build)


@each_order
def test_the_file_system_is_in_the_zone_of_the_accelerated_group(groups_late: bool) -> None:
    found = synthesized(groups_late=groups_late)
    system = found.only("AWS::FSx::FileSystem")
    (gpu,) = (g for g in found.only("AWS::SageMaker::Cluster")["InstanceGroups"] if g["InstanceGroupName"] == "gpu")
    assert system["SubnetIds"] == gpu["OverrideVpcConfig"]["Subnets"]
    (guarded,) = found.only("Custom::HyperPodClusterGuard")["FileSystems"]
    assert [guarded["SubnetId"]] == system["SubnetIds"]


@each_order
def test_a_team_can_tolerate_the_taints_of_its_groups_and_not_those_of_the_system_nodes(groups_late: bool) -> None:
    (manifest,) = (
        json.loads(properties["Manifest"])
        for name, properties in synthesized(groups_late=groups_late).of("Custom::HyperPodKubernetesObjects").items()
        if "Isolation" in name
    )
    rules = {rule["message"].partition(": ")[2]: rule["expression"] for rule in manifest[0]["spec"]["validations"]}
    (tolerations,) = (text for message, text in rules.items() if message.startswith("pods may tolerate only"))
    assert '"research"' in tolerations
    assert any("must not run on nodes of the group system" in message for message in rules)


def test_the_templates_of_both_orders_have_the_same_resources() -> None:
    first, second = synthesized(groups_late=True), synthesized(groups_late=False)
    assert sorted(first.template["Resources"]) == sorted(second.template["Resources"])


def test_in_a_vpc_whose_zones_are_looked_up_the_subnet_is_that_of_the_group() -> None:
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    stack = Stack(app, "Test", env=Environment(region="us-west-2"))
    vpc = vpc_by_attributes(stack)
    eks = EksClusterAttributes(cluster_name="mine", security_group_id="sg-0123456789abcdef0", kubernetes_version="1.35")
    cluster = HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM])
    HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
    cluster.add_instance_group(GPU)
    found = Synthesized(assertions.Template.from_stack(stack).to_json())
    (subnet,) = found.only("AWS::FSx::FileSystem")["SubnetIds"]
    name, attribute = subnet["Fn::GetAtt"]
    assert attribute == "Subnets.0.SubnetId"
    assert name in found.template["Resources"]


# ---- Karpenter: its groups change jobs, NodePools and the cluster's role ----

FILLED = InstanceGroup(
    name="burst",
    instance_type="ml.g5.8xlarge",
    count=0,
    max_count=4,
    availability_zone_id="usw2-az2",
    volume=Volume(size_gib=500, kms_key_arn=KEY),
)
TRAIN = Job(name="train", image="train:1", instance_type="ml.g5.8xlarge", nodes=2, command=("python", "train.py"))
ORDERED = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "scripts"}, "data": {}}


def scaled(stack: Stack, pools: str, *groups: InstanceGroup) -> HyperPodCluster:
    scaling = Autoscaling(pools=pools)
    return make_cluster(stack, Cluster(instance_groups=(SYSTEM, *groups), autoscaling=scaling, counts="autoscaler"))


def manifests(found: Synthesized) -> dict[str, list[dict[str, object]]]:
    """The objects that are applied, by logical id without its hash."""
    return {
        name[:-8]: json.loads(properties["Manifest"])
        for name, properties in found.of("Custom::HyperPodKubernetesObjects").items()
    }


@cache
def with_jobs(pools: str, *, groups_late: bool) -> Synthesized:
    """Jobs before or after the group that Karpenter fills."""

    def build(stack: Stack) -> None:
        cluster = scaled(stack, pools, *([] if groups_late else [FILLED]))
        TrainingJob(stack, "Train", cluster=cluster, job=TRAIN, wait_for="start")
        TrainingJobs(stack, "More", cluster=cluster, jobs=[TRAIN.model_copy(update={"name": "more"})])
        if groups_late:
            cluster.add_instance_group(FILLED)

    return synthesize(build)


@pytest.mark.parametrize("pools", ["shared", "per-group"])
@each_order
def test_karpenters_groups_can_be_added_after_the_job(pools: str, groups_late: bool) -> None:
    found = with_jobs(pools, groups_late=groups_late)
    applied = manifests(found)
    names = set()
    for id, name in (("TrainJob", "train"), ("MoreAllmoreJob", "more")):
        (job,) = applied[id]
        (replica,) = job["spec"]["replicaSpecs"]
        assert replica["template"]["metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
        names.add(job["metadata"]["name"])
        assert job["metadata"]["name"].startswith(f"{name}-")
    awaited = [wait["Condition"].get("Name") for wait in found.of("Custom::HyperPodKubernetesWait").values()]
    assert names & set(awaited) == {manifests(found)["TrainJob"][0]["metadata"]["name"]}
    decrypts = found.allows("ClusterRole", "kms:CreateGrant")
    assert [statement["Resource"] for statement in decrypts] == [KEY]


def test_the_job_has_the_same_name_in_both_orders() -> None:
    first, second = (
        manifests(with_jobs("per-group", groups_late=groups_late))["TrainJob"][0]["metadata"]
        for groups_late in (True, False)
    )
    assert first["name"] == second["name"]


def test_a_name_that_is_read_before_the_groups_are_added_fails_the_synth() -> None:
    def build(stack: Stack) -> None:
        cluster = scaled(stack, "per-group")
        job = TrainingJob(stack, "Train", cluster=cluster, job=TRAIN)
        name = job.job_name
        cluster.add_instance_group(FILLED)
        problems = [text for item in job.node.validate() for text in [item]]
        assert len(problems) == 1
        assert problems[0].splitlines()[0] == (
            f"error HP751 Test/Train.job_name: was read as {name!r}, but is {job.manifest['metadata']['name']!r}"
        )

    with pytest.raises(RuntimeError, match="HP751"):
        synthesize(build)


def test_a_shared_node_pool_has_the_groups_that_are_added_later() -> None:
    other = FILLED.model_copy(update={"name": "other"})

    def build(stack: Stack) -> None:
        scaled(stack, "shared", FILLED).add_instance_group(other)

    (node_class,) = [items for id, items in manifests(synthesize(build)).items() if "NodeClass" in id]
    assert [item["metadata"]["name"] for item in node_class] == ["hyperpod"]
    assert node_class[0]["spec"] == {"instanceGroups": ["burst", "other"]}


# ---- what else may come late ----


def test_the_copy_of_the_network_agent_is_recreated_when_a_team_changes_the_add_on() -> None:
    restricted = RestrictedInstanceGroup(
        name="rig", instance_type="ml.p5.48xlarge", count=1, lustre_size_gib=1200, lustre_throughput=250
    )

    def build(stack: Stack, *, team: bool) -> None:
        groups = {"instance_groups": (SYSTEM,), "restricted_instance_groups": (restricted,), "provisioning": "Request"}
        cluster = make_cluster(stack, Cluster(**groups))
        if team:
            HyperPodTeam(stack, "Vision", cluster=cluster, team=TEAM.model_copy(update={"quota": ()}))

    reruns = []
    for team in (False, True):
        found = synthesize(lambda stack, team=team: build(stack, team=team))
        (agent,) = [
            resource
            for id, resource in found.of("Custom::HyperPodKubernetesObjects").items()
            if "RestrictedNetworkAgent" in id
        ]
        reruns.append(json.dumps(agent["RerunOn"]))
    assert "enableNetworkPolicy" in reruns[1]
    assert "enableNetworkPolicy" not in reruns[0]


@each_order
def test_a_job_is_created_after_manifests_in_either_order(groups_late: bool) -> None:
    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack)
        job = TRAIN.model_copy(update={"instance_type": "ml.m5.4xlarge"})
        make = (
            lambda: TrainingJob(stack, "Train", cluster=cluster, job=job),
            lambda: Manifests(stack, "Manifests", cluster=cluster, objects=[ORDERED]),
        )
        for item in make if groups_late else reversed(make):
            item()

    resources = synthesize(build).template["Resources"]
    (job,) = [resource for id, resource in resources.items() if id.startswith("TrainJob")]
    (scripts,) = [id for id in resources if id.startswith("Manifestsdefault")]
    assert scripts in job["DependsOn"]
