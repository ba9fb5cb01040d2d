"""Each call of the task governance API, and the exact content of tags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
from ownership_quotas import DirectClient

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.handlers.governance.api import Api, GovernanceError, Live, api_of
from hyperpod_constructs.handlers.governance.owned import (
    LEGACY_TAG,
    legacy_digest,
)
from hyperpod_constructs.handlers.governance.settle import RETRY_SECONDS, Step, advice, next_step
from hyperpod_constructs.handlers.governance.timing import code, is_transient, retrying
from hyperpod_constructs.handlers.shared.ownership import Owner, owner

Json = dict[str, Any]
STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
CLUSTER = "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghij12"
ARN = "arn:aws:sagemaker:us-west-2:111122223333:compute-quota/q-1"
A, B, C = (Owner(f"Platform/{letter.upper()}", letter * 16) for letter in "abc")


class Client(DirectClient):
    """Returns the responses of an operation in sequence (the last one repeatedly), in pages, and records every call."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.given = {
            operation: list(answer) if isinstance(answer, list) else [answer] for operation, answer in answers.items()
        }
        self.requests: list[tuple[str, Json]] = []

    def call(self, operation: str, request: Json) -> Json:
        self.requests.append((operation, request))
        answers = self.given.get(operation, [{}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        found: Json = answer
        return found

    def get_paginator(self, name: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **request: Any) -> Any:
                return iter(client.__getattr__(name)(**request)["pages"])

        return Pages()


def refusal(code: str, status: int = 400, message: str = "no") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Operation",
    )


QUOTA: Json = {
    "Name": "vision-quota",
    "ClusterArn": CLUSTER,
    "ComputeQuotaTarget": {"TeamName": "vision", "FairShareWeight": 1},
    "ComputeQuotaConfig": {"PreemptTeamTasks": "Never"},
    "Tags": [{"Key": "cost", "Value": "a"}],
}
POLICY: Json = {"Name": "policy", "ClusterArn": CLUSTER, "SchedulerConfig": {"FairShare": "Enabled"}}


def quota_api(client: Client, request: Json = QUOTA, kind: str = "ComputeQuota") -> Api:
    return Api(client, kind, request, stack_id=STACK, logical_id="Quota")


def live(**overrides: Any) -> Live:
    return Live(**{"id": "q-1", "arn": ARN, "version": 3, "status": "Created", "reason": "", **overrides})


ME = owner(STACK, "Quota", f"{CLUSTER}/ComputeQuota/vision-quota/vision")


def test_a_resource() -> None:
    api, policy = quota_api(Client()), quota_api(Client(), POLICY, "ClusterSchedulerConfig")
    assert (api.name, api.team, api.physical_id) == (
        "vision-quota",
        "vision",
        f"{CLUSTER}/ComputeQuota/vision-quota/vision",
    )
    assert (policy.name, policy.team) == ("policy", "")
    assert policy.physical_id == f"{CLUSTER}/ClusterSchedulerConfig/policy"
    assert api.wanted == {key: QUOTA[key] for key in ("ComputeQuotaTarget", "ComputeQuotaConfig")}
    assert (api.me, api.adopt, api.kind) == (ME, False, "ComputeQuota")
    with pytest.raises(GovernanceError, match=r"^unknown kind 'Other'$"):
        quota_api(Client(), kind="Other")


@pytest.mark.parametrize(("adopt", "expected"), [({}, False), ({"Adopt": "True"}, True), ({"Adopt": "no"}, False)])
def test_the_resource_of_an_event(adopt: Json, expected: bool) -> None:
    properties = {"Kind": "ComputeQuota", "Request": json.dumps(QUOTA), **adopt}
    old = {"Kind": "ClusterSchedulerConfig", "Request": json.dumps(POLICY)}
    event = {
        "StackId": STACK,
        "LogicalResourceId": "Quota",
        "ResourceProperties": properties,
        "OldResourceProperties": old,
    }
    assert (api_of(event, None).me, api_of(event, None).adopt) == (ME, expected)
    assert api_of(event, None, old=True).name == "policy"


def test_create() -> None:
    client = Client(
        CreateComputeQuota={"ComputeQuotaId": "q-1"}, CreateClusterSchedulerConfig={"ClusterSchedulerConfigId": "s-1"}
    )
    assert quota_api(client).create() == "q-1"
    mark = {"Key": ME.tag_key, "Value": "Platform/Quota"}
    assert client.requests == [("CreateComputeQuota", {**QUOTA, "Tags": [{"Key": "cost", "Value": "a"}, mark]})]
    assert quota_api(client, POLICY, "ClusterSchedulerConfig").create() == "s-1"
    assert len(client.requests[1][1]["Tags"]) == 1


def test_update() -> None:
    client = Client(UpdateComputeQuota={"ComputeQuotaVersion": "4"})
    assert quota_api(client).update(live()) == 4
    assert quota_api(client).update(live(), {"Description": "d"}) == 4
    assert quota_api(client).update(live(), {}) == 4
    version = {"ComputeQuotaId": "q-1", "TargetVersion": 3}
    content = {key: QUOTA[key] for key in ("ComputeQuotaTarget", "ComputeQuotaConfig")}
    assert client.requests == [
        ("UpdateComputeQuota", {**version, **content}), ("UpdateComputeQuota", {**version, "Description": "d"}),
        ("UpdateComputeQuota", version),
    ]  # fmt: skip


def test_delete() -> None:
    for error_code in ("ResourceNotFound", "ResourceNotFoundException"):
        client = Client(DeleteComputeQuota=refusal(error_code))
        quota_api(client).delete(live())
        assert client.requests == [("DeleteComputeQuota", {"ComputeQuotaId": "q-1"})]
    with pytest.raises(ClientError, match="ConflictException"):
        quota_api(Client(DeleteComputeQuota=refusal("ConflictException"))).delete(live())


LEGACY = legacy_digest(STACK, "Quota")


@pytest.mark.parametrize(
    ("tags", "added", "removed"),
    [
        ({}, {"cost": "a", ME.tag_key: "Platform/Quota"}, []),
        ({"cost": "b", ME.tag_key: "Platform/Quota"}, {"cost": "a"}, []),
        ({"cost": "a", ME.tag_key: "Platform/Quota"}, {}, []),
        (
            {"cost": "a", ME.tag_key: "Platform/Quota", "old": "1", "aws:x": "2", "hyperpod-constructs:owner-b": "3"},
            {},
            ["old"],
        ),
        ({LEGACY_TAG: LEGACY}, {"cost": "a", ME.tag_key: "Platform/Quota"}, [LEGACY_TAG]),
        ({LEGACY_TAG: "another"}, {"cost": "a", ME.tag_key: "Platform/Quota"}, []),
    ],
)
def test_tags(tags: dict[str, str], added: Json, removed: list[str]) -> None:
    client = Client()
    quota_api(client).tag(live(tags=tags))
    listed = [{"Key": key, "Value": value} for key, value in added.items()]
    assert client.requests == [
        *([("AddTags", {"ResourceArn": ARN, "Tags": listed})] if added else []),
        *([("DeleteTags", {"ResourceArn": ARN, "TagKeys": removed})] if removed else []),
    ]


def summary(id: str, name: str = "vision-quota", team: str = "vision", status: str = "Created") -> Json:
    return {"ComputeQuotaId": id, "Name": name, "ComputeQuotaTarget": {"TeamName": team}, "Status": status}


def described(**overrides: Any) -> Json:
    summary_fields = {"ComputeQuotaArn": ARN, "ComputeQuotaVersion": 3, "Status": "Created", "Name": "vision-quota"}
    return {**summary_fields, **{key: QUOTA[key] for key in ("ComputeQuotaTarget", "ComputeQuotaConfig")}, **overrides}


def test_find() -> None:
    pages = [
        {},
        {"ComputeQuotaSummaries": [
            summary("longer", "vision-quota-2"), summary("team", team="speech"), summary("gone", status="Deleted"),
            {"ComputeQuotaId": "none", "Name": "vision-quota", "Status": "Created"}, summary("q-1"),
        ]},
    ]  # fmt: skip
    tags = [{}, {"Tags": [{"Key": "cost", "Value": "a"}]}, {"Tags": [{"Key": "b", "Value": "2"}]}]
    client = Client(ListComputeQuotas={"pages": pages}, DescribeComputeQuota=described(), ListTags={"pages": tags})
    assert quota_api(client).find() == live(
        reason="the service returned no reason",
        content={key: QUOTA[key] for key in ("ComputeQuotaTarget", "ComputeQuotaConfig")},
        tags={"cost": "a", "b": "2"},
    )
    assert client.requests == [
        ("ListComputeQuotas", {"ClusterArn": CLUSTER, "NameContains": "vision-quota"}),
        ("DescribeComputeQuota", {"ComputeQuotaId": "q-1"}),
        ("ListTags", {"ResourceArn": ARN}),
    ]


def test_find_a_scheduler_config() -> None:
    answer = {"ClusterSchedulerConfigArn": "arn", "ClusterSchedulerConfigVersion": 1, "Status": "Creating",
              "Description": "d", "SchedulerConfig": {"FairShare": "Enabled"}, "Name": "policy"}  # fmt: skip
    found = {"ClusterSchedulerConfigId": "s-1", "Name": "policy", "Status": "Created"}
    client = Client(
        ListClusterSchedulerConfigs={"pages": [{"ClusterSchedulerConfigSummaries": [found]}]},
        DescribeClusterSchedulerConfig=answer,
        ListTags={"pages": []},
    )
    content = {"Description": "d", "SchedulerConfig": {"FairShare": "Enabled"}}
    assert quota_api(client, POLICY, "ClusterSchedulerConfig").find() == Live(
        "s-1", "arn", 1, "Creating", "the service returned no reason", content
    )


@pytest.mark.parametrize("error_code", ["ResourceNotFound", "ResourceNotFoundException"])
def test_a_deleted_quota_is_not_found(error_code: str) -> None:
    listed = {"pages": [{"ComputeQuotaSummaries": [summary("q-1")]}]}
    assert quota_api(Client(ListComputeQuotas=refusal(error_code))).find() is None
    assert quota_api(Client(ListComputeQuotas={"pages": []})).find() is None
    assert quota_api(Client(ListComputeQuotas=listed, DescribeComputeQuota=refusal(error_code))).find() is None
    assert quota_api(Client(ListComputeQuotas=listed, DescribeComputeQuota=described(Status="Deleted"))).find() is None
    for client in (
        Client(ListComputeQuotas=refusal("Throttling")),
        Client(ListComputeQuotas=listed, DescribeComputeQuota=refusal("Throttling")),
    ):
        with pytest.raises(ClientError, match="Throttling"):
            quota_api(client).find()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"FailureReason": "f", "StatusDetails": {"a": "b"}}, "f"),
        ({"FailureReason": "", "StatusDetails": {"a": "b", "c": "d"}}, "a: b; c: d"),
        ({"StatusDetails": None}, "the service returned no reason"),
    ],
)
def test_the_reason_of_a_status(answer: Json, reason: str) -> None:
    found = quota_api(Client(DescribeComputeQuota=described(**answer))).describe("q-1")
    assert found is not None
    assert found.reason == reason


# Statuses and errors.

CREATE_FAILED, DELETE_FAILED = ("CreateFailed", "CreateRollbackFailed"), ("DeleteFailed", "DeleteRollbackFailed")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        *[(status, "delete and recreate it") for status in (*CREATE_FAILED, "UpdateRollbackFailed")],
        *[(status, "fix the cause and retry") for status in (*DELETE_FAILED, "UpdateFailed")],
        ("Creating", "check the task governance add-on and the nodes"),
    ],
)
def test_advice(status: str, text: str) -> None:
    assert advice(status) == text


@pytest.mark.parametrize(
    ("event", "status", "step"),
    [
        *[("Create", status, Step.DELETE) for status in CREATE_FAILED],
        ("Create", None, Step.CREATE),
        ("Update", None, Step.CREATE),
        ("Update", "UpdateFailed", Step.UPDATE),
        *[("Delete", status, Step.DELETE) for status in DELETE_FAILED],
    ],
)
def test_what_is_tried_again_for_seven_minutes(event: str, status: str | None, step: Step) -> None:
    assert next_step(event, status, up_to_date=True, waited=419.9) is step
    assert next_step(event, status, up_to_date=True, waited=420.0) is Step.FAIL
    assert RETRY_SECONDS == 420


def test_a_deletion_is_begun_at_any_time() -> None:
    for status in ("Created", "CreateFailed", "UpdateRollbackFailed"):
        assert next_step("Delete", status, up_to_date=False, waited=9999) is Step.DELETE
    for event, status in (("Create", "UpdateFailed"), ("Update", "CreateFailed"), ("Update", "DeleteFailed")):
        assert next_step(event, status, up_to_date=True, waited=0) is Step.FAIL


TRANSIENT: list[tuple[Exception, str, bool]] = [
    *[
        (refusal(text), text, True)
        for text in (
            "InternalFailure", "InternalServerError", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable",
            "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
        )
    ],
    (refusal("ValidationException"), "ValidationException", False),
    (refusal("ValidationException", 499), "ValidationException", False),
    (refusal("Unknown", 500), "Unknown", True),
    (ClientError({}, "Operation"), "", False),
    (EndpointConnectionError(endpoint_url="x"), "", True),
    (ValueError("no"), "", False),
]  # fmt: skip


@pytest.mark.parametrize(("error", "text", "transient"), TRANSIENT)
def test_transient_errors(error: Exception, text: str, transient: bool) -> None:
    assert (code(error), is_transient(error)) == (text, transient)


def attempts(clock: Clock, until: float, *errors: Exception, also: str = "") -> str | Exception:
    remaining = list(errors)

    def action() -> str:
        if remaining:
            raise remaining.pop(0)
        return "done"

    try:
        return retrying(action, clock, until, also=lambda error: bool(also) and code(error) == also)
    except (ClientError, BotoCoreError) as error:
        return error


def test_retries() -> None:
    busy, conflict, invalid = refusal("Throttling"), refusal("ConflictException"), refusal("ValidationException")
    clock = Clock()
    assert attempts(clock, 100, *[busy] * 7) == "done"
    assert clock.slept == [1, 2, 4, 8, 16, 20, 20]
    clock = Clock()
    assert attempts(clock, 7, *[busy] * 9) is busy
    assert clock.slept == [1, 2], "the next pause would end at the deadline"
    assert attempts(Clock(), 100, invalid) is invalid
    assert attempts(Clock(), 100, conflict) is conflict
    assert attempts(Clock(), 100, conflict, NoCredentialsError(), also="ConflictException") == "done"
