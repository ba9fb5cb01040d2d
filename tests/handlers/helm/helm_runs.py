"""Helm releases in random runs, with the real helm."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cloudformation import Event, Killed, Provider, Resource
from helm_cloud import HelmCloud

from hyperpod_constructs.handlers.helm import index
from hyperpod_constructs.handlers.helm.binary import Helm
from hyperpod_constructs.handlers.helm.index import Properties
from hyperpod_constructs.handlers.helm.records import Revision
from hyperpod_constructs.handlers.shared.ownership import EXISTED, NAMESPACE, owner

NAMES = ("r0", "r1", "r2")

_FAULTS: list[dict[str, Any]] = [
    {"status": 409, "reason": "Conflict", "message": "the object has been modified"},
    {"status": 429, "reason": "TooManyRequests", "message": "too many requests"},
    {"status": 500, "reason": "InternalError", "message": "etcdserver: leader changed"},
    {"status": 503, "reason": "ServiceUnavailable", "message": "the server is currently unable to handle the request"},
    {"status": 403, "reason": "Forbidden", "message": 'User "x" is forbidden'},
    {"status": 401, "reason": "Unauthorized", "message": "Unauthorized"},
]


@dataclass
class Releases:
    """The function of the releases, on a separate cluster."""

    helm: HelmCloud
    provider: str = "Helm"
    foreign_objects: dict[str, set[str]] = field(default_factory=dict)
    """Releases that users installed: their color, and the colors that resources which adopted them set."""
    missing: set[tuple[str, str]] = field(default_factory=set)
    """What users uninstalled, or installed again, since the last event of an owner (its digest)."""
    killed: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)
    versions: int = 0
    kill_at: int = -1
    kill_how: str = "before"

    def functions(self) -> Provider:
        return Provider(self.on_event)

    def on_event(self, event: Event) -> Any:
        properties = Properties.of(event["ResourceProperties"])
        me = self._owner(event["StackId"], event["LogicalResourceId"], event["ResourceProperties"])
        self.killed.discard(me)
        if event["RequestType"] == "Delete" or event["RequestId"] in self.succeeded:
            # See ownership_grafana: what is rejected permanently remains, and CloudFormation reports it.
            self.helm.server._faults = [fault for fault in self.helm.server._faults if fault.status != 422]
        try:
            with self._prepared(), patch.object(Helm, "run", self._run(Helm.run)):
                answer = self.helm.on_event(event)
        except Killed:
            self.killed.add(me)
            raise
        self.succeeded.add(event["RequestId"])
        if event["RequestType"] != "Delete" and properties.release in self.foreign_objects:
            self.foreign_objects[properties.release].add(properties.values["color"])
        return answer

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """The chart already exists: the test does not download it thousands of times."""

        def obtain(_: Any, work: Path, *__: Any, **___: Any) -> Path:
            return Path(shutil.copytree(self.helm.work / "source", work / "chart"))

        def prepare(_: Path, properties: Properties, work: Path, *__: Any) -> list[Path]:
            (work / "values.json").write_text(json.dumps(properties.values))
            return [work / "values.json"]

        with patch.object(index, "obtain", obtain), patch.object(index, "prepare", prepare):
            yield

    def _run(self, real: Any) -> Any:
        def run(helm: Helm, arguments: Any) -> str:
            self.kill_at -= 1
            if self.kill_at == 0 and self.kill_how == "before":
                raise Killed
            output = str(real(helm, arguments))
            if self.kill_at == 0:
                if self.kill_how == "during" and arguments[0] in ("upgrade", "rollback"):
                    self.helm.server.set_status(arguments[1], f"pending-{arguments[0]}")
                raise Killed
            return output

        return run

    def resource(self, rng: random.Random) -> Resource:
        return self._resource(rng.choice(NAMES), adopt=rng.random() < 0.5)

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        name = resource.properties["Release"] if rng.random() < 0.6 else rng.choice(NAMES)
        return self._resource(name, adopt=resource.properties["Adopt"] == "true")

    def _resource(self, name: str, *, adopt: bool) -> Resource:
        self.versions += 1
        return self.helm.release(f"color-{self.versions}", release=name, adopt=adopt)

    def manual_change(self, rng: random.Random) -> None:
        name = rng.choice(NAMES)
        last = self._last(name)
        if last is None:
            if rng.random() < 0.15:
                self.helm.install_by_hand(name, "hand-made")
                self.foreign_objects[name] = {"hand-made"}
        elif last.owners and not last.existed and rng.random() < 0.04:
            self.missing |= {(name, mark.digest) for mark in last.owners}
            self.helm.by_hand("uninstall", name)

    def inject_faults(self, rng: random.Random) -> None:
        server, choice = self.helm.server, rng.random()
        if choice < 0.45:
            for _ in range(rng.randint(1, 2)):
                method = rng.choice(["GET", "PATCH", "DELETE", "POST"])
                server.fault(method=method, times=rng.randint(1, 2), **rng.choice(_FAULTS))
        elif choice < 0.65:
            path = f"/configmaps/{rng.choice(NAMES)}$"
            server.fault(method="PATCH", path=path, status=422, reason="Invalid", message="not on a Friday", times=1)
        else:
            self.kill_at, self.kill_how = rng.randint(1, 3), rng.choice(["before", "after", "during"])

    def remove_faults(self) -> None:
        self.helm.server._faults.clear()
        self.kill_at = -1

    def problem(self, event: Event) -> str:
        properties = event["ResourceProperties"]
        name = properties["Release"]
        me = self._owner(event["StackId"], event["LogicalResourceId"], properties)
        last = self._last(name)
        owned = last is not None and me in {mark.digest for mark in last.owners}
        if event["RequestType"] == "Delete":
            return f"{name} is still owned" if owned else ""
        self.missing.discard((name, me))
        color = json.loads(properties["Values"])["color"]
        if last is None or not owned or last.status != "deployed" or self.helm.color(name) != color:
            return f"{name} is {last} with {self.helm.color(name)}, expected {color} of {me}"
        return ""

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        expected: dict[str, set[str]] = {}
        for stack_id, logical_id, resource in live:
            name, me = resource.properties["Release"], self._owner(stack_id, logical_id, resource.properties)
            if (name, me) not in self.missing:
                expected.setdefault(name, set()).add(json.loads(resource.properties["Values"])["color"])
                last = self._last(name)
                if last is None or me not in {mark.digest for mark in last.owners}:
                    yield f"{name} is {last}, and not of {logical_id} ({me})"
        for name, colors in expected.items():
            if self.helm.color(name) not in colors and not self.killed:
                yield f"{name} is {self.helm.color(name)}, expected {colors}"

    def marked(self) -> Iterable[tuple[str, str, str]]:
        for name in NAMES:
            last = self._last(name)
            for mark in last.owners if last else ():
                yield name, mark.name, mark.digest

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        yield self._owner(stack_id, logical_id, resource.properties)

    def remove(self, name: str) -> None:
        """Remove the marks of stopped functions; uninstall a release without another owner."""
        history = self.helm.history(name)
        last = history[-1]
        remaining = [mark for mark in last.owners if mark.digest not in self.killed]
        if name in self.foreign_objects and (color := self.helm.color(name)):
            self.foreign_objects[name].add(color)  # a value that a stopped function had set remains
        if remaining or name in self.foreign_objects:
            if last.status != "deployed":
                number = max(r.number for r in history if r.status in ("deployed", "superseded"))
                self.helm.by_hand("rollback", name, str(number))
            for revision in self.helm.history(name):  # a manual rollback restores the marks of its target
                removed_labels = {mark.key: None for mark in revision.owners - set(remaining)}
                if revision.existed and not remaining:
                    removed_labels[f"{NAMESPACE}{EXISTED}"] = None
                self.helm.label(name, revision.number, removed_labels)
        else:
            self.helm.by_hand("uninstall", name)

    def foreign(self, adopted: bool) -> Iterable[str]:
        for name, colors in self.foreign_objects.items():
            last = self._last(name)
            if last is None:
                yield f"{name} of a user does not exist"
            elif last.owners and adopted:
                continue
            elif last.owners or last.existed:
                yield f"{name} of a user still has marks: {last.marks}"
            elif self.helm.color(name) not in colors:
                yield f"{name} of a user is {self.helm.color(name)}, was {colors}"

    def _last(self, name: str) -> Revision | None:
        history = self.helm.history(name)
        return history[-1] if history else None

    @staticmethod
    def _owner(stack_id: str, logical_id: str, properties: Any) -> str:
        return owner(stack_id, logical_id, Properties.of(properties).physical_id).digest
