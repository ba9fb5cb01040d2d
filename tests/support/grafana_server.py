"""Amazon Managed Grafana for tests: the AWS API that grants access, and Grafana's API with its errors.

As Grafana 8 to 10 do: a uid has at most 40 characters and a tag 50, names of data sources are unique, one data source is
the default, and a dashboard that is written with `overwrite` takes the place of one with the same title in its folder.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fake_aws import FakeAws

WORKSPACE = "g-0123456789"
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Grafana:
    """One workspace. ``faults`` are answered first, 0 for a broken connection; ``hook`` is called before each request."""

    aws: FakeAws
    boards: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    created_accounts: int = 0
    hook: Callable[[str, str], None] = lambda method, path: None

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
        self.aws.on("grafana", "ListWorkspaceServiceAccounts", self._list)

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        self.created_accounts += 1
        self.accounts[str(self.created_accounts)] = request["name"]
        role = request["grafanaRole"]
        return {
            "id": str(self.created_accounts),
            "name": request["name"],
            "grafanaRole": role,
            "workspaceId": WORKSPACE,
        }

    def _token(self, request: dict[str, Any]) -> dict[str, Any]:
        token = {"id": "1", "name": request["name"], "key": f"key-{request['serviceAccountId']}"}
        return {"serviceAccountToken": token, "serviceAccountId": request["serviceAccountId"], "workspaceId": WORKSPACE}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        self.accounts.pop(request["serviceAccountId"], None)
        return {"serviceAccountId": request["serviceAccountId"], "workspaceId": WORKSPACE}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"id": key, "name": name, "grafanaRole": "ADMIN", "isDisabled": "false"}
            for key, name in self.accounts.items()
        ]
        return {"serviceAccounts": found, "workspaceId": WORKSPACE}

    def http(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        assert headers["Authorization"].removeprefix("Bearer key-") in self.accounts
        path = url.partition(".amazonaws.com")[2]
        self.hook(method, path)
        if self.faults:
            fault = self.faults.pop(0)
            if fault == 0:
                raise OSError("connection refused")
            return fault, b'{"message":"no"}'
        status, answer = self._answer(method, path, json.loads(body) if body else {})
        return status, json.dumps(answer).encode()

    def _answer(self, method: str, path: str, content: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(path)
        uid, query = unquote(parts.path.rpartition("/")[2]), parse_qs(parts.query)
        match method, parts.path:
            case "GET", "/api/search":
                return 200, self._search(query)
            case "GET", "/api/datasources":
                return 200, list(self.sources.values())
            case "POST", "/api/datasources":
                return self._put_source(content["uid"], content, new=True)
            case "POST", "/api/dashboards/db":
                return self._put_board(content)
        items = self.boards if parts.path.startswith("/api/dashboards/uid/") else self.sources
        if uid not in items:
            return 404, {"message": "not found"}
        if method == "GET" and items is self.boards:
            folder = {"folderUid": self.folders.get(uid, "")}
            return 200, {"dashboard": copy.deepcopy(self.boards[uid]), "meta": folder}
        if method == "GET":
            return 200, copy.deepcopy(self.sources[uid])
        if method == "PUT":
            return self._put_source(uid, content, new=False)
        assert method == "DELETE"
        del items[uid]
        return 200, {}

    def _search(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        return [
            {"uid": uid, "title": board.get("title", ""), "tags": board.get("tags") or []}
            for uid, board in self.boards.items()
            if all(tag in (board.get("tags") or []) for tag in query.get("tag", []))
            and all(text.lower() in board.get("title", "").lower() for text in query.get("query", []))
        ]

    def _put_source(self, uid: str, content: dict[str, Any], *, new: bool) -> tuple[int, Any]:
        assert len(uid) <= 40
        others = [source for key, source in self.sources.items() if key != uid]
        if (new and uid in self.sources) or any(other["name"] == content["name"] for other in others):
            return 409, {"message": "data source with the same name already exists"}
        if content.get("isDefault"):
            for item in others:
                item["isDefault"] = False
        version = self.sources.get(uid, {}).get("version", 0)
        if not new and content.get("version", version) != version:
            return 412, {"message": "the data source was changed by somebody else"}
        self.sources[uid] = {**copy.deepcopy(content), "version": version + 1}
        return 200, {}

    def _put_board(self, content: dict[str, Any]) -> tuple[int, Any]:
        board = content["dashboard"]
        assert content["overwrite"] is True
        assert len(board["uid"]) <= 40
        if any(len(tag) > 50 for tag in board.get("tags") or []):
            return 500, {"message": "value too long for type character varying(50)"}
        folder = content.get("folderUid", "")
        for uid, other in list(self.boards.items()):
            if uid != board["uid"] and other.get("title") == board.get("title") and self.folders.get(uid, "") == folder:
                del self.boards[uid]
        self.boards[board["uid"]] = {
            **copy.deepcopy(board),
            "version": self.boards.get(board["uid"], {}).get("version", 0) + 1,
        }
        self.folders[board["uid"]] = folder
        return 200, {}
