"""All constructs on one EKS cluster are checked together when the app is synthesized."""

from __future__ import annotations

import pytest
from assembly import UNCOPIED, warnings_in
from aws_cdk import App, Environment, Stack
from platform_parts import SYSTEM, ZONES

from hyperpod_constructs import (
    CertManagerAddon,
    Cluster,
    CoreDnsAddon,
    Eks,
    HyperPodCluster,
    HyperPodDependencies,
    HyperPodEks,
    HyperPodFileSystem,
    HyperPodNetwork,
    HyperPodTeam,
    InstanceGroup,
    Job,
    KueueAddon,
    LustreFileSystem,
    Network,
    TaskGovernanceAddon,
    Team,
    TrainingJob,
    TrainingOperatorAddon,
)
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.core.spec import Acknowledgement

pytestmark = pytest.mark.slow

GPU = InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=2, availability_zone_id="usw2-az1")
JOB = Job(
    name="train", image="registry/train:v1", instance_type="ml.p5.48xlarge", nodes=2, command=["torchrun", "a.py"]
)


def app(build, *, acknowledge=()):
    """Errors and warnings, by rule id, of an app with a cluster and what `build` adds."""
    cdk_app = App(context=cdk_context() | UNCOPIED)
    stack = Stack(cdk_app, "Test", env=Environment(account="222233334444", region="us-west-2"))
    network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=ZONES))
    spec = Eks(admins=["arn:aws:iam::222233334444:role/Admin"])
    eks = HyperPodEks(stack, "Eks", network=network, eks=spec)
    cluster = HyperPodCluster(
        stack,
        "HyperPod",
        vpc=network,
        eks_cluster=eks,
        cluster=Cluster(instance_groups=(SYSTEM, GPU)),
        acknowledge=acknowledge,
    )
    build(stack, cluster)
    errors = ""
    try:
        folder = cdk_app.synth().directory
    except RuntimeError as refused:
        errors = str(refused)
        return errors, []
    return errors, warnings_in(folder)


def warned(warnings, text):
    return [warning for warning in warnings if text in warning]


def complete(stack, cluster):
    HyperPodDependencies(
        stack, "Chart", kubernetes=cluster.kubernetes, region="us-west-2", instance_types=["ml.p5.48xlarge"]
    )
    for addon in (CoreDnsAddon, CertManagerAddon, TaskGovernanceAddon, TrainingOperatorAddon):
        addon(stack, addon.__name__, cluster=cluster)


def test_missing_parts_are_a_warning_because_another_app_may_create_them():
    errors, warnings = app(lambda stack, cluster: TrainingOperatorAddon(stack, "Operator", cluster=cluster))
    assert errors == ""
    assert len(warned(warnings, "addons.coredns.enabled")) == 1
    assert len(warned(warnings, "addons.cert_manager")) == 1
    assert len(warned(warnings, "dependencies")) >= 1


def test_a_complete_app_has_none_of_these():
    errors, warnings = app(complete)
    assert errors == ""
    assert warned(warnings, "addons.") == []
    assert warned(warnings, "dependencies") == []


def test_a_job_without_its_operator():
    errors, warnings = app(lambda stack, cluster: TrainingJob(stack, "Train", cluster=cluster, job=JOB))
    assert errors == ""
    assert len(warned(warnings, "Test/Train.kind: HyperPodPyTorchJob requires addons.training_operator")) == 1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda stack, cluster: [
                TaskGovernanceAddon(stack, "Governance", cluster=cluster),
                KueueAddon(stack, "Kueue", cluster=cluster),
            ],
            "HP503",
        ),
        (
            lambda stack, cluster: HyperPodTeam(stack, "Team", cluster=cluster, team=Team(name="Vision Team!")),
            "governance.teams[0].name",
        ),
        (
            lambda stack, cluster: HyperPodTeam(
                stack,
                "Team",
                cluster=cluster,
                team=Team(name="vision", quota=[{"instance_type": "ml.p5.48xlage", "count": 1}]),
            ),
            "Did you mean 'ml.p5.48xlarge'?",
        ),
        (
            lambda stack, cluster: HyperPodFileSystem(
                stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data", size_gib=1000)
            ),
            "HP801",
        ),
        (
            lambda stack, cluster: [
                HyperPodTeam(stack, f"Team{n}", cluster=cluster, team=Team(name="vision")) for n in (1, 2)
            ],
            "governance.teams[1].name",
        ),
    ],
    ids=["kueue twice", "name of a team", "type of a quota", "size of a file system", "same team"],
)
def test_certain_errors_fail_the_synth(build, text):
    assert text in app(build)[0]


def test_two_clusters_on_one_eks_cluster_fail_the_synth():
    def build(stack, cluster):
        network, eks = stack.node.find_child("Network"), stack.node.find_child("Eks")
        HyperPodCluster(stack, "Second", vpc=network, eks_cluster=eks, instance_groups=[SYSTEM])

    assert "2 HyperPod clusters on one EKS cluster: Test/HyperPod and Test/Second" in app(build)[0]


def test_findings_can_be_acknowledged_in_code():
    accepted = Acknowledgement(rule="HP502", path="addons.coredns", reason="CoreDNS is installed by our GitOps tool")
    build = lambda stack, cluster: TrainingOperatorAddon(stack, "Operator", cluster=cluster)  # noqa: E731
    _, before = app(build)
    _, after = app(build, acknowledge=[accepted])
    assert len(warned(before, "addons.coredns.enabled")) == 1
    assert warned(after, "addons.coredns.enabled") == []


@pytest.mark.parametrize("kind", [CertManagerAddon, KueueAddon])
def test_an_addon_is_installed_once(kind):
    def build(stack, cluster):
        kind(stack, "First", cluster=cluster)
        kind(stack, "Second", cluster=cluster)

    errors, _ = app(build)
    assert "HP517" in errors
    assert "Test/Second installs the same add-on as Test/First" in errors
