"""Kubernetes objects that belong to a job: created before it, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kubernetes import Kubernetes, KubernetesError

Json = Mapping[str, Any]

_PATHS = {
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "PersistentVolume": "/api/v1/persistentvolumes",
    "PersistentVolumeClaim": "/api/v1/namespaces/{namespace}/persistentvolumeclaims",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
}
"""Kind to the path of its collection."""

KINDS = tuple(_PATHS)


def create(api: Kubernetes, manifest: Json, *, dry_run: bool = False) -> bool:
    """Creates an object; returns whether it is new. An existing object with the same content is not changed.

    Raises:
        KubernetesError: the API server rejected it, or an object of this name has other content.
    """
    kind, metadata = manifest["kind"], manifest["metadata"]
    path = _PATHS[kind].format(namespace=metadata.get("namespace", "default"))
    query = {"fieldManager": "hyperpod-constructs", "fieldValidation": "Strict"}
    try:
        api.request("POST", path, query=query | ({"dryRun": "All"} if dry_run else {}), body=manifest)
    except KubernetesError as error:
        if error.reason != "AlreadyExists":
            raise
        existing = api.get(f"{path}/{metadata['name']}")
        if kind != "Secret" and not all(
            _within(manifest[key], existing.get(key)) for key in manifest if key in _CONTENT
        ):
            name = f"{kind} {metadata.get('namespace', 'default')}/{metadata['name']}"
            message = f"{name} already exists with different content; delete it, or rename the new object"
            raise KubernetesError(409, "AlreadyExists", message) from error
        return False
    return True


_CONTENT = ("spec", "data", "rules", "roleRef", "subjects")


def _within(wanted: Any, existing: Any) -> bool:
    """Whether the existing object contains all values of the new object; the API server may have added defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(existing, Mapping) and all(_within(value, existing.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(existing, list) and len(wanted) == len(existing)
        return same and all(_within(item, other) for item, other in zip(wanted, existing, strict=True))
    return bool(wanted == existing)
