"""Selects the instance group that a part of the platform uses."""

from __future__ import annotations

from typing import TypeGuard

from . import catalog
from .spec.cluster import Cluster
from .spec.groups import InstanceGroup


def accepts_any_pod(group: object) -> TypeGuard[InstanceGroup]:
    """Whether ordinary pods can be scheduled on a group's nodes as soon as they join."""
    return (
        isinstance(group, InstanceGroup)
        and group.count > 0
        and not any(taint.effect != "PreferNoSchedule" for taint in group.taints)
    )


def system_group(cluster: Cluster) -> InstanceGroup | None:
    """The group that runs operators and add-ons: it accepts any pod immediately, without deep health checks.

    CPU groups are preferred over accelerated ones, then the group with the most instances; None if there is none.
    """
    candidates = [g for g in cluster.instance_groups if accepts_any_pod(g) and not g.deep_health_checks]
    return max(candidates, key=lambda group: (not is_accelerated(group), group.count), default=None)


def storage_zone(cluster: Cluster) -> str | None:
    """The zone ID of the first accelerated group that sets one: file systems should be in the same zone."""
    zones = (g.availability_zone_id for g in cluster.instance_groups if is_accelerated(g))
    return next((zone for zone in zones if zone), None)


def is_accelerated(group: InstanceGroup) -> bool:
    """Whether a group has accelerators, or an instance type that is not in the catalog."""
    types = [catalog.find_instance_type(name) for name in group.types]
    return any(type_ is None or type_.is_accelerated for type_ in types)
