"""Grafana's HTTP API within one deadline, and the service account of the function."""

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
"""Maximum total time of the calls of one event; Lambda ends the function after five minutes."""

GONE = "ResourceNotFoundException"
ACCOUNT_SECONDS = 30.0
"""Reserved at the end, to delete the service account."""
UNDO_SECONDS = 60.0
"""Reserved before that, to undo a failed Create."""

_FRESH_SECONDS = 60.0  # a new token may not be accepted everywhere yet
_ANSWER_SECONDS = 30.0
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"ThrottlingException", "TooManyRequestsException", "InternalServerException", "ConflictException"}

Http = Callable[[str, str, Mapping[str, str], "bytes | None"], tuple[int, bytes]]
"""Sends method, URL, headers and body; returns status and body."""


class GrafanaError(Exception):
    """The error that CloudFormation shows."""


@dataclass
class Api:
    """Grafana's API of one workspace; every call is retried until the deadline."""

    url: str
    token: str
    http: Http
    clock: Clock
    until: float

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    def get(self, path: str, **query: str) -> Any:
        """Return the decoded response; None if the object does not exist."""
        status, answer = self.call("GET", path + (f"?{urlencode(query)}" if query else ""), allowed=(404,))
        if status == 404:
            return None
        try:
            return json.loads(answer)
        except ValueError:
            raise GrafanaError(f"Grafana did not answer GET {path} with JSON") from None

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return a list of objects."""
        found = self.get(path, **query)
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, allowed: tuple[int, ...] = ()
    ) -> tuple[int, bytes]:
        """Return status and body. Raises `GrafanaError`."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        pause = 2.0
        while True:
            try:
                status, answer = self.http(method, self.url + path, headers, data)
            except OSError as error:
                status, answer = 503, str(error).encode()
            if status < 300 or status in allowed:
                log.info("%s %s: %s", method, path, status)
                return status, answer
            fresh = status == 401 and self.clock.monotonic() - self._began < _FRESH_SECONDS
            if not (fresh or status in _TRANSIENT) or self.clock.monotonic() + pause >= self.until:
                excerpt = answer[:300].decode(errors="replace").replace(self.token, "***")
                raise GrafanaError(f"Grafana answers {status} to {method} {path}: {excerpt}")
            self.clock.sleep(pause)
            pause = min(pause * 2, 20.0)


@contextmanager
def session(workspace: str, client: Any, http: Http, clock: Clock, owner: str, until: float) -> Iterator[Api]:
    """Create a service account with a token, and delete the account at the end in any case.

    Accounts that a terminated function left behind for the same owner are also deleted, after their token has expired.
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
            again=False,
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
            f"{error}. Delete it manually; its token is valid for ten minutes only"
        ) from error
    try:
        for each in list(_accounts(workspace, client, clock, until)):  # before deletions, which shift pages
            left = each["name"].startswith(prefix) and _is_over(each["name"], prefix)
            if left or (account is None and each["name"] == name):
                _delete_account(workspace, client, clock, until, each["id"])
    except (ClientError, BotoCoreError):
        log.exception("service accounts of workspace %s could not be listed; %s* may remain", workspace, prefix)


def _accounts(workspace: str, client: Any, clock: Clock, until: float) -> Iterator[Mapping[str, Any]]:
    more: dict[str, str] = {"workspaceId": workspace}
    while True:
        page = _aws(partial(client.list_workspace_service_accounts, **more), clock, until)
        yield from page.get("serviceAccounts") or []
        if not page.get("nextToken"):
            return
        more["nextToken"] = page["nextToken"]


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


def _is_over(name: str, prefix: str) -> bool:
    made = name.removeprefix(prefix).partition("-")[0]
    return made.isdigit() and time.time() - int(made) > TOKEN_SECONDS


def _aws(call: Callable[[], T], clock: Clock, until: float, *, again: bool = True) -> T:
    """Call, and retry transient AWS errors while time remains."""
    pause = 1.0
    while True:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            busy = not code or code in _TRANSIENT_CODES
            # do not create a second service account if the first may exist
            if not busy or not (again or code) or clock.monotonic() + pause >= until:
                raise
        clock.sleep(pause)
        pause = min(pause * 2, 10.0)


def requests(clock: Clock, until: float) -> Http:
    """Real HTTP requests; the whole response must arrive before the timeout."""
    import urllib3

    pool = urllib3.PoolManager(retries=False)

    def http(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        end = min(until, clock.monotonic() + _ANSWER_SECONDS)
        seconds = max(1.0, end - clock.monotonic())

        def ask() -> urllib3.BaseHTTPResponse:
            timeout = urllib3.Timeout(connect=5.0, read=seconds)
            return pool.request(method, url, headers=dict(headers), body=body, timeout=timeout, redirect=False)

        try:
            answer = within(seconds + 1, ask)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from None
        return answer.status, answer.data

    return http
