"""Requests to an API server: what is sent, the result of each response, and the timeout of slow responses."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from hyperpod_constructs.handlers.kubernetes.client import ApiClient
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.kubernetes.timing import Deadline
from hyperpod_constructs.handlers.shared.clock import Clock

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n" + b" " * 198 + b"{}"


class Slow:
    """A server that sends a byte every 0.2 s, each within a socket's timeout; the complete response takes a minute."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.ssl_context = None
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def headers(self) -> dict[str, str]:
        return {}

    def renew(self) -> None:
        pass

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection:
            connection.recv(65536)
            for byte in ANSWER:
                if self.over.is_set():
                    return
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.2)
            self.over.set()


@pytest.fixture
def slow() -> Iterator[Slow]:
    server = Slow()
    yield server
    server.over.set()
    server.socket.close()


def test_the_deadline_applies_to_the_complete_response(slow: Slow) -> None:
    client = ApiClient(slow, Deadline.after(Clock(), 1))
    with pytest.raises(ApiError, match=r"the API server did not respond: no complete response in 3 s"):
        client.get("/version")
    assert not slow.over.is_set(), "the end of the response was not awaited"


class Pool:
    """Returns responses in sequence, without a socket, and records the requests to urllib3."""

    def __init__(self, *answers: tuple[int, bytes], headers: dict[str, str] | None = None) -> None:
        self.answers, self.more, self.requests = list(answers), headers or {}, list[tuple[str, str, dict[str, Any]]]()

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.requests.append((method, url, options))
        status, data = self.answers.pop(0)
        return SimpleNamespace(status=status, headers=self.more, data=data)


class InProcess:
    """A connection with a separate pool; counts how often its token was discarded."""

    endpoint, ssl_context = "https://cluster", None

    def __init__(self, pool: Pool) -> None:
        self.pool, self.renewed = pool, 0

    def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer t"}

    def renew(self) -> None:
        self.renewed += 1


class Stopped(Clock):
    """A clock that does not advance."""

    def monotonic(self) -> float:
        return 1000.0


def client_of(pool: Pool, seconds: float = 20) -> ApiClient:
    return ApiClient(InProcess(pool), Deadline.after(Stopped(), seconds))


OBJECT = b'{"metadata": {"uid": "u"}}'
FOUND = {"metadata": {"uid": "u"}}
APPLY, MERGE, JSON = "application/apply-patch+yaml", "application/merge-patch+json", "application/json"
DELETION = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan"}

REQUESTS: list[tuple[Callable[[ApiClient], Any], str, str, str | None, dict[str, Any] | None]] = [
    (lambda c: c.get("/version"), "GET", "/version", None, None),
    (lambda c: c.get("/api", limit="1", watch="a b"), "GET", "/api?limit=1&watch=a+b", None, None),
    (lambda c: c.find("/x"), "GET", "/x", None, None),
    (
        lambda c: c.apply("/x", {"a": 1}, manager="m"),
        "PATCH",
        "/x?fieldManager=m&force=true&fieldValidation=Strict",
        APPLY,
        {"a": 1},
    ),
    (
        lambda c: c.apply("/x", {"a": 1}, dry_run=True),
        "PATCH",
        "/x?fieldManager=hyperpod-constructs&force=true&fieldValidation=Strict&dryRun=All",
        APPLY,
        {"a": 1},
    ),
    (lambda c: c.merge("/x", {"a": None}, manager="m"), "PATCH", "/x?fieldManager=m", MERGE, {"a": None}),
    (lambda c: c.delete("/x", propagation="Orphan"), "DELETE", "/x", JSON, DELETION),
    (
        lambda c: c.delete("/x", propagation="Orphan", uid="u"),
        "DELETE",
        "/x",
        JSON,
        {**DELETION, "preconditions": {"uid": "u"}},
    ),
    (
        lambda c: c.delete("/x", propagation="Orphan", resource_version="7"),
        "DELETE",
        "/x",
        JSON,
        {**DELETION, "preconditions": {"resourceVersion": "7"}},
    ),
    (
        lambda c: c.delete("/x", propagation="Orphan", uid="u", resource_version="7"),
        "DELETE",
        "/x",
        JSON,
        {**DELETION, "preconditions": {"uid": "u", "resourceVersion": "7"}},
    ),
]


@pytest.mark.parametrize(("call", "method", "target", "content_type", "body"), REQUESTS)
def test_each_request(
    call: Callable[[ApiClient], Any], method: str, target: str, content_type: str | None, body: dict[str, Any] | None
) -> None:
    pool = Pool((200, OBJECT))
    call(client_of(pool))
    ((sent_method, url, options),) = pool.requests
    typed = {"Content-Type": content_type} if content_type else {}
    assert (sent_method, url) == (method, f"https://cluster{target}")
    assert options["headers"] == {
        "Authorization": "Bearer t", "Accept": JSON, "User-Agent": "hyperpod-constructs", **typed
    }  # fmt: skip
    assert (json.loads(options["body"]) if options["body"] else None) == body
    assert options["redirect"] is False, "the token would go to another host"


def test_requests_with_another_content_type() -> None:
    pool = Pool((200, b""))
    assert client_of(pool).request("POST", "/x", body=[], content_type="text/a", accept="text/b") == {}
    headers = pool.requests[0][2]["headers"]
    assert (headers["Content-Type"], headers["Accept"], pool.requests[0][2]["body"]) == ("text/a", "text/b", b"[]")


@pytest.mark.parametrize(
    ("remaining", "connect", "read"), [(20, 5.0, 21), (2, 3, 3), (0, 1, 1), (64, 5.0, 65.0), (600, 5.0, 65.0)]
)
def test_an_answer_ends_with_the_deadline(remaining: float, connect: float, read: float) -> None:
    pool = Pool((200, b""))
    client_of(pool, remaining).get("/x")
    timeout = pool.requests[0][2]["timeout"]
    assert (timeout.connect_timeout, timeout.read_timeout) == (connect, read)


@pytest.mark.parametrize(
    ("status", "data", "result"),
    [
        (200, b"", {}),
        (200, b'{"a": 1}', {"a": 1}),
        (201, b"[1]", {"items": [1]}),
        (299, b"{}", {}),
        (200, b"<html>", "the response to GET /x is not JSON"),
        (300, b"{}", "300 Error: no message"),
        (302, b"", "302 Error: no message"),
        (404, b'{"reason": "NotFound", "message": "no x"}', "404 NotFound: no x"),
        (409, b'{"reason": "Conflict"}', "409 Conflict: no message"),
        (409, b'{"message": "m"}', "409 Error: m"),
        (502, b"bad \xff gateway \n", "502 Error: bad \ufffd gateway"),
        (502, b"x" * 301, "502 Error: " + "x" * 300),
        (502, b"[1]", "502 Error: [1]"),
    ],
)
def test_each_answer(status: int, data: bytes, result: Any) -> None:
    client = client_of(Pool((status, data)))
    if isinstance(result, dict):
        assert client.get("/x") == result
        return
    with pytest.raises(ApiError) as refusal:
        client.get("/x")
    assert str(refusal.value) == result
    assert refusal.value.status == (0 if status == 200 else status)


def test_an_answer_that_is_not_json_is_a_transient_error() -> None:
    with pytest.raises(ApiError) as refusal:
        client_of(Pool((200, b"<html>"))).get("/x")
    assert (refusal.value.reason, refusal.value.is_transient(0)) == ("NotJson", True)


@pytest.mark.parametrize(("header", "seconds"), [("5", 5.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_when_to_ask_again(header: str, seconds: float | None) -> None:
    with pytest.raises(ApiError) as refusal:
        client_of(Pool((429, b"{}"), headers={"Retry-After": header} if header else {})).get("/x")
    assert refusal.value.retry_after == seconds


@pytest.mark.parametrize(("status", "renewed"), [(401, 1), (403, 0), (503, 0)])
def test_only_a_rejected_token_is_discarded(status: int, renewed: int) -> None:
    connection = InProcess(Pool((status, b"")))
    with pytest.raises(ApiError):
        ApiClient(connection, Deadline.after(Stopped(), 20)).get("/x")
    assert connection.renewed == renewed


@pytest.mark.parametrize("data", [b"", b"[]", b'{"kind": "ConfigMap"}', b'{"metadata": []}', b'{"metadata": {}}'])
@pytest.mark.parametrize(
    "call",
    [lambda c: c.find("/x"), lambda c: c.apply("/x", {}), lambda c: c.merge("/x", {}, manager="m")],
    ids=["find", "apply", "merge"],
)
def test_an_answer_that_is_no_object_is_a_transient_error(data: bytes, call: Callable[[ApiClient], Any]) -> None:
    with pytest.raises(ApiError, match=r"^the API server's response for /x is not an object$") as refusal:
        call(client_of(Pool((200, data))))
    assert (refusal.value.reason, refusal.value.is_transient(0)) == ("NotAnObject", True)


def test_an_object_that_is_absent_is_none() -> None:
    assert client_of(Pool((200, OBJECT))).find("/x") == FOUND
    assert client_of(Pool((404, b""))).find("/x") is None
    with pytest.raises(ApiError, match=r"^410 Error: no message$"):
        client_of(Pool((410, b""))).find("/x")


def test_all_pages_of_a_list_are_read() -> None:
    pages = [{"items": [{"n": 1}], "metadata": {"continue": "a"}}, {"items": None, "metadata": {"continue": "b"}}, {}]
    pool = Pool(*[(200, json.dumps(page).encode()) for page in pages])
    assert client_of(pool).items("/x", labelSelector="a=b") == [{"n": 1}]
    assert [(method, url) for method, url, _ in pool.requests] == [
        ("GET", "https://cluster/x?limit=250&labelSelector=a%3Db"),
        ("GET", "https://cluster/x?limit=250&labelSelector=a%3Db&continue=a"),
        ("GET", "https://cluster/x?limit=250&labelSelector=a%3Db&continue=b"),
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionResetError("reset by peer"), "reset by peer"),
        (OSError(), "OSError"),
        (urllib3.exceptions.ProtocolError("broken"), "broken"),
        (urllib3.exceptions.MaxRetryError(None, "/x", ValueError("<Pool at 0x7f>: <x>: late")), "<x>: late"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_connection_is_a_transient_error(error: Exception, text: str) -> None:
    class Broken(Pool):
        def request(self, method: str, url: str, **options: Any) -> Any:
            raise error

    with pytest.raises(ApiError) as refusal:
        client_of(Broken()).get("/x")
    assert str(refusal.value) == f"the API server did not respond: {text}"
    assert (refusal.value.reason, refusal.value.is_transient(0)) == ("Unreachable", True)


@pytest.mark.parametrize("context", [None, ssl.create_default_context()], ids=["plain", "tls"])
def test_connections_trust_the_context_and_urllib3_retries_nothing(
    context: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[dict[str, Any]] = []
    monkeypatch.setattr(urllib3, "PoolManager", lambda **options: created.append(options) or Pool((200, b"")))
    connection: Any = SimpleNamespace(endpoint="https://cluster", ssl_context=context, headers=dict)
    assert ApiClient(connection, Deadline.after(Stopped(), 20)).get("/x") == {}
    tls = {"ssl_context": context} if context else {}
    assert created == [{"maxsize": 2, "retries": False, **tls}]
