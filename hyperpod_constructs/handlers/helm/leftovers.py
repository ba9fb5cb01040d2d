"""Aggregated ClusterRoles that are recreated after their release was deleted.

A controller of Kubernetes owns the rules of an aggregated ClusterRole. When an uninstall deletes such a role together
with the roles that it selects, the controller may still have it in its cache and apply its rules once more, which creates
a new role without labels, annotations and aggregation rule, and with the controller as its only field manager. No other
client creates such a role. It blocks the next installation, so it is deleted.
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
_REFUSED = re.compile(r'ClusterRole "([^"]+)" in namespace "" exists and cannot be imported into the current release')


def aggregated_roles(api: ApiClient, release: str, namespace: str) -> list[str]:
    """Names of the aggregated ClusterRoles that a release has. Raises `ApiError`."""
    owner = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    roles = api.items(_ROLES, labelSelector="app.kubernetes.io/managed-by=Helm")
    return [
        role["metadata"]["name"]
        for role in roles
        if role.get("aggregationRule") and owner.items() <= (role["metadata"].get("annotations") or {}).items()
    ]


def refusing_role(message: str) -> str | None:
    """Return the ClusterRole that helm cannot import into a release, if helm's message contains one."""
    found = _REFUSED.search(message)
    return found[1] if found else None


def remove_remade(api: ApiClient, name: str) -> bool:
    """Delete a ClusterRole if the controller recreated it; return whether it is deleted. Raises `ApiError`."""
    path = f"{_ROLES}/{quote(name, safe='')}"
    role = api.find(path)
    if role is None:
        return True
    if not is_remade(role):
        return False
    try:
        api.delete(path, propagation="Background", uid=role["metadata"]["uid"])
    except ApiError as error:
        if error.status not in (404, 409):  # 409: another role of that name exists now
            raise
        return error.status == 404
    print(f"ClusterRole {name}, which {CONTROLLER} had recreated, is deleted")
    return True


def is_remade(role: Mapping[str, Any]) -> bool:
    """Whether the controller is the only client that has written a ClusterRole.

    >>> is_remade({"metadata": {"name": "admin", "managedFields": [{"manager": CONTROLLER}]}, "rules": []})
    True
    >>> is_remade({"metadata": {"name": "admin", "managedFields": [{"manager": "kubectl-create"}]}, "rules": []})
    False
    """
    metadata = role["metadata"]
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or []}
    extra = metadata.get("labels") or metadata.get("annotations") or role.get("aggregationRule")
    return managers == {CONTROLLER} and not extra
