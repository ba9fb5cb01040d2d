"""The dashboards handler against local AWS and a local Grafana, with faults; no service account outlives an event."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudformation import FAILS, Cloud, Delivery, Killed, Provider, Resource, Stack
from fake_aws import AwsFault, FakeAws
from grafana_server import WORKSPACE, FakeClock, Grafana
from trickle import slow_server

from hyperpod_constructs.core.dashboards import dashboards
from hyperpod_constructs.handlers.grafana.api import LONGEST_SECONDS, requests
from hyperpod_constructs.handlers.grafana.index import GrafanaError, handle
from hyperpod_constructs.handlers.shared.clock import Clock

SOURCE = {"uid": "hyperpod", "name": "HyperPod", "type": "prometheus", "url": "https://aps/ws-1", "isDefault": True}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAws]:
    """One server and one client for all tests, because creating a client takes longer than a test."""
    with FakeAws() as aws:
        aws.client = aws.session().client("grafana")  # type: ignore[attr-defined]
        yield aws


@pytest.fixture
def grafana(server: FakeAws) -> Grafana:
    server.calls.clear()
    server._answers.clear()
    return Grafana(server)


def properties(boards: list[dict[str, Any]], workspace: str = WORKSPACE) -> dict[str, str]:
    return {
        "WorkspaceId": workspace,
        "DataSource": json.dumps(SOURCE),
        "Dashboards": json.dumps(boards),
        "Marks": "tags",
    }


def run(grafana: Grafana, type_: str, new: dict[str, str], old: dict[str, str] | None = None) -> dict[str, Any]:
    event: dict[str, Any] = {
        "RequestType": type_,
        "StackId": "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a",
        "LogicalResourceId": "Boards",
        "ResourceProperties": new,
    }
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
    assert grafana.boards.keys() == {"theirs"}, "other content does not change"
    assert grafana.accounts == {}


def test_each_event_can_be_delivered_twice(grafana: Grafana) -> None:
    run(grafana, "Create", properties(BOARDS))
    run(grafana, "Create", properties(BOARDS))
    assert len(grafana.boards) == len(BOARDS)
    run(grafana, "Delete", properties(BOARDS))
    run(grafana, "Delete", properties(BOARDS))
    assert grafana.boards == {}


@pytest.mark.parametrize("fault", [0, 429, 500, 503])
def test_temporary_failures_are_retried(grafana: Grafana, fault: int) -> None:
    grafana.faults = [fault, fault, fault]
    run(grafana, "Create", properties(BOARDS))
    assert len(grafana.boards) == len(BOARDS)


def test_rejections_are_reported_and_leave_no_service_account(grafana: Grafana) -> None:
    grafana.faults = [403]
    with pytest.raises(
        GrafanaError, match=r'Grafana returned 403 for GET /api/datasources/uid/hyperpod-62c859fa: .*"no"'
    ):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == {}


def test_a_grafana_that_never_answers_ends(grafana: Grafana) -> None:
    grafana.faults = [503] * 1000
    clock = FakeClock()
    event = {"RequestType": "Create", "LogicalResourceId": "Boards", "ResourceProperties": properties(BOARDS)}
    with pytest.raises(GrafanaError, match="returned 503"):
        handle(event, grafana.aws.client, grafana.http, clock)  # type: ignore[attr-defined,arg-type]
    assert LONGEST_SECONDS - 150 < clock.time < LONGEST_SECONDS, "one deadline for all calls, and time for the account"
    assert grafana.accounts == {}


def test_a_token_that_is_rejected_leaves_no_account(grafana: Grafana) -> None:
    grafana.aws.fail("grafana", "CreateWorkspaceServiceAccountToken", "AccessDeniedException", status=403)
    with pytest.raises(ClientError):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == {}


def test_the_token_lives_ten_minutes(grafana: Grafana) -> None:
    run(grafana, "Create", properties(BOARDS))
    (request,) = grafana.aws.received("grafana", "CreateWorkspaceServiceAccountToken")
    assert request["secondsToLive"] == 600


def test_deleting_in_a_deleted_workspace_succeeds(grafana: Grafana) -> None:
    def not_found(request: dict[str, Any]) -> dict[str, Any]:
        raise AwsFault("ResourceNotFoundException", "no such workspace", 404)

    grafana.aws.on("grafana", "DescribeWorkspace", not_found)
    run(grafana, "Delete", properties(BOARDS))
    with pytest.raises(ClientError):
        run(grafana, "Create", properties(BOARDS))


def test_an_account_whose_creation_was_not_answered_is_found_and_deleted(grafana: Grafana) -> None:
    create = grafana._create

    def lose_response(request: dict[str, Any]) -> dict[str, Any]:
        create(request)
        raise AwsFault("InternalServerException", "lost", 500)

    grafana.aws.on("grafana", "CreateWorkspaceServiceAccount", lose_response)
    with pytest.raises(ClientError):
        run(grafana, "Create", properties(BOARDS))
    assert grafana.created_accounts >= 1
    assert grafana.accounts == {}


def test_an_account_that_a_killed_function_left_is_deleted_by_the_next_event(grafana: Grafana) -> None:
    def kill(method: str, path: str) -> None:
        raise Killed

    grafana.hook = kill
    with pytest.raises(Killed):
        run(grafana, "Create", properties(BOARDS))
    grafana.hook = lambda method, path: None
    prefix = "-".join(grafana.aws.received("grafana", "CreateWorkspaceServiceAccount")[0]["name"].split("-")[:2])
    grafana.accounts = {"9": f"{prefix}-{int(time.time()) - 700}-0a1b2c3d", "10": f"{prefix}-{int(time.time())}-0a"}
    run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts.keys() == {"10"}, "a more recent account may be in use"


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException"])
def test_an_account_is_deleted_although_aws_is_busy(grafana: Grafana, code: str) -> None:
    grafana.aws.fail("grafana", "DeleteWorkspaceServiceAccount", code, status=500, times=8)
    run(grafana, "Create", properties(BOARDS))
    assert grafana.accounts == {}


# Owners: as CloudFormation sends events.


class Platforms:
    """Stacks whose dashboards are loaded into one workspace."""

    def __init__(self, grafana: Grafana) -> None:
        self.grafana, self.clock = grafana, FakeClock()
        self.cloud = Cloud({"Grafana": Provider(self.on_event)})

    def on_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        client = self.grafana.aws.client  # type: ignore[attr-defined]
        return handle(event, client, self.grafana.http, self.clock)  # type: ignore[arg-type]

    def boards(self, prometheus: str = "ws-1", count: int = 2, **overrides: str | None) -> Resource:
        created = {
            **properties(BOARDS[:count]),
            "DataSource": json.dumps({**SOURCE, "url": f"https://aps/{prometheus}"}),
            **overrides,
        }
        return Resource("Grafana", {key: value for key, value in created.items() if value is not None})

    def queried_workspaces(self) -> dict[str, str]:
        """The uid of each dashboard, and the Prometheus workspace that its data source queries."""
        queried = {}
        for uid, board in self.grafana.boards.items():
            if "templating" in board:
                (variable,) = board["templating"]["list"]
                queried[uid] = self.grafana.sources[variable["current"]["value"]]["url"].rpartition("/")[2]
        return queried

    def stack(self, name: str = "One") -> Stack:
        return self.cloud.stack(name)


@pytest.fixture
def platforms(grafana: Grafana) -> Platforms:
    return Platforms(grafana)


FIRST, SECOND = (board["uid"] for board in BOARDS[:2])


def test_two_platforms_on_one_workspace_have_separate_dashboards(platforms: Platforms) -> None:
    first, second = platforms.stack("One"), platforms.stack("Two")
    first.deploy({"Boards": platforms.boards("ws-1")})
    assert second.deploy({"Boards": platforms.boards("ws-2")}) == "CREATE_COMPLETE"
    assert platforms.queried_workspaces() == {
        FIRST: "ws-1",
        SECOND: "ws-1",
        f"{FIRST}-f6ce2252": "ws-2",
        f"{SECOND}-f6ce2252": "ws-2",
    }
    titles = [board["title"] for board in platforms.grafana.boards.values()]
    assert len(set(titles)) == 4, "otherwise, some versions of Grafana confuse them"
    assert platforms.grafana.sources["hyperpod"]["isDefault"], "it remains the default data source"
    assert first.delete() == "DELETE_COMPLETE"
    assert set(platforms.queried_workspaces().values()) == {"ws-2"}
    assert second.deploy({"Boards": platforms.boards("ws-2", count=1)}) == "UPDATE_COMPLETE"
    assert platforms.queried_workspaces() == {f"{FIRST}-f6ce2252": "ws-2"}, "uids do not change"
    assert second.delete() == "DELETE_COMPLETE"
    assert (platforms.grafana.boards, platforms.grafana.sources) == ({}, {})


def test_two_stacks_with_one_prometheus_share_the_dashboards(platforms: Platforms) -> None:
    first, second = platforms.stack("One"), platforms.stack("Two")
    first.deploy({"Boards": platforms.boards()})
    second.deploy({"Boards": platforms.boards()})
    assert platforms.queried_workspaces() == {FIRST: "ws-1", SECOND: "ws-1"}
    first.delete()
    assert platforms.queried_workspaces() == {FIRST: "ws-1", SECOND: "ws-1"}
    second.delete()
    assert (platforms.grafana.boards, platforms.grafana.sources) == ({}, {})


def test_a_renamed_construct_keeps_its_dashboards(platforms: Platforms) -> None:
    stack = platforms.stack()
    stack.deploy({"Old": platforms.boards()})
    assert stack.deploy({"New": platforms.boards()}) == "UPDATE_COMPLETE"
    assert platforms.queried_workspaces() == {FIRST: "ws-1", SECOND: "ws-1"}
    assert stack.deploy({"Again": platforms.boards(), "Bad": FAILS}) == "UPDATE_ROLLBACK_COMPLETE"
    assert platforms.queried_workspaces() == {FIRST: "ws-1", SECOND: "ws-1"}
    stack.delete()
    assert platforms.grafana.boards == {}


def test_manually_created_resources_are_never_changed(platforms: Platforms) -> None:
    dashboard = {"uid": FIRST, "title": BOARDS[0]["title"], "tags": ["mine"], "version": 3}
    platforms.grafana.boards[FIRST] = dict(dashboard)
    platforms.grafana.sources["x"] = {"uid": "x", "name": "HyperPod", "url": "https://theirs", "isDefault": True}
    before = json.dumps(platforms.grafana.sources["x"])
    stack = platforms.stack()
    assert stack.deploy({"Boards": platforms.boards()}) == "CREATE_COMPLETE"
    assert platforms.grafana.boards[FIRST] == dashboard
    assert json.dumps(platforms.grafana.sources["x"]) == before
    assert len(platforms.queried_workspaces()) == 2
    stack.delete()
    assert platforms.grafana.boards == {FIRST: dashboard}
    assert platforms.grafana.sources.keys() == {"x"}


@pytest.mark.parametrize("failing_request", range(1, 14))
def test_a_failed_create_leaves_nothing_and_changes_nothing(platforms: Platforms, failing_request: int) -> None:
    first, second = platforms.stack("One"), platforms.stack("Two")
    first.deploy({"Boards": platforms.boards()})
    before = json.dumps([platforms.grafana.boards, platforms.grafana.sources], sort_keys=True)
    calls = 0

    def refuse(method: str, path: str) -> None:
        nonlocal calls
        calls += 1
        platforms.grafana.faults = [403] if calls == failing_request else []

    platforms.grafana.hook = refuse
    status = second.deploy({"Boards": platforms.boards()})
    platforms.grafana.hook = lambda method, path: None
    if status == "ROLLBACK_COMPLETE":
        without_versions = json.loads(json.dumps([platforms.grafana.boards, platforms.grafana.sources]))
        expected = json.loads(before)
        for contents in (*without_versions, *expected):
            for content in contents.values():
                content.pop("version", None)
                content.pop("id", None)
        assert without_versions == expected
    assert platforms.grafana.accounts == {}


def test_a_create_whose_response_is_lost_is_deleted_by_cloudformations_id(platforms: Platforms) -> None:
    platforms.cloud.deliver = lambda event: Delivery.LOST if event["RequestType"] == "Create" else Delivery.ONCE
    stack = platforms.stack()
    assert stack.deploy({"Boards": platforms.boards()}) == "ROLLBACK_COMPLETE"
    assert (platforms.grafana.boards, platforms.grafana.sources) == ({}, {})


def test_dashboards_of_the_former_version_are_retained_and_marked(platforms: Platforms) -> None:
    stack = platforms.stack()
    stack.deploy({"Boards": platforms.boards()})
    for board in platforms.grafana.boards.values():
        board["tags"] = ["hyperpod"]
    platforms.grafana.sources["hyperpod"].pop("jsonData")
    former_boards = platforms.boards(Marks=None)
    stack.live["Boards"].resource = former_boards
    assert stack.deploy({"Boards": platforms.boards(count=1)}) == "UPDATE_COMPLETE"
    assert platforms.queried_workspaces() == {FIRST: "ws-1"}, "with its previous uid; the other dashboard was removed"
    stack.delete()
    assert platforms.grafana.boards == {}


def test_dashboards_of_the_former_version_that_another_platform_has_taken_stay(platforms: Platforms) -> None:
    stack = platforms.stack("One")
    stack.deploy({"Boards": platforms.boards("ws-1")})
    for board in platforms.grafana.boards.values():
        board["tags"] = ["hyperpod"]
    platforms.grafana.sources["hyperpod"] = {**SOURCE, "url": "https://aps/ws-2"}
    stack.live["Boards"].resource = platforms.boards("ws-1", Marks=None)
    assert stack.delete() == "DELETE_COMPLETE"
    assert platforms.grafana.boards.keys() == {FIRST, SECOND}


def test_a_dashboard_that_was_put_into_a_folder_stays_there(platforms: Platforms) -> None:
    stack = platforms.stack()
    stack.deploy({"Boards": platforms.boards()})
    platforms.grafana.folders[FIRST] = "platform-team"
    stack.deploy({"Boards": platforms.boards(count=1)})
    assert platforms.grafana.folders[FIRST] == "platform-team"


def test_an_answer_that_trickles_in_has_an_end() -> None:
    """One byte at a time, each within the timeout of a socket."""
    clock = Clock()
    with slow_server() as url, pytest.raises(OSError, match="no complete response"):
        requests(clock, clock.monotonic() + 1)("GET", url, {}, None)
