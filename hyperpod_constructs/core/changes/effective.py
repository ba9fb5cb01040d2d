"""A platform as it is deployed: omitted defaults are equal to explicit ones."""

from __future__ import annotations

from typing import Any

from .. import catalog
from ..chart import pinned_chart
from ..network_plan import default_zone
from ..placement import storage_zone
from ..spec.addons import ADDON_NAMES, CORE, PREREQUISITES, Addons
from ..spec.cluster import Cluster
from ..spec.groups import InstanceGroup, RestrictedInstanceGroup
from ..spec.platform import Platform
from ..spec.storage import Storage


def effective(platform: Platform) -> Platform:
    """Fills in the defaults that depend on other parts of the config.

    >>> from ..spec import Network
    >>> zones = Network(availability_zone_ids=["usw2-az1", "usw2-az2"])
    >>> group = InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1)
    >>> platform = Platform(name="a", region="us-west-2", network=zones, cluster=Cluster(instance_groups=[group]))
    >>> effective(platform).cluster.instance_groups[0].availability_zone_id
    'usw2-az1'
    """
    zone = default_zone(platform.network)
    updated: dict[str, Any] = {
        "cluster": _cluster(platform, zone),
        "storage": _storage(platform, zone),
        "addons": _addons(platform),
        "jobs": platform.completed_jobs,
    }
    updated["eks"] = eks = platform.completed_eks
    if eks.existing is None and eks.kubernetes_version is None:
        updated["eks"] = eks.model_copy(update={"kubernetes_version": eks.version})
    chart = platform.dependencies
    update: dict[str, Any] = {"nvidia_device_plugin": chart.has_nvidia_device_plugin}
    if chart.chart == pinned_chart():
        update["chart"] = None
    updated["dependencies"] = chart.model_copy(update=update)
    return platform.model_copy(update=updated)


def _cluster(platform: Platform, zone: str | None) -> Cluster:
    cluster = platform.cluster

    def filled(group: InstanceGroup | RestrictedInstanceGroup) -> Any:
        update: dict[str, Any] = {}
        if group.availability_zone_id is None and not group.subnet_ids:
            update["availability_zone_id"] = zone
        if isinstance(group, InstanceGroup) and group.lifecycle == cluster.lifecycle:
            update["lifecycle"] = None
        return group.model_copy(update=update)

    return cluster.model_copy(
        update={
            "cluster_name": platform.completed_cluster.cluster_name,
            "instance_groups": tuple(map(filled, cluster.instance_groups)),
            "restricted_instance_groups": tuple(map(filled, cluster.restricted_instance_groups)),
        }
    )


def _storage(platform: Platform, zone: str | None) -> Storage:
    def removal(configured: str) -> str:
        return "destroy" if configured == "destroy" and platform.allow_data_loss else "retain"

    storage = platform.storage
    where = storage_zone(platform.cluster) or zone
    systems = [
        file_system
        if file_system.existing_id
        else file_system.model_copy(
            update={
                "availability_zone_id": file_system.availability_zone_id or where,
                "throughput": file_system.effective_throughput,
                "removal": removal(file_system.removal),
            }
        )
        for file_system in storage.lustre
    ]
    buckets = [bucket.model_copy(update={"removal": removal(bucket.removal)}) for bucket in storage.buckets]
    return storage.model_copy(update={"lustre": tuple(systems), "buckets": tuple(buckets)})


def _addons(platform: Platform) -> Addons:
    """Returns the add-ons without values that equal their default: a version, a prerequisite, `enabled`."""
    version = platform.eks.version
    needed = {need for key, needs in PREREQUISITES.items() if _is_enabled(platform.addons, key) for need in needs}
    found: dict[str, Any] = {}
    for key in Addons.model_fields:
        addon = getattr(platform.addons, key)
        if addon is None:
            continue
        known = catalog.find_addon(ADDON_NAMES[key]) if key in ADDON_NAMES else None
        default = known.version_for(version) if known and version else None
        if default is not None and getattr(addon, "version", None) == default.version:
            addon = addon.model_copy(update={"version": None})
        if key not in CORE and (not addon.enabled if key not in needed else addon == type(addon)()):
            addon = None
        found[key] = addon
    return platform.addons.model_copy(update=found)


def _is_enabled(addons: Addons, key: str) -> bool:
    addon = getattr(addons, key)
    return addon is not None and addon.enabled
