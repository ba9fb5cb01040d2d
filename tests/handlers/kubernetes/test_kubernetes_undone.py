"""Failed events: what they revert, the messages, and what a later event reverts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from event_log import STACK, A, Events, properties_of
from ownership_world import config_map, remove

from hyperpod_constructs.handlers.kubernetes import apply
from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError


def test_an_unexpected_error_is_raised_as_it_is_after_the_clean_up(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = ApiClient.apply

    def breaks(self: ApiClient, path: str, body: Any, **extra: Any) -> Any:
        if path.endswith("/b"):
            raise ZeroDivisionError("a bug")
        return applied(self, path, body, **extra)

    monkeypatch.setattr(ApiClient, "apply", breaks)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        events.send("Create", config_map("a"), config_map("b"))
    assert events.world.config_map("a") is None


def test_a_failed_event_undoes_its_own_part(events: Events) -> None:
    group = [config_map(name) for name in "ayz"]
    events.send("Create", *group)
    remove(events.world, "y")
    remove(events.world, "z")
    with events.world.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="no"):
        assert events.fails("Create", *group) == "ConfigMap team/z was not applied: 422 Invalid: no"
    assert events.world.config_map("a"), "the object had the mark before"
    assert events.world.config_map("y") is None
    with events.world.fault(method="PATCH", path="/configmaps/c", status=422, reason="Invalid", message="no"):
        events.fails("Update", config_map("a"), config_map("b"), config_map("c"),
                     old=properties_of(config_map("a"), config_map("z")), physical_id="x")  # fmt: skip
    assert [bool(events.world.config_map(name)) for name in "abc"] == [True, False, False]


def test_a_clean_up_that_fails_is_added_to_the_reason(events: Events) -> None:
    fault = events.world.fault
    with (
        fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="n" * 2000),
        fault(method="DELETE", path="/configmaps/a", status=503, reason="Busy", message="m" * 2000),
    ):
        reason = f"ConfigMap team/z was not applied: 422 Invalid: {'n' * 2000}"[:647] + "..."
        message = f"{A} was not deleted: failed after 7 attempts in 45 s: 503 Busy: {'m' * 2000}"
        assert events.fails("Create", config_map("a"), config_map("z")) == (
            f"{reason} (the cleanup also failed: {message[:297]}...)"
        )
    assert events.clock.slept == [1, 2, 4, 8, 15, 15], "50 of the 60 seconds that are reserved"
    assert events.messages[-2] == f"the cleanup failed: {message[:997]}..."
    assert events.caplog.records[-2].levelname == "WARNING"


def test_the_time_for_the_clean_up_is_reserved(events: Events) -> None:
    properties = {"ClusterName": "research", "Manifest": json.dumps([config_map("a")]), "RetrySeconds": "780"}
    event = {"RequestType": "Create", "StackId": STACK, "LogicalResourceId": "A", "RequestId": "1"}
    for remaining, pauses in ((68.0, [1, 2, 4]), (61.5, [1]), (61.0, []), (0.0, [])):
        events.clock.slept.clear()
        with (
            events.world.fault(method="PATCH", status=503, reason="Busy", message="m"),
            pytest.raises(HandlerError, match="503 Busy: m"),
        ):
            apply.handle({**event, "ResourceProperties": properties}, events.world.services, remaining)
        assert events.clock.slept == pauses


# Objects that a failed event left, and that an Update specifies.


def test_an_update_releases_what_a_failed_update_left(events: Events) -> None:
    old, failed = properties_of(config_map("a")), properties_of(config_map("b"))
    events.send("Create", config_map("a"))
    held = config_map("b")
    held["metadata"]["finalizers"] = ["x.io/hold"]
    events.send("Update", held, old=old, physical_id="research/ConfigMap/team/a")
    assert events.world.config_map("a"), "CloudFormation's own Delete follows"
    events.send("Update", config_map("a"), old=failed, physical_id="research/ConfigMap/team/a")
    assert (events.world.config_map("b") or {})["metadata"]["deletionTimestamp"], "the deletion is not awaited"
    assert events.clock.slept == []
    assert events.messages == ["Update of A (1)", f"{A}: applied", "ConfigMap team/b: deleted"]


def test_an_update_with_another_physical_id_and_the_same_objects_releases_nothing(events: Events) -> None:
    events.send("Create", config_map("a"))
    events.send("Update", config_map("a", x="2"), old=properties_of(config_map("a")), physical_id="of another version")
    assert (events.world.config_map("a") or {})["data"] == {"x": "2"}


def test_an_object_of_another_cluster_is_not_held(events: Events) -> None:
    old = {**properties_of(config_map("a")), "ClusterName": "other"}
    events.world.put(config_map("a"))
    message = f"{A} already exists and was not created by this library"
    assert events.fails("Update", config_map("a"), old=old, physical_id="other/ConfigMap/team/a").startswith(message)
    events.send("Update", config_map("a"), old=properties_of(config_map("a")), physical_id="research/ConfigMap/team/a")
    assert events.messages[1] == f"{A}: adopt with -"


def test_the_delete_of_a_former_group_leaves_what_its_update_marked(events: Events) -> None:
    group = [config_map("a"), config_map("b")]
    events.send("Create", *group)
    events.send("Delete", *group, physical_id="research/group/A")
    assert events.world.config_map("a")
    events.send("Delete", *group, physical_id="research/group/A/12345678")
    assert events.world.config_map("a") is None
