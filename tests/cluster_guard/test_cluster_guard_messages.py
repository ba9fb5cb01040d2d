"""The cluster guard: its requests to AWS, its exact error messages, and the counts that it returns."""

from __future__ import annotations

import logging
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from function_logs import level_after_import

from hyperpod_constructs.handlers.cluster import index
from hyperpod_constructs.handlers.cluster.index import (
    Refused,
    answer,
    changed_roles,
    counts,
    live_cluster,
    moved,
    replacing,
)
from hyperpod_constructs.handlers.shared import refusals
from hyperpod_constructs.handlers.shared.refusals import until_allowed

Json = dict[str, Any]
ARN, EKS = "arn:aws:sagemaker:us-west-2:111122223333:cluster/abc", "arn:aws:eks:us-west-2:111122223333:cluster/research"
PROPERTIES: Json = {
    "StackId": "stack", "LogicalId": "HyperPod", "EksClusterArn": EKS, "Subnets": ["subnet-a", "subnet-b"],
    "SecurityGroupIds": ["sg-1"], "AllowReplacement": "false",
}  # fmt: skip
LIVE: Json = {
    "ClusterName": "live", "Orchestrator": {"Eks": {"ClusterArn": EKS}},
    "VpcConfig": {"Subnets": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-1"]},
}  # fmt: skip


def error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Aws:
    """The three services: the response or error of each call, and the recorded requests."""

    def __init__(self, resource: Any = None, live: Any = LIVE, systems: Any = None) -> None:
        self.answers = {
            "stack": {"PhysicalResourceId": ARN} if resource is None else resource, "cluster": live, "systems": systems
        }  # fmt: skip
        self.requests: list[Json] = []

    def _answer(self, name: str, request: Json) -> Any:
        self.requests.append(request)
        found = self.answers[name]
        if isinstance(found, Exception):
            raise found
        return found

    def describe_stack_resource(self, **request: str) -> Json:
        return {"StackResourceDetail": self._answer("stack", request)}

    def describe_cluster(self, **request: str) -> Any:
        return self._answer("cluster", request)

    def describe_file_systems(self, **request: Any) -> Json:
        return {"FileSystems": self._answer("systems", request)}


def send(aws: Aws, old: Json | None = None, **changes: Any) -> Json:
    event: Json = {"RequestType": "Update", "ResourceProperties": {**PROPERTIES, **changes}}
    event |= {"OldResourceProperties": old} if old is not None else {}
    return answer(event, cloudformation=aws, sagemaker=aws, fsx=aws, sleep=lambda _: None)


def test_the_function_logs_at_info() -> None:
    assert level_after_import("hyperpod_constructs.handlers.cluster.index") == logging.INFO


def test_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "client", lambda name: name)
    monkeypatch.setattr(index, "answer", lambda event, **clients: {"event": event, **clients})
    assert index.on_event({"a": 1}, None) == {
        "event": {"a": 1}, "cloudformation": "cloudformation", "sagemaker": "sagemaker", "fsx": "fsx"
    }  # fmt: skip


def test_an_answer() -> None:
    aws = Aws()
    assert send(aws) == {"PhysicalResourceId": "HyperPod-guard", "Data": {}}
    assert aws.requests == [{"StackName": "stack", "LogicalResourceId": "HyperPod"}, {"ClusterName": ARN}]


CHANGES: list[tuple[Json, Json, Json, list[str]]] = [
    ({}, {}, {}, []),
    (
        {"Subnets": ["subnet-a", "subnet-c"]},
        {},
        {},
        [
            "VpcConfig.Subnets subnet-a, subnet-b would become subnet-a, subnet-c (to keep the subnets, list their zone IDs "
            "in network.control_plane_zone_ids, or the subnets in cluster_subnets of HyperPodCluster)"
        ],
    ),
    ({"SecurityGroupIds": ["sg-2"]}, {}, {}, ["VpcConfig.SecurityGroupIds sg-1 would become sg-2"]),
    ({"EksClusterArn": "other"}, {}, {}, [f"Orchestrator.Eks.ClusterArn {EKS} would become other"]),
    ({}, {}, {"Orchestrator": {}}, [f"Orchestrator.Eks.ClusterArn None would become {EKS}"]),
    ({"Subnets": ["x"], "SecurityGroupIds": ["y"]}, {}, {"VpcConfig": {}}, []),
    ({"ClusterName": "live"}, {}, {}, []),
    ({"ClusterName": "other"}, {}, {}, ["ClusterName live would become other"]),
    ({"ClusterName": "live"}, {"ClusterName": "live"}, {}, []),
    ({}, {"ClusterName": "live"}, {}, ["ClusterName live would become a name that CloudFormation generates"]),
    ({}, {"ClusterName": "other"}, {}, []),
]


@pytest.mark.parametrize(("changes", "old", "live", "expected"), CHANGES)
def test_what_replaces_the_cluster(changes: Json, old: Json, live: Json, expected: list[str]) -> None:
    assert replacing({**PROPERTIES, **changes}, old, {**LIVE, **live}) == expected


def test_a_replacement_is_rejected_with_all_reasons() -> None:
    edit: Json = {"EksClusterArn": "other", "ClusterName": "new"}
    with pytest.raises(Refused) as error:
        send(Aws(), **edit)
    assert str(error.value) == (
        f"This edit replaces the HyperPod cluster live with all its nodes: Orchestrator.Eks.ClusterArn {EKS} would become "
        "other; ClusterName live would become new. Revert the edit, or confirm it with `allow_cluster_replacement: true` "
        "(allow_replacement=True of HyperPodCluster)."
    )
    assert send(Aws(), **edit, AllowReplacement="true")
    with pytest.raises(Refused, match="a name that CloudFormation generates"):
        send(Aws(), old={"ClusterName": "live"})


ROLE, OTHER = "arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"


@pytest.mark.parametrize(
    ("kind", "new_role", "role", "expected"),
    [
        ("InstanceGroups", ROLE, ROLE, []),
        ("InstanceGroups", None, OTHER, []),
        ("InstanceGroups", ROLE, OTHER, [f"g from {ROLE} to {OTHER}"]),
        ("RestrictedInstanceGroups", ROLE, OTHER, [f"g from {ROLE} to {OTHER}"]),
        ("InstanceGroups", "", OTHER, [f"g from  to {OTHER}"]),
    ],
)
def test_changed_roles(kind: str, new_role: str | None, role: str, expected: list[str]) -> None:
    live = {kind: [{"InstanceGroupName": "g", **({"ExecutionRole": new_role} if new_role is not None else {})}]}
    assert changed_roles([{"Name": "g", "Role": role}, {"Name": "new", "Role": role}], live) == expected


def test_all_changed_roles_are_named() -> None:
    groups = [{"InstanceGroupName": name, "ExecutionRole": ROLE} for name in "gh"]
    with pytest.raises(Refused) as error:
        send(Aws(live={**LIVE, "InstanceGroups": groups}), Roles=[{"Name": name, "Role": OTHER} for name in "gh"])
    assert str(error.value) == (
        f"The execution role of an instance group cannot be changed: g from {ROLE} to {OTHER}; h from "
        f"{ROLE} to {OTHER}. Keep `execution_roles: shared` (or the execution_role_arn) of the cluster, or create a "
        "group with a new name and delete the old one."
    )


NONE = error("ValidationError", "Resource HyperPod does not exist for stack s")


@pytest.mark.parametrize(
    ("aws", "expected"),
    [
        (Aws(), LIVE),
        (Aws(resource=NONE), None),
        (Aws(resource={}), None),
        (Aws(resource={"PhysicalResourceId": ""}), None),
        (Aws(live=error("ResourceNotFound")), None),
        (Aws(live=error("ResourceNotFoundException")), None),
        (Aws(live=error("Throttling")), "Throttling"),
        (Aws(resource=error("Throttling")), "Throttling"),
        (Aws(live=ClientError({}, "DescribeCluster")), "Unknown"),
    ],
)
def test_the_live_cluster(aws: Aws, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(ClientError, match=expected):
            live_cluster(PROPERTIES, aws, aws)
    else:
        assert live_cluster(PROPERTIES, aws, aws) == expected


SYSTEM = {"Name": "data", "LogicalId": "Data", "SubnetId": "subnet-b"}


@pytest.mark.parametrize(
    ("aws", "expected"),
    [
        (Aws({"PhysicalResourceId": "fs-1"}, systems=[{"SubnetIds": ["subnet-b"]}]), []),
        (Aws({"PhysicalResourceId": "fs-1"}, systems=[{"SubnetIds": ["subnet-a", "subnet-b"]}]), []),
        (Aws({"PhysicalResourceId": "fs-1"}, systems=[{"SubnetIds": []}]), []),
        (
            Aws({"PhysicalResourceId": "fs-1"}, systems=[{"SubnetIds": ["subnet-c", "subnet-a"]}]),
            ["data (fs-1) from subnet-a, subnet-c to subnet-b"],
        ),
        (Aws(NONE), []),
        (Aws({"PhysicalResourceId": "fs-1"}, systems=error("FileSystemNotFound")), []),
        (Aws({"PhysicalResourceId": "fs-1"}, systems=error("InternalServerError")), "InternalServerError"),
    ],
)
def test_file_systems_that_move(aws: Aws, expected: Any) -> None:
    properties = {**PROPERTIES, "FileSystems": [SYSTEM, SYSTEM]}
    if isinstance(expected, str):
        with pytest.raises(ClientError, match=expected):
            moved(properties, aws, aws)
        return
    assert moved(properties, aws, aws) == expected * 2
    assert aws.requests[0] == {"StackName": "stack", "LogicalResourceId": "Data"}
    assert len(aws.requests) < 3 or aws.requests[1] == {"FileSystemIds": ["fs-1"]}
    assert moved(PROPERTIES, aws, aws) == []


def test_file_systems_that_move_are_rejected() -> None:
    class Moving(Aws):
        def describe_stack_resource(self, **request: str) -> Json:
            id = ARN if request["LogicalResourceId"] == "HyperPod" else "fs-1"
            return {"StackResourceDetail": {"PhysicalResourceId": id}}

    systems = [SYSTEM, {**SYSTEM, "Name": "more"}]
    with pytest.raises(Refused) as error:
        send(Moving(systems=[{"SubnetIds": ["subnet-a"]}]), FileSystems=systems, AllowReplacement="true")
    assert str(error.value) == (
        "This edit moves file systems, which replaces them with new, empty ones: data (fs-1) from subnet-a to subnet-b; "
        "more (fs-1) from subnet-a to subnet-b. Without availability_zone_id, a file system is in the zone of the first "
        "accelerated instance group, or in the first zone. Set availability_zone_id of the file system to its current zone, "
        "or to the new zone if a new file system is intended."
    )


@pytest.mark.parametrize(
    ("group", "live", "count"),
    [
        ({"Name": "g", "Count": "4"}, None, 4),
        ({"Name": "g", "Count": "4"}, {}, 4),
        ({"Name": "g", "Count": "4"}, {"InstanceGroups": [{"InstanceGroupName": "g", "TargetCount": 9}]}, 9),
        ({"Name": "g", "Count": "4"}, {"InstanceGroups": [{"InstanceGroupName": "g", "TargetCount": 0}]}, 0),
        (
            {"Name": "g", "Count": "4", "MinCount": "2"},
            {"InstanceGroups": [{"InstanceGroupName": "g", "TargetCount": 1}]},
            2,
        ),
        (
            {"Name": "g", "Count": "4", "MinCount": "2"},
            {"InstanceGroups": [{"InstanceGroupName": "g", "TargetCount": 3}]},
            3,
        ),
        ({"Name": "other", "Count": "4"}, {"InstanceGroups": [{"InstanceGroupName": "g", "TargetCount": 9}]}, 4),
    ],
)
def test_counts(group: Json, live: Json | None, count: int) -> None:
    assert counts([group, group], live) == {"Count0": count, "Count1": count}


def test_counts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counts([{"Name": "g", "Count": "4", "MinCount": "5"}], None)
    assert caplog.messages == ["g: 5 (count in the config: 4)"]


# Transient errors.


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "403", "Throttling", "ThrottlingException", "SlowDown"]
)
def test_transient_errors_are_repeated_for_47_seconds(code: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pauses: list[float] = []
    errors = [error(code) for _ in range(6)]

    def call() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert until_allowed(call, pauses.append) == "done"
    assert pauses == [1, 2, 4, 8, 16, 16]
    message = f"An error occurred ({code}) when calling the Operation operation: no"
    assert caplog.messages[0] == f"rejected, next attempt in 1.0 s: {message}"
    assert len(caplog.messages) == 6
    errors = [error(code) for _ in range(7)]
    with pytest.raises(ClientError, match=code):
        until_allowed(call, pauses.append)


def test_other_errors_are_raised_at_once() -> None:
    def call() -> None:
        raise ClientError({}, "Operation")

    with pytest.raises(ClientError, match="Unknown"):
        until_allowed(call, lambda _: pytest.fail("waited"))
    assert refusals.log.name.endswith("refusals")
