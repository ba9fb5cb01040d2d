"""Converts a pod template to the fields of a job; parts without a field are kept in the patches.

Every function removes the parts that it converts from its input; the remaining parts have no field.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...catalog import label
from ..pods import MAIN_CONTAINER
from .amounts import Data, gib, number
from .share import read_share
from .volumes import read_volumes


@dataclass(slots=True)
class Pod:
    """The result of converting a pod template: fields of a job, decisions by field, labels and annotations."""

    fields: Data = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def read_pod(template: Mapping[str, Any], kind: str) -> Pod:
    """Converts a pod template to fields."""
    rest: Data = copy.deepcopy(dict(template))
    metadata, spec = rest.pop("metadata", None) or {}, rest.pop("spec", None) or {}
    pod = Pod()
    pod.labels = {str(key): str(value) for key, value in (metadata.pop("labels", None) or {}).items()}
    pod.annotations = {str(key): str(value) for key, value in (metadata.pop("annotations", None) or {}).items()}
    for key in ("name", "namespace", "creationTimestamp"):
        metadata.pop(key, None)
    containers = [container for container in spec.pop("containers", None) or [] if isinstance(container, dict)]
    if kind == "PyTorchJob":  # the operator requires this name of the main container
        containers.sort(key=lambda container: container.get("name") != MAIN_CONTAINER[kind])
    main, *others = containers or [{}]
    _simple(spec, pod, kind)
    volumes = read_volumes(spec, main)
    if volumes:
        pod.fields["volumes"] = volumes
    _main(main, pod, kind)
    for name, group in (("sidecars", others), ("init_containers", spec.pop("initContainers", None) or [])):
        if group:
            pod.fields[name] = [_container(container, pod) for container in group]
    left = {"metadata": metadata, "spec": {key: value for key, value in spec.items() if value not in (None, [], {})}}
    patch = {key: value for key, value in left.items() if value}
    if patch:
        pod.fields["patch"] = patch
    return pod


_NAMES = {
    "serviceAccountName": "service_account",
    "schedulerName": "scheduler_name",
    "priorityClassName": "pod_priority_class",
    "terminationGracePeriodSeconds": "termination_grace_seconds",
    "hostNetwork": "host_network",
    "hostIPC": "host_ipc",
    "dnsPolicy": "dns_policy",
}


def _simple(spec: Data, pod: Pod, kind: str) -> None:
    if "serviceAccount" in spec:  # deprecated name of the same field
        spec.setdefault("serviceAccountName", spec.pop("serviceAccount"))
    for key, name in _NAMES.items():
        value = spec.pop(key, None)
        if value not in (None, False, ""):
            pod.fields[name] = value
    if pod.fields.get("host_network") and "dns_policy" not in pod.fields:
        pod.fields["dns_policy"] = "ClusterFirst"
        pod.notes["dns_policy"] = (
            "the default in Kubernetes, with which pods on the host network cannot resolve cluster DNS names; "
            "without this line, dns_policy is ClusterFirstWithHostNet"
        )
    restart = spec.pop("restartPolicy", None)
    if restart and kind != "PyTorchJob":  # Kubeflow's operator uses the restart policy of the replica spec
        pod.fields["restart_pods"] = restart
    secrets = spec.get("imagePullSecrets")
    if secrets and all(set(secret) == {"name"} for secret in secrets):
        pod.fields["pull_secrets"] = [secret["name"] for secret in spec.pop("imagePullSecrets")]
    security = spec.get("securityContext") or {}
    settings = {
        name: security.pop(key)
        for key, name in (("fsGroup", "fs_group"), ("supplementalGroups", "supplemental_groups"))
        if key in security
    }
    if settings:
        pod.fields["security"] = settings
    selector = {str(key): str(value) for key, value in (spec.pop("nodeSelector", None) or {}).items()}
    checked = label("deep_health_check_status")
    if selector.get(checked.key) == "Passed":
        del selector[checked.key]
        pod.fields["deep_health_check_passed_only"] = True
    group = selector.pop(label("instance_group_name").key, None)
    if group:
        pod.fields["instance_group"] = group
    if selector:
        pod.fields["node_selector"] = selector
    if affinity := spec.pop("affinity", None):
        pod.fields["affinity"] = affinity
    if tolerations := spec.pop("tolerations", None):
        pod.fields["tolerations"] = [_toleration(toleration) for toleration in tolerations]
    spread = spec.get("topologySpreadConstraints") or []
    if spread and all(map(_is_plain_spread, spread)):
        pod.fields["topology_spread"] = [_spread(constraint) for constraint in spec.pop("topologySpreadConstraints")]


def _toleration(toleration: Data) -> Data:
    value, operator = toleration.get("value") or None, toleration.get("operator") or "Equal"
    found = {"key": toleration.get("key") or None, "value": value, "effect": toleration.get("effect") or None}
    if operator != ("Exists" if value is None else "Equal"):
        found["operator"] = operator
    found["seconds"] = toleration.get("tolerationSeconds")
    return {key: value for key, value in found.items() if value is not None}


def _is_plain_spread(constraint: Data) -> bool:
    """Whether `topology_spread` can represent a constraint: it selects pods by `matchLabels` only."""
    labels = (constraint.get("labelSelector") or {}).get("matchLabels")
    known = {"maxSkew", "topologyKey", "whenUnsatisfiable", "labelSelector"}
    return set(constraint) <= known and bool(labels) and set(constraint["labelSelector"]) == {"matchLabels"}


def _spread(constraint: Data) -> Data:
    found: Data = {"topology_key": constraint["topologyKey"]}
    if constraint.get("maxSkew", 1) != 1:
        found["max_skew"] = constraint["maxSkew"]
    if constraint.get("whenUnsatisfiable") == "ScheduleAnyway":
        found["when_unsatisfiable"] = "ScheduleAnyway"
    return {**found, "match_labels": dict(constraint["labelSelector"]["matchLabels"])}


def _main(main: Data, pod: Pod, kind: str) -> None:
    name = main.pop("name", None)
    if name and name != MAIN_CONTAINER[kind]:
        pod.fields["container_name"] = name
    image = main.pop("image", None)
    if image:
        pod.fields["image"] = image
    security = _security(main)
    if security:
        pod.fields["security"] = {**pod.fields.get("security", {}), **security}
    _process(main, pod.fields)
    if main.get("workingDir"):
        pod.fields["working_dir"] = main.pop("workingDir")
    read_share(main, pod.fields)
    left = {key: value for key, value in main.items() if value not in (None, [], {})}
    if left:
        pod.fields["container_patch"] = left


def _process(container: Data, fields: Data) -> None:
    """Converts the parts that all containers have: command, environment, ports and image pull policy."""
    for key in ("command", "args"):
        value = container.pop(key, None)
        if value:
            fields[key] = [_text(word) for word in value]
    if container.get("imagePullPolicy"):
        fields["pull_policy"] = container.pop("imagePullPolicy")
    env, kept = {}, []
    for entry in container.pop("env", None) or ():
        source = _env_source(entry)
        if source is None:
            kept.append(entry)
        else:
            env[str(entry["name"])] = source
    if env:
        fields["env"] = env
    if kept:
        container["env"] = kept
    sources = [_env_from(entry) for entry in container.get("envFrom") or ()]
    if sources and all(sources):
        del container["envFrom"]
        fields["env_from"] = sources
    ports = container.get("ports") or []
    if ports and all(set(port) <= {"containerPort", "name", "protocol"} for port in ports):
        fields["ports"] = [
            {
                "port": port["containerPort"],
                **({"name": port["name"]} if port.get("name") else {}),
                **({"protocol": port["protocol"]} if port.get("protocol", "TCP") != "TCP" else {}),
            }
            for port in container.pop("ports")
        ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _env_source(entry: Data) -> Any:
    """Returns the value of a variable or its source; None for sources that have no field."""
    source = {key: value for key, value in (entry.get("valueFrom") or {}).items() if value}
    if not source:
        value = entry.get("value")
        return "" if value is None else _text(value)
    for key, name in (("secretKeyRef", "secret"), ("configMapKeyRef", "config_map")):
        if set(source) == {key}:
            found = {name: source[key].get("name"), "key": source[key].get("key")}
            return {**found, **({"optional": True} if source[key].get("optional") else {})}
    if set(source) == {"fieldRef"}:
        return {"pod_field": source["fieldRef"].get("fieldPath")}
    return None


def _env_from(entry: Data) -> Data:
    for key, name in (("secretRef", "secret"), ("configMapRef", "config_map")):
        if entry.get(key):
            found = {name: entry[key].get("name")}
            if entry.get("prefix"):
                found["prefix"] = entry["prefix"]
            return {**found, **({"optional": True} if entry[key].get("optional") else {})}
    return {}


_SECURITY_FIELDS = {
    "runAsUser": "run_as_user",
    "runAsGroup": "run_as_group",
    "runAsNonRoot": "run_as_non_root",
    "privileged": "privileged",
    "allowPrivilegeEscalation": "allow_privilege_escalation",
    "readOnlyRootFilesystem": "read_only_root_filesystem",
}


def _security(container: Data) -> Data:
    security = container.get("securityContext")
    if not isinstance(security, dict):
        return {}
    found = {name: security.pop(key) for key, name in _SECURITY_FIELDS.items() if security.get(key) is not None}
    capabilities = security.pop("capabilities", None) or {}
    for key in ("add", "drop"):
        if capabilities.get(key):
            found[f"{key}_capabilities"] = list(capabilities[key])
    profile = security.get("seccompProfile") or {}
    if set(profile) == {"type"} and profile["type"] != "Localhost":
        found["seccomp_profile"] = security.pop("seccompProfile")["type"]
    return found


def _container(container: Data, pod: Pod) -> Data:
    found: Data = {"name": container.pop("name", None), "image": container.pop("image", None)}
    _process(container, found)
    if container.get("workingDir"):
        found["working_dir"] = container.pop("workingDir")
    if container.get("restartPolicy") == "Always":
        del container["restartPolicy"]
        found["restart_always"] = True
    security = _security(container)
    if security:
        found["security"] = security
    known = {volume["name"] for volume in pod.fields.get("volumes", ())}
    mounts, kept = [], []
    for mount in container.pop("volumeMounts", None) or ():
        if mount.get("name") in known and set(mount) <= {"name", "mountPath", "subPath", "readOnly"}:
            mounts.append(mount)
        else:
            kept.append(mount)
    if mounts:
        _add_mounts(mounts, pod, found)
    if kept:
        container["volumeMounts"] = kept
    _container_resources(container, found)
    left = {key: value for key, value in container.items() if value not in (None, [], {})}
    if left:
        found["patch"] = left
    return {key: value for key, value in found.items() if value is not None}


def _add_mounts(mounts: list[Data], pod: Pod, found: Data) -> None:
    """Adds mounts at the job's paths by volume name, and other mounts with their own paths."""
    same, other = [], []
    for name in dict.fromkeys(mount["name"] for mount in mounts):
        job = [
            (volume.get("mount_path"), volume.get("sub_path"), bool(volume.get("read_only")))
            for volume in pod.fields["volumes"]
            if volume["name"] == name and volume.get("mount_path")
        ]
        own_mounts = [
            (mount["mountPath"], mount.get("subPath") or None, bool(mount.get("readOnly")))
            for mount in mounts
            if mount["name"] == name
        ]
        if job and set(job) == set(own_mounts):
            same.append(name)
            continue
        other += [
            {
                "volume": name,
                "path": path,
                **({"sub_path": sub} if sub else {}),
                **({"read_only": True} if read_only else {}),
            }
            for path, sub, read_only in own_mounts
        ]
    if same:
        found["volumes"] = same
    if other:
        found["mounts"] = other


def _container_resources(container: Data, found: Data) -> None:
    resources = container.pop("resources", None) or {}
    limits = dict(resources.get("limits") or {})
    requests = {**limits, **(resources.get("requests") or {})}
    cpu, cpu_limit = number(requests.get("cpu")), number(limits.get("cpu"))
    memory, maximum = gib(requests.get("memory")), gib(limits.get("memory"))
    plain = set(requests) <= {"cpu", "memory"} and not resources.get("claims")
    exact = (cpu is None) == ("cpu" not in requests) and (memory is None) == ("memory" not in requests)
    exact = exact and (cpu_limit is None) == ("cpu" not in limits) and (maximum is None) == ("memory" not in limits)
    if not (plain and exact):
        container["resources"] = resources
        return
    found["vcpu"], found["vcpu_limit"], found["memory_gib"] = cpu, cpu_limit, memory
    if memory is not None and maximum != memory:
        found["memory_limit_gib"] = maximum if maximum is not None else "none"
