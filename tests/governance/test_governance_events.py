"""What each event of a quota does and logs."""

from __future__ import annotations

import logging
from typing import Any

import boto3
import pytest
from function_logs import level_after_import
from governance_log import ID, Events, properties, request

from hyperpod_constructs.handlers.governance import index
from hyperpod_constructs.handlers.shared.ownership import TAG_NAMESPACE, owners

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Events:
    return Events(caplog)


def test_the_function_logs_at_info() -> None:
    assert level_after_import("hyperpod_constructs.handlers.governance.index") == logging.INFO


def test_the_entry_points_retry_nothing_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[Any] = []
    monkeypatch.setattr(boto3, "client", lambda service, config: created.append((service, config.retries)) or "client")
    monkeypatch.setattr(index, "begin", lambda event, client, clock: {"begun": event, "client": client})
    monkeypatch.setattr(index, "poll", lambda event, client, clock: {"polled": event, "client": client})
    assert index.on_event({"a": 1}, None) == {"begun": {"a": 1}, "client": "client"}
    assert index.is_complete({"a": 1}, None) == {"polled": {"a": 1}, "client": "client"}
    assert created == [("sagemaker", {"total_max_attempts": 1})] * 2


def test_a_life(events: Events) -> None:
    start = events.clock.now()
    started = events.begin(events.event("Create", properties()))
    assert {key: started[key] for key in ("PhysicalResourceId", "StartedAt", "WantedVersion")} == {
        "PhysicalResourceId": ID, "StartedAt": str(start), "WantedVersion": "0"
    }  # fmt: skip
    assert events.messages == ["vision: created as 000000000001", f"{ID}: started"]
    assert events.poll(started) == {"IsComplete": False}
    assert events.messages == ["vision: Creating after 0 s: wait"]
    events.clock.advance(15)
    only = events.service.only
    assert events.poll(started) == {"IsComplete": True, "Data": {"Id": only.id, "Arn": only.arn}}
    assert events.messages == ["vision: Created after 15 s: done"]

    started = events.begin(events.event("Delete", properties(), PhysicalResourceId="given"))
    assert (started["PhysicalResourceId"], events.operations, "WantedVersion" in started) == ("given", [], False)
    assert events.poll(started) == {"IsComplete": False}
    assert events.messages == ["vision: Created after 0 s: delete"]
    assert events.poll(started) == {"IsComplete": False}
    assert events.poll(started) == {"IsComplete": True}
    assert events.messages == ["vision: does not exist after 0 s: done"]


def test_an_update_in_place(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    started = events.begin(update)
    assert (started["WantedVersion"], events.messages) == ("2", [f"{ID}: started"])
    assert "DeleteComputeQuota" not in events.operations
    assert events.run(update)["IsComplete"] is True
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]


def test_a_second_delivery_changes_what_differs_only(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    assert events.begin(events.event("Create", properties(4)))["WantedVersion"] == "0"
    assert "UpdateComputeQuota" not in events.operations
    assert events.begin(events.event("Create", properties(8)))["WantedVersion"] == "2"


def test_two_owners(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    started = events.begin(events.event("Create", properties(4), id="B"))
    assert events.messages == ["vision: shared with Platform/A", f"{ID}: started"]
    assert started["WantedVersion"] == "1"
    assert "UpdateComputeQuota" not in events.operations
    events.run(events.event("Create", properties(8), id="C"))
    update = events.event("Update", properties(2), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.begin(update)
    assert events.messages == ["vision: shared with Platform/C, Platform/B", f"{ID}: started"]
    events.run(update)
    events.run(events.event("Delete", properties(2), PhysicalResourceId=ID))
    assert events.messages == [
        "vision: not changed, because it does not have the mark of this resource",
        "vision: does not exist after 15 s: done",
    ]
    assert sorted(found.name for found in owners(events.service.only.tags)) == ["Platform/B", "Platform/C"]
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]
    started = events.begin(events.event("Delete", properties(4), PhysicalResourceId=ID, id="B"))
    events.poll(started)
    assert events.messages == ["vision: Updated after 0 s: delete", "vision: released"]
    assert "UpdateComputeQuota" not in events.operations, "the content is that of the other owner"


def test_a_quota_that_existed(events: Events) -> None:
    item = events.service.put(request(4), tags={})
    assert events.fails(events.event("Create", properties(4))).startswith(
        "ComputeQuota 'vision' (000000000001) already exists and was not created by this library. "
    )
    events.begin(events.event("Create", properties(4, Adopt="true")))
    assert events.messages == ["vision: shared with its creator", f"{ID}: started"]
    assert item.tags[f"{TAG_NAMESPACE}existed"] == "true"
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.run(update)
    events.run(events.event("Delete", properties(8), PhysicalResourceId=ID))
    assert (item.tags, item.request["ComputeQuotaConfig"]) == ({}, request(4)["ComputeQuotaConfig"])


def test_a_large_quota_that_existed_is_not_taken_over(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperpod_constructs.handlers.governance.owned._MAX_CHUNKS", 0)
    item = events.service.put(request(4), tags={})
    assert events.fails(events.event("Create", properties(8, Adopt="true"))) == (
        "ComputeQuota 'vision' exists, and its content is too large to be stored in its tags for a later restore: "
        "delete it, or use another name"
    )
    assert (item.tags, item.version) == ({}, 1)


def test_a_quota_that_cloudformation_knows_is_taken_back(events: Events) -> None:
    item = events.service.put(request(4), tags={})
    events.run(events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID))
    assert item.tags[f"{TAG_NAMESPACE}existed"] == "true"


def test_an_update_of_a_deleted_quota_creates_it(events: Events) -> None:
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    assert events.begin(update)["WantedVersion"] == "0"
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]


def test_an_update_sets_tags_of_its_own_quota(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    events.service.only.tags["stale"] = "1"
    events.run(events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID))
    assert "stale" not in events.service.only.tags
