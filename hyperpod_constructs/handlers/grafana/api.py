"""A client for Grafana's HTTP API with one deadline, and the service account of the function."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from ..shared.clock import Clock
from ..shared.within import within

log = logging.getLogger(__name__)

T = TypeVar("T")

TOKEN_SECONDS = 600
LONGEST_SECONDS = 270.0
"""Maximum total time of the calls of one event; Lambda terminates the function after five minutes."""

GONE = "ResourceNotFoundException"
ACCOUNT_SECONDS = 30.0
"""Reserved at the end for the deletion of the service account."""
UNDO_SECONDS = 60.0
"""Reserved before that for the rollback of a failed Create."""

_FRESH_SECONDS = 60.0  # a new token may not be valid on every server yet
_RESPONSE_SECONDS = 30.0
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"ThrottlingException", "TooManyRequestsException", "InternalServerException", "ConflictException"}

Http = Callable[[str, str, Mapping[str, str], "bytes | None"], tuple[int, bytes]]
"""Sends method, URL, headers and body; returns status and body."""


class GrafanaError(Exception):
    """The failure reason that CloudFormation shows."""


@dataclass
class Api:
    """A client for Grafana's API in one workspace; transient errors are retried until the deadline."""

    url: str
    token: str
    http: Http
    clock: Clock
    until: float

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()

    def get(self, path: str, **query: str) -> Any:
        """Returns the decoded response; None if the object does not exist."""
        status, content = self.call("GET", path + (f"?{urlencode(query)}" if query else ""), allowed=(404,))
        if status == 404:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise GrafanaError(f"Grafana returned invalid JSON for GET {path}") from None

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Returns the objects of a list; empty if the response is not a list."""
        found = self.get(path, **query)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, allowed: tuple[int, ...] = ()
    ) -> tuple[int, bytes]:
        """Sends a request and returns status and body. Raises `GrafanaError`."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        pause = 2.0
        while True:
            try:
                status, content = self.http(method, self.url + path, headers, data)
            except OSError as error:
                status, content = 503, str(error).encode()
            if status < 300 or status in allowed:
                log.info("%s %s: %s", method, path, status)
                return status, content
            new_token = status == 401 and self.clock.monotonic() - self._started < _FRESH_SECONDS
            if not (new_token or status in _TRANSIENT) or self.clock.monotonic() + pause >= self.until:
                excerpt = content[:300].decode(errors="replace").replace(self.token, "***")
                raise GrafanaError(f"Grafana returned {status} for {method} {path}: {excerpt}")
            self.clock.sleep(pause)
            pause = min(pause * 2, 20.0)


@contextmanager
def session(workspace: str, client: Any, http: Http, clock: Clock, owner: str, until: float) -> Iterator[Api]:
    """Creates a service account with a token, and always deletes the account at the end.

    Accounts of the same owner that remain from a terminated function are also deleted, after their tokens have expired.
    """
    last = until - ACCOUNT_SECONDS
    endpoint = _aws(lambda: client.describe_workspace(workspaceId=workspace), clock, last)["workspace"]["endpoint"]
    prefix = f"hyperpod-{owner}-"
    name = f"{prefix}{int(time.time())}-{uuid.uuid4().hex[:8]}"
    account: str | None = None
    try:
        account = _aws(
            lambda: client.create_workspace_service_account(workspaceId=workspace, grafanaRole="ADMIN", name=name),
            clock,
            last,
            repeatable=False,
        )["id"]
        key = _aws(
            lambda: client.create_workspace_service_account_token(
                workspaceId=workspace, serviceAccountId=account, name="deployment", secondsToLive=TOKEN_SECONDS
            ),
            clock,
            last,
        )["serviceAccountToken"]["key"]
        yield Api(f"https://{endpoint}", key, http, clock, last)
    finally:
        _delete_accounts(workspace, client, clock, until, account, name, prefix)


def _delete_accounts(
    workspace: str, client: Any, clock: Clock, until: float, account: str | None, name: str, prefix: str
) -> None:
    try:
        if account is not None:
            _delete_account(workspace, client, clock, until, account)
    except (ClientError, BotoCoreError) as error:
        raise GrafanaError(
            f"the service account {name} of the Grafana workspace {workspace} could not be deleted: "
            f"{error}. Delete it manually; its token expires after ten minutes"
        ) from error
    try:
        for found in list(_accounts(workspace, client, clock, until)):  # list first: a deletion changes the pages
            expired = found["name"].startswith(prefix) and _has_expired(found["name"], prefix)
            if expired or (account is None and found["name"] == name):
                _delete_account(workspace, client, clock, until, found["id"])
    except (ClientError, BotoCoreError):
        log.exception("service accounts of workspace %s could not be listed; %s* may remain", workspace, prefix)


def _accounts(workspace: str, client: Any, clock: Clock, until: float) -> Iterator[Mapping[str, Any]]:
    arguments: dict[str, str] = {"workspaceId": workspace}
    while True:
        page = _aws(partial(client.list_workspace_service_accounts, **arguments), clock, until)
        yield from page.get("serviceAccounts") or []
        if not page.get("nextToken"):
            return
        arguments["nextToken"] = page["nextToken"]


def _delete_account(workspace: str, client: Any, clock: Clock, until: float, account: str) -> None:
    try:
        _aws(
            lambda: client.delete_workspace_service_account(workspaceId=workspace, serviceAccountId=account),
            clock,
            until,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != GONE:
            raise


def _has_expired(name: str, prefix: str) -> bool:
    created = name.removeprefix(prefix).partition("-")[0]
    return created.isdigit() and time.time() - int(created) > TOKEN_SECONDS


def _aws(call: Callable[[], T], clock: Clock, until: float, *, repeatable: bool = True) -> T:
    """Returns the result of a call; transient AWS errors are retried while time remains."""
    pause = 1.0
    while True:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            transient = not code or code in _TRANSIENT_CODES
            # a second service account is not created if the first one may exist
            if not transient or not (repeatable or code) or clock.monotonic() + pause >= until:
                raise
        clock.sleep(pause)
        pause = min(pause * 2, 10.0)


def requests(clock: Clock, until: float) -> Http:
    """Returns a function that sends HTTP requests; the timeout applies to the complete response."""
    import urllib3

    pool = urllib3.PoolManager(retries=False)

    def http(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        end = min(until, clock.monotonic() + _RESPONSE_SECONDS)
        seconds = max(1.0, end - clock.monotonic())

        def send() -> urllib3.BaseHTTPResponse:
            timeout = urllib3.Timeout(connect=5.0, read=seconds)
            return pool.request(method, url, headers=dict(headers), body=body, timeout=timeout, redirect=False)

        try:
            response = within(seconds + 1, send)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from None
        return response.status, response.data

    return http
