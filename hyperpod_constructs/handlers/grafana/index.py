"""The events: make a service account, speak to Grafana, delete the account."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

log = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)

TOKEN_SECONDS = 600
RETRY_SECONDS = 180.0
"""How long refusals that may pass are tried again: a new workspace needs a while until it answers."""

_GONE = "ResourceNotFoundException"
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}

Http = Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, bytes]]
"""Method, URL, headers and body to status and body."""


class GrafanaError(Exception):
    """What CloudFormation shows the user."""


class Clock:
    """Real time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def on_event(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    import boto3

    return handle(event, boto3.client("grafana"), _http, Clock())


def handle(event: Mapping[str, Any], client: Any, http: Http, clock: Clock) -> dict[str, Any]:
    """One event. Raises `GrafanaError`."""
    properties = event["ResourceProperties"]
    workspace = properties["WorkspaceId"]
    wanted = _uids(properties)
    old = event.get("OldResourceProperties") or {}
    moved = bool(old) and old["WorkspaceId"] != workspace
    stale = [] if moved or not old else [uid for uid in _uids(old) if uid not in wanted]
    if event["RequestType"] == "Delete":
        _delete(workspace, client, http, clock, wanted)
    else:
        with _session(workspace, client, http, clock, event["LogicalResourceId"]) as api:
            source = json.loads(properties["DataSource"])
            api.put_data_source(source)
            for board in json.loads(properties["Dashboards"]):
                api.put_dashboard(board)
            for uid in stale:
                api.delete_dashboard(uid)
    return {"PhysicalResourceId": f"{workspace}/dashboards", "Data": {"Count": str(len(wanted))}}


def _delete(workspace: str, client: Any, http: Http, clock: Clock, uids: list[str]) -> None:
    try:
        with _session(workspace, client, http, clock, "delete") as api:
            for uid in uids:
                api.delete_dashboard(uid)
    except ClientError as error:
        if error.response["Error"]["Code"] != _GONE:
            raise
        log.info("%s is gone, and its dashboards with it", workspace)


@dataclass
class _Api:
    url: str
    token: str
    http: Http
    clock: Clock

    def put_data_source(self, source: Mapping[str, Any]) -> None:
        """Create the data source, or make it what it should be."""
        status, _ = self._call("GET", f"/api/datasources/uid/{source['uid']}", allowed=(404,))
        if status == 404:
            self._call("POST", "/api/datasources", source)
        else:
            self._call("PUT", f"/api/datasources/uid/{source['uid']}", source)

    def put_dashboard(self, board: Mapping[str, Any]) -> None:
        """Create or overwrite a dashboard of ours."""
        body = {"dashboard": {**board, "id": None}, "overwrite": True, "message": "hyperpod-constructs"}
        self._call("POST", "/api/dashboards/db", body)

    def delete_dashboard(self, uid: str) -> None:
        """Delete a dashboard; gone already is fine."""
        self._call("DELETE", f"/api/dashboards/uid/{uid}", allowed=(404,))

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, allowed: tuple[int, ...] = ()
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        until, pause = self.clock.now() + RETRY_SECONDS, 2.0
        while True:
            try:
                status, answer = self.http(method, self.url + path, headers, data)
            except OSError as error:
                status, answer = 503, str(error).encode()
            if status < 300 or status in allowed:
                log.info("%s %s: %s", method, path, status)
                return status, answer
            if status not in _TRANSIENT or self.clock.now() + pause >= until:
                raise GrafanaError(
                    f"Grafana answers {status} to {method} {path}: {answer[:300].decode(errors='replace')}"
                )
            self.clock.sleep(pause)
            pause = min(pause * 2, 20.0)


@contextmanager
def _session(workspace: str, client: Any, http: Http, clock: Clock, name: str) -> Iterator[_Api]:
    endpoint = client.describe_workspace(workspaceId=workspace)["workspace"]["endpoint"]
    account = client.create_workspace_service_account(
        workspaceId=workspace, grafanaRole="ADMIN", name=f"hyperpod-{name}-{int(clock.now())}"[:128]
    )["id"]
    try:
        key = client.create_workspace_service_account_token(
            workspaceId=workspace, serviceAccountId=account, name="deployment", secondsToLive=TOKEN_SECONDS
        )["serviceAccountToken"]["key"]
        yield _Api(f"https://{endpoint}", key, http, clock)
    finally:
        client.delete_workspace_service_account(workspaceId=workspace, serviceAccountId=account)


def _uids(properties: Mapping[str, Any]) -> list[str]:
    return [board["uid"] for board in json.loads(properties["Dashboards"])]


def _http(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
    import urllib3

    try:
        answer = urllib3.request(method, url, headers=dict(headers), body=body, timeout=30.0, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(str(error)) from None
    return answer.status, answer.data
