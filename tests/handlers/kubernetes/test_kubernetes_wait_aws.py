"""Waiting for nodes, with the reasons that SageMaker reports if they do not become ready, and for add-ons."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from kubernetes_targets import CloudFormation
from test_kubernetes_wait import ADDON, NODES, node

from hyperpod_constructs.handlers.kubernetes.errors import HandlerError

HYPERPOD_NODES = {**NODES, "HyperPodCluster": "ml"}


def sagemaker(stack: CloudFormation, *answers: tuple[str, dict[str, Any] | str]) -> Stubber:
    """A stubbed SageMaker; a text instead of an answer is an error code."""
    client = boto3.client("sagemaker", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)
    for operation, answer in answers:
        if isinstance(answer, str):
            stubber.add_client_error(operation, answer)
        else:
            stubber.add_response(operation, answer)
    stubber.activate()
    stack.target.aws.clients["sagemaker"] = client
    return stubber


def cluster(status: str, failure: str = "") -> dict[str, Any]:
    return {
        "ClusterArn": "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl",
        "ClusterName": "ml",
        "ClusterStatus": status,
        **({"FailureMessage": failure} if failure else {}),
        "InstanceGroups": [
            {
                "InstanceGroupName": "system",
                "InstanceType": "ml.m5.4xlarge",
                "Status": "Creating",
                "CurrentCount": 1,
                "TargetCount": 2,
            }
        ],
    }


NODE_LIST = {
    "NextToken": "",
    "ClusterNodeSummaries": [
        {
            "InstanceGroupName": "system",
            "InstanceId": "i-0123456789abcdef0",
            "InstanceType": "ml.m5.4xlarge",
            "LaunchTime": 1_800_000_000,
            "InstanceStatus": {"Status": "Failure"},
        }
    ],
}
NODE = {
    "NodeDetails": {"InstanceStatus": {"Status": "Failure", "Message": "Lifecycle scripts did not run successfully"}}
}
EVENTS = {
    "Events": [
        {
            "EventId": "1",
            "ClusterArn": "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl",
            "ClusterName": "ml",
            "InstanceGroupName": "system",
            "ResourceType": "InstanceGroup",
            "EventTime": 1_800_000_000,
            "EventLevel": level,
            "Description": text,
        }
        for level, text in (("Error", "Insufficient capacity"), ("Info", "all is well"))
    ]
}


def test_the_reason_of_sagemaker_for_missing_nodes_is_reported(stack: CloudFormation) -> None:
    answers = (
        ("describe_cluster", cluster("InService")),
        ("describe_cluster", cluster("InService")),
        ("list_cluster_nodes", NODE_LIST),
        ("describe_cluster_node", NODE),
        ("list_cluster_events", EVENTS),
    )
    stubber = sagemaker(stack, *answers)
    with pytest.raises(HandlerError) as failure:
        stack.wait(HYPERPOD_NODES, timeout=10)
    assert str(failure.value) == (
        "after 0 s: 0 of 2 nodes with group=system ready, 0 joined; HyperPod cluster is InService; "
        "lifecycle logs: log group /aws/sagemaker/Clusters/ml/abcdefghijkl, "
        "streams LifecycleConfig/<instance group>/<instance id>; "
        "group system (ml.m5.4xlarge) is Creating: 1 of 2 instances; "
        "system i-0123456789abcdef0: Failure: Lifecycle scripts did not run successfully; "
        "event of system: Insufficient capacity"
    )
    stubber.assert_no_pending_responses()


def test_a_failed_hyperpod_cluster_fails_the_wait_at_once(stack: CloudFormation) -> None:
    failed = cluster("Failed", "The execution role can't read the bucket")
    sagemaker(
        stack,
        ("describe_cluster", failed),
        ("describe_cluster", failed),
        ("list_cluster_nodes", NODE_LIST),
        ("describe_cluster_node", NODE),
        ("list_cluster_events", EVENTS),
    )
    with pytest.raises(HandlerError, match=r"HyperPod cluster ml is Failed: The execution role can't read the bucket"):
        stack.wait(HYPERPOD_NODES)
    assert stack.target.server.clock.slept == []


def test_a_failing_request_to_sagemaker_does_not_fail_the_wait(stack: CloudFormation) -> None:
    sagemaker(
        stack, *[("describe_cluster", "AccessDeniedException")] * 2, *[("list_cluster_nodes", "ValidationException")]
    )
    with pytest.raises(HandlerError, match=r"0 of 2 nodes .* ready, 0 joined; no node has joined the cluster$"):
        stack.wait(HYPERPOD_NODES, timeout=10)


def test_nodes_over_many_pages_are_counted(stack: CloudFormation) -> None:
    for i in range(600):
        stack.target.server.store.put(node(f"n{i}", ready=True))
    assert stack.wait({**NODES, "Count": "600"}) == 1
    assert len(stack.target.server.received("GET", "/nodes")) == 3


def test_only_nodes_of_the_instance_types_count(stack: CloudFormation) -> None:
    for name, kind in (("a", "ml.m5.4xlarge"), ("b", "ml.c5.large"), ("c", "ml.p5.48xlarge")):
        item = node(name, ready=True)
        item["metadata"]["labels"]["node.kubernetes.io/instance-type"] = kind
        stack.target.server.store.put(item)
    selector = "node.kubernetes.io/instance-type in (ml.m5.4xlarge,ml.c5.large),group=system"
    assert stack.wait({**NODES, "LabelSelector": selector}) == 1
    with pytest.raises(HandlerError, match="2 of 3 nodes"):
        stack.wait({**NODES, "LabelSelector": selector, "Count": "3"}, timeout=10)


# Add-ons.


def eks(stack: CloudFormation, *answers: tuple[str, list[dict[str, Any]]] | str) -> None:
    client = boto3.client("eks", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)
    for answer in answers:
        if isinstance(answer, str):
            stubber.add_client_error("describe_addon", answer)
        else:
            addon = {"addonName": "coredns", "status": answer[0], "health": {"issues": answer[1]}}
            expected = {"clusterName": ANY, "addonName": "coredns"}
            stubber.add_response("describe_addon", {"addon": addon}, expected)
    stubber.activate()
    stack.target.aws.clients["eks"] = client


ISSUE = [{"code": "InsufficientNumberOfReplicas", "message": "0 of 2 pods are ready"}]


def test_an_addon_that_is_degraded_is_waited_for(stack: CloudFormation) -> None:
    eks(stack, "ResourceNotFoundException", ("CREATING", []), ("DEGRADED", ISSUE), ("ACTIVE", []))
    assert stack.wait(ADDON) == 4


def test_an_addon_that_stays_degraded_is_quoted(stack: CloudFormation) -> None:
    eks(stack, ("DEGRADED", ISSUE), ("DEGRADED", ISSUE))
    with pytest.raises(HandlerError, match="coredns is DEGRADED; InsufficientNumberOfReplicas: 0 of 2 pods are ready"):
        stack.wait(ADDON, timeout=10)


def test_an_addon_that_failed_fails_at_once(stack: CloudFormation) -> None:
    issue = [{"code": "ConfigurationConflict", "message": "field manager conflict"}]
    eks(stack, ("CREATE_FAILED", issue))
    with pytest.raises(HandlerError, match="is CREATE_FAILED: ConfigurationConflict: field manager conflict"):
        stack.wait(ADDON)
