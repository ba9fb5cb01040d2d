"""Converts deployed resources to a config: resources with this library's tag as managed, the others as existing."""

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
    ours = found.tags.get(PLATFORM_TAG)
    name = ours or platform_name(found.cluster["ClusterName"])
    draft.put("name", name)
    draft.put("region", region)
    draft.put("account", account)
    _network(draft, found)
    own_eks = tags_of(found.eks.get("tags", {})).get(PLATFORM_TAG) is not None
    _eks(draft, found, name, creates_eks=own_eks)
    if not own_eks:
        draft.put("dependencies.enabled", False, "installed releases are not changed; `adopt: true` adopts a release")
    _cluster(draft, found, name, ours=ours is not None)
    describe_addons(draft, found, creates_eks=own_eks)
    describe_governance(draft, found, creates_eks=own_eks)
    describe_storage(draft, found)
    if found.stack and ours is None:
        draft.messages.append(
            f"the cluster belongs to the CloudFormation stack {found.stack}: remove it from that stack (with "
            "deletion policy Retain) before another stack adopts it (docs/import.md)"
        )
    return draft


def _node_subnets(found: Deployed) -> list[Json]:
    """The subnets of the nodes, one per zone: first those of the cluster's `VpcConfig` in its order, then by CIDR."""
    fixed = found.cluster.get("VpcConfig", {}).get("Subnets", [])

    def place(subnet: Json) -> tuple[int, list[int]]:
        known = fixed.index(subnet["SubnetId"]) if subnet["SubnetId"] in fixed else len(fixed)
        return known, [int(part) for part in re.findall(r"\d+", subnet["CidrBlock"])]

    by_zone: dict[str, Json] = {}
    for subnet in sorted(found.subnets, key=place):
        by_zone.setdefault(subnet["AvailabilityZoneId"], subnet)
    return list(by_zone.values())


def _vpc_config(draft: Draft, found: Deployed, nodes: Sequence[Json]) -> None:
    """The cluster's `VpcConfig`, whose change replaces the cluster: by default it has the first two zones."""
    given = found.cluster.get("VpcConfig") or {}
    subnets, groups = given.get("Subnets", []), given.get("SecurityGroupIds", [])
    zones = {subnet["SubnetId"]: subnet["AvailabilityZoneId"] for subnet in nodes}
    usual = catalog.limit("eks_subnets").value
    if all(subnet in zones for subnet in subnets) and len(subnets) >= usual and len(groups) == 1:
        if len(subnets) > usual:
            note = "the zones of the cluster's VpcConfig, which is immutable"
            draft.put("network.control_plane_zone_ids", [zones[subnet] for subnet in subnets], note)
    elif given:
        draft.losses.append(
            f"VpcConfig ({', '.join([*subnets, *groups])}): this config sets a subnet in each of two or more "
            "zones and one security group; `hyperpod adopt` fails, because a change replaces the cluster"
        )


def _network(draft: Draft, found: Deployed) -> None:
    if not found.subnets:
        draft.losses.append("network: the zones are unknown because the subnets could not be read")
        draft.put("network.existing.vpc_id", found.vpc.get("VpcId"))
        return
    nodes = _node_subnets(found)
    if PLATFORM_TAG in tags_of(found.vpc.get("Tags")):
        _own_network(draft, found, nodes)
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
            f"additional subnets in the same zones: {', '.join(others)}: set in the groups that use them"
        )


def _is_main(table: Json) -> bool:
    return any(link.get("Main") for link in table.get("Associations", ()))


def _own_network(draft: Draft, found: Deployed, nodes: Sequence[Json]) -> None:
    nodes = sorted(nodes, key=lambda subnet: [int(part) for part in re.findall(r"\d+", subnet["CidrBlock"])])
    zones = [subnet["AvailabilityZoneId"] for subnet in nodes]
    draft.put("network.availability_zone_ids", zones)
    draft.put("network.vpc_cidr", found.vpc["CidrBlock"])
    ranges = [subnet["CidrBlock"] for subnet in nodes]
    planned = plan(Network(availability_zone_ids=tuple(zones), vpc_cidr=found.vpc["CidrBlock"])).of_kind("node")
    if ranges != [subnet.cidr for subnet in planned]:
        draft.put("network.node_cidrs", ranges)
    if found.nat_gateways is not None and len(found.nat_gateways) != 1:
        draft.put("network.nat", "per-zone" if found.nat_gateways else "none")
    draft.messages.append(
        "network: the VPC belongs to a platform; zones without nodes, endpoints and flow logs are not read"
    )


def _eks(draft: Draft, found: Deployed, name: str, *, creates_eks: bool) -> None:
    eks = found.eks
    admins, further = _access(draft, found, name)
    if not creates_eks:
        draft.put("eks.existing.cluster_name", eks["name"])
        draft.put("eks.existing.security_group_id", eks.get("resourcesVpcConfig", {}).get("clusterSecurityGroupId"))
        draft.put("eks.existing.oidc_provider_arn", found.oidc_provider_arn)
        draft.put("eks.kubernetes_version", eks.get("version"))
        if admins:
            draft.put("eks.existing.admin_entries", False, "they have access entries, which are not changed")
            draft.put("eks.admins", admins)
        for entry in further:
            draft.messages.append(f"access entry of {entry['principal']} ({entry['policy']}): not changed")
        draft.messages.append(
            f"could be managed: the EKS cluster {eks['name']}, by an `eks` without `existing`; see adopt"
        )
        return
    draft.put("eks.kubernetes_version", eks.get("version"))
    if eks["name"] != name:
        draft.put("eks.cluster_name", eks["name"])
    draft.put("eks.admins", admins or None)
    draft.put("eks.access", further or None)
    vpc = eks.get("resourcesVpcConfig", {})
    public, private = vpc.get("endpointPublicAccess", True), vpc.get("endpointPrivateAccess", False)
    draft.put("eks.endpoint_access", "public-and-private" if public and private else "public" if public else "private")
    open_to = [cidr for cidr in vpc.get("publicAccessCidrs", ()) if cidr != "0.0.0.0/0"]
    draft.put("eks.public_access_cidrs", open_to if public and open_to else None)
    logs = [
        instance_type
        for entry in eks.get("logging", {}).get("clusterLogging", ())
        if entry.get("enabled")
        for instance_type in entry["types"]
    ]
    if set(logs) != set(Eks().logs):
        draft.put("eks.logs", logs)
    keys = [encryption["provider"]["keyArn"] for encryption in eks.get("encryptionConfig", ())]
    draft.put("eks.secrets_key_arn", keys[0] if keys else None)
    service = eks.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
    if service and service not in map(str, EKS_SERVICE_RANGES):
        draft.put("eks.service_cidr", service)
    draft.put("eks.support", eks.get("upgradePolicy", {}).get("supportType"))
    draft.put("eks.deletion_protection", eks.get("deletionProtection") or None)


def _access(draft: Draft, found: Deployed, name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Principals with cluster-admin access, and additional access entries, without those of functions and nodes."""
    short = {policy: key for key, policy in ACCESS_POLICIES.items()}
    admins: list[str] = []
    further: list[dict[str, Any]] = []
    for entry in found.entries:
        principal = entry["principalArn"]
        if entry.get("type", "STANDARD") != "STANDARD" or f":role/{name}-" in principal:
            continue
        if any(group.startswith("hyperpod-team-") for group in entry.get("kubernetesGroups", ())):
            continue  # entries of teams, see there
        for policy in entry["policies"]:
            key = short.get(policy["policyArn"].rpartition("/")[2])
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
                further.append({name_: value for name_, value in access.items() if value})
        if not entry["policies"] and entry.get("kubernetesGroups"):
            groups = ", ".join(entry["kubernetesGroups"])
            draft.messages.append(
                f"access entry of {principal}: has Kubernetes groups only ({groups}), and is not changed"
            )
    return sorted(admins), further


_STATUS = (
    *("CurrentCount", "Status", "TrainingPlanStatus", "InstanceTypeDetails", "CurrentImageId", "DesiredImageId"),
    *("CurrentImageReleaseVersion", "DesiredImageReleaseVersion", "ImageVersionStatus", "ActiveOperations"),
    *("TargetStateCount", "SoftwareUpdateStatus", "ActiveSoftwareUpdateConfig"),
)
"""Keys of a described group that are state, not settings."""


def settings_of(group: Json) -> dict[str, Any]:
    """Converts a described group to a create request.

    >>> settings_of({"InstanceGroupName": "a", "TargetCount": 2, "CurrentCount": 1, "Status": "InService"})
    {'InstanceGroupName': 'a', 'InstanceCount': 2}
    """
    found = {key: value for key, value in group.items() if key not in _STATUS}
    for api_key, written in (("TargetCount", "InstanceCount"), ("MinCount", "MinInstanceCount")):
        if api_key in found:
            found[written] = found.pop(api_key)
    if requirements := found.pop("InstanceRequirements", None):
        types = requirements.get("DesiredInstanceTypes") or requirements.get("CurrentInstanceTypes") or ()
        found["InstanceRequirements"] = {"InstanceTypes": list(types)}
    if kubernetes := found.pop("KubernetesConfig", None):
        labels = kubernetes.get("DesiredLabels") or kubernetes.get("CurrentLabels")
        taints = kubernetes.get("DesiredTaints") or kubernetes.get("CurrentTaints")
        given = {"Labels": labels, "Taints": taints}
        found["KubernetesConfig"] = {key: value for key, value in given.items() if value}
    return found


def _cluster(draft: Draft, found: Deployed, name: str, *, ours: bool) -> None:
    cluster = found.cluster
    if cluster["ClusterName"] != name:
        draft.put("cluster.cluster_name", cluster["ClusterName"])
    draft.put("cluster.provisioning", cluster.get("NodeProvisioningMode") or "Request")
    draft.put("cluster.node_recovery", cluster.get("NodeRecovery"))
    if cluster.get("AutoScaling", {}).get("Mode") == "Enable":
        role = None if ours else cluster.get("ClusterRole")
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
    if ours:
        for group in (*groups, *restricted):
            if f":role/{name}-" in group.get("ExecutionRole", ""):
                del group["ExecutionRole"]
            if group.get("LifeCycleConfig", {}).get("SourceS3Uri", "").startswith(f"s3://{name}".lower()):
                del group["LifeCycleConfig"]
    defaults = _common([*groups, *restricted], found)
    draft.put("cluster.execution_role_arn", defaults.execution_role_arn)
    draft.put("cluster.lifecycle", dict(defaults.lifecycle) if defaults.lifecycle else None)
    if defaults.lifecycle is None and not ours and groups:
        draft.put("cluster.lifecycle", {"mode": "bootstrap"}, "the groups have no lifecycle configuration")
    for key, settings, kind in (("instance_groups", groups, False), ("restricted_instance_groups", restricted, True)):
        made = [group_of(setting, defaults, restricted=kind) for setting in settings]
        draft.losses += [f"group {part.data['name']}: {loss}" for part in made for loss in part.losses]
        draft.put(f"cluster.{key}", [part.data for part in made] or None)
    tags = {key: value for key, value in found.tags.items() if key not in (PLATFORM_TAG, "SageMaker")}
    own_tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    draft.put("tags" if ours else "cluster.tags", own_tags or None)
    images = sorted(
        {str(group.get("CurrentImageReleaseVersion")) for group in cluster.get("InstanceGroups", ())} - {"None"}
    )
    if images:
        draft.messages.append(
            f"image releases ({', '.join(images)}): not pinned; nodes keep theirs until they are updated"
        )


def _common(groups: Sequence[Json], found: Deployed) -> ClusterDefaults:
    """Values that most groups have in common are set once on the cluster."""
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
