"""Worst-case controllers of kube-controller-manager, for the in-memory API server."""

from __future__ import annotations

from hyperpod_constructs.assembly.rehearsal.store import AGGREGATION, Store

_API = "rbac.authorization.k8s.io"


class LateAggregation:
    """Recreates an aggregated ClusterRole that was just deleted, without rules.

    The store fills such roles. The real controller uses a cache: if another role that the deleted one selected is deleted
    at the same time, as an uninstall does, it applies the rules of a role that no longer exists.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resource = next(
            resource for resource in store.resources() if (resource.group, resource.kind) == (_API, "ClusterRole")
        )
        self._known: set[str] = set()
        self._running = False
        store.controllers.append(self.run)

    def run(self) -> None:
        """One round over all ClusterRoles."""
        if self._running:
            return
        self._running = True
        try:
            roles = {key[3]: item for key, item in self._store.objects.items() if key[:2] == (_API, "clusterroles")}
            aggregated = {name for name, item in roles.items() if item.get("aggregationRule")}
            for name in self._known - roles.keys():
                role = {
                    "apiVersion": f"{_API}/v1",
                    "kind": "ClusterRole",
                    "metadata": {"name": name},
                    "rules": [],
                }
                self._store.apply(self._resource, self._resource.key("", name), role, AGGREGATION, True)
            self._known = aggregated
        finally:
            self._running = False
