"""Kubernetes objects that two resources, two stacks or two people meet in, and events that fail half-way.

Each test is one scenario: what CloudFormation sends in order, and what is in the cluster in the end.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cloudformation import FAILS, Cloud, Delivery, Live, Stack
from ownership_world import World, config_map, deployment, job, namespace, objects

from hyperpod_constructs.handlers.shared.ownership import LEGACY_KEY, owner


@pytest.fixture
def world() -> World:
    return World()


def lose(cloud: Cloud, request: str, how: Delivery = Delivery.LOST) -> None:
    """The next event of this type is delivered in another way."""
    left = [how]
    cloud.deliver = lambda event: left.pop() if left and event["RequestType"] == request else Delivery.ONCE


# Lost answers and second deliveries.


def test_a_create_whose_answer_is_lost_is_deleted_with_an_id_made_up(world: World) -> None:
    lose(world.cloud, "Create")
    assert world.stack().deploy({"A": objects(config_map("a"))}) == "ROLLBACK_COMPLETE"
    assert world.config_map("a") is None


def test_a_group_whose_answer_is_lost_goes_too(world: World) -> None:
    lose(world.cloud, "Create")
    assert world.stack().deploy({"A": objects(config_map("a"), config_map("b"))}) == "ROLLBACK_COMPLETE"
    assert (world.config_map("a"), world.config_map("b")) == (None, None)


@pytest.mark.parametrize("how", [Delivery.RETRIED, Delivery.TWICE])
@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_events_that_are_delivered_twice(world: World, how: Delivery, request_type: str) -> None:
    stack = world.stack()
    lose(world.cloud, request_type, how)
    assert stack.deploy({"A": objects(config_map("a", v="1"))}) == "CREATE_COMPLETE"
    assert stack.deploy({"A": objects(config_map("a", v="2"), config_map("b"))}) == "UPDATE_COMPLETE"
    assert world.config_map("a")["data"] == {"v": "2"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert (world.config_map("a"), world.config_map("b")) == (None, None)


def test_a_create_that_succeeded_is_delivered_again_during_an_outage(world: World) -> None:
    stack = world.stack()
    template = {"A": objects(config_map("a"), config_map("b"), RetrySeconds="5")}
    assert stack.deploy(template) == "CREATE_COMPLETE"
    again = {
        "RequestType": "Create",
        "StackId": stack.id,
        "RequestId": "again",
        "LogicalResourceId": "A",
        "ResourceProperties": dict(template["A"].properties),
    }
    with world.fault(method="PATCH", status=503, reason="ServiceUnavailable"), pytest.raises(Exception, match="503"):
        world.on_event(again)
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


def image(world: World) -> str:
    found = world.find("deployments", "web")
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_namespace_of_two_stacks_goes_with_the_last(world: World) -> None:
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


def test_stack_b_takes_the_object_of_a_and_fails_and_a_is_deleted(world: World) -> None:
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


# What existed before.


def test_what_existed_is_refused_without_adopt(world: World) -> None:
    before = world.put(config_map("x", v="theirs"))
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="ours"))}) == "ROLLBACK_COMPLETE"
    assert stack.reasons[0] == (
        "ConfigMap team/x already exists and was not created by this library (it was last changed by kubectl-create). To "
        "manage it here and keep it when this resource is deleted, set adopt to true; otherwise delete it, or use another "
        "name."
    )
    assert world.config_map("x") == before


def test_the_refusal_says_whose_it_seems_to_be(world: World) -> None:
    theirs = namespace("kueue-system")
    theirs["metadata"]["annotations"] = {"meta.helm.sh/release-name": "kueue"}
    world.put(theirs)
    stack = world.stack()
    stack.deploy({"X": objects(namespace("kueue-system"))})
    assert "(it seems to belong to the Helm release kueue)" in stack.reasons[0]


def test_what_was_adopted_is_given_back_and_never_deleted(world: World) -> None:
    before = world.put(config_map("x", v="theirs", kept="1"))
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="ours", new="2"), Adopt="true")}) == "CREATE_COMPLETE"
    assert world.config_map("x")["data"] == {"v": "ours", "kept": "1", "new": "2"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert as_before(world.config_map("x"), before)


def as_before(item: dict[str, Any] | None, before: dict[str, Any]) -> bool:
    """The same object, with the same fields and the same owners of fields."""
    assert item is not None
    changing = ("resourceVersion", "generation", "managedFields")
    managed = [
        sorted(
            (e["manager"], e["operation"], json.dumps(e["fieldsV1"])) for e in i["metadata"].get("managedFields", [])
        )
        for i in (item, before)
    ]
    assert managed[0] == managed[1]
    strip = [{**i, "metadata": {k: v for k, v in i["metadata"].items() if k not in changing}} for i in (item, before)]
    assert strip[0] == strip[1]
    return True


def test_the_rollback_of_a_first_deployment_gives_back_what_it_adopted(world: World) -> None:
    before = world.put(namespace("theirs", team="vision"))
    world.put(config_map("data", "theirs"))
    template = {"X": objects(namespace("theirs", team="ours"), Adopt="true"), "Bad": FAILS}
    assert world.stack().deploy(template) == "ROLLBACK_COMPLETE"
    assert as_before(world.find("namespaces", "theirs", ""), before)
    assert world.find("configmaps", "data", "theirs")


def test_an_adopted_deployment_gets_its_image_back(world: World) -> None:
    before = world.put(deployment("web", "theirs"))
    stack = world.stack()
    stack.deploy({"X": objects(deployment("web", "ours"), Adopt="true")})
    stack.deploy({"X": objects(deployment("web", "ours-2"), Adopt="true")})
    assert image(world) == "ours-2"
    stack.delete()
    assert as_before(world.find("deployments", "web"), before)


def test_an_adopted_object_that_two_share_is_as_before_after_the_last(world: World) -> None:
    before = world.put(config_map("x", v="theirs"))
    a, b = world.stack("A"), world.stack("B")
    a.deploy({"X": objects(config_map("x", v="a"), Adopt="true")})
    b.deploy({"X": objects(config_map("x", v="b"))})
    a.delete()
    assert world.config_map("x")["data"] == {"v": "b"}
    b.delete()
    assert as_before(world.config_map("x"), before)


def test_a_value_that_somebody_changed_since_is_left(world: World) -> None:
    world.put(config_map("x", v="theirs"))
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="ours"), Adopt="true")})
    world.server.store.edit("configmaps", "x", "team", manager="kubectl-edit", data={"v": "newer"})
    stack.delete()
    assert world.config_map("x")["data"] == {"v": "newer"}


def test_an_update_that_no_longer_sets_a_field_of_an_adopted_object(world: World) -> None:
    world.put(config_map("x", a="1", b="1"))
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", a="2", b="2"), Adopt="true")})
    stack.deploy({"X": objects(config_map("x", a="2"), Adopt="true")})
    assert world.config_map("x")["data"] == {"a": "2", "b": "1"}


def test_our_object_was_deleted_by_hand_and_made_anew_by_somebody(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x"))})
    remove(world, "x")
    world.put(config_map("x", theirs="1"))
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x")["data"] == {"theirs": "1"}


def remove(world: World, name: str) -> None:
    world.server.store.delete(("", "configmaps", "team", name), {})


def test_our_object_was_made_anew_by_somebody_and_is_updated(world: World) -> None:
    """CloudFormation says that it is ours: it is taken back, as one that existed before."""
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="1"))})
    remove(world, "x")
    before = world.put(config_map("x", v="theirs"))
    assert stack.deploy({"X": objects(config_map("x", v="2"))}) == "UPDATE_COMPLETE"
    assert world.config_map("x")["data"] == {"v": "2"}
    stack.delete()
    assert as_before(world.config_map("x"), before)


def test_our_object_was_deleted_by_hand_and_an_update_makes_it_again(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="1"))})
    remove(world, "x")
    assert stack.deploy({"X": objects(config_map("x", v="2"))}) == "UPDATE_COMPLETE"
    stack.delete()
    assert world.config_map("x") is None


# Events that fail half-way.


def test_a_group_with_one_object_of_somebody_changes_nothing(world: World) -> None:
    world.put(config_map("b"))
    world.stack().deploy({"X": objects(config_map("a"), config_map("b"))})
    assert world.config_map("a") is None
    assert not [r for r in world.server.requests if r.method == "PATCH"]


def test_a_create_overwrites_fields_of_somebody_and_fails_on_its_second_object(world: World) -> None:
    before = world.put(config_map("theirs", v="1"))
    with world.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="no"):
        world.stack().deploy({"X": objects(config_map("theirs", v="2"), config_map("z"), Adopt="true")})
    assert as_before(world.config_map("theirs"), before)


def test_fields_of_somebody_are_given_back_when_the_second_object_refuses(world: World) -> None:
    before = world.put(config_map("one", v="1"))
    world.put(config_map("two"))
    with world.fault(method="PATCH", path="/configmaps/two", status=422, reason="Invalid", message="no"):
        group = objects(config_map("one", v="2", w="3"), config_map("two", w="3"), FieldsOnly="true")
        world.stack().deploy({"X": group})
    assert as_before(world.config_map("one"), before)


def test_fields_whose_answer_was_lost_are_given_back_by_the_next_event(world: World) -> None:
    before = world.put(config_map("one", v="1"))
    lose(world.cloud, "Create")
    assert world.stack().deploy({"X": objects(config_map("one", v="2"), FieldsOnly="true")}) == "ROLLBACK_COMPLETE"
    assert as_before(world.config_map("one"), before)


def test_two_resources_set_fields_of_one_object_and_one_goes(world: World) -> None:
    world.put(config_map("one", v="1"))
    stack = world.stack()
    a, b = (objects(config_map("one", **{key: "2"}), FieldsOnly="true") for key in "ab")
    stack.deploy({"A": a, "B": b})
    stack.deploy({"B": b})
    assert world.config_map("one")["data"] == {"v": "1", "b": "2"}


def test_an_aws_error_after_the_first_object(world: World) -> None:
    from botocore.exceptions import NoCredentialsError

    asked: list[str] = []

    def fails_once(method: str, url: str) -> None:
        if "/configmaps/b" in url and method == "PATCH" and not asked:
            asked.append(url)
            raise NoCredentialsError

    world.hook = fails_once
    assert world.stack().deploy({"X": objects(config_map("a"), config_map("b"))}) == "ROLLBACK_COMPLETE"
    assert world.config_map("a") is None


def test_an_answer_without_metadata_is_asked_for_again(world: World) -> None:
    answer = world.server.answer
    spoilt: list[str] = []

    def odd(method: str, target: str, headers: Any, data: bytes) -> Any:
        status, found, more = answer(method, target, headers, data)
        if method == "PATCH" and not spoilt:
            spoilt.append(target)
            return 200, {"kind": "ConfigMap"}, more
        return status, found, more

    world.server.answer = odd  # type: ignore[method-assign]
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("a"))}) == "CREATE_COMPLETE"
    assert spoilt
    stack.delete()
    assert world.config_map("a") is None


def test_running_out_of_time_removes_what_was_made(world: World) -> None:
    with world.fault(method="PATCH", path="/configmaps/b", status=503, reason="ServiceUnavailable"):
        stack = world.stack()
        assert stack.deploy({"X": objects(config_map("a"), config_map("b"))}) == "ROLLBACK_COMPLETE"
    assert world.config_map("a") is None
    assert world.server.clock.elapsed < 840


def test_two_failing_creates_in_a_row_keep_what_the_first_took_over(world: World) -> None:
    before = world.put(config_map("theirs", v="1"))
    lose(world.cloud, "Create", Delivery.RETRIED)
    with world.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="no"):
        world.stack().deploy({"X": objects(config_map("theirs", v="2"), config_map("z"), Adopt="true")})
    assert as_before(world.config_map("theirs"), before)


# Groups, replacement, rollback.


def test_what_leaves_a_group_goes_after_everything_else_succeeded(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("a"), config_map("b"))})
    uid = world.config_map("b")["metadata"]["uid"]
    assert stack.deploy({"X": objects(config_map("a"), config_map("c")), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.config_map("b")["metadata"]["uid"] == uid, "it was never deleted"
    assert world.config_map("c") is None
    assert stack.deploy({"X": objects(config_map("a"), config_map("c"))}) == "UPDATE_COMPLETE"
    assert [bool(world.config_map(name)) for name in "abc"] == [True, False, True]


@pytest.mark.parametrize("how", ["update", "delete"])
def test_the_rollback_of_a_renamed_object(world: World, how: str) -> None:
    stack = world.stack(rollback_of_replacement=how)
    stack.deploy({"X": objects(config_map("old", v="1"))})
    uid = world.config_map("old")["metadata"]["uid"]
    assert stack.deploy({"X": objects(config_map("new")), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert world.config_map("old")["metadata"]["uid"] == uid
    assert world.config_map("new") is None


@pytest.mark.parametrize("how", ["update", "delete"])
def test_the_rollback_of_a_changed_group(world: World, how: str) -> None:
    stack = world.stack(rollback_of_replacement=how)
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
        if status == "UPDATE_ROLLBACK_FAILED":  # it was the rollback that was killed
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
    assert "it also belongs to A/X, so it cannot be replaced: give it another name" in b.reasons[0]
    assert world.owners("jobs", "train") == ["A/X"]


# Deletion.


def test_a_retained_object_stays_and_can_be_had_again(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x"), DeletionPolicy="Retain")})
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x")
    again = world.stack()
    assert again.deploy({"X": objects(config_map("x"))}) == "CREATE_COMPLETE"
    again.delete()
    assert world.config_map("x"), "whoever retained it still wants it"


def test_a_group_that_is_retained_then_destroyed(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("a"), config_map("b"), DeletionPolicy="Retain")})
    stack.deploy({"X": objects(config_map("a"), config_map("c"), DeletionPolicy="Retain")})
    assert world.config_map("b"), "it left the group, and is retained"
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
    assert "(used by the pods p; it goes when they end)" in stack.reasons[0]
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


# What controllers own, and what a Secret holds.


def test_the_count_of_an_autoscaler_stays_until_the_manifest_changes_it(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(deployment("web", "v1", replicas=2))})
    scale(world, 7)
    stack.deploy({"X": objects(deployment("web", "v2", replicas=2))})
    assert (image(world), world.find("deployments", "web")["spec"]["replicas"]) == ("v2", 7)
    stack.deploy({"X": objects(deployment("web", "v2", replicas=3))})
    assert world.find("deployments", "web")["spec"]["replicas"] == 3


def scale(world: World, count: int) -> None:
    world.server.store.edit("deployments", "web", "team", manager="kube-controller-manager", spec={"replicas": count})


def test_a_renamed_construct_keeps_the_count_of_an_autoscaler(world: World) -> None:
    stack = world.stack()
    stack.deploy({"Old": objects(deployment("web", replicas=2))})
    scale(world, 7)
    stack.deploy({"New": objects(deployment("web", replicas=2))})
    assert world.find("deployments", "web")["spec"]["replicas"] == 7


def test_a_job_that_kueue_let_start_is_not_suspended_again(world: World) -> None:
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


def test_a_key_that_leaves_string_data_goes(world: World) -> None:
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
def test_a_refused_secret_is_not_quoted(world: World, quoted: str, field: str) -> None:
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


# Limits, time and words.


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
    assert "set replace_on_immutable to have it deleted and created again" in stack.reasons[0]
    assert "field is immutable" in stack.reasons[0]


def test_a_clock_that_jumps_back_does_not_stretch_the_deadline(world: World) -> None:
    clock = world.server.clock
    sleep = clock.sleep

    def jumps(seconds: float) -> None:
        sleep(seconds)
        clock.time -= 3600

    clock.sleep = jumps  # type: ignore[method-assign]
    with world.fault(method="PATCH", status=503, reason="ServiceUnavailable"):
        world.stack().deploy({"X": objects(config_map("a"), RetrySeconds="60")})
    assert clock.elapsed < 120


# From the version that knew one owner.


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
def test_the_former_versions_objects_are_updated_and_marked_anew(world: World, names: str) -> None:
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
