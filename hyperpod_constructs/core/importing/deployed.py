"""Converts deployed resources to a config: resources with this library's tag as managed, others as existing resources."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .. import catalog
from ..network_plan import EKS_SERVICE_RANGES, plan
from ..spec import Network
from ..spec.eks import ACCESS_POLICIES, Eks
from ..stack_names import PLATFORM_TAG
from .deployed_parts import Deployed, Json, describe_addons, describe_governance, describe_storage, tags_of
from .draft import Draft, platform_name
from .groups import ClusterDefaults, group_of, lifecycle_of


def describe(found: Deployed) -> Draft:
    """Returns the config that describes the deployed resources."""
    draft = Draft()
    parts = found.cluster["ClusterArn"].split(":")
    region, account = parts[3], parts[4]
    platform = found.tags.get(PLATFORM_TAG)
    name = platform or platform_name(found.cluster["ClusterName"])
    draft.put("name", name)
    draft.put("region", region)
    draft.put("account", account)
    _network(draft, found)
    creates_eks = tags_of(found.eks.get("tags", {})).get(PLATFORM_TAG) is not None
    _eks(draft, found, name, creates_eks=creates_eks)
    if not creates_eks:
        draft.put("dependencies.enabled", False, "installed releases are not changed; `adopt: true` adopts a release")
    _cluster(draft, found, name, managed=platform is not None)
    describe_addons(draft, found, creates_eks=creates_eks)
    describe_governance(draft, found, creates_eks=creates_eks)
    describe_storage(draft, found)
    if found.stack and platform is None:
        draft.messages.append(
            f"the cluster belongs to the CloudFormation stack {found.stack}: remove it from that stack (with "
            "deletion policy Retain) before another stack adopts it (docs/import.md)"
        )
    return draft


def _node_subnets(found: Deployed) -> list[Json]:
    """Returns the node subnets, one per zone: first the subnets of the cluster's `VpcConfig`, then others by CIDR."""
    fixed = found.cluster.get("VpcConfig", {}).get("Subnets", [])

    def position(subnet: Json) -> tuple[int, list[int]]:
        index = fixed.index(subnet["SubnetId"]) if subnet["SubnetId"] in fixed else len(fixed)
        return index, [int(part) for part in re.findall(r"\d+", subnet["CidrBlock"])]

    by_zone: dict[str, Json] = {}
    for subnet in sorted(found.subnets, key=position):
        by_zone.setdefault(subnet["AvailabilityZoneId"], subnet)
    return list(by_zone.values())


def _vpc_config(draft: Draft, found: Deployed, nodes: Sequence[Json]) -> None:
    """Converts the cluster's `VpcConfig`, which is immutable; by default it contains the first two zones."""
    given = found.cluster.get("VpcConfig") or {}
    subnets, groups = given.get("Subnets", []), given.get("SecurityGroupIds", [])
    zones = {subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in nodes}
    minimum = catalog.limit("eks_subnets").value
    if all(subnet in zones for subnet in subnets) and len(subnets) >= minimum and len(groups) == 1:
        if len(subnets) > minimum:
            note = "the zones of the cluster's VpcConfig, which is immutable"
            draft.put("network.control_plane_zone_ids", [zones[subnet] for subnet in subnets], note)
    elif given:
        draft.losses.append(
            f"VpcConfig ({', '.join([*subnets, *groups])}): the config supports only one subnet in each of two or "
            "more zones and one security group; `hyperpod adopt` fails, because the change replaces the cluster"
        )


def _network(draft: Draft, found: Deployed) -> None:
    if not found.subnets:
        draft.losses.append("network: the zones are unknown because the subnets could not be read")
        draft.put("network.existing.vpc_id", found.vpc.get("VpcId"))
        return
    nodes = _node_subnets(found)
    if PLATFORM_TAG in tags_of(found.vpc.get("Tags")):
        _managed_network(draft, found, nodes)
        return
    main = next((table["RouteTableId"] for table in found.tables if _is_main(table)), None)
    tables = {
        link["SubnetId"]: table["RouteTableId"]
        for table in found.tables
        for link in table.get("Associations", ())
        if link.get("SubnetId")
    }
    blocks = [association["CidrBlock"] for association in found.vpc.get("CidrBlockAssociationSet", ())]
    draft.put("network.existing.vpc_id", found.vpc.get("VpcId") or nodes[0]["VpcId"])
    draft.put("network.existing.vpc_cidrs", blocks or None)
    described = []
    for subnet in nodes:
        entry = {"subnet_id": subnet["SubnetId"], "availability_zone_id": subnet["AvailabilityZoneId"]}
        entry["cidr"] = subnet["CidrBlock"]
        entry["route_table_id"] = tables.get(subnet["SubnetId"], main)
        described.append({key: value for key, value in entry.items() if value})
    draft.put("network.existing.node_subnets", described)
    _vpc_config(draft, found, nodes)
    control = found.eks.get("resourcesVpcConfig", {}).get("subnetIds")
    draft.put("network.existing.control_plane_subnet_ids", list(control) if control else None)
    groups = found.cluster.get("VpcConfig", {}).get("SecurityGroupIds", ())
    draft.put("network.existing.security_group_id", groups[0] if groups else None)
    others = sorted({subnet["SubnetId"] for subnet in found.subnets} - {subnet["SubnetId"] for subnet in nodes})
    if others:
        draft.messages.append(
            f"additional subnets in the same zones: {', '.join(others)}: set only in the groups that use them"
        )


def _is_main(table: Json) -> bool:
    return any(link.get("Main") for link in table.get("Associations", ()))


def _managed_network(draft: Draft, found: Deployed, nodes: Sequence[Json]) -> None:
    nodes = sorted(nodes, key=lambda subnet: [int(part) for part in re.findall(r"\d+", subnet["CidrBlock"])])
    zones = [subnet["AvailabilityZoneId"] for subnet in nodes]
    draft.put("network.availability_zone_ids", zones)
    draft.put("network.vpc_cidr", found.vpc["CidrBlock"])
    cidrs = [subnet["CidrBlock"] for subnet in nodes]
    planned = plan(Network(availability_zone_ids=tuple(zones), vpc_cidr=found.vpc["CidrBlock"])).of_kind("node")
    if cidrs != [subnet.cidr for subnet in planned]:
        draft.put("network.node_cidrs", cidrs)
    if found.nat_gateways is not None and len(found.nat_gateways) != 1:
        draft.put("network.nat", "per-zone" if found.nat_gateways else "none")
    draft.messages.append(
        "network: the VPC belongs to a platform; zones without nodes, endpoints and flow logs are not read"
    )


def _eks(draft: Draft, found: Deployed, name: str, *, creates_eks: bool) -> None:
    eks = found.eks
    admins, additional = _access(draft, found, name)
    if not creates_eks:
        draft.put("eks.existing.cluster_name", eks["name"])
        draft.put("eks.existing.security_group_id", eks.get("resourcesVpcConfig", {}).get("clusterSecurityGroupId"))
        draft.put("eks.existing.oidc_provider_arn", found.oidc_provider_arn)
        draft.put("eks.kubernetes_version", eks.get("version"))
        if admins:
            draft.put("eks.existing.admin_entries", False, "the admins have access entries, which are not changed")
            draft.put("eks.admins", admins)
        for entry in additional:
            draft.messages.append(f"access entry of {entry['principal']} ({entry['policy']}): not changed")
        draft.messages.append(
            f"EKS cluster {eks['name']}: to manage it with this config, remove `eks.existing` (see `hyperpod adopt`)"
        )
        return
    draft.put("eks.kubernetes_version", eks.get("version"))
    if eks["name"] != name:
        draft.put("eks.cluster_name", eks["name"])
    draft.put("eks.admins", admins or None)
    draft.put("eks.access", additional or None)
    vpc = eks.get("resourcesVpcConfig", {})
    public, private = vpc.get("endpointPublicAccess", True), vpc.get("endpointPrivateAccess", False)
    draft.put("eks.endpoint_access", "public-and-private" if public and private else "public" if public else "private")
    open_to = [cidr for cidr in vpc.get("publicAccessCidrs", ()) if cidr != "0.0.0.0/0"]
    draft.put("eks.public_access_cidrs", open_to if public and open_to else None)
    logs = [
        log
        for entry in eks.get("logging", {}).get("clusterLogging", ())
        if entry.get("enabled")
        for log in entry["types"]
    ]
    if set(logs) != set(Eks().logs):
        draft.put("eks.logs", logs)
    keys = [encryption["provider"]["keyArn"] for encryption in eks.get("encryptionConfig", ())]
    draft.put("eks.secrets_key_arn", keys[0] if keys else None)
    service_cidr = eks.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
    if service_cidr and service_cidr not in map(str, EKS_SERVICE_RANGES):
        draft.put("eks.service_cidr", service_cidr)
    draft.put("eks.support", eks.get("upgradePolicy", {}).get("supportType"))
    draft.put("eks.deletion_protection", eks.get("deletionProtection") or None)


def _access(draft: Draft, found: Deployed, name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Returns principals with cluster-admin access, and other access entries except those of functions and nodes."""
    short_names = {policy: key for key, policy in ACCESS_POLICIES.items()}
    admins: list[str] = []
    additional: list[dict[str, Any]] = []
    for entry in found.entries:
        principal = entry["principalArn"]
        if entry.get("type", "STANDARD") != "STANDARD" or f":role/{name}-" in principal:
            continue
        if any(group.startswith("hyperpod-team-") for group in entry.get("kubernetesGroups", ())):
            continue  # access entry of a team; see describe_governance
        for policy in entry["policies"]:
            key = short_names.get(policy["policyArn"].rpartition("/")[2])
            scope = policy.get("accessScope", {})
            namespaces = list(scope.get("namespaces", ())) if scope.get("type") == "namespace" else []
            if key is None:
                draft.losses.append(
                    f"access entry of {principal} ({policy['policyArn']}): the config does not support this policy"
                )
            elif key == "cluster-admin" and not namespaces:
                admins.append(principal)
            else:
                access = {"principal": principal, "policy": key, "namespaces": namespaces}
                additional.append({name_: value for name_, value in access.items() if value})
        if not entry["policies"] and entry.get("kubernetesGroups"):
            groups = ", ".join(entry["kubernetesGroups"])
            draft.messages.append(
                f"access entry of {principal}: has Kubernetes groups only ({groups}), and is not changed"
            )
    return sorted(admins), additional


_STATUS = (
    *("CurrentCount", "Status", "TrainingPlanStatus", "InstanceTypeDetails", "CurrentImageId", "DesiredImageId"),
    *("CurrentImageReleaseVersion", "DesiredImageReleaseVersion", "ImageVersionStatus", "ActiveOperations"),
    *("TargetStateCount", "SoftwareUpdateStatus", "ActiveSoftwareUpdateConfig"),
)
"""Keys of a described group that are its state, not its settings."""


def settings_of(group: Json) -> dict[str, Any]:
    """Converts a described group to a create request.

    >>> settings_of({"InstanceGroupName": "a", "TargetCount": 2, "CurrentCount": 1, "Status": "InService"})
    {'InstanceGroupName': 'a', 'InstanceCount': 2}
    """
    found = {key: value for key, value in group.items() if key not in _STATUS}
    for described_key, request_key in (("TargetCount", "InstanceCount"), ("MinCount", "MinInstanceCount")):
        if described_key in found:
            found[request_key] = found.pop(described_key)
    if requirements := found.pop("InstanceRequirements", None):
        types = requirements.get("DesiredInstanceTypes") or requirements.get("CurrentInstanceTypes") or ()
        found["InstanceRequirements"] = {"InstanceTypes": list(types)}
    if kubernetes := found.pop("KubernetesConfig", None):
        labels = kubernetes.get("DesiredLabels") or kubernetes.get("CurrentLabels")
        taints = kubernetes.get("DesiredTaints") or kubernetes.get("CurrentTaints")
        given = {"Labels": labels, "Taints": taints}
        found["KubernetesConfig"] = {key: value for key, value in given.items() if value}
    return found


def _cluster(draft: Draft, found: Deployed, name: str, *, managed: bool) -> None:
    cluster = found.cluster
    if cluster["ClusterName"] != name:
        draft.put("cluster.cluster_name", cluster["ClusterName"])
    draft.put("cluster.provisioning", cluster.get("NodeProvisioningMode") or "Request")
    draft.put("cluster.node_recovery", cluster.get("NodeRecovery"))
    if cluster.get("AutoScaling", {}).get("Mode") == "Enable":
        role = None if managed else cluster.get("ClusterRole")
        draft.put("cluster.autoscaling", {"cluster_role_arn": role} if role else {})
    tiered = cluster.get("TieredStorageConfig") or {}
    if tiered.get("Mode") == "Enable":
        percent = tiered.get("InstanceMemoryAllocationPercentage")
        draft.put("cluster.tiered_storage", {"memory_percent": percent} if percent else {})
    environment = (cluster.get("RestrictedInstanceGroupsConfig") or {}).get("SharedEnvironmentConfig") or {}
    if lustre := environment.get("DesiredFSxLustreConfig") or environment.get("CurrentFSxLustreConfig"):
        shared = {"lustre_size_gib": lustre["SizeInGiB"], "lustre_throughput": lustre["PerUnitStorageThroughput"]}
        draft.put("cluster.shared_environment", shared)
    groups = [settings_of(group) for group in cluster.get("InstanceGroups", ())]
    restricted = [settings_of(group) for group in cluster.get("RestrictedInstanceGroups", ())]
    if managed:
        for group in (*groups, *restricted):
            if f":role/{name}-" in group.get("ExecutionRole", ""):
                del group["ExecutionRole"]
            if group.get("LifeCycleConfig", {}).get("SourceS3Uri", "").startswith(f"s3://{name}".lower()):
                del group["LifeCycleConfig"]
    defaults = _common([*groups, *restricted], found)
    draft.put("cluster.execution_role_arn", defaults.execution_role_arn)
    draft.put("cluster.lifecycle", dict(defaults.lifecycle) if defaults.lifecycle else None)
    if defaults.lifecycle is None and not managed and groups:
        draft.put("cluster.lifecycle", {"mode": "bootstrap"}, "the groups have no lifecycle configuration")
    for key, settings, kind in (("instance_groups", groups, False), ("restricted_instance_groups", restricted, True)):
        converted = [group_of(setting, defaults, restricted=kind) for setting in settings]
        draft.losses += [f"group {group.data['name']}: {loss}" for group in converted for loss in group.losses]
        draft.put(f"cluster.{key}", [group.data for group in converted] or None)
    tags = {key: value for key, value in found.tags.items() if key not in (PLATFORM_TAG, "SageMaker")}
    own_tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    draft.put("tags" if managed else "cluster.tags", own_tags or None)
    images = sorted(
        {str(group.get("CurrentImageReleaseVersion")) for group in cluster.get("InstanceGroups", ())} - {"None"}
    )
    if images:
        draft.messages.append(
            f"image releases ({', '.join(images)}): not pinned; nodes keep their release until they are updated"
        )


def _common(groups: Sequence[Json], found: Deployed) -> ClusterDefaults:
    """Returns the values that most groups have in common, which are set once on the cluster."""
    roles = Counter(group["ExecutionRole"] for group in groups if group.get("ExecutionRole"))
    configs = Counter(
        json.dumps(lifecycle, sort_keys=True)
        for group in groups
        if (lifecycle := lifecycle_of(group.get("LifeCycleConfig")))
    )
    return ClusterDefaults(
        zones={subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in _node_subnets(found)},
        security_group_ids=found.cluster.get("VpcConfig", {}).get("SecurityGroupIds", ()),
        execution_role_arn=roles.most_common(1)[0][0] if roles else None,
        lifecycle=json.loads(configs.most_common(1)[0][0]) if configs else None,
    )
