"""The dashboards handler against local AWS and a local Grafana, with faults; no service account outlives an event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fake_aws import AwsFault, FakeAws

from hyperpod_constructs.core.dashboards import dashboards
from hyperpod_constructs.handlers.grafana.index import RETRY_SECONDS, GrafanaError, handle

WORKSPACE = "g-0123456789"
SOURCE = {"uid": "hyperpod", "name": "HyperPod", "type": "prometheus"}
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Grafana:
    """Grafana's API, and the part of AWS that lets somebody in."""

    aws: FakeAws
    boards: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    faults: list[int] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        workspace = {
            "id": WORKSPACE,
            "endpoint": f"{WORKSPACE}.grafana-workspace.us-west-2.amazonaws.com",
            "authentication": {"providers": ["AWS_SSO"]},
            "created": _DAY,
            "modified": _DAY,
            "dataSources": [],
            "grafanaVersion": "10.4",
            "status": "ACTIVE",
        }
        self.aws.on("grafana", "DescribeWorkspace", {"workspace": workspace})
        self.aws.on("grafana", "CreateWorkspaceServiceAccount", self._create)
        self.aws.on("grafana", "CreateWorkspaceServiceAccountToken", self._token)
        self.aws.on("grafana", "DeleteWorkspaceServiceAccount", self._delete)

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        self.accounts.add(str(self.made))
        role = asked["grafanaRole"]
        return {"id": str(self.made), "name": asked["name"], "grafanaRole": role, "workspaceId": WORKSPACE}

    def _token(self, asked: dict[str, Any]) -> dict[str, Any]:
        token = {"id": "1", "name": asked["name"], "key": f"key-{asked['serviceAccountId']}"}
        return {
            "serviceAccountToken": token,
            "serviceAccountId": asked["serviceAccountId"],
            "workspaceId": WORKSPACE,
        }

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.accounts.discard(asked["serviceAccountId"])
        return {"serviceAccountId": asked["serviceAccountId"], "workspaceId": WORKSPACE}

    def http(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        assert headers["Authorization"].removeprefix("Bearer key-") in self.accounts
        if self.faults:
            fault = self.faults.pop(0)
            if fault == 0:
                raise OSError("connection refused")
            return fault, b'{"message":"no"}'
        path = url.partition(".amazonaws.com")[2]
        content = json.loads(body) if body else {}
        uid = path.rpartition("/")[2]
        match method, path:
            case "GET", _:
                return (200, b"{}") if uid in self.sources else (404, b"{}")
            case "POST", "/api/datasources":
                self.sources[content["uid"]] = content
            case "PUT", _:
                self.sources[uid] = content
            case "POST", "/api/dashboards/db":
                assert content["overwrite"] is True
                self.boards[content["dashboard"]["uid"]] = content["dashboard"]
            case "DELETE", _:
                return (200, b"{}") if self.boards.pop(uid, None) else (404, b"{}")
        return 200, b"{}"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    """One server and one client for all tests: making a client takes longer than a test."""
    with FakeAws() as aws:
        aws.client = aws.session().client("grafana")  # type: ignore[attr-defined]
        yield aws


@pytest.fixture
def grafana(server: FakeAws) -> Grafana:
    server.calls.clear()
    server._answers.clear()
    return Grafana(server)


def properties(boards: list[dict[str, Any]], workspace: str = WORKSPACE) -> dict[str, str]:
    return {"WorkspaceId": workspace, "DataSource": json.dumps(SOURCE), "Dashboards": json.dumps(boards)}


def run(grafana: Grafana, type_: str, new: dict[str, str], old: dict[str, str] | None = None) -> dict[str, Any]:
    event: dict[str, Any] = {"RequestType": type_, "LogicalResourceId": "Boards", "ResourceProperties": new}
    if old is not None:
        event["OldResourceProperties"] = old
    client = grafana.aws.client  # type: ignore[attr-defined]
    return handle(event, client, grafana.http, FakeClock())  # type: ignore[arg-type]


BOARDS = list(dashboards().values())


def test_a_whole_life(grafana: Grafana) -> None:
    answer = run(grafana, "Create", properties(BOARDS))
    assert answer["PhysicalResourceId"] == f"{WORKSPACE}/dashboards"
    assert grafana.boards.keys() == {board["uid"] for board in BOARDS}
    assert grafana.sources["hyperpod"]["type"] == "prometheus"
    grafana.boards["theirs"] = {}
    run(grafana, "Update", properties(BOARDS[:2]), properties(BOARDS))
    assert grafana.boards.keys() == {BOARDS[0]["uid"], BOARDS[1]["uid"], "theirs"}
    run(grafana, "Delete", properties(BOARDS[:2]))
    assert grafana.boards.keys() == {"theirs"}, "what is not ours stays"
    assert grafana.accounts == set()


def test_each_event_may_come_twice(grafana: Grafana) -> None:
    run(grafana, "Create", properties(BOARDS))
    run(grafana, "Create", properties(BOARDS))
    assert len(grafana.boards) == len(BOARDS)
    run(grafana, "Delete", properties(BOARDS))
    run(grafana, "Delete", properties(BOARDS))
    assert grafana.boards == {}


@pytest.mark.parametrize("fault", [0, 429, 500, 503])
def test_what_passes_is_tried_again(grafana: Grafana, fault: int) -> None:
    grafana.faults = [fault, fault, fault]
    run(grafana, "Create", properties(BOARDS))
    assert len(grafana.boards) == len(BOARDS)


def test_refusals_are_told_and_leave_no_account(grafana: Grafana) -> None:
    grafana.faults = [403]
    with pytest.raises(GrafanaError, match=r'Grafana answers 403 to GET /api/datasources/uid/hyperpod: .*"no"'):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == set()


def test_a_grafana_that_never_answers_ends(grafana: Grafana) -> None:
    grafana.faults = [503] * int(RETRY_SECONDS)
    with pytest.raises(GrafanaError, match="answers 503"):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == set()


def test_a_token_that_is_refused_leaves_no_account(grafana: Grafana) -> None:
    grafana.aws.fail("grafana", "CreateWorkspaceServiceAccountToken", "AccessDeniedException", status=403)
    with pytest.raises(ClientError):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == set()


def test_the_token_lives_ten_minutes(grafana: Grafana) -> None:
    run(grafana, "Create", properties(BOARDS))
    (asked,) = grafana.aws.asked("grafana", "CreateWorkspaceServiceAccountToken")
    assert asked["secondsToLive"] == 600


def test_deleting_in_a_workspace_that_is_gone_is_done(grafana: Grafana) -> None:
    def gone(asked: dict[str, Any]) -> dict[str, Any]:
        raise AwsFault("ResourceNotFoundException", "no such workspace", 404)

    grafana.aws.on("grafana", "DescribeWorkspace", gone)
    run(grafana, "Delete", properties(BOARDS))
    with pytest.raises(ClientError):
        run(grafana, "Create", properties(BOARDS))
