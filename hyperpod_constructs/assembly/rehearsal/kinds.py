"""The built-in kinds: how they are served, their defaults, immutable fields and validation."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.jobs.quantities import amount

Json = dict[str, Any]
Key = tuple[str, str, str, str]
"""Group, plural, namespace, name."""

BUILT_IN = """
v1 Namespace namespaces -
v1 Node nodes -
v1 Pod pods ns
v1 Service services ns
v1 ConfigMap configmaps ns
v1 Secret secrets ns
v1 ServiceAccount serviceaccounts ns
v1 PersistentVolume persistentvolumes -
v1 PersistentVolumeClaim persistentvolumeclaims ns
v1 ResourceQuota resourcequotas ns
v1 LimitRange limitranges ns
v1 Event events ns
events.k8s.io/v1 Event events ns
apps/v1 Deployment deployments ns
apps/v1 DaemonSet daemonsets ns
apps/v1 StatefulSet statefulsets ns
batch/v1 Job jobs ns
batch/v1 CronJob cronjobs ns
discovery.k8s.io/v1 EndpointSlice endpointslices ns
networking.k8s.io/v1 NetworkPolicy networkpolicies ns
policy/v1 PodDisruptionBudget poddisruptionbudgets ns
rbac.authorization.k8s.io/v1 ClusterRole clusterroles -
rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings -
rbac.authorization.k8s.io/v1 Role roles ns
rbac.authorization.k8s.io/v1 RoleBinding rolebindings ns
scheduling.k8s.io/v1 PriorityClass priorityclasses -
storage.k8s.io/v1 StorageClass storageclasses -
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy validatingadmissionpolicies -
admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings -
admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations -
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations -
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions -
"""

SAME_STORAGE = {"events.k8s.io": ""}
"""API group to the group that stores its objects: Kubernetes serves some kinds in two groups."""


class Refusal(Exception):
    """Raised for a request that the API server rejects."""

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
        """The API version as in objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name as in error messages: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """The kind as in validation errors: ``Deployment.apps``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def key(self, namespace: str, name: str) -> Key:
        """Returns the storage key of an object."""
        return SAME_STORAGE.get(self.group, self.group), self.plural, namespace, name


def built_in() -> list[Resource]:
    """The kinds of ``BUILT_IN``."""
    found = []
    for line in filter(None, BUILT_IN.split("\n")):
        api_version, kind, plural, scope = line.split()
        group, _, version = api_version.rpartition("/")
        found.append(Resource(group, version, kind, plural, scope == "ns"))
    return found


# Immutable fields, and the end of the error message. `{}` is the new value.
_STATEFUL = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_POD = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM = (
    "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)
_IMMUTABLE = "Invalid value: {}: field is immutable"
IMMUTABLE: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("batch", "jobs"): [
        ("spec.template", _IMMUTABLE),
        ("spec.completions", _IMMUTABLE),
        ("spec.selector", _IMMUTABLE),
    ],
    ("apps", "deployments"): [("spec.selector", _IMMUTABLE)],
    ("apps", "daemonsets"): [("spec.selector", _IMMUTABLE)],
    ("apps", "statefulsets"): [("spec.selector", _STATEFUL), ("spec.serviceName", _STATEFUL)],
    ("", "secrets"): [("type", _IMMUTABLE)],
    ("", "pods"): [("spec.containers", _POD)],
    ("", "persistentvolumeclaims"): [("spec.storageClassName", _CLAIM), ("spec.accessModes", _CLAIM)],
    ("", "persistentvolumes"): [
        ("spec.csi", "Forbidden: spec.persistentvolumesource is immutable after creation"),
    ],
    ("rbac.authorization.k8s.io", "rolebindings"): [("roleRef", "Invalid value: {}: cannot change roleRef")],
    ("rbac.authorization.k8s.io", "clusterrolebindings"): [("roleRef", "Invalid value: {}: cannot change roleRef")],
    ("scheduling.k8s.io", "priorityclasses"): [("value", "Forbidden: may not be changed in an update.")],
    ("storage.k8s.io", "storageclasses"): [("parameters", "Forbidden: updates to parameters are forbidden.")],
}

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RBAC = "rbac.authorization.k8s.io"
_STRING_MAPS = {"ConfigMap": ("data",), "Secret": ("data", "stringData")}
_FIELDS = {
    "ConfigMap": {"data", "binaryData", "immutable"},
    "Secret": {"data", "stringData", "type", "immutable"},
    "Namespace": {"spec", "status"},
}


def check_body(resource: Resource, key: Key, item: Mapping[str, Any]) -> None:
    """Checks that the object of a request matches its URL. Raises `Refusal`."""
    group_version, kind = item.get("apiVersion"), item.get("kind")
    if (group_version, kind) != (resource.api_version, resource.kind):
        group, _, version = str(group_version).rpartition("/")
        raise Refusal(400, "BadRequest", f"invalid object type: {group}/{version}, Kind={kind}")
    metadata = item.get("metadata") or {}
    if metadata.get("name") not in (None, key[3]):
        reason = f"the name of the object ({metadata['name']}) does not match the name on the URL ({key[3]})"
        raise Refusal(400, "BadRequest", reason)
    if metadata.get("namespace") not in (None, "", key[2]):
        reason = "the namespace of the provided object does not match the namespace sent on the request"
        raise Refusal(400, "BadRequest", reason)


def check_fields(resource: Resource, key: Key, item: Mapping[str, Any]) -> None:
    """Checks fields and values that server-side apply cannot parse, for a few built-in kinds. Raises `Refusal`."""
    known = _FIELDS.get(resource.kind) if not resource.group else None
    if known is None:
        return
    where = f"{key[2]}/{key[3]}; {resource.group}/{resource.version}, Kind={resource.kind}"
    problem = next((f".{name}: field not declared in schema" for name in item if name not in known | _ANY), "")
    for field in _STRING_MAPS.get(resource.kind, ()):
        for name, value in (item.get(field) or {}).items():
            if value is not None and not isinstance(value, str):
                problem = f".{field}.{name}: expected string, got &value.valueUnstructured{{Value:{value}}}"
    if problem:
        raise Refusal(500, "", f"failed to create typed patch object ({where}): {problem}")


_ANY = {"apiVersion", "kind", "metadata"}


def check_name(resource: Resource, key: Key) -> None:
    """Checks that the name is valid. Raises `Refusal`."""
    if resource.group != _RBAC and not _NAME.fullmatch(key[3]):
        raise Refusal(
            422,
            "Invalid",
            f'{resource.qualified_kind} "{key[3]}" is invalid: metadata.name: Invalid value: "{key[3]}": a lowercase RFC '
            "1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
            "alphanumeric character",
        )


def check_immutable(resource: Resource, key: Key, current: Json | None, item: Json) -> None:
    """Checks that no immutable field changes. Raises `Refusal`."""
    if current is None:
        return
    for field, text in IMMUTABLE.get(key[:2], []):
        if _get(current, field) != _get(item, field):
            ends = text.format(json.dumps(_get(item, field), separators=(",", ":")))
            where = field.split(".")[0] if ends.startswith("Forbidden: ") else field
            raise Refusal(422, "Invalid", f'{resource.qualified_kind} "{key[3]}" is invalid: {where}: {ends}')


def check_claim(key: Key, current: Json | None, item: Json, classes: Mapping[Key, Json]) -> None:
    """Checks that a claim grows only if its storage class allows it, and does not shrink. Raises `Refusal`."""
    if current is None or key[:2] != ("", "persistentvolumeclaims"):
        return
    before, after = (amount(_get(claim, "spec.resources.requests.storage")) for claim in (current, item))
    if before is None or after is None or before == after:
        return
    invalid = f'PersistentVolumeClaim "{key[3]}" is invalid: spec'
    if _get(current, "status.phase") != "Bound":
        raise Refusal(422, "Invalid", f"{invalid}: {_CLAIM}")
    if after < before:
        text = "resources.requests.storage: Forbidden: field can not be less than status.capacity"
        raise Refusal(422, "Invalid", f"{invalid}.{text}")
    name = _get(item, "spec.storageClassName")
    storage_class = classes.get(("storage.k8s.io", "storageclasses", "", str(name))) or {}
    if not storage_class.get("allowVolumeExpansion"):
        text = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support "
        )
        raise Refusal(403, "Forbidden", f'persistentvolumeclaims "{key[3]}" is forbidden: {text}resize')


def written(resource: Resource, item: Json, current: Json | None) -> Json:
    """Returns the object as the API server stores it."""
    how = _WRITTEN.get((resource.group, resource.kind))
    return how(copy.deepcopy(item), current) if how else item


def _config_map(item: Json, current: Json | None) -> Json:
    if item.get("data"):
        item["data"] = {name: "" if value is None else value for name, value in item["data"].items()}
    return item


def _secret(item: Json, current: Json | None) -> Json:
    plain = item.pop("stringData", None) or {}
    if plain:
        packed = {name: base64.b64encode((value or "").encode()).decode() for name, value in plain.items()}
        item["data"] = {**(item.get("data") or {}), **packed}
    item.setdefault("type", "Opaque")
    return item


def _namespace(item: Json, current: Json | None) -> Json:
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {}).setdefault("phase", "Active")
    return item


def _deployment(item: Json, current: Json | None) -> Json:
    spec = item.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("strategy", {"type": "RollingUpdate"})
    return item


def _claim(item: Json, current: Json | None) -> Json:
    if current is None:
        item.setdefault("metadata", {}).setdefault("finalizers", []).append("kubernetes.io/pvc-protection")
        if _get(item, "spec.volumeName"):  # bound immediately; the real controller requires the volume and some time
            item["status"] = {"phase": "Bound", "capacity": _get(item, "spec.resources.requests")}
    return item


def _crd(item: Json, current: Json | None) -> Json:
    if current is None:
        item["status"] = {"conditions": []}
    return item


_WRITTEN: dict[tuple[str, str], Callable[[Json, Json | None], Json]] = {
    ("", "ConfigMap"): _config_map,
    ("", "Secret"): _secret,
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("apps", "Deployment"): _deployment,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}


def schema_problem(value: Any, schema: Json, where: str = "") -> str | None:
    """The first field or type that is not in a custom kind's schema."""
    kinds: dict[str, tuple[tuple[type, ...], str]] = {
        "string": ((str,), "string"),
        "integer": ((int, float), "numeric (int or float)"),
        "number": ((int, float), "numeric (int or float)"),
        "boolean": ((bool,), "boolean"),
        "object": ((dict,), "map"),
        "array": ((list,), "list"),
    }
    wanted = kinds.get(schema.get("type", ""))
    if wanted and value is not None and not isinstance(value, wanted[0]):
        names: dict[type, str] = {str: "string", dict: "map", list: "list"}
        return f"{where}: expected {wanted[1]}, got {names.get(type(value), 'numeric')}"
    properties = schema.get("properties")
    if not isinstance(value, dict) or not properties or schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    for name, inner in value.items():
        if name not in properties:
            return f"{where}.{name}: field not declared in schema"
        found = schema_problem(inner, properties[name], f"{where}.{name}")
        if found:
            return found
    return None


def schema_refusal(value: Any, schema: Json, where: str = "") -> str | None:
    """The first value that a custom kind's schema does not allow."""
    if "minimum" in schema and isinstance(value, int | float) and value < schema["minimum"]:
        least = schema["minimum"]
        return f"{where}: Invalid value: {value}: {where} in body should be greater than or equal to {least}"
    if not isinstance(value, dict):
        return None
    for name in schema.get("required", []):
        if name not in value:
            return f"{f'{where}.{name}'.lstrip('.')}: Required value"
    for name, inner in (schema.get("properties") or {}).items():
        if name in value:
            found = schema_refusal(value[name], inner, f"{where}.{name}".lstrip("."))
            if found:
                return found
    return None


def _get(item: Any, field: str) -> Any:
    for name in field.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return item
