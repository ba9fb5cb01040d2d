"""Waiting: each condition is met immediately, met later, fails, or times out with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from kubernetes_targets import STACK_ID, CloudFormation, Target, cluster_gone
from test_kubernetes_apply import crd

from hyperpod_constructs.handlers.kubernetes import wait
from hyperpod_constructs.handlers.kubernetes.conditions import CustomResourceEstablished, Sources, State
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.kubernetes.services import Services

CRD = {"Type": "CustomResourceEstablished", "Name": "widgets.example.com"}
DEPLOYMENT = {"Type": "DeploymentAvailable", "Namespace": "team", "Name": "web"}
DAEMON_SET = {"Type": "DaemonSetReady", "Namespace": "team", "Name": "agent"}
NODES = {"Type": "NodesReady", "Count": "2", "LabelSelector": "group=system"}
ENDPOINTS = {"Type": "EndpointsReady", "Namespace": "team", "Service": "hook"}
ADDON = {"Type": "AddonActive", "AddonName": "coredns"}
QUEUE = {
    "Type": "ObjectCondition",
    "ApiVersion": "v1",
    "Kind": "ConfigMap",
    "Namespace": "team",
    "Name": "queue",
    "ConditionType": "Active",
}


def condition(kind: str, status: str = "True", reason: str = "", message: str = "", **overrides: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message, **overrides}


def deployment(ready: int, replicas: int = 2, **status: Any) -> dict[str, Any]:
    available = condition("Available", "True" if ready else "False")
    counts = {"updatedReplicas": ready, "availableReplicas": ready, "observedGeneration": 1, "conditions": [available]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "team", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}},
        "status": {**counts, **status},
    }


def daemon_set(ready: int, desired: int) -> dict[str, Any]:
    counts = {"desiredNumberScheduled": desired, "updatedNumberScheduled": ready, "numberReady": ready}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "team", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}},
        "status": {**counts, "observedGeneration": 1},
    }


def pod(name: str, labels: dict[str, str], **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Pending", **status}}


def waiting(name: str, reason: str, message: str) -> dict[str, Any]:
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def event(about: str, reason: str, message: str, at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about}.{reason.lower()}", "namespace": "team"},
        "involvedObject": {"name": about},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


def node(name: str, *, ready: bool) -> dict[str, Any]:
    state = (
        condition("Ready", "True") if ready else condition("Ready", "False", "KubeletNotReady", "cni plugin not ready")
    )
    metadata = {"name": name, "labels": {"group": "system"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"conditions": [state]}}


def endpoint_slice(*ready: bool | None) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "hook-1", "namespace": "team", "labels": {"kubernetes.io/service-name": "hook"}},
        "endpoints": [{"conditions": {} if item is None else {"ready": item}} for item in ready],
    }


def queue(status: str, **extra: Any) -> dict[str, Any]:
    metadata = {"name": "queue", "namespace": "team", "generation": 1}
    conditions = [condition("Active", status, "FlavorNotFound", "no flavor", **extra)]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "status": {"conditions": conditions}}


MET: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "crd": (CRD, [crd("example.com")]),
    "deployment": (DEPLOYMENT, [deployment(2)]),
    "daemon set": (DAEMON_SET, [daemon_set(3, 3)]),
    "enough of a daemon set": ({**DAEMON_SET, "MinimumReady": "2", "AllNodes": "false"}, [daemon_set(2, 3)]),
    "nodes": (NODES, [node("a", ready=True), node("b", ready=True)]),
    "endpoints": (ENDPOINTS, [endpoint_slice(False, None)]),
    "object": (QUEUE, [queue("True", observedGeneration=1)]),
}


@pytest.mark.parametrize(("condition", "objects"), MET.values(), ids=MET)
def test_met_at_once(stack: CloudFormation, condition: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    for item in objects:
        stack.target.server.store.put(item)
    assert stack.wait(condition) == 1


@pytest.mark.parametrize(("condition", "objects"), MET.values(), ids=MET)
def test_met_later(stack: CloudFormation, condition: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    store = stack.target.server.store
    store.later(100, lambda: [store.put(item) for item in objects])
    assert stack.wait(condition) == 8


NOT_MET: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "no crd": (CRD, [], r"CustomResourceDefinition widgets\.example\.com: does not exist"),
    "a deployment without status": (
        DEPLOYMENT,
        [{**deployment(0), "status": {}}],
        r"0 of 2 pods ready, 0 of the latest version; it has no pods$",
    ),
    "one pod without status": (
        DEPLOYMENT,
        [{**deployment(0, replicas=1), "status": {"conditions": [condition("Available")], "observedGeneration": 1}}],
        r"0 of 1 pods ready, 0 of the latest version; it has no pods$",
    ),
    "a daemon set without status": (
        DAEMON_SET,
        [{**daemon_set(0, 0), "status": {"observedGeneration": 1}}],
        r"0 of 1 pods ready, 0 of the latest version; it has no pods$",
    ),
    "no deployment": (DEPLOYMENT, [], r"Deployment team/web does not exist; it does not exist yet"),
    "half a deployment": (
        DEPLOYMENT,
        [
            deployment(1),
            pod("web-1", {"app": "web"}, containerStatuses=[waiting("main", "ImagePullBackOff", "no such image")]),
            pod("other", {"app": "other"}, containerStatuses=[waiting("main", "CrashLoopBackOff", "not ours")]),
            event("web-1", "Failed", "Failed to pull image"),
        ],
        r"1 of 2 pods ready, .*1 pod; pod web-1, container main: ImagePullBackOff: no such image; "
        r"event Failed: Failed to pull image$",
    ),
    "old generation": (DEPLOYMENT, [deployment(2, observedGeneration=0)], "2 of 2 pods ready"),
    "old pods": (DEPLOYMENT, [deployment(2, updatedReplicas=0)], "0 of the latest version"),
    "unschedulable": (
        DAEMON_SET,
        [
            daemon_set(1, 2),
            pod(
                "agent-1",
                {"app": "agent"},
                conditions=[condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available")],
            ),
        ],
        r"1 of 2 pods ready.*pod agent-1: Unschedulable: 0/2 nodes are available",
    ),
    "no nodes for a daemon set": (DAEMON_SET, [daemon_set(0, 0)], "0 of 1 pods ready.*it has no pods"),
    "nodes": (
        NODES,
        [node("a", ready=True), node("b", ready=False)],
        r"1 of 2 nodes with group=system ready, 2 joined; "
        r"node b: Ready=False \(KubeletNotReady: cni plugin not ready\)",
    ),
    "no nodes": (NODES, [], "0 of 2 nodes .* ready, 0 joined; no node has joined"),
    "endpoints": (ENDPOINTS, [endpoint_slice(False)], "0 of 1 endpoints ready; the Service does not exist"),
    "object": (QUEUE, [queue("False")], r"Active=False, expected True; last condition Active=False \(FlavorNotFound"),
    "object's old generation": (QUEUE, [queue("True", observedGeneration=0)], "Active=True for an older generation"),
    "no object": (QUEUE, [], "ConfigMap team/queue does not exist"),
    "no kind": ({**QUEUE, "ApiVersion": "x.io/v1", "Kind": "X"}, [], "does not serve the kind X in x.io/v1"),
}


@pytest.mark.parametrize(("condition", "objects", "message"), NOT_MET.values(), ids=NOT_MET)
def test_timed_out_with_the_reason(
    stack: CloudFormation, condition: dict[str, Any], objects: list[dict[str, Any]], message: str
) -> None:
    for item in objects:
        stack.target.server.store.put(item)
    started = stack.target.server.clock.now()
    with pytest.raises(HandlerError, match=message) as failure:
        stack.wait(condition, timeout=300)
    assert 270 <= stack.target.server.clock.now() - started <= 300
    assert str(failure.value).startswith("after 285 s: ")
    assert len(str(failure.value).encode()) <= 2000


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([], "it has no conditions yet"),
        ([condition("NamesAccepted"), condition("Established", "False", "Installing", "soon")],
         "last condition Established=False (Installing: soon)"),
    ],
)  # fmt: skip
def test_a_crd_that_is_not_established_quotes_its_last_condition(
    conditions: list[dict[str, Any]], message: str
) -> None:
    class Client:
        def find(self, path: str) -> dict[str, Any] | None:
            found = {**crd("example.com"), "status": {"conditions": conditions}}
            return found if path.endswith("/customresourcedefinitions/widgets.example.com") else None

    sources: Any = Sources(Client(), lambda _: None)
    wait_condition = CustomResourceEstablished("widgets.example.com")
    assert wait_condition.explain(sources) == message
    assert wait_condition.check(sources) == State(
        False, "CustomResourceDefinition widgets.example.com: not established yet"
    )
    assert CustomResourceEstablished("others.example.com").explain(sources) == "it has no conditions yet"


def test_endpoints_of_a_service_quote_its_pods(stack: CloudFormation) -> None:
    store = stack.target.server.store
    spec = {"selector": {"app": "hook"}}
    store.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook", "namespace": "team"}, "spec": spec})
    crashed = {"name": "main", "state": {"terminated": {"reason": "Error", "exitCode": 3}}}
    store.put(pod("hook-1", {"app": "hook"}, containerStatuses=[crashed]))
    with pytest.raises(HandlerError, match=r"pod hook-1, container main: Error, exit code 3"):
        stack.wait(ENDPOINTS, timeout=30)


def test_many_pods_and_long_messages_stay_short(stack: CloudFormation) -> None:
    store = stack.target.server.store
    store.put(deployment(0, replicas=50))
    for i in range(50):
        status = [waiting("main", "CrashLoopBackOff", "x" * 3000)]
        store.put(pod(f"web-{i:02}", {"app": "web"}, containerStatuses=status))
        store.put(event(f"web-{i:02}", "BackOff", "y" * 3000, f"2026-01-01T00:00:{i:02}Z"))
    with pytest.raises(HandlerError, match="and 47 more unhealthy pods") as failure:
        stack.wait(DEPLOYMENT, timeout=30)
    assert len(str(failure.value).encode()) <= 2000


# Jobs.

JOBS = [("batch/v1", "Job"), ("kubeflow.org/v1", "PyTorchJob"), ("sagemaker.amazonaws.com/v1", "HyperPodPyTorchJob")]


@pytest.fixture(params=JOBS, ids=lambda kind: kind[1])
def job(request: pytest.FixtureRequest, stack: CloudFormation) -> Callable[..., dict[str, Any]]:
    """Sets the conditions of the job ``train``, and returns the arguments of a wait."""
    api_version, kind = request.param
    group = api_version.split("/")[0]
    if group != "batch":
        definition = crd(group)
        plural = f"{kind.lower()}s"
        definition["metadata"]["name"] = f"{plural}.{group}"
        definition["spec"]["names"] = {"plural": plural, "kind": kind}
        stack.target.server.store.put(definition)

    def put(*conditions: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": "train", "namespace": "team"}
        status = {"conditions": list(conditions)}
        stack.target.server.store.put({"apiVersion": api_version, "kind": kind, "metadata": metadata, "status": status})
        return {"ApiVersion": api_version, "Kind": kind, "Namespace": "team", "Name": "train"}

    return put


def test_a_job_that_runs_has_started_and_not_finished(stack: CloudFormation, job: Callable[..., Any]) -> None:
    properties = job(condition("Created"), condition("Running"))
    assert stack.wait({"Type": "JobStarted", **properties}) == 1
    with pytest.raises(HandlerError, match=r"train has not finished; last condition Running=True; it has no pods"):
        stack.wait({"Type": "JobFinished", **properties}, timeout=30)


@pytest.mark.parametrize("condition_type", ["Succeeded", "Complete", "Completed"])
def test_a_job_that_succeeded_has_finished(stack: CloudFormation, job: Callable[..., Any], condition_type: str) -> None:
    properties = job(condition("Running", "False"), condition(condition_type))
    assert stack.wait({"Type": "JobStarted", **properties}) == 1
    assert stack.wait({"Type": "JobFinished", **properties}) == 1


@pytest.mark.parametrize("expected", ["JobStarted", "JobFinished"])
def test_a_failed_job_fails_at_once_with_its_pods(
    stack: CloudFormation, job: Callable[..., Any], expected: str
) -> None:
    properties = job(condition("Failed", "True", "BackoffLimitExceeded", "3 restarts"))
    ended = {"name": "pytorch", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
    stack.target.server.store.put(pod("train-0", {"HPJob": "train"}, phase="Failed", containerStatuses=[ended]))
    stack.target.server.store.put(pod("training-0", {"HPJob": "training"}, phase="Failed"))
    with pytest.raises(HandlerError) as failure:
        stack.wait({"Type": expected, **properties})
    text = str(failure.value)
    assert "train failed: Failed=True (BackoffLimitExceeded: 3 restarts)" in text
    assert "1 pod; pod train-0, container pytorch: OOMKilled, exit code 137" in text
    assert stack.target.server.clock.slept == []


def test_a_plain_job_with_ready_pods_has_started(stack: CloudFormation) -> None:
    metadata = {"name": "train", "namespace": "team"}
    stack.target.server.store.put(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": {"ready": 1}}
    )
    properties = {"Type": "JobStarted", "ApiVersion": "batch/v1", "Kind": "Job", "Namespace": "team", "Name": "train"}
    assert stack.wait(properties) == 1


# The protocol.


def test_the_framework_hands_the_start_on(fake: Target) -> None:
    event = {"RequestType": "Create", "LogicalResourceId": "Gate", "ResourceProperties": {"ClusterName": "research"}}
    answer = wait.begin({**event, "StackId": STACK_ID}, fake.services)
    assert answer == {"PhysicalResourceId": "research/wait/Gate", "StartedAt": str(fake.services.clock.now())}
    second = wait.begin({**event, "RequestType": "Update", "PhysicalResourceId": "kept"}, fake.services)
    assert second["PhysicalResourceId"] == "kept"


def test_a_deletion_waits_for_nothing(fake: Target) -> None:
    silent = Services(fake.aws, cluster_gone, fake.services.clock)
    assert wait.poll({"RequestType": "Delete", "ResourceProperties": {}}, silent) == {"IsComplete": True}


def test_an_hour_is_never_used_up(stack: CloudFormation) -> None:
    started = stack.target.server.clock.now()
    with pytest.raises(HandlerError, match=r"^after 34"):
        stack.wait(NODES, timeout=3600)
    assert stack.target.server.clock.now() - started < 3600 - 120


def test_a_server_that_does_not_answer_is_waited_for_and_quoted(stack: CloudFormation) -> None:
    fault = stack.target.server.fault(path="/nodes", drop=True)
    with pytest.raises(HandlerError, match="cannot be queried: the API server did not respond"):
        stack.wait(NODES, timeout=100)
    fault.times = 3
    stack.target.server.store.put(node("a", ready=True))
    assert stack.wait({**NODES, "Count": "1"}) == 4


def test_missing_rights_fail_after_a_grace(stack: CloudFormation) -> None:
    stack.target.server.fault(path="/nodes", status=403, reason="Forbidden", message='User "x" cannot list nodes')
    with pytest.raises(
        HandlerError, match='the wait cannot query the cluster: 403 Forbidden: User "x" cannot list nodes'
    ):
        stack.wait(NODES)
    assert sum(stack.target.server.clock.slept) == 90


def test_a_deleted_cluster_fails_immediately(fake: Target) -> None:
    stack = CloudFormation(Target(Services(fake.aws, cluster_gone, fake.services.clock), "team"))
    with pytest.raises(HandlerError, match="EKS cluster 'research' does not exist"):
        stack.wait(NODES)


def test_an_unknown_condition_is_reported(stack: CloudFormation) -> None:
    with pytest.raises(HandlerError, match="unknown condition type 'Later'"):
        stack.wait({"Type": "Later"})


def test_aws_that_fails_is_waited_for(stack: CloudFormation) -> None:
    class Throttled:
        def describe_addon(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "DescribeAddon")

    stack.target.aws.clients["eks"] = Throttled()
    with pytest.raises(HandlerError, match=r"cannot be queried: .*ThrottlingException"):
        stack.wait(ADDON, timeout=60)


def test_the_entry_points(stack: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "on_lambda", lambda: stack.target.services)
    stack.target.server.store.put(crd("example.com"))
    properties = {"ClusterName": "research", "Condition": CRD, "TimeoutSeconds": "60"}
    event = stack.event("Create", properties)
    assert wait.is_complete({**event, **wait.on_event(event, None)}, None) == {"IsComplete": True}
