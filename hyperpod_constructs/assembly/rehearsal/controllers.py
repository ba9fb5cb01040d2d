"""Controllers of kube-controller-manager that our code meets, for the in-memory API server."""

from __future__ import annotations

from typing import Any

from .store import Json, Store

AGGREGATION_CONTROLLER = "clusterrole-aggregation-controller"
_API = "rbac.authorization.k8s.io"


class RoleAggregation:
    """Fills the rules of aggregated ClusterRoles by server-side apply, and owns them from then on.

    A real one acts on a cache: it makes a role that was just deleted anew, empty, when another role that the deleted one
    selected is deleted in the same moment, as an uninstall does.

    Args:
        store: the store; the controller runs each time that it settles.
        remakes: whether its cache is late, so that a deleted aggregated role comes back once.
    """

    def __init__(self, store: Store, *, remakes: bool = True) -> None:
        self.remakes = remakes
        self._store = store
        self._resource = next(each for each in store.resources() if (each.group, each.kind) == (_API, "ClusterRole"))
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
            aggregated = {name: item for name, item in roles.items() if item.get("aggregationRule")}
            for name in self._known - aggregated.keys() if self.remakes else ():
                if name not in roles:
                    self._apply(name, [])
            self._known = set(aggregated)
            for name, item in aggregated.items():
                wanted = [rule for _, each in sorted(roles.items()) if _selects(item, each) for rule in _rules(each)]
                if _rules(item) != wanted:
                    self._apply(name, wanted)
        finally:
            self._running = False

    def _apply(self, name: str, rules: list[Any]) -> None:
        self._store.apply(self._resource, self._resource.key("", name), {"rules": rules}, AGGREGATION_CONTROLLER, True)


def _selects(role: Json, other: Json) -> bool:
    labels = other["metadata"].get("labels") or {}
    return other is not role and any(
        selector["matchLabels"].items() <= labels.items()
        for selector in role["aggregationRule"]["clusterRoleSelectors"]
    )


def _rules(role: Json) -> list[Any]:
    return role.get("rules") or []
