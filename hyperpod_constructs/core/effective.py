"""The effective config: a config with the defaults and calculated values that apply."""

from __future__ import annotations

from typing import Any

from . import catalog
from .chart import pinned_chart
from .network_plan import default_zone, plan, zones_of
from .placement import storage_zone, system_group
from .spec.addons import ADDON_NAMES
from .spec.dependencies import ChartSource, FolderChart, OciChart
from .spec.groups import InstanceGroup
from .spec.platform import Platform


def effective(platform: Platform) -> dict[str, Any]:
    """Subnets with their CIDRs, selected versions, roles, groups, add-ons and storage, as plain data.

    >>> from hyperpod_constructs.core.spec import Platform
    >>> network = {"availability_zone_ids": ["usw2-az1", "usw2-az2"]}
    >>> platform = Platform(name="a", region="us-west-2", network=network, cluster={})
    >>> effective(platform)["network"]["subnets"][-1]
    {'kind': 'node', 'zone': 'usw2-az2', 'cidr': '10.2.0.0/16'}
    """
    return {
        "name": platform.name,
        "region": platform.region,
        "account": platform.account or "account of the credentials",
        "network": _network(platform),
        "eks": _eks(platform),
        "cluster": _cluster(platform),
        "groups": [_group(platform, group) for group in platform.cluster.groups],
        "addons": _addons(platform),
        "dependency_chart": _chart(platform),
        "file_systems": [_file_system(platform, system) for system in platform.storage.lustre],
        "buckets": [
            {"name": each.name, "removal": each.removal, "access": each.access} for each in platform.storage.buckets
        ],
        "teams": [
            {"name": team.name, "namespace": team.namespace, "queue": team.queue}
            for team in (platform.governance.teams if platform.governance else ())
        ],
        "jobs": [
            {"name": job.name, "namespace": job.effective_namespace, "priority": job.priority}
            for job in platform.completed_jobs
        ],
    }


def _network(platform: Platform) -> dict[str, Any]:
    network = platform.network
    if network.existing is not None:
        subnets = [
            {"kind": "node", "zone": each.availability_zone_id, "cidr": each.cidr, "id": each.subnet_id}
            for each in network.existing.node_subnets
        ]
        return {"vpc": network.existing.vpc_id, "zones": list(zones_of(network)), "subnets": subnets}
    planned = plan(network)
    subnets = [{"kind": each.kind, "zone": each.availability_zone_id, "cidr": each.cidr} for each in planned.subnets]
    return {
        "vpc": network.vpc_cidr,
        "secondary_cidrs": list(planned.secondary_cidrs),
        "mode": network.mode,
        "nat": network.nat if network.mode == "open" else "none",
        "subnets": subnets,
    }


def _eks(platform: Platform) -> dict[str, Any]:
    eks = platform.completed_eks
    if eks.existing is not None:
        return {
            "cluster": eks.existing.cluster_name,
            "kubernetes_version": eks.kubernetes_version or "version of the existing cluster",
            "endpoint_access": eks.endpoint_access,
            "admins": list(eks.admins) if eks.existing.admin_entries else [],
        }
    return {
        "cluster": eks.cluster_name or _UNNAMED,
        "kubernetes_version": eks.version,
        "endpoint_access": eks.endpoint_access,
        "admins": list(eks.admins),
    }


def _cluster(platform: Platform) -> dict[str, Any]:
    cluster = platform.completed_cluster
    return {
        "name": cluster.cluster_name or _UNNAMED,
        "provisioning": cluster.provisioning,
        "node_recovery": cluster.node_recovery,
        "system_group": getattr(system_group(cluster), "name", None)
        or "none: every group has taints, deep health checks or a count of 0",
        "counts": cluster.counts,
    }


_UNNAMED = "named by CloudFormation"


def _group(platform: Platform, group: Any) -> dict[str, Any]:
    cluster = platform.cluster
    lifecycle = (
        (group.lifecycle or cluster.lifecycle).mode if isinstance(group, InstanceGroup) else "managed by the service"
    )
    role = group.execution_role_arn or cluster.execution_role_arn
    return {
        "name": group.name,
        "types": list(group.types),
        "count": group.count,
        "zone": ", ".join(group.subnet_ids) or group.availability_zone_id or default_zone(platform.network),
        "execution_role": role or f"new, {cluster.execution_roles}",
        "lifecycle": lifecycle,
        "restricted": not isinstance(group, InstanceGroup),
    }


def _addons(platform: Platform) -> list[dict[str, Any]]:
    version = platform.eks.assumed_version
    found = []
    for key, settings in platform.installed_addons.items():
        facts = catalog.find_addon(ADDON_NAMES.get(key, ""))
        known = [each.version for each in facts.versions if each.covers(version) and each.installable] if facts else []
        named = getattr(settings, "version", None)
        chosen = named or (known[0] if known else "chosen by EKS" if facts else "pinned chart")
        by = "config" if named else "catalog" if known else "EKS" if facts else "catalog"
        written = key in platform.addons.model_fields_set
        found.append({"key": key, "version": chosen, "version_from": by, "in_config": written})
    return found


def _chart(platform: Platform) -> dict[str, Any]:
    chart = platform.dependencies
    switches = [name for name, info in type(chart).model_fields.items() if info.annotation in (bool, bool | None)]
    return {
        "installed": chart.enabled,
        "source": _source(chart.chart) if chart.enabled else "none",
        "components": [name for name in switches if chart.enabled and name != "enabled" and chart.is_on(name)],
    }


def _source(chart: ChartSource | None) -> str:
    """The source of a chart, as text."""
    source = chart or pinned_chart()
    if isinstance(source, FolderChart):
        return f"folder {source.path}"
    if isinstance(source, OciChart):
        return f"{source.reference} {source.version}"
    return f"{source.repository.removeprefix('https://')} {source.commit[:12]}"


def _file_system(platform: Platform, system: Any) -> dict[str, Any]:
    if system.existing_id:
        return {"name": system.name, "existing": system.existing_id, "namespaces": list(system.namespaces)}
    zone = system.availability_zone_id or storage_zone(platform.cluster) or default_zone(platform.network)
    return {
        "name": system.name,
        "size_gib": system.size_gib,
        "type": system.deployment_type,
        "throughput": system.effective_throughput,
        "zone": zone,
        "namespaces": list(system.namespaces),
        "removal": system.removal,
    }
