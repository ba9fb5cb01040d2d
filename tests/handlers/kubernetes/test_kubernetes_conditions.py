"""Exact texts of each condition of a wait: when it is met, what is missing, and the reasons at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hyperpod_constructs.handlers.kubernetes.conditions import Condition, Sources, State, Workload, selected
from hyperpod_constructs.handlers.kubernetes.errors import ApiError, HandlerError, KindUnknown
from hyperpod_constructs.handlers.kubernetes.wait import read

Json = dict[str, Any]
TEAM = {"Namespace": "team", "Name": "a"}


class Client:
    """Objects by path; records the requested lists."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects, self.requests = objects, list[tuple[str, Json]]()

    def find(self, path: str) -> Json | None:
        found: Json | None = self.objects.get(path)
        return found

    def get(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError(404, "NotFound", "no")
        found: Json = self.objects[path]
        return found

    def items(self, path: str, **query: str) -> list[Json]:
        self.requests.append((path, query))
        found: list[Json] = self.objects.get(path, [])
        return found


class Aws:
    """boto3 clients: a response for each operation; an exception is raised, and other operations do not exist."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.requests = answers, list[tuple[str, str, Json]]()

    def __call__(self, service: str) -> Any:
        def call(operation: str) -> Any:
            def answer_of(**arguments: Any) -> Any:
                self.requests.append((service, operation, arguments))
                answer = self.answers[operation]
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return answer_of

        return SimpleNamespace(**{operation: call(operation) for operation in self.answers})


def sources(aws: Aws | None = None, **objects: Any) -> Any:
    return Sources(Client(objects), aws or Aws())  # type: ignore[arg-type]


def condition_of(type_: str, **properties: Any) -> Condition:
    return read({"ClusterName": "research", "Condition": {"Type": type_, **properties}})


def outcome(condition: Condition, found: Sources) -> State | str:
    """The state, or the message of the failure."""
    try:
        return condition.check(found)
    except HandlerError as error:
        return str(error)


def state(type_: str, status: str = "True", **overrides: Any) -> Json:
    return {"type": type_, "status": status, **overrides}


# Objects of the API server.

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.x.io"


@pytest.mark.parametrize(
    ("crd", "expected"),
    [
        (None, State(False, "CustomResourceDefinition widgets.x.io: does not exist")),
        ({}, State(False, "CustomResourceDefinition widgets.x.io: not established yet")),
        ({"status": {"conditions": None}}, State(False, "CustomResourceDefinition widgets.x.io: not established yet")),
        (
            {"status": {"conditions": [state("NamesAccepted"), state("Established", "False")]}},
            State(False, "CustomResourceDefinition widgets.x.io: not established yet"),
        ),
        (
            {"status": {"conditions": [state("NamesAccepted"), state("Established")]}},
            State(True, "CustomResourceDefinition widgets.x.io: established"),
        ),
        (
            {
                "metadata": {"name": "widgets.x.io"},
                "status": {"conditions": [state("NamesAccepted", "False", message="in use")]},
            },
            "CustomResourceDefinition widgets.x.io: in use",
        ),
    ],
)
def test_a_crd_is_established(crd: Json | None, expected: State | str) -> None:
    found = sources(**({CRD: crd} if crd is not None else {}))
    assert outcome(condition_of("CustomResourceEstablished", Name="widgets.x.io"), found) == expected


def deployment(*, available: str = "True", **status: Any) -> Json:
    return {
        "metadata": {"generation": 3},
        "spec": {"replicas": 2},
        "status": {
            "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3,
            "conditions": [state("Available", available)], **status,
        },
    }  # fmt: skip


DEPLOYMENTS: list[tuple[Json | None, bool, str]] = [
    (None, False, "does not exist"),
    (deployment(), True, ": 2 of 2 pods ready, 2 of the latest version"),
    (deployment(availableReplicas=3), True, ": 3 of 2 pods ready, 2 of the latest version"),
    (deployment(observedGeneration=4), True, ": 2 of 2 pods ready, 2 of the latest version"),
    (deployment(observedGeneration=2), False, ": 2 of 2 pods ready, 2 of the latest version"),
    (deployment(available="False"), False, ": 2 of 2 pods ready, 2 of the latest version"),
    (deployment(availableReplicas=1), False, ": 1 of 2 pods ready, 2 of the latest version"),
    (deployment(updatedReplicas=1), False, ": 2 of 2 pods ready, 1 of the latest version"),
    ({"metadata": {}, "spec": {}}, False, ": 0 of 1 pods ready, 0 of the latest version"),
    (
        {"metadata": {}, "spec": {"replicas": 0}, "status": {"conditions": [state("Available")]}},
        True,
        ": 0 of 0 pods ready, 0 of the latest version",
    ),
]


@pytest.mark.parametrize(("item", "met", "text"), DEPLOYMENTS)
def test_a_deployment_is_available(item: Json | None, met: bool, text: str) -> None:
    path = "/apis/apps/v1/namespaces/team/deployments/a"
    message = f"Deployment team/a{text}" if text.startswith(":") else f"Deployment team/a {text}"
    assert condition_of("DeploymentAvailable", **TEAM).check(sources(**{path: item})) == State(met, message)


def daemon_set(desired: int, ready: int, updated: int) -> Json:
    status = {"desiredNumberScheduled": desired, "numberReady": ready, "updatedNumberScheduled": updated}
    return {"metadata": {"generation": 1}, "spec": {}, "status": {**status, "observedGeneration": 1}}


DAEMON_SETS: list[tuple[Json, Json, bool, str]] = [
    ({}, daemon_set(3, 3, 3), True, "3 of 3 pods ready, 3 of the latest version"),
    ({}, daemon_set(3, 2, 3), False, "2 of 3 pods ready, 3 of the latest version"),
    ({}, daemon_set(3, 3, 2), False, "3 of 3 pods ready, 2 of the latest version"),
    ({}, daemon_set(0, 0, 0), False, "0 of 1 pods ready, 0 of the latest version"),
    ({}, {"metadata": {}}, False, "0 of 1 pods ready, 0 of the latest version"),
    ({"MinimumReady": "0"}, {"metadata": {}}, True, "0 of 0 pods ready, 0 of the latest version"),
    (
        {"MinimumReady": "0", "AllNodes": "false"},
        daemon_set(3, 0, 0),
        True,
        "0 of 0 pods ready, 0 of the latest version",
    ),
    (
        {"MinimumReady": "0"},
        {"metadata": {"generation": 1}, "status": {}},
        False,
        "0 of 0 pods ready, 0 of the latest version",
    ),
    ({"MinimumReady": "5"}, daemon_set(3, 3, 3), False, "3 of 5 pods ready, 3 of the latest version"),
    (
        {"MinimumReady": "2", "AllNodes": "false"},
        daemon_set(3, 2, 2),
        True,
        "2 of 2 pods ready, 2 of the latest version",
    ),
    ({"AllNodes": "TRUE"}, daemon_set(3, 2, 2), False, "2 of 3 pods ready, 2 of the latest version"),
    ({"AllNodes": False}, daemon_set(3, 1, 1), True, "1 of 1 pods ready, 1 of the latest version"),
]


@pytest.mark.parametrize(("properties", "item", "met", "text"), DAEMON_SETS)
def test_a_daemon_set_is_ready(properties: Json, item: Json, met: bool, text: str) -> None:
    path = "/apis/apps/v1/namespaces/team/daemonsets/a"
    found = condition_of("DaemonSetReady", **TEAM, **properties).check(sources(**{path: item}))
    assert found == State(met, f"DaemonSet team/a: {text}")


def test_the_reasons_of_a_workload_are_its_pods() -> None:
    item = {"spec": {"selector": {"matchLabels": {"app": "a", "tier": "1"}}}}
    condition = condition_of("DeploymentAvailable", Namespace="team", Name="a/b")
    found = sources(**{"/apis/apps/v1/namespaces/team/deployments/a%2Fb": item})
    found.client.objects["/api/v1/namespaces/team/pods"] = [
        {"metadata": {"name": "a-1"}, "status": {"phase": "Failed"}}
    ]
    assert condition.explain(found) == "1 pod; pod a-1: Failed"
    assert found.client.requests[0] == ("/api/v1/namespaces/team/pods", {"labelSelector": "app=a,tier=1"})
    assert condition.explain(sources()) == "it does not exist yet"
    selects_nothing = {"spec": {"selector": {"matchLabels": None}}}
    assert condition.explain(sources(**{"/apis/apps/v1/namespaces/team/deployments/a%2Fb": selects_nothing})) == (
        "it selects no pods"
    )
    assert Workload("DaemonSet", "team", "a") == Workload("DaemonSet", "team", "a", minimum=1, all_nodes=True)


QUEUES = {"/apis/x.io/v1": {"resources": [{"name": "queues", "kind": "Queue", "namespaced": True}]}}
QUEUE = {"ApiVersion": "x.io/v1", "Kind": "Queue", "Namespace": "team", "Name": "q", "ConditionType": "Active"}


def queue(*conditions: Json, **metadata: Any) -> Json:
    return {"metadata": metadata, "status": {"conditions": list(conditions)}}


QUEUE_STATES: list[tuple[Json, Json | None, bool, str]] = [
    ({}, None, False, "Queue team/q does not exist"),
    ({}, queue(), False, "Queue team/q: Active=unset, expected True"),
    ({}, queue(state("Other")), False, "Queue team/q: Active=unset, expected True"),
    ({}, queue(state("Active")), True, "Queue team/q: Active=True, expected True"),
    ({}, queue(state("Active", "False")), False, "Queue team/q: Active=False, expected True"),
    (
        {"ConditionStatus": "False"},
        queue(state("Active", "False")),
        True,
        "Queue team/q: Active=False, expected False",
    ),
    ({}, queue(state("Active"), generation=2), True, "Queue team/q: Active=True, expected True"),
    (
        {},
        queue(state("Active", observedGeneration=1), generation=2),
        False,
        "Queue team/q: Active=True for an older generation, expected True",
    ),
    ({}, queue(state("Active", observedGeneration=2), generation=2), True, "Queue team/q: Active=True, expected True"),
    ({}, queue(state("Active", observedGeneration=0)), True, "Queue team/q: Active=True, expected True"),
]


@pytest.mark.parametrize(("properties", "item", "met", "text"), QUEUE_STATES)
def test_an_object_has_a_condition(properties: Json, item: Json | None, met: bool, text: str) -> None:
    found = sources(**QUEUES, **{"/apis/x.io/v1/namespaces/team/queues/q": item})
    assert condition_of("ObjectCondition", **QUEUE, **properties).check(found) == State(met, text)


def test_the_reasons_of_an_object_are_its_last_condition() -> None:
    condition = condition_of("ObjectCondition", **QUEUE)
    item = queue(state("Active", "False", reason="R"), state("Other", lastTransitionTime="2026-01-01"))
    found = sources(**QUEUES, **{"/apis/x.io/v1/namespaces/team/queues/q": item})
    assert condition.explain(found) == "last condition Other=True"
    assert condition.explain(sources(**QUEUES)) == "it has no conditions yet"
    with pytest.raises(KindUnknown):
        condition.check(sources())


def test_an_object_of_the_default_namespace() -> None:
    properties = {name: value for name, value in QUEUE.items() if name != "Namespace"}
    found = sources(**QUEUES, **{"/apis/x.io/v1/namespaces/default/queues/q": queue(state("Active"))})
    assert condition_of("ObjectCondition", **properties).check(found) == State(
        True, "Queue q: Active=True, expected True"
    )


def test_an_object_requires_a_name() -> None:
    with pytest.raises(HandlerError, match=r"^the condition requires a Name$"):
        condition_of("ObjectCondition", ApiVersion="x.io/v1", Kind="Queue", ConditionType="Active")


SLICES = "/apis/discovery.k8s.io/v1/namespaces/team/endpointslices"
HOOK = {"Namespace": "team", "Service": "hook"}


@pytest.mark.parametrize(
    ("slices", "properties", "met", "text"),
    [
        ([], {}, False, "0 of 1"),
        ([{"endpoints": None}, {}], {}, False, "0 of 1"),
        ([{"endpoints": [{"conditions": {"ready": False}}]}], {}, False, "0 of 1"),
        ([{"endpoints": [{"conditions": {"ready": True}}]}], {}, True, "1 of 1"),
        ([{"endpoints": [{}]}, {"endpoints": [{"conditions": {"ready": None}}]}], {}, True, "2 of 1"),
        ([{"endpoints": [{}]}], {"MinimumReady": "2"}, False, "1 of 2"),
        ([{"endpoints": [{}, {}]}], {"MinimumReady": "2"}, True, "2 of 2"),
    ],
)
def test_a_service_has_ready_endpoints(slices: list[Json], properties: Json, met: bool, text: str) -> None:
    found = sources(**{SLICES: slices})
    message = f"Service team/hook: {text} endpoints ready"
    assert condition_of("EndpointsReady", **HOOK, **properties).check(found) == State(met, message)
    assert found.client.requests == [(SLICES, {"labelSelector": "kubernetes.io/service-name=hook"})]


def test_the_reasons_of_endpoints_are_the_pods_of_the_service() -> None:
    condition, path = condition_of("EndpointsReady", **HOOK), "/api/v1/namespaces/team/services/hook"
    assert condition.explain(sources()) == "the Service does not exist"
    assert condition.explain(sources(**{path: {"spec": {}}})) == "it selects no pods"
    found = sources(**{path: {"spec": {"selector": {"app": "hook"}}}})
    found.client.objects["/api/v1/namespaces/team/pods"] = [
        {"metadata": {"name": "hook-1"}, "status": {"phase": "Failed"}}
    ]
    assert condition.explain(found) == "1 pod; pod hook-1: Failed"
    assert found.client.requests[0] == ("/api/v1/namespaces/team/pods", {"labelSelector": "app=hook"})


# Jobs.

JOBS = {"/apis/batch/v1": {"resources": [{"name": "jobs", "kind": "Job", "namespaced": True}]}}
TRAIN = {"ApiVersion": "batch/v1", "Kind": "Job", "Namespace": "team", "Name": "train"}


def job(*conditions: Json, **status: Any) -> Json:
    return {"metadata": {"name": "train"}, "status": {"conditions": list(conditions), **status}}


STARTED_AND_FINISHED: list[tuple[Json | None, State | str, State | str]] = [
    (None, State(False, "Job team/train does not exist"), State(False, "Job team/train does not exist")),
    (
        {},
        State(False, "Job team/train has not started"),
        State(False, "Job team/train has not finished"),
    ),
    (
        job(state("Running", "False"), state("Succeeded", "Unknown"), state("Failed", "False"), ready=0),
        State(False, "Job team/train has not started"),
        State(False, "Job team/train has not finished"),
    ),
    *[
        (job(state(kind)), State(True, "Job team/train is running"), State(False, "Job team/train has not finished"))
        for kind in ("Running", "PodsRunning")
    ],
    (
        job(ready=1),
        State(True, "Job team/train is running"),
        State(False, "Job team/train has not finished"),
    ),
    *[
        (job(state(kind)), State(True, "Job team/train finished"), State(True, "Job team/train finished"))
        for kind in ("Succeeded", "Complete", "Completed")
    ],
    (
        job(state("Failed", reason="BackoffLimitExceeded", message="3"), state("Complete")),
        "Job team/train failed: Failed=True (BackoffLimitExceeded: 3); last condition Complete=True; it has no pods",
        "Job team/train failed: Failed=True (BackoffLimitExceeded: 3); last condition Complete=True; it has no pods",
    ),
]


@pytest.mark.parametrize(("item", "started", "finished"), STARTED_AND_FINISHED)
def test_a_job_starts_and_finishes(item: Json | None, started: State | str, finished: State | str) -> None:
    found = sources(**JOBS, **{"/apis/batch/v1/namespaces/team/jobs/train": item})
    assert outcome(condition_of("JobStarted", **TRAIN), found) == started
    assert outcome(condition_of("JobFinished", **TRAIN), found) == finished


def test_the_reasons_of_a_job_are_its_own_pods() -> None:
    pods = [
        {"metadata": {"name": "train-0", "labels": {"job-name": "train"}}, "status": {"phase": "Failed"}},
        {"metadata": {"name": "other-0", "labels": {"job-name": "other"}}, "status": {"phase": "Failed"}},
    ]
    path = "/api/v1/namespaces/default/pods"
    found = sources(**JOBS, **{"/apis/batch/v1/namespaces/default/jobs/train": job(), path: pods})
    condition = condition_of("JobStarted", **{**TRAIN, "Namespace": "default"})
    assert condition.explain(found) == "it has no conditions yet; 1 pod; pod train-0: Failed"
    assert found.client.requests[0] == (path, {}), "operators label the pods differently"
    assert condition.explain(sources(**JOBS)) == "the job does not exist"
    unnamed = {name: value for name, value in TRAIN.items() if name != "Namespace"}
    assert condition_of("JobStarted", **unnamed) == condition


def test_a_failed_job_may_say_more_than_other_failures() -> None:
    found = sources(**JOBS, **{"/apis/batch/v1/namespaces/team/jobs/train": job(state("Failed", message="x" * 3000))})
    text = outcome(condition_of("JobStarted", **TRAIN), found)
    assert text == "Job team/train failed: Failed=True (" + "x" * 1961 + "..."
    assert len(str(text)) == 2000


@pytest.mark.parametrize(
    ("metadata", "belongs"),
    [
        ({"ownerReferences": [{"name": "other"}, {"name": "train"}]}, True),
        ({"labels": {"any": "train"}}, True),
        ({"ownerReferences": None, "labels": None, "name": "train"}, False),
        ({"labels": {"train": "other"}, "ownerReferences": [{}]}, False),
    ],
)
def test_pods_of_a_job(metadata: Json, belongs: bool) -> None:
    assert selected({"metadata": metadata}, "train") is belongs
