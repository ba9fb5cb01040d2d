"""Validates a pod template like the API server: names, references, quantities, ports and placement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import limit, matches
from ..documents import join
from ..spec.base import is_token
from .names import is_label
from .quantities import amount
from .schema import Flaw, flaws

Json = Mapping[str, Any]
KEY_FORM = "Use letters, digits, '-', '_' and '.', after an optional DNS prefix and a slash."
"""Fix of a key of a label, an annotation or a taint."""
_STANDARD = ("cpu", "memory", "ephemeral-storage")


def template_flaws(template: Any) -> list[Flaw]:
    """Returns what Kubernetes rejects in a pod template: structural problems or, if there are none, invalid values.

    >>> container = {"name": "main", "image": "a", "resources": {"limits": {"cpu": "4 cores"}}}
    >>> [flaw.message for flaw in template_flaws({"spec": {"containers": [container]}})]
    ["'4 cores' is not a Kubernetes quantity"]
    """
    found = list(flaws(template))
    return found or [*_metadata(template.get("metadata") or {}), *_pod(template.get("spec") or {})]


def _metadata(metadata: Json) -> Iterator[Flaw]:
    yield from _labels(metadata.get("labels"), "metadata.labels")
    for key in metadata.get("annotations") or {}:
        if not is_token(key) and not matches("pod_label_key", str(key).lower()):
            yield Flaw(join("metadata.annotations", str(key)), f"{key!r} is not a valid annotation key", KEY_FORM)


def _labels(labels: Json | None, path: str) -> Iterator[Flaw]:
    for key, value in (labels or {}).items():
        if not is_token(key) and not matches("pod_label_key", str(key)):
            yield Flaw(join(path, str(key)), f"{key!r} is not a valid label key", KEY_FORM)
        if not is_token(value) and not matches("pod_label_value", value):
            cure = "Use up to 63 characters: letters, digits, '-', '_' and '.'."
            yield Flaw(join(path, str(key)), f"{value!r} is not a valid label value", cure)


def _each(value: Any) -> Iterator[tuple[int, Json]]:
    yield from enumerate(value or ())


def _pod(spec: Json) -> Iterator[Flaw]:
    if not spec.get("containers"):
        yield Flaw("spec.containers", "a pod requires at least one container", "Add the main container.")
    volumes = {volume["name"] for _, volume in _each(spec.get("volumes"))}
    taken: dict[str, str] = {}
    for kind in ("initContainers", "containers"):
        for index, container in _each(spec.get(kind)):
            path = f"spec.{kind}[{index}]"
            yield from _name(container["name"], f"{path}.name", taken)
            yield from _container(container, path, volumes, kind)
    yield from _volumes(spec)
    for index, toleration in _each(spec.get("tolerations")):
        yield from _toleration(toleration, f"spec.tolerations[{index}]")
    yield from _affinity(spec.get("affinity") or {})
    yield from _labels(spec.get("nodeSelector"), "spec.nodeSelector")
    yield from _spread(spec)
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        yield Flaw("spec.terminationGracePeriodSeconds", f"{grace} is negative", "Use 0 or more.")
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        yield Flaw("spec.dnsPolicy", "None requires dnsConfig.nameservers", "Set dnsConfig.nameservers.")
    for field in ("serviceAccountName", "priorityClassName", "runtimeClassName"):
        value = spec.get(field)
        if value and not is_token(value) and not matches("dns_subdomain", value):
            yield Flaw(
                f"spec.{field}", f"{value!r} is not a valid Kubernetes name", "Use lowercase letters and hyphens."
            )


def _name(name: str, path: str, taken: dict[str, str]) -> Iterator[Flaw]:
    if is_token(name):
        return
    if not is_label(name):
        cure = "Use lowercase letters, digits and hyphens, up to 63 characters."
        yield Flaw(path, f"{name!r} is not a valid container name", cure)
    if name in taken:
        yield Flaw(path, f"the container name {name!r} is already used by {taken[name]}", "Choose another name.")
    taken.setdefault(name, path.removeprefix("spec.").removesuffix(".name"))


def _container(container: Json, path: str, volumes: set[str], kind: str) -> Iterator[Flaw]:
    name, image = container["name"], container.get("image")
    if not image:
        yield Flaw(
            f"{path}.image", f"the container {name!r} has no image", "Set its image, or patch an existing container."
        )
    elif not is_token(image) and not matches("image_reference", image):
        yield Flaw(
            f"{path}.image", f"{image!r} is not a valid image reference", "Use the form registry/repository:tag."
        )
    if kind == "initContainers" and container.get("restartPolicy") not in (None, "Always"):
        yield Flaw(f"{path}.restartPolicy", "an init container's restart policy can only be Always", "Remove it.")
    yield from _env(container, path)
    yield from _security(container.get("securityContext") or {}, f"{path}.securityContext")
    yield from _ports(container, path)
    yield from _mounts(container, path, volumes)
    yield from _resources(container.get("resources") or {}, f"{path}.resources")


def _security(security: Json, path: str) -> Iterator[Flaw]:
    if security.get("privileged") and security.get("allowPrivilegeEscalation") is False:
        message = "false conflicts with privileged: true"
        yield Flaw(f"{path}.allowPrivilegeEscalation", message, "Remove one of them.")
    if security.get("runAsNonRoot") and security.get("runAsUser") == 0:
        yield Flaw(f"{path}.runAsUser", "0 (root) conflicts with runAsNonRoot", "Use another user ID.")


def _env(container: Json, path: str) -> Iterator[Flaw]:
    for index, variable in _each(container.get("env")):
        place, name, source = f"{path}.env[{index}]", variable["name"], variable.get("valueFrom")
        if not is_token(name) and not matches("environment_variable", name):
            yield Flaw(
                f"{place}.name",
                f"{name!r} is not a valid environment variable name",
                "Use letters, digits and '_'.",
            )
        if source is not None and variable.get("value"):
            yield Flaw(place, f"{name} has a value and a source", "Remove one of them.")
        if source is not None and len([1 for value in source.values() if value]) != 1:
            yield Flaw(
                f"{place}.valueFrom",
                f"{name} requires exactly one source",
                "Specify one secret key, config map key or field.",
            )
    for index, env_from in _each(container.get("envFrom")):
        if len([1 for key in ("configMapRef", "secretRef") if env_from.get(key)]) != 1:
            yield Flaw(
                f"{path}.envFrom[{index}]", "requires exactly one of configMapRef and secretRef", "Remove one of them."
            )


def _ports(container: Json, path: str) -> Iterator[Flaw]:
    seen: set[str] = set()
    for index, container_port in _each(container.get("ports")):
        place, name = f"{path}.ports[{index}]", container_port.get("name")
        for field in ("containerPort", "hostPort"):
            port = container_port.get(field)
            if isinstance(port, int) and not limit("port").allows(port) and not (field == "hostPort" and port == 0):
                yield Flaw(f"{place}.{field}", f"{port} is not a valid port", f"Use 1 to {limit('port').value}.")
        if name and not is_token(name) and not matches("port_name", name):
            cure = "Use up to 15 characters: lowercase letters, digits and single hyphens, with at least one letter."
            yield Flaw(f"{place}.name", f"{name!r} is not a valid port name", cure)
        if name in seen:
            yield Flaw(f"{place}.name", f"duplicate port name {name!r}", "Choose another name.")
        seen |= {name} if name else set()


def _mounts(container: Json, path: str, volumes: set[str]) -> Iterator[Flaw]:
    seen: set[str] = set()
    for index, mount in _each(container.get("volumeMounts")):
        place, mount_path, sub = f"{path}.volumeMounts[{index}]", mount["mountPath"], mount.get("subPath") or ""
        if mount["name"] not in volumes:
            yield Flaw(
                f"{place}.name",
                f"the pod has no volume {mount['name']!r}",
                f"Use one of its volumes: {', '.join(sorted(volumes))}." if volumes else "Add the volume to the pod.",
            )
        if not mount_path or (not is_token(mount_path) and ":" in mount_path):
            message = f"{mount_path!r} is not a valid mount path"
            yield Flaw(f"{place}.mountPath", message, "Use an absolute path without ':'.")
        if mount_path in seen:
            message = f"duplicate mount path {mount_path!r}"
            yield Flaw(f"{place}.mountPath", message, "Choose another path.", "duplicate-mount")
        seen.add(mount_path)
        if not is_token(sub) and (sub.startswith("/") or ".." in sub.split("/")):
            yield Flaw(f"{place}.subPath", f"{sub!r} is not inside the volume", "Use a relative path without '..'.")


def _resources(resources: Json, path: str) -> Iterator[Flaw]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for side, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            place, number = join(f"{path}.{side}", str(name)), amount(value)
            fixed = "/" in name or name.startswith("hugepages-")
            qualified = "/" in name and matches("pod_label_key", name)
            if not qualified and name not in _STANDARD and not name.startswith("hugepages-"):
                cure = f"Use {', '.join(_STANDARD)}, hugepages-<size> or a name with a prefix, such as nvidia.com/gpu."
                yield Flaw(place, f"{name!r} is not a valid resource name", cure)
            if number is None:
                continue
            if number < 0:
                yield Flaw(place, f"{value} is negative", "Use 0 or more.")
            elif "/" in name and number % 1:
                yield Flaw(place, f"{name} is {value}, but devices must be whole numbers", "Use a whole number.")
            other = amount((requests if side == "limits" else limits).get(name))
            if side == "requests" and other is None and fixed:
                yield Flaw(place, f"{name} has a request without a limit", "Set the same limit.")
            elif side == "requests" and other is not None and (number > other or (fixed and number != other)):
                relation, kind = ("must equal its limit", "") if fixed else ("exceeds its limit", "above-limit")
                message = f"the request {value} of {name} {relation} {limits[name]}"
                yield Flaw(place, message, "Use the same value for both.", kind)
    pages = any(name.startswith("hugepages-") and amount(value) for name, value in {**requests, **limits}.items())
    if pages and not any(name in {**requests, **limits} for name in ("cpu", "memory")):
        yield Flaw(path, "huge pages require a request or limit of cpu or memory", "Set memory.")


def _volumes(spec: Json) -> Iterator[Flaw]:
    seen: set[str] = set()
    for index, volume in _each(spec.get("volumes")):
        path, name = f"spec.volumes[{index}]", volume["name"]
        if not is_token(name) and not is_label(name):
            yield Flaw(
                f"{path}.name", f"{name!r} is not a valid volume name", "Use lowercase letters, digits and hyphens."
            )
        if name in seen:
            yield Flaw(f"{path}.name", f"duplicate volume name {name!r}", "Choose another name.")
        seen.add(name)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if len(sources) > 1:
            yield Flaw(path, f"the volume {name!r} has several sources: {', '.join(sources)}", "Keep only one source.")
        yield from _source(volume, path)


_REFERENCES = (("persistentVolumeClaim", "claimName"), ("secret", "secretName"), ("configMap", "name"))


def _source(volume: Json, path: str) -> Iterator[Flaw]:
    for source, field in _REFERENCES:
        name = (volume.get(source) or {}).get(field)
        if name and not is_token(name) and not matches("dns_subdomain", name):
            cure = "Use lowercase letters, digits, hyphens and dots."
            yield Flaw(f"{path}.{source}.{field}", f"{name!r} is not a valid Kubernetes name", cure)
        for index, item in _each((volume.get(source) or {}).get("items")):
            if item["path"].startswith("/") or ".." in item["path"].split("/"):
                place = f"{path}.{source}.items[{index}].path"
                yield Flaw(place, f"{item['path']!r} is not inside the volume", "Use a relative path without '..'.")
    exported = (volume.get("nfs") or {}).get("path")
    if exported and not is_token(exported) and not exported.startswith("/"):
        yield Flaw(f"{path}.nfs.path", f"{exported!r} is not an absolute path", "Use a path that starts with /.")


def _toleration(toleration: Json, path: str) -> Iterator[Flaw]:
    key, operator, value = (
        toleration.get("key") or "",
        toleration.get("operator") or "Equal",
        toleration.get("value") or "",
    )
    if not key and operator != "Exists":
        yield Flaw(
            path, "has no key, which is valid only with the operator Exists", "Add the key, or use the operator Exists."
        )
    if key and not is_token(key) and not matches("pod_label_key", key):
        yield Flaw(f"{path}.key", f"{key!r} is not a valid taint key", KEY_FORM)
    if operator == "Exists" and value:
        yield Flaw(
            path,
            f"has the value {value!r}, which conflicts with the operator Exists",
            "Remove value, or use the operator Equal.",
        )
    elif not is_token(value) and not matches("pod_label_value", value):
        yield Flaw(
            f"{path}.value",
            f"{value!r} is not a valid taint value",
            "Use up to 63 characters: letters, digits, '-', '_' and '.'.",
        )
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield Flaw(
            path, "has seconds, which require the effect NoExecute", "Remove seconds, or use the effect NoExecute."
        )


def _affinity(affinity: Json) -> Iterator[Flaw]:
    node = affinity.get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    base = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    if required is not None:
        if not required.get("nodeSelectorTerms"):
            yield Flaw(base, "must have at least one term", "Add a term, or remove the rule.")
        for index, term in _each(required.get("nodeSelectorTerms")):
            yield from _term(term, f"{base}[{index}]")
    base = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution"
    for index, preferred in _each(node.get("preferredDuringSchedulingIgnoredDuringExecution")):
        yield from _weight(preferred, f"{base}[{index}]")
        yield from _term(preferred["preference"], f"{base}[{index}].preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity(affinity.get(kind) or {}, f"spec.affinity.{kind}")


def _term(term: Json, path: str) -> Iterator[Flaw]:
    if not term.get("matchExpressions") and not term.get("matchFields"):
        yield Flaw(
            path, "is an empty term, which does not select any node", "Add matchExpressions, or remove the term."
        )
    for field in ("matchExpressions", "matchFields"):
        for index, expression in _each(term.get(field)):
            yield from _expression(expression, f"{path}.{field}[{index}]")


def _expression(expression: Json, path: str) -> Iterator[Flaw]:
    operator, values = expression.get("operator"), expression.get("values") or []
    if not is_token(expression["key"]) and not matches("pod_label_key", expression["key"]):
        yield Flaw(f"{path}.key", f"{expression['key']!r} is not a valid label key", KEY_FORM)
    if operator in ("In", "NotIn") and not values:
        yield Flaw(path, f"the operator {operator} requires values", "Add values, or use the operator Exists.")
    elif operator in ("Exists", "DoesNotExist") and values:
        yield Flaw(path, f"the operator {operator} does not support values", "Remove values, or use the operator In.")
    elif operator in ("Gt", "Lt") and (len(values) != 1 or not str(values[0]).lstrip("-").isdecimal()):
        yield Flaw(
            path,
            f"the operator {operator} requires one whole number in quotes",
            'Specify one number, such as values: ["8"].',
        )


def _pod_affinity(affinity: Json, base: str) -> Iterator[Flaw]:
    for index, term in _each(affinity.get("requiredDuringSchedulingIgnoredDuringExecution")):
        yield from _pod_term(term, f"{base}.requiredDuringSchedulingIgnoredDuringExecution[{index}]")
    for index, term in _each(affinity.get("preferredDuringSchedulingIgnoredDuringExecution")):
        path = f"{base}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        yield from _weight(term, path)
        yield from _pod_term(term["podAffinityTerm"], f"{path}.podAffinityTerm")


def _weight(term: Json, path: str) -> Iterator[Flaw]:
    if isinstance(term.get("weight"), int) and not limit("affinity_weight").allows(term["weight"]):
        yield Flaw(
            f"{path}.weight", f"{term['weight']} is not a valid weight", f"Use 1 to {limit('affinity_weight').value}."
        )


def _pod_term(term: Json, path: str) -> Iterator[Flaw]:
    if not term.get("topologyKey"):
        yield Flaw(f"{path}.topologyKey", "is empty", "Use a node label such as kubernetes.io/hostname.")
    yield from _selector(term.get("labelSelector") or {}, f"{path}.labelSelector")


def _selector(selector: Json, path: str) -> Iterator[Flaw]:
    yield from _labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in _each(selector.get("matchExpressions")):
        yield from _expression(expression, f"{path}.matchExpressions[{index}]")


def _spread(spec: Json) -> Iterator[Flaw]:
    for index, constraint in _each(spec.get("topologySpreadConstraints")):
        path = f"spec.topologySpreadConstraints[{index}]"
        if not constraint.get("topologyKey"):
            yield Flaw(f"{path}.topologyKey", "is empty", "Use a node label such as kubernetes.io/hostname.")
        if isinstance(constraint.get("maxSkew"), int) and constraint["maxSkew"] < 1:
            yield Flaw(f"{path}.maxSkew", f"{constraint['maxSkew']} is not a valid skew", "Use 1 or more.")
        yield from _selector(constraint.get("labelSelector") or {}, f"{path}.labelSelector")
