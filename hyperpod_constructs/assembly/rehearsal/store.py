"""The state behind the in-memory API server: objects, server-side apply, deletion with finalizers, discovery.

It behaves like Kubernetes wherever the library's code can observe a difference; ``fields`` implements server-side apply,
``kinds`` the built-in kinds. Controllers: finalizers of namespaces, CRDs, claims and foreground deletions, aggregated
ClusterRoles, and those that the caller adds or schedules. Not implemented: most validation, defaults, quotas.
"""

from __future__ import annotations

import copy
import heapq
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ...handlers.shared.merge import merge_patch
from . import fields, kinds
from .clock import Clock
from .kinds import Json, Key, Refusal, Resource
from .objects import Objects

__all__ = ["Clock", "Json", "Key", "Refusal", "Resource", "Store"]

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
CLUSTER_ROLES = ("rbac.authorization.k8s.io", "clusterroles")
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
FOREGROUND = "foregroundDeletion"
AGGREGATION = "clusterrole-aggregation-controller"

LARGEST_OBJECT = 1536 * 1024
"""Largest object that etcd stores, in bytes."""


class Store:
    """All objects of one cluster."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects = Objects()
        self.crd_delay = 0.2
        """Seconds until a new CRD is established."""
        self.collection_delay = 0.2
        """Seconds until the garbage collector has processed a foreground deletion."""
        self.controllers: list[Callable[[], None]] = []
        """Functions that run each time the store settles."""
        self._versions = itertools.count(1)
        self._scheduled: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._built_in = kinds.built_in()
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # Used directly.

    def put(self, item: Json, manager: str = "") -> Json:
        """Creates or replaces an object as given, including its status; the manager, or no manager, owns its fields."""
        found = next(r for r in self.resources() if (r.api_version, r.kind) == (item["apiVersion"], item["kind"]))
        namespace = item["metadata"].get("namespace", "default") if found.namespaced else ""
        key = found.key(namespace, item["metadata"]["name"])
        item = copy.deepcopy(item)
        owned = fields.decode(item["metadata"].get("managedFields", []))
        fields.update(None, item, owned, manager, built_in=self._is_built_in(found))
        status = item.get("status")
        if found.kind == "CustomResourceDefinition" and status is None:
            status = {"conditions": [{"type": "Established", "status": "True"}]}
        written = self._write(found, key, kinds.written(found, item, None), None, owned)
        if "generation" in item["metadata"]:
            written["metadata"]["generation"] = item["metadata"]["generation"]
        if status is not None:
            written["status"] = status
            self.settle()
        return written

    def edit(self, plural: str, name: str, namespace: str = "", *, manager: str, **changes: Any) -> Json:
        """Applies a merge patch of another client: a person, an autoscaler, another controller."""
        key, item = next((k, i) for k, i in self.objects.items() if k[1:] == (plural, namespace, name))
        resource = next(r for r in self.resources() if r.key("", "")[:2] == key[:2])
        return self.replace(resource, key, merge_patch(item, changes), manager)

    def get(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """Returns an object by plural and name."""
        self.settle()
        wanted = (plural, namespace, name)
        return next((item for key, item in self.objects.items() if key[1:] == wanted), None)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Runs ``action`` when the clock has reached that time, like a controller."""
        self._order += 1
        heapq.heappush(self._scheduled, (self.clock.now() + seconds, self._order, action))

    def release(self, plural: str, name: str, namespace: str = "") -> None:
        """Removes all finalizers of an object."""
        item = self.get(plural, name, namespace)
        assert item is not None, (plural, name)
        item["metadata"]["finalizers"] = []
        self.settle()

    def settle(self) -> None:
        """Runs scheduled controllers, and finishes deletions that no finalizer blocks."""
        due = []
        while self._scheduled and self._scheduled[0][0] <= self.clock.now():
            due.append(heapq.heappop(self._scheduled)[2])
        for action in due:
            action()
        self._control()
        for _, item in self.objects.of(*CRDS):
            self._establish(item)
        for _, item in self.objects.of(*CLUSTER_ROLES):
            if item.get("aggregationRule"):
                self._aggregate(item)
        before = -1
        while before != len(self.objects):
            before = len(self.objects)
            for key in list(self.objects.deleting):
                if not self._holders(key, self.objects[key]):
                    self.objects.discard(key)
            if before != len(self.objects):
                self._control()

    def _control(self) -> None:
        for controller in self.controllers:
            controller()

    @contextmanager
    def dry_run(self) -> Iterator[None]:
        """Undoes the writes in the block."""
        first = self._order
        try:
            with self.objects.undone():
                yield
        finally:
            if self._order > first:
                self._scheduled = sorted(entry for entry in self._scheduled if entry[1] <= first)  # also a heap

    # Discovery.

    def resources(self) -> Iterator[Resource]:
        """Returns the kinds that are currently served."""
        yield from self._built_in
        for _, item in self.objects.of(*CRDS):
            if _is_established(item):
                spec = item["spec"]
                for version in spec["versions"]:
                    if version.get("served", True):
                        names, namespaced = spec["names"], spec["scope"] == "Namespaced"
                        yield Resource(spec["group"], version["name"], names["kind"], names["plural"], namespaced)

    # Requests.

    def apply(self, resource: Resource, key: Key, item: Json, manager: str, force: bool) -> tuple[Json, bool]:
        """Applies an object (server-side apply); returns it, and whether it is new."""
        kinds.check_fields(resource, key, item)
        schema = self._schema(resource)
        self._check_schema(resource, key, item, schema)
        if (item.get("metadata") or {}).get("managedFields"):
            raise Refusal(400, "BadRequest", "metadata.managedFields must be nil")
        current = self.objects.get(key)
        self._check_version(resource, key, current, item)
        self._check_namespace(key, creating=current is None)
        owned = fields.decode(current["metadata"].get("managedFields", [])) if current else {}
        built_in = self._is_built_in(resource)
        try:
            result = fields.apply(current, item, owned, manager, force=force, built_in=built_in)
        except fields.Conflict as conflict:
            raise Refusal(409, "Conflict", str(conflict)) from None
        if current is not None:
            self._keep_metadata(result, current)
        return self._checked_write(resource, key, result, current, owned, schema), current is None

    def replace(self, resource: Resource, key: Key, item: Json, manager: str) -> Json:
        """Writes the whole object (POST, PUT, or the result of a patch); ``manager`` owns the changed fields."""
        current = self.objects.get(key)
        item = {"apiVersion": resource.api_version, "kind": resource.kind, **copy.deepcopy(item)}
        item.setdefault("metadata", {})
        for name in ("annotations", "labels"):
            if not item["metadata"].get(name):
                item["metadata"].pop(name, None)  # an empty map is not stored
        self._check_version(resource, key, current, item)
        self._check_namespace(key, creating=current is None)
        # entries that a client sends replace the existing ones; none, or an empty list, leaves them unchanged
        sent = item["metadata"].get("managedFields")
        live = current["metadata"].get("managedFields", []) if current else []
        owned = fields.decode(sent or live)
        fields.update(current, item, owned, manager, built_in=self._is_built_in(resource))
        if current is not None:
            self._keep_metadata(item, current)
        return self._checked_write(resource, key, item, current, owned, self._schema(resource))

    def delete(self, key: Key, options: Json) -> Json:
        """Starts a deletion, and finishes it unless a finalizer blocks it."""
        if self.objects.is_dry:
            self.objects[key] = copy.deepcopy(self.objects[key])
        item = self.objects[key]
        metadata = item["metadata"]
        wanted = options.get("preconditions") or {}
        if wanted.get("uid") not in (None, metadata["uid"]):
            reason = (
                f'Operation cannot be fulfilled on {item["kind"]} "{key[3]}": the UID in the precondition '
                f"({wanted['uid']}) does not match the UID in record ({metadata['uid']}). The object might have been "
                "deleted and then recreated"
            )
            raise Refusal(409, "Conflict", reason)
        if wanted.get("resourceVersion") not in (None, metadata["resourceVersion"]):
            reason = (
                f'Operation cannot be fulfilled on {item["kind"]} "{key[3]}": the ResourceVersion in the precondition '
                f"({wanted['resourceVersion']}) does not match the ResourceVersion in record "
                f"({metadata['resourceVersion']}). The object might have been modified"
            )
            raise Refusal(409, "Conflict", reason)
        propagation = options.get("propagationPolicy")
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self._stamp()
            metadata["resourceVersion"] = str(next(self._versions))
            if propagation == "Foreground":
                metadata["finalizers"] = [*(metadata.get("finalizers") or []), FOREGROUND]
                self.later(self.collection_delay, lambda: self.objects.mark(key))
            else:
                self.objects.mark(key)
        if item["kind"] == "Namespace":
            item["status"] = {"phase": "Terminating"}
            for other in self.objects.inside(key[3]):
                self.delete(other, {})
        if item["kind"] == "CustomResourceDefinition":
            for other in self._instances(item):
                self.delete(other, {})
        if propagation != "Orphan":
            for other in self.objects.dependents(metadata["uid"]):
                self.delete(other, {})
        answer = copy.deepcopy(item)
        self.settle()
        return answer

    # Rules.

    def _checked_write(
        self, resource: Resource, key: Key, item: Json, current: Json | None, owned: fields.Owned, schema: Json
    ) -> Json:
        kinds.check_name(resource, key)
        item = kinds.written(resource, item, current)
        refused = kinds.schema_refusal({k: v for k, v in item.items() if k not in _ENVELOPE}, schema)
        if refused:
            raise Refusal(422, "Invalid", f'{resource.qualified_kind} "{key[3]}" is invalid: {refused}')
        kinds.check_immutable(resource, key, current, item)
        kinds.check_claim(key, current, item, self.objects)
        if len(json.dumps(item)) > LARGEST_OBJECT:
            raise Refusal(500, "", "etcdserver: request is too large")
        return self._write(resource, key, item, current, owned)

    def _write(self, resource: Resource, key: Key, item: Json, current: Json | None, owned: fields.Owned) -> Json:
        item |= {"apiVersion": resource.api_version, "kind": resource.kind}
        metadata = item.setdefault("metadata", {})
        metadata["name"] = key[3]
        if key[2]:
            metadata["namespace"] = key[2]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", self._stamp())
        if "spec" in item and (current is None or _content(item) != _content(current)):
            metadata["generation"] = ((current or {}).get("metadata") or {}).get("generation", 0) + 1
        former = ((current or {}).get("metadata") or {}).get("managedFields", [])
        metadata["managedFields"] = fields.encode(owned, resource.api_version, self._stamp(), former)
        if current is None or item != current:
            metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = item
        self.settle()
        return item

    def _keep_metadata(self, item: Json, current: Json) -> None:
        """Restores the fields that a client cannot change."""
        for name in ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"):
            item["metadata"].pop(name, None)
            if name in current["metadata"]:
                item["metadata"][name] = current["metadata"][name]

    def _check_version(self, resource: Resource, key: Key, current: Json | None, item: Mapping[str, Any]) -> None:
        wanted = (item.get("metadata") or {}).get("resourceVersion")
        present = current["metadata"]["resourceVersion"] if current else None
        if wanted in (None, "") or wanted == present:
            return
        reason = "the object has been modified; please apply your changes to the latest version and try again"
        raise Refusal(409, "Conflict", f'Operation cannot be fulfilled on {resource.qualified} "{key[3]}": {reason}')

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

    def _schema(self, resource: Resource) -> Json:
        crd = self.objects.get((*CRDS, "", f"{resource.plural}.{resource.group}"))
        if crd is None:
            return {}
        version = next(v for v in crd["spec"]["versions"] if v["name"] == resource.version)
        found: Json = version.get("schema", {}).get("openAPIV3Schema", {})
        return found

    def _check_schema(self, resource: Resource, key: Key, item: Json, schema: Json) -> None:
        problem = kinds.schema_problem({k: v for k, v in item.items() if k not in _ENVELOPE}, schema)
        if problem:
            what = f"{key[2]}/{key[3]}; {resource.api_version}, Kind={resource.kind}"
            raise Refusal(500, "", f"failed to create typed patch object ({what}): {problem}")

    def _is_built_in(self, resource: Resource) -> bool:
        return resource in self._built_in

    # Controllers.

    def _establish(self, crd: Json) -> None:
        made = datetime.fromisoformat(crd["metadata"]["creationTimestamp"]).timestamp()
        if self.clock.now() >= made + self.crd_delay and not _is_established(crd):
            crd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def _aggregate(self, role: Json) -> None:
        """Sets the rules of an aggregated ClusterRole to those of the roles that it selects, as the controller does."""
        selectors = [s.get("matchLabels", {}) for s in role["aggregationRule"].get("clusterRoleSelectors", [])]
        rules: list[Any] = []
        for _, other in self.objects.of(*CLUSTER_ROLES):
            labels = other["metadata"].get("labels") or {}
            chosen = any(selector.items() <= labels.items() for selector in selectors)
            if chosen and other is not role:
                rules += [rule for rule in other.get("rules") or [] if rule not in rules]
        if role.get("rules") != rules:
            owned = fields.decode(role["metadata"].get("managedFields", []))
            named = {"apiVersion": role["apiVersion"], "kind": role["kind"], "metadata": {}, "rules": rules}
            fields.apply(role, named, owned, AGGREGATION, force=True, built_in=True)
            role["rules"] = rules
            former = role["metadata"].get("managedFields", [])
            role["metadata"]["managedFields"] = fields.encode(owned, role["apiVersion"], self._stamp(), former)
            role["metadata"]["resourceVersion"] = str(next(self._versions))

    def _holders(self, key: Key, item: Json) -> bool:
        metadata = item["metadata"]
        if FOREGROUND in (metadata.get("finalizers") or []) and not self.objects.dependents(metadata["uid"]):
            metadata["finalizers"].remove(FOREGROUND)
        if item["kind"] == "Namespace":
            left = self.objects.inside(key[3])
            if not left:
                return bool(metadata.get("finalizers"))
            held = [n for other in left for n in self.objects[other]["metadata"].get("finalizers") or []]
            remaining = [("NamespaceContentRemaining", f"Some resources are remaining: {_counted(left)}")]
            if held:
                names = ", ".join(f"{name} in {held.count(name)} resource instances" for name in dict.fromkeys(held))
                message = f"Some content in the namespace has finalizers remaining: {names}"
                remaining.append(("NamespaceFinalizersRemaining", message))
            conditions = [{"type": kind, "status": "True", "message": message} for kind, message in remaining]
            item["status"] = {"phase": "Terminating", "conditions": conditions}
            return True
        if item["kind"] == "CustomResourceDefinition":
            if self._instances(item):
                metadata["finalizers"] = [CRD_FINALIZER]
                return True
            return FOREGROUND in (metadata.get("finalizers") or [])
        if CLAIM_FINALIZER in (metadata.get("finalizers") or []) and not self._in_use(key):
            metadata["finalizers"].remove(CLAIM_FINALIZER)
        return bool(metadata.get("finalizers"))

    def _in_use(self, claim: Key) -> bool:
        for key, pod in self.objects.of("", "pods"):
            done = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if key[2] == claim[2] and not done:
                for volume in (pod.get("spec") or {}).get("volumes") or []:
                    if (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim[3]:
                        return True
        return False

    def _instances(self, crd: Json) -> list[Key]:
        return [key for key, _ in self.objects.of(crd["spec"]["group"], crd["spec"]["names"]["plural"])]

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.clock.now(), UTC).isoformat()


_ENVELOPE = ("apiVersion", "kind", "metadata")


def _counted(keys: list[Key]) -> str:
    found = [".".join(key[1::-1]) for key in keys]
    return ", ".join(f"{name} has {found.count(name)} resource instances" for name in dict.fromkeys(found))


def _is_established(crd: Json) -> bool:
    return any(
        c["type"] == "Established" and c["status"] == "True" for c in crd.get("status", {}).get("conditions", [])
    )


def _content(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in ("metadata", "status")}
