"""Exact texts of the reasons from pods, events and conditions if an object is not ready."""

from __future__ import annotations

from typing import Any

import pytest

from hyperpod_constructs.handlers.kubernetes.diagnosis import last_condition, pods_and_events
from hyperpod_constructs.handlers.kubernetes.errors import ApiError

Json = dict[str, Any]


class Client:
    """Lists pods and events, and records the requests."""

    def __init__(self, pods: list[Json] | None = None, events: list[Json] | None = None) -> None:
        self.pods, self.events, self.requests = pods or [], events or [], list[tuple[str, Json]]()

    def items(self, path: str, **query: str) -> list[Json]:
        self.requests.append((path, query))
        return self.pods if path.endswith("/pods") else self.events


def pod(name: str = "web-1", **status: Any) -> Json:
    return {"metadata": {"name": name}, "status": status}


def container(**state: Any) -> Json:
    return {"name": "main", "state": state}


def event(about: str, message: str, **at: str) -> Json:
    return {"involvedObject": {"name": about}, "reason": "Failed", "message": message, **at}


def diagnosis(client: Any, selector: dict[str, str] | None = None) -> str:
    return pods_and_events(client, "team", "web", lambda _: True, selector)


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
PULL = {"reason": "ImagePullBackOff", "message": "no such image"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (READY, ""),
        ({"phase": "Succeeded"}, ""),
        ({}, "pod web-1: Pending, not ready"),
        ({"phase": "Running"}, "pod web-1: Running, not ready"),
        ({"phase": "Failed"}, "pod web-1: Failed"),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "pod web-1: Evicted: disk"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}]},
            "pod web-1: Unschedulable: full",
        ),
        ({"containerStatuses": [container(waiting=PULL)]}, "pod web-1, container main: ImagePullBackOff: no such image"),
        ({"containerStatuses": [container(waiting={})]}, "pod web-1, container main: not running"),
        (
            {"containerStatuses": [container(waiting={"reason": "CrashLoopBackOff"})
                                   | {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]},
            "pod web-1, container main: CrashLoopBackOff, exit code 137",
        ),
        (
            {"containerStatuses": [container(terminated={"reason": "Error", "exitCode": 1})]},
            "pod web-1, container main: Error, exit code 1",
        ),
        ({**READY, "containerStatuses": [container(terminated={"reason": "Completed", "exitCode": 0})]}, ""),
        ({**READY, "containerStatuses": [container(terminated={"reason": "Completed"})]}, ""),
        (  # in the order in which the containers start
            {"initContainerStatuses": [{**container(waiting=PULL), "name": "init"}],
             "containerStatuses": [container(waiting={"reason": "PodInitializing"})]},
            "pod web-1, container init: ImagePullBackOff: no such image",
        ),
    ],
)  # fmt: skip
def test_a_pod(status: Json, message: str) -> None:
    assert diagnosis(Client([pod(**status)])) == "; ".join(["1 pod", *([message] if message else [])])


def test_three_pods_are_quoted() -> None:
    pods = [pod(f"web-{number}", phase="Failed") for number in range(3)]
    quoted = "pod web-0: Failed; pod web-1: Failed; pod web-2: Failed"
    assert diagnosis(Client(pods)) == f"3 pods; {quoted}"
    assert diagnosis(Client([*pods, pod("web-3", phase="Failed"), pod("well", **READY)])) == (
        f"5 pods; {quoted}; and 1 more unhealthy pods"
    )


def test_the_last_two_warnings_about_the_object_and_its_pods_are_quoted() -> None:
    events = [
        event("web", "third", lastTimestamp="2026-01-03"),
        event("other", "not ours", lastTimestamp="2026-01-09"),
        event("web-1", "fourth", eventTime="2026-01-04"),
        event("web-1", "first"),
        event("web-1", "fourth", lastTimestamp="2026-01-02"),
        {"reason": "Lost", "message": "about nothing"},
    ]
    client = Client([pod(**READY)], events)
    assert diagnosis(client, {"app": "web", "tier": "1"}) == "1 pod; event Failed: fourth; event Failed: third"
    assert client.requests == [
        ("/api/v1/namespaces/team/pods", {"labelSelector": "app=web,tier=1"}),
        ("/api/v1/namespaces/team/events", {"fieldSelector": "type=Warning"}),
    ]


def test_pods_of_others_are_left_out() -> None:
    client = Client([pod("web-1", **READY), pod("other", phase="Failed")])
    found = pods_and_events(client, "team", "web", lambda manifest: manifest["metadata"]["name"] == "web-1", None)  # type: ignore[arg-type]
    assert (found, client.requests[0][1]) == ("1 pod", {})


def test_without_pods() -> None:
    assert diagnosis(Client(), {}) == "it selects no pods"
    assert diagnosis(Client(events=[event("web", "quota")])) == "it has no pods; event Failed: quota"


def test_a_line_is_cut() -> None:
    text = diagnosis(Client([pod(containerStatuses=[container(waiting={"reason": "x" * 1000})])]))
    assert len(text.encode()) <= len("1 pod; ") + 260


def test_a_rejected_response_is_reported() -> None:
    class Refusing:
        def items(self, path: str, **query: str) -> list[Json]:
            raise ApiError(403, "Forbidden", "pods is forbidden")

    assert diagnosis(Refusing()) == "(pods and events could not be read: 403 Forbidden: pods is forbidden)"


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (None, "it has no conditions yet"),
        ([], "it has no conditions yet"),
        ([{"type": "A", "status": "True"}, {"type": "B", "status": "False"}], "last condition B=False"),
        (
            [
                {"type": "A", "status": "True", "lastTransitionTime": "2026-01-02", "reason": "R"},
                {"type": "B", "status": "False", "lastTransitionTime": "2026-01-01"},
                {"type": "C", "status": "False"},
            ],
            "last condition A=True (R)",
        ),
        ([{"type": "A", "status": "True", "message": "m"}], "last condition A=True (m)"),
        ([{"type": "A", "status": "True", "reason": "R", "message": "m"}], "last condition A=True (R: m)"),
    ],
)
def test_the_last_condition(conditions: list[Json] | None, message: str) -> None:
    assert last_condition({"status": {"conditions": conditions}}) == message
