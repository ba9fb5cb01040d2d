"""Groups that change, replacement, deletion, and fields of controllers and Secrets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cloudformation import FAILS
from ownership_world import (
    World,
    config_map,
    deployment,
    image,
    job,
    objects,
    scale,
)


@pytest.fixture
def world() -> World:
    return World()


# Groups, replacement, rollback.


def test_objects_that_left_a_group_are_deleted_after_everything_else_succeeded(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("a"), config_map("b"))})
    uid = world.config_map("b")["metadata"]["uid"]
    assert stack.deploy({"X": objects(config_map("a"), config_map("c")), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.config_map("b")["metadata"]["uid"] == uid, "it was never deleted"
    assert world.config_map("c") is None
    assert stack.deploy({"X": objects(config_map("a"), config_map("c"))}) == "UPDATE_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [True, False, True]


@pytest.mark.parametrize("rollback_of_replacement", ["update", "delete"])
def test_the_rollback_of_a_renamed_object(world: World, rollback_of_replacement: str) -> None:
    stack = world.stack(rollback_of_replacement=rollback_of_replacement)
    stack.deploy({"X": objects(config_map("old", v="1"))})
    uid = world.config_map("old")["metadata"]["uid"]
    assert stack.deploy({"X": objects(config_map("new")), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.config_map("old")["metadata"]["uid"] == uid
    assert world.config_map("new") is None


@pytest.mark.parametrize("rollback_of_replacement", ["update", "delete"])
def test_the_rollback_of_a_changed_group(world: World, rollback_of_replacement: str) -> None:
    stack = world.stack(rollback_of_replacement=rollback_of_replacement)
    stack.deploy({"X": objects(config_map("a", v="1"), config_map("b", v="1"))})
    template = {"X": objects(config_map("a", v="2"), config_map("c", v="2")), "Bad": FAILS}
    assert stack.deploy(template) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.config_map("a")["data"] == {"v": "1"}
    assert [bool(world.config_map(name)) for name in "abc"] == [True, True, False]
    assert stack.delete() == "DELETE_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [False, False, False]


def test_a_function_killed_in_a_rename_leaves_nothing_after_the_rollback(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("old-1"), config_map("old-2"))})
    for request in range(12):
        world.kill_at = request
        status = stack.deploy({"X": objects(config_map("new-1"), config_map("new-2")), "Bad": FAILS})
        world.kill_at = -1
        if status == "UPDATE_ROLLBACK_FAILED":  # the function was terminated in the rollback
            status = stack.continue_rollback()
        assert status == "UPDATE_ROLLBACK_COMPLETE", request
        found = [bool(world.config_map(name)) for name in ("old-1", "old-2", "new-1", "new-2")]
        assert found == [True, True, False, False], request


def test_a_deletion_that_was_killed_is_done_by_the_next(world: World) -> None:
    world.put(config_map("theirs", v="1"))
    other = world.stack("Other")
    other.deploy({"Y": objects(config_map("shared", v="other"))})
    for request in range(8):
        stack = world.stack(f"S{request}")
        group = objects(config_map("theirs", v="2"), config_map("shared", v="2"), config_map("ours"), Adopt="true")
        assert stack.deploy({"X": group}) == "CREATE_COMPLETE"
        world.kill_at = request
        stack.delete()
        world.kill_at = -1
        if stack.status == "DELETE_FAILED":
            assert stack.delete() == "DELETE_COMPLETE"
        assert world.config_map("theirs")["data"] == {"v": "1"}, request
        assert world.config_map("shared")["data"] == {"v": "other"}, request
        assert world.config_map("ours") is None


def test_an_immutable_field_with_replacement_allowed_is_rolled_back(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(job("train", "a"), ReplaceOnImmutable="true")})
    stack.deploy({"X": objects(job("train", "b"), ReplaceOnImmutable="true"), "Bad": FAILS})
    found = world.find("jobs", "train")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "a"


def test_a_single_job_becomes_a_group_with_the_job_changed(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(job("train", "a"), ReplaceOnImmutable="true")})
    template = {"X": objects(job("train", "b"), config_map("c"), ReplaceOnImmutable="true")}
    assert stack.deploy(template) == "UPDATE_COMPLETE"
    found = world.find("jobs", "train")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "b"
    stack.delete()
    assert world.find("jobs", "train") is None


def test_a_job_of_two_owners_is_not_replaced(world: World) -> None:
    a, b = world.stack("A"), world.stack("B")
    a.deploy({"X": objects(job("train", "a"))})
    b.deploy({"X": objects(job("train", "b"), ReplaceOnImmutable="true")})
    assert "it also belongs to A/X, so it cannot be replaced; use another name" in b.reasons[0]
    assert world.owners("jobs", "train") == ["A/X"]


# Deletion.


def test_a_retained_object_stays_and_can_be_had_again(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x"), DeletionPolicy="Retain")})
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x")
    second = world.stack()
    assert second.deploy({"X": objects(config_map("x"))}) == "CREATE_COMPLETE"
    second.delete()
    assert world.config_map("x"), "the owner that retained it still requires it"


def test_a_group_that_is_retained_then_destroyed(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("a"), config_map("b"), DeletionPolicy="Retain")})
    stack.deploy({"X": objects(config_map("a"), config_map("c"), DeletionPolicy="Retain")})
    assert world.config_map("b"), "it was removed from the group, and is retained"
    stack.deploy({"X": objects(config_map("a"), config_map("c"))})
    stack.delete()
    assert [bool(world.config_map(name)) for name in "abc"] == [False, True, False]


def test_a_group_is_deleted_side_by_side(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(*(config_map(f"c{i}") for i in range(40)))})
    before = world.server.clock.elapsed
    stack.delete()
    assert world.server.clock.elapsed - before < 5


def test_a_claim_in_use_does_not_keep_the_others_from_going(world: World) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "team"}}
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "team"},
        "spec": {"volumes": volumes},
    }
    stack = world.stack()
    stack.deploy({"X": objects(claim, config_map("role"), config_map("binding"))})
    world.put(pod)
    assert stack.delete() == "DELETE_FAILED"
    assert "(used by the pods p; it is deleted when they end)" in stack.reasons[0]
    assert (world.config_map("role"), world.config_map("binding")) == (None, None)
    world.server.store.delete(("", "pods", "team", "p"), {})
    assert stack.delete() == "DELETE_COMPLETE"


def test_the_access_entry_went_first(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x"))})
    before = world.server.clock.elapsed
    with world.fault(status=401, reason="Unauthorized", message="Unauthorized"):
        assert stack.delete() == "DELETE_FAILED"
    assert world.server.clock.elapsed - before < 200
    assert "Check that the EKS access entry of the function's role" in stack.reasons[0]


# Fields of controllers, and content of Secrets.


def test_the_count_of_an_autoscaler_stays_until_the_manifest_changes_it(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(deployment("web", "v1", replicas=2))})
    scale(world, 7)
    stack.deploy({"X": objects(deployment("web", "v2", replicas=2))})
    assert (image(world), world.find("deployments", "web")["spec"]["replicas"]) == ("v2", 7)
    stack.deploy({"X": objects(deployment("web", "v2", replicas=3))})
    assert world.find("deployments", "web")["spec"]["replicas"] == 3


def test_a_renamed_construct_keeps_the_count_of_an_autoscaler(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(deployment("web", replicas=2))})
    scale(world, 7)
    stack.deploy({"New": objects(deployment("web", replicas=2))})
    assert world.find("deployments", "web")["spec"]["replicas"] == 7


def test_a_job_admitted_by_kueue_is_not_suspended_again(world: World) -> None:
    def train(**labels: str) -> dict[str, Any]:
        item = job("train")
        item["metadata"]["labels"] = labels
        item["spec"]["suspend"] = True
        return item

    stack = world.stack()
    stack.deploy({"X": objects(train(a="1"))})
    world.server.store.edit("jobs", "train", "team", manager="kueue", spec={"suspend": False})
    stack.deploy({"X": objects(train(a="2"))})
    found = world.find("jobs", "train")
    assert (found["spec"]["suspend"], found["metadata"]["labels"]) == (False, {"a": "2"})


def secret(**values: str) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "team"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def test_a_key_removed_from_string_data_is_deleted(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(secret(a="1", b="2"))})
    stack.deploy({"X": objects(secret(a="1"))})
    assert world.find("secrets", "s")["data"] == {"a": base64.b64encode(b"1").decode()}


@pytest.mark.parametrize(
    "quoted",
    ['hunter2 "quoted"\n', json.dumps('hunter2 "quoted"\n'), base64.b64encode(b'hunter2 "quoted"\n').decode()],
    ids=["plain", "escaped", "base64"],
)
@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_rejected_secret_is_not_quoted(world: World, quoted: str, field: str) -> None:
    value = 'hunter2 "quoted"\n'
    item = secret(password=value)
    if field == "data":
        item["data"] = {"password": base64.b64encode(item.pop("stringData")["password"].encode()).decode()}
    stack = world.stack()
    with world.fault(
        method="PATCH", status=422, reason="Invalid", message=f"data.password: Invalid value: {quoted}: no"
    ):
        stack.deploy({"X": objects(item)})
    assert "hunter2" not in stack.reasons[0]
    assert base64.b64encode(b"hunter2").decode()[:8] not in stack.reasons[0]


# Limits, time and messages.


@pytest.mark.parametrize("size", [1_700_000, 3_300_000])
def test_an_object_that_is_too_large_fails_at_once(world: World, size: int) -> None:
    stack = world.stack()
    before = world.server.clock.elapsed
    stack.deploy({"X": objects(config_map("x", a="x" * size))})
    assert "too large" in stack.reasons[0]
    assert world.server.clock.elapsed - before < 5


def test_the_words_after_a_long_dump_are_shown(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(job("train", "a" * 3000))})
    stack.deploy({"X": objects(job("train", "b" * 3000))})
    assert "set replace_on_immutable to delete and recreate it" in stack.reasons[0]
    assert "field is immutable" in stack.reasons[0]


def test_a_clock_that_jumps_back_does_not_stretch_the_deadline(world: World) -> None:
    clock = world.server.clock
    sleep = clock.sleep

    def advance_clock(seconds: float) -> None:
        sleep(seconds)
        clock.time -= 3600

    clock.sleep = advance_clock  # type: ignore[method-assign]
    with world.fault(method="PATCH", status=503, reason="ServiceUnavailable"):
        world.stack().deploy({"X": objects(config_map("a"), RetrySeconds="60")})
    assert clock.elapsed < 120
