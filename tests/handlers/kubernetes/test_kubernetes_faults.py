"""Applying and deleting with faults: what is retried and for how long, the messages, and what remains."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from kubernetes_targets import CloudFormation, Target, cluster_gone
from test_kubernetes_apply import config_map, crd, widget

from hyperpod_constructs.handlers.kubernetes import apply, client
from hyperpod_constructs.handlers.kubernetes.errors import HandlerError
from hyperpod_constructs.handlers.kubernetes.services import Services

GROUP = "example.com"


def seconds(target: Target) -> float:
    assert target.server is not None
    return target.server.clock.now() - 1_800_000_000.0


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 409, "reason": "Conflict", "message": "the object has been modified"},
        {"status": 429, "reason": "TooManyRequests", "message": "slow down"},
        {"status": 500, "reason": "InternalError", "message": "etcdserver: leader changed"},
        {"status": 503, "reason": "ServiceUnavailable", "message": "the server is currently unable"},
        {"status": 504, "reason": "Timeout", "message": "request did not complete"},
        {"drop": True},
        {"drop": True, "after": True},
        {"status": 401, "reason": "Unauthorized", "message": "Unauthorized"},
        {"status": 403, "reason": "Forbidden", "message": 'User "x" cannot patch resource "configmaps"'},
    ],
    ids=lambda fault: f"{fault.get('status', 'dropped')}{'-after' if fault.get('after') else ''}",
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_passing_trouble_is_retried_with_growing_delays(
    stack: CloudFormation, fake: Target, fault: dict[str, Any], method: str
) -> None:
    fake.server.fault(method=method, path="/configmaps/a$", times=4, **fault)
    stack.create([config_map("a", "team")])
    assert fake.config_map("a")
    assert fake.server.clock.slept == [1, 2, 4, 8]


def test_retry_after_is_respected(stack: CloudFormation, fake: Target) -> None:
    fake.server.fault(method="PATCH", path="/configmaps/a", status=429, headers={"Retry-After": "30"}, times=1)
    stack.create([config_map("a", "team")])
    assert fake.server.clock.slept == [30]


@pytest.mark.parametrize("failure_type", ["refusing", "missing", "slow"])
def test_a_webhook_that_is_not_ready_yet_is_waited_for(stack: CloudFormation, fake: Target, failure_type: str) -> None:
    fake.server.webhook("/configmaps/a", failure_type, times=6)
    stack.create([config_map("a", "team")])
    assert fake.config_map("a")


def test_a_webhook_that_never_gets_ready_is_quoted(stack: CloudFormation, fake: Target) -> None:
    fake.server.webhook("/configmaps/a", "missing")
    with pytest.raises(HandlerError) as failure:
        stack.create([config_map("a", "team")], RetrySeconds="120")
    text = str(failure.value)
    assert text.startswith("ConfigMap team/a was not applied: failed after 11 attempts in 105 s")
    assert 'no endpoints available for service "v"' in text
    assert seconds(fake) <= 120


def test_without_retry_seconds_ten_minutes_are_tried(stack: CloudFormation, fake: Target) -> None:
    fake.server.webhook("/configmaps/a", "refusing")
    with pytest.raises(HandlerError, match="connection refused"):
        stack.create([config_map("a", "team")])
    assert 580 < seconds(fake) <= 600


def test_the_functions_own_time_bounds_the_retries(stack: CloudFormation, fake: Target) -> None:
    fake.server.webhook("/configmaps/a", "refusing")
    event = stack.event("Create", stack.properties_of([config_map("a", "team")], RetrySeconds="780"))
    with pytest.raises(HandlerError):
        apply.handle(event, fake.services, seconds_left=200)
    assert seconds(fake) <= 140


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "reason": "BadRequest", "message": "strict decoding error: unknown field"},
        {"status": 403, "reason": "Forbidden", "message": 'admission webhook "v" denied the request: no'},
        {"status": 403, "reason": "Forbidden", "message": "exceeded quota: compute"},
        {"status": 413, "reason": "RequestEntityTooLarge", "message": "limit is 3145728"},
        {"status": 422, "reason": "Invalid", "message": "spec.replicas: Invalid value: -1"},
        {"status": 500, "reason": "", "message": "failed to create typed patch object (a): .x: field not declared"},
    ],
    ids=lambda fault: f"{fault['status']}-{fault['message'][:10]}",
)
def test_a_permanent_rejection_fails_immediately_with_the_apis_message(
    stack: CloudFormation, fake: Target, fault: dict[str, Any]
) -> None:
    fake.server.fault(method="PATCH", path="/configmaps/a", **fault)
    with pytest.raises(HandlerError) as failure:
        stack.create([config_map("a", "team")])
    assert str(failure.value).startswith("ConfigMap team/a was not applied: ")
    assert fault["message"] in str(failure.value)
    assert len(fake.server.received("PATCH")) == 1
    assert fake.server.clock.slept == []


def test_missing_rights_fail_after_the_time_that_an_access_entry_needs(stack: CloudFormation, fake: Target) -> None:
    fake.server.fault(path="/", status=403, reason="Forbidden", message='User "x" cannot get resource')
    with pytest.raises(HandlerError, match="cannot get resource"):
        stack.create([config_map("a", "team")])
    assert 90 <= seconds(fake) < 120


def test_a_kind_that_is_installed_later_is_waited_for(stack: CloudFormation, fake: Target) -> None:
    fake.server.store.later(45, lambda: fake.server.store.put(crd(GROUP)))
    stack.create([widget(GROUP, "team")])
    assert fake.server.store.get("widgets", "w", "team")


def test_a_new_version_of_a_known_kind_is_waited_for(stack: CloudFormation, fake: Target) -> None:
    fake.server.store.put(crd(GROUP))
    newer = crd(GROUP)
    newer["spec"]["versions"].append({**newer["spec"]["versions"][0], "name": "v2", "storage": False})
    fake.server.store.later(20, lambda: fake.server.store.put(newer))
    stack.create([{**widget(GROUP, "team"), "apiVersion": f"{GROUP}/v2"}])
    assert fake.server.store.get("widgets", "w", "team")


def test_a_kind_that_is_never_installed_is_reported(stack: CloudFormation, fake: Target) -> None:
    with pytest.raises(
        HandlerError, match=r"^Widget team/w was not applied: .*does not serve the kind Widget in example\.com/v1"
    ):
        stack.create([widget(GROUP, "team")], RetrySeconds="30")


def test_a_namespace_that_is_created_later_is_waited_for(stack: CloudFormation, fake: Target) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}}
    fake.server.store.later(10, lambda: fake.server.store.put(namespace))
    stack.create([config_map("a", "late")])
    assert fake.server.store.get("configmaps", "a", "late")


def test_a_namespace_that_is_deleted_and_recreated_is_waited_for(stack: CloudFormation, fake: Target) -> None:
    store, namespace = fake.server.store, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "back"}}
    store.put(namespace)
    held = config_map("held", "back")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    store.put(held)
    store.delete(("", "namespaces", "", "back"), {})
    store.later(200, lambda: store.release("configmaps", "held", "back"))
    store.later(220, lambda: store.put(namespace))
    stack.create([config_map("a", "back")])
    assert 220 <= seconds(fake) < 240


def test_objects_wait_until_the_groups_crd_is_established(stack: CloudFormation, fake: Target) -> None:
    fake.server.store.crd_delay = 40
    stack.create([widget(GROUP, "team"), crd(GROUP)])
    first = fake.server.received("PATCH", "/widgets/")[0]
    asked_before = fake.server.requests[: fake.server.requests.index(first)]
    assert sum("customresourcedefinitions" in request.path for request in asked_before) > 3


def test_a_crd_whose_names_clash_fails_at_once(stack: CloudFormation, fake: Target) -> None:
    fake.server.store.crd_delay = 1000
    clash = {"type": "NamesAccepted", "status": "False", "message": '"Widget" is already in use'}

    def refuse() -> None:
        definition = fake.server.store.get("customresourcedefinitions", f"widgets.{GROUP}")
        assert definition is not None
        definition["status"] = {"conditions": [clash]}

    fake.server.store.later(3, refuse)
    with pytest.raises(HandlerError, match='"Widget" is already in use'):
        stack.create([crd(GROUP)])


def test_an_object_that_is_being_deleted_is_waited_for_and_recreated(stack: CloudFormation, fake: Target) -> None:
    store = fake.server.store
    held = config_map("a", "team")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    store.put(held)
    uid = held_uid = store.get("configmaps", "a", "team")["metadata"]["uid"]
    store.delete(("", "configmaps", "team", "a"), {})
    store.later(30, lambda: store.release("configmaps", "a", "team"))
    stack.create([config_map("a", "team")])
    assert (fake.config_map("a") or {})["metadata"]["uid"] not in (uid, held_uid)


def test_a_rejection_that_is_not_json_is_quoted() -> None:
    refusal = client._rejection(503, {"Retry-After": "5"}, b"upstream connect error\n")
    assert (str(refusal), refusal.retry_after) == ("503 Error: upstream connect error", 5.0)


def test_aws_that_rejects_fails_the_event(stack: CloudFormation, fake: Target) -> None:
    def refuse(_: str) -> Any:
        raise ClientError({"Error": {"Code": "InvalidParameterException", "Message": "no"}}, "DescribeCluster")

    stack.target = Target(Services(fake.aws, refuse, fake.services.clock), "team")
    with pytest.raises(HandlerError, match=r"an AWS request failed: .*InvalidParameterException"):
        stack.create([config_map("a", "team")])


# Deletion.


def test_a_deletion_has_the_policy_and_the_uid_of_the_object(stack: CloudFormation, fake: Target) -> None:
    stack.create([config_map("a", "team")], PropagationPolicy="Background")
    metadata = (fake.config_map("a") or {})["metadata"]
    stack.delete()
    (request,) = fake.server.received("DELETE")
    assert request.body["propagationPolicy"] == "Background"
    assert request.body["preconditions"] == {
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


def test_objects_are_deleted_in_reverse_order(stack: CloudFormation, fake: Target) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    stack.create([config_map("a", "fresh"), config_map("b", "fresh"), crd(GROUP), namespace])
    stack.delete()
    deleted = [request.path.rsplit("/", 1)[1] for request in fake.server.received("DELETE")]
    assert deleted == ["b", "a", f"widgets.{GROUP}", "fresh"]


def test_a_finalizer_that_completes_is_waited_for(stack: CloudFormation, fake: Target) -> None:
    held = config_map("a", "team")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    stack.create([held])
    fake.server.store.later(100, lambda: fake.server.store.release("configmaps", "a", "team"))
    stack.delete()
    assert fake.config_map("a") is None
    assert len(fake.server.received("DELETE")) == 1


def test_a_finalizer_that_never_completes_is_reported(stack: CloudFormation, fake: Target) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    held = config_map("a", "fresh")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    stack.create([namespace])
    fake.server.store.put(held)
    with pytest.raises(
        HandlerError, match=r"^Namespace fresh was not deleted: .*Some content in the namespace has fin"
    ):
        stack.delete()
    assert seconds(fake) <= 600


def test_a_deletion_after_the_cluster_went_succeeds(stack: CloudFormation, fake: Target) -> None:
    stack.create([config_map("a", "team")])
    deleted_cluster = Target(Services(fake.aws, cluster_gone, fake.services.clock), "team")
    stack.target = deleted_cluster
    stack.delete()
    with pytest.raises(HandlerError, match="EKS cluster 'research' does not exist"):
        stack.create([config_map("a", "team")])


def test_an_object_recreated_by_another_owner_is_not_changed(stack: CloudFormation, fake: Target) -> None:
    store = fake.server.store
    held = config_map("a", "team")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    stack.create([held])

    def swap() -> None:
        store.release("configmaps", "a", "team")
        store.put(config_map("a", "team", theirs="1"))

    store.later(5, swap)
    stack.delete()
    assert (fake.config_map("a") or {})["data"] == {"theirs": "1"}


def test_an_object_of_a_version_that_is_no_longer_served_is_still_deleted(stack: CloudFormation, fake: Target) -> None:
    fake.server.store.put(crd(GROUP))
    stack.create([widget(GROUP, "team")])
    newer = crd(GROUP)
    newer["spec"]["versions"][0]["name"] = "v2"
    fake.server.store.put(newer)
    stack.delete()
    assert fake.server.store.get("widgets", "w", "team") is None


def test_an_object_that_moved_to_another_api_group_is_the_same_object(stack: CloudFormation, fake: Target) -> None:
    old = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "team"}}
    stack.create([old, config_map("a", "team")])
    uid = fake.server.store.get("events", "e", "team")["metadata"]["uid"]
    stack.update([{**old, "apiVersion": "events.k8s.io/v1"}, config_map("a", "team")])
    assert fake.server.store.get("events", "e", "team")["metadata"]["uid"] == uid
