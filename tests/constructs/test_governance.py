"""Scheduler config, quotas and teams: native types and handler, permissions, order, and a job with only its team."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from assembly import UNCOPIED, Assembly, read_assembly
from botocore.validate import ParamValidator
from platform_parts import SYSTEM, existing_cluster
from proving import every, proved
from waiting import Waiting

from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.constructs.addons import TaskGovernanceAddon
from hyperpod_constructs.constructs.governance import ClusterSchedulerConfig, ComputeQuota, HyperPodTeam
from hyperpod_constructs.constructs.training_job import TrainingJob
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.governance_properties import compute_quota_properties, scheduler_config_properties
from hyperpod_constructs.core.jobs import compile_job
from hyperpod_constructs.core.spec import Governance, InstanceGroup, Job, Platform, QuotaResource, Scheduler, Team

pytestmark = pytest.mark.slow

MEMBER = "arn:aws:iam::111122223333:role/Vision"
OTHER = "arn:aws:iam::111122223333:role/Speech"
VIEWER = "arn:aws:iam::111122223333:role/Audit"
P5 = "ml.p5.48xlarge"
ZONES = {
    "us-west-2": ["usw2-az1", "usw2-az2"],
    "us-east-1": ["use1-az1", "use1-az6"],
    "us-west-1": ["usw1-az1", "usw1-az3"],
}

VISION = Team(
    name="vision",
    description="The vision team",
    quota=(
        QuotaResource(instance_type=P5, count=6),
        QuotaResource(instance_type="ml.p4d.24xlarge", accelerators=4, vcpu=40, memory_gib=480.5),
        QuotaResource(instance_type="ml.p5.48xlarge", mig_profile="mig-1g.10gb", mig_count=7),
    ),
    borrow_limit=100,
    borrow_limits=(QuotaResource(instance_type=P5, count=2),),
    preempt="Never",
    fair_share_weight=50,
    active=False,
    priority="high",
    members=(MEMBER,),
    viewers=(VIEWER,),
)
SPEECH = Team(name="speech", quota=(QuotaResource(instance_type=P5, count=2),), sharing="Lend", members=(OTHER, MEMBER))
SCHEDULER = Scheduler(
    priority_classes=({"name": "high", "weight": 90}, {"name": "low", "weight": 10}),  # type: ignore[arg-type]
    idle_resource_sharing=True,
    description="Fair",
)


def platform(region: str = "us-west-2", through: str = "auto", **overrides: Any) -> Platform:
    return Platform.model_validate(
        {
            "name": "research",
            "region": region,
            "network": {"availability_zone_ids": ZONES[region]},
            "cluster": {
                "instance_groups": [
                    {"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2},
                    {"name": "workers", "instance_type": P5, "count": 9, "availability_zone_id": ZONES[region][0]},
                    {
                        "name": "older",
                        "instance_type": "ml.p4d.24xlarge",
                        "count": 1,
                        "availability_zone_id": ZONES[region][0],
                    },
                ]
            },
            "addons": {"training_operator": {}, "task_governance": {}},
            "governance": Governance(scheduler=SCHEDULER, teams=(VISION, SPEECH), through=through),  # type: ignore[arg-type]
            **overrides,
        }
    )


Synth = Callable[..., Assembly]


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    assemblies: dict[str, Assembly] = {}

    def make(region: str = "us-west-2", through: str = "auto", **extra: Any) -> Assembly:
        key = f"{region} {through} {sorted(extra)}"
        if key not in assemblies:
            folder = tmp_path_factory.mktemp("governance")
            app = cdk.App(outdir=str(folder), context=UNCOPIED, analytics_reporting=False)
            platform_stacks(app, platform(region, through, **extra), prefix="research-")
            app.synth()
            assemblies[key] = read_assembly(folder)
        return assemblies[key]

    return make


def requests(assembly: Assembly, kind: str) -> list[dict[str, Any]]:
    """The request for each resource of a kind, native or by the handler; tokens are `<token>`."""
    native = [resource["Properties"] for resource in assembly.resources(f"AWS::SageMaker::{kind}").values()]
    handled = [
        json.loads(plain(resource["Properties"]["Request"]))
        for resource in assembly.resources(f"Custom::HyperPod{kind}").values()
    ]
    return [_untokened(item) for item in native + handled]


def plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "".join(part if isinstance(part, str) else "<token>" for part in value["Fn::Join"][1])


def _untokened(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return "<token>"
        return {key: _untokened(item) for key, item in value.items()}
    return [_untokened(item) for item in value] if isinstance(value, list) else value


# ---- both ways ----


@pytest.mark.parametrize("kind", ["ClusterSchedulerConfig", "ComputeQuota"])
def test_both_ways_send_the_same(synth: Synth, kind: str) -> None:
    native, handled = synth("us-east-1", "native"), synth("us-east-1", "handler")
    assert not handled.resources(f"AWS::SageMaker::{kind}")
    assert not native.resources(f"Custom::HyperPod{kind}")
    without_tags = [
        [{key: value for key, value in request.items() if key != "Tags"} for request in requests(item, kind)]
        for item in (native, handled)
    ]
    assert without_tags[0] == without_tags[1]
    assert without_tags[0]


@pytest.mark.parametrize(
    ("region", "scheduler", "quota"),
    [("us-east-1", "AWS", "AWS"), ("us-west-2", "Custom", "AWS"), ("us-west-1", "AWS", "Custom")],
)
def test_native_where_the_region_has_the_types(synth: Synth, region: str, scheduler: str, quota: str) -> None:
    types = {resource["Type"] for resource in synth(region).resources().values()}
    names = {"AWS": "AWS::SageMaker::{}", "Custom": "Custom::HyperPod{}"}
    assert names[scheduler].format("ClusterSchedulerConfig") in types
    assert names[quota].format("ComputeQuota") in types
    fact = catalog.region(region)
    assert (fact.scheduler_config_cfn, fact.compute_quota_cfn) == (scheduler == "AWS", quota == "AWS")


@pytest.mark.parametrize(
    ("operation", "properties"),
    [
        ("CreateComputeQuota", compute_quota_properties(VISION, name="vision", cluster_arn="arn", tags={"a": "b"})),
        ("CreateComputeQuota", compute_quota_properties(Team(name="idle"), name="idle", cluster_arn="arn")),
        (
            "CreateClusterSchedulerConfig",
            scheduler_config_properties(SCHEDULER, name="policy", cluster_arn="arn", tags={"a": "b"}),
        ),
        ("CreateClusterSchedulerConfig", scheduler_config_properties(Scheduler(), name="policy", cluster_arn="arn")),
    ],
)
def test_requests_are_valid_in_the_service_model(operation: str, properties: dict[str, Any]) -> None:
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    report = ParamValidator().validate(properties, shape)
    assert not report.has_errors(), report.generate_report()


def test_every_option_arrives() -> None:
    properties = compute_quota_properties(VISION, name="vision", cluster_arn="arn")
    assert properties == {
        "Name": "vision",
        "ClusterArn": "arn",
        "Description": "The vision team",
        "ComputeQuotaConfig": {
            "ComputeQuotaResources": [
                {"InstanceType": P5, "Count": 6},
                {"InstanceType": "ml.p4d.24xlarge", "Accelerators": 4, "VCpu": 40.0, "MemoryInGiB": 480.5},
                {"InstanceType": P5, "AcceleratorPartition": {"Type": "mig-1g.10gb", "Count": 7}},
            ],
            "ResourceSharingConfig": {
                "Strategy": "LendAndBorrow",
                "BorrowLimit": 100,
                "AbsoluteBorrowLimits": [{"InstanceType": P5, "Count": 2}],
            },
            "PreemptTeamTasks": "Never",
        },
        "ComputeQuotaTarget": {"TeamName": "vision", "FairShareWeight": 50},
        "ActivationState": "Disabled",
    }
    assert scheduler_config_properties(SCHEDULER, name="p", cluster_arn="arn")["SchedulerConfig"] == {
        "PriorityClasses": [{"Name": "high", "Weight": 90}, {"Name": "low", "Weight": 10}],
        "FairShare": "Enabled",
        "IdleResourceSharing": "Enabled",
    }


def test_names_are_unique_and_allowed(synth: Synth) -> None:
    assembly = synth("us-east-1", "native")
    all_requests = [*requests(assembly, "ComputeQuota"), *requests(assembly, "ClusterSchedulerConfig")]
    names = [item["Name"] for item in all_requests]
    assert len(set(names)) == 3
    import re

    assert every(re.fullmatch(catalog.pattern("governance_name"), name) and len(name) <= 63 for name in names)


# ---- rights ----


def statements(assembly: Assembly, fragment: str) -> list[dict[str, Any]]:
    return [
        statement
        for name, resource in assembly.resources("AWS::IAM::Policy").items()
        if fragment in name
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_the_handler_may_do_exactly_this(synth: Synth) -> None:
    found = [
        (statement["Action"], _untokened(statement["Resource"]))
        for statement in statements(synth("us-east-1", "handler"), "RoleDefaultPolicy")
        if "sagemaker:CreateComputeQuota" in statement["Action"] or "eks:AssociateAccessPolicy" in statement["Action"]
    ]
    governed, eks = found
    assert governed[0] == list(catalog.role("governance_handler").actions["governed"])
    assert len(governed[1]) == 3
    assert eks[0] == [
        "eks:AssociateAccessPolicy",
        "eks:DescribeAccessEntry",
        "eks:DescribeCluster",
        "eks:DisassociateAccessPolicy",
        "eks:ListAssociatedAccessPolicies",
    ]
    assert "*" not in eks[1]
    everywhere = [
        action
        for statement in statements(synth("us-east-1", "handler"), "GovernanceProvider")
        if statement["Resource"] == "*"
        for action in [statement["Action"]]
    ]
    assert everywhere == [["sagemaker:ListClusterSchedulerConfigs", "sagemaker:ListComputeQuotas"]]


def test_members_have_access_to_their_namespace_only(synth: Synth) -> None:
    entries = {
        entry["Properties"]["PrincipalArn"]: entry["Properties"]
        for entry in synth().resources("AWS::EKS::AccessEntry").values()
        if isinstance(entry["Properties"]["PrincipalArn"], str)
    }
    assert entries[OTHER]["KubernetesGroups"] == ["hyperpod-team-speech"]
    assert entries[VIEWER]["KubernetesGroups"] == ["hyperpod-team-vision-viewers"]
    policies = entries[MEMBER]  # in two teams: one entry, because EKS allows one for each principal
    assert policies["KubernetesGroups"] == ["hyperpod-team-vision", "hyperpod-team-speech"]
    (association,) = policies["AccessPolicies"]
    assert association["AccessScope"] == {
        "Type": "namespace",
        "Namespaces": ["hyperpod-ns-vision", "hyperpod-ns-speech"],
    }
    assert plain(association["PolicyArn"]).endswith("/AmazonEKSViewPolicy")


def test_rights_are_bound_to_the_groups_of_the_entries(synth: Synth) -> None:
    manifests = [
        json.loads(resource["Properties"]["Manifest"])
        for name, resource in synth().resources("Custom::HyperPodKubernetesObjects").items()
        if "Rights" in name
    ]
    assert [[item["kind"] for item in manifest] for manifest in manifests] == [
        ["Role", "RoleBinding", "Role", "RoleBinding"]
    ] * 2
    vision = manifests[0]
    assert {item["metadata"]["namespace"] for item in vision} == {"hyperpod-ns-vision"}
    assert [item["subjects"][0]["name"] for item in vision if item["kind"] == "RoleBinding"] == [
        "hyperpod-team-vision",
        "hyperpod-team-vision-viewers",
    ]
    writes = {
        verb
        for item in vision
        if item["kind"] == "Role" and item["metadata"]["name"] == "hyperpod-team-viewer"
        for rule in item["rules"]
        for verb in rule["verbs"]
    }
    assert writes == {"get", "list", "watch"}


# ---- order ----


@pytest.mark.parametrize("through", ["native", "handler"])
def test_order_of_creation_and_deletion_is_proved(synth: Synth, through: str) -> None:
    assembly = synth("us-east-1", through)
    proof = proved(str(assembly.folder))
    pairs = proof.checked
    assert pairs["governance-before-quotas"] == 3
    assert pairs["cluster-before-quotas"] == 3
    assert pairs["scheduler-config-before-quotas"] == 2
    assert pairs["governance-before-addons"] == 1
    assert pairs["quotas-before-contents"] == 4, "the isolation and the permissions of each team"


def test_members_get_rights_when_the_isolation_holds(synth: Synth) -> None:
    waiting = Waiting(str(synth("us-east-1").folder))
    for team in ("vision", "speech"):
        part = f"GovernanceTeam{team}"
        assert waiting.after(f"{part}PodSecurity", f"{part}Quota"), "the namespace is created with the quota"
        assert waiting.after(f"{part}Isolation", f"{part}PodSecurity")
        assert waiting.after(f"{part}Rights", f"{part}Isolation")


# ---- jobs ----


def test_a_job_that_specifies_only_its_team(synth: Synth) -> None:
    job = {"name": "resnet", "image": "registry/train:v1", "instance_type": P5, "team": "vision"}
    assembly = synth(jobs=[job])
    (manifest,) = [
        item
        for resource in assembly.resources("Custom::HyperPodKubernetesObjects").values()
        for item in json.loads(plain(resource["Properties"]["Manifest"]))
        if item["kind"] == "HyperPodPyTorchJob"
    ]
    assert manifest["metadata"]["namespace"] == "hyperpod-ns-vision"
    expected = {
        "kueue.x-k8s.io/queue-name": "hyperpod-ns-vision-localqueue",
        "kueue.x-k8s.io/priority-class": "high-priority",
    }
    assert manifest["metadata"]["labels"].items() >= expected.items()
    proved(str(assembly.folder), "quotas-before-jobs")


def test_a_job_keeps_the_priority_it_names() -> None:
    governance = Governance(scheduler=SCHEDULER, teams=(VISION, SPEECH))
    job = Job(name="a", image="b", instance_type=P5, team="vision", priority="low")
    assert governance.completed(job) is job
    for other in (job.model_copy(update={"team": "speech", "priority": None}), Job(name="a", image="b")):
        assert governance.completed(other).priority is None


def test_the_team_construct_gives_its_names_to_jobs(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
    built = platform_stacks(app, platform(), prefix="research-")
    assert built.governance is not None
    team = built.governance.teams["vision"]
    assert isinstance(team, HyperPodTeam)
    assert (team.namespace, team.queue) == ("hyperpod-ns-vision", "hyperpod-ns-vision-localqueue")
    manifest = compile_job(team.job(Job(name="resnet", image="registry/train:v1", instance_type=P5)))
    assert manifest["metadata"]["namespace"] == team.namespace
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "high-priority"


def test_single_constructs_with_a_cluster(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
    without_governance = platform().model_copy(update={"governance": None})
    built = platform_stacks(app, without_governance, prefix="research-")
    stack = cdk.Stack.of(built.addons["task_governance"])
    ComputeQuota(stack, "Quota", cluster=built.cluster, team=SPEECH)
    ClusterSchedulerConfig(stack, "Policy", cluster=built.cluster)  # in any order
    job = Job(name="resnet", image="registry/train:v1", instance_type=P5, team="speech")
    TrainingJob(stack, "Job", cluster=built.cluster, job=job)
    app.synth()
    proof = proved(str(tmp_path), "quotas-before-jobs")
    assert proof.checked["scheduler-config-before-quotas"] == 1


@pytest.mark.parametrize("team", [SPEECH, None], ids=["team", "policy alone"])
def test_jobs_wait_for_what_governs_them(tmp_path: Path, team: Team | None) -> None:
    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED)
    stack = cdk.Stack(app, "Test", env=cdk.Environment(region="us-west-2"))
    workers = InstanceGroup(name="workers", instance_type=P5, count=9, availability_zone_id="usw2-az1")
    cluster = existing_cluster(stack, SYSTEM, workers)
    TaskGovernanceAddon(stack, "TaskGovernance", cluster=cluster)
    job = Job(name="resnet", image="registry/train:v1", instance_type=P5, team=team.name if team else None)
    TrainingJob(stack, "Train", cluster=cluster, job=job)
    ClusterSchedulerConfig(stack, "Policy", cluster=cluster)
    if team:
        HyperPodTeam(stack, "Team", cluster=cluster, team=team)
    app.synth()
    waiting = Waiting(str(tmp_path))
    assert waiting.after("TrainJob", "Policy")
    for part in ("Rights", "Isolation", "Quota") if team else ():
        assert waiting.after("TrainJob", f"Team{part}"), part
