"""Delete events for objects of several kinds and owners, and the messages of failed deletions."""

from __future__ import annotations

from event_log import A, Events, Json
from ownership_world import config_map, namespace, remove
from test_kubernetes_apply import crd

from hyperpod_constructs.handlers.kubernetes.errors import ACCESS_HINT


def test_failures_of_up_to_three_objects_are_reported(events: Events) -> None:
    objects = [config_map(name) for name in "abcde"]
    events.send("Create", *objects)
    with events.world.fault(method="DELETE", status=400, reason="Bad", message="no"):
        assert events.fails("Delete", *objects) == (
            "; ".join(f"ConfigMap team/{name} was not deleted: 400 Bad: no" for name in "edc") + " (and 2 more)"
        )
    assert events.clock.slept == [1, 2, 4, 8, 15], "any error is retried for half a minute"
    with events.world.fault(method="DELETE", path="/[abc]$", status=400, reason="Bad", message="no"):
        assert "more)" not in events.fails("Delete", *objects)


def test_a_pause_of_the_server_counts_for_a_release_too(events: Events) -> None:
    events.send("Create", config_map("a"))
    fault = {"method": "DELETE", "status": 429, "reason": "Busy", "message": "m", "headers": {"Retry-After": "7"}}
    events.world.server.fault(times=1, **fault)
    events.send("Delete", config_map("a"))
    assert events.clock.slept == [7, 2]


def test_a_namespace_is_kept_while_an_object_in_it_is_not_released(events: Events) -> None:
    objects = [namespace("fresh"), crd("x.io"), config_map("a", "fresh")]
    events.send("Create", *objects)
    with events.world.fault(method="DELETE", path="/configmaps/a", status=400, reason="Bad", message="no"):
        assert events.fails("Delete", *objects) == "ConfigMap fresh/a was not deleted: 400 Bad: no"
    assert events.world.find("namespaces", "fresh", "")
    assert events.world.find("customresourcedefinitions", "widgets.x.io", "")


def test_a_namespace_that_is_not_deleted_states_the_reason(events: Events) -> None:
    held = config_map("a", "fresh")
    held["metadata"]["finalizers"] = ["x.io/hold"]
    events.send("Create", namespace("fresh"))
    events.world.put(held)
    found = events.fails("Delete", namespace("fresh"), RetrySeconds="2")
    assert found.startswith(
        "Namespace fresh was not deleted: failed after 2 attempts in 1 s: 409 StillThere: it still exists"
    )
    assert "finalizers remaining: x.io/hold in 1 resource instances)" in found


def test_a_rejected_token_states_what_to_check(events: Events) -> None:
    events.send("Create", config_map("a"))
    with events.world.fault(status=401, reason="Unauthorized", message="no"):
        assert events.fails("Delete", config_map("a"), RetrySeconds="1") == (
            f"{A} was not deleted: failed after 1 attempt in 0 s: 401 Unauthorized: no. {ACCESS_HINT}"
        )
        assert events.fails("Create", config_map("a"), RetrySeconds="1") == (
            f"{A} was not applied: failed after 1 attempt in 0 s: 401 Unauthorized: no. {ACCESS_HINT}"
        )
    assert ACCESS_HINT == (
        "Check that the EKS access entry of the function's role, and its policy, exist. If they were deleted before "
        "these objects, recreate them and retry, or retain this resource and delete the objects with kubectl"
    )


def claim() -> Json:
    metadata = {"name": "data", "namespace": "team"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {}}


def pod(name: str, *claims: str) -> Json:
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    metadata = {"name": name, "namespace": "team"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"volumes": [{"name": "tmp"}, *volumes]}}


def test_a_claim_that_is_used_names_its_pods(events: Events) -> None:
    events.send("Create", claim())
    objects = (
        "PersistentVolumeClaim team/data was not deleted: failed after 1 attempt in 0 s: 409 StillThere: it still exists, "
        "held by the finalizers kubernetes.io/pvc-protection"
    )
    assert events.fails("Delete", claim(), RetrySeconds="1") == objects
    for name in "abcdefg":
        events.world.put(pod(name, "other", *(["data"] if name != "b" else [])))
    objects += ", foregroundDeletion"
    users = " (used by the pods a, c, d, e, f; it is deleted when they end)"
    assert events.fails("Delete", claim(), RetrySeconds="1") == f"{objects}{users}"
    with events.world.fault(path="/pods", status=403, reason="Forbidden", message="no"):
        assert events.fails("Delete", claim(), RetrySeconds="1") == objects


def test_a_claim_that_was_not_deleted_names_no_pods(events: Events) -> None:
    events.send("Create", claim())
    events.world.put(pod("a", "data"))
    with events.world.fault(method="DELETE", status=422, reason="Invalid", message="no"):
        assert events.fails("Delete", claim(), RetrySeconds="1") == (
            "PersistentVolumeClaim team/data was not deleted: failed after 1 attempt in 0 s: 422 Invalid: no"
        )


def test_an_object_that_is_deleted_between_reading_and_deleting(events: Events) -> None:
    events.send("Create", config_map("a"))

    def delete_now(method: str, url: str) -> None:
        if method == "DELETE":
            remove(events.world, "a")

    events.world.hook = delete_now
    events.send("Delete", config_map("a"))
    assert (events.messages, events.clock.slept) == (["Delete of A (1)"], [])


def test_another_object_of_the_name_is_not_deleted(events: Events) -> None:
    held = config_map("a")
    held["metadata"]["finalizers"] = ["x.io/hold"]
    events.send("Create", held)

    def swap() -> None:
        events.world.server.store.release("configmaps", "a", "team")
        events.world.put(config_map("a", theirs="1"))

    events.world.server.store.later(0.5, swap)
    events.send("Delete", held)
    assert (events.world.config_map("a") or {})["data"] == {"theirs": "1"}


def test_a_field_that_the_kind_requires_is_kept_without_an_owner(events: Events) -> None:
    events.world.put(config_map("a"))
    events.send("Create", config_map("a", x="1"), FieldsOnly="true")
    with events.world.fault(method="PATCH", status=422, reason="Invalid", message="data.x: Required value", times=1):
        events.send("Delete", config_map("a", x="1"), FieldsOnly="true")
    assert events.messages == [
        "Delete of A (1)", "/api/v1/namespaces/team/configmaps/a: data.x: Required value", f"{A}: fields restored"
    ]  # fmt: skip
    assert (events.world.config_map("a") or {})["data"] == {"x": "1"}
