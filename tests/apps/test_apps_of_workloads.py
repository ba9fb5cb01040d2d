"""What consumers deploy on a cluster: their own manifests and charts, jobs, add-ons, data, alarms."""

from __future__ import annotations

import json
from typing import Any

import cdk8s
import pytest
from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template
from consumer import ENV, app, base, groups, one_stack, training

from hyperpod_constructs import (
    Bucket,
    Eks,
    HelmRelease,
    HyperPodBucket,
    HyperPodCluster,
    HyperPodEks,
    HyperPodNetwork,
    InstanceGroup,
    KubernetesObjects,
    KubernetesWait,
    MountpointS3CsiAddon,
    Network,
    TrainingJob,
    TrainingOperatorAddon,
    Volume,
    deployment_available,
)
from hyperpod_constructs.core.jobs import compile_job
from hyperpod_constructs.core.spec.dependencies import OciChart

pytestmark = pytest.mark.slow


def objects(template: Template, name: str) -> dict[str, Any]:
    """The custom resource of a construct's objects."""
    found = template.find_resources("Custom::HyperPodKubernetesObjects")
    (match,) = [resource for id_, resource in found.items() if id_.startswith(name)]
    return dict(match)


# ---- 20: manifests of ones own; 21: a cdk8s chart of ones own ----


def test_manifests_of_the_user_wait_for_the_cluster_and_jobs_wait_for_them() -> None:
    _, stack, cluster = one_stack()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tools"}}
    tools = KubernetesObjects(stack, "Tools", kubernetes=cluster.kubernetes, objects=[namespace])
    ready = KubernetesWait(
        stack,
        "Ready",
        kubernetes=cluster.kubernetes,
        condition=deployment_available("tools", "proxy"),
        timeout=Duration.minutes(5),
    )
    ready.node.add_dependency(tools, cluster.nodes_ready)
    cluster.jobs_ready.add(ready)
    TrainingJob(stack, "Job", cluster=cluster, job=training())
    template = Template.from_stack(stack)
    assert "tools" in json.dumps(objects(template, "Tools")["Properties"])
    assert any(name.startswith("Ready") for name in objects(template, "Job")["DependsOn"])


def test_a_cdk8s_chart_of_the_user_becomes_objects_of_the_stack() -> None:
    _, stack, cluster = one_stack()
    chart = cdk8s.Chart(cdk8s.App(), "dashboards")
    cdk8s.ApiObject(
        chart, "Config", api_version="v1", kind="ConfigMap", metadata={"name": "boards", "namespace": "default"}
    )
    KubernetesObjects(stack, "Boards", kubernetes=cluster.kubernetes, objects=chart)
    assert "boards" in json.dumps(objects(Template.from_stack(stack), "Boards")["Properties"])


# ---- 22: a Helm chart of ones own, pinned ----


def test_a_helm_chart_by_version_and_digest() -> None:
    _, stack, cluster = one_stack()
    chart = OciChart(
        reference="oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/tool",
        version="1.0.0",
        digest="sha256:" + "ab" * 32,
    )
    HelmRelease(stack, "Tool", kubernetes=cluster.kubernetes, chart=chart, release="tool", namespace="tools")
    Template.from_stack(stack).has_resource_properties(
        "Custom::HyperPodHelmRelease", Match.object_like({"Release": "tool", "Namespace": "tools"})
    )


# ---- 23: jobs alone, as manifests ----


def test_jobs_without_a_cluster_are_valid() -> None:
    found = compile_job(training(4))
    assert found["kind"] == "HyperPodPyTorchJob"
    assert found["spec"]["replicaSpecs"][0]["replicas"] == 4


# ---- 24: a job whose image and data are resources of the app ----


@pytest.mark.parametrize("unrelated", [0, 3])
def test_the_name_of_a_job_with_an_image_and_a_bucket_does_not_depend_on_other_resources(unrelated: int) -> None:
    _, stack, cluster = one_stack()
    for index in range(unrelated):
        assert s3.Bucket(stack, f"Other{index}").bucket_arn
    repository, bucket = ecr.Repository(stack, "Images"), s3.Bucket(stack, "Data")
    image = repository.repository_uri_for_tag("v1")
    job = training(image=image, env={"BUCKET": bucket.bucket_name})
    training_job = TrainingJob(stack, "Job", cluster=cluster, job=job)
    text = json.dumps(objects(Template.from_stack(stack), "Job")["Properties"])
    assert "Images" in text
    assert "Data" in text
    NAMES.add(training_job.job_name)
    assert len(NAMES) == 1


NAMES: set[str] = set()


# ---- 25: administrators, keys and groups that are resources of the app ----


@pytest.fixture(scope="module")
def resources_of_the_app() -> list[dict[str, Any]]:
    templates = []
    for unrelated in (0, 3):
        stack = Stack(app(), "Research", env=ENV)
        for index in range(unrelated):
            assert s3.Bucket(stack, f"Other{index}").bucket_arn
        network = HyperPodNetwork(stack, "Network", network=Network(availability_zone_ids=("usw2-az1", "usw2-az2")))
        admin = iam.Role(stack, "Admin", assumed_by=iam.AccountRootPrincipal())
        eks = HyperPodEks(stack, "Eks", network=network, eks=Eks(admins=(admin.role_arn,)))
        key = kms.Key(stack, "Key")
        group = InstanceGroup(
            name="system",
            instance_type="ml.m5.4xlarge",
            count=2,
            volume=Volume(size_gib=100, kms_key_arn=key.key_arn),
        )
        cluster = HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=[group])
        cluster.grant_volume_key(key)
        templates.append(dict(Template.from_stack(stack).to_json()))
    return templates


def test_an_unrelated_resource_changes_no_logical_id(resources_of_the_app: list[dict[str, Any]]) -> None:
    without_others, with_others = ({*template["Resources"]} for template in resources_of_the_app)
    assert {name for name in with_others - without_others if not name.startswith("Other")} == set()
    assert without_others - with_others == set()


def test_the_role_administers_kubernetes(resources_of_the_app: list[dict[str, Any]]) -> None:
    entries = [r for r in resources_of_the_app[0]["Resources"].values() if r["Type"] == "AWS::EKS::AccessEntry"]
    assert any("Admin" in json.dumps(entry["Properties"]["PrincipalArn"]) for entry in entries)


# ---- 26: parameters of the template ----


def test_the_image_is_a_parameter() -> None:
    _, stack, cluster = one_stack()
    image = CfnParameter(stack, "Image", default="registry/train:v1")
    TrainingJob(stack, "Job", cluster=cluster, job=training(image=image.value_as_string))
    template = Template.from_stack(stack)
    template.has_parameter("Image", {"Default": "registry/train:v1"})
    assert '{"Ref": "Image"}' in json.dumps(objects(template, "Job"))


# ---- 27: an EKS add-on that the library does not know ----


def test_another_eks_addon_after_the_nodes_and_before_the_jobs() -> None:
    _, stack, cluster = one_stack()
    agent = eks_v2.CfnAddon(
        stack, "GuardDuty", addon_name="aws-guardduty-agent", cluster_name=cluster.eks_cluster.cluster_name
    )
    agent.node.add_dependency(cluster.nodes_ready)
    cluster.jobs_ready.add(agent)
    TrainingJob(stack, "Job", cluster=cluster, job=training())
    template = Template.from_stack(stack)
    found = template.find_resources("AWS::EKS::Addon")
    assert any("NodesReady" in name for name in found["GuardDuty"]["DependsOn"])
    assert "GuardDuty" in objects(template, "Job")["DependsOn"]


# ---- 28: data: grants to all nodes, a bucket mounted in pods ----


def test_nodes_read_a_bucket_and_pods_mount_one() -> None:
    _, stack, cluster = one_stack()
    s3.Bucket(stack, "Checkpoints").grant_read_write(cluster)
    MountpointS3CsiAddon(stack, "Mountpoint", cluster=cluster)
    HyperPodBucket(stack, "Data", cluster=cluster, bucket=Bucket(name="data"))
    template = Template.from_stack(stack)
    policies = template.find_resources("AWS::IAM::Policy").values()
    node_policies = [p for p in policies if "ExecutionRole" in json.dumps(p["Properties"]["Roles"])]
    assert any("Checkpoints" in json.dumps(p["Properties"]["PolicyDocument"]) for p in node_policies)
    template.has_resource("AWS::S3::Bucket", {"DeletionPolicy": "Retain"})


# ---- 29: an alarm that holds back patching ----


def test_an_alarm_of_the_app_in_a_group() -> None:
    stack = Stack(app(), "Research", env=ENV)
    network, eks = base(stack)
    metric = cloudwatch.Metric(namespace="Training", metric_name="Loss")
    alarm = cloudwatch.Alarm(stack, "Loss", metric=metric, threshold=10, evaluation_periods=1)
    system, gpu = groups()
    patched = gpu.model_copy(update={"labels": {"alarm": "loss"}})
    HyperPodCluster(stack, "HyperPod", vpc=network, eks_cluster=eks, instance_groups=[system, patched])
    alarm.add_alarm_action()
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Alarm", 1)


def test_the_operator_waits_for_nodes() -> None:
    _, stack, cluster = one_stack()
    TrainingOperatorAddon(stack, "Operator", cluster=cluster)
    found = Template.from_stack(stack).find_resources(
        "AWS::EKS::Addon", {"Properties": {"AddonName": "amazon-sagemaker-hyperpod-training-operator"}}
    )
    (operator,) = found.values()
    assert any("NodesReady" in name for name in operator["DependsOn"])
