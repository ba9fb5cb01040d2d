"""Releases on an API server with the real helm: installed, upgraded, recovered, removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chart_files import chart, write
from helm_api_server import HelmApiServer
from helm_targets import Cluster, access_to

from hyperpod_constructs.handlers.helm import release as release_module
from hyperpod_constructs.handlers.helm.binary import Helm, HelmError
from hyperpod_constructs.handlers.helm.cluster import ClusterHelm
from hyperpod_constructs.handlers.helm.records import AT, Event, Revision
from hyperpod_constructs.handlers.helm.release import Release
from hyperpod_constructs.handlers.kubernetes.errors import ApiError
from hyperpod_constructs.handlers.shared.ownership import Owner

pytestmark = pytest.mark.slow


ME = Event(Owner("Platform/Colors", "0123456789abcdef"), "the first event")
LATER = replace(ME, request="a later event")


class Colors:
    """A release of a small chart with one ConfigMap, and its time limit."""

    def __init__(
        self, helm: Helm, access: Any, namespace: str, tmp_path: Path, *, now: Callable[[], float] = time.time
    ) -> None:
        self.left = 600.0
        self.later = 0.0
        self.namespace = namespace
        self.now = now
        self.pauses: list[float] = []
        helm.seconds_left = lambda: self.left
        self.tmp_path = tmp_path
        self.chart = chart(tmp_path / "colors")
        self.helm = ClusterHelm(helm, access, tmp_path / "work")
        self.event(ME)

    def event(self, event: Event) -> Release:
        """Subsequent commands belong to this event."""
        self.release = Release(
            "colors", self.namespace, self.helm, event, sleep=self.sleep, now=lambda: self.now() + self.later
        )
        return self.release

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.left -= seconds
        self.later += seconds

    def install(self, values: Mapping[str, Any] | None = None, **options: Any) -> int:
        write(self.tmp_path, {"values.json": json.dumps(values or {})})
        settings = {"skip_crds": False, "create_namespace": True, "wait": False, "timeout_seconds": 30, **options}
        return self.release.install(self.chart, [self.tmp_path / "values.json"], **settings)

    def uninstall(self) -> None:
        self.release.uninstall(wait=False, timeout_seconds=30)

    @property
    def statuses(self) -> list[str]:
        return [revision.status for revision in self.release.history()]


@pytest.fixture
def colors(cluster: Cluster, helm: Helm, tmp_path: Path) -> Colors:
    return Colors(helm, cluster.access, cluster.namespace, tmp_path, now=cluster.now)


@pytest.fixture
def fake(server: HelmApiServer, helm: Helm, tmp_path: Path) -> Colors:
    """For tests that inject faults."""
    return Colors(helm, access_to(server), "team", tmp_path, now=server.clock.now)


def color(server: HelmApiServer) -> str | None:
    found = server.store.get("configmaps", "colors", "team")
    return found and found["data"]["color"]


def test_install_upgrade_uninstall(colors: Colors, cluster: Cluster) -> None:
    assert colors.release.history() == []
    assert colors.install() == 1
    assert cluster.data_of("colors") == {"color": "red"}
    assert colors.install({"color": "blue"}) == 2
    assert cluster.data_of("colors") == {"color": "blue"}
    assert colors.release.history() == [Revision(1, "superseded"), Revision(2, "deployed")]
    colors.uninstall()
    assert cluster.data_of("colors") is None
    assert colors.release.history() == []


def test_values_are_owned_by_the_library(colors: Colors, cluster: Cluster) -> None:
    colors.install({"color": "blue"})
    colors.install({})
    assert cluster.data_of("colors") == {"color": "red"}


def test_the_same_event_again(colors: Colors, cluster: Cluster) -> None:
    assert [colors.install({"color": "blue"}), colors.install({"color": "blue"})] == [1, 2]
    assert cluster.data_of("colors") == {"color": "blue"}
    colors.uninstall()
    colors.uninstall()


def test_few_revisions_are_retained(colors: Colors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_module, "HISTORY", 2)
    for number in range(4):
        colors.install({"color": str(number)})
    assert [revision.number for revision in colors.release.history()] == [3, 4]


def test_a_namespace_is_created_on_request(server: HelmApiServer, helm: Helm, tmp_path: Path) -> None:
    release = Colors(helm, access_to(server), "new", tmp_path, now=server.clock.now)
    with pytest.raises(HelmError, match='namespaces "new" not found'):
        release.install(create_namespace=False)
    assert release.install() == 1
    assert server.store.get("namespaces", "new") is not None


@pytest.mark.parametrize("skip", [True, False])
def test_crds_are_skipped_where_wanted(fake: Colors, server: HelmApiServer, skip: bool) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "paints.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Paint", "plural": "paints"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    write(fake.chart, {"crds/paint.yaml": json.dumps(crd)})
    fake.install(skip_crds=skip)
    assert (server.store.get("customresourcedefinitions", "paints.example.com") is None) is skip


def test_a_failed_first_install_is_removed(colors: Colors, cluster: Cluster) -> None:
    in_missing_namespace = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere-at-all}\n"
    write(colors.chart, {"templates/elsewhere.yaml": in_missing_namespace})
    with pytest.raises(HelmError, match='namespaces "nowhere-at-all" not found'):
        colors.install()
    assert colors.release.history() == []
    assert cluster.data_of("colors") is None


def test_a_partially_failed_install_is_removed(fake: Colors, server: HelmApiServer) -> None:
    write(fake.chart, {"templates/z.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: refused}\n"})
    server.fault(path="/services", method="PATCH", status=422, reason="Invalid", message="spec.ports: Required value")
    with pytest.raises(HelmError, match=r"spec\.ports: Required value"):
        fake.install()
    assert fake.statuses == []
    assert color(server) is None


def test_a_failed_upgrade_is_left_to_cloudformation(fake: Colors, server: HelmApiServer) -> None:
    fake.install()
    fault = server.fault(
        path="/configmaps", method="PATCH", status=422, reason="Invalid", message="too blue", times=None
    )
    with pytest.raises(HelmError, match="too blue"):
        fake.install({"color": "blue"})
    assert fake.statuses == ["deployed", "failed"]
    fault.times = 0
    assert fake.install({"color": "red"}) == 3  # the rollback's event
    assert fake.statuses == ["superseded", "failed", "deployed"]


@pytest.mark.parametrize("status", ["pending-install", "failed", "uninstalling"])
def test_a_first_install_that_was_interrupted(fake: Colors, server: HelmApiServer, status: str) -> None:
    fake.install()
    server.set_status("colors", status)
    fake.event(LATER)
    assert fake.install({"color": "blue"}) == 1
    assert fake.statuses == ["deployed"]
    assert color(server) == "blue"


@pytest.mark.parametrize("status", ["pending-upgrade", "pending-rollback"])
def test_an_upgrade_that_was_interrupted(fake: Colors, server: HelmApiServer, status: str) -> None:
    fake.install()
    fake.install({"color": "green"})
    fake.install({"color": "never finished"})
    server.set_status("colors", status)
    fake.event(LATER)
    assert fake.install({"color": "blue"}) == 5  # 4 is the rollback to 2
    assert fake.statuses[-1] == "deployed"
    assert color(server) == "blue"


def test_an_uninstall_that_was_interrupted(fake: Colors, server: HelmApiServer) -> None:
    fake.install()
    server.set_status("colors", "uninstalling")
    fake.uninstall()
    assert fake.statuses == []
    assert color(server) is None


def test_access_that_is_not_known_yet(fake: Colors, server: HelmApiServer) -> None:
    server.fault(status=401, reason="Unauthorized", message="Unauthorized", times=2)
    server.fault(
        path="/configmaps", status=403, reason="Forbidden", message="configmaps is forbidden: no access", times=1
    )
    assert fake.install() == 1
    assert fake.pauses
    assert sum(fake.pauses) < 120


def test_access_that_never_comes(fake: Colors, server: HelmApiServer) -> None:
    server.fault(
        path="/secrets", status=403, reason="Forbidden", message='User "x" cannot list resource "secrets": is forbidden'
    )
    with pytest.raises(ApiError, match='cannot list resource "secrets"'):
        fake.install()
    assert 120 <= sum(fake.pauses) < 180


@pytest.mark.parametrize(
    "fault",
    [
        {
            "status": 503,
            "reason": "ServiceUnavailable",
            "message": "the server is currently unable to handle the request",
        },
        {"status": 500, "message": 'failed calling webhook "v.example.com": connection refused', "method": "PATCH"},
        {"drop": True, "path": "/configmaps", "times": 3},
        {"status": 500, "message": "etcdserver: leader changed", "path": "/configmaps"},
    ],
    ids=["503", "webhook", "hang up", "etcd"],
)
def test_an_api_server_that_fails_at_first(fake: Colors, server: HelmApiServer, fault: dict[str, Any]) -> None:
    server.fault(**{"times": 6, **fault})
    assert fake.install({"color": "blue"}) >= 1
    assert fake.statuses[-1] == "deployed"
    assert color(server) == "blue"


def test_an_api_server_that_keeps_failing(fake: Colors, server: HelmApiServer) -> None:
    server.fault(
        status=503, reason="ServiceUnavailable", message="the server is currently unable to handle the request"
    )
    with pytest.raises(ApiError, match="unable to handle the request"):
        fake.install()
    assert 0 < fake.left < 120  # nearly all the time was used, with enough left to respond


def test_a_failed_uninstall_is_reported(fake: Colors, server: HelmApiServer) -> None:
    fake.install()
    server.fault(method="DELETE", path="/configmaps", status=422, reason="Invalid", message="not on a Friday")
    with pytest.raises(HelmError, match="not on a Friday"):
        fake.uninstall()
    assert color(server) == "red"


class NoRelease:
    """An API server without objects."""

    def __init__(self, *statuses: str) -> None:
        self.secrets = [
            {
                "metadata": {
                    "labels": {"status": status, "version": str(number), AT: ME.at(number)},
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                }
            }
            for number, status in enumerate(statuses, 1)
        ]

    def items(self, path: str, **query: str) -> list[Any]:
        return []

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        return {"items": self.secrets}


class Recorded:
    """A replacement for helm: responds to each command, and records it."""

    def __init__(self, answer: Callable[[Sequence[str]], str]) -> None:
        self.commands: list[list[str]] = []
        self.api: Any = NoRelease()
        self.seconds_left: Callable[[], float] = lambda: 100.0
        self._answer = answer

    def run(self, arguments: Sequence[str], /) -> str:
        self.commands.append(list(arguments))
        return self._answer(arguments)


def test_the_arguments_that_helm_gets() -> None:
    helm = Recorded(
        lambda arguments: json.dumps({"version": 7, "manifest": "..."}) if arguments[0] == "upgrade" else "[]"
    )
    options: dict[str, Any] = {"skip_crds": True, "create_namespace": True, "wait": True, "timeout_seconds": 300}
    assert Release("r", "n", helm, ME).install(Path("c"), [Path("a"), Path("b")], **options) == 7
    (upgrade,) = [arguments for arguments in helm.commands if arguments[0] == "upgrade"]
    assert upgrade == [
        *("upgrade", "r", "c", "--install", "--reset-values", "--history-max=10", "--output=json"),
        *("--server-side=true", "--force-conflicts", "--cleanup-on-fail"),
        *("--values=a", "--values=b", "--skip-crds", "--create-namespace", "--wait"),
        "--labels=hyperpod-constructs.io/owner-0123456789abcdef=Platform.Colors,"
        f"hyperpod-constructs.io/by=0123456789abcdef,hyperpod-constructs.io/at={ME.at(1)}",
        *("--timeout=40s", "--namespace", "n"),  # 100 s remain, of which 60 are reserved for the clean-up
    ]


def test_failed_removals_are_reported() -> None:
    def answer(arguments: Sequence[str]) -> str:
        helm.api.secrets = NoRelease("failed").secrets
        raise HelmError(f"Error: {arguments[0]} is broken")

    helm = Recorded(answer)
    with pytest.raises(HelmError, match=r"upgrade is broken; and its changes .*: Error: uninstall is broken"):
        Release("r", "n", helm, ME).install(
            Path("c"), [], skip_crds=False, create_namespace=False, wait=False, timeout_seconds=1
        )


def test_helm_is_stopped_in_time(tmp_path: Path) -> None:
    slow = tmp_path / "helm"
    slow.write_text(
        "#!/bin/sh\ntrap 'kill $!; echo Error: interrupted >&2; exit 1' TERM\nsleep 60 >/dev/null 2>&1 &\nwait\n"
    )
    slow.chmod(0o755)
    helm = Helm(tmp_path, executable=str(slow), seconds_left=lambda: 0.0)
    with pytest.raises(HelmError, match="Error: interrupted; helm was terminated at the time limit"):
        helm.run(["upgrade"])


def test_helm_gets_nothing_of_the_functions_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = tmp_path / "helm"
    show.write_text("#!/bin/sh\nenv\n")
    show.chmod(0o755)
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LD_LIBRARY_PATH", "KUBECONFIG"):
        monkeypatch.setenv(name, "not-for-helm")
    output = Helm(tmp_path, executable=str(show)).run([])
    assert "not-for-helm" not in output
    assert f"HELM_CACHE_HOME={tmp_path}" in output
