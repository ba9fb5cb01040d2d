"""Kubernetes objects in random runs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cloudformation import Event, Provider, Resource
from ownership_world import World, config_map, deployment, namespace, objects

from hyperpod_constructs.handlers.kubernetes.apply import owner_of
from hyperpod_constructs.handlers.shared.ownership import marks_of

NAMES = [("configmaps", "team", f"c{i}") for i in range(6)]
NAMES += [("deployments", "team", f"d{i}") for i in range(2)]
NAMES += [("namespaces", "", f"n{i}") for i in range(2)]
BASE = ("configmaps", "team", "base")
"""An object of another owner that always exists, whose fields are set."""

Name = tuple[str, str, str]

_FAULTS: list[dict[str, Any]] = [
    {"status": 409, "reason": "Conflict", "message": "the object has been modified"},
    {"status": 429, "reason": "TooManyRequests", "message": "slow down"},
    {"status": 500, "reason": "InternalError", "message": "etcdserver: leader changed"},
    {"status": 503, "reason": "ServiceUnavailable", "message": "the server is currently unable"},
    {"status": 504, "reason": "Timeout", "message": "request did not complete"},
    {"drop": True},
    {"drop": True, "after": True},
    {"status": 403, "reason": "Forbidden", "message": 'configmaps "c" is forbidden: User "x" cannot patch it'},
]


@dataclass
class Objects:
    """The functions of the Kubernetes provider, on a separate cluster."""

    world: World = field(default_factory=World)
    provider: str = "Objects"
    foreign_objects: dict[Name, dict[str, Any]] = field(default_factory=dict)
    """Objects that users created, with their content."""
    missing: set[tuple[Name, str]] = field(default_factory=set)
    """What users deleted, or recreated without a mark, since the last event of an owner (its digest)."""
    versions: int = 0

    def __post_init__(self) -> None:
        self._create(BASE, {"v": "theirs"})

    def functions(self) -> Provider:
        return Provider(self.on_event)

    def on_event(self, event: Event) -> Any:
        return self.world.on_event(event)

    def resource(self, rng: random.Random) -> Resource:
        if rng.random() < 0.15:
            key = f"f{rng.randrange(3)}"
            return objects(config_map("base", **{key: self._version(), "v": "ours"}), FieldsOnly="true")
        names = rng.sample(NAMES, rng.choice([1, 1, 1, 2, 3]))
        adopt = {"Adopt": "true"} if rng.random() < 0.5 else {}
        return objects(*(self._item(name) for name in names), **adopt)

    def changed(self, rng: random.Random, resource: Resource) -> Resource:
        if "FieldsOnly" in resource.properties:
            return self.resource(rng)
        items = json.loads(resource.properties["Manifest"])
        names = [_name(item) for item in items]
        if rng.random() < 0.5:
            free = [name for name in NAMES if name not in names]
            if rng.random() < 0.5 and len(names) > 1:
                names.pop(rng.randrange(len(names)))
            else:
                names.append(rng.choice(free))
        adopt = {"Adopt": "true"} if "Adopt" in resource.properties else {}
        return objects(*(self._item(name) for name in names), **adopt)

    def manual_change(self, rng: random.Random) -> None:
        name = rng.choice(NAMES)
        found = self._find(name)
        if found is None:
            if rng.random() < 0.15:
                self._create(name, {"v": "theirs"})
        elif rng.random() < 0.03 and name[0] == "configmaps":
            self._delete_manually(name)
            if rng.random() < 0.5:
                self._create(name, {"v": "theirs", "w": "1"})
        elif rng.random() < 0.1 and name in self.foreign_objects and name[0] == "configmaps":
            text = self._version()
            self.world.server.store.edit(name[0], name[2], name[1], manager="kubectl-edit", data={"person": text})
            self.foreign_objects[name]["data"]["person"] = text

    def inject_faults(self, rng: random.Random) -> None:
        server = self.world.server
        choice = rng.random()
        if choice < 0.5:
            for _ in range(rng.randint(1, 3)):
                method = rng.choice(["GET", "PATCH", "DELETE", ""])
                server.fault(method=method, times=rng.randint(1, 3), **rng.choice(_FAULTS))
        elif choice < 0.65:
            path = f"/{rng.choice(NAMES)[2]}$"
            server.fault(method="PATCH", path=path, status=422, reason="Invalid", message="no", times=1)
        elif choice < 0.8:
            server.fault(status=503, reason="ServiceUnavailable", message="outage", times=rng.randint(4, 7))
        else:
            self.world.kill_at = rng.randrange(25)

    def remove_faults(self) -> None:
        self.world.server._faults.clear()
        self.world.kill_at = -1

    def problem(self, event: Event) -> str:
        properties = event["ResourceProperties"]
        me = owner_of(event, properties)
        for item in json.loads(properties["Manifest"]):
            name = _name(item)
            found = self._find(name)
            marks = marks_of((found or {}).get("metadata", {}).get("annotations"))
            fields_only = "FieldsOnly" in properties
            managers = {e["manager"] for e in (found or {}).get("metadata", {}).get("managedFields", [])}
            owned = me.manager in managers if fields_only else me in marks
            if event["RequestType"] == "Delete":
                if owned:
                    return f"{name} is still owned"
                continue
            self.missing.discard((name, me.digest))
            if found is None or not owned:
                return f"{name} does not exist or is not owned"
            if not _has(found, item):
                return f"{name} is {_short(found)}, expected {_short(item)}"
        return ""

    def lost_objects(self, live: list[tuple[str, str, Resource]]) -> Iterable[str]:
        expected: dict[Name, list[dict[str, Any]]] = {}
        for stack_id, logical_id, resource in live:
            (digest,) = self.digests(stack_id, logical_id, resource)
            for item in json.loads(resource.properties["Manifest"]):
                if (_name(item), digest) not in self.missing:
                    expected.setdefault(_name(item), []).append(item)
        for name, items in expected.items():
            found = self._find(name)
            if found is None:
                yield f"{name} is gone"
            elif not any(_has(found, item) for item in items) and name != BASE:
                yield f"{name} is {_short(found)}, expected {[_short(item) for item in items]}"

    def marked(self) -> Iterable[tuple[str, str, str]]:
        for key, item in list(self.world.server.store.objects.items()):
            path = "/".join(key[1:])
            for mark in marks_of(item["metadata"].get("annotations")):
                yield path, mark.name, mark.digest
            for entry in item["metadata"].get("managedFields", []):
                if entry["manager"].startswith("hyperpod-constructs-"):
                    yield path, entry["manager"], entry["manager"].rpartition("-")[2]

    def digests(self, stack_id: str, logical_id: str, resource: Resource) -> Iterable[str]:
        event = {"StackId": stack_id, "LogicalResourceId": logical_id}
        yield owner_of(event, resource.properties).digest

    def remove(self, key: str) -> None:
        plural, space, name = key.split("/")
        self._delete_manually((plural, space, name))
        if (plural, space, name) == BASE:
            self._create(BASE, {"v": "theirs"})

    def foreign(self, adopted: bool) -> Iterable[str]:
        for name, expected in self.foreign_objects.items():
            found = self._find(name)
            if found is None:
                yield f"{name} of a user does not exist"
                continue
            marked = marks_of(found["metadata"].get("annotations"))
            managers = {entry["manager"] for entry in found["metadata"].get("managedFields", [])}
            owned = bool(marked) or any(m.startswith("hyperpod-constructs") for m in managers)
            if owned and adopted:
                continue
            if owned:
                yield f"{name} of a user still has marks: {marked}, {managers}"
            elif (found.get("data"), _image(found)) != (expected.get("data"), _image(expected)):
                yield f"{name} of a user is {_short(found)}, was {_short(expected)}"
            elif managers - {"kubectl-create", "kubectl-edit"}:
                yield f"{name} of a user has the managers {managers}"

    def _item(self, name: Name) -> dict[str, Any]:
        version = self._version()
        if name[0] == "namespaces":
            return namespace(name[2], v=version)
        if name[0] == "deployments":
            return deployment(name[2], version)
        return config_map(name[2], name[1], v=version)

    def _version(self) -> str:
        self.versions += 1
        return f"v{self.versions}"

    def _create(self, name: Name, data: dict[str, str]) -> None:
        if name[0] == "namespaces":
            item = namespace(name[2])
        elif name[0] == "deployments":
            item = deployment(name[2], "theirs")
        else:
            item = config_map(name[2], name[1], **data)
        self.foreign_objects[name] = json.loads(json.dumps(self.world.put(item)))

    def _delete_manually(self, name: Name) -> None:
        """Delete an object manually, whoever owns it."""
        self.missing |= {(name, digest) for key, _, digest in self.marked() if key == "/".join(name)}
        self.foreign_objects.pop(name, None)
        self._remove(name)

    def _remove(self, name: Name) -> None:
        for key in [key for key in self.world.server.store.objects if key[1:] == (name[0], name[1], name[2])]:
            self.world.server.store.delete(key, {})

    def _find(self, name: Name) -> dict[str, Any] | None:
        return self.world.find(name[0], name[2], name[1])


def _name(item: dict[str, Any]) -> Name:
    plural = {"ConfigMap": "configmaps", "Deployment": "deployments", "Namespace": "namespaces"}[item["kind"]]
    return plural, item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _has(found: dict[str, Any], item: dict[str, Any]) -> bool:
    data, labels = found.get("data") or {}, found["metadata"].get("labels") or {}
    return (
        (item.get("data") or {}).items() <= data.items()
        and (item["metadata"].get("labels") or {}).items() <= labels.items()
        and _image(found) == _image(item)
    )


def _image(item: dict[str, Any]) -> str:
    if item["kind"] != "Deployment":
        return ""
    return str(item["spec"]["template"]["spec"]["containers"][0]["image"])


def _short(item: dict[str, Any]) -> str:
    return str(item.get("data") or item["metadata"].get("labels") or _image(item))
