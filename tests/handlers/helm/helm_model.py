"""A release in memory: helm's commands on its records, and the API server that holds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hyperpod_constructs.handlers.helm.binary import HelmError
from hyperpod_constructs.handlers.helm.records import AT, BY, Event
from hyperpod_constructs.handlers.helm.release import Release
from hyperpod_constructs.handlers.shared.ownership import Owner

Json = dict[str, Any]
START = 1_767_225_600.0
"""2026-01-01T00:00:00Z, when all records are created."""


def owner_of(letter: str) -> Owner:
    return Owner(f"Platform/{letter.upper()}", letter * 16)


def event(letter: str, request: str = "1", **options: bool) -> Event:
    return Event(owner_of(letter), request, **options)


class Helm:
    """Runs helm for the release; ``fails`` are the outputs of the next failures by command, with the status left behind."""

    def __init__(self) -> None:
        self.revisions: list[Json] = []
        self.fails: dict[str, list[tuple[str, str]]] = {}
        self.commands: list[list[str]] = []
        self.labeled: list[tuple[str, Json]] = []
        self.roles: dict[str, Json] = {}
        self.deleted: list[str] = []
        self.left, self.time = 600.0, START
        self.slept: list[float] = []
        self.api: Any = self

    # The function's side.

    def release(self, sender: Event) -> Release:
        return Release("r", "n", self, sender, sleep=self.sleep, now=lambda: self.time)

    def install(self, sender: Event, *values: Path, **options: Any) -> int:
        settings = {"skip_crds": False, "create_namespace": False, "wait": False, "timeout_seconds": 30, **options}
        return self.release(sender).install(Path("chart"), values, **settings)

    def uninstall(self, sender: Event, *, wait: bool = False, timeout_seconds: int = 30) -> None:
        self.release(sender).uninstall(wait=wait, timeout_seconds=timeout_seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= seconds
        self.time += seconds

    def seconds_left(self) -> float:
        return self.left

    # State for tests.

    @property
    def states(self) -> list[str]:
        """Status, owners and content of each revision: ``deployed ab by b``."""
        found = []
        for revision in self.revisions:
            owners = "".join(sorted(key[-1] for key in revision["labels"] if "/owner-" in key))
            existed = " existed" if "hyperpod-constructs.io/existed" in revision["labels"] else ""
            by = revision["labels"].get(BY, "")[:1]
            found.append(f"{revision['status']} {owners or '-'}{existed} by {by or '-'}")
        return found

    def verbs(self) -> list[str]:
        return [command[0] + (f" {command[2]}" if command[0] == "rollback" else "") for command in self.commands]

    def add(
        self, status: str, by: Event | None = None, owners: str = "", *, existed: bool = False, **fields: Any
    ) -> None:
        number = len(self.revisions) + 1
        labels = {owner_of(letter).key: owner_of(letter).label_value for letter in owners}
        if existed:
            labels["hyperpod-constructs.io/existed"] = "true"
        if by:
            labels |= {BY: by.me.digest, AT: by.at(number)}
        self.revisions.append({"number": number, "status": status, "labels": labels, "manager": "helm", **fields})

    # Helm's side.

    def run(self, arguments: Sequence[str], /) -> str:
        self.commands.append(list(arguments))
        verb = arguments[0]
        failing = self.fails.get(verb)
        output, status = failing.pop(0) if failing else ("", "")
        if output and not status:
            raise HelmError(output)
        if verb == "uninstall":
            self.revisions.clear()
            return "release uninstalled"
        number = max((revision["number"] for revision in self.revisions), default=0) + 1
        if verb == "rollback":
            labels = dict(self.revisions[int(arguments[2]) - 1]["labels"])
        else:
            (labels_argument,) = [argument[9:] for argument in arguments if argument.startswith("--labels=")]
            former = self.revisions[-1]["labels"] if self.revisions else {}
            labels = {**former, **dict(pair.split("=", 1) for pair in labels_argument.split(","))}
        if not output:
            for revision in self.revisions:
                revision["status"] = "superseded" if revision["status"] == "deployed" else revision["status"]
        self.revisions.append({"number": number, "status": status or "deployed", "labels": labels, "manager": "helm"})
        if output:
            raise HelmError(output)
        return f"WARNING: insecure\n{json.dumps({'version': number})}\nthe end"

    # The API server's side.

    def request(self, method: str, path: str, **options: Any) -> Json:
        prefix = "/api/v1/namespaces/n/secrets"
        if method == "GET":
            assert (path, options["query"]) == (prefix, {"labelSelector": "owner=helm,name=r"})
            assert options["accept"].startswith("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,")
            return {"items": [self._record(revision) for revision in reversed(self.revisions)]}
        number = int(path.removeprefix(f"{prefix}/sh.helm.release.v1.r.v"))
        assert (method, options["content_type"]) == ("PATCH", "application/merge-patch+json")
        labels = options["body"]["metadata"]["labels"]
        self.labeled.append((str(number), labels))
        (revision,) = [revision for revision in self.revisions if revision["number"] == number]
        revision["labels"] = {
            key: value for key, value in {**revision["labels"], **labels}.items() if value is not None
        }
        return {}

    @staticmethod
    def _record(revision: Json) -> Json:
        helm = {"owner": "helm", "name": "r", "version": str(revision["number"]), "status": revision["status"]}
        return {
            "metadata": {
                "labels": {**revision["labels"], **helm},
                "creationTimestamp": revision.get("created", "2026-01-01T00:00:00Z"),
                "managedFields": [{"manager": "other"}, {"manager": revision["manager"]}],
            }
        }

    def items(self, path: str, **query: str) -> list[Json]:
        assert path == "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        assert query == {"labelSelector": "app.kubernetes.io/managed-by=Helm"}
        return list(self.roles.values())

    def find(self, path: str) -> Json | None:
        return self.roles.get(path.rpartition("/")[2])

    def delete(self, path: str, *, propagation: str, uid: str) -> None:
        self.deleted.append(f"{path.rpartition('/')[2]} {propagation} {uid}")
        del self.roles[path.rpartition("/")[2]]


BROKEN = "Error: the chart is broken"


def failing(helm: Helm, sender: Any, verb: str = "upgrade", status: str = "failed", output: str = BROKEN) -> str:
    helm.fails[verb] = [(output, status)]
    with pytest.raises(HelmError) as failure:
        helm.install(sender)
    return str(failure.value)
