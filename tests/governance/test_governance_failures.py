"""Events of a quota that fail: the reason, what is reverted, and what the next poll does."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from governance_log import ID, Events, properties, refusal, request
from ownership_quotas import quota

from hyperpod_constructs.handlers.governance.api import GovernanceError
from hyperpod_constructs.handlers.shared.ownership import owner, owners

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Events:
    return Events(caplog)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refusal("ValidationException", "bad"), "ComputeQuota 'vision': bad (ValidationException)"),
        (
            ClientError({"Error": {"Code": "X"}}, "CreateComputeQuota"),
            "ComputeQuota 'vision': An error occurred (X) when calling the CreateComputeQuota operation: Unknown (X)",
        ),
    ],
)
def test_a_rejected_request_is_quoted(events: Events, error: ClientError, message: str) -> None:
    events.faults = [None, error]
    assert events.fails(events.event("Create", properties())) == message
    assert events.operations == ["ListComputeQuotas", "CreateComputeQuota", "ListComputeQuotas"], (
        "the quota may exist nevertheless"
    )


def test_a_missing_connection_ends_after_four_minutes(events: Events) -> None:
    events.faults = [NoCredentialsError()] * 100
    assert events.fails(events.event("Create", properties())) == "Unable to locate credentials"
    assert sum(events.clock.slept) <= 240
    assert sum(events.clock.slept) + 20 >= 240
    assert events.clock.slept[:6] == [1, 2, 4, 8, 16, 20]


def test_a_failed_create_restores_adopted_objects(events: Events) -> None:
    item = events.service.put(request(4), tags={})
    event = events.event("Create", properties(8, Adopt="true"))
    events.faults = [
        None,
        None,
        None,
        None,
        refusal("ValidationException", "bad"),
        None,
        None,
        None,
        refusal("ConflictException"),
    ]
    assert events.fails(event) == "ComputeQuota 'vision': bad (ValidationException)"
    assert (item.tags, item.version, events.clock.slept) == ({}, 1, [1.0])


def test_what_cannot_be_given_back_is_logged(events: Events) -> None:
    events.service.put(request(4), tags={})
    event = events.event("Create", properties(8, Adopt="true"))
    events.faults = [*[None] * 4, refusal("ValidationException", "bad"), *[refusal("Throttling", "slow")] * 99]
    assert events.fails(event) == "ComputeQuota 'vision': bad (ValidationException)"
    assert events.messages == [
        "vision: shared with its creator",
        "vision: the release failed: An error occurred (Throttling) when calling the Operation operation: slow",
    ]
    assert events.caplog.records[-1].levelname == "WARNING"
    assert events.clock.slept == [1, 2, 4, 8, 16, 20], "a minute"


def test_a_failed_update_in_place_is_left_to_the_rollback(events: Events) -> None:
    events.service.put(request(4), tags={})
    event = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.faults = [*[None] * 4, refusal("ValidationException", "bad")]
    events.fails(event)
    assert events.operations[-1] == "UpdateComputeQuota"
    assert events.service.only.tags, "the mark remains"


def test_a_failed_replacement_is_undone(events: Events) -> None:
    events.service.put(request(4), tags={})
    event = events.event(
        "Update", properties(8, Adopt="true"), OldResourceProperties=properties(4), PhysicalResourceId="other"
    )
    events.faults = [*[None] * 4, refusal("ValidationException", "bad")]
    events.fails(event)
    assert events.service.only.tags == {}


def test_an_update_releases_what_a_failed_update_left(events: Events) -> None:
    speech = dict(quota("speech").properties)
    events.run(events.event("Create", properties()))
    events.run(events.event("Create", speech))
    events.begin(events.event("Update", properties(), OldResourceProperties=speech, PhysicalResourceId=ID))
    assert events.operations[-1] == "DeleteComputeQuota"
    assert {item.request["Name"]: item.status for item in events.service.items.values()}["speech"] == "Deleting"


def test_an_update_that_replaces_leaves_the_former_to_cloudformation(events: Events) -> None:
    speech = dict(quota("speech").properties)
    events.run(events.event("Create", properties()))
    events.run(events.event("Update", speech, OldResourceProperties=properties(), PhysicalResourceId=ID))
    assert "DeleteComputeQuota" not in events.operations
    assert {item.status for item in events.service.items.values()} == {"Created"}


# Polls.


@pytest.mark.parametrize(
    ("error", "waited", "message"),
    [
        (refusal("Throttling"), 0, None),
        (refusal("ConflictException"), 0, None),
        (refusal("Throttling", "slow"), 1500, "ComputeQuota 'vision': slow (Throttling)"),
        (refusal("ConflictException", "busy"), 1500, "ComputeQuota 'vision': busy (ConflictException)"),
        (refusal("Throttling"), 1499, None),
        (refusal("ValidationException", "bad"), 0, "ComputeQuota 'vision': bad (ValidationException)"),
    ],
)
def test_a_poll_that_fails(events: Events, error: ClientError, waited: float, message: str | None) -> None:
    started = events.begin(events.event("Create", properties()))
    events.clock.advance(waited)
    events.faults = [error]
    if message:
        with pytest.raises(GovernanceError) as failure:
            events.poll(started)
        assert str(failure.value) == message
    else:
        assert events.poll(started) == {"IsComplete": False}
        assert events.messages == [f"vision: polling failed: {error.response['Error']['Code']}"]


def test_a_status_that_never_settles(events: Events) -> None:
    events.service.polls_to_settle = 10_000
    assert events.fails(events.event("Create", properties())) == (
        "ComputeQuota 'vision' is Creating after 1500 s: the service returned no reason; check the task governance "
        "add-on and the nodes"
    )


def test_what_disappears_is_created_again_for_seven_minutes(events: Events) -> None:
    started = events.begin(events.event("Create", properties()))
    events.service.items.clear()
    assert events.poll(started) == {"IsComplete": False}
    assert events.messages == ["vision: does not exist after 0 s: create", "vision: created as 000000000002"]
    events.service.items.clear()
    events.clock.advance(420)
    with pytest.raises(GovernanceError, match=r"^ComputeQuota 'vision' does not exist after 420 s$"):
        events.poll(started)


def test_a_failed_create_is_deleted_and_created_again(events: Events) -> None:
    events.service.outcomes = ["CreateFailed", "Deleted", "Created"]
    started = events.begin(events.event("Create", properties()))
    messages = []
    while not events.poll(started)["IsComplete"]:
        messages += events.messages
    assert messages == [
        "vision: Creating after 0 s: wait",
        "vision: CreateFailed after 0 s: delete",
        "vision: Deleting after 0 s: wait",
        "vision: does not exist after 0 s: create",
        "vision: created as 000000000002",
        "vision: Creating after 0 s: wait",
    ]


def test_a_failed_update_is_repeated(events: Events) -> None:
    events.run(events.event("Create", properties(4)))
    events.service.outcomes = ["UpdateFailed", "Updated"]
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    events.run(update)
    assert events.service.only.version == 3


def test_a_failed_update_is_repeated_also_if_its_mark_was_removed(events: Events) -> None:
    """CloudFormation already considers the quota its own, so it is marked again, not rejected as one of another owner."""
    events.run(events.event("Create", properties(4)))
    events.service.outcomes = ["UpdateFailed", "Updated"]
    update = events.event("Update", properties(8), OldResourceProperties=properties(4), PhysicalResourceId=ID)
    started = events.begin(update)
    events.service.only.tags.clear()
    assert [events.poll(started)["IsComplete"] for _ in range(4)] == [False, False, False, True]
    assert owners(events.service.only.tags) == {owner(STACK, "A", ID)}
    assert events.service.only.version == 3


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_failed_update_of_a_shared_quota_is_repeated(events: Events, kind: str) -> None:
    """The service has stored the new content, but the update failed."""
    first, second = (events.event("Create", properties(4), id=id) for id in ("A", "B"))
    events.run(first)
    events.run(second)
    events.service.only.status = "UpdateFailed"
    again = (
        second
        if kind == "Create"
        else {**second, "RequestType": "Update", "OldResourceProperties": properties(4), "PhysicalResourceId": ID}
    )
    events.run(again)
    assert (events.service.only.status, events.service.only.version) == ("Updated", 2)


def test_a_replacement_is_polled_like_a_create(events: Events) -> None:
    speech = dict(quota("speech").properties)
    events.run(events.event("Create", properties()))
    events.service.outcomes = ["CreateFailed", "Deleted", "Created"]
    events.run(events.event("Update", speech, OldResourceProperties=properties(), PhysicalResourceId=ID))
    assert sorted(item.request["Name"] for item in events.service.items.values()) == ["speech", "vision"]


@pytest.mark.parametrize(
    ("code", "passes"), [("ConflictException", True), ("Throttling", True), ("ValidationException", False)]
)
def test_a_deletion_that_is_rejected_is_seen_by_the_next_poll(events: Events, code: str, passes: bool) -> None:
    events.run(events.event("Create", properties()))
    started = events.begin(events.event("Delete", properties(), PhysicalResourceId=ID))
    events.faults = [None, None, None, refusal(code, "no")]
    if passes:
        assert events.poll(started) == {"IsComplete": False}
        assert events.messages == ["vision: Created after 0 s: delete"], "nothing was logged as a failed poll"
    else:
        with pytest.raises(GovernanceError, match=r"^ComputeQuota 'vision': no \(ValidationException\)$"):
            events.poll(started)


def test_the_owner_is_the_resource(events: Events) -> None:
    events.run(events.event("Create", properties()))
    assert owners(events.service.only.tags) == {owner(STACK, "A", ID)}
