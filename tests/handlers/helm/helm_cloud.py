"""Helm releases as resources of stacks: CloudFormation is simulated, the handler and helm are real."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chart_files import chart, digest, repository
from cloudformation import Cloud, Provider, Resource
from helm_api_server import HelmApiServer
from helm_targets import access_to

from hyperpod_constructs.handlers.helm.binary import Helm
from hyperpod_constructs.handlers.helm.cluster import ClusterHelm
from hyperpod_constructs.handlers.helm.index import handle
from hyperpod_constructs.handlers.helm.records import Records, Revision
from hyperpod_constructs.handlers.shared.eks import ClusterAccess

SECONDS = 820.0
"""What the function has of its 14 minutes."""


class HelmCloud:
    """Stacks whose resources are releases of one small chart on one API server.

    Attributes:
        cloud: the simulator.
        before: called before each invocation of the handler, with its event.
    """

    def __init__(self, web: Any, server: HelmApiServer, binary: str, tmp_path: Path) -> None:
        self.server, self.binary, self.work = server, binary, tmp_path
        source = chart(tmp_path / "source")
        url = web.serve("/archive", repository(source))
        self.chart = {"Kind": "git", "ArchiveUrl": url, "Path": "charts/colors", "Digest": digest(source)}
        self.access: Callable[[str], ClusterAccess] = lambda _: access_to(server)
        self.before: Callable[[Mapping[str, Any]], None] = lambda event: None
        self.cloud = Cloud({"Helm": Provider(self.on_event)})

    def on_event(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        self.before(event)
        clock = self.server.clock
        end = clock.now() + SECONDS
        return handle(
            event,
            seconds_left=lambda: end - clock.now(),
            access=self.access,
            sleep=clock.sleep,
            now=clock.now,
            executable=self.binary,
        )

    def release(self, color: str = "red", *, release: str = "colors", adopt: bool = False, **options: Any) -> Resource:
        """A resource; its properties arrive as CloudFormation sends them."""
        values = {"color": color, "name": release}
        properties = {
            "ClusterName": "research",
            "Release": release,
            "Namespace": "team",
            "CreateNamespace": "true",
            "SkipCrds": "false",
            "Wait": "false",
            "TimeoutSeconds": "30",
            "Adopt": str(adopt).lower(),
            "Chart": self.chart,
            "Values": json.dumps(values),
            **options,
        }
        return Resource("Helm", {key: value for key, value in properties.items() if value is not None})

    def former(self, resource: Resource) -> Resource:
        """The same resource, as the version without marks created it."""
        return replace(resource, properties={k: v for k, v in resource.properties.items() if k != "Adopt"})

    def by_hand(self, *arguments: str) -> None:
        """A manual helm command, without the faults."""
        folder = self.work / "by-hand"
        folder.mkdir(exist_ok=True)
        helm = ClusterHelm(Helm(folder, executable=self.binary), access_to(self.server), folder)
        with self.server.no_faults():
            helm.run([*arguments, "--namespace", "team"])

    def install_by_hand(self, release: str = "colors", color: str = "hand-made") -> None:
        """A release of the same chart that a user installed."""
        values = ["--set", f"color={color}", "--set", f"name={release}"]
        self.by_hand("upgrade", "--install", release, str(self.work / "source"), *values)

    def history(self, release: str = "colors") -> list[Revision]:
        """The revisions of the release, read without the faults."""
        with self.server.no_faults():
            return self._records(release).history()

    def label(self, release: str, revision: int, labels: Mapping[str, str | None]) -> None:
        """Change labels of a revision's record."""
        self._records(release).label(revision, labels)

    def _records(self, release: str) -> Records:
        folder = self.work / "by-hand"
        folder.mkdir(exist_ok=True)
        api = ClusterHelm(Helm(folder, executable=self.binary), access_to(self.server), folder).api
        return Records(api, release, "team")

    def owners(self, release: str = "colors") -> list[str]:
        """Names of the release's owners."""
        return sorted(mark.name for mark in self.history(release)[-1].owners)

    def color(self, release: str = "colors") -> str | None:
        """The value that the release set; None if the release does not exist."""
        found = self.server.store.get("configmaps", release, "team")
        return found and found["data"]["color"]
