"""Objects of the version that stored a single owner."""

from __future__ import annotations

from typing import Any

import pytest
from cloudformation import FAILS, Live, Stack
from ownership_world import (
    World,
    config_map,
    objects,
)

from hyperpod_constructs.handlers.shared.ownership import LEGACY_KEY, owner


@pytest.fixture
def world() -> World:
    return World()


# From the version that stored a single owner.


def legacy(stack: Stack, logical_id: str, item: dict[str, Any], physical_id: str) -> dict[str, Any]:
    """An object as the former version left it."""
    mark = owner(stack.id, logical_id, physical_id)
    return {**item, "metadata": {**item["metadata"], "annotations": {LEGACY_KEY: mark.text}}}


def put_legacy(world: World, item: dict[str, Any]) -> None:
    resource = next(r for r in world.server.store.resources() if r.kind == item["kind"])
    key = resource.key(item["metadata"].get("namespace", ""), item["metadata"]["name"])
    world.server.store.apply(resource, key, item, "hyperpod-constructs", True)


def old_stack(world: World, *items: dict[str, Any]) -> Stack:
    """A stack that the former version deployed."""
    stack = world.stack()
    group = "research/group/X"
    single = f"research/ConfigMap/team/{items[0]['metadata']['name']}"
    physical_id = group if len(items) > 1 else single
    for item in items:
        put_legacy(world, legacy(stack, "X", item, physical_id))
    stack.live["X"] = Live(objects(*items), physical_id)
    stack.status = "CREATE_COMPLETE"
    return stack


@pytest.mark.parametrize("names", ["a", "ab"])
def test_the_former_versions_objects_are_deleted(world: World, names: str) -> None:
    stack = old_stack(world, *(config_map(name, v="1") for name in names))
    assert stack.delete() == "DELETE_COMPLETE"
    assert not any(world.config_map(name) for name in names)


@pytest.mark.parametrize("names", ["a", "ab"])
def test_objects_of_the_former_version_are_updated_and_marked(world: World, names: str) -> None:
    stack = old_stack(world, *(config_map(name, v="1", gone="1") for name in names))
    assert stack.deploy({"X": objects(*(config_map(name, v="2") for name in names))}) == "UPDATE_COMPLETE"
    for name in names:
        found = world.config_map(name)
        assert found["data"] == {"v": "2"}
        assert LEGACY_KEY not in found["metadata"]["annotations"]
        assert world.owners("configmaps", name) == ["Platform/X"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert not any(world.config_map(name) for name in names)


def test_the_former_versions_group_changes_and_is_rolled_back(world: World) -> None:
    stack = old_stack(world, config_map("a", v="1"), config_map("b", v="1"))
    template = {"X": objects(config_map("a", v="2"), config_map("c", v="2")), "Bad": FAILS}
    assert stack.deploy(template) == "UPDATE_ROLLBACK_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [True, True, False]
    assert world.config_map("a")["data"] == {"v": "1"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert not any(world.config_map(name) for name in "abc")


def test_a_former_owner_that_never_changed_shares_with_a_new_one(world: World) -> None:
    stack = old_stack(world, config_map("a", v="1"))
    other = world.stack("Other")
    other.deploy({"Y": objects(config_map("a", v="1"))})
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.owners("configmaps", "a") == ["Other/Y"]


def test_a_delete_answers_with_the_id_that_it_was_given(world: World) -> None:
    event = {
        "RequestType": "Delete",
        "StackId": world.stack().id,
        "RequestId": "r",
        "LogicalResourceId": "X",
        "PhysicalResourceId": "Platform-X-1A2B3C",
        "ResourceProperties": dict(objects(config_map("x")).properties),
    }
    assert world.on_event(event) == {"PhysicalResourceId": "Platform-X-1A2B3C"}
