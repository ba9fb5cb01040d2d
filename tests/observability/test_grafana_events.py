"""Events of dashboards on a model of Grafana: uids, data sources, reverted changes, and messages."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError
from grafana_server import WORKSPACE, Grafana

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.handlers.grafana.api import GrafanaError
from hyperpod_constructs.handlers.grafana.index import handle
from hyperpod_constructs.handlers.shared.ownership import owner, owners

Json = dict[str, Any]
STACK = "arn:aws:cloudformation:us-west-2:111122223333:stack/Platform/0e1a"
URL = "https://aps/ws-1"
SUFFIX = hashlib.sha256(URL.encode()).hexdigest()[:8]
ID = f"{WORKSPACE}/dashboards"
MARK = owner(STACK, "Boards", ID).tag_key


class Accounts:
    """The workspace's AWS side, always ready."""

    def __init__(self, grafana: Grafana) -> None:
        self.grafana, self.error = grafana, ""

    def describe_workspace(self, workspaceId: str) -> Json:
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "DescribeWorkspace")
        return {"workspace": {"endpoint": f"{workspaceId}.grafana-workspace.us-west-2.amazonaws.com"}}

    def create_workspace_service_account(self, **request: str) -> Json:
        return self.grafana._create(request)

    def create_workspace_service_account_token(self, **request: Any) -> Json:
        return self.grafana._token(request)

    def delete_workspace_service_account(self, **request: str) -> Json:
        return self.grafana._delete(request)

    def list_workspace_service_accounts(self, **request: str) -> Json:
        return self.grafana._list(request)


class NoAws:
    def on(self, *_: Any) -> None:
        """No requests are sent to AWS."""


class Events:
    """Sends events, and returns the content of Grafana."""

    def __init__(self) -> None:
        self.grafana = Grafana(NoAws())  # type: ignore[arg-type]
        self.aws, self.clock = Accounts(self.grafana), Clock()
        self.requests: list[tuple[str, str]] = []
        self.grafana.hook = lambda method, path: self.requests.append((method, path))

    def send(self, type_: str, properties: Json, *, id: str = "Boards", **overrides: Any) -> Json:
        event = {
            "RequestType": type_,
            "StackId": STACK,
            "LogicalResourceId": id,
            "ResourceProperties": properties,
            **overrides,
        }
        return handle(event, self.aws, self.grafana.http, self.clock)

    def source_of(self, uid: str) -> str:
        """The data source that a dashboard uses."""
        (variable, other) = self.grafana.boards[uid]["templating"]["list"]
        assert other == {"name": "team"}
        return str(variable["current"]["value"])

    def owned(self, uid: str) -> list[str]:
        return sorted(item.digest for item in owners(dict.fromkeys(self.grafana.boards[uid]["tags"], "")))


def board(uid: str, **overrides: Any) -> Json:
    variables = [{"name": "datasource", "type": "datasource"}, {"name": "team"}]
    return {"uid": uid, "title": f"Board {uid}", "tags": ["hyperpod"], "templating": {"list": variables}, **overrides}


def properties(*boards: Json, url: str | None = URL, marks: bool = True, uid: str = "hyperpod", **source: Any) -> Json:
    data_source = {"uid": uid, "name": "HyperPod", "type": "prometheus", **({"url": url} if url else {}), **source}
    found = {"WorkspaceId": WORKSPACE, "DataSource": json.dumps(data_source), "Dashboards": json.dumps(boards)}
    return {**found, **({"Marks": "tags"} if marks else {})}


@pytest.fixture
def events() -> Events:
    return Events()


def test_a_life(events: Events) -> None:
    desired = properties(board("a"), board("b"))
    assert events.send("Create", desired) == {"PhysicalResourceId": ID, "Data": {"Count": "2"}}
    assert (list(events.grafana.boards), list(events.grafana.sources)) == (["a", "b"], ["hyperpod"])
    assert (events.source_of("a"), events.grafana.boards["a"]["tags"]) == ("hyperpod", ["hyperpod", MARK])
    current = events.grafana.boards["a"]["templating"]["list"][0]["current"]
    assert current == {"text": "HyperPod", "value": "hyperpod"}
    assert events.send("Update", properties(board("b")), OldResourceProperties=desired, PhysicalResourceId=ID)[
        "Data"
    ] == ({"Count": "1"})
    assert list(events.grafana.boards) == ["b"]
    assert events.send("Delete", properties(board("b")), PhysicalResourceId="given") == {"PhysicalResourceId": "given"}
    assert (events.grafana.boards, events.grafana.sources) == ({}, {})
    assert events.send("Delete", properties(board("b"))) == {"PhysicalResourceId": ID}


def test_dashboards_without_variables_are_written_as_they_are(events: Events) -> None:
    events.send("Create", properties({"uid": "a", "title": "A"}, {"uid": "b", "title": "B", "templating": None}))
    assert "templating" not in events.grafana.boards["a"]
    assert events.grafana.boards["b"]["templating"] is None


def test_a_data_source_without_a_url_has_plain_uids(events: Events) -> None:
    desired = properties(board("a"), url=None)
    events.grafana.sources["hyperpod"] = {"uid": "hyperpod", "name": "Theirs"}
    events.send("Create", desired)
    assert list(events.grafana.boards) == ["a"]
    events.send("Delete", desired)
    assert events.grafana.boards == {}


def test_uids_have_at_most_forty_characters(events: Events) -> None:
    long = "x" * 40
    events.grafana.sources["hyperpod"] = {"uid": "hyperpod", "name": "Theirs", "url": "https://other"}
    events.send("Create", properties(board(long)))
    (uid,) = events.grafana.boards
    assert uid == "x" * 31 + f"-{SUFFIX}"
    assert len(uid) == 40
    assert events.source_of(uid) == f"hyperpod-{SUFFIX}"


@pytest.mark.parametrize(
    ("source", "owners", "plain"),
    [
        (None, None, True),
        ({"url": "https://other"}, None, False),
        ({"url": URL}, None, False),  # without owner: created by a user
        ({"url": URL, "marks": ["b"]}, None, True),
        ({"url": "https://other", "marks": ["b"]}, None, False),
        ({"url": "https://other", "marks": ["me"]}, None, True),
        ({"url": "https://other", "marks": ["me", "b"]}, None, False),
        (None, [], False),
        (None, ["b"], False),
        (None, ["me"], True),
        ({"url": URL, "marks": ["b"]}, ["b"], True),
        ({"url": URL, "marks": ["b"]}, ["c"], False),
    ],
)
def test_when_uids_have_a_suffix(events: Events, source: Json | None, owners: list[str] | None, plain: bool) -> None:
    def keys(letters: list[str]) -> list[str]:
        return [MARK if letter == "me" else owner(STACK, letter, ID).tag_key for letter in letters]

    if source is not None:
        data = {"jsonData": {"hyperpodConstructsOwners": keys(source["marks"])}} if "marks" in source else {}
        events.grafana.sources["hyperpod"] = {"uid": "hyperpod", "name": "HyperPod", "url": source["url"], **data}
    if owners is not None:
        events.grafana.boards["a"] = board("a", tags=keys(owners))
    events.send("Create", properties(board("a")))
    assert (f"a-{SUFFIX}" in events.grafana.boards) is not plain
    assert (MARK in events.grafana.boards["a"]["tags"] if "a" in events.grafana.boards else False) is plain


def test_a_suffix_stays(events: Events) -> None:
    events.grafana.sources["hyperpod"] = {"uid": "hyperpod", "name": "Theirs", "url": "https://other"}
    desired = properties(board("a"))
    events.send("Create", desired)
    del events.grafana.sources["hyperpod"]
    events.send("Update", desired, OldResourceProperties=desired, PhysicalResourceId=ID)
    assert list(events.grafana.boards) == [f"a-{SUFFIX}"]
    events.send("Delete", desired, PhysicalResourceId=ID)
    assert (events.grafana.boards, events.grafana.sources) == ({}, {})


def test_a_search_that_lags_behind_does_not_keep_anything(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    desired = properties(board("a"))
    events.send("Create", desired)
    monkeypatch.setattr(Grafana, "_search", lambda self, query: [])
    events.send("Delete", desired, PhysicalResourceId=ID)
    assert events.grafana.boards == {}


def test_dashboards_go_before_their_data_source(events: Events) -> None:
    desired = properties(board("a"))
    events.send("Create", desired)
    events.requests.clear()
    events.send("Delete", desired, PhysicalResourceId=ID)
    assert [path for method, path in events.requests if method == "DELETE"] == [
        "/api/dashboards/uid/a", "/api/datasources/uid/hyperpod"
    ]  # fmt: skip


# The version without marks.


def put_former(events: Events, *boards: str, url: str = URL) -> Json:
    events.grafana.sources["hyperpod"] = {"uid": "hyperpod", "name": "HyperPod", "url": url}
    events.grafana.boards |= {uid: board(uid) for uid in boards}
    return properties(*map(board, boards), marks=False)


def test_what_the_former_version_made_is_marked(events: Events) -> None:
    old = put_former(events, "a", "b")
    events.send("Update", properties(board("a")), OldResourceProperties=old, PhysicalResourceId=ID)
    assert (list(events.grafana.boards), events.grafana.boards["a"]["tags"]) == (["a"], ["hyperpod", MARK])


def test_what_the_former_version_made_is_deleted(events: Events) -> None:
    events.send("Delete", put_former(events, "a", "b"), PhysicalResourceId=ID)
    assert (list(events.grafana.boards), list(events.grafana.sources)) == ([], ["hyperpod"])


def test_what_another_owner_has_marked_since_stays(events: Events) -> None:
    old = put_former(events, "a", "b")
    events.grafana.boards["b"]["tags"] = [owner(STACK, "Other", ID).tag_key]
    events.send("Delete", old, PhysicalResourceId=ID)
    assert list(events.grafana.boards) == ["b"]


@pytest.mark.parametrize(
    ("physical_id", "url", "remaining"),
    [(ID, URL, []), ("another", URL, ["a"]), (ID, "https://other", ["a"])],
    ids=["its own", "an id of CloudFormation", "another platform's data source"],
)
def test_what_was_of_the_former_version(events: Events, physical_id: str, url: str, remaining: list[str]) -> None:
    put_former(events, "a", url=url)
    events.send("Delete", properties(board("a"), marks=False), PhysicalResourceId=physical_id)
    assert list(events.grafana.boards) == remaining


def test_a_new_data_source_of_the_former_versions_resource_keeps_the_uids(events: Events) -> None:
    old = put_former(events, "a")
    new = properties(board("a"), url="https://aps/ws-2")
    events.send("Update", new, OldResourceProperties=old, PhysicalResourceId=ID)
    assert list(events.grafana.boards) == ["a"]
    assert events.grafana.sources["hyperpod"]["url"] == "https://aps/ws-2"


# Failures.


def test_a_failed_create_is_undone(events: Events) -> None:
    def fails(method: str, path: str) -> None:
        if method == "POST" and "dashboards" in path:
            events.grafana.faults = [400]

    events.grafana.hook = fails
    with pytest.raises(GrafanaError, match=r'^Grafana returned 400 for POST /api/dashboards/db: \{"message":"no"\}$'):
        events.send("Create", properties(board("a")))
    assert (events.grafana.boards, events.grafana.sources, events.grafana.accounts) == ({}, {}, {})


def test_a_failed_update_is_left_to_the_rollback(events: Events) -> None:
    desired = properties(board("a"))
    events.send("Create", desired)

    def fails(method: str, path: str) -> None:
        if method == "POST" and "dashboards" in path:
            events.grafana.faults = [400]

    events.grafana.hook = fails
    with pytest.raises(GrafanaError, match=r"^Grafana returned 400 for POST /api/dashboards/db: [^;]*$"):
        events.send("Update", properties(board("b")), OldResourceProperties=desired, PhysicalResourceId=ID)
    assert (list(events.grafana.boards), list(events.grafana.sources)) == (["a"], ["hyperpod"])


def test_changes_that_cannot_be_reverted_are_reported(events: Events) -> None:
    def fails(method: str, path: str) -> None:
        if (method == "POST" and "dashboards" in path) or method == "DELETE":
            events.grafana.faults = [400]

    events.grafana.hook = fails
    with pytest.raises(GrafanaError) as failure:
        events.send("Create", properties(board("a")))
    assert str(failure.value) == (
        'Grafana returned 400 for POST /api/dashboards/db: {"message":"no"}; and its changes could not be undone: Grafana '
        'returned 400 for DELETE /api/datasources/uid/hyperpod: {"message":"no"}'
    )


def test_the_time_of_an_event(events: Events) -> None:
    def fails(method: str, path: str) -> None:
        if method in ("POST", "DELETE") and (method == "DELETE" or "dashboards" in path):
            events.grafana.faults = [503]

    events.grafana.hook = fails
    began = events.clock.monotonic()
    with pytest.raises(GrafanaError, match="and its changes could not be undone: Grafana returned 503 for DELETE"):
        events.send("Create", properties(board("a")))
    pauses = [2.0, 4.0, 8.0, 16.0, *[20.0] * 7]
    assert events.clock.slept[: len(pauses)] == pauses, "170 s of 270 s: 30 s for the account, 60 s to revert"
    assert events.clock.slept[len(pauses) :] == [2.0, 4.0, 8.0, 16.0, 20.0]
    assert events.clock.monotonic() - began <= 240


@pytest.mark.parametrize(
    ("physical_id", "remaining"), [("another", []), (f"{WORKSPACE}-2/dashboards", ["a"])], ids=["unknown", "known"]
)
def test_what_an_update_left_that_cloudformation_does_not_know(
    events: Events, physical_id: str, remaining: list[str]
) -> None:
    replaced = {**properties(board("a")), "WorkspaceId": f"{WORKSPACE}-2"}
    events.send("Create", replaced)
    new = properties(uid="mine")
    events.send("Update", new, OldResourceProperties=replaced, PhysicalResourceId=physical_id)
    assert list(events.grafana.boards) == remaining


def test_an_update_of_an_unknown_id_keeps_what_it_writes(events: Events) -> None:
    desired = properties(board("a"))
    events.send("Create", desired)
    events.send("Update", desired, OldResourceProperties=desired, PhysicalResourceId="another")
    assert list(events.grafana.boards) == ["a"]


def test_a_deleted_workspace(events: Events, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events.aws.error = "ResourceNotFoundException"
    events.send("Delete", properties(board("a")))
    assert caplog.messages == [f"Grafana workspace {WORKSPACE} does not exist: nothing to delete"]
    events.aws.error = "AccessDeniedException"
    with pytest.raises(ClientError, match="AccessDenied"):
        events.send("Delete", properties(board("a")))
