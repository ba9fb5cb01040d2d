"""A Kubernetes API server in the process, without a socket, with faults on demand.

It serves discovery, server-side apply with field ownership, POST, PUT, merge patch, DELETE with finalizers and
preconditions, lists with label and field selectors in pages, and pod logs. ``store`` lists what is not implemented.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ...handlers.shared.merge import merge_patch
from .kinds import check_body
from .store import Clock, Json, Key, Refusal, Resource, Store

LARGEST_BODY = 3 * 1024 * 1024

NO_HANDLER = "(no handler)"
"""Reason of a 404 response in plain text: the server does not serve the path."""


@dataclass
class Fault:
    """A response that replaces the correct response."""

    method: str = ""
    path: str = ""
    status: int = 500
    reason: str = "InternalError"
    message: str = "injected"
    headers: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    drop: bool = False
    takes: float = 0.0
    after: bool = False
    dry_run: bool = False

    def matches(self, method: str, path: str, *, dry_run: bool) -> bool:
        """Whether the fault applies to a request."""
        asked = self.method in ("", method) and (dry_run or not self.dry_run)
        return self.times != 0 and asked and re.search(self.path, path) is not None


@dataclass(frozen=True)
class Request:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any


class ApiServer:
    """The state in ``store``, and the received requests; ``token`` is the accepted bearer token."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = Store(self.clock)
        self.token = "test-token-3f1c"
        self.requests: list[Request] = []
        self.logs: dict[tuple[str, str], str] = {}
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    def fault(self, **given: Any) -> Fault:
        """Answers matching requests (method, regular expression of the path) with a fault, ``times`` times or always.

        ``drop`` closes the connection without a response, ``takes`` advances the clock first, ``after`` executes the
        request and then responds with the fault, like a lost response. ``dry_run``: dry runs only.
        """
        fault = Fault(**given)
        self._faults.append(fault)
        return fault

    def webhook(self, path: str, how: str, times: int | None = None) -> Fault:
        """A webhook that is ``refusing``, ``missing`` (no endpoints), ``slow``, ``denying`` or ``no-dry-run``."""
        call = 'failed calling webhook "v.example.com": failed to call webhook: Post "https://v.team.svc:443/v?timeout=10s"'
        if how == "no-dry-run":
            message = 'admission webhook "v.example.com" does not support dry run'
            return self.fault(path=path, status=400, reason="BadRequest", message=message, times=times, dry_run=True)
        if how == "denying":
            message = 'admission webhook "v.example.com" denied the request: not allowed'
            return self.fault(method="PATCH", path=path, status=403, reason="Forbidden", message=message, times=times)
        message = {
            "refusing": f"Internal error occurred: {call}: dial tcp 10.1.2.3:443: connect: connection refused",
            "missing": f'Internal error occurred: {call}: no endpoints available for service "v"',
            "slow": f"Internal error occurred: {call}: context deadline exceeded",
        }[how]
        return self.fault(method="PATCH", path=path, message=message, times=times, takes=10.0 if how == "slow" else 0.0)

    def received(self, method: str, path: str = "") -> list[Request]:
        """Returns the requests so far of a method whose path matches a regular expression."""
        return [r for r in self.requests if r.method == method and re.search(path, r.path)]

    def answer(self, method: str, target: str, headers: Any, data: bytes) -> tuple[int, Any, dict[str, str]]:
        """Returns status, body and headers; ``None`` as status closes the connection."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        body = json.loads(data) if data else None
        with self._lock:
            self.requests.append(Request(method, url.path, query, headers.get("Content-Type", ""), body))
            fault = next((f for f in self._faults if f.matches(method, url.path, dry_run="dryRun" in query)), None)
            if fault:
                fault.times = None if fault.times is None else fault.times - 1
                self.clock.advance(fault.takes)
                if not fault.after:
                    return self._fault(fault)
            try:
                if headers.get("Authorization") != f"Bearer {self.token}":
                    raise Refusal(401, "Unauthorized", "Unauthorized")
                if len(data) > LARGEST_BODY:
                    raise Refusal(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
                self.store.settle()
                if query.get("dryRun") == "All" and method != "GET":
                    with self.store.dry_run():
                        status, answer = self._serve(method, unquote(url.path), query, headers, body)
                else:
                    status, answer = self._serve(method, unquote(url.path), query, headers, body)
            except Refusal as refusal:
                if fault:
                    return self._fault(fault)
                if refusal.reason == NO_HANDLER:
                    return 404, "404 page not found\n", {}
                return refusal.status, _status(refusal.status, refusal.reason, refusal.message), {}
            return self._fault(fault) if fault else (status, answer, {})

    def _fault(self, fault: Fault) -> tuple[int, Any, dict[str, str]]:
        status = 0 if fault.drop else fault.status
        return status, _status(fault.status, fault.reason, fault.message), fault.headers

    def _serve(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if parts[0] == "version":
            return 200, {"major": "1", "minor": "35", "gitVersion": "v1.35.0-fake"}
        if len(parts) == 2 and parts[0] == "apis":
            return 200, self._group(parts[1])
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        if not rest:
            return 200, self._discovery(group, version)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = self._resource(group, version, rest[0])
        if len(rest) == 1:
            if method == "POST":
                key = resource.key(namespace, body["metadata"]["name"])
                if key in self.store.objects:
                    raise Refusal(409, "AlreadyExists", f'{resource.qualified} "{key[3]}" already exists')
                return 201, self.store.replace(resource, key, body, _manager(query, headers))
            return 200, self._list(resource, namespace, query)
        if rest[2:] == ["log"]:
            return 200, self.logs[namespace, rest[1]]
        return self._object(method, resource, resource.key(namespace, rest[1]), query, headers, body)

    def _object(
        self, method: str, resource: Resource, key: Key, query: dict[str, str], headers: Any, body: Any
    ) -> tuple[int, Any]:
        store, content_type = self.store, headers.get("Content-Type", "")
        manager = _manager(query, headers)
        if method == "PATCH" and content_type == "application/apply-patch+yaml":
            check_body(resource, key, body)
            item, new = store.apply(resource, key, body, manager, query.get("force") == "true")
            return 201 if new else 200, _as(item, resource)
        if key not in store.objects:
            raise Refusal(404, "NotFound", f'{resource.qualified} "{key[3]}" not found')
        if method == "GET":
            item = _as(store.objects[key], resource)
            if "as=PartialObjectMetadata" in headers.get("Accept", ""):
                item = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
            return 200, item
        if method == "DELETE":
            return 200, _as(store.delete(key, body or {}), resource)
        if method == "PUT":
            return 200, store.replace(resource, key, body, manager)
        if method == "PATCH" and content_type == "application/merge-patch+json":
            return 200, store.replace(resource, key, merge_patch(store.objects[key], body), manager)
        raise Refusal(405, "MethodNotAllowed", f"{method} with {content_type} is not served")

    def _resource(self, group: str, version: str, plural: str) -> Resource:
        for resource in self.store.resources():
            if (resource.group, resource.version, resource.plural) == (group, version, plural):
                return resource
        if any((r.group, r.version) == (group, version) for r in self.store.resources()):
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        raise Refusal(404, NO_HANDLER, "")

    def _group(self, group: str) -> Json:
        versions = dict.fromkeys(r.api_version for r in self.store.resources() if r.group == group)
        if not versions:
            raise Refusal(404, NO_HANDLER, "")
        return {"kind": "APIGroup", "name": group, "versions": [{"groupVersion": version} for version in versions]}

    def _discovery(self, group: str, version: str) -> Json:
        found = [r for r in self.store.resources() if (r.group, r.version) == (group, version)]
        if not found:
            raise Refusal(404, NO_HANDLER, "")
        names = [{"name": r.plural, "kind": r.kind, "namespaced": r.namespaced} for r in found]
        names += [{"name": f"{r.plural}/status", "kind": r.kind, "namespaced": r.namespaced} for r in found]
        return {"kind": "APIResourceList", "groupVersion": found[0].api_version, "resources": names}

    def _list(self, resource: Resource, namespace: str, query: dict[str, str]) -> Json:
        where = resource.key("", "")[:2]
        items = [
            _as(item, resource)
            for key, item in sorted(self.store.objects.of(*where), key=lambda pair: pair[0])
            if namespace in ("", key[2]) and _selected(item, query)
        ]
        if re.match(r"\s*[=!<>,]", query.get("labelSelector", "")):
            sign = re.match(r"\s*(\W+)", query["labelSelector"])
            reason = f"found '{sign[1] if sign else ''}', expected: !, identifier, or 'end of string'"
            raise Refusal(400, "BadRequest", reason)
        if not query.get("continue", "0").isdigit():
            reason = "continue key is not valid: invalid character looking for beginning of value"
            raise Refusal(400, "BadRequest", f"invalid continue token: {reason}")
        start, limit = int(query.get("continue", 0)), int(query.get("limit", 0))
        metadata: Json = {}
        if limit and len(items) > start + limit:
            metadata["continue"] = str(start + limit)
        page = items[start : start + limit] if limit else items
        return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": page}


def _manager(query: dict[str, str], headers: Any) -> str:
    """Returns the field manager of a request; default: the first part of its user agent."""
    return query.get("fieldManager") or str(headers.get("User-Agent") or "unknown").partition("/")[0]


def _selected(item: Json, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels") or {}
    for term in filter(None, re.split(r",(?![^(]*\))", query.get("labelSelector", ""))):
        one_of = re.fullmatch(r"(\S+) in \((.*)\)", term)
        name, equals, value = term.replace("==", "=").partition("=")
        name, values = (one_of[1], one_of[2].split(",")) if one_of else (name, [value] if equals else [])
        if name not in labels or (values and labels[name] not in values):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        found: Any = item
        for name in path.split("."):
            found = (found or {}).get(name)
        if found != value:
            return False
    return True


def _as(item: Json, resource: Resource) -> Json:
    return {**item, "apiVersion": resource.api_version}


def _status(code: int, reason: str, message: str) -> Json:
    return {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}
