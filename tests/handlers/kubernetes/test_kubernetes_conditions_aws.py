"""Exact texts of conditions on nodes and add-ons: when they are met, what is missing, and the reasons of AWS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from test_kubernetes_conditions import Aws, Json, condition_of, outcome, sources, state

from hyperpod_constructs.handlers.kubernetes.conditions import State

# Nodes.

NODES = "/api/v1/nodes"
ARN = "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl"
LOGS = (
    "lifecycle logs: log group /aws/sagemaker/Clusters/ml/abcdefghijkl, "
    "streams LifecycleConfig/<instance group>/<instance id>"
)


def node(name: str, *conditions: Json) -> Json:
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions)}}


READY = state("Ready")


@pytest.mark.parametrize(
    ("properties", "nodes", "met", "text", "query"),
    [
        ({"Count": "1"}, [node("a", READY)], True, "1 of 1 nodes ready, 1 joined", {}),
        ({"Count": "2"}, [node("a", READY), node("b")], False, "1 of 2 nodes ready, 2 joined", {}),
        ({"Count": "0"}, [], True, "0 of 0 nodes ready, 0 joined", {}),
        (
            {"Count": "1", "LabelSelector": "group=system"},
            [node("a", state("Ready", "Unknown"))],
            False,
            "0 of 1 nodes with group=system ready, 1 joined",
            {"labelSelector": "group=system"},
        ),
    ],
)
def test_nodes_are_ready(properties: Json, nodes: list[Json], met: bool, text: str, query: Json) -> None:
    found = sources(**{NODES: nodes})
    assert condition_of("NodesReady", **properties).check(found) == State(met, text)
    assert found.client.requests == [(NODES, query)]


def test_the_reasons_of_nodes_are_at_most_four() -> None:
    nodes = [node("a", READY), node("b", state("Ready", "False", reason="KubeletNotReady")), *map(node, "cdef")]
    assert condition_of("NodesReady", Count=9).explain(sources(**{NODES: nodes})) == (
        "node b: Ready=False (KubeletNotReady); node c: no status; node d: no status; node e: no status"
    )
    assert condition_of("NodesReady", Count=9).explain(sources(**{NODES: [node("a", READY)]})) == (
        "no node has joined the cluster"
    )


def test_a_reason_of_a_node_is_cut() -> None:
    nodes = [node("b", state("Ready", "False", message="x" * 400))]
    text = condition_of("NodesReady", Count=9).explain(sources(**{NODES: nodes}))
    assert text == "node b: Ready=False (" + "x" * 276 + "..."
    assert len(text) == 300


def instance(group: str, status: str, id: str = "", message: str = "") -> Json:
    found = {
        "InstanceGroupName": group,
        "InstanceStatus": {"Status": status, **({"Message": message} if message else {})},
    }
    return {**found, "InstanceId": id} if id else found


def event(level: str, description: str, **overrides: Any) -> Json:
    return {"EventLevel": level, "Description": description, **overrides}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


HYPERPOD: list[tuple[Json, str]] = [
    ({}, "no node has joined the cluster"),
    (
        {
            "describe_cluster": refusal("AccessDeniedException"),
            "list_cluster_nodes": EndpointConnectionError(endpoint_url="https://sagemaker"),
        },
        "no node has joined the cluster",
    ),
    (
        {"describe_cluster": {"ClusterStatus": "Creating", "ClusterName": "ml", "ClusterArn": ARN}},
        f"HyperPod cluster is Creating; {LOGS}",
    ),
    (
        {"describe_cluster": {"ClusterStatus": "Failed", "FailureMessage": "no", "ClusterName": "ml", "ClusterArn": ARN}},
        f"HyperPod cluster is Failed (no); {LOGS}",
    ),
    (
        {
            "describe_cluster": {
                "ClusterStatus": "InService", "ClusterName": "ml", "ClusterArn": ARN,
                "InstanceGroups": [
                    {"InstanceGroupName": "full", "CurrentCount": 2, "TargetCount": 2},
                    {"InstanceGroupName": "unset"},
                    {"InstanceGroupName": "new", "TargetCount": 1, "Status": "Creating"},
                    {"InstanceGroupName": "gpu", "InstanceType": "ml.p5.48xlarge", "CurrentCount": 1, "TargetCount": 2,
                     "Status": "Degraded"},
                ],
            }
        },
        f"HyperPod cluster is InService; {LOGS}; group new (?) is Creating: 0 of 1 instances; "
        "group gpu (ml.p5.48xlarge) is Degraded: 1 of 2 instances",
    ),
    (
        {
            "list_cluster_nodes": {
                "ClusterNodeSummaries": [
                    instance("gpu", "Running", "i-0"),
                    instance("gpu", "Failure", "i-1", "no disk"),
                    instance("gpu", "Pending", "i-2"),
                    instance("gpu", "Pending"),
                    instance("gpu", "Pending", "i-4", "m"),
                    instance("gpu", "Pending", "i-5", "left out"),
                ]
            },
            "describe_cluster_node": {"NodeDetails": {"InstanceStatus": {"Message": "in detail"}}},
        },
        "gpu i-1: Failure: no disk; gpu i-2: Pending: in detail; gpu: Pending; gpu i-4: Pending: m",
    ),
    (
        {"list_cluster_nodes": {"ClusterNodeSummaries": [instance("gpu", "Pending", "i-2")]}, "describe_cluster_node": {}},
        "gpu i-2: Pending",
    ),
    (
        {
            "list_cluster_events": {
                "Events": [
                    event("Info", "fine"),
                    event("Warn", "w", InstanceGroupName="gpu", ResourceType="InstanceGroup"),
                    event("Error", "e", ResourceType="Cluster"),
                    event("Error", "3", ResourceType="Cluster"),
                    event("Error", "4", ResourceType="Cluster"),
                    event("Error", "left out", ResourceType="Cluster"),
                ]
            }
        },
        "event of gpu: w; event of Cluster: e; event of Cluster: 3; event of Cluster: 4",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "message"), HYPERPOD)
def test_the_reasons_of_sagemaker_if_nodes_do_not_join(answers: Json, message: str) -> None:
    aws = Aws(**answers)
    found = condition_of("NodesReady", Count=1, HyperPodCluster="ml").explain(sources(aws, **{NODES: []}))
    assert found == message
    arguments = {
        "list_cluster_nodes": {"MaxResults": 100},
        "describe_cluster_node": {"NodeId": "i-2"},
        "list_cluster_events": {"SortBy": "EventTime", "SortOrder": "Descending", "MaxResults": 50},
    }
    for service, operation, parameters in aws.requests:
        assert (service, parameters) == ("sagemaker", {"ClusterName": "ml", **arguments.get(operation, {})})


def test_requests_for_reasons_that_fail_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    aws = Aws(describe_cluster=refusal("AccessDeniedException"))
    assert condition_of("NodesReady", Count=1, HyperPodCluster="ml").check(sources(aws)) == (
        State(False, "0 of 1 nodes ready, 0 joined")
    )
    assert caplog.messages == [
        "the request to SageMaker failed (describe_cluster): "
        "An error occurred (AccessDeniedException) when calling the Operation operation: no"
    ]


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ({"ClusterStatus": "InService"}, State(False, "0 of 1 nodes ready, 0 joined")),
        (
            {"ClusterStatus": "Failed", "ClusterName": "ml", "ClusterArn": ARN},
            "0 of 1 nodes ready, 0 joined, and HyperPod cluster ml is Failed: no failure message; "
            f"HyperPod cluster is Failed; {LOGS}",
        ),
        (
            {"ClusterStatus": "Failed", "FailureMessage": "y" * 800, "ClusterName": "ml", "ClusterArn": ARN},
            "0 of 1 nodes ready, 0 joined, and HyperPod cluster ml is Failed: " + "y" * 697 + "...; "
            "HyperPod cluster is Failed (" + "y" * 800 + f"); {LOGS}",
        ),
    ],
)
def test_a_failed_hyperpod_cluster_adds_no_nodes(cluster: Json, expected: State | str) -> None:
    condition = condition_of("NodesReady", Count=1, HyperPodCluster="ml")
    assert outcome(condition, sources(Aws(describe_cluster=cluster))) == expected


def test_the_message_of_a_failed_hyperpod_cluster_is_cut() -> None:
    failed = {"ClusterStatus": "Failed", "FailureMessage": "y" * 2000, "ClusterName": "ml", "ClusterArn": ARN}
    text = outcome(condition_of("NodesReady", Count=1, HyperPodCluster="ml"), sources(Aws(describe_cluster=failed)))
    assert len(str(text)) == 2000


def test_a_hyperpod_cluster_is_not_asked_for_nodes_that_are_ready() -> None:
    aws = Aws(describe_cluster={"ClusterStatus": "Failed"})
    found = sources(aws, **{NODES: [node("a", READY)]})
    assert condition_of("NodesReady", Count=1, HyperPodCluster="ml").check(found).met
    assert aws.requests == []


# Add-ons.

DNS = condition_of("AddonActive", AddonName="dns")


def addon(status: str, *issues: Json, **overrides: Any) -> Aws:
    return Aws(describe_addon={"addon": {"status": status, "health": {"issues": list(issues)}, **overrides}})


ISSUES = ({"code": "Conflict", "message": "m"}, {"code": "Access", "message": "n"})


@pytest.mark.parametrize(
    ("aws", "expected"),
    [
        (addon("ACTIVE"), State(True, "EKS add-on dns is ACTIVE")),
        (addon("CREATING"), State(False, "EKS add-on dns is CREATING")),
        (addon("DEGRADED", *ISSUES), State(False, "EKS add-on dns is DEGRADED")),
        (Aws(describe_addon=refusal("ResourceNotFoundException")), State(False, "EKS add-on dns does not exist")),
        *[
            (addon(status, *ISSUES), f"EKS add-on dns is {status}: Conflict: m; Access: n")
            for status in ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED", "DELETING")
        ],
        (addon("DELETING", health=None), "EKS add-on dns is DELETING: EKS lists no health issues"),
    ],
)
def test_an_addon_is_active(aws: Aws, expected: State | str) -> None:
    assert outcome(DNS, sources(aws)) == expected
    assert aws.requests == [("eks", "describe_addon", {"clusterName": "research", "addonName": "dns"})]


def test_the_reasons_of_an_addon_are_its_health_issues() -> None:
    assert DNS.explain(sources(addon("DEGRADED", *ISSUES))) == "Conflict: m; Access: n"
    assert DNS.explain(sources(addon("DEGRADED"))) == "EKS lists no health issues"
    assert (
        DNS.explain(sources(Aws(describe_addon=refusal("ResourceNotFoundException")))) == "EKS lists no health issues"
    )


def test_a_failed_addon_may_say_more_than_other_failures() -> None:
    text = str(outcome(DNS, sources(addon("DELETING", {"code": "C", "message": "x" * 3000}))))
    assert text == "EKS add-on dns is DELETING: C: " + "x" * 1966 + "..."
    assert len(text) == 2000


def test_other_errors_of_eks_are_passed_on() -> None:
    with pytest.raises(ClientError, match="ThrottlingException"):
        DNS.check(sources(Aws(describe_addon=refusal("ThrottlingException"))))
