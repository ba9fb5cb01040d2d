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
    begun = events.begin(events.event("Create", properties()))
    assert {key: begun[key] for key in ("PhysicalResourceId", "StartedAt", "WantedVersion")} == {
        "PhysicalResourceId": ID, "StartedAt": str(start), "WantedVersion": "0"
    }  # fmt: skip
    assert events.said == ["vision: created as 000000000001", f"{ID}: begun"]
    assert events.poll(begun) == {"IsComplete": False}
    assert events.said == ["vision: Creating after 0 s: wait"]
    events.clock.advance(15)
    only = events.service.only
    assert events.poll(begun) == {"IsComplete": True, "Data": {"Id": only.id, "Arn": only.arn}}
    assert events.said == ["vision: Created after 15 s: done"]

    begun = events.begin(events.event("Delete", properties(), PhysicalResourceId="given"))
    assert (begun["PhysicalResourceId"], events.asked, "WantedVersion" in begun) == ("given", [], False)
    assert events.poll(begun) == {"IsComplete": False}
    assert events.said == ["vision: Created after 0 s: delete"]
    assert events.poll(begun) == {"IsComplete": False}
    assert events.poll(begun) == {"IsComplete": True}
    assert events.said == ["vision: gone after 0 s: done"]


def test_an_update_in_place(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    begun = events.begin(update)
    assert (begun["WantedVersion"], events.said) == ("2", [f"{ID}: begun"])
    assert "DeleteComputeQuota" not in events.asked
    assert events.run(update)["IsComplete"] is True
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]


def test_a_second_delivery_changes_what_differs_only(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    assert events.begin(events.event("Create", properties(4)))["WantedVersion"] == "0"
    assert "UpdateComputeQuota" not in events.asked
    assert events.begin(events.event("Create", properties(8)))["WantedVersion"] == "2"


def test_two_owners(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    begun = events.begin(events.event("Create", properties(4), id="B"))
    assert events.said == ["vision: shared with Platform/A", f"{ID}: begun"]
    assert begun["WantedVersion"] == "1"
    assert "UpdateComputeQuota" not in events.asked
    events.run(events.event("Create", properties(8), id="C"))
    update = events.event("Update", properties(2), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.begin(update)
    assert events.said == ["vision: shared with Platform/C, Platform/B", f"{ID}: begun"]
    events.run(update)
    events.run(events.event("Delete", properties(2), PhysicalResourceId=ID))
    assert events.said == [
        "vision: not changed, it has no mark of this resource",
        "vision: gone after 15 s: done",
    ]
    assert sorted(found.name for found in owners(events.service.only.tags)) == ["Platform/B", "Platform/C"]
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]
    begun = events.begin(events.event("Delete", properties(4), PhysicalResourceId=ID, id="B"))
    events.poll(begun)
    assert events.said == ["vision: Updated after 0 s: delete", "vision: released"]
    assert "UpdateComputeQuota" not in events.asked, "the content is that of the other owner"


def test_a_quota_that_existed(events: Events) -> None:
    thing = events.service.put(request(4), tags={})
    assert events.fails(events.event("Create", properties(4))).startswith(
        "ComputeQuota 'vision' (000000000001) already exists and was not created by this library. "
    )
    events.begin(events.event("Create", properties(4, Adopt="true")))
    assert events.said == ["vision: shared with its creator", f"{ID}: begun"]
    assert thing.tags[f"{TAG_NAMESPACE}existed"] == "true"
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.run(update)
    events.run(events.event("Delete", properties(8), PhysicalResourceId=ID))
    assert (thing.tags, thing.request["ComputeQuotaConfig"]) == ({}, request(4)["ComputeQuotaConfig"])


def test_a_large_quota_that_existed_is_not_taken_over(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperpod_constructs.handlers.governance.owned._MAX_CHUNKS", 0)
    thing = events.service.put(request(4), tags={})
    assert events.fails(events.event("Create", properties(8, Adopt="true"))) == (
        "ComputeQuota 'vision' exists, and its content is too large to be stored in its tags for a later restore: "
        "delete it, or use another name"
    )
    assert (thing.tags, thing.version) == ({}, 1)


def test_a_quota_that_cloudformation_knows_is_taken_back(events: Events) -> None:
    thing = events.service.put(request(4), tags={})
    events.run(events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID))
    assert thing.tags[f"{TAG_NAMESPACE}existed"] == "true"


def test_an_update_of_what_is_gone_creates_it(events: Events) -> None:
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    assert events.begin(update)["WantedVersion"] == "0"
    assert events.service.only.request["ComputeQuotaConfig"] == request(8)["ComputeQuotaConfig"]


def test_an_update_sets_tags_of_its_own_quota(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    events.service.only.tags["stale"] = "1"
    events.run(events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID))
    assert "stale" not in events.service.only.tags
