"""Aggregated ClusterRoles that Kubernetes recreates after their release was deleted.

A Kubernetes controller owns the rules of an aggregated ClusterRole. If an uninstall deletes such a role together with the
roles that it selects, the controller may still have it in its cache and apply its rules again. This creates a new role
without labels, annotations and aggregation rule, with the controller as its only field manager. No other client creates
such a role. It blocks the next installation, so it is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..kubernetes.client import ApiClient
from ..kubernetes.errors import ApiError

CONTROLLER = "clusterrole-aggregation-controller"
"""The field manager of kube-controller-manager that fills aggregated ClusterRoles."""

_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
_CONFLICT = re.compile(r'ClusterRole "([^"]+)" in namespace "" exists and cannot be imported into the current release')


def aggregated_roles(api: ApiClient, release: str, namespace: str) -> list[str]:
    """Returns the names of the aggregated ClusterRoles of a release. Raises `ApiError`."""
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    roles = api.items(_ROLES, labelSelector="app.kubernetes.io/managed-by=Helm")
    return [
        role["metadata"]["name"]
        for role in roles
        if role.get("aggregationRule") and owner.items() <= (role["metadata"].get("annotations") or {}).items()
    ]


def conflicting_role(message: str) -> str | None:
    """Returns the ClusterRole that helm cannot import into a release, if helm's message contains one."""
    found = _CONFLICT.search(message)
    return found[1] if found else None


def delete_recreated(api: ApiClient, name: str) -> bool:
    """Deletes a ClusterRole if the controller recreated it; returns whether it is deleted. Raises `ApiError`."""
    path = f"{_ROLES}/{quote(name, safe='')}"
    role = api.find(path)
    if role is None:
        return True
    if not is_recreated(role):
        return False
    try:
        api.delete(path, propagation="Background", uid=role["metadata"]["uid"])
    except ApiError as error:
        if error.status not in (404, 409):  # 409: the name is now that of another role
            raise
        return error.status == 404
    print(f"ClusterRole {name}, which {CONTROLLER} had recreated, was deleted")
    return True


def is_recreated(role: Mapping[str, Any]) -> bool:
    """Whether the controller is the only client that has written a ClusterRole.

    >>> is_recreated({"metadata": {"name": "admin", "managedFields": [{"manager": CONTROLLER}]}, "rules": []})
    True
    >>> is_recreated({"metadata": {"name": "admin", "managedFields": [{"manager": "kubectl-create"}]}, "rules": []})
    False
    """
    metadata = role["metadata"]
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or []}
    extra = metadata.get("labels") or metadata.get("annotations") or role.get("aggregationRule")
    return managers == {CONTROLLER} and not extra
