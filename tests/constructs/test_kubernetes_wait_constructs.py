"""Waits as resources of a stack."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest
from kubernetes_app import App, only

from hyperpod_constructs.constructs.kubernetes import KubernetesWait, conditions, deployment_available, nodes_ready

WAIT = "Custom::HyperPodKubernetesWait"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "out")


def test_a_wait_is_a_small_resource(app: App) -> None:
    KubernetesWait(
        app.stack,
        "Ready",
        kubernetes=app.provider,
        condition=nodes_ready(count=2, cluster_arn="arn:hyperpod", instance_types=["ml.m5.4xlarge", "ml.c5.large"]),
        timeout=cdk.Duration.minutes(40),
        rerun_on="v2",
    )
    properties = only(app.template(), WAIT)["Properties"]
    assert properties.pop("ServiceToken") == {"Fn::GetAtt": ["KubernetesWaitframeworkonEventF39AAD26", "Arn"]}
    assert properties == {
        "ClusterName": "research",
        "ServiceTimeout": 2700,
        "TimeoutSeconds": 2400,
        "RerunOn": "v2",
        "Condition": {
            "Type": "NodesReady",
            "Count": 2,
            "LabelSelector": "node.kubernetes.io/instance-type in (ml.m5.4xlarge,ml.c5.large)",
            "HyperPodCluster": "arn:hyperpod",
        },
    }


@pytest.mark.parametrize("minutes", [0, 61])
def test_a_wait_is_an_hour_at_most(app: App, minutes: int) -> None:
    with pytest.raises(ValueError, match="timeout must be between 1 and 3600 seconds, got"):
        KubernetesWait(
            app.stack,
            "Ready",
            kubernetes=app.provider,
            condition=deployment_available("a", "b"),
            timeout=cdk.Duration.minutes(minutes),
        )


def test_the_handler_supports_every_condition() -> None:
    from hyperpod_constructs.handlers.kubernetes.wait import read

    job = {"api_version": "batch/v1", "kind": "Job", "namespace": "team", "name": "train"}
    waits = [
        conditions.crd_established("a.b"),
        conditions.deployment_available("team", "web"),
        conditions.daemon_set_ready("team", "agent", minimum_ready=3),
        conditions.nodes_ready(count=2, labels={"a": "b"}),
        conditions.job_started(**job),
        conditions.job_finished(**job),
        conditions.object_condition(**job, condition="Complete"),
        conditions.addon_active("coredns"),
        conditions.endpoints_ready("team", "hook"),
    ]
    public = {name for name, value in vars(conditions).items() if callable(value) and name.islower() and name[0] != "_"}
    assert len(waits) == len(public - {"dataclass"})
    for condition in waits:
        properties = {key: str(value) for key, value in condition.properties().items()}  # as CloudFormation sends them
        assert read({"ClusterName": "research", "Condition": properties})
