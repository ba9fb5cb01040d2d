"""Each request to Grafana and to AWS for dashboards: content, retries, messages and logs."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError, EndpointConnectionError
from function_logs import level_after_import
from grafana_http import Http

from hyperpod_constructs.assembly.rehearsal.clock import Clock
from hyperpod_constructs.handlers.grafana import api as api_module
from hyperpod_constructs.handlers.grafana import index
from hyperpod_constructs.handlers.grafana.api import Api, GrafanaError, requests, session

Json = dict[str, Any]


# Requests to Grafana.


def test_a_request(api: Api, http: Http, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    http.on("POST /x", (201, b"made")).on("GET /x?a=1&b=c+d", {"found": 1}).on("GET /list", [{"a": 1}, "odd"])
    assert api.call("POST", "/x", {"a": 1}) == (201, b"made")
    assert api.get("/x", a="1", b="c d") == {"found": 1}
    assert api.items("/list") == [{"a": 1}]
    assert http.sent == [("POST", "/x", {"a": 1}), ("GET", "/x?a=1&b=c+d", None), ("GET", "/list", None)]
    assert http.headers == {"Authorization": "Bearer the-token", "Content-Type": "application/json"}
    assert caplog.messages == ["POST /x: 201", "GET /x?a=1&b=c+d: 200", "GET /list: 200"]


def test_what_is_absent(api: Api, http: Http) -> None:
    assert (api.get("/x"), api.items("/x")) == (None, [])
    assert api.call("DELETE", "/x", allowed=(404,))[0] == 200
    http.on("DELETE /x", (404, b"none")).on("GET /object", {"a": 1})
    assert api.call("DELETE", "/x", allowed=(404,)) == (404, b"none")
    assert api.items("/object") == []
    with pytest.raises(GrafanaError, match=r"^Grafana returned 404 for DELETE /x: none$"):
        api.call("DELETE", "/x")


def test_an_answer_that_is_not_json(api: Api, http: Http) -> None:
    http.on("GET /x", (200, b"<html>"))
    with pytest.raises(GrafanaError, match=r"^Grafana returned invalid JSON for GET /x$"):
        api.get("/x")


@pytest.mark.parametrize(
    "answer", [(status, b"") for status in (408, 425, 429, 500, 502, 503, 504)] + [OSError("broken")]
)
def test_transient_answers(api: Api, http: Http, clock: Clock, answer: Any) -> None:
    http.on("GET /x", *[answer] * 6, {"a": 1})
    assert api.get("/x") == {"a": 1}
    assert clock.slept == [2, 4, 8, 16, 20, 20]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((400, b"bad"), "Grafana returned 400 for GET /x: bad"),
        ((300, b""), "Grafana returned 300 for GET /x: "),
        ((501, b"\xff of the-token"), "Grafana returned 501 for GET /x: \ufffd of ***"),
        ((403, b"y" * 301), "Grafana returned 403 for GET /x: " + "y" * 300),
    ],
)
def test_final_answers(api: Api, http: Http, clock: Clock, answer: tuple[int, bytes], message: str) -> None:
    http.on("GET /x", answer)
    with pytest.raises(GrafanaError) as failure:
        api.get("/x")
    assert (str(failure.value), clock.slept) == (message, [])


def test_the_last_pause_ends_before_the_deadline(api: Api, http: Http, clock: Clock) -> None:
    api.until = clock.monotonic() + 14
    http.on("GET /x", OSError("refused"))
    with pytest.raises(GrafanaError, match=r"^Grafana returned 503 for GET /x: refused$"):
        api.get("/x")
    assert clock.slept == [2, 4]


def test_a_new_token_may_be_rejected_for_a_minute(http: Http, clock: Clock) -> None:
    clock.advance(500)
    api = Api("https://g", "t", http, clock, clock.monotonic() + 300)
    http.on("GET /x", (401, b"no"))
    with pytest.raises(GrafanaError, match="returned 401"):
        api.get("/x")
    assert clock.slept == [2, 4, 8, 16, 20, 20], "the attempt after 70 s is the last one"


# The service account.


class Aws:
    """The workspace's service accounts; errors by operation."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}
        self.errors: dict[str, list[Exception]] = {}
        self.requests: list[tuple[str, Json]] = []
        self.page = 2

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Json:
            self.requests.append((operation, request))
            if self.errors.get(operation):
                raise self.errors[operation].pop(0)
            return getattr(self, f"_{operation.partition('_')[0]}")(operation, request)  # type: ignore[no-any-return]

        return call

    def _describe(self, operation: str, request: Json) -> Json:
        return {"workspace": {"endpoint": "g"}}

    def _create(self, operation: str, request: Json) -> Json:
        if operation.endswith("token"):
            return {"serviceAccountToken": {"key": "the-token"}}
        self.accounts["new"] = request["name"]
        return {"id": "new"}

    def _delete(self, operation: str, request: Json) -> Json:
        if request["serviceAccountId"] not in self.accounts:
            raise error("ResourceNotFoundException")
        del self.accounts[request["serviceAccountId"]]
        return {}

    def _list(self, operation: str, request: Json) -> Json:
        start = int(request.get("nextToken", 0))
        accounts = [{"id": id, "name": name} for id, name in self.accounts.items()]
        next_page = {"nextToken": str(start + self.page)} if start + self.page < len(accounts) else {}
        return {"serviceAccounts": accounts[start : start + self.page] or None, **next_page}

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.requests]


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


NOW = 1_800_000_000
LIST, DELETE = "list_workspace_service_accounts", "delete_workspace_service_account"
CREATE, TOKEN = "create_workspace_service_account", "create_workspace_service_account_token"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=0xABCDEF0123456789ABCDEF0123456789))
    return Aws()


NAME = f"hyperpod-me-{NOW}-abcdef01"


def run(aws: Aws, clock: Clock, *, seconds: float = 200) -> Api:
    with session("g-1", aws, Http(), clock, "me", clock.monotonic() + seconds) as api:
        assert "new" in aws.accounts
    return api


def test_a_session(aws: Aws, clock: Clock) -> None:
    clock.advance(100)
    api = run(aws, clock)
    assert (api.url, api.token, api.until) == ("https://g", "the-token", 100 + 200 - 30)
    assert aws.requests == [
        ("describe_workspace", {"workspaceId": "g-1"}),
        (CREATE, {"workspaceId": "g-1", "grafanaRole": "ADMIN", "name": NAME}),
        (TOKEN, {"workspaceId": "g-1", "serviceAccountId": "new", "name": "deployment", "secondsToLive": 600}),
        (DELETE, {"workspaceId": "g-1", "serviceAccountId": "new"}),
        (LIST, {"workspaceId": "g-1"}),
    ]


def test_accounts_that_were_left_behind(aws: Aws, clock: Clock) -> None:
    retained = {
        "young": f"hyperpod-me-{NOW - 600}-a", "other": f"hyperpod-other-{NOW - 900}-a", "odd": "hyperpod-me-x-a",
        "person": "admin",
    }  # fmt: skip
    aws.accounts = {**retained, "old": f"hyperpod-me-{NOW - 601}-a", "older": f"hyperpod-me-{NOW - 900}"}
    run(aws, clock)
    assert aws.accounts == retained
    assert [request for operation, request in aws.requests if operation == LIST][1] == {
        "workspaceId": "g-1",
        "nextToken": "2",
    }


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "TooManyRequestsException", "InternalServerException", "ConflictException"]
)
@pytest.mark.parametrize("operation", ["describe_workspace", CREATE, TOKEN, DELETE, LIST])
def test_aws_that_is_busy(aws: Aws, clock: Clock, operation: str, code: str) -> None:
    aws.errors[operation] = [error(code) for _ in range(6)]
    run(aws, clock)
    assert (aws.accounts, clock.slept) == ({}, [1, 2, 4, 8, 10, 10])


def test_a_creation_without_an_answer_is_not_repeated(aws: Aws, clock: Clock) -> None:
    aws.errors[CREATE] = [EndpointConnectionError(endpoint_url="x")]
    aws.accounts["lost"] = NAME
    with pytest.raises(EndpointConnectionError):
        run(aws, clock)
    assert (aws.accounts, clock.slept) == ({}, []), "the account that it may have created is found by its name"
    aws.errors["describe_workspace"] = [EndpointConnectionError(endpoint_url="x")]
    run(aws, clock)
    assert clock.slept == [1]


def test_final_errors(aws: Aws, clock: Clock) -> None:
    aws.errors[TOKEN] = [error("AccessDeniedException")]
    with pytest.raises(ClientError, match="AccessDeniedException"):
        run(aws, clock)
    assert (aws.accounts, clock.slept) == ({}, [])


def test_the_time_of_a_session(aws: Aws, clock: Clock) -> None:
    aws.errors["describe_workspace"] = [error("ThrottlingException") for _ in range(99)]
    with pytest.raises(ClientError, match="Throttling"):
        run(aws, clock, seconds=37)
    assert clock.slept == [1, 2], "30 s are reserved for the account, and a pause of 4 s would end at the deadline"
    aws.errors = {DELETE: [error("ThrottlingException") for _ in range(99)]}
    clock.slept.clear()
    with pytest.raises(GrafanaError) as failure:
        run(aws, clock, seconds=31)
    assert clock.slept == [1, 2, 4, 8, 10]
    assert str(failure.value) == (
        f"the service account {NAME} of the Grafana workspace g-1 could not be deleted: An error occurred "
        "(ThrottlingException) when calling the Operation operation: no. Delete it manually; its token expires "
        "after ten minutes"
    )


def test_a_deleted_account(aws: Aws, clock: Clock) -> None:
    aws.errors[DELETE] = [error("ResourceNotFoundException")]
    run(aws, clock)
    assert aws.operations()[-1] == LIST


def test_accounts_that_cannot_be_listed(aws: Aws, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    aws.errors[LIST] = [error("AccessDeniedException")]
    run(aws, clock)
    assert caplog.messages == ["service accounts of workspace g-1 could not be listed; hyperpod-me-* may remain"]
    assert caplog.records[0].exc_info


# Real requests.


@pytest.mark.parametrize(("until", "read"), [(100, 30), (7, 7), (0, 1)])
def test_a_real_request(monkeypatch: pytest.MonkeyPatch, clock: Clock, until: float, read: float) -> None:
    sent: list[Any] = []

    class Pool:
        def __init__(self, **arguments: Any) -> None:
            sent.append(arguments)

        def request(self, method: str, url: str, **arguments: Any) -> Any:
            sent.append((method, url, arguments))
            return type("Answer", (), {"status": 201, "data": b"made"})

    monkeypatch.setattr(urllib3, "PoolManager", Pool)
    monkeypatch.setattr(api_module, "within", lambda seconds, call: sent.append(seconds) or call())
    clock.advance(50)
    assert requests(clock, 50 + until)("PUT", "https://g", {"a": "b"}, b"c") == (201, b"made")
    options, seconds, (method, url, arguments) = sent
    assert (options, seconds, method, url) == ({"retries": False}, read + 1, "PUT", "https://g")
    timeout = arguments.pop("timeout")
    assert (timeout.connect_timeout, timeout.read_timeout) == (5.0, read)
    assert arguments == {"headers": {"a": "b"}, "body": b"c", "redirect": False}


def test_a_broken_connection_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    def breaks(seconds: float, call: Any) -> None:
        raise urllib3.exceptions.ProtocolError("broken")

    monkeypatch.setattr(api_module, "within", breaks)
    with pytest.raises(OSError, match=r"^broken$"):
        requests(clock, 100)("GET", "https://g", {}, None)


# The entry point.


def test_the_function_logs_at_info() -> None:
    assert level_after_import("hyperpod_constructs.handlers.grafana.index") == logging.INFO


@pytest.mark.parametrize(("milliseconds", "seconds"), [(300_000, 270.0), (100_000, 85.0)])
def test_the_entry_point(monkeypatch: pytest.MonkeyPatch, milliseconds: int, seconds: float) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return milliseconds

    created: list[Any] = []
    monkeypatch.setattr(boto3, "client", lambda service, config: created.append(config) or service)
    monkeypatch.setattr(index, "Clock", Clock)
    monkeypatch.setattr(index, "requests", lambda clock, until: until)
    monkeypatch.setattr(
        index, "handle", lambda *arguments: {"given": (arguments[0], arguments[1], arguments[2], arguments[4])}
    )
    assert index.on_event({"a": 1}, Context()) == {"given": ({"a": 1}, "grafana", seconds, seconds)}
    (config,) = created
    assert (config.connect_timeout, config.read_timeout) == (5, 15)
    assert config.retries == {"mode": "standard", "max_attempts": 2}
