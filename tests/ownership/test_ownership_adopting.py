"""Objects that existed before, and events that fail half-way."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from cloudformation import FAILS, Delivery
from ownership_world import (
    World,
    as_before,
    config_map,
    deployment,
    image,
    lose,
    namespace,
    objects,
    remove,
)


@pytest.fixture
def world() -> World:
    return World()


# Objects that existed before.


def test_an_existing_object_is_rejected_without_adopt(world: World) -> None:
    before = world.put(config_map("x", v="theirs"))
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="ours"))}) == "ROLLBACK_COMPLETE"
    assert stack.reasons[0] == (
        "ConfigMap team/x already exists and was not created by this library (it was last changed by kubectl-create). To "
        "manage it here and keep it when this resource is deleted, set adopt to true; otherwise delete it, or use another "
        "name."
    )
    assert world.config_map("x") == before


def test_the_rejection_states_the_probable_owner(world: World) -> None:
    existing = namespace("kueue-system")
    existing["metadata"]["annotations"] = {"meta.helm.sh/release-name": "kueue"}
    world.put(existing)
    stack = world.stack()
    stack.deploy({"X": objects(namespace("kueue-system"))})
    assert "(it seems to belong to the Helm release kueue)" in stack.reasons[0]


def test_adopted_objects_are_restored_and_never_deleted(world: World) -> None:
    before = world.put(config_map("x", v="theirs", kept="1"))
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="ours", new="2"), Adopt="true")}) == "CREATE_COMPLETE"
    assert world.config_map("x")["data"] == {"v": "ours", "kept": "1", "new": "2"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert as_before(world.config_map("x"), before)


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


def test_a_value_that_another_owner_changed_since_is_left(world: World) -> None:
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


def test_a_manually_deleted_object_was_recreated_by_another_owner(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x"))})
    remove(world, "x")
    world.put(config_map("x", theirs="1"))
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x")["data"] == {"theirs": "1"}


def test_an_object_recreated_by_another_owner_is_updated(world: World) -> None:
    """CloudFormation confirms the ownership: the object is adopted again, as an object that existed before."""
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="1"))})
    remove(world, "x")
    before = world.put(config_map("x", v="theirs"))
    assert stack.deploy({"X": objects(config_map("x", v="2"))}) == "UPDATE_COMPLETE"
    assert world.config_map("x")["data"] == {"v": "2"}
    stack.delete()
    assert as_before(world.config_map("x"), before)


def test_a_manually_deleted_object_is_recreated_by_an_update(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="1"))})
    remove(world, "x")
    assert stack.deploy({"X": objects(config_map("x", v="2"))}) == "UPDATE_COMPLETE"
    stack.delete()
    assert world.config_map("x") is None


def test_a_webhook_that_rejects_dry_runs_blocks_the_adoption_with_a_fix(world: World) -> None:
    before = world.put(config_map("x", v="theirs"))
    world.server.webhook("/configmaps/x", "no-dry-run")
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="ours"), Adopt="true")}) == "ROLLBACK_COMPLETE"
    assert stack.reasons[0] == (
        "ConfigMap team/x was not applied: 400 BadRequest: the object already exists, and the result of the change can be "
        'determined only with a dry run, but admission webhook "v.example.com" does not support dry run. Set sideEffects of '
        "that webhook to None, or to NoneOnDryRun if it supports dryRun (kubectl get "
        "validatingwebhookconfigurations,mutatingwebhookconfigurations), or exclude the object from it"
    )
    assert as_before(world.config_map("x"), before)


def test_a_webhook_that_rejects_dry_runs_does_not_affect_objects_with_one_owner(world: World) -> None:
    world.server.webhook("/configmaps/x", "no-dry-run")
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("x", v="1"))}) == "CREATE_COMPLETE"
    assert stack.deploy({"X": objects(config_map("x", v="2"))}) == "UPDATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x") is None


def test_a_webhook_that_rejects_dry_runs_leaves_a_renamed_resource_as_it_was(world: World) -> None:
    stack = world.stack()
    stack.deploy({"X": objects(config_map("x", v="1"))})
    world.server.webhook("/configmaps/x", "no-dry-run")
    assert stack.deploy({"Renamed": objects(config_map("x", v="1"))}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "does not support dry run" in stack.reasons[-1]
    assert world.config_map("x")["data"] == {"v": "1"}
    assert stack.delete() == "DELETE_COMPLETE"
    assert world.config_map("x") is None


# Events that fail half-way.


def test_a_group_with_one_object_of_another_owner_changes_nothing(world: World) -> None:
    world.put(config_map("b"))
    world.stack().deploy({"X": objects(config_map("a"), config_map("b"))})
    assert world.config_map("a") is None
    assert not [r for r in world.server.requests if r.method == "PATCH"]


def test_a_create_overwrites_fields_of_another_owner_and_fails_on_its_second_object(world: World) -> None:
    before = world.put(config_map("theirs", v="1"))
    with world.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="no"):
        world.stack().deploy({"X": objects(config_map("theirs", v="2"), config_map("z"), Adopt="true")})
    assert as_before(world.config_map("theirs"), before)


def test_fields_of_another_owner_are_restored_if_the_second_object_is_rejected(world: World) -> None:
    before = world.put(config_map("one", v="1"))
    world.put(config_map("two"))
    with world.fault(method="PATCH", path="/configmaps/two", status=422, reason="Invalid", message="no"):
        group = objects(config_map("one", v="2", w="3"), config_map("two", w="3"), FieldsOnly="true")
        world.stack().deploy({"X": group})
    assert as_before(world.config_map("one"), before)


def test_fields_whose_response_was_lost_are_restored_by_the_next_event(world: World) -> None:
    before = world.put(config_map("one", v="1"))
    lose(world.cloud, "Create")
    assert world.stack().deploy({"X": objects(config_map("one", v="2"), FieldsOnly="true")}) == "ROLLBACK_COMPLETE"
    assert as_before(world.config_map("one"), before)


def test_two_resources_set_fields_of_one_object_and_one_is_deleted(world: World) -> None:
    world.put(config_map("one", v="1"))
    stack = world.stack()
    a, b = (objects(config_map("one", **{key: "2"}), FieldsOnly="true") for key in "ab")
    stack.deploy({"A": a, "B": b})
    stack.deploy({"B": b})
    assert world.config_map("one")["data"] == {"v": "1", "b": "2"}


def test_an_aws_error_after_the_first_object(world: World) -> None:
    requests: list[str] = []

    def fails_once(method: str, url: str) -> None:
        if "/configmaps/b" in url and method == "PATCH" and not requests:
            requests.append(url)
            raise NoCredentialsError

    world.hook = fails_once
    assert world.stack().deploy({"X": objects(config_map("a"), config_map("b"))}) == "ROLLBACK_COMPLETE"
    assert world.config_map("a") is None


def test_an_answer_without_metadata_is_requested_again(world: World) -> None:
    answer = world.server.answer
    spoilt: list[str] = []

    def without_metadata(method: str, target: str, headers: Any, data: bytes) -> Any:
        status, found, response_headers = answer(method, target, headers, data)
        if method == "PATCH" and not spoilt:
            spoilt.append(target)
            return 200, {"kind": "ConfigMap"}, response_headers
        return status, found, response_headers

    world.server.answer = without_metadata  # type: ignore[method-assign]
    stack = world.stack()
    assert stack.deploy({"X": objects(config_map("a"))}) == "CREATE_COMPLETE"
    assert spoilt
    stack.delete()
    assert world.config_map("a") is None


def test_a_timeout_removes_what_was_created(world: World) -> None:
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
