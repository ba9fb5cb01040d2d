"""Converts a pod template to the fields of a job; parts without a field are kept in the patches.

Every function removes the parts that it converts from its input, so that the rest has no field.
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
    """The result of converting a pod template: fields of a job, and decisions by field."""

    fields: Data = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def read_pod(template: Mapping[str, Any], kind: str) -> Pod:
    """Converts a pod template to fields."""
    left_over: Data = copy.deepcopy(dict(template))
    metadata, spec = left_over.pop("metadata", None) or {}, left_over.pop("spec", None) or {}
    pod = Pod()
    pod.labels = {str(key): str(value) for key, value in (metadata.pop("labels", None) or {}).items()}
    pod.annotations = {str(key): str(value) for key, value in (metadata.pop("annotations", None) or {}).items()}
    for key in ("name", "namespace", "creationTimestamp"):
        metadata.pop(key, None)
    containers = [container for container in spec.pop("containers", None) or [] if isinstance(container, dict)]
    if kind == "PyTorchJob":  # the operator's main container has this name
        containers.sort(key=lambda container: container.get("name") != MAIN_CONTAINER[kind])
    main, *others = containers or [{}]
    _simple(spec, pod, kind)
    volumes = read_volumes(spec, main)
    if volumes:
        pod.fields["volumes"] = volumes
    _main(main, pod, kind)
    for name, many in (("sidecars", others), ("init_containers", spec.pop("initContainers", None) or [])):
        if many:
            pod.fields[name] = [_container(container, pod) for container in many]
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
    for theirs, ours in _NAMES.items():
        value = spec.pop(theirs, None)
        if value not in (None, False, ""):
            pod.fields[ours] = value
    if pod.fields.get("host_network") and "dns_policy" not in pod.fields:
        pod.fields["dns_policy"] = "ClusterFirst"
        pod.notes["dns_policy"] = (
            "the manifest does not set it: pods on the host network then cannot resolve cluster DNS names; "
            "without this line it is ClusterFirstWithHostNet"
        )
    restart = spec.pop("restartPolicy", None)
    if restart and kind != "PyTorchJob":  # Kubeflow's operator uses the replica spec's
        pod.fields["restart_pods"] = restart
    secrets = spec.get("imagePullSecrets")
    if secrets and all(set(secret) == {"name"} for secret in secrets):
        pod.fields["pull_secrets"] = [secret["name"] for secret in spec.pop("imagePullSecrets")]
    security = spec.get("securityContext") or {}
    settings = {
        ours: security.pop(theirs)
        for theirs, ours in (("fsGroup", "fs_group"), ("supplementalGroups", "supplemental_groups"))
        if theirs in security
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
    """Whether the field can represent a constraint: it has exactly one selector by labels."""
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


def _process(container: Data, into: Data) -> None:
    """Parts that all containers have: command, environment, ports, image pull policy."""
    for key in ("command", "args"):
        value = container.pop(key, None)
        if value:
            into[key] = [_text(word) for word in value]
    if container.get("imagePullPolicy"):
        into["pull_policy"] = container.pop("imagePullPolicy")
    env, kept = {}, []
    for entry in container.pop("env", None) or ():
        source = _env_source(entry)
        if source is None:
            kept.append(entry)
        else:
            env[str(entry["name"])] = source
    if env:
        into["env"] = env
    if kept:
        container["env"] = kept
    sources = [_env_from(entry) for entry in container.get("envFrom") or ()]
    if sources and all(sources):
        del container["envFrom"]
        into["env_from"] = sources
    ports = container.get("ports") or []
    if ports and all(set(port) <= {"containerPort", "name", "protocol"} for port in ports):
        into["ports"] = [
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
    """The value of a variable, or its source; None for sources that have no field."""
    source = {key: value for key, value in (entry.get("valueFrom") or {}).items() if value}
    if not source:
        value = entry.get("value")
        return "" if value is None else _text(value)
    for theirs, ours in (("secretKeyRef", "secret"), ("configMapKeyRef", "config_map")):
        if set(source) == {theirs}:
            found = {ours: source[theirs].get("name"), "key": source[theirs].get("key")}
            return {**found, **({"optional": True} if source[theirs].get("optional") else {})}
    if set(source) == {"fieldRef"}:
        return {"pod_field": source["fieldRef"].get("fieldPath")}
    return None


def _env_from(entry: Data) -> Data:
    for theirs, ours in (("secretRef", "secret"), ("configMapRef", "config_map")):
        if entry.get(theirs):
            found = {ours: entry[theirs].get("name")}
            if entry.get("prefix"):
                found["prefix"] = entry["prefix"]
            return {**found, **({"optional": True} if entry[theirs].get("optional") else {})}
    return {}


_RIGHTS = {
    "runAsUser": "run_as_user",
    "runAsGroup": "run_as_group",
    "runAsNonRoot": "run_as_non_root",
    "privileged": "privileged",
    "allowPrivilegeEscalation": "allow_privilege_escalation",
    "readOnlyRootFilesystem": "read_only_root_filesystem",
}


def _security(context: Data) -> Data:
    theirs = context.get("securityContext")
    if not isinstance(theirs, dict):
        return {}
    found = {ours: theirs.pop(key) for key, ours in _RIGHTS.items() if theirs.get(key) is not None}
    capabilities = theirs.pop("capabilities", None) or {}
    for key in ("add", "drop"):
        if capabilities.get(key):
            found[f"{key}_capabilities"] = list(capabilities[key])
    profile = theirs.get("seccompProfile") or {}
    if set(profile) == {"type"} and profile["type"] != "Localhost":
        found["seccomp_profile"] = theirs.pop("seccompProfile")["type"]
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
        _place(mounts, pod, found)
    if kept:
        container["volumeMounts"] = kept
    _own_resources(container, found)
    left = {key: value for key, value in container.items() if value not in (None, [], {})}
    if left:
        found["patch"] = left
    return {key: value for key, value in found.items() if value is not None}


def _place(mounts: list[Data], pod: Pod, found: Data) -> None:
    """Mounts at the job's paths as volume names, others with their own paths."""
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


def _own_resources(container: Data, found: Data) -> None:
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
