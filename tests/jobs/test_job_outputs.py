"""One manifest three times: the rendered command, the chart's YAML and the custom resource; and the charts around jobs."""

from __future__ import annotations

import json
from pathlib import Path

import cdk8s
import pytest
import yaml
from aws_cdk import App, Stack
from aws_cdk.assertions import Template
from click.testing import CliRunner
from constructs import DependencyGroup
from job_oracles import assert_valid

import k8s_charts
from hyperpod_constructs.cli import main
from hyperpod_constructs.constructs.kubernetes import KubernetesObjects, KubernetesProvider
from hyperpod_constructs.constructs.training_job import TrainingJob
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.files import read_job
from hyperpod_constructs.core.spec import Cluster, Governance, InstanceGroup, Team
from k8s_charts.__main__ import main as charts_main

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "jobs").glob("*.yaml"), *(ROOT / "examples" / "jobs").glob("*.yaml")])


class AnyCluster:
    """A cluster with a group of every instance type that a job requests."""

    def __init__(self, stack: Stack, job: Job) -> None:
        arn = "arn:aws:eks:us-east-1:111122223333:cluster/eks"
        self.kubernetes = KubernetesProvider(stack, "Kubernetes", cluster_name="eks", cluster_arn=arn)
        types = {part.instance_type for part in job.parts if part.instance_type} or {"ml.m5.large"}
        groups = [
            InstanceGroup(name=job.instance_group or f"g{index}", instance_type=name, count=99)
            for index, name in enumerate(sorted(types))
        ]
        self.spec = Cluster(instance_groups=groups)
        self.jobs_ready = DependencyGroup()


def applied(job: Job) -> dict:
    stack = Stack(App(), "Jobs")
    TrainingJob(stack, "Job", cluster=AnyCluster(stack, job), job=job)
    (resource,) = Template.from_stack(stack).find_resources("Custom::HyperPodKubernetesObjects").values()
    (manifest,) = json.loads(resource["Properties"]["Manifest"])
    return manifest


CASES = [
    (file, kind)
    for file in FILES
    for kind in ("HyperPodPyTorchJob", "PyTorchJob")
    if kind == "HyperPodPyTorchJob"
    or not read_job(file).job.run_policy.log_rules  # which Kubeflow's kind does not support
]


@pytest.mark.parametrize(("file", "kind"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_command_chart_and_resource_carry_the_same_manifest(file: Path, kind: str, tmp_path: Path):
    job = read_job(file).job.model_copy(update={"kind": kind})
    manifest = compile_job(job)
    assert_valid(manifest)
    rendered = CliRunner().invoke(main, ["jobs", "render", str(file), "--kind", kind])
    as_json = CliRunner().invoke(main, ["jobs", "render", str(file), "--kind", kind, "-o", "json"])
    assert charts_main([str(file), "-o", str(tmp_path), "--kind", kind]) == 0
    chart = yaml.safe_load((tmp_path / f"{job.name}.k8s.yaml").read_text())
    assert yaml.safe_load(rendered.stdout) == json.loads(as_json.stdout) == chart == applied(job) == manifest
    assert list(yaml.safe_load(rendered.stdout)) == list(chart) == list(manifest)


def test_charts_reject_a_bad_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nimage: a\ncontainer_patch: {ty: 4}\n")
    assert charts_main([str(file), "-o", str(tmp_path / "dist")]) == 1
    assert "bad.yaml:3:23: error HP722 container_patch.ty: unknown key 'ty'" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_charts_reject_two_jobs_of_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: same\nimage: a\nvcpu: 1\nmemory_gib: 1\n")
    assert charts_main([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "-o", str(tmp_path / "dist")]) == 1
    assert "several jobs are named 'same'" in capsys.readouterr().err


def kinds(chart: cdk8s.Chart) -> list[str]:
    return [manifest["kind"] for manifest in cdk8s.Testing.synth(chart)]


TEAM = Team(name="vision", quota=[{"instance_type": "ml.p5.48xlarge", "count": 2}], fair_share_weight=3)


def test_a_teams_chart_has_namespace_rights_and_queue():
    team_chart = k8s_charts.TeamChart(cdk8s.App(), "Team", team=TEAM)
    governed = k8s_charts.TeamChart(cdk8s.App(), "Team", team=TEAM, task_governance=True)
    policy = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    isolation = [*policy, *policy, "NetworkPolicy"]
    assert kinds(team_chart) == ["Namespace", *isolation, "Role", "RoleBinding", "LocalQueue"]
    assert kinds(governed) == [*isolation, "Role", "RoleBinding"]  # the service creates namespace and queue
    assert "pod-security.kubernetes.io/audit" in team_chart.to_json()[0]["metadata"]["labels"]
    job = compile_job(Job(name="a", image="b", team="vision", vcpu=1, memory_gib=1))
    queue = team_chart.to_json()[-1]["metadata"]
    assert queue["namespace"] == job["metadata"]["namespace"]
    assert queue["name"] == job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]


def test_a_separate_kueue_has_the_names_of_task_governance():
    governance = Governance(
        teams=[TEAM, Team(name="audio", quota=TEAM.quota, sharing="DontLend", active=False)],
        scheduler={"priority_classes": [{"name": "high", "weight": 90}]},
    )
    chart = k8s_charts.KueueOnlyChart(cdk8s.App(), "Kueue", governance=governance)
    objects = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in chart.to_json()}
    assert objects[("WorkloadPriorityClass", "high-priority")]["value"] == 90
    vision = objects[("ClusterQueue", "hyperpod-ns-vision-clusterqueue")]["spec"]
    audio = objects[("ClusterQueue", "hyperpod-ns-audio-clusterqueue")]["spec"]
    (flavor,) = vision["resourceGroups"][0]["flavors"]
    quota = {
        resource["name"]: (resource["nominalQuota"], resource["borrowingLimit"]) for resource in flavor["resources"]
    }
    assert quota == {
        "cpu": ("359.94", "179.97"),
        "memory": ("3780.52Gi", "1890.26Gi"),
        "nvidia.com/gpu": ("16", "8"),
        "vpc.amazonaws.com/efa": ("64", "32"),
    }
    assert "cohortName" not in audio
    assert audio["stopPolicy"] == "Hold"
    with_queue = compile_job(Job(name="a", image="b", instance_type="ml.p5.48xlarge", nodes=2, team="vision"))
    assert set(
        with_queue["spec"]["replicaSpecs"][0]["template"]["spec"]["containers"][0]["resources"]["requests"]
    ) == set(quota)


def test_volumes_of_a_file_system_in_two_namespaces():
    chart = k8s_charts.FsxVolumesChart(
        cdk8s.App(),
        "Data",
        name="data",
        file_system_id="fs-0123456789abcdef0",
        dns_name="fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com",
        mount_name="abcdefgh",
        size_gib=1200,
        namespaces=["default", "hyperpod-ns-vision"],
    )
    volumes = [manifest for manifest in chart.to_json() if manifest["kind"] == "PersistentVolume"]
    claims = [manifest for manifest in chart.to_json() if manifest["kind"] == "PersistentVolumeClaim"]
    assert [claim["spec"]["volumeName"] for claim in claims] == [volume["metadata"]["name"] for volume in volumes]
    assert {volume["spec"]["persistentVolumeReclaimPolicy"] for volume in volumes} == {"Retain"}
    import kubernetes_validate

    for item in chart.to_json():
        kubernetes_validate.validate(item, "1.35", strict=True)


def test_a_chart_is_added_to_a_stack():
    stack = Stack(App(), "S")
    provider = KubernetesProvider(
        stack, "Kubernetes", cluster_name="eks", cluster_arn="arn:aws:eks:us-east-1:111122223333:cluster/eks"
    )
    chart = k8s_charts.TeamChart(cdk8s.App(), "Team", team=TEAM)
    KubernetesObjects(stack, "Team", kubernetes=provider, objects=chart)
    (resource,) = Template.from_stack(stack).find_resources("Custom::HyperPodKubernetesObjects").values()
    assert json.loads(resource["Properties"]["Manifest"]) == chart.to_json()
