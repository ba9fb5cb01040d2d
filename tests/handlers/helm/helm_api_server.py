"""The fake API server with the additional requests of helm: discovery, OpenAPI, and Secrets as protobuf."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fake_api_server import FakeApiServer


class HelmApiServer(FakeApiServer):
    def answer(self, method: str, target: str, headers: Any, data: bytes) -> tuple[int, Any, dict[str, str]]:
        if data.startswith(_PROTOBUF):
            data = json.dumps(_secret(data) if "/secrets" in target and method != "DELETE" else {}).encode()
        status, answer, response_headers = super().answer(method, target, headers, data)
        if isinstance(answer, dict) and answer.get("kind") == "Status":
            answer = {"apiVersion": "v1", **answer}  # required by helm's client for reason and message
        return status, answer, response_headers

    def _group(self, group: str) -> dict[str, Any]:
        found = super()._group(group)
        found["versions"] = [
            {**version, "version": version["groupVersion"].rpartition("/")[2]} for version in found["versions"]
        ]
        return found

    @contextmanager
    def no_faults(self) -> Iterator[None]:
        """Without the faults, for the checks of a test."""
        faults, self._faults = self._faults, []
        try:
            yield
        finally:
            self._faults = faults

    def set_status(self, release: str, status: str, namespace: str = "team") -> None:
        """Sets the status of the newest revision of a release, as an interrupted helm leaves it."""
        prefix = f"sh.helm.release.v1.{release}.v"
        names = [
            key[3] for key in self.store.objects if key[1:3] == ("secrets", namespace) and key[3].startswith(prefix)
        ]
        newest = max(names, key=lambda name: int(name.removeprefix(prefix)))
        secret = self.store.get("secrets", newest, namespace)
        assert secret is not None
        record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
        record["info"]["status"] = status
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
        secret["data"]["release"] = packed
        secret["metadata"]["labels"]["status"] = status

    def _serve(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> tuple[int, Any]:
        resources = list(self.store.resources())
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = dict.fromkeys(resource.group for resource in resources if resource.group)
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(name) for name in groups]}
        if path == "/openapi/v3":
            versions = {_base(resource.group, resource.version) for resource in resources}
            return 200, {"paths": {base: {"serverRelativeURL": f"/openapi/v3/{base}"} for base in versions}}
        if path.startswith("/openapi/v3/"):
            base = path.removeprefix("/openapi/v3/")
            return 200, {
                "openapi": "3.0.0",
                "info": {"title": "Kubernetes", "version": "v1.35.0"},
                "paths": {
                    f"/{base}/{resource.plural}/{{name}}": {"patch": _patch(resource)}
                    for resource in resources
                    if _base(resource.group, resource.version) == base
                },
            }
        return super()._serve(method, path, query, headers, body)


_PROTOBUF = b"k8s\0"


def _secret(data: bytes) -> dict[str, Any]:
    """A Secret in Kubernetes' protobuf encoding; only the fields that helm sets."""
    unknown = dict(_fields(data.removeprefix(_PROTOBUF)))
    secret = list(_fields(unknown[2]))
    metadata = list(_fields(dict(secret)[1]))
    plain = dict(metadata)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": dict(secret).get(3, b"Opaque").decode(),
        "metadata": {
            "name": plain[1].decode(),
            "namespace": plain[3].decode(),
            "labels": {key.decode(): value.decode() for key, value in _map(metadata, 11)},
        },
        "data": {key.decode(): base64.b64encode(value).decode() for key, value in _map(secret, 2)},
    }


def _map(fields: list[tuple[int, bytes]], number: int) -> Iterator[tuple[bytes, bytes]]:
    for found, entry in fields:
        if found == number:
            pair = dict(_fields(entry))
            yield pair.get(1, b""), pair.get(2, b"")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a protobuf message; numeric fields are omitted."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 2:
            length, position = _varint(data, position)
            yield tag >> 3, data[position : position + length]
            position += length
        else:
            _, position = _varint(data, position)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _base(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _patch(resource: Any) -> dict[str, Any]:
    """States that this server validates fields, so that helm does not request the complete schema."""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "parameters": [{"name": "fieldValidation", "in": "query"}],
        "responses": {},
        "x-kubernetes-group-version-kind": kind,
    }
