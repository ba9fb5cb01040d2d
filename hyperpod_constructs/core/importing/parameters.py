"""Converts the parameters of the official templates, which the official CLI's config also contains, to a config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import catalog
from ..spec.storage import LustreFileSystem
from .draft import Draft, Values, kubernetes, pairs, platform_name, region_of, role_arn
from .groups import ClusterDefaults, canonical, group_of


@dataclass(frozen=True, slots=True)
class Stated:
    """Values that the user of an import specifies, because source files do not contain them."""

    region: str | None = None
    account: str | None = None
    zones: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()

    def put(self, draft: Draft) -> None:
        """Sets the values that are copied to the config unchanged."""
        draft.put("account", self.account)
        draft.put("eks.admins", list(self.admins) or None)


def from_parameters(values: Values, draft: Draft, stated: Stated, *, cli: bool = False) -> None:
    """Converts the values to the draft. `cli`: whether they are from the official CLI, which has its own defaults."""
    prefix = values.text("ResourceNamePrefix")
    name = platform_name(prefix)
    draft.put("name", name, f"the source uses {prefix}" if name != prefix else "")
    groups = _groups(values, draft, "InstanceGroupSettings")
    zones = stated.zones or tuple(values.many("AvailabilityZoneIds") if values.is_set("AvailabilityZoneIds") else ())
    targets = [str(group["TargetAvailabilityZoneId"]) for group in groups if group.get("TargetAvailabilityZoneId")]
    region = stated.region or region_of(zones or targets)
    draft.put("region", region)
    stated.put(draft)
    _network(values, draft, zones, stated.zones)
    _eks(values, draft, prefix)
    _dependencies(values, draft)
    _cluster(values, draft, name, stated, region)
    group_ids = [] if values.is_enabled("CreateSecurityGroupStack") else values.many("SecurityGroupIds")
    defaults = ClusterDefaults(security_group_ids=group_ids, execution_role_arn=draft.get("cluster.execution_role_arn"))
    found = [group_of(group, defaults) for group in groups]
    draft.put("cluster.instance_groups", [group.data for group in found] or None)
    _restricted(values, draft, defaults)
    for group in found:
        draft.losses += [f"group {group.data.get('name')}: {loss}" for loss in group.losses]
    if found and not values.is_set("InstanceGroupSettings"):
        draft.notes["cluster.instance_groups"] = (
            "the default of the official CLI, because the source does not set a group"
        )
    if values.is_enabled("EnableHPInferenceFeature"):
        draft.put("addons.inference_operator", {})
    _storage(values, draft, region)
    draft.put("tags", _tags(values["Tags"]) or None)
    if cli:
        draft.messages.append("the official CLI adds four random characters to resource_name_prefix at each creation")


def _network(values: Values, draft: Draft, zones: tuple[str, ...], stated: tuple[str, ...]) -> None:
    if values.is_enabled("CreateVPCStack"):
        if not values.is_enabled("CreatePrivateSubnetStack"):
            draft.losses.append("create_private_subnet_stack (false): a new VPC always has new private subnets")
        draft.put("network.availability_zone_ids", list(zones))
        draft.put("network.vpc_cidr", values.text("VpcCIDR") or None)
        if not values.is_enabled("CreateS3EndpointStack"):
            draft.losses.append("create_s3_endpoint_stack (false): a new network always has the S3 gateway endpoint")
        if not values.is_enabled("CreateSecurityGroupStack"):
            draft.losses.append(
                "create_security_group_stack (false): a new network always has a new security group; set existing "
                "security groups in the groups' security_group_ids, or use an existing network"
            )
        return
    tables = values.many("PrivateRouteTableIds")
    subnets = values.many("PrivateSubnetIds")
    nodes: list[dict[str, Any]] = [{"subnet_id": subnet} for subnet in subnets]
    if values.is_enabled("CreateS3EndpointStack"):
        if len(tables) in (1, len(subnets)):
            for node, table in zip(nodes, tables if len(tables) > 1 else tables * len(nodes), strict=True):
                node["route_table_id"] = table
            draft.put("network.interface_endpoints", ["s3"])
        else:
            draft.losses.append(
                f"create_s3_endpoint_stack (true): {len(tables)} route tables for {len(subnets)} subnets; set "
                "the route_table_id of each subnet, and interface_endpoints: [s3]"
            )
    if zones and not stated:
        draft.messages.append(f"availability_zone_ids ({', '.join(zones)}): used only if a VPC is created")
    if len(stated) == len(nodes):
        for node, zone in zip(nodes, stated, strict=True):
            node["availability_zone_id"] = zone
    draft.put("network.existing.vpc_id", values.text("VpcId") or None)
    draft.put("network.existing.node_subnets", nodes or None)
    draft.put("network.existing.control_plane_subnet_ids", values.many("EksPrivateSubnetIds") or None)
    if not values.is_enabled("CreateSecurityGroupStack"):
        group_ids = values.many("SecurityGroupIds")
        draft.put("network.existing.security_group_id", group_ids[0] if group_ids else None)
        if group_ids[1:]:
            draft.losses.append(
                f"security_group_ids ({', '.join(group_ids[1:])}): the cluster has one security group; set "
                "others in the groups' security_group_ids"
            )
    draft.data["network"].setdefault("existing", {})


def _eks(values: Values, draft: Draft, prefix: str) -> None:
    if not values.is_enabled("CreateEKSClusterStack"):
        draft.put("eks.existing.cluster_name", values.text("EKSClusterName"))
        draft.put("eks.existing.security_group_id", values.text("SecurityGroupId") or None)
        return
    kubernetes(draft, values, "KubernetesVersion")
    if values.is_set("EKSClusterName"):
        draft.put("eks.cluster_name", f"{prefix}-{values.text('EKSClusterName')}")


def _dependencies(values: Values, draft: Draft) -> None:
    if not values.is_enabled("CreateHelmChartStack"):
        draft.put("dependencies.enabled", False)
        return
    components = catalog.load("chart")["components"]
    fields = {entry["key"]: (name, entry) for name, entry in components.items()}
    for key, text in pairs(iter(values.text("HelmOperators").split(","))).items():
        enabled = text.lower() == "true"
        if key in fields:
            name, entry = fields[key]
            if enabled == entry["default"]:
                continue
            if enabled and name in NEED_VALUES:
                draft.losses.append(f"helm_operators ({key}=true): {NEED_VALUES[name]}")
                continue
            draft.put(f"dependencies.{name}", enabled)
        elif f"{key}d" in fields:  # `.enable` is a typo in the official defaults
            draft.losses.append(f"helm_operators ({key}={text}): not a value of the chart, and has no effect")
        else:
            section = draft.data.setdefault("dependencies", {}).setdefault("values", {})
            *parents, name = key.split(".")
            for parent in parents:
                section = section.setdefault(parent, {})
            section[name] = {"true": True, "false": False}.get(text.lower(), text)


LUSTRE_THROUGHPUT = LustreFileSystem(name="fsx").effective_throughput
"""Default throughput of a file system."""
NEED_VALUES = {
    "mlflow": (
        "creates a service account for MLflow, which requires a role; set dependencies.mlflow, and its role in values"
    ),
    "storage": "creates a volume claim, which requires a file system; storage.lustre creates both",
    "team_role_and_bindings": "requires a team's compute quota; governance.teams grants permissions to members",
}


def _cluster(values: Values, draft: Draft, name: str, stated: Stated, region: str | None) -> None:
    creates_cluster = values.is_enabled("CreateHyperPodClusterStack")
    without_chart = values.is_enabled("CreateEKSClusterStack") and not values.is_enabled("CreateHelmChartStack")
    if not creates_cluster or without_chart:
        why = (
            "no dependency chart is installed on the new EKS cluster"
            if creates_cluster
            else "create_hyperpod_cluster_stack is disabled"
        )
        draft.losses.append(f"the source does not create a HyperPod cluster ({why}), but this config does")
    cluster_name = values.text("HyperPodClusterName")
    if values.is_set("HyperPodClusterName") and cluster_name != name:
        draft.put("cluster.cluster_name", cluster_name)
    if values.text("NodeProvisioningMode") != "Continuous":
        draft.put("cluster.provisioning", "Request", "the source does not request continuous provisioning")
    recovery = values.text("NodeRecovery")
    draft.put("cluster.node_recovery", recovery or None)
    if not values.is_enabled("CreateSageMakerIAMRoleStack"):
        role = values.text("SageMakerIAMRoleName")
        draft.put("cluster.execution_role_arn", role_arn(role, stated.account, region))
    uploads = values.is_enabled("CreateLifeCycleScriptStack")
    if not values.is_enabled("CreateS3BucketStack"):
        folder, _, script = values.text("OnCreatePath").rpartition("/")
        bucket = values.text("S3BucketName")
        found = {"source": f"s3://{bucket}/{folder}" if folder else f"s3://{bucket}"}
        if script and script != "on_create.sh":
            found["script"] = script
        draft.put("cluster.lifecycle", found)
    elif not uploads:
        draft.losses.append(
            "create_life_cycle_script_stack (false): the new bucket has no script; this library's script is "
            "used instead"
        )


def _restricted(values: Values, draft: Draft, defaults: ClusterDefaults) -> None:
    groups = _groups(values, draft, "RigSettings")
    found = [group_of(group, defaults, restricted=True) for group in groups]
    if not found:
        return
    bucket = values.text("RigS3BucketName")
    for group in found:
        draft.losses += [f"group {group.data.get('name')}: {loss}" for loss in group.losses]
        if bucket:
            arn = f"arn:aws:s3:::{bucket}"
            group.data |= {"input_bucket_arns": [arn], "output_bucket_arns": [arn]}
    draft.put("cluster.restricted_instance_groups", [group.data for group in found])


def _storage(values: Values, draft: Draft, region: str | None) -> None:
    if not values.is_enabled("CreateFsxStack"):
        return
    draft.put("addons.fsx_csi", {}, "for the volume claim of storage.lustre")
    existing = values.text("FsxFileSystemId")
    system: dict[str, Any] = {"name": "fsx"}
    if existing:
        system["existing_id"] = existing
        if region:
            system["existing_dns_name"] = f"{existing}.fsx.{region}.amazonaws.com"
        for name in ("PerUnitStorageThroughput", "DataCompressionType", "FileSystemTypeVersion", "DeploymentType"):
            values[name]
    else:
        throughput = values.number("PerUnitStorageThroughput")
        system["throughput"] = None if throughput == LUSTRE_THROUGHPUT else throughput
        system["deployment_type"] = values.text("DeploymentType") or None
        system["lustre_version"] = values.text("FileSystemTypeVersion") or None
        system["compression"] = values.text("DataCompressionType") or None
    system["size_gib"] = values.number("StorageCapacity")
    zone = values.text("FsxAvailabilityZoneId") if values.is_set("FsxAvailabilityZoneId") else ""
    zone = zone or (values.text("FsxAvailabilityZone") if values.is_set("FsxAvailabilityZone") else "")
    subnet = values.text("FsxSubnetId")
    if subnet:
        nodes = draft.get("network.existing.node_subnets", [])
        zone = zone or next((node.get("availability_zone_id", "") for node in nodes if node["subnet_id"] == subnet), "")
        if not zone:
            draft.losses.append(f"fsx_subnet_id ({subnet}): not supported; set availability_zone_id of the file system")
    if zone:
        system["availability_zone_id"] = zone
    draft.put("storage.lustre", [{key: value for key, value in system.items() if value is not None}])
    if not values.is_set("CreateFsxStack"):
        draft.notes["storage.lustre"] = "not set in the source, whose default is to create a file system"


def _groups(values: Values, draft: Draft, name: str) -> list[dict[str, Any]]:
    """Returns the instance groups in settings: lists, or JSON text of lists, also nested."""
    found: list[dict[str, Any]] = []
    for item in _flat(values[name]):
        if isinstance(item, dict):
            found.append(canonical(item))
        else:
            draft.losses.append(f"{values.shown(name)} ({item}): not an instance group or its JSON text")
    return found


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, str) and value.strip():
        try:
            yield from _flat(json.loads(value))
        except ValueError:
            yield value
    elif value not in (None, ""):
        yield value


def _tags(value: Any) -> dict[str, str]:
    """Converts tags: a list of keys and values, an object, JSON text of either, or comma-separated `key=value` items."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return pairs(iter(value.split(",")))
    if isinstance(value, dict):
        return {str(key): str(inner) for key, inner in value.items()}
    found: dict[str, str] = {}
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            lower = {str(key).lower(): inner for key, inner in item.items()}
            found[str(lower.get("key", ""))] = str(lower.get("value", ""))
        else:
            found |= pairs(iter([str(item)]))
    return {key: inner for key, inner in found.items() if key}
