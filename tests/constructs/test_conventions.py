"""Conventions of CDK's L2 constructs: keyword props, `connections`, `on_...`, `metric_...`, outputs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from kubernetes_app import App as KubernetesApp
from kubernetes_app import config_map, only
from platform_parts import KEY, SYSTEM, ZONES, Synthesized, existing_cluster, make_cluster, synthesize

from hyperpod_constructs import (
    Alarms,
    CertManagerAddon,
    Cluster,
    Grafana,
    HyperPodAlarms,
    HyperPodCluster,
    HyperPodEks,
    HyperPodNetwork,
    Job,
    KubernetesObjects,
    KubernetesWait,
    ManagedGrafana,
    Observability,
    ObservabilityAddon,
    PrometheusWorkspace,
    TrainingJob,
    crd_established,
)
from hyperpod_constructs.constructs.kubernetes import KubernetesFields

pytestmark = pytest.mark.slow

ADMIN = "arn:aws:iam::111122223333:role/Admin"
WAIT = "Custom::HyperPodKubernetesWait"

# ---- props by keyword ----


def test_props_of_the_cluster_override_its_spec() -> None:
    def build(stack: Stack) -> None:
        network = HyperPodNetwork(stack, "Network", zones=ZONES)
        HyperPodCluster(
            stack,
            "HyperPod",
            vpc=network,
            eks_cluster=HyperPodEks(stack, "Eks", network=network),
            cluster=Cluster(cluster_name="spec", nodes_ready_minutes=45),
            instance_groups=[SYSTEM],
            cluster_name="keyword",
            nodes_ready_timeout=Duration.minutes(20),
            outputs=True,
        )

    found = synthesize(build)
    cluster = found.only("AWS::SageMaker::Cluster")
    assert cluster["ClusterName"] == "keyword"
    assert [group["InstanceGroupName"] for group in cluster["InstanceGroups"]] == ["system"]
    assert [wait["TimeoutSeconds"] for name, wait in found.of(WAIT).items() if "NodesReady" in name] == [1200]
    (output,) = found.template["Outputs"].values()
    assert output["Value"]["Fn::GetAtt"][1] == "ClusterArn"


def test_props_of_the_control_plane_are_keys_and_roles() -> None:
    def build(stack: Stack) -> None:
        HyperPodEks(
            stack,
            "Eks",
            network=HyperPodNetwork(stack, "Network", zones=ZONES),
            kubernetes_version="1.34",
            admins=[iam.Role.from_role_arn(stack, "Admin", ADMIN)],
            endpoint_access="private",
            secrets_key=kms.Key.from_key_arn(stack, "Key", KEY),
        )

    found = synthesize(build)
    eks = found.only("AWS::EKS::Cluster")
    assert eks["Version"] == "1.34"
    assert eks["EncryptionConfig"] == [{"Provider": {"KeyArn": KEY}, "Resources": ["secrets"]}]
    access = eks["ResourcesVpcConfig"]
    assert (access["EndpointPrivateAccess"], access["EndpointPublicAccess"]) == (True, False)
    assert ADMIN in [entry["PrincipalArn"] for entry in found.of("AWS::EKS::AccessEntry").values()]
    assert "Outputs" not in found.template


def test_props_of_the_network() -> None:
    def build(stack: Stack) -> None:
        network = HyperPodNetwork(stack, "Network", zones=ZONES, vpc_cidr="10.64.0.0/16", nat="single")
        network.connections.allow_from(ec2.Peer.ipv4("192.0.2.0/24"), ec2.Port.tcp(22), "Bastion")

    found = synthesize(build)
    assert found.only("AWS::EC2::VPC")["CidrBlock"] == "10.64.0.0/16"
    assert {subnet["AvailabilityZoneId"] for subnet in found.of("AWS::EC2::Subnet").values()} == set(ZONES)
    assert len(found.of("AWS::EC2::NatGateway")) == 1
    (nodes,) = found.of("AWS::EC2::SecurityGroup").values()
    assert [rule["FromPort"] for rule in nodes["SecurityGroupIngress"] if rule["Description"] == "Bastion"] == [22]


# ---- connections, events and metrics of a cluster ----


def of_cluster(use: Any, make: Any = make_cluster) -> Synthesized:
    return synthesize(lambda stack: use(stack, make(stack)))


def test_connections_of_the_cluster_are_those_of_its_nodes_and_of_eks_those_of_the_control_plane() -> None:
    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        client = ec2.SecurityGroup(stack, "Client", vpc=cluster._vpc)
        cluster.connections.allow_from(client, ec2.Port.tcp(22), "Nodes")
        eks = cluster.eks_cluster
        assert isinstance(eks, HyperPodEks)
        client.connections.allow_to(eks, ec2.Port.tcp(443), "API")

    found = of_cluster(use)
    text = json.dumps(found.of("AWS::EC2::SecurityGroupIngress"))
    assert '"Description": "Nodes", "FromPort": 22' in text
    assert '"Description": "API", "FromPort": 443' in text


EVENTS = {
    "on_state_change": "SageMaker HyperPod Cluster State Change",
    "on_node_health_event": "SageMaker HyperPod Cluster Node Health Event",
    "on_cluster_event": "SageMaker HyperPod Cluster Event",
}


@cache
def with_rules() -> Synthesized:
    """A cluster with a rule from each method."""

    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        topic = sns.Topic(stack, "Topic")
        for method in EVENTS:
            rule = getattr(cluster, method)(method, target=targets.SnsTopic(topic), description=method)
            assert rule.node.path == f"Test/HyperPod/{method}"

    return of_cluster(use)


@pytest.mark.parametrize("method", EVENTS)
def test_events_of_the_cluster_reach_a_target(method: str) -> None:
    found = with_rules()
    (rule,) = (item for item in found.of("AWS::Events::Rule").values() if item.get("Description") == method)
    (cluster,) = found.of("AWS::SageMaker::Cluster")
    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": [EVENTS[method]],
        "resources": [{"Fn::GetAtt": [cluster, "ClusterArn"]}],
    }
    (topic,) = found.of("AWS::SNS::Topic")
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": topic}]


def test_metrics_of_the_cluster_are_those_of_container_insights() -> None:
    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        for metric in (
            cluster.metric_node_count(),
            cluster.metric_failed_node_count(period=Duration.minutes(1)),
            cluster.metric("pod_cpu_utilization", statistic="Average", dimensions_map={"Namespace": "team"}),
        ):
            metric.create_alarm(stack, metric.metric_name, threshold=1, evaluation_periods=1)

    found = of_cluster(use)
    (eks,) = found.of("AWS::EKS::Cluster")
    alarms = {alarm["MetricName"]: alarm for alarm in found.of("AWS::CloudWatch::Alarm").values()}
    assert {alarm["Namespace"] for alarm in alarms.values()} == {"ContainerInsights"}
    assert alarms["cluster_node_count"]["Dimensions"] == [{"Name": "ClusterName", "Value": {"Ref": eks}}]
    assert alarms["cluster_node_count"]["Statistic"] == "Maximum"
    assert alarms["cluster_failed_node_count"]["Period"] == 60
    assert {dimension["Name"] for dimension in alarms["pod_cpu_utilization"]["Dimensions"]} == {
        "ClusterName",
        "Namespace",
    }


# ---- observability ----


def test_notifications_are_sent_to_an_existing_topic() -> None:
    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        alarms = HyperPodAlarms(stack, "Alarms", cluster=cluster, topic=sns.Topic(stack, "Mine"))
        assert alarms.topic.node.path == "Test/Mine"

    found = of_cluster(use, existing_cluster)
    (topic,) = found.of("AWS::SNS::Topic")
    rules = found.of("AWS::Events::Rule").values()
    assert {json.dumps(target["Arn"]) for rule in rules for target in rule["Targets"]} == {json.dumps({"Ref": topic})}
    assert found.of("AWS::KMS::Key") == {}, "a key is created only for a new topic"


def test_a_workspace_accepts_a_key() -> None:
    def build(stack: Stack) -> None:
        PrometheusWorkspace(stack, "Metrics", encryption_key=kms.Key.from_key_arn(stack, "Key", KEY))

    assert synthesize(build).only("AWS::APS::Workspace")["KmsKeyArn"] == KEY


@pytest.mark.parametrize("outputs", [None, True])
def test_outputs_are_created_on_request_only(outputs: bool | None) -> None:
    options = {} if outputs is None else {"outputs": outputs}

    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        metrics = PrometheusWorkspace(stack, "Metrics", **options)
        ManagedGrafana(stack, "Grafana", settings=Grafana(kind="managed"), prometheus=metrics, **options)
        HyperPodAlarms(stack, "Alarms", cluster=cluster, **options)
        CertManagerAddon(stack, "CertManager", cluster=cluster)
        settings = Observability(grafana=Grafana(kind="managed"), alarms=Alarms())
        ObservabilityAddon(stack, "Observability", cluster=cluster, settings=settings, **options)

    synthesized = of_cluster(use, existing_cluster).template.get("Outputs", {})
    descriptions = sorted(output["Description"] for output in synthesized.values())
    expected = ["Grafana", "Notifications about the cluster", "Prometheus endpoint"]
    assert descriptions == (sorted(expected * 2) if outputs else [])


# ---- former names ----


def test_provider_is_the_former_name_of_kubernetes(tmp_path: Path) -> None:
    app = KubernetesApp(tmp_path)
    crd = crd_established("pytorchjobs.kubeflow.org")
    options: Any = {"provider": app.provider}  # the type stub contains only the new name
    warning = pytest.warns(DeprecationWarning, match=r"^argument provider is deprecated: use kubernetes$")
    with warning as caught:
        KubernetesObjects(app.stack, "Objects", objects=[config_map("a")], **options)
    assert [Path(item.filename).name for item in caught] == [Path(__file__).name]
    with pytest.warns(DeprecationWarning, match="provider is deprecated"):
        KubernetesWait(app.stack, "Wait", condition=crd, timeout=Duration.minutes(5), **options)
    with pytest.warns(DeprecationWarning, match="provider is deprecated"):
        KubernetesFields(app.stack, "Fields", fields=config_map("b"), rerun_on="1", **options)
    template = app.template()
    assert only(template, WAIT)["Properties"]["ClusterName"] == "research"


# ---- names that synthesis needs ----


@pytest.mark.parametrize("on_change", ["new-object", "replace"])
def test_the_name_of_a_job_is_not_a_token(on_change: Any) -> None:
    def use(stack: Stack, cluster: HyperPodCluster) -> None:
        name = CfnParameter(stack, "Name").value_as_string
        job = Job(
            name=name, image="registry/train:v1", instance_type="ml.m5.4xlarge", command=["a"], on_change=on_change
        )
        with pytest.raises(ValueError) as error:
            TrainingJob(stack, "Train", cluster=cluster, job=job)
        assert str(error.value) == (
            "Test/Train: job.name is a CDK token, which is known only at deploy time, but synthesis requires the "
            "value, because the object is named after it; specify a literal value"
        )

    of_cluster(use, existing_cluster)
