"""Edits of a platform and their consequences, from the AWS documentation and the create-only lists of the resource schemas.

A row is an edit (config path and new value; `REMOVED` removes it, `APPEND(x)` adds a member) and the consequence that
`hyperpod diff` must report: the change of the edit at that path, or at another path. `nothing` means no finding.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

import yaml

BASE_TEXT = """
name: research
region: us-west-2
account: "210987654321"
network:
  availability_zone_ids: [usw2-az1, usw2-az2, usw2-az3]
  control_plane_zone_ids: [usw2-az1, usw2-az2]
  nat: single
eks:
  kubernetes_version: "1.34"
  admins: [arn:aws:iam::210987654321:role/PlatformAdmin]
  access:
    - {principal: "arn:aws:iam::210987654321:role/Auditor", policy: view}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 4, availability_zone_id: usw2-az1}
    - name: workers
      instance_type: ml.p5.48xlarge
      count: 4
      availability_zone_id: usw2-az2
      labels: {pool: train}
      taints: [{key: dedicated, value: train, effect: NoSchedule}]
      volume: {size_gib: 500}
    - {name: spare, instance_type: ml.g5.2xlarge, count: 1, availability_zone_id: usw2-az1}
addons:
  training_operator: {}
  task_governance: {}
  fsx_csi: {}
  mountpoint_s3_csi: {}
  metrics_server: {}
governance:
  scheduler:
    priority_classes: [{name: high, weight: 90}, {name: low, weight: 10}]
  teams:
    - name: vision
      quota: [{instance_type: ml.p5.48xlarge, count: 2}]
      members: [arn:aws:iam::210987654321:role/Vision]
    - name: speech
      quota: [{instance_type: ml.p5.48xlarge, count: 1}]
      members: [arn:aws:iam::210987654321:role/Speech]
storage:
  lustre:
    - {name: data, size_gib: 2400, throughput: 250, lustre_version: "2.12", namespaces: [vision]}
    - {name: scratch, size_gib: 1200, removal: destroy, namespaces: []}
  buckets:
    - {name: models, namespaces: [vision]}
    - {name: old, removal: destroy}
jobs:
  - name: train
    team: vision
    image: 210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v1
    instance_type: ml.p5.48xlarge
    nodes: 1
    command: [python, train.py]
    tolerations: [{key: dedicated, operator: Exists}]
  - name: fixed
    team: vision
    image: 210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v1
    instance_type: ml.p5.48xlarge
    nodes: 1
    on_change: refuse
    command: [python, train.py]
    tolerations: [{key: dedicated, operator: Exists}]
  - name: again
    team: speech
    image: 210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v1
    instance_type: ml.p5.48xlarge
    nodes: 1
    on_change: replace
    command: [python, train.py]
    tolerations: [{key: dedicated, operator: Exists}]
tags: {owner: ml}
allow_data_loss: true
"""
BASE: dict[str, Any] = yaml.safe_load(BASE_TEXT)
REMOVED = object()


@dataclass(frozen=True)
class Append:
    """A member that is added to a list."""

    item: Any


@dataclass(frozen=True)
class Row:
    """An edit with its consequence."""

    path: str
    value: Any
    change: str
    at: str
    valid: bool
    """Whether the edited config passes the checks, so that it can be synthesized."""

    def __str__(self) -> str:
        return f"{self.path}={str(self.value)[:40]}" if self.value is not REMOVED else f"{self.path} gone"


def edited(path: str, value: Any) -> dict[str, Any]:
    """The base with one edit."""
    config = copy.deepcopy(BASE)
    target: Any = config
    *parents, last = [int(p[1:-1]) if p.startswith("[") else p for p in re.findall(r"\[\d+\]|[^.\[\]]+", path)]
    for part in parents:
        target = target[part] if isinstance(part, int) else target.setdefault(part, {})
    if value is REMOVED:
        del target[last]
    elif isinstance(value, Append):
        target[last] = [*target.get(last, []), value.item]
    else:
        target[last] = value
    return config


def row(path: str, value: Any, change: str, at: str = "", *, valid: bool = True) -> Row:
    return Row(path=path, value=value, change=change, at=at or path, valid=valid)


ROLE = "arn:aws:iam::210987654321:role/"
KEY = "arn:aws:kms:us-west-2:210987654321:key/11111111-2222-3333-4444-555555555555"
GROUP = {"name": "more", "instance_type": "ml.g5.2xlarge", "count": 1, "availability_zone_id": "usw2-az3"}
W, S = "cluster.instance_groups[1]", "cluster.instance_groups[0]"
L, B, T, J = "storage.lustre[0]", "storage.buckets[0]", "governance.teams[0]", "jobs[0]"

ROWS: list[Row] = [
    # the platform
    row("name", "research2", "leaves-behind"),
    row("region", "us-east-1", "leaves-behind", valid=False),
    row("account", "310987654321", "leaves-behind", valid=False),
    row("account", REMOVED, "none"),
    row("tags.owner", "platform", "in-place"),
    row("tags.cost", "42", "in-place"),
    row("tags", REMOVED, "in-place", "tags.owner"),
    row("permissions_boundary_arn", "arn:aws:iam::210987654321:policy/Limit", "in-place"),
    row("allow_cluster_replacement", True, "none"),
    # the network
    row("network.vpc_cidr", "10.193.0.0/16", "replaces-cluster"),
    row("network.nat", "none", "drains", valid=False),
    row("network.nat", "per-zone", "in-place"),
    row("network.mode", "closed", "drains", valid=False),
    row("network.flow_logs", True, "in-place"),
    row("network.interface_endpoints", ["ecr.api"], "in-place"),
    row("network.availability_zone_ids", Append("usw2-az4"), "in-place"),
    row("network.availability_zone_ids", ["usw2-az1", "usw2-az2"], "in-place"),
    row("network.availability_zone_ids", ["usw2-az2", "usw2-az1", "usw2-az3"], "refused"),
    row("network.availability_zone_ids", ["usw2-az1", "usw2-az3", "usw2-az2"], "refused"),
    row(
        "network",
        {"availability_zone_ids": ["usw2-az1", "usw2-az3"]},
        "refused",
        "network.control_plane_zone_ids",
        valid=False,
    ),
    row("network.control_plane_zone_ids", REMOVED, "nothing"),
    row("network.control_plane_zone_ids", ["usw2-az2", "usw2-az1"], "nothing"),
    row("network.control_plane_zone_ids", ["usw2-az1", "usw2-az2", "usw2-az3"], "refused"),
    row("network.control_plane_zone_ids", ["usw2-az1", "usw2-az3"], "refused"),
    row("network.node_cidrs", ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], "nothing"),
    row("network.node_cidrs", ["10.8.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], "replaces-cluster"),
    row("network.node_cidrs", ["10.1.0.0/16", "10.2.0.0/16", "10.9.0.0/16"], "replaces-group"),
    row("network.node_cidrs", ["10.2.0.0/16", "10.1.0.0/16", "10.3.0.0/16"], "refused"),
    # EKS
    row("eks.kubernetes_version", "1.35", "in-place"),
    row("eks.kubernetes_version", "1.33", "refused"),
    row("eks.kubernetes_version", "1.36", "refused", valid=False),
    row("eks.cluster_name", "fixed", "replaces-cluster"),
    row("eks.cluster_name", "research", "nothing"),
    row("eks.service_cidr", "172.21.0.0/16", "replaces-cluster"),
    row("eks.secrets_key_arn", KEY, "replaces-cluster"),
    row("eks.admins", Append(ROLE + "Second"), "in-place"),
    row("eks.admins", [ROLE + "Second"], "in-place"),
    row("eks.access", Append({"principal": ROLE + "Reader"}), "in-place", "eks.access[1]"),
    row("eks.access", REMOVED, "in-place", "eks.access[0]"),
    row("eks.access[0].policy", "admin-view", "in-place", "eks.access[0]"),
    row("eks.access[0].namespaces", ["default"], "in-place"),
    row("eks.endpoint_access", "private", "in-place"),
    row("eks.public_access_cidrs", ["203.0.113.0/24"], "in-place"),
    row("eks.logs", ["audit"], "in-place"),
    row("eks.logs", ["scheduler", "controllerManager", "authenticator", "audit", "api"], "nothing"),
    row("eks.support", "EXTENDED", "in-place"),
    row("eks.deletion_protection", True, "in-place"),
    row("eks.authentication_mode", "API", "in-place"),
    # the HyperPod cluster
    row("cluster.cluster_name", "fixed", "replaces-cluster"),
    row("cluster.cluster_name", "research", "nothing"),
    row("cluster.cluster_name", None, "replaces-cluster"),
    row("cluster.node_recovery", "None", "in-place"),
    row("cluster.provisioning", "Request", "refused", valid=False),
    row("cluster.tiered_storage", {"memory_percent": 30}, "in-place"),
    row("cluster.tags", {"a": "b"}, "in-place", "cluster.tags.a"),
    row("cluster.execution_roles", "shared", "replaces-group"),
    row("cluster.execution_role_arn", ROLE + "Nodes", "replaces-group"),
    row("cluster.nodes_ready_minutes", 50, "none"),
    row("cluster.lifecycle", {"mode": "bootstrap"}, "in-place"),
    row("cluster.counts", "autoscaler", "none"),
    # groups
    row("cluster.instance_groups", Append(GROUP), "in-place", "cluster.instance_groups[3]"),
    row("cluster.instance_groups", BASE["cluster"]["instance_groups"][:2], "drains", "cluster.instance_groups[2]"),
    row("cluster.instance_groups", [BASE["cluster"]["instance_groups"][n] for n in (1, 0, 2)], "nothing"),
    row(
        "cluster.instance_groups",
        BASE["cluster"]["instance_groups"][::-1],
        "replaces",
        "storage.lustre[0].availability_zone_id",
    ),  # another group becomes the first accelerated group
    row(
        "cluster.instance_groups",
        BASE["cluster"]["instance_groups"][::-1],
        "loses-data",
        "storage.lustre[1].availability_zone_id",
    ),
    row(  # a new accelerated group before the one that determines the zone of file systems
        "cluster.instance_groups",
        [{**GROUP, "availability_zone_id": "usw2-az1"}, *BASE["cluster"]["instance_groups"]],
        "replaces",
        "storage.lustre[0].availability_zone_id",
    ),
    row(f"{W}.availability_zone_id", "usw2-az1", "replaces", "storage.lustre[0].availability_zone_id"),
    row(f"{W}.availability_zone_id", "usw2-az1", "loses-data", "storage.lustre[1].availability_zone_id"),
    row(  # the group that determines their zone is removed
        "cluster.instance_groups",
        [BASE["cluster"]["instance_groups"][0], BASE["cluster"]["instance_groups"][2]],
        "replaces",
        "storage.lustre[0].availability_zone_id",
        valid=False,
    ),
    row(  # a group after it moves no file system
        "cluster.instance_groups",
        [*BASE["cluster"]["instance_groups"], {**GROUP, "availability_zone_id": "usw2-az1"}],
        "in-place",
        "cluster.instance_groups[3]",
    ),
    row("cluster.instance_groups[2].name", "renamed", "drains", "cluster.instance_groups[2]"),
    row(f"{W}.name", "renamed", "drains", W, valid=False),
    row(f"{W}.count", 8, "in-place"),
    row(f"{W}.count", 3, "drains"),
    row(f"{W}.count", 4, "nothing"),
    row(f"{S}.instance_type", "ml.m5.8xlarge", "replaces-group"),
    row(f"{S}.availability_zone_id", "usw2-az2", "replaces-group"),
    row("cluster.instance_groups[2].availability_zone_id", REMOVED, "nothing"),
    row(f"{W}.labels.pool", "eval", "in-place"),
    row(f"{W}.labels.tier", "a", "in-place"),
    row(f"{W}.taints", REMOVED, "in-place", f"{W}.taints[0]", valid=False),
    row(f"{W}.taints", Append({"key": "x", "effect": "NoSchedule"}), "in-place", f"{W}.taints[1]", valid=False),
    row(f"{W}.taints", Append({"key": "x", "effect": "NoExecute"}), "drains", f"{W}.taints[1]", valid=False),
    row(f"{W}.taints[0].effect", "NoExecute", "drains", f"{W}.taints[0]"),
    row(f"{W}.taints[0].value", "eval", "in-place"),
    row(f"{W}.threads_per_core", 1, "replaces-group"),
    row(f"{W}.subnet_ids", ["subnet-0123456789abcdef0"], "replaces-group", valid=False),
    row(f"{W}.security_group_ids", ["sg-0123456789abcdef0"], "replaces-group"),
    row(f"{W}.execution_role_arn", ROLE + "Workers", "replaces-group"),
    row(f"{W}.training_plan_arn", "arn:aws:sagemaker:us-west-2:210987654321:training-plan/p1", "replaces-group"),
    row(f"{W}.capacity", "spot", "replaces-group"),
    row(f"{W}.network_interface", "efa-only", "replaces-group"),
    row(f"{W}.volume.size_gib", 1000, "drains"),
    row(f"{W}.deep_health_checks", ["InstanceStress"], "in-place", valid=False),
    row(f"{W}.lifecycle", {"mode": "bootstrap"}, "in-place"),
    row(f"{W}.lifecycle", {}, "nothing"),
    row(f"{W}.image_id", "ami-0123456789abcdef0", "drains"),
    row(f"{W}.scheduled_update", {"schedule": "cron(0 3 ? * SUN *)"}, "in-place"),
    row(f"{W}.max_count", 16, "in-place"),
    # the dependency chart
    row("dependencies.enabled", False, "drains"),
    row("dependencies.mpi_operator", False, "in-place"),
    row("dependencies.gpu_operator", True, "drains", valid=False),
    row("dependencies.nvidia_device_plugin", True, "nothing"),
    row("dependencies.efa_device_plugin", False, "drains", valid=False),
    row("dependencies.image_registry", "210987654321.dkr.ecr.us-west-2.amazonaws.com/mirror", "drains"),
    row("dependencies.values", {"a": 1}, "in-place", "dependencies.values.a"),
    # add-ons
    row("addons.cert_manager", {}, "nothing"),
    row("addons.ebs_csi", {}, "in-place"),
    row("addons.metrics_server", REMOVED, "drains"),
    row("addons.metrics_server.enabled", False, "drains", "addons.metrics_server"),
    row("addons.ebs_csi", {"enabled": False}, "nothing"),
    row("addons.training_operator", REMOVED, "drains", valid=False),
    row("addons.metrics_server.version", "v0.8.0-eksbuild.1", "drains", valid=False),
    row(
        "addons.metrics_server.configuration", {"replicas": 3}, "drains", "addons.metrics_server.configuration.replicas"
    ),
    row("addons.metrics_server.resolve_conflicts", "PRESERVE", "in-place"),
    row("addons.coredns", {}, "nothing"),
    row("addons.mountpoint_s3_csi", REMOVED, "drains", valid=False),
    # governance
    row("governance", REMOVED, "drains", valid=False),
    row("governance.teams", BASE["governance"]["teams"][:1], "drains", "governance.teams[1]", valid=False),
    row("governance.teams", Append({"name": "web"}), "in-place", "governance.teams[2]"),
    row("governance.teams[1].name", "audio", "drains", "governance.teams[1]", valid=False),
    row(f"{T}.quota[0].count", 1, "drains", f"{T}.quota"),
    row(f"{T}.quota[0].count", 3, "in-place", f"{T}.quota"),
    row(f"{T}.members", Append(ROLE + "Intern"), "in-place"),
    row(f"{T}.members", [], "in-place"),
    row(f"{T}.viewers", [ROLE + "Reader"], "in-place"),
    row(f"{T}.sharing", "DontLend", "in-place"),
    row(f"{T}.borrow_limit", 100, "in-place"),
    row(f"{T}.priority", "high", "drains", J),
    row("governance.through", "handler", "refused"),
    row("governance.scheduler.fair_share", False, "in-place"),
    row("governance.scheduler.priority_classes[0].weight", 80, "in-place"),
    row(
        "governance.scheduler.priority_classes",
        BASE["governance"]["scheduler"]["priority_classes"][:1],
        "drains",
        "governance.scheduler.priority_classes[1]",
    ),
    # storage
    row(f"{L}.size_gib", 4800, "in-place"),
    row(f"{L}.size_gib", 1200, "refused"),
    row(f"{L}.throughput", 500, "drains"),
    row(f"{L}.throughput", 125, "drains"),
    row(f"{L}.throughput", REMOVED, "nothing"),
    row(f"{L}.lustre_version", "2.15", "drains"),
    row("storage.lustre[1].lustre_version", "2.12", "refused"),
    row(f"{L}.deployment_type", "PERSISTENT_1", "replaces", valid=False),
    row("storage.lustre[1].deployment_type", "SCRATCH_2", "loses-data"),
    row(f"{L}.compression", "LZ4", "in-place"),
    row(f"{L}.availability_zone_id", "usw2-az2", "nothing"),
    row(f"{L}.availability_zone_id", "usw2-az1", "replaces"),
    row("storage.lustre[1].availability_zone_id", "usw2-az1", "loses-data"),
    row(f"{L}.kms_key_arn", KEY, "replaces"),
    row(f"{L}.namespaces", ["vision", "speech"], "in-place"),
    row(f"{L}.namespaces", [], "drains"),
    row(f"{L}.removal", "destroy", "none"),
    row(f"{L}.data_repositories", [{"bucket": "models"}], "in-place", f"{L}.data_repositories[0]"),
    row("storage.lustre", BASE["storage"]["lustre"][1:], "drains", "storage.lustre[0]"),
    row("storage.lustre", BASE["storage"]["lustre"][:1], "loses-data", "storage.lustre[1]"),
    row("storage.lustre", Append({"name": "fast", "namespaces": []}), "in-place", "storage.lustre[2]"),
    row("storage.lustre[1].name", "renamed", "loses-data", "storage.lustre[1]"),
    row(f"{B}.access", "read", "drains"),
    row(f"{B}.expire_days", 30, "in-place"),
    row(f"{B}.kms_key_arn", KEY, "in-place"),
    row(f"{B}.namespaces", [], "drains"),
    row("storage.buckets", BASE["storage"]["buckets"][1:], "drains", "storage.buckets[0]"),
    row("storage.buckets", BASE["storage"]["buckets"][:1], "loses-data", "storage.buckets[1]"),
    row("storage.buckets", Append({"name": "logs"}), "in-place", "storage.buckets[2]"),
    row("allow_data_loss", False, "none", "storage.lustre[1].removal"),
    # jobs
    row(f"{J}.image", "210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v2", "drains", J),
    row(f"{J}.nodes", 2, "drains", J),
    row(f"{J}.env", {"A": "1"}, "drains", J),
    row(f"{J}.on_change", "new-object", "nothing"),
    row("jobs[1].image", "210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v2", "refused", "jobs[1]"),
    row("jobs[2].image", "210987654321.dkr.ecr.us-west-2.amazonaws.com/train:v2", "drains", "jobs[2]"),
    row("jobs", BASE["jobs"][1:], "drains", "jobs[0]"),
    row("jobs", [], "drains", "jobs[0]"),
    row("jobs", BASE["jobs"][::-1], "nothing"),
    row("jobs[0].name", "other", "drains", "jobs[0]"),
]
