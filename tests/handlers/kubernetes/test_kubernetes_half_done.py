"""Events that fail half-way: what remains, and the messages."""

from __future__ import annotations

import json
import logging

import pytest
from kubernetes_targets import LAMBDA_SECONDS, CloudFormation, Target
from test_kubernetes_apply import config_map

from hyperpod_constructs.handlers.kubernetes import apply
from hyperpod_constructs.handlers.kubernetes.errors import MESSAGE_BYTES, HandlerError

# Half-done events.


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_failed_create_removes_what_it_created_and_nothing_else(
    stack: CloudFormation, fake: Target, policy: str
) -> None:
    fake.server.store.put(config_map("theirs", "team"))
    fake.server.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="bad z")
    objects = [config_map("a", "team"), config_map("theirs", "team"), config_map("z", "team")]
    with pytest.raises(HandlerError, match=r"^ConfigMap team/z was not applied: 422 Invalid: bad z$"):
        stack.create(objects, DeletionPolicy=policy, Adopt="true")
    assert fake.config_map("a") is None
    existing = fake.config_map("theirs")
    assert existing
    assert "annotations" not in existing["metadata"]


def test_a_failed_clean_up_is_reported_and_the_next_deployment_adopts_the_remainder(
    stack: CloudFormation, fake: Target
) -> None:
    """A second delivery does not remove the object, because the result of the first one is unknown."""
    properties = stack.properties_of([config_map("a", "team"), config_map("z", "team")])
    broken = fake.server.fault(method="PATCH", path="/configmaps/z", status=418, reason="Teapot", message="stop")
    fault = fake.server.fault(method="DELETE", status=418, reason="Teapot", message="stop")
    with pytest.raises(HandlerError, match=r"the cleanup also failed: ConfigMap team/a was not deleted: 418"):
        stack.send(stack.event("Create", properties))
    fault.times = 0
    with pytest.raises(HandlerError, match="418"):
        stack.send(stack.event("Create", properties))
    assert fake.config_map("a")
    broken.times = 0
    stack.create([config_map("a", "team"), config_map("z", "team")])
    stack.delete()
    assert fake.config_map("a") is None


def test_a_lost_response_counts_as_created(stack: CloudFormation, fake: Target) -> None:
    fake.server.fault(method="PATCH", path="/configmaps/a", drop=True, after=True, times=1)
    fake.server.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="bad z")
    with pytest.raises(HandlerError, match="bad z"):
        stack.create([config_map("a", "team"), config_map("z", "team")])
    assert fake.config_map("a") is None


def test_a_failed_update_is_rolled_back_to_the_old_group(stack: CloudFormation, fake: Target) -> None:
    stack.create([config_map("a", "team", v="1"), config_map("b", "team", v="1")])
    fake.server.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="bad z")
    with pytest.raises(HandlerError, match="bad z"):
        stack.update([config_map("a", "team", v="2"), config_map("new", "team"), config_map("z", "team")])
    assert (fake.config_map("a") or {})["data"] == {"v": "1"}
    assert fake.config_map("b")
    assert fake.config_map("new") is None


def test_a_failed_rename_leaves_the_old_object_and_no_new_one(stack: CloudFormation, fake: Target) -> None:
    stack.create([config_map("old", "team")])
    fake.server.fault(method="PATCH", path="/configmaps/new", status=500, message="no", after=True)
    with pytest.raises(HandlerError, match="500"):
        stack.update([config_map("new", "team")])
    assert fake.config_map("old")
    assert fake.config_map("new") is None


# Messages.


def test_failures_are_short(stack: CloudFormation, fake: Target) -> None:
    fake.server.fault(method="PATCH", path="/configmaps/z", status=422, reason="Invalid", message="é" * 5000)
    fake.server.fault(method="DELETE", status=400, reason="BadRequest", message="x" * 5000)
    with pytest.raises(HandlerError) as failure:
        stack.create([config_map("a", "team"), config_map("z", "team")])
    assert len(str(failure.value).encode()) <= MESSAGE_BYTES
    assert "the cleanup also failed: ConfigMap team/a" in str(failure.value)


def test_answers_fit_cloudformations_response(stack: CloudFormation) -> None:
    answer = stack.create([config_map(f"{'n' * 200}-{i}", "team") for i in range(60)])
    assert len(json.dumps(answer)) < 1024


def test_nothing_secret_is_logged_or_reported(
    stack: CloudFormation, fake: Target, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    metadata = {"name": "s", "namespace": "team"}
    item = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": "hunter2-in-clear"}}
    stack.create([item])
    fake.server.fault(path="/secrets", status=401, reason="Unauthorized", message="Unauthorized", times=2)
    stack.update([item, config_map("a", "team")])
    message = 'stringData.password: Invalid value: "hunter2-in-clear"'
    fake.server.fault(method="PATCH", path="/secrets", status=422, reason="Invalid", message=message)
    with pytest.raises(HandlerError, match=r'Invalid value: "\*\*\*"') as failure:
        stack.send(stack.event("Create", stack.properties_of([item])))
    output = caplog.text + "".join(capsys.readouterr()) + str(failure.value)
    assert "Secret team/s" in output
    for secret in (fake.server.token, "Bearer", "hunter2", "secret-signature"):
        assert secret not in output


def test_the_entry_point_uses_the_functions_remaining_time(
    stack: CloudFormation, fake: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return int(LAMBDA_SECONDS * 1000)

    monkeypatch.setattr(apply, "on_lambda", lambda: fake.services)
    event = stack.event("Create", stack.properties_of([config_map("a", "team")]))
    assert apply.on_event(event, Context())["PhysicalResourceId"] == "research/ConfigMap/team/a"
