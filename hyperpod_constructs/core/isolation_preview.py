"""Evaluates a team's isolation limits for a pod without a cluster; a test compares the results with the policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalog import label
from .isolation import MIG_PREFIX, SystemNodes, allowed_paths, baseline, limits, system_nodes, tolerated
from .spec.cluster import Cluster
from .spec.governance import Team


def refused(pod: Mapping[str, Any], team: Team, *, cluster: Cluster | None = None) -> list[str]:
    """Names of the limits that a new pod violates.

    >>> refused({"spec": {"hostPID": True, "containers": []}}, Team(name="vision"))
    ['host-pid']
    """
    isolation, spec = team.isolation, pod.get("spec") or {}
    containers = [c for name in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(name) or ()]
    contexts = [c.get("securityContext") or {} for c in containers]
    both = [spec.get("securityContext") or {}, *contexts]
    volumes = spec.get("volumes") or ()
    added = {name for context in contexts for name in (context.get("capabilities") or {}).get("add") or ()}
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    apparmor_prefix = "container.apparmor.security.beta.kubernetes.io/"
    violations = {
        "privileged": any(context.get("privileged") for context in contexts),
        "host-network": spec.get("hostNetwork"),
        "host-ports": any(port.get("hostPort") for c in containers for port in c.get("ports") or ()),
        "host-pid": spec.get("hostPID"),
        "host-ipc": spec.get("hostIPC"),
        "host-paths": any(v["hostPath"]["path"] not in allowed_paths(isolation) for v in volumes if "hostPath" in v),
        "volumes": any(not set(v).intersection(baseline("volumes")) for v in volumes),
        "capabilities": added - {*baseline("capabilities"), *isolation.capabilities},
        "seccomp": any((context.get("seccompProfile") or {}).get("type") == "Unconfined" for context in both),
        "apparmor": any((context.get("appArmorProfile") or {}).get("type") == "Unconfined" for context in both)
        or any(key.startswith(apparmor_prefix) and value == "unconfined" for key, value in annotations.items()),
        "selinux": any(_own_selinux(context.get("seLinuxOptions") or {}) for context in both),
        "proc-mount": any(context.get("procMount", "Default") != "Default" for context in contexts),
        "sysctls": any(sysctl["name"] not in baseline("sysctls") for sysctl in both[0].get("sysctls") or ()),
        "service-account": "serviceAccountName" in spec
        and spec["serviceAccountName"] not in isolation.service_accounts,
        "tolerations": any(
            toleration.get("key") not in tolerated(team, cluster)
            and not str(toleration.get("key") or "").startswith(MIG_PREFIX)
            for toleration in spec.get("tolerations") or ()
        ),
        "priority": str(spec.get("priorityClassName", "")).startswith("system-"),
        "node-name": spec.get("nodeName"),
        "system-nodes": _on_system_nodes(spec, system_nodes(cluster)),
    }
    return [limit.name for limit in limits(team, cluster=cluster) if violations[limit.name]]


def _own_selinux(options: Mapping[str, str]) -> bool:
    return options.get("type", "") not in baseline("selinux_types") or "user" in options or "role" in options


def _on_system_nodes(spec: Mapping[str, Any], system: SystemNodes | None) -> bool:
    if system is None:
        return False
    kind, group = label("instance_type").key, label("instance_group_name").key
    selector = spec.get("nodeSelector") or {}
    if (kind in selector and selector[kind] not in system.types) or selector.get(group, system.group) != system.group:
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return affinity is None or not all(
        any(
            expression["key"] == kind
            and expression["operator"] == "In"
            and not set(expression.get("values") or ()).intersection(system.types)
            for expression in term.get("matchExpressions") or ()
        )
        for term in affinity["nodeSelectorTerms"]
    )
