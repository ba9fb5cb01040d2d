"""The task governance handlers against a local service, with every status, faults, other owners and deleted quotas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from fake_aws import FakeAws
from governance_service import CLUSTER, GovernanceService

from hyperpod_constructs.core.governance_properties import compute_quota_properties, scheduler_config_properties
from hyperpod_constructs.core.spec import QuotaResource, Scheduler, Team
from hyperpod_constructs.handlers.governance.api import GovernanceError
from hyperpod_constructs.handlers.governance.index import TIMEOUT_SECONDS, begin, poll
from hyperpod_constructs.handlers.governance.owned import LEGACY_TAG, legacy_digest
from hyperpod_constructs.handlers.governance.settle import RETRY_SECONDS, Step, next_step
from hyperpod_constructs.handlers.shared.ownership import owners

STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Addons/1"
P5 = "ml.p5.48xlarge"


class FakeClock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def jitter(self) -> float:
        return 1.0


class CloudFormation:
    """CloudFormation and CDK's framework: an event, then polls until it is complete."""

    def __init__(self, aws: FakeAws, kind: str) -> None:
        self.client = aws.client  # type: ignore[attr-defined]
        self.clock = FakeClock()
        self.kind = kind
        self.physical_id: str | None = None
        self.properties: dict[str, Any] = {}

    def properties_of(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"Kind": self.kind, "Request": json.dumps(request), "ClusterArn": request["ClusterArn"]}

    def run(self, type_: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        event = self.begin(type_, request)
        while True:
            answer = poll(event, self.client, self.clock)  # type: ignore[arg-type]
            if answer["IsComplete"]:
                return answer
            self.clock.sleep(15)

    def begin(self, type_: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        event: dict[str, Any] = {"RequestType": type_, "StackId": STACK, "LogicalResourceId": "Quota"}
        if type_ != "Create":
            event |= {"PhysicalResourceId": self.physical_id, "OldResourceProperties": self.properties}
        if request is not None:
            self.properties = self.properties_of(request)
        event["ResourceProperties"] = self.properties
        answer = begin(event, self.client, self.clock)  # type: ignore[arg-type]
        self.physical_id = answer["PhysicalResourceId"]
        return event | answer


def quota(count: int = 4, name: str = "vision-quota", **extra: Any) -> dict[str, Any]:
    team = Team(name="vision", quota=[QuotaResource(instance_type=P5, count=count)], **extra)
    return compute_quota_properties(team, name=name, cluster_arn=CLUSTER)


def policy(weight: int = 90) -> dict[str, Any]:
    scheduler = Scheduler(priority_classes=[{"name": "high", "weight": weight}])
    return scheduler_config_properties(scheduler, name="policy", cluster_arn=CLUSTER)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    """One server and one client for all tests, because creating a client takes longer than a test."""
    with FakeAws() as aws:
        aws.client = aws.session().client("sagemaker", config=Config(retries={"total_max_attempts": 1}))  # type: ignore[attr-defined]
        yield aws


@pytest.fixture
def aws(server: FakeAws) -> FakeAws:
    server.calls.clear()
    server._answers.clear()
    server._times.clear()
    server.page_size = None
    return server


@pytest.fixture
def service(aws: FakeAws) -> GovernanceService:
    return GovernanceService(aws)


@pytest.fixture
def cfn(aws: FakeAws, service: GovernanceService) -> CloudFormation:
    return CloudFormation(aws, service.kind)


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("ComputeQuota", quota(4), quota(8)), ("ClusterSchedulerConfig", policy(90), policy(50))],
)
def test_a_whole_life(aws: FakeAws, kind: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    service = GovernanceService(aws, kind=kind)
    cfn = CloudFormation(aws, kind)
    answer = cfn.run("Create", first)
    assert answer["Data"] == {"Id": service.only.id, "Arn": service.only.arn}
    sent = service.received("Create")[0]
    assert {key: value for key, value in sent.items() if key != "Tags"} == first
    physical_id = cfn.physical_id
    cfn.run("Update", second)
    assert cfn.physical_id == physical_id
    (update,) = service.received("Update")
    assert update["TargetVersion"] == 1
    assert not {"Name", "ClusterArn", "Tags"} & update.keys()
    assert service.only.version == 2
    assert service.only.status == "Updated"
    cfn.run("Delete")
    assert service.items == {}


# ---- what each status means ----

SETTLED = [
    ("Create", "Created", Step.DONE),
    ("Create", "Creating", Step.WAIT),
    ("Create", "CreateFailed", Step.DELETE),
    ("Create", "CreateRollbackFailed", Step.DELETE),
    ("Create", "Deleting", Step.WAIT),
    ("Create", None, Step.CREATE),
    ("Create", "DeleteFailed", Step.FAIL),
    ("Create", "DeleteRollbackFailed", Step.FAIL),
    ("Update", "Updated", Step.DONE),
    ("Update", "Created", Step.DONE),
    ("Update", "Updating", Step.WAIT),
    ("Update", "UpdateFailed", Step.UPDATE),
    ("Update", "UpdateRollbackFailed", Step.FAIL),
    ("Update", "CreateFailed", Step.FAIL),
    ("Update", None, Step.CREATE),
    ("Delete", None, Step.DONE),
    ("Delete", "Deleting", Step.WAIT),
    ("Delete", "Creating", Step.WAIT),
    ("Delete", "Created", Step.DELETE),
    ("Delete", "CreateFailed", Step.DELETE),
    ("Delete", "UpdateRollbackFailed", Step.DELETE),
    ("Delete", "DeleteFailed", Step.DELETE),
    ("Delete", "DeleteRollbackFailed", Step.DELETE),
]


@pytest.mark.parametrize(("event", "status", "step"), SETTLED)
def test_each_status(event: str, status: str | None, step: Step) -> None:
    assert next_step(event, status, up_to_date=True, waited=10.0) is step


@pytest.mark.parametrize(
    ("event", "status"),
    [("Create", "CreateFailed"), ("Create", None), ("Update", "UpdateFailed"), ("Delete", "DeleteRollbackFailed")],
)
def test_failures_that_do_not_pass_are_final_after_a_while(event: str, status: str | None) -> None:
    assert next_step(event, status, up_to_date=True, waited=RETRY_SECONDS) is Step.FAIL


def test_no_status_of_the_service_is_forgotten(cfn: CloudFormation) -> None:
    shape = cfn.client.meta.service_model.shape_for("SchedulerResourceStatus")
    covered = {status for _, status, _ in SETTLED} | {"Deleted"}  # Deleted counts as not existing
    assert set(shape.enum) - covered == set()


def test_an_update_is_not_done_before_its_version_is_there() -> None:
    assert next_step("Update", "Created", up_to_date=False, waited=1.0) is Step.WAIT


# ---- what passes ----


def test_a_failed_create_is_deleted_and_repeated(service: GovernanceService, cfn: CloudFormation) -> None:
    service.outcomes = ["CreateFailed", "Deleted", "CreateRollbackFailed", "Deleted", "Created"]
    cfn.run("Create", quota())
    assert len(service.received("Create")) == 3
    assert service.only.status == "Created"


def test_an_update_that_failed_is_tried_again(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota(4))
    service.outcomes = ["UpdateFailed", "Updated"]
    cfn.run("Update", quota(8))
    assert [update["TargetVersion"] for update in service.received("Update")] == [1, 2]
    assert service.only.status == "Updated"


def test_a_deletion_that_failed_is_tried_again(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota())
    service.outcomes = ["DeleteFailed", "Deleted"]
    cfn.run("Delete")
    assert service.items == {}


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "ServiceUnavailable"])
@pytest.mark.parametrize("verb", ["Create", "Update", "List", "Describe", "Delete"])
def test_faults_of_the_service_pass(aws: FakeAws, service: GovernanceService, verb: str, code: str) -> None:
    cfn = CloudFormation(aws, service.kind)
    operation = "ListComputeQuotas" if verb == "List" else f"{verb}ComputeQuota"
    cfn.run("Create", quota(4)) if verb != "Create" else None
    aws.fail("sagemaker", operation, code, status=400 if "Throttling" in code else 500, times=3)
    if verb in ("Create", "List", "Describe"):
        cfn.run("Create" if verb == "Create" else "Update", quota(8))
    else:
        cfn.run(verb, quota(8) if verb == "Update" else None)
    assert len(service.items) == (0 if verb == "Delete" else 1)


def test_another_update_at_the_same_time_is_waited_for(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota(4))
    service._move(service.only, "Updating", "Updated")  # a rival's
    service.only.version = 7
    cfn.run("Update", quota(8))
    assert service.received("Update")[-1]["TargetVersion"] == 7
    assert len(service.received("Update")) > 1
    assert service.only.request["ComputeQuotaConfig"]["ComputeQuotaResources"][0]["Count"] == 8


def test_a_cluster_that_is_busy_is_waited_for(aws: FakeAws, service: GovernanceService, cfn: CloudFormation) -> None:
    aws.fail("sagemaker", "CreateComputeQuota", "ConflictException", "another operation is in progress", times=2)
    cfn.run("Create", quota())
    assert len(service.received("Create")) == 3


# ---- what does not ----


def test_a_final_failure_states_the_reason_and_the_fix(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota(4))
    service.outcomes = ["UpdateRollbackFailed"]
    with pytest.raises(GovernanceError) as failure:
        cfn.run("Update", quota(8))
    text = str(failure.value)
    assert "ComputeQuota 'vision-quota' is UpdateRollbackFailed after" in text
    assert "the webhook did not answer; delete and recreate it" in text
    assert not service.received("Delete"), "a quota that worked is never deleted for a repair"


def test_limits_are_reported_at_once(aws: FakeAws, service: GovernanceService, cfn: CloudFormation) -> None:
    aws.fail("sagemaker", "CreateComputeQuota", "ResourceLimitExceeded", "too many quotas")
    with pytest.raises(GovernanceError, match=r"'vision-quota': too many quotas \(ResourceLimitExceeded\)"):
        cfn.begin("Create", quota())
    assert len(service.received("Create")) == 1


def test_a_service_that_never_settles_ends_with_a_reason(service: GovernanceService, cfn: CloudFormation) -> None:
    service.polls_to_settle = 10_000
    with pytest.raises(GovernanceError, match="is Creating after 1500 s"):
        cfn.run("Create", quota())
    assert cfn.clock.time - 1_000_000 < TIMEOUT_SECONDS + 60


def test_a_request_that_the_model_does_not_allow_never_leaves(service: GovernanceService, cfn: CloudFormation) -> None:
    broken = quota() | {"ActivationState": {"no": "text"}}
    with pytest.raises(Exception, match="Invalid type for parameter ActivationState"):
        cfn.begin("Create", broken)
    assert not service.received("Create")


# ---- deliveries, owners, deleted quotas ----


def test_an_event_delivered_twice_makes_one(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.begin("Create", quota())
    cfn.run("Create", quota())
    assert len(service.items) == 1
    assert len(service.received("Create")) == 1


def test_a_lost_response_creates_no_second_object(
    aws: FakeAws, service: GovernanceService, cfn: CloudFormation
) -> None:
    create = service._create

    def lose_response(request: dict[str, Any]) -> dict[str, Any]:
        create(request)
        aws.on("sagemaker", "CreateComputeQuota", create)
        from fake_aws import AwsFault

        raise AwsFault("InternalFailure", "the connection broke", 500)

    aws.on("sagemaker", "CreateComputeQuota", lose_response)
    cfn.run("Create", quota())
    assert len(service.items) == 1


def test_another_owners_quota_is_not_adopted(service: GovernanceService, cfn: CloudFormation) -> None:
    before = service.put(quota(1), tags={"aws:cloudformation:stack-name": "Theirs"})
    with pytest.raises(GovernanceError) as refusal:
        cfn.begin("Create", quota())
    assert str(refusal.value) == (
        f"ComputeQuota 'vision-quota' ({before.id}) already exists and was not created by this library (it seems to belong "
        "to the CloudFormation stack Theirs). To manage it here and keep it when this resource is deleted, set adopt to "
        "true; otherwise delete it, or use another name."
    )
    assert (before.version, len(before.tags)) == (1, 1)


def test_another_owners_quota_is_not_deleted(service: GovernanceService, cfn: CloudFormation) -> None:
    service.put(quota(1), tags={})
    cfn.properties, cfn.physical_id = cfn.properties_of(quota()), f"{CLUSTER}/ComputeQuota/vision-quota/vision"
    cfn.run("Delete")
    assert len(service.items) == 1


def test_deleting_a_deleted_object_succeeds(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota())
    service.items.clear()
    cfn.run("Delete")
    assert not service.received("Delete")


def test_deleting_on_a_deleted_cluster_succeeds(aws: FakeAws, service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota())
    aws.fail("sagemaker", "ListComputeQuotas", "ResourceNotFound", "no such cluster")
    cfn.run("Delete")


def test_a_quota_that_is_deleted_between_reading_and_deleting(
    aws: FakeAws, service: GovernanceService, cfn: CloudFormation
) -> None:
    cfn.run("Create", quota())

    def not_found(request: dict[str, Any]) -> dict[str, Any]:
        service.items.clear()
        from fake_aws import AwsFault

        raise AwsFault("ResourceNotFound")

    aws.on("sagemaker", "DeleteComputeQuota", not_found)
    cfn.run("Delete")


def test_updating_a_deleted_object_recreates_it(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota(4))
    service.items.clear()
    cfn.run("Update", quota(8))
    assert service.only.request["ComputeQuotaConfig"]["ComputeQuotaResources"][0]["Count"] == 8


def test_another_name_is_a_replacement(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota())
    before, properties = cfn.physical_id, cfn.properties
    cfn.run("Update", quota(name="vision-quota-2"))
    assert cfn.physical_id != before
    assert {item.request["Name"] for item in service.items.values()} == {"vision-quota", "vision-quota-2"}
    cfn.physical_id, cfn.properties = before, properties
    cfn.run("Delete")  # CloudFormation's clean-up of the former
    assert service.only.request["Name"] == "vision-quota-2"


def test_tags_follow(service: GovernanceService, cfn: CloudFormation) -> None:
    cfn.run("Create", quota() | {"Tags": [{"Key": "cost", "Value": "a"}, {"Key": "old", "Value": "x"}]})
    cfn.run("Update", quota() | {"Tags": [{"Key": "cost", "Value": "b"}]})
    tags = dict(service.only.tags)
    (mark,) = owners(tags)
    assert tags.pop(mark.tag_key) == "Addons/Quota"
    assert tags == {"cost": "b"}


def test_objects_of_the_former_version_are_updated_and_deleted(service: GovernanceService, cfn: CloudFormation) -> None:
    existing = service.put(quota(1), tags={LEGACY_TAG: legacy_digest(STACK, "Quota")})
    cfn.properties, cfn.physical_id = cfn.properties_of(quota(1)), f"{CLUSTER}/ComputeQuota/vision-quota/vision"
    cfn.run("Update", quota(8))
    assert LEGACY_TAG not in existing.tags
    assert [o.name for o in owners(existing.tags)] == ["Addons/Quota"]
    cfn.run("Delete")
    assert not service.items


def test_many_pages_are_read(aws: FakeAws, service: GovernanceService, cfn: CloudFormation) -> None:
    for number in range(5):
        service.put(quota(name=f"vision-quota-{number}"))
    aws.page_size = 2
    cfn.run("Create", quota())
    assert len(service.received("Create")) == 1
    cfn.run("Delete")
    assert len(service.items) == 5
