"""The simulator of the ownership tests: what CloudFormation and the provider framework send, and when."""

from __future__ import annotations

from typing import Any

import pytest
from cloudformation import CREATE_FAILED, FAILS, Cloud, Delivery, Event, Killed, Provider, Resource


class Recorder:
    """A custom resource that records its events; the physical id is the property Id."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.fails: set[str] = set()

    def on_event(self, event: Event) -> dict[str, Any]:
        physical_id = event["ResourceProperties"].get("Id", "")
        self.events.append((event["RequestType"], event["LogicalResourceId"], event.get("PhysicalResourceId", "")))
        if f"{event['RequestType']} {physical_id}" in self.fails:
            raise ValueError("no")
        return {"PhysicalResourceId": event["PhysicalResourceId"] if event["RequestType"] == "Delete" else physical_id}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def cloud_of(recorder: Recorder, *deliveries: Delivery) -> Cloud:
    waiting = list(deliveries)
    return Cloud({"Thing": Provider(recorder.on_event)}, lambda _: waiting.pop(0) if waiting else Delivery.ONCE)


def custom_resource(id: str, **overrides: str) -> Resource:
    return Resource("Thing", {"Id": id, **overrides})


def test_create_in_order_and_delete_in_reverse(recorder: Recorder) -> None:
    stack = cloud_of(recorder).stack("Platform")
    assert stack.deploy({"A": custom_resource("a"), "B": custom_resource("b")}) == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert recorder.events == [("Create", "A", ""), ("Create", "B", ""), ("Delete", "B", "b"), ("Delete", "A", "a")]


def test_replaced_and_removed_resources_are_deleted_last(recorder: Recorder) -> None:
    stack = cloud_of(recorder).stack("Platform")
    stack.deploy({"A": custom_resource("a"), "B": custom_resource("b")})
    recorder.events.clear()
    assert stack.deploy({"A": custom_resource("a2"), "C": custom_resource("c")}) == "UPDATE_COMPLETE"
    assert recorder.events == [("Update", "A", "a"), ("Create", "C", ""), ("Delete", "B", "b"), ("Delete", "A", "a")]


def test_unchanged_resources_get_no_event(recorder: Recorder) -> None:
    stack = cloud_of(recorder).stack("Platform")
    stack.deploy({"A": custom_resource("a")})
    stack.deploy({"A": custom_resource("a")})
    assert len(recorder.events) == 1


def test_the_delete_of_a_create_that_failed_is_swallowed(recorder: Recorder) -> None:
    recorder.fails.add("Create b")
    cloud = cloud_of(recorder)
    assert cloud.stack("Platform").deploy({"A": custom_resource("a"), "B": custom_resource("b")}) == "ROLLBACK_COMPLETE"
    assert recorder.events == [("Create", "A", ""), ("Create", "B", ""), ("Delete", "A", "a")]
    assert cloud.sent[2].physical_id == CREATE_FAILED


def test_a_create_with_a_lost_response_is_deleted_with_a_generated_id(recorder: Recorder) -> None:
    stack = cloud_of(recorder, Delivery.LOST).stack("Platform")
    assert stack.deploy({"A": custom_resource("a")}) == "ROLLBACK_COMPLETE"
    assert [e[0] for e in recorder.events] == ["Create", "Delete"]
    assert recorder.events[1][2].startswith("Platform-A-")


def test_events_can_be_repeated(recorder: Recorder) -> None:
    stack = cloud_of(recorder, Delivery.RETRIED, Delivery.TWICE).stack("Platform")
    assert stack.deploy({"A": custom_resource("a"), "B": custom_resource("b")}) == "CREATE_COMPLETE"
    assert [e[1] for e in recorder.events] == ["A", "A", "B", "B"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("update", [("Update", "A", "a"), ("Update", "A", "a2"), ("Delete", "A", "a2")]),
        ("delete", [("Update", "A", "a"), ("Delete", "A", "a2")]),
    ],
)
def test_the_rollback_of_a_replacement(recorder: Recorder, how: str, expected: list[tuple[str, str, str]]) -> None:
    stack = cloud_of(recorder).stack("Platform", rollback_of_replacement=how)
    stack.deploy({"A": custom_resource("a")})
    recorder.events.clear()
    assert stack.deploy({"A": custom_resource("a2"), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert recorder.events == expected
    assert stack.live["A"].physical_id == "a"


def test_a_failed_update_is_rolled_back_with_the_old_id_and_may_be_continued(recorder: Recorder) -> None:
    stack = cloud_of(recorder).stack("Platform")
    stack.deploy({"A": custom_resource("a")})
    recorder.fails |= {"Update a2", "Update a"}
    assert stack.deploy({"A": custom_resource("a2"), "B": custom_resource("b")}) == "UPDATE_ROLLBACK_FAILED"
    recorder.fails.clear()
    assert stack.continue_rollback() == "UPDATE_ROLLBACK_COMPLETE"
    assert recorder.events[1:] == [("Update", "A", "a")] * 3


def test_new_resources_are_deleted_with_a_rolled_back_update(recorder: Recorder) -> None:
    stack = cloud_of(recorder).stack("Platform")
    stack.deploy({"A": custom_resource("a")})
    assert (
        stack.deploy({"A": custom_resource("a"), "B": custom_resource("b"), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    )
    assert recorder.events[1:] == [("Create", "B", ""), ("Delete", "B", "b")]
    assert set(stack.live) == {"A"}


def test_a_delete_may_not_answer_another_id() -> None:
    cloud = Cloud({"Thing": Provider(lambda event: {"PhysicalResourceId": event["RequestId"]})})
    stack = cloud.stack("Platform")
    stack.deploy({"A": custom_resource("a")})
    assert stack.delete() == "DELETE_FAILED"
    assert "cannot change the physical resource ID" in stack.reasons[0]


def test_a_create_that_fails_while_it_is_polled_is_deleted_with_its_own_id(recorder: Recorder) -> None:
    def fails(_: Event) -> dict[str, Any]:
        raise ValueError("no")

    def is_complete(event: Event) -> dict[str, Any]:
        return {"IsComplete": True} if event["RequestType"] == "Delete" else fails(event)

    stack = Cloud({"Thing": Provider(recorder.on_event, is_complete)}).stack("Platform")
    assert stack.deploy({"A": custom_resource("a")}) == "ROLLBACK_COMPLETE"
    assert recorder.events == [("Create", "A", ""), ("Delete", "A", "a")]


def test_a_killed_function_is_known() -> None:
    def killed(_: Event) -> None:
        raise Killed

    cloud = Cloud({"Thing": Provider(killed)})
    assert cloud.stack("Platform").deploy({"A": custom_resource("a")}) == "ROLLBACK_COMPLETE"
    assert cloud.sent[0].killed


def test_two_stacks_of_one_name_have_different_ids(recorder: Recorder) -> None:
    cloud = cloud_of(recorder)
    assert cloud.stack("Platform").id != cloud.stack("Platform").id
