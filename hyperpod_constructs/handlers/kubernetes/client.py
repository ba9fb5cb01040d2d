"""A client of an API server, which sends and returns JSON or raises ``ApiError``."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3

from ..shared.within import within
from .errors import ApiError
from .timing import Deadline

FIELD_MANAGER = "hyperpod-constructs"

#: Seconds for one response: an API server allows 30 seconds for a webhook and 60 for a request.
LONGEST_RESPONSE_SECONDS = 65.0


class Connection(Protocol):
    """The address of an API server with its credentials."""

    endpoint: str
    ssl_context: ssl.SSLContext | None

    def headers(self) -> Mapping[str, str]:
        """Returns the authentication headers; called for each request, so that a token can be renewed."""

    def renew(self) -> None:
        """Discards the credentials, because the API server rejected them."""


class ApiClient:
    """Requests to one API server; each ends at most one second after ``deadline``."""

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self.connection = connection
        self.deadline = deadline
        tls: dict[str, Any] = {"ssl_context": connection.ssl_context} if connection.ssl_context else {}
        # A connection may have its own pool; that of a rehearsal responds in this process.
        self._own_pool: Any = getattr(connection, "pool", None)
        self._pool: urllib3.PoolManager = self._own_pool or urllib3.PoolManager(maxsize=2, retries=False, **tls)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """Sends a request, and returns the decoded response. Raises ``ApiError``."""
        url = f"{self.connection.endpoint}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self.connection.headers(), "Accept": accept, "User-Agent": FIELD_MANAGER}
        if body is not None:
            headers["Content-Type"] = content_type
        read = min(LONGEST_RESPONSE_SECONDS, self.deadline.remaining + 1)
        data = None if body is None else json.dumps(body).encode()

        try:
            response = self._send(method, url, headers, data, read)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, "Unreachable", f"the API server did not respond: {_reason(error)}") from None
        if response.status == 401:
            self.connection.renew()
        if response.status >= 300:
            raise _rejection(response.status, response.headers, response.data)
        try:
            content = json.loads(response.data) if response.data else {}
        except ValueError:
            raise ApiError(0, "NotJson", f"the response to {method} {path} is not JSON") from None
        return content if isinstance(content, dict) else {"items": content}

    def _send(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, seconds: float
    ) -> urllib3.BaseHTTPResponse:
        def send() -> urllib3.BaseHTTPResponse:
            timeout = urllib3.Timeout(connect=min(5.0, seconds), read=seconds)
            return self._pool.request(method, url, body=data, headers=headers, timeout=timeout, redirect=False)

        return send() if self._own_pool else within(seconds + 1, send)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Sends GET for an object or a list."""
        return self.request("GET", path, query=query or None)

    def find(self, path: str) -> dict[str, Any] | None:
        """Sends GET for an object; returns ``None`` if it does not exist."""
        return _none_if_absent(lambda: _object(self.request("GET", path), path))

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Returns the items of a list, from all pages."""
        found: list[dict[str, Any]] = []
        page = {"limit": "250", **query}
        while True:
            response = self.request("GET", path, query=page)
            found += response.get("items") or []
            token = response.get("metadata", {}).get("continue")
            if not token:
                return found
            page["continue"] = token

    def apply(
        self, path: str, body: Mapping[str, Any], *, manager: str = FIELD_MANAGER, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply that forces conflicts with other field managers; returns the resulting object."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        response = self.request("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")
        return _object(response, path)

    def merge(self, path: str, patch: Mapping[str, Any], *, manager: str) -> dict[str, Any]:
        """Applies a JSON merge patch; returns the resulting object."""
        query = {"fieldManager": manager}
        response = self.request("PATCH", path, query=query, body=patch, content_type="application/merge-patch+json")
        return _object(response, path)

    def delete(
        self, path: str, *, propagation: str, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        """Requests the deletion of an object (only if it still has this ``uid`` and version)."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if uid or resource_version:
            options["preconditions"] = {name: value for name, value in conditions.items() if value}
        self.request("DELETE", path, body=options)


def _object(response: dict[str, Any], path: str) -> dict[str, Any]:
    """Returns a response that must be an object. Raises a transient ``ApiError``: a proxy may have modified the response."""
    metadata = response.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("uid"):
        raise ApiError(0, "NotAnObject", f"the API server's response for {path} is not an object")
    return response


def _none_if_absent(read: Any) -> dict[str, Any] | None:
    try:
        response: dict[str, Any] = read()
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return response


def _reason(error: BaseException) -> str:
    """Returns the connection error without the addresses of Python objects."""
    reason = getattr(error, "reason", None)
    text = str(reason if reason is not None else error)
    return text.split(">: ", 1)[-1] or type(error).__name__


def _rejection(status: int, headers: Mapping[str, str], data: bytes) -> ApiError:
    retry_after = headers.get("Retry-After", "")
    try:
        content = json.loads(data)
        reason, message = content.get("reason") or "", content.get("message") or ""
    except (ValueError, AttributeError):
        reason, message = "", data[:300].decode(errors="replace").strip()
    return ApiError(
        status, reason or "Error", message or "no message", float(retry_after) if retry_after.isdigit() else None
    )
