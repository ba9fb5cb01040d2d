"""Sequences of events, with the log of the function and the reason of a failure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from event_log import STACK, A, Events, Json, me, properties_of
from function_logs import level_after_import
from ownership_world import config_map, deployment, remove
from test_kubernetes_apply import crd, secret, widget

from hyperpod_constructs.handlers.kubernetes import apply
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.kubernetes.objects import ObjectRef
from hyperpod_constructs.handlers.kubernetes.services import Services
from hyperpod_constructs.handlers.shared.eks import ClusterGone
from hyperpod_constructs.handlers.shared.ownership import LEGACY_KEY, owner


@pytest.mark.parametrize("module", ["apply", "wait"])
def test_the_functions_log_at_info(module: str) -> None:
    assert level_after_import(f"hyperpod_constructs.handlers.kubernetes.{module}") == logging.INFO


def test_the_remaining_time_is_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 123_456

    monkeypatch.setattr(apply, "handle", lambda event, services, seconds: {"left": seconds, **event})
    monkeypatch.setattr(apply, "on_lambda", lambda: None)
    assert apply.on_event({"a": 1}, Context()) == {"left": 123.456, "a": 1}


# Log messages of each event.


def test_a_life(events: Events) -> None:
    assert events.send("Create", config_map("a")) == {
        "PhysicalResourceId": "research/ConfigMap/team/a",
        "Data": {"Count": "1", "Name": "a", "Namespace": "team"},
    }
    assert events.messages == ["Create of A (1)", f"{A}: applied"]
    assert [(request.method, request.path.partition("?")[0]) for request in events.world.server.requests] == [
        ("GET", "/api/v1"),
        ("GET", "/api/v1/namespaces/team/configmaps/a"),
        ("PATCH", "/api/v1/namespaces/team/configmaps/a"),
    ]
    events.send("Create", config_map("a"))
    assert events.messages == ["Create of A (1)", f"{A}: applied"]
    assert events.send("Delete", config_map("a"), physical_id="given") == {"PhysicalResourceId": "given"}
    assert events.messages == ["Delete of A (1)", f"{A}: deleted", f"{A}: deleted"], (
        "the second message reports the deletion"
    )
    assert events.clock.slept == [1]
    events.send("Delete", config_map("a"))
    assert events.messages == ["Delete of A (1)", f"{A}: deleted"]


def test_two_owners(events: Events) -> None:
    events.send("Create", config_map("a"))
    events.send("Create", config_map("a"), id="B")
    assert events.messages == ["Create of B (1)", f"{A}: share with {me('A')}", f"{A}: applied"]
    events.send("Delete", config_map("a"))
    assert events.messages == ["Delete of A (1)", f"{A}: released, retained for {me('B')}"]
    events.send("Delete", config_map("a"))
    assert events.messages == ["Delete of A (1)", f"{A}: not changed, it belongs to {me('B')}"]


def test_several_owners(events: Events) -> None:
    for id in "CB":
        events.send("Create", config_map("a"), id=id)
    both = ", ".join(sorted((me("B"), me("C")), key=lambda text: text[-16:]))
    events.send("Create", config_map("a"))
    assert events.messages[1] == f"{A}: share with {both}"
    events.send("Delete", config_map("a"))
    assert events.messages[1] == f"{A}: released, retained for {both}"
    events.send("Delete", config_map("a"))
    assert events.messages[1] == f"{A}: not changed, it belongs to {both}"


def test_an_object_that_existed(events: Events) -> None:
    events.world.put(config_map("a"))
    events.send("Delete", config_map("a"))
    assert events.messages == ["Delete of A (1)", f"{A}: not changed, it belongs to no resource of this library"]
    events.send("Create", config_map("a"), Adopt="True")
    assert events.messages == ["Create of A (1)", f"{A}: adopt with -", f"{A}: applied"]
    events.send("Delete", config_map("a"))
    assert events.messages == ["Delete of A (1)", f"{A}: released, retained for its creator"]
    assert events.world.config_map("a")


def test_a_retained_object(events: Events) -> None:
    events.send("Create", config_map("a"))
    events.send("Delete", config_map("a"), DeletionPolicy="Retain")
    assert events.messages == ["Delete of A (1)", f"{A}: retained"]
    assert events.world.config_map("a")
    assert events.send("Delete", config_map("a"), DeletionPolicy="Delete")
    assert events.world.config_map("a") is None


def test_fields_of_an_existing_object(events: Events) -> None:
    events.world.put(config_map("a"))
    events.send("Create", config_map("a", x="1"), FieldsOnly="True")
    assert events.messages == ["Create of A (1)", f"{A}: share with -", f"{A}: applied"]
    old = properties_of(config_map("a", x="1"), FieldsOnly="true")
    events.send("Update", config_map("a", x="2"), FieldsOnly="true", old=old, physical_id="research/ConfigMap/team/a")
    assert events.messages == ["Update of A (1)", f"{A}: applied"]
    events.send("Delete", config_map("a", x="2"), FieldsOnly="true", DeletionPolicy="Retain")
    assert (events.world.config_map("a") or {})["data"] == {"x": "2"}
    events.send("Delete", config_map("a", x="2"), FieldsOnly="true")
    assert events.messages == ["Delete of A (1)", f"{A}: fields restored"]
    events.send("Delete", config_map("a", x="2"), FieldsOnly="true")
    assert events.messages == ["Delete of A (1)"], "it has no fields left"


def test_fields_of_an_object_that_is_absent(events: Events) -> None:
    assert events.fails("Create", config_map("a"), FieldsOnly="true", RetrySeconds="2") == (
        f"{A} was not applied: failed after 2 attempts in 1 s: 404 NotFound: the object does not exist, so its "
        "fields cannot be set"
    )


def test_a_field_that_a_controller_set(events: Events) -> None:
    events.send("Create", deployment("web", replicas=2))
    events.world.server.store.edit("deployments", "web", "team", manager="hpa", spec={"replicas": 5})
    old = properties_of(deployment("web", replicas=2))
    events.send("Update", deployment("web", "b", replicas=2), old=old, physical_id="research/Deployment.apps/team/web")
    web = "Deployment team/web"
    assert events.messages == [
        "Update of A (1)", f"{web}: spec.replicas is not changed, because a controller has set it", f"{web}: applied"
    ]  # fmt: skip
    found = events.world.find("deployments", "web") or {}
    assert (found["spec"]["replicas"], found["spec"]["template"]["spec"]["containers"][0]["image"]) == (5, "b")
    events.send("Update", deployment("web", "b", replicas=3), old=old, physical_id="research/Deployment.apps/team/web")
    assert (events.world.find("deployments", "web") or {})["spec"]["replicas"] == 3


def test_an_immutable_field(events: Events) -> None:
    events.send("Create", secret("team", "Opaque"))
    assert events.fails("Create", secret("team", "x/y")).startswith(
        "Secret team/s was not applied: 422 Invalid: set replace_on_immutable to delete and recreate it, or use another "
        "name. "
    )
    events.send("Create", secret("team", "x/y"), ReplaceOnImmutable="True")
    assert events.messages == [
        "Create of A (1)",
        "Secret team/s: immutable field changed, replaced",
        "Secret team/s: deleted",
        "Secret team/s: deleted",
        "Secret team/s: applied",
    ]
    assert (events.world.find("secrets", "s") or {})["type"] == "x/y"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "set replace_on_immutable to delete and recreate it, or use another name"),
        (
            {"ReplaceOnImmutable": "true"},
            "it also belongs to Platform/B, Platform/C, so it cannot be replaced; use another name",
        ),
    ],
)
def test_an_immutable_field_of_an_object_with_other_owners(events: Events, options: Json, hint: str) -> None:
    for id in "ACB":
        events.send("Create", config_map("a"), id=id)
    with events.world.fault(method="PATCH", status=422, reason="Invalid", message="data: field is immutable"):
        found = events.fails("Create", config_map("a", x="1"), **options)
    assert found == f"{A} was not applied: 422 Invalid: {hint}. data: field is immutable"


def test_an_immutable_field_of_an_object_that_existed(events: Events) -> None:
    events.world.put(config_map("a"))
    events.send("Create", config_map("a"), Adopt="true")
    with events.world.fault(method="PATCH", status=422, reason="Invalid", message="data: field is immutable"):
        assert events.fails("Create", config_map("a", x="1"), ReplaceOnImmutable="true") == (
            f"{A} was not applied: 422 Invalid: it also belongs to its creator, so it cannot be replaced; use another "
            "name. data: field is immutable"
        )


def test_an_immutable_field_of_an_object_whose_group_changes(events: Events) -> None:
    events.send("Create", secret("team", "Opaque"))
    old = properties_of(secret("team", "Opaque"))
    new = [secret("team", "x/y"), config_map("a")]
    events.send("Update", *new, old=old, physical_id="research/Secret/team/s", ReplaceOnImmutable="true")
    assert (events.world.find("secrets", "s") or {})["type"] == "x/y"


def test_a_mark_of_the_former_version_is_replaced(events: Events) -> None:
    mark = {LEGACY_KEY: me("A")}
    old = config_map("a", x="1")
    resource = next(r for r in events.world.server.store.resources() if r.kind == "ConfigMap")
    marked = {**old, "metadata": {**old["metadata"], "annotations": mark}}
    events.world.server.store.apply(resource, resource.key("team", "a"), marked, "hyperpod-constructs", True)
    events.send("Update", config_map("a", x="2"), old=properties_of(old), physical_id="research/ConfigMap/team/a")
    assert events.messages == ["Update of A (1)", f"{A}: the mark of the former version is replaced", f"{A}: applied"]
    annotations = (events.world.config_map("a") or {})["metadata"]["annotations"]
    assert LEGACY_KEY not in annotations


def test_an_object_that_is_being_deleted(events: Events) -> None:
    held = config_map("a")
    held["metadata"]["finalizers"] = ["x.io/one", "x.io/two"]
    events.send("Create", held)
    assert events.fails("Delete", held, RetrySeconds="2") == (
        f"{A} was not deleted: failed after 2 attempts in 1 s: 409 StillThere: it still exists, held by the finalizers "
        "x.io/one, x.io/two"
    )
    assert events.fails("Create", config_map("a"), RetrySeconds="2") == (
        f"{A} was not applied: failed after 2 attempts in 1 s: 409 Terminating: an object of that name is still being "
        "deleted, held by the finalizers x.io/one, x.io/two"
    )


def test_a_deleted_cluster(events: Events) -> None:
    def deleted_cluster(_: str) -> Any:
        raise ClusterGone("EKS cluster 'research' does not exist")

    services = Services(lambda _: None, deleted_cluster, events.clock)
    assert events.send("Delete", config_map("a"), services=services) == {"PhysicalResourceId": "made-up"}
    assert events.messages == ["Delete of A (1)", "EKS cluster 'research' does not exist: nothing to delete"]
    assert events.fails("Create", config_map("a"), services=services) == "EKS cluster 'research' does not exist"
    assert events.messages == ["Create of A (1)", "EKS cluster 'research' does not exist"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ApiError(400, "BadRequest", "no"), "EKS cluster research: 400 BadRequest: no"),
        (
            ApiError(503, "NoEndpoint", "later"),
            "EKS cluster research: failed after 1 attempt in 0 s: 503 NoEndpoint: later",
        ),
        (
            ClientError({"Error": {"Code": "X", "Message": "no"}}, "DescribeCluster"),
            "an AWS request failed: An error occurred (X) when calling the DescribeCluster operation: no",
        ),
        (NoCredentialsError(), "an AWS request failed: Unable to locate credentials"),
    ],
)
def test_a_cluster_that_cannot_be_reached(events: Events, error: Exception, message: str) -> None:
    def refuse(_: str) -> Any:
        raise error

    services = Services(lambda _: None, refuse, events.clock)
    assert events.fails("Create", config_map("a"), services=services, RetrySeconds="1") == message
    assert (events.messages[-1], events.caplog.records[-1].levelname) == (message, "ERROR")


def test_an_original_that_cannot_be_read(events: Events) -> None:
    original = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "team", "name": "none"}
    assert events.fails("Create", config_map("a"), CopyOf=original, RetrySeconds="1") == (
        'ConfigMap team/none could not be read: failed after 1 attempt in 0 s: 404 NotFound: configmaps "none" not found'
    )
    assert events.caplog.records[-1].levelname == "ERROR"
    assert events.messages[-1] == (
        'ConfigMap team/none could not be read: failed after 1 attempt in 0 s: 404 NotFound: configmaps "none" not found'
    )


# Groups.


def test_a_crd_that_is_not_established(events: Events) -> None:
    events.world.server.store.crd_delay = 1000
    assert events.fails("Create", crd("x.io"), widget("x.io", "team"), RetrySeconds="2") == (
        "CustomResourceDefinition widgets.x.io was not established: failed after 2 attempts in 1 s: 503 NotEstablished: "
        "not established yet"
    )


def test_an_object_of_a_group_that_is_refused_changes_nothing(events: Events) -> None:
    events.world.put(config_map("z"))
    assert events.fails("Create", config_map("a"), config_map("z")).startswith(
        "ConfigMap team/z already exists and was not created by this library (it was last changed by kubectl-create). "
    )
    assert [request for request in events.world.server.requests if request.method == "PATCH"] == []


def test_the_apparent_owner_of_an_object_is_reported(events: Events) -> None:
    labeled = config_map("a")
    labeled["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Flux"}
    events.world.put(labeled)
    assert "(it seems to be managed by Flux)" in events.fails("Create", config_map("a"))


def test_a_group_finds_each_object_once_and_reads_an_original(events: Events) -> None:
    read: Callable[[], Json] = lambda: apply._group(  # noqa: E731
        {"ResourceProperties": {"ClusterName": "research"}},
        events.world.services,
        apply.Holder(owner(STACK, "A", "x")),
        apply.Deadline.after(events.clock, 5),
    ).read(ObjectRef("v1", "ConfigMap", "team", "a"))
    events.world.put(config_map("a", x="1"))
    assert read()["data"] == {"x": "1"}


def test_an_object_of_a_group_that_cannot_be_read(events: Events) -> None:
    with events.world.fault(method="GET", path="/configmaps/b", status=400, reason="Bad", message="no"):
        assert (
            events.fails("Create", config_map("a"), config_map("b")) == "ConfigMap team/b was not applied: 400 Bad: no"
        )
    assert events.world.config_map("a") is None


def test_an_object_of_others_in_a_group_that_is_being_deleted_is_recreated(events: Events) -> None:
    held = config_map("b", x="theirs")
    held["metadata"]["finalizers"] = ["x.io/hold"]
    events.world.put(held)
    remove(events.world, "b")
    events.world.server.store.later(5, lambda: events.world.server.store.release("configmaps", "b", "team"))
    events.send("Create", config_map("a"), config_map("b", x="ours"))
    assert (events.world.config_map("b") or {})["data"] == {"x": "ours"}
