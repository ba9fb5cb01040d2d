"""Normalizes manifests: equivalent manifests have equal data, regardless of which defaults are explicit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...catalog import label
from ...documents import join
from ..foreign import job_kind
from ..quantities import amount

Json = Mapping[str, Any]
_POD_DEFAULTS: Mapping[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "enableServiceLinks": True,
}
_CONTAINER_DEFAULTS: Mapping[str, Any] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs in meaning: its path, and the values of both sides (None: absent).

    `expected` is true for parts that this library adds to every job: the hash in the name, and on pods the label `app`
    and the queue.
    """

    path: str
    before: Any
    after: Any
    expected: bool = False

    def __str__(self) -> str:
        what = "added" if self.before is None else "lost" if self.after is None else "changed"
        values = [_shown(value) for value in (self.before, self.after) if value is not None]
        return f"{self.path}: {what}: {' -> '.join(values)}"


def compare(before: Json, after: Json) -> list[Difference]:
    """Returns the differences in meaning between two manifests of jobs.

    >>> first = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {"spec": {}}}}
    >>> second = {**first, "spec": {**first["spec"], "backoffLimit": 6, "suspend": True}}
    >>> [str(difference) for difference in compare(first, second)]
    ['spec.suspend: added: true']
    """
    name = (before.get("metadata") or {}).get("name")
    return [_classified(difference, name) for difference in _differences(meaning(before), meaning(after), "")]


def _classified(difference: Difference, name: str | None) -> Difference:
    added_label = difference.before is None and difference.path.endswith(
        (".labels.app", *(f'.labels["{label(key).key}"]' for key in ("queue_name", "priority_class")))
    )
    topology = [f'annotations["{label(f"podset_{which}_topology").key}"]' for which in ("preferred", "required")]
    repeated = difference.before is None and difference.path.endswith(tuple(topology))
    hashed = difference.path == "metadata.name" and str(difference.after).rpartition("-")[0] == str(name)
    return Difference(
        difference.path,
        difference.before,
        difference.after,
        expected=(added_label and "template" in difference.path) or repeated or hashed,
    )


def meaning(manifest: Json) -> dict[str, Any]:
    """Returns a manifest without empty values, with explicit defaults, and with lists of named items as mappings."""
    kind = job_kind(manifest) or str(manifest.get("kind"))
    metadata = dict(manifest.get("metadata") or {})
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key != "kubectl.kubernetes.io/last-applied-configuration"
    }
    found = {
        "kind": kind,
        "metadata": {
            "name": metadata.get("name"),
            "generateName": metadata.get("generateName"),
            "namespace": metadata.get("namespace") or "default",
            "labels": metadata.get("labels"),
            "annotations": annotations,
            "finalizers": metadata.get("finalizers"),
            "ownerReferences": metadata.get("ownerReferences"),
        },
        "spec": _SPECS[kind](manifest.get("spec") or {}) if kind in _SPECS else manifest.get("spec"),
    }
    cleaned: dict[str, Any] = _clean(found)
    return cleaned


def _hyperpod(spec: Json) -> dict[str, Any]:
    policy = dict(spec.get("runPolicy") or {})
    if not policy.get("suspend"):
        policy.pop("suspend", None)
    rules = policy.pop("logMonitoringConfiguration", None) or []
    restart = dict(policy.get("restartPolicy") or {})
    if not restart.get("scaleUpSnoozeTimeInSeconds"):
        restart.pop("scaleUpSnoozeTimeInSeconds", None)
    parts = {}
    for replica_spec in spec.get("replicaSpecs") or ():
        part = {key: value for key, value in replica_spec.items() if key not in ("name", "template", "spares")}
        part |= {
            "spares": replica_spec.get("spares") or None,
            "template": _template(replica_spec.get("template") or {}, "Always"),
        }
        part.setdefault("replicas", 0)
        parts[replica_spec.get("name")] = part
    elastic = dict(spec.get("elasticPolicy") or {})
    if elastic.get("maxReplicas") is not None and spec.get("replicaSpecs"):
        first = parts[spec["replicaSpecs"][0].get("name")]
        first.setdefault("maxReplicas", elastic["maxReplicas"])  # compiled jobs set this number in both places
    return {
        **{key: value for key, value in spec.items() if key not in ("replicaSpecs", "runPolicy", "elasticPolicy")},
        "nprocPerNode": str(spec.get("nprocPerNode") or "auto"),
        "replicaSpecs": parts,
        "runPolicy": {
            **policy,
            "cleanPodPolicy": policy.get("cleanPodPolicy") or "All",
            "restartPolicy": restart,
            "logMonitoringConfiguration": {
                str(rule.get("name")) + f"#{index}": rule for index, rule in enumerate(rules)
            },
        },
        "elasticPolicy": elastic,
    }


def _kubeflow(spec: Json) -> dict[str, Any]:
    roles = {
        str(role).capitalize(): replica_spec or {}
        for role, replica_spec in (spec.get("pytorchReplicaSpecs") or {}).items()
    }
    policy = dict(spec.get("runPolicy") or {})
    elastic: Any = spec.get("elasticPolicy")
    if isinstance(elastic, Mapping):
        workers = (roles.get("Worker") or {}).get("replicas", 1)
        minimum, maximum = elastic.get("minReplicas"), elastic.get("maxReplicas")
        bounds = {"minReplicas": minimum or maximum or workers, "maxReplicas": maximum or minimum or workers}
        elastic = {**elastic, **bounds, "used": True}
    stated = elastic.get("nProcPerNode") if isinstance(elastic, Mapping) else None
    return {
        **{k: v for k, v in spec.items() if k not in ("pytorchReplicaSpecs", "runPolicy", "elasticPolicy")},
        "nprocPerNode": str(spec["nprocPerNode"]) if spec.get("nprocPerNode") else None if stated else "auto",
        "elasticPolicy": elastic,
        "runPolicy": {
            **policy,
            "cleanPodPolicy": policy.get("cleanPodPolicy") or "None",
            "suspend": policy.get("suspend") or None,
        },
        "pytorchReplicaSpecs": {
            role: {
                "replicas": role_meaning.get("replicas", 1),
                "restartPolicy": role_meaning.get("restartPolicy") or "OnFailure",
                "template": _template(_without_restart(role_meaning.get("template") or {}), "Always"),
            }
            for role, role_meaning in roles.items()
        },
    }


def _without_restart(template: Json) -> Json:
    """Returns a template without the restart policy, which the operator sets from the replica spec."""
    return {**template, "spec": {k: v for k, v in (template.get("spec") or {}).items() if k != "restartPolicy"}}


def _batch(spec: Json) -> dict[str, Any]:
    parallelism = spec.get("parallelism", 1)
    return {
        **{key: value for key, value in spec.items() if key not in ("template", "suspend")},
        "parallelism": parallelism,
        "completions": spec.get("completions", 1 if parallelism == 1 else None),
        "backoffLimit": spec.get("backoffLimit", 6),
        "completionMode": spec.get("completionMode") or "NonIndexed",
        "suspend": spec.get("suspend") or None,
        "template": _template(spec.get("template") or {}, "Always"),
    }


_SPECS = {"HyperPodPyTorchJob": _hyperpod, "PyTorchJob": _kubeflow, "Job": _batch}


def _template(template: Json, restart: str) -> dict[str, Any]:
    metadata, spec = template.get("metadata") or {}, dict(template.get("spec") or {})
    claims = {
        volume.get("name")
        for volume in spec.get("volumes") or ()
        if ((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    }
    pod = {key: value for key, value in spec.items() if key not in _LISTS}
    for key, value in _POD_DEFAULTS.items():
        pod[key] = spec.get(key) if spec.get(key) is not None else value
    pod["restartPolicy"] = spec.get("restartPolicy") or restart
    pod["serviceAccountName"] = spec.get("serviceAccountName") or pod.pop("serviceAccount", None)
    pod.pop("serviceAccount", None)
    pod["containers"] = {
        str(container.get("name")): _container(container, claims) for container in spec.get("containers") or ()
    }
    pod["initContainers"] = [
        {"name": container.get("name"), **_container(container, claims)}
        for container in spec.get("initContainers") or ()
    ]
    pod["volumes"] = {str(volume.get("name")): _volume(volume) for volume in spec.get("volumes") or ()}
    pod["tolerations"] = sorted((_toleration(toleration) for toleration in spec.get("tolerations") or ()), key=str)
    return {
        "metadata": {key: metadata.get(key) for key in ("labels", "annotations", "finalizers")},
        "spec": pod,
    }


_LISTS = ("containers", "initContainers", "volumes", "tolerations")


def _container(container: Json, read_only: set[Any]) -> dict[str, Any]:
    found = {
        key: value
        for key, value in container.items()
        if key not in ("name", "env", "ports", "volumeMounts", "resources")
    }
    for key, value in _CONTAINER_DEFAULTS.items():
        found[key] = container.get(key) or value
    image = str(container.get("image") or "")
    latest = "@" not in image and (":" not in image.rpartition("/")[2] or image.endswith(":latest"))
    found["imagePullPolicy"] = container.get("imagePullPolicy") or ("Always" if latest else "IfNotPresent")
    env = {entry.get("name"): _entry(entry) for entry in container.get("env") or ()}
    ordered = any("$(" in str(value) for value in env.values())
    found["env"] = [{"name": name, "value": value} for name, value in env.items()] if ordered else env
    found["ports"] = {
        f"{port.get('containerPort')}/{port.get('protocol') or 'TCP'}": {
            key: value for key, value in port.items() if key not in ("containerPort", "protocol")
        }
        | {"open": True}
        for port in container.get("ports") or ()
    }
    found["volumeMounts"] = {
        str(mount.get("mountPath")): {
            **{key: value for key, value in mount.items() if key not in ("mountPath", "readOnly")},
            "readOnly": True if mount.get("readOnly") or mount.get("name") in read_only else None,
        }
        for mount in container.get("volumeMounts") or ()
    }
    resources = container.get("resources") or {}
    limits = _quantities(resources.get("limits"))
    requests = {**limits, **_quantities(resources.get("requests"))}
    found["resources"] = {"limits": limits, "requests": requests, "claims": resources.get("claims")}
    return found


def _entry(entry: Json) -> Any:
    source = entry.get("valueFrom")
    if source:
        return {
            kind: {key: value for key, value in content.items() if value and (key, value) != ("apiVersion", "v1")}
            for kind, content in source.items()
            if isinstance(content, Mapping) and content
        }
    value = entry.get("value")
    return "" if value is None else str(value)


def _quantities(values: Any) -> dict[str, Any]:
    """Returns amounts by resource, without devices whose amount is 0."""
    found = {name: _quantity(value) for name, value in (values or {}).items() if value is not None}
    return {name: value for name, value in found.items() if not ("/" in name and value == "0")}


def _quantity(value: Any) -> Any:
    number = amount(value)
    return value if number is None else format(number.normalize(), "f")


def _volume(volume: Json) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source, value in volume.items():
        if source == "name":
            continue
        content = dict(value or {})
        if source == "persistentVolumeClaim":
            content.pop("readOnly", None)
        if source in ("secret", "configMap", "projected", "downwardAPI") and content.get("defaultMode") == 0o644:
            content.pop("defaultMode")
        if "sizeLimit" in content:
            content["sizeLimit"] = _quantity(content["sizeLimit"])
        found[source] = {key: value for key, value in content.items() if value not in (None, "", False)} | {
            "used": True
        }
    return found or {"emptyDir": {"used": True}}


def _toleration(toleration: Json) -> dict[str, Any]:
    return {
        key: value
        for key, value in {**toleration, "operator": toleration.get("operator") or "Equal"}.items()
        if value not in (None, "")
    }


_MEANINGFUL = frozenset(
    {"privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsNonRoot", "automountServiceAccountToken"}
)
"""Booleans for which false differs from unset."""


def _clean(value: Any, key: str = "") -> Any:
    """Removes None, empty collections and false booleans without meaning; empty strings are kept."""
    if isinstance(value, Mapping):
        cleaned = {str(name): _clean(item, str(name)) for name, item in value.items()}
        return {
            name: item
            for name, item in cleaned.items()
            if item not in (None, [], {}) and (item is not False or name in _MEANINGFUL)
        }
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _differences(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _differences(before.get(key), after.get(key), join(path, str(key)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, other, join(path, index))
    elif before != after:
        if isinstance(before, Mapping) and after is None and before:
            for key, item in before.items():
                yield from _differences(item, None, join(path, str(key)))
        elif isinstance(after, Mapping) and before is None and after:
            for key, item in after.items():
                yield from _differences(None, item, join(path, str(key)))
        else:
            yield Difference(path, before, after)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:76] + " ..."
