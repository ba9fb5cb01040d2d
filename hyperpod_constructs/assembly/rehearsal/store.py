"""The state behind the in-memory API server: objects, server-side apply, deletion with finalizers, discovery.

It keeps to what Kubernetes does where our code can tell the difference. Simplified: a list is one value (no merge by
key), only CRDs that say so have a schema, and there are no controllers but those that its user schedules.
"""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str, str, str]  # group, plural, namespace, name
Path = tuple[str, ...]

CRD_GROUP = "apiextensions.k8s.io"
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"

BUILT_IN = """
v1 Namespace namespaces -
v1 Node nodes -
v1 Pod pods ns
v1 Service services ns
v1 ConfigMap configmaps ns
v1 Secret secrets ns
v1 ServiceAccount serviceaccounts ns
v1 Event events ns
events.k8s.io/v1 Event events ns
apps/v1 Deployment deployments ns
apps/v1 DaemonSet daemonsets ns
batch/v1 Job jobs ns
discovery.k8s.io/v1 EndpointSlice endpointslices ns
rbac.authorization.k8s.io/v1 ClusterRole clusterroles -
rbac.authorization.k8s.io/v1 RoleBinding rolebindings ns
scheduling.k8s.io/v1 PriorityClass priorityclasses -
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions -
"""

SAME_STORAGE = {"events.k8s.io": ""}
"""API groups whose objects are those of another group, as Kubernetes moves kinds between groups."""

IMMUTABLE: dict[tuple[str, str], list[Path]] = {
    ("batch", "jobs"): [("spec", "template"), ("spec", "completions")],
    ("", "secrets"): [("type",)],
}

NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


class Clock:
    """Time that only a sleep, or ``advance``, moves."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move time on."""
        self.time += seconds

    def jitter(self) -> float:
        """Factor of each delay."""
        return 1.0


class Refusal(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True)
class Resource:
    """A served kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects say it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def key(self, namespace: str, name: str) -> Key:
        """Where an object is stored."""
        return SAME_STORAGE.get(self.group, self.group), self.plural, namespace, name


class Store:
    """All objects of one cluster."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[Key, Json] = {}
        self.crd_delay = 0.0
        """Seconds until a new CRD is established."""
        self._managers: dict[Key, dict[str, set[Path]]] = {}
        self._versions = itertools.count(1)
        self._scheduled: list[tuple[float, Callable[[], None]]] = []
        self._built_in = [_resource(line) for line in BUILT_IN.split("\n") if line]
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # What is used directly.

    def put(self, item: Json) -> Json:
        """Create or replace an object as it is, status included."""
        found = next(r for r in self.resources() if (r.api_version, r.kind) == (item["apiVersion"], item["kind"]))
        namespace = item["metadata"].get("namespace", "default") if found.namespaced else ""
        key = found.key(namespace, item["metadata"]["name"])
        written = self._write(key, copy.deepcopy(item), None)
        written["metadata"]["generation"] = item["metadata"].get("generation", written["metadata"]["generation"])
        return written

    def get(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """An object by plural and name."""
        self.settle()
        wanted = (plural, namespace, name)
        return next((item for key, item in self.objects.items() if key[1:] == wanted), None)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` once the clock has moved that far: a controller at work."""
        self._scheduled.append((self.clock.now() + seconds, action))

    def release(self, plural: str, name: str, namespace: str = "") -> None:
        """Take all finalizers from an object."""
        item = self.get(plural, name, namespace)
        assert item is not None, (plural, name)
        item["metadata"]["finalizers"] = []
        self.settle()

    def settle(self) -> None:
        """Let scheduled controllers run, and finish deletions that nothing holds any more."""
        due = [entry for entry in self._scheduled if entry[0] <= self.clock.now()]
        self._scheduled = [entry for entry in self._scheduled if entry not in due]
        for _, action in due:
            action()
        for key, crd in [entry for entry in self.objects.items() if entry[0][0] == CRD_GROUP]:
            self._establish(key, crd)
        before = -1
        while before != len(self.objects):
            before = len(self.objects)
            for key, item in list(self.objects.items()):
                if item["metadata"].get("deletionTimestamp") and not self._holders(key, item):
                    self.objects.pop(key, None)
                    self._managers.pop(key, None)

    # Discovery.

    def resources(self) -> Iterator[Resource]:
        """Everything that is served now."""
        yield from self._built_in
        for item in list(self.objects.values()):
            if item["kind"] == "CustomResourceDefinition" and _is_established(item):
                spec = item["spec"]
                for version in spec["versions"]:
                    if version.get("served", True):
                        names, namespaced = spec["names"], spec["scope"] == "Namespaced"
                        yield Resource(spec["group"], version["name"], names["kind"], names["plural"], namespaced)

    # Requests.

    def apply(self, resource: Resource, key: Key, item: Json, manager: str, force: bool) -> tuple[Json, bool]:
        """Server-side apply; whether the object is new."""
        self._check_schema(resource, key, item)
        current = self.objects.get(key)
        self._check_namespace(key, creating=current is None)
        wanted = dict(_leaves(item))
        managers = self._managers.setdefault(key, {})
        if current is not None:
            self._check_conflicts(current, wanted, managers, manager, force)
        merged = copy.deepcopy(current) if current else {"metadata": {}}
        for path in managers.get(manager, set()) - wanted.keys():
            if not any(path in paths for name, paths in managers.items() if name != manager):
                _unset(merged, path)
        for path, value in wanted.items():
            _set(merged, path, value)
        merged |= {"apiVersion": resource.api_version, "kind": resource.kind}
        merged["metadata"]["name"] = key[3]
        if key[2]:
            merged["metadata"]["namespace"] = key[2]
        self._check_immutable(key, current, merged)
        for name, paths in managers.items():
            if name != manager:
                paths -= wanted.keys()
        managers[manager] = set(wanted) - NOT_OWNED
        return self._write(key, merged, current), current is None

    def replace(self, resource: Resource, key: Key, item: Json, manager: str) -> Json:
        """POST and PUT: the whole object, owned by ``manager``."""
        current = self.objects.get(key)
        self._check_namespace(key, creating=current is None)
        self._check_immutable(key, current, item)
        self._managers.setdefault(key, {})[manager] = {path for path, _ in _leaves(item)} - NOT_OWNED
        item = {"apiVersion": resource.api_version, "kind": resource.kind, **copy.deepcopy(item)}
        item["metadata"]["name"] = key[3]
        if key[2]:
            item["metadata"]["namespace"] = key[2]
        return self._write(key, item, current)

    def delete(self, key: Key, options: Json) -> Json:
        """Begin (and, with nothing in the way, finish) a deletion."""
        item = self.objects[key]
        metadata = item["metadata"]
        uid = (options.get("preconditions") or {}).get("uid")
        if uid not in (None, metadata["uid"]):
            raise Refusal(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        metadata.setdefault("deletionTimestamp", self._stamp())
        if item["kind"] == "Namespace":
            item["status"] = {"phase": "Terminating"}
            for other in [k for k in self.objects if k[2] == key[3]]:
                self.delete(other, {})
        if item["kind"] == "CustomResourceDefinition":
            for other in self._instances(item):
                self.delete(other, {})
        if options.get("propagationPolicy") != "Orphan":
            for other, dependent in list(self.objects.items()):
                if any(o.get("uid") == metadata["uid"] for o in dependent["metadata"].get("ownerReferences", [])):
                    self.delete(other, {})
        self.settle()
        return item

    # Rules.

    def _write(self, key: Key, item: Json, current: Json | None) -> Json:
        metadata = item.setdefault("metadata", {})
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", self._stamp())
        if current is None or _without_metadata(item) != _without_metadata(current):
            metadata["generation"] = metadata.get("generation", 0) + 1
        metadata["managedFields"] = [{"manager": name} for name in self._managers.get(key, {})]
        if current is None or item != current:
            metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = item
        if item["kind"] == "CustomResourceDefinition" and current is None:
            item["status"] = {"conditions": []}
        self.settle()
        return item

    def _establish(self, key: Key, crd: Json) -> None:
        made = datetime.fromisoformat(crd["metadata"]["creationTimestamp"]).timestamp()
        if self.clock.now() >= made + self.crd_delay and not _is_established(crd):
            crd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def _check_conflicts(
        self, current: Json, wanted: dict[Path, Any], managers: dict[str, set[Path]], manager: str, force: bool
    ) -> None:
        flat = dict(_leaves(current))
        conflicts = [
            f'conflict with "{name}": .{".".join(path)}'
            for name, paths in managers.items()
            if name != manager
            for path in sorted(paths & wanted.keys())
            if flat.get(path) != wanted[path]
        ]
        if conflicts and not force:
            raise Refusal(409, "Conflict", f"Apply failed with {len(conflicts)} conflict(s): {'; '.join(conflicts)}")

    def _check_namespace(self, key: Key, creating: bool) -> None:
        if not key[2] or not creating:
            return
        namespace = self.objects.get(("", "namespaces", "", key[2]))
        if namespace is None:
            raise Refusal(404, "NotFound", f'namespaces "{key[2]}" not found')
        if namespace["metadata"].get("deletionTimestamp"):
            raise Refusal(
                403,
                "Forbidden",
                f'{key[1]} "{key[3]}" is forbidden: unable to create new content in namespace {key[2]} '
                "because it is being terminated",
            )

    def _check_immutable(self, key: Key, current: Json | None, item: Json) -> None:
        for path in IMMUTABLE.get(key[:2], []):
            if current is not None and _get(current, path) != _get(item, path):
                where = ".".join(path)
                raise Refusal(422, "Invalid", f'{key[1]} "{key[3]}" is invalid: {where}: field is immutable')

    def _check_schema(self, resource: Resource, key: Key, item: Json) -> None:
        crd = self.objects.get((CRD_GROUP, "customresourcedefinitions", "", f"{resource.plural}.{resource.group}"))
        if crd is None:
            return
        version = next(v for v in crd["spec"]["versions"] if v["name"] == resource.version)
        schema = version.get("schema", {}).get("openAPIV3Schema", {})
        unknown = _unknown_field({k: v for k, v in item.items() if k not in ("apiVersion", "kind", "metadata")}, schema)
        if unknown:
            what = f"{key[2]}/{key[3]}; {resource.api_version}, Kind={resource.kind}"
            raise Refusal(
                500, "", f"failed to create typed patch object ({what}): {unknown}: field not declared in schema"
            )

    def _holders(self, key: Key, item: Json) -> bool:
        if item["kind"] == "Namespace" and any(k[2] == key[3] for k in self.objects):
            message = "Some content in the namespace has finalizers remaining"
            item["status"] = {
                "phase": "Terminating",
                "conditions": [{"type": "NamespaceFinalizersRemaining", "status": "True", "message": message}],
            }
            return True
        if item["kind"] == "CustomResourceDefinition" and self._instances(item):
            item["metadata"]["finalizers"] = [CRD_FINALIZER]
            return True
        if item["kind"] == "CustomResourceDefinition":
            return False
        return bool(item["metadata"].get("finalizers"))

    def _instances(self, crd: Json) -> list[Key]:
        wanted = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        return [key for key in self.objects if key[:2] == wanted]

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.clock.now(), UTC).isoformat()


def _resource(line: str) -> Resource:
    api_version, kind, plural, scope = line.split()
    group, _, version = api_version.rpartition("/")
    return Resource(group, version, kind, plural, scope == "ns")


def _is_established(crd: Json) -> bool:
    return any(
        c["type"] == "Established" and c["status"] == "True" for c in crd.get("status", {}).get("conditions", [])
    )


def _unknown_field(value: Any, schema: Json, where: str = "") -> str | None:
    properties = schema.get("properties")
    if not isinstance(value, dict) or not properties or schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    for name, inner in value.items():
        if name not in properties:
            return f"{where}.{name}"
        found = _unknown_field(inner, properties[name], f"{where}.{name}")
        if found:
            return found
    return None


def _without_metadata(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in ("metadata", "status")}


def _leaves(item: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(item, dict) and item:
        for name, value in item.items():
            yield from _leaves(value, (*path, name))
    elif path not in NOT_OWNED:
        yield path, item


def _get(item: Any, path: Path) -> Any:
    for name in path:
        item = item.get(name) if isinstance(item, dict) else None
    return item


def _set(item: Json, path: Path, value: Any) -> None:
    for name in path[:-1]:
        inner = item.get(name)
        if not isinstance(inner, dict):
            inner = item[name] = {}
        item = inner
    item[path[-1]] = copy.deepcopy(value)


def _unset(item: Json, path: Path) -> None:
    holder = _get(item, path[:-1])
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
