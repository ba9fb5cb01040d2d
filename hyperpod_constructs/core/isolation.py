"""The Kubernetes objects that isolate a team's pods in its namespace. Their limits also validate jobs.

Each limit is one CEL expression of a ValidatingAdmissionPolicy. Pod Security alone is not sufficient: its baseline
denies every host path and IPC_LOCK, and does not cover nodes, tolerations or service accounts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from .catalog import EFA_RESOURCE, addons, label, load
from .placement import system_group
from .spec.cluster import Cluster
from .spec.governance import Team
from .spec.isolation import Isolation

INSTANCE_METADATA = "169.254.169.254/32"
_ADMISSION = "admissionregistration.k8s.io/v1"


def baseline(part: str) -> list[str]:
    """Values that the Pod Security baseline allows, for `capabilities`, `sysctls`, `volumes` and other parts."""
    found: list[str] = load("pod_security")[part]
    return found


class SystemNodes(NamedTuple):
    """The nodes that run operators and add-ons: their instance types and their group."""

    types: tuple[str, ...]
    group: str


def system_nodes(cluster: Cluster | None) -> SystemNodes | None:
    """The nodes that teams cannot use; None if the cluster has no other group.

    >>> from .spec import InstanceGroup
    >>> system = InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)
    >>> system_nodes(Cluster(instance_groups=[system])) is None
    True
    """
    group = system_group(cluster) if cluster else None
    if cluster is None or group is None or len(cluster.groups) < 2:
        return None
    return SystemNodes(types=group.types, group=group.name)


def tolerated(team: Team, cluster: Cluster | None) -> tuple[str, ...]:
    """Taint keys that the team's pods can tolerate: those of its accelerators, groups and isolation settings."""
    types = {resource.instance_type for resource in team.quota}
    team_groups = [g for g in (cluster.instance_groups if cluster else ()) if types.intersection(g.types)]
    keys = [taint.key for group in team_groups for taint in group.taints]
    return tuple(dict.fromkeys([*baseline("automatic_tolerations"), *_devices(), *keys, *team.isolation.tolerations]))


def _devices() -> list[str]:
    """Resources of accelerators and EFA; the API server can add tolerations with these names to pods."""
    names = load("instance_types")["resource_names"]
    return [EFA_RESOURCE, *(name for kind in names.values() for name in kind)]


MIG_PREFIX = "nvidia.com/mig-"
"""Prefix of the resources of MIG partitions."""


# ---- the limits ----


class Limit(NamedTuple):
    """One limit: the CEL expression that allowed pods satisfy, and the API server's message for rejected pods."""

    name: str
    expression: str
    message: str


def limits(team: Team, *, cluster: Cluster | None = None) -> list[Limit]:
    """The limits of a team's pods.

    >>> [limit.name for limit in limits(Team(name="vision"))][:3]
    ['privileged', 'host-network', 'host-ports']
    """
    isolation = team.isolation
    system = None if isolation.system_nodes else system_nodes(cluster)
    capabilities = [*baseline("capabilities"), *isolation.capabilities]
    keys = tolerated(team, cluster)
    return [
        *([] if isolation.privileged else _privileged()),
        *([] if isolation.host_network else _host_network()),
        Limit("host-pid", _off("object.spec.hostPID"), "hostPID is not allowed"),
        *([] if isolation.host_ipc else [Limit("host-ipc", _off("object.spec.hostIPC"), "hostIPC is not allowed")]),
        Limit(
            "host-paths",
            _volumes(f"!has(v.hostPath) || v.hostPath.path in {_list(allowed_paths(isolation))}"),
            f"host paths must be exactly one of {', '.join(isolation.host_paths) or '(none)'}; use subPath below it",
        ),
        Limit(
            "volumes",
            _volumes(" || ".join(f"has(v.{name})" for name in baseline("volumes"))),
            f"volumes must be one of {', '.join(baseline('volumes'))}",
        ),
        Limit(
            "capabilities",
            _each(
                f"!has(c.securityContext) || !has(c.securityContext.capabilities) || "
                f"!has(c.securityContext.capabilities.add) || "
                f"c.securityContext.capabilities.add.all(one, one in {_list(capabilities)})"
            ),
            f"containers may add only these capabilities: {', '.join(capabilities)}",
        ),
        *_kernel(),
        Limit(
            "service-account",
            f"!has(object.spec.serviceAccountName) || "
            f"object.spec.serviceAccountName in {_list(isolation.service_accounts)}",
            f"pods must use one of the team's service accounts: {', '.join(isolation.service_accounts)}",
        ),
        Limit(
            "tolerations",
            f"!has(object.spec.tolerations) || "
            f"object.spec.tolerations.all(t, has(t.key) && (t.key in {_list(keys)} || t.key.startsWith('{MIG_PREFIX}')))",
            f"pods may tolerate only these taints: {', '.join(keys)}",
        ),
        Limit(
            "priority",
            "!has(object.spec.priorityClassName) || !object.spec.priorityClassName.startsWith('system-')",
            "system priority classes are not allowed",
        ),
        Limit(
            "node-name",
            "request.operation != 'CREATE' || !has(object.spec.nodeName) || object.spec.nodeName == ''",
            "nodeName bypasses the scheduler and is not allowed; use a node selector",
        ),
        *([_placement(system)] if system else []),
    ]


def _privileged() -> list[Limit]:
    context = "c.securityContext"
    off = f"!has({context}) || !has({context}.privileged) || !{context}.privileged"
    return [Limit("privileged", _each(off), "privileged containers are not allowed")]


def _host_network() -> list[Limit]:
    ports = "!has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0)"
    return [
        Limit("host-network", _off("object.spec.hostNetwork"), "hostNetwork is not allowed"),
        Limit("host-ports", _each(ports), "host ports are not allowed"),
    ]


def _kernel() -> list[Limit]:
    """Settings that weaken the container runtime's protections, as defined by the Pod Security baseline."""
    annotation = "container.apparmor.security.beta.kubernetes.io/"
    types = _list(baseline("selinux_types"))
    linux = (
        f"(!has(@.seLinuxOptions.type) || @.seLinuxOptions.type in {types}) && !has(@.seLinuxOptions.user) && "
        "!has(@.seLinuxOptions.role)"
    )
    return [
        Limit(
            "seccomp",
            _both("!has(@.seccompProfile) || @.seccompProfile.type != 'Unconfined'"),
            "the seccomp profile Unconfined is not allowed",
        ),
        Limit(
            "apparmor",
            _both("!has(@.appArmorProfile) || @.appArmorProfile.type != 'Unconfined'")
            + f" && (!has(object.metadata.annotations) || object.metadata.annotations.all(k, !k.startsWith('{annotation}')"
            " || object.metadata.annotations[k] != 'unconfined'))",
            "the AppArmor profile Unconfined is not allowed",
        ),
        Limit(
            "selinux", _both(f"!has(@.seLinuxOptions) || ({linux})"), "SELinux users, roles and types are not allowed"
        ),
        Limit(
            "proc-mount",
            _each(
                "!has(c.securityContext) || !has(c.securityContext.procMount) || c.securityContext.procMount == 'Default'"
            ),
            "procMount must be Default",
        ),
        Limit(
            "sysctls",
            "!has(object.spec.securityContext) || !has(object.spec.securityContext.sysctls) || "
            f"object.spec.securityContext.sysctls.all(s, s.name in {_list(baseline('sysctls'))})",
            "only safe kernel parameters may be set",
        ),
    ]


def _placement(system: SystemNodes) -> Limit:
    """A pod must select nodes of another type or group with a node selector or a required affinity."""
    kind, group = label("instance_type").key, label("instance_group_name").key
    spec, types = "object.spec", _list(system.types)
    required = f"{spec}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    selector = " || ".join(
        f"(has({spec}.nodeSelector) && '{key}' in {spec}.nodeSelector && !({spec}.nodeSelector['{key}'] in {wrong}))"
        for key, wrong in ((kind, types), (group, _list([system.group])))
    )
    affinity = (
        f"(has({spec}.affinity) && has({spec}.affinity.nodeAffinity) && has({required}) && "
        f"{required}.nodeSelectorTerms.all(t, has(t.matchExpressions) && t.matchExpressions.exists(e, "
        f"e.key == '{kind}' && e.operator == 'In' && e.values.all(v, !(v in {types})))))"
    )
    message = (
        f"pods must not run on nodes of the group {system.group}, where operators run: select an instance type other than "
        f"{', '.join(system.types)} by {kind}, or another group by {group}"
    )
    return Limit("system-nodes", f"{selector} || {affinity}", message)


def allowed_paths(isolation: Isolation) -> list[str]:
    """Each path with and without a trailing slash, which Kubernetes treats as equal."""
    return [form for path in isolation.host_paths for form in (path.rstrip("/") or "/", f"{path.rstrip('/')}/")]


def _list(values: Collection[str]) -> str:
    return "[" + ", ".join(json.dumps(value) for value in values) + "]"


def _off(field: str) -> str:
    return f"!has({field}) || !{field}"


def _volumes(condition: str) -> str:
    return f"!has(object.spec.volumes) || object.spec.volumes.all(v, {condition})"


def _each(condition: str) -> str:
    """A condition for every container `c` of a pod, in all container lists."""
    lists = ("containers", "initContainers", "ephemeralContainers")
    return " && ".join(f"(!has(object.spec.{item}) || object.spec.{item}.all(c, {condition}))" for item in lists)


def _both(condition: str) -> str:
    """A condition for the security context `@` of the pod and of every container."""
    pod, container = "object.spec.securityContext", "c.securityContext"
    inner = f"!has({container}) || {condition.replace('@', container)}"
    return f"(!has({pod}) || {condition.replace('@', pod)}) && {_each(inner)}"


# ---- the objects ----


def pod_security_labels(isolation: Isolation) -> dict[str, str]:
    """Labels of the team's namespace for the Pod Security admission controller.

    If the team has no exception from the baseline, the baseline is also enforced; otherwise it is only audited.

    >>> pod_security_labels(Isolation(host_paths=(), capabilities=()))["pod-security.kubernetes.io/enforce"]
    'baseline'
    """
    exceptions = (
        isolation.privileged,
        isolation.host_network,
        isolation.host_ipc,
        isolation.host_paths,
        set(isolation.capabilities) - set(baseline("capabilities")),
    )
    enforce = "privileged" if any(exceptions) else "baseline"
    levels = {"enforce": enforce, "audit": "baseline", "warn": "baseline"}
    return {f"pod-security.kubernetes.io/{mode}": level for mode, level in levels.items()}


def isolation_objects(team: Team, *, cluster: Cluster | None = None) -> list[dict[str, Any]]:
    """The policies of a team with their bindings, and its NetworkPolicy; none if isolation is disabled.

    >>> [item["kind"] for item in isolation_objects(Team(name="vision"))][:2]
    ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']
    """
    if not team.isolation.enabled:
        return []
    pods = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods", "pods/ephemeralcontainers"],
    }
    secrets = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    token = Limit(
        "token",
        "!has(object.type) || object.type != 'kubernetes.io/service-account-token'",
        "tokens of service accounts as secrets are not allowed",
    )
    # Only the spec is validated: status, labels and finalizers of a pod that is older than a limit can still change.
    changed = {"name": "spec-changes", "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec"}
    return [
        *_policy(f"{team.namespace}-pods", team, pods, limits(team, cluster=cluster), [changed]),
        *_policy(f"{team.namespace}-secrets", team, secrets, [token], []),
        *([network_policy(team)] if team.isolation.network_policy else []),
    ]


def _policy(
    name: str, team: Team, resources: Mapping[str, Any], rules: Iterable[Limit], conditions: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """A policy and its binding, selected by the name label of the team's namespace, which cannot be removed."""
    selector = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [team.namespace]}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": {"matchExpressions": [selector]}, "resourceRules": [dict(resources)]},
        **({"matchConditions": conditions} if conditions else {}),
        "validations": [
            {"expression": rule.expression, "message": f"team {team.name}: {rule.message}", "reason": "Forbidden"}
            for rule in rules
        ],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": _ADMISSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding))
    ]


def network_policy(team: Team) -> dict[str, Any]:
    """Ingress from the team's own pods and from operators; egress except to the instance metadata service.

    Operators connect to the pods of jobs (the HyperPod elastic agent) and scrape their metrics.
    """
    operators = sorted({"kube-system", *(addon.namespace for addon in addons().values() if addon.namespace)})
    selector = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": operators}
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": {"matchExpressions": [selector]}}]}],
        "egress": [{"to": [{"podSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0", "except": [INSTANCE_METADATA]}}]}],
    }
    metadata = {"name": "hyperpod-team", "namespace": team.namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
