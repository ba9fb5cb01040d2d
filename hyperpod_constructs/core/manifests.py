"""Kubernetes objects for jobs, as plain data: a team's namespace, queue and RBAC, Kueue objects, and volumes.

Charts and constructs use the same dicts. With the task governance add-on, the service creates namespaces and queues of
teams; `kueue_objects` is for clusters without it, and uses the same names, so that jobs work on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .catalog import EFA_RESOURCE, InstanceType, instance_type, label, limit
from .jobs.room import quantity, usable
from .spec.governance import Governance, QuotaResource, Team

KUEUE = "kueue.x-k8s.io/v1beta2"
COHORT = "hyperpod"
"""The cohort in which teams lend each other idle compute."""
DRIVER = "fsx.csi.aws.com"

_TEAM_RULES: tuple[dict[str, list[str]], ...] = (
    {
        "apiGroups": ["sagemaker.amazonaws.com"],
        "resources": ["hyperpodpytorchjobs", "hyperpodpytorchjobs/status"],
        "verbs": ["*"],
    },
    {"apiGroups": ["kubeflow.org"], "resources": ["pytorchjobs", "pytorchjobs/status"], "verbs": ["*"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["create", "delete", "get", "list", "patch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues", "workloads"], "verbs": ["get", "list", "watch"]},
)
"""RBAC rules for members in their team's namespace: run and watch jobs, and manage the objects that jobs read."""


def namespace(name: str, *, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A namespace.

    >>> namespace("research")["metadata"]
    {'name': 'research'}
    """
    return _object("v1", "Namespace", name, labels=labels)


def team_objects(team: Team, *, group: str | None = None, create_namespace: bool = True) -> list[dict[str, Any]]:
    """The namespace of a team, and the RBAC objects of its members.

    Args:
        team: the team.
        group: Kubernetes group of the members. Default: the namespace's name. Access entries use it.
        create_namespace: false if task governance creates the namespace.

    >>> [item["kind"] for item in team_objects(Team(name="vision"))]
    ['Namespace', 'Role', 'RoleBinding']
    """
    role = "hyperpod-team"
    binding = _object("rbac.authorization.k8s.io/v1", "RoleBinding", role, team.namespace)
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group or team.namespace}
    rules = {"rules": [dict(rule) for rule in _TEAM_RULES]}
    return [
        *([namespace(team.namespace)] if create_namespace else []),
        {**_object("rbac.authorization.k8s.io/v1", "Role", role, team.namespace), **rules},
        {**binding, "subjects": [subject]},
    ]


def local_queue(team: Team) -> dict[str, Any]:
    """The LocalQueue that a team's jobs wait in."""
    return _object(KUEUE, "LocalQueue", team.queue, team.namespace, spec={"clusterQueue": _cluster_queue_name(team)})


def kueue_objects(governance: Governance) -> list[dict[str, Any]]:
    """Queues, quotas and priorities of Kueue without the task governance add-on, with the add-on's names.

    Raises:
        UnknownName: a quota has an instance type that does not exist.

    >>> governance = Governance(teams=[Team(name="vision", quota=[{"instance_type": "ml.g5.8xlarge", "count": 2}])])
    >>> [item["kind"] for item in kueue_objects(governance)]
    ['ResourceFlavor', 'ClusterQueue', 'LocalQueue']
    """
    types = sorted({resource.instance_type for team in governance.teams for resource in team.quota})
    return [
        *(resource_flavor(name) for name in types),
        *(
            _object(KUEUE, "WorkloadPriorityClass", f"{priority_class.name}-priority")
            | {"value": priority_class.weight}
            for priority_class in governance.scheduler.priority_classes
        ),
        *(cluster_queue(team) for team in governance.teams),
        *(local_queue(team) for team in governance.teams),
    ]


def resource_flavor(name: str) -> dict[str, Any]:
    """The flavor of an instance type's nodes, named after the type.

    >>> resource_flavor("ml.g5.8xlarge")["spec"]
    {'nodeLabels': {'node.kubernetes.io/instance-type': 'ml.g5.8xlarge'}}
    """
    return _object(KUEUE, "ResourceFlavor", name, spec={"nodeLabels": {label("instance_type").key: name}})


def cluster_queue(team: Team) -> dict[str, Any]:
    """The ClusterQueue with a team's quota, sharing and preemption."""
    quotas = {quota.instance_type: _nominal(quota, instance_type(quota.instance_type)) for quota in team.quota}
    covered = sorted({name for quota in quotas.values() for name in quota})
    percent = Decimal(limit("borrow_limit_default").value if team.borrow_limit is None else team.borrow_limit) / 100
    flavors = [
        {
            "name": name,
            "resources": [_quota(resource, quota.get(resource, Decimal()), team, percent) for resource in covered],
        }
        for name, quota in quotas.items()
    ]
    preemption = {"withinClusterQueue": "Never" if team.preempt == "Never" else "LowerPriority"}
    if team.sharing == "LendAndBorrow":
        preemption["reclaimWithinCohort"] = "Any"
    spec = {
        **({} if team.sharing == "DontLend" else {"cohortName": COHORT}),
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}},
        "preemption": preemption,
        "fairSharing": {"weight": str(team.fair_share_weight)},
        **({} if team.active else {"stopPolicy": "Hold"}),
        **({"resourceGroups": [{"coveredResources": covered, "flavors": flavors}]} if flavors else {}),
    }
    return _object(KUEUE, "ClusterQueue", _cluster_queue_name(team), spec=spec)


def _quota(resource: str, nominal: Decimal, team: Team, percent: Decimal) -> dict[str, Any]:
    unit = "Gi" if resource == "memory" else ""
    quota = {"name": resource, "nominalQuota": quantity(nominal, unit)}
    if team.sharing == "LendAndBorrow":
        limit = nominal * percent
        whole = limit if resource in ("cpu", "memory") else limit.to_integral_value("ROUND_FLOOR")
        quota["borrowingLimit"] = quantity(whole, unit)
    elif team.sharing == "Lend":
        quota["borrowingLimit"] = quantity(Decimal(), unit)
    return quota


def _nominal(quota: QuotaResource, instance_type: InstanceType) -> dict[str, Decimal]:
    """A quota in the resources that jobs request; unset resources are in proportion to the accelerators."""
    count = Decimal(quota.count or 0)
    usable_vcpu, usable_memory = usable("vcpu", instance_type.vcpu), usable("memory_gib", instance_type.memory_gib)
    each = instance_type.accelerator.count if instance_type.accelerator else 0
    nodes = count + (Decimal(quota.accelerators or 0) / each if each else 0)
    nominal = {
        "cpu": count * usable_vcpu + Decimal(str(quota.vcpu)) if quota.vcpu is not None else nodes * usable_vcpu,
        "memory": count * usable_memory + Decimal(str(quota.memory_gib))
        if quota.memory_gib is not None
        else nodes * usable_memory,
    }
    if instance_type.accelerator is not None:
        nominal[instance_type.accelerator.resource] = count * each + (quota.accelerators or 0)
    if instance_type.efa_interfaces:
        nominal[EFA_RESOURCE] = (nodes * instance_type.efa_interfaces).to_integral_value("ROUND_FLOOR")
    if quota.mig_profile is not None:
        nominal[f"nvidia.com/{quota.mig_profile}"] = Decimal(quota.mig_count or 0)
    return nominal


def _cluster_queue_name(team: Team) -> str:
    return f"{team.namespace}-clusterqueue"


def fsx_volumes(
    name: str,
    *,
    file_system_id: str,
    dns_name: str,
    mount_name: str,
    size_gib: int | str,
    namespaces: Sequence[str] = ("default",),
    mount_options: Iterable[str] = ("flock",),
) -> list[dict[str, Any]]:
    """A volume and a claim on one FSx for Lustre file system in each namespace.

    A volume is bound to one claim, so each namespace has its own; all refer to the same file system, which is retained
    when they are deleted.

    >>> objects = fsx_volumes("data", file_system_id="fs-1", dns_name="fs-1.fsx", mount_name="abc", size_gib=1200)
    >>> [(item["kind"], item["metadata"]["name"]) for item in objects]
    [('PersistentVolume', 'data-default'), ('PersistentVolumeClaim', 'data')]
    """
    found = []
    for where in namespaces:
        found += _volume(name, where, file_system_id, dns_name, mount_name, size_gib, list(mount_options))
    return found


def _volume(
    name: str, where: str, file_system_id: str, dns_name: str, mount_name: str, size_gib: int | str, options: list[str]
) -> list[dict[str, Any]]:
    volume_name = f"{name}-{where}"
    storage = {"storage": f"{size_gib}Gi"}
    volume = {
        "capacity": storage,
        "volumeMode": "Filesystem",
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",  # no dynamic provisioning: it would create a file system that is not in any template
        "mountOptions": options,
        "claimRef": {"namespace": where, "name": name},
        "csi": {
            "driver": DRIVER,
            "volumeHandle": file_system_id,
            "volumeAttributes": {"dnsname": dns_name, "mountname": mount_name},
        },
    }
    claim = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": volume_name,
        "resources": {"requests": storage},
    }
    return [
        _object("v1", "PersistentVolume", volume_name, spec=volume),
        _object("v1", "PersistentVolumeClaim", name, where, spec=claim),
    ]


def _object(
    api_version: str,
    kind: str,
    name: str,
    where: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    spec: dict[str, Any] | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if where is not None:
        metadata["namespace"] = where
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}
