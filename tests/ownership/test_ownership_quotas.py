"""Quotas that two resources, two stacks or two users share."""

from __future__ import annotations

import json

import pytest
from cloudformation import FAILS, Cloud, Delivery
from ownership_quotas import Quotas, quota

from hyperpod_constructs.handlers.shared.ownership import owners


@pytest.fixture
def quotas() -> Quotas:
    return Quotas()


@pytest.fixture
def cloud(quotas: Quotas) -> Cloud:
    return Cloud({quotas.provider: quotas.functions()})


def names(quotas: Quotas, team: str = "vision") -> list[str]:
    return sorted(owner.name for owner in owners(quotas.find(team).tags))


def test_a_renamed_construct_keeps_its_quota(quotas: Quotas, cloud: Cloud) -> None:
    stack = cloud.stack("Platform")
    stack.deploy({"Old": quota("vision", 4)})
    before = quotas.find("vision").id
    assert stack.deploy({"New": quota("vision", 8)}) == "UPDATE_COMPLETE"
    assert (quotas.find("vision").id, quotas.count("vision"), names(quotas)) == (before, 8, ["Platform/New"])
    assert stack.delete() == "DELETE_COMPLETE"
    assert quotas.find("vision") is None


def test_a_renamed_and_changed_quota_is_rolled_back(quotas: Quotas, cloud: Cloud) -> None:
    stack = cloud.stack("Platform")
    stack.deploy({"Old": quota("vision", 4)})
    assert stack.deploy({"New": quota("vision", 8), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert (quotas.count("vision"), names(quotas)) == (4, ["Platform/Old"])


def test_a_quota_of_two_stacks_is_deleted_with_the_last_one(quotas: Quotas, cloud: Cloud) -> None:
    a, b = cloud.stack("A"), cloud.stack("B")
    a.deploy({"X": quota("vision", 4)})
    b.deploy({"X": quota("vision", 8)})
    assert b.delete() == "DELETE_COMPLETE"
    assert quotas.count("vision") == 4
    assert a.delete() == "DELETE_COMPLETE"
    assert quotas.find("vision") is None


def test_a_quota_that_existed_is_rejected(quotas: Quotas, cloud: Cloud) -> None:
    before = quotas.service.put(json.loads(quota("vision", 2).properties["Request"]))
    stack = cloud.stack("Platform")
    assert stack.deploy({"X": quota("vision", 4)}) == "ROLLBACK_COMPLETE"
    assert "already exists and was not created by this library" in stack.reasons[0]
    assert (before.version, before.tags) == (1, {})


@pytest.mark.parametrize("rolled_back", [True, False])
def test_an_adopted_quota_is_restored(quotas: Quotas, cloud: Cloud, rolled_back: bool) -> None:
    before = quotas.service.put(json.loads(quota("vision", 2).properties["Request"]), tags={"theirs": "1"})
    stack = cloud.stack("Platform")
    template = {"X": quota("vision", 4, Adopt="true")}
    if rolled_back:
        assert stack.deploy({**template, "Bad": FAILS}) == "ROLLBACK_COMPLETE"
    else:
        assert stack.deploy(template) == "CREATE_COMPLETE"
        assert quotas.count("vision") == 4
        assert stack.delete() == "DELETE_COMPLETE"
    assert (quotas.count("vision"), before.tags) == (2, {"theirs": "1"})


def test_a_quota_whose_response_was_lost_is_deleted(quotas: Quotas, cloud: Cloud) -> None:
    cloud.deliver = lambda event: Delivery.LOST if event["RequestType"] == "Create" else Delivery.ONCE
    assert cloud.stack("Platform").deploy({"X": quota("vision")}) == "ROLLBACK_COMPLETE"
    assert quotas.find("vision") is None


@pytest.mark.parametrize("delivery", [Delivery.TWICE, Delivery.RETRIED])
def test_each_event_twice(quotas: Quotas, cloud: Cloud, delivery: Delivery) -> None:
    cloud.deliver = lambda event: delivery
    stack = cloud.stack("Platform")
    assert stack.deploy({"X": quota("vision", 4)}) == "CREATE_COMPLETE"
    assert stack.deploy({"X": quota("vision", 8)}) == "UPDATE_COMPLETE"
    assert quotas.count("vision") == 8
    assert stack.delete() == "DELETE_COMPLETE"
    assert quotas.find("vision") is None


def test_another_team_is_rolled_back(quotas: Quotas, cloud: Cloud) -> None:
    stack = cloud.stack("Platform")
    stack.deploy({"X": quota("vision", 4)})
    assert stack.deploy({"X": quota("speech", 4), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert quotas.count("vision") == 4
    assert quotas.find("speech") is None


def test_a_quota_recreated_by_another_owner_is_not_deleted(quotas: Quotas, cloud: Cloud) -> None:
    stack = cloud.stack("Platform")
    stack.deploy({"X": quota("vision", 4)})
    quotas.service.items.clear()
    quotas.service.put(json.loads(quota("vision", 2).properties["Request"]))
    assert stack.delete() == "DELETE_COMPLETE"
    assert quotas.count("vision") == 2
