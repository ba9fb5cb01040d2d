"""Resources and stacks that share an object, and events that are delivered twice or never."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from cloudformation import FAILS, Delivery
from ownership_world import (
    World,
    config_map,
    deployment,
    image,
    job,
    lose,
    namespace,
    objects,
)


@pytest.fixture
def world() -> World:
    return World()


# Lost answers and second deliveries.


def test_a_create_whose_response_is_lost_is_deleted_with_a_generated_id(world: World) -> None:
    lose(world.cloud, "Create")
    assert world.stack().deploy({"A": objects(config_map("a"))}) == "ROLLBACK_COMPLETE"
    assert world.config_map("a") is None


def test_a_group_whose_response_is_lost_is_deleted(world: World) -> None:
    lose(world.cloud, "Create")
    assert world.stack().deploy({"A": objects(config_map("a"), config_map("b"))}) == "ROLLBACK_COMPLETE"
    assert (world.config_map("a"), world.config_map("b")) == (None, None)


@pytest.mark.parametrize("delivery", [Delivery.RETRIED, Delivery.TWICE])
@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_events_that_are_delivered_twice(world: World, delivery: Delivery, request_type: str) -> None:
    stack = world.stack()
    lose(world.cloud, request_type, delivery)
    assert stack.deploy({"A": objects(config_map("a", v="1"))}) == "CREATE_COMPLETE"
    assert stack.deploy({"A": objects(config_map("a", v="2"), config_map("b"))}) == "UPDATE_COMPLETE"
    assert world.config_map("a")["data"] == {"v": "2"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert (world.config_map("a"), world.config_map("b")) == (None, None)


def test_a_create_that_succeeded_is_delivered_again_during_an_outage(world: World) -> None:
    stack = world.stack()
    template = {"A": objects(config_map("a"), config_map("b"), RetrySeconds="5")}
    assert stack.deploy(template) == "CREATE_COMPLETE"
    repeated = {
        "RequestType": "Create",
        "StackId": stack.id,
        "RequestId": "again",
        "LogicalResourceId": "A",
        "ResourceProperties": dict(template["A"].properties),
    }
    with world.fault(method="PATCH", status=503, reason="ServiceUnavailable"), pytest.raises(Exception, match="503"):
        world.on_event(repeated)
    assert world.config_map("a")
    assert world.config_map("b")


def test_a_lost_update_that_added_an_object_leaves_nothing(world: World) -> None:
    stack = world.stack()
    stack.deploy({"A": objects(config_map("a"), config_map("b"))})
    lose(world.cloud, "Update")
    assert stack.deploy({"A": objects(config_map("a"), config_map("c"))}) == "UPDATE_ROLLBACK_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [True, True, False]
    assert stack.delete() == "DELETE_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [False, False, False]


# Two owners of one object.


def test_a_renamed_construct_keeps_its_object(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(config_map("a"))})
    uid = world.config_map("a")["metadata"]["uid"]
    assert stack.deploy({"New": objects(config_map("a"))}) == "UPDATE_COMPLETE"
    assert world.config_map("a")["metadata"]["uid"] == uid
    assert world.owners("configmaps", "a") == ["Platform/New"]
    stack.delete()
    assert world.config_map("a") is None


def test_a_renamed_construct_whose_deployment_is_rolled_back(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(job("train"))})
    before = world.find("jobs", "train")
    assert stack.deploy({"New": objects(job("train")), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    after = world.find("jobs", "train")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert world.owners("jobs", "train") == ["Platform/Old"]
    stack.delete()
    assert world.find("jobs", "train") is None


def test_a_renamed_and_changed_construct_that_is_rolled_back_gives_the_fields_back(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(deployment("web", "v1"))})
    stack.deploy({"New": objects(deployment("web", "v2")), "Bad": FAILS})
    assert image(world) == "v1"
    assert stack.deploy({"Old": objects(deployment("web", "v3"))}) == "UPDATE_COMPLETE"
    assert image(world) == "v3"
    managers = {e["manager"] for e in world.find("deployments", "web")["metadata"]["managedFields"]}
    assert len(managers) == 1


def test_a_namespace_of_two_stacks_is_deleted_with_the_last_one(world: World) -> None:
    first, second = world.stack("First"), world.stack("Second")
    first.deploy({"Space": objects(namespace("shared"))})
    second.deploy({"Space": objects(namespace("shared"))})
    world.put(config_map("theirs", "shared"))
    assert world.owners("namespaces", "shared", "") == ["First/Space", "Second/Space"]
    assert first.delete() == "DELETE_COMPLETE"
    assert world.find("configmaps", "theirs", "shared")
    assert second.delete() == "DELETE_COMPLETE"
    assert world.find("namespaces", "shared", "") is None


def test_two_resources_set_labels_of_one_namespace(world: World) -> None:
    stack = world.stack()
    stack.deploy({"One": objects(namespace("shared", one="1")), "Two": objects(namespace("shared", two="2"))})
    stack.deploy({"One": objects(namespace("shared", one="3")), "Two": objects(namespace("shared", two="2"))})
    assert world.find("namespaces", "shared", "")["metadata"]["labels"] == {"one": "3", "two": "2"}
    stack.deploy({"Two": objects(namespace("shared", two="2"))})
    assert world.find("namespaces", "shared", "")["metadata"]["labels"] == {"two": "2"}


def test_stack_b_adopts_the_object_of_a_and_fails_and_a_is_deleted(world: World) -> None:
    a, b = world.stack("A"), world.stack("B")
    a.deploy({"X": objects(config_map("x", v="a"))})
    assert b.deploy({"X": objects(config_map("x", v="b")), "Bad": FAILS}) == "ROLLBACK_COMPLETE"
    assert world.config_map("x")["data"] == {"v": "a"}
    assert world.owners("configmaps", "x") == ["A/X"]
    a.delete()
    assert world.config_map("x") is None


def test_two_stacks_of_one_name_are_two_owners(world: World) -> None:
    first, second = world.stack("Platform"), world.stack("Platform")
    first.deploy({"X": objects(config_map("x"))})
    second.deploy({"X": objects(config_map("x"))})
    first.delete()
    assert world.config_map("x")


def test_three_owners_leave_in_any_order(world: World) -> None:
    stacks = [world.stack(name) for name in "ABC"]
    for stack in stacks:
        stack.deploy({"X": objects(config_map("x", v=stack.name))})
    for stack in (stacks[1], stacks[2], stacks[0]):
        assert world.config_map("x")
        assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x") is None


def test_an_owner_that_joins_while_another_deletes_keeps_the_object(world: World) -> None:
    a, b = world.stack("A"), world.stack("B")
    a.deploy({"X": objects(config_map("x"))})
    joined: list[bool] = []

    def join(method: str, url: str) -> None:
        if method == "DELETE" and not joined:
            joined.append(True)
            b.deploy({"X": objects(config_map("x"))})

    world.hook = join
    assert a.delete() == "DELETE_COMPLETE"
    assert joined
    assert world.owners("configmaps", "x") == ["B/X"]


def large(**extra: str) -> dict[str, Any]:
    """300 KB of incompressible data."""
    return config_map("large", a=random.Random(1).randbytes(150_000).hex(), **extra)


def test_a_large_object_is_renamed_while_it_stays_the_same(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(large())})
    assert stack.deploy({"New": objects(large())}) == "UPDATE_COMPLETE"
    assert world.owners("configmaps", "large") == ["Platform/New"]
    stack.delete()
    assert world.config_map("large") is None


def test_a_large_object_is_not_renamed_and_changed_at_once(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(large())})
    assert stack.deploy({"New": objects(large(b="2"))}) == "UPDATE_ROLLBACK_COMPLETE"
    assert re.search(
        r"its fields are too large to be stored for a later restore \(\d+ bytes; the limit is 204800\)\. Do not manage it "
        r"here, delete it, or use another name$",
        stack.reasons[0],
    ), stack.reasons[0]
    assert world.owners("configmaps", "large") == ["Platform/Old"]
