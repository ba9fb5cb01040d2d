"""The function that checks the live cluster before CloudFormation changes it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from hyperpod_constructs.handlers.cluster.index import Refused, answer

ARN = "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl"
EKS = "arn:aws:eks:us-west-2:111122223333:cluster/eks"
PROPERTIES: dict[str, Any] = {
    "StackId": "arn:aws:cloudformation:us-west-2:111122223333:stack/s/1",
    "LogicalId": "HyperPod",
    "AllowReplacement": "false",
    "Subnets": ["subnet-a", "subnet-b"],
    "SecurityGroupIds": ["sg-1"],
    "EksClusterArn": EKS,
    "Groups": [{"Name": "workers", "Count": "4"}, {"Name": "new", "Count": "1"}],
}
LIVE: dict[str, Any] = {
    "ClusterName": "live",
    "VpcConfig": {"Subnets": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-1"]},
    "Orchestrator": {"Eks": {"ClusterArn": EKS}},
    "InstanceGroups": [{"InstanceGroupName": "workers", "TargetCount": 9, "CurrentCount": 7}],
}


def error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Aws:
    """Both clients: a stack with or without the cluster."""

    def __init__(self, live: Any = LIVE, resource: Any = None) -> None:
        self.live = live
        self.resource = {"PhysicalResourceId": ARN} if resource is None else resource
        self.refusals: list[ClientError] = []
        self.slept: list[float] = []

    def describe_stack_resource(self, **request: str) -> dict[str, Any]:
        assert request == {"StackName": PROPERTIES["StackId"], "LogicalResourceId": "HyperPod"}
        if isinstance(self.resource, Exception):
            raise self.resource
        return {"StackResourceDetail": self.resource}

    def describe_cluster(self, *, ClusterName: str) -> dict[str, Any]:
        assert ClusterName == ARN
        if self.refusals:
            raise self.refusals.pop()
        if isinstance(self.live, Exception):
            raise self.live
        return self.live


def send(aws: Aws, *, kind: str = "Update", old: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    event = {"RequestType": kind, "ResourceProperties": {**PROPERTIES, **changes}, "OldResourceProperties": old or {}}
    return answer(event, cloudformation=aws, sagemaker=aws, sleep=aws.slept.append)


def test_live_counts_win_and_a_new_group_starts_with_the_configs():
    assert send(Aws())["Data"] == {"Count0": 9, "Count1": 1}


SHARED, WORKERS = "arn:aws:iam::111122223333:role/shared", "arn:aws:iam::111122223333:role/workers"
WITH_ROLE = {**LIVE, "InstanceGroups": [{**LIVE["InstanceGroups"][0], "ExecutionRole": SHARED}]}


def test_the_execution_role_of_a_live_group_is_not_changed():
    roles = [{"Name": "workers", "Role": WORKERS}, {"Name": "new", "Role": WORKERS}]
    with pytest.raises(Refused) as error:
        send(Aws(live=WITH_ROLE), Roles=roles)
    assert str(error.value) == (
        f"The execution role of an instance group cannot be changed: workers from {SHARED} to {WORKERS}. "
        "Keep `execution_roles: shared` (or the execution_role_arn) of the cluster, or create a group with a new name and "
        "delete the old one."
    )
    assert send(Aws(live=WITH_ROLE), Roles=roles, AllowReplacement="true")["Data"]


def test_the_same_execution_role_and_that_of_a_new_group_pass():
    roles = [{"Name": "workers", "Role": SHARED}, {"Name": "new", "Role": WORKERS}]
    assert send(Aws(live=WITH_ROLE), Roles=roles)["Data"] == {"Count0": 9, "Count1": 1}


def test_a_raised_minimum_is_reached():
    groups = [{"Name": "workers", "Count": "4", "MinCount": "12"}]
    assert send(Aws(), Groups=groups)["Data"] == {"Count0": 12}


@pytest.mark.parametrize(
    "aws",
    [
        Aws(resource=error("ValidationError", "Resource HyperPod does not exist for stack s")),
        Aws(resource={"ResourceStatus": "CREATE_IN_PROGRESS"}),
        Aws(live=error("ResourceNotFound", "gone")),
    ],
    ids=["not in the stack yet", "no physical id yet", "deleted"],
)
def test_without_a_live_cluster_the_config_counts(aws: Aws):
    assert send(aws, kind="Create")["Data"] == {"Count0": 4, "Count1": 1}


@pytest.mark.parametrize("failing", ["describe_stack_resource", "describe_cluster"])
def test_an_unanswered_question_fails_instead_of_undoing_the_scaling(failing: str):
    throttled = error("ThrottlingException", "Rate exceeded")
    aws = Aws(resource=throttled) if failing == "describe_stack_resource" else Aws(live=throttled)
    with pytest.raises(ClientError, match="Rate exceeded"):
        send(aws)
    assert 30 < sum(aws.slept) < 100  # within the function's two minutes


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "ThrottlingException"])
def test_a_temporary_rejection_is_retried(code: str):
    aws = Aws()
    aws.refusals = [error(code, "not yet")] * 3
    assert send(aws)["Data"] == {"Count0": 9, "Count1": 1}
    assert aws.slept == [1.0, 2.0, 4.0]


def test_a_permanent_rejection_fails_immediately():
    aws = Aws(live=error("ValidationException", "no"))
    with pytest.raises(ClientError, match="no"):
        send(aws)
    assert aws.slept == []


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ({"Subnets": ["subnet-a"]}, "VpcConfig.Subnets subnet-a, subnet-b would become subnet-a"),
        ({"SecurityGroupIds": ["sg-2"]}, "VpcConfig.SecurityGroupIds sg-1 would become sg-2"),
        ({"EksClusterArn": EKS + "2"}, "Orchestrator.Eks.ClusterArn"),
        ({"ClusterName": "other"}, "ClusterName live would become other"),
    ],
)
def test_a_replacing_edit_is_rejected_unless_allowed(edit: dict[str, Any], text: str):
    with pytest.raises(Refused, match=text) as error:
        send(Aws(), **edit)
    assert "allow_cluster_replacement" in str(error.value)
    assert send(Aws(), AllowReplacement="true", **edit)["Data"]["Count0"] == 9


def test_taking_an_explicit_name_away_is_a_replacement_too():
    with pytest.raises(Refused, match="would become a name that CloudFormation generates"):
        send(Aws(), old={"ClusterName": "live"})


def test_the_rollback_of_a_rejected_edit_passes():
    rejected = {**PROPERTIES, "Subnets": ["subnet-z"], "ClusterName": "other"}
    assert send(Aws(), old=rejected)["PhysicalResourceId"] == "HyperPod-guard"


def test_deletion_sends_no_request_and_returns_the_given_id():
    aws = Aws(live=error("AccessDenied", "no"), resource=error("AccessDenied", "no"))
    event = {"RequestType": "Delete", "ResourceProperties": PROPERTIES, "PhysicalResourceId": "Platform-Guard-1A2B3C"}
    assert answer(event, cloudformation=aws, sagemaker=aws) == {"PhysicalResourceId": "Platform-Guard-1A2B3C"}


SYSTEMS = [{"Name": "data", "LogicalId": "StorageData", "SubnetId": "subnet-b"}]


class Fsx:
    """File systems in subnets; the stack created one of them."""

    def __init__(self, **subnets: str) -> None:
        self.subnets = subnets

    def describe_stack_resource(self, *, StackName: str, LogicalResourceId: str) -> dict[str, Any]:
        if LogicalResourceId == "HyperPod":
            return {"StackResourceDetail": {"PhysicalResourceId": ARN}}
        if not self.subnets:
            raise error("ValidationError", f"Resource {LogicalResourceId} does not exist for stack s")
        return {"StackResourceDetail": {"PhysicalResourceId": "fs-1"}}

    def describe_cluster(self, **_: str) -> dict[str, Any]:
        return LIVE

    def describe_file_systems(self, FileSystemIds: list[str]) -> dict[str, Any]:
        if FileSystemIds[0] not in self.subnets.get("live", ""):
            raise error("FileSystemNotFound", "File system does not exist")
        return {"FileSystems": [{"SubnetIds": [self.subnets["subnet"]]}]}


def with_systems(fsx: Fsx, kind: str = "Update") -> dict[str, Any]:
    event = {
        "RequestType": kind,
        "ResourceProperties": {**PROPERTIES, "FileSystems": SYSTEMS},
        "OldResourceProperties": {},
    }
    return answer(event, cloudformation=fsx, sagemaker=fsx, fsx=fsx, sleep=lambda _: None)


def test_a_file_system_does_not_move_with_the_groups_that_it_follows():
    with pytest.raises(Refused, match=r"data \(fs-1\) from subnet-a to subnet-b.* Set availability_zone_id"):
        with_systems(Fsx(live="fs-1", subnet="subnet-a"))


def test_a_file_system_that_stays_passes_and_so_does_the_rollback():
    assert with_systems(Fsx(live="fs-1", subnet="subnet-b"))["PhysicalResourceId"] == "HyperPod-guard"


def test_file_systems_that_do_not_exist_do_not_matter():
    assert with_systems(Fsx(), "Create")["PhysicalResourceId"] == "HyperPod-guard"
    assert with_systems(Fsx(live="fs-2", subnet="subnet-a"))["PhysicalResourceId"] == "HyperPod-guard"
