"""Helpers of the tests that compare the in-memory API server with a real one."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_targets import Target

from hyperpod_constructs.handlers.kubernetes.errors import ApiError


def object_path(target: Target, plural: str, name: str, group: str = "") -> str:
    base = f"/apis/{group}" if group else "/api/v1"
    return f"{base}/namespaces/{target.namespace}/{plural}/{name}"


def body(target: Target, kind: str, name: str, api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": target.namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def rejection(action: Any, *arguments: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as refusal:
        action(*arguments, **options)
    return refusal.value.status, refusal.value.message


def image(name: str) -> dict[str, str]:
    return {"name": name, "image": f"registry.k8s.io/{name}"}
