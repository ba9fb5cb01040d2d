"""Releases whose objects other clients change: aggregated ClusterRoles, scaled Deployments, objects of a failed change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chart_files import write
from helm_api_server import HelmApiServer
from helm_targets import access_to
from late_aggregation import LateAggregation
from test_helm_release import LATER, Colors

from hyperpod_constructs.assembly.rehearsal.store import AGGREGATION
from hyperpod_constructs.handlers.helm.binary import Helm, HelmError
from hyperpod_constructs.handlers.kubernetes.errors import ApiError

pytestmark = pytest.mark.slow

ROLES = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: paint-admin}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {paint: admin}}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: paint-edit, labels: {paint: admin}}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [{{ .Values.color | quote }}]}]
"""


@pytest.fixture
def colors(server: HelmApiServer, helm: Helm, tmp_path: Path) -> Colors:
    """The small chart with an aggregated ClusterRole, as the dependency chart has six."""
    LateAggregation(server.store)
    release = Colors(helm, access_to(server), "team", tmp_path, now=server.clock.now)
    write(release.chart, {"templates/roles.yaml": ROLES})
    return release


def verbs(server: HelmApiServer) -> list[Any]:
    role = server.store.get("clusterroles", "paint-admin")
    assert role is not None
    return [verb for rule in role["rules"] for verb in rule["verbs"]]


def roles(server: HelmApiServer) -> list[str]:
    return [key[3] for key in server.store.objects if key[1] == "clusterroles"]


def test_a_chart_with_aggregated_roles_is_updated(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    assert verbs(server) == ["red"], "the controller set the rules of the role, and owns them"
    assert colors.install({"color": "blue"}) == 2
    assert colors.install({"color": "blue"}) == 3, "a second delivery of the event"
    assert verbs(server) == ["blue"]


def test_and_rolled_back_when_the_update_was_interrupted(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    colors.install({"color": "green"})
    colors.install({"color": "never finished"})
    server.set_status("colors", "pending-upgrade")
    colors.event(LATER)
    assert colors.install({"color": "blue"}) == 5
    assert verbs(server) == ["blue"]


def test_and_removed_with_its_roles_and_installed_again(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    colors.uninstall()
    assert roles(server) == [], "also the role that the controller recreated"
    assert colors.install({"color": "blue"}) == 1
    assert verbs(server) == ["blue"]


def test_roles_left_by_an_uninstall_of_another_owner_do_not_block_an_install(
    colors: Colors, server: HelmApiServer
) -> None:
    colors.install()
    colors.helm.run(["uninstall", "colors", "--namespace", "team"])
    role = server.store.get("clusterroles", "paint-admin")
    assert role is not None, "the fake controller is delayed, like the real one"
    assert [managed_field["manager"] for managed_field in role["metadata"]["managedFields"]] == [AGGREGATION]
    assert colors.install() == 1
    assert verbs(server) == ["red"]


def test_a_role_that_a_user_created_blocks_the_install_and_is_not_changed(
    colors: Colors, server: HelmApiServer
) -> None:
    user_role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "paint-admin", "labels": {"team": "security"}},
        "rules": [],
    }
    server.store.put(user_role)
    with pytest.raises(HelmError, match=r"paint-admin.*exists and cannot be imported"):
        colors.install()
    assert roles(server) == ["paint-admin"]


def test_fields_that_a_person_has_changed_are_set_again(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    config_maps = next(resource for resource in server.store.resources() if resource.plural == "configmaps")
    edited = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "colors", "namespace": "team"},
        "data": {"color": "pink"},
    }
    server.store.apply(config_maps, config_maps.key("team", "colors"), edited, "kubectl-edit", force=True)
    colors.install({"color": "blue"})
    found = server.store.get("configmaps", "colors", "team")
    assert found is not None
    assert found["data"] == {"color": "blue"}


def test_a_failed_update_leaves_nothing_that_it_created(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    write(
        colors.chart,
        {
            "templates/new.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n",
            "templates/refused.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: refused}\n",
        },
    )
    server.fault(path="/services", method="PATCH", status=422, reason="Invalid", message="spec.ports: Required value")
    with pytest.raises(HelmError, match=r"spec\.ports: Required value"):
        colors.install()
    assert server.store.get("configmaps", "new", "team") is None
    assert server.store.get("configmaps", "colors", "team") is not None


@pytest.mark.parametrize(
    ("output", "retried"),
    [
        ('Get "https://x.eks.amazonaws.com/api/v1/namespaces/team/secrets": EOF', True),
        ("http: ContentLength=517 with Body length 0", True),
        ('template: colors/templates/map.yaml:3: function "colour" not defined', False),
    ],
)
def test_answers_that_break_off_are_requested_again(colors: Colors, output: str, retried: bool) -> None:
    run, outputs = colors.helm.run, [output]

    def once(arguments: Any, /) -> str:
        if arguments[0] == "upgrade" and outputs:
            raise HelmError(f"Error: {outputs.pop()}")
        return run(arguments)

    colors.helm.run = once  # type: ignore[method-assign]
    if retried:
        assert colors.install() == 1
        assert colors.pauses == [2.0]
        return
    with pytest.raises(HelmError, match="not defined"):
        colors.install()
    assert colors.pauses == []


def test_an_api_server_that_does_not_list_roles_keeps_the_release(colors: Colors, server: HelmApiServer) -> None:
    colors.install()
    colors.left = 70.0
    fault = server.fault(path="/clusterroles", method="GET", status=503, reason="ServiceUnavailable")
    with pytest.raises(ApiError, match="503 ServiceUnavailable"):
        colors.uninstall()
    fault.times = 0
    assert colors.statuses == ["deployed"]
    assert sorted(roles(server)) == ["paint-admin", "paint-edit"]
