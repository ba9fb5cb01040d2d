"""Edits of the platform as a whole and of its network."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from ...network_plan import control_plane_zones, plan, zones_of
from ...plural import count
from ...spec.base import Change
from ...spec.network import Network
from ...spec.platform import Platform
from ..edit import Edit, edit, ordered
from .registry import Versions, on


@on("name", "region")
def _other_stacks(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    impact = f"the stacks of {versions.old.name} in {versions.old.region} stay deployed, keep running and are billed; "
    yield edit(path, Change.LEAVES_BEHIND, before, after, impact=impact + "a second platform is created")


@on("account")
def _account(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if before is None or after is None:
        impact = (
            "nothing changes if this is the account of the deployed platform; otherwise a second platform is created"
        )
        yield edit(path, Change.NONE, before, after, impact=impact)
    else:
        yield from _other_stacks(versions, path, before, after)


@on("network.nat")
def _nat(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if after == "none":
        impact = "nodes and pods lose internet access: image pulls and calls to AWS APIs without a VPC endpoint fail"
        yield edit(
            path,
            Change.DRAINS,
            before,
            after,
            impact=impact,
            advice="add VPC endpoints for all required services first",
        )
    else:
        impact = "running work continues; connections through a removed NAT gateway are closed"
        yield edit(path, Change.IN_PLACE, before, after, impact=impact)


@on("network.mode")
def _mode(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    closed = "internet gateway, NAT gateways and public subnets are removed: nodes and pods lose internet access"
    opened = "an internet gateway and public subnets are added, NAT gateways by network.nat; running work continues"
    yield edit(
        path,
        Change.DRAINS if after == "closed" else Change.IN_PLACE,
        before,
        after,
        impact=closed if after == "closed" else opened,
    )


@on(
    "network.availability_zone_ids",
    "network.node_cidrs",
    "network.control_plane_zone_ids",
    "network.existing.node_subnets",
)
def _compared_together(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    """Reported by `of_platforms`, which compares all zones and CIDRs together."""
    yield from ()


def _network(old: Platform, new: Platform) -> Iterator[Edit]:
    before, after = old.network, new.network
    if (before.existing is None) != (after.existing is None) or before.vpc_cidr != after.vpc_cidr:
        return  # reported by the field: everything is replaced
    field = "network.existing.node_subnets" if after.existing else "network.availability_zone_ids"
    zones, new_zones = zones_of(before), zones_of(after)
    added, gone = [z for z in new_zones if z not in zones], [z for z in zones if z not in new_zones]
    if added:
        impact = "subnets, routes and endpoints are added for each new zone; running work continues"
        message = f"{', '.join(added)} {'is' if len(added) == 1 else 'are'} added"
        yield edit(
            field,
            Change.IN_PLACE,
            list(zones),
            list(new_zones),
            message,
            impact=impact,
        )
    fixed, fixed_after = control_plane_zones(before), control_plane_zones(after)
    if set(fixed) != set(fixed_after):
        yield _fixed_zones(old, new, fixed, fixed_after)
    for zone in gone:
        if zone not in fixed:
            yield _zone_removed(old, new, field, zone)
    yield from _moved_subnets(before, after)


def _fixed_zones(old: Platform, new: Platform, before: tuple[str, ...], after: tuple[str, ...]) -> Edit:
    path = "network.control_plane_zone_ids"
    zones = ", ".join(before)
    if new.eks.existing is not None:
        advice = f"set network.control_plane_zone_ids to {zones}"
        return edit(path, Change.REPLACES_CLUSTER, list(before), list(after), advice=advice)
    impact = "EKS rejects another set of zones for the control plane; the Eks stack rolls back"
    has_zones = all(zone in zones_of(new.network) for zone in before)
    advice = f"set network.control_plane_zone_ids to {zones}" if has_zones else f"keep {zones} in the network"
    return edit(path, Change.REFUSED, list(before), list(after), impact=impact, advice=advice)


def _zone_removed(old: Platform, new: Platform, field: str, zone: str) -> Edit:
    users = [group.name for group in old.cluster.groups if group.availability_zone_id == zone]
    users += [system.name for system in old.storage.lustre if system.availability_zone_id == zone]
    if users:
        names = ", ".join(f'"{user}"' for user in users)
        message = f"{zone} is removed while {names} {'is' if len(users) == 1 else 'are'} deployed there"
        impact = "CloudFormation rejects the change: the Network stack is updated first, and its subnets are in use"
        advice = f"use two deployments: first remove {names}, then the zone"
        return edit(field, Change.REFUSED, zone, None, message, impact=impact, advice=advice)
    return edit(
        field, Change.IN_PLACE, zone, None, f"{zone} is removed", impact="its subnets, which nothing uses, are deleted"
    )


def _moved_subnets(before: Network, after: Network) -> Iterator[Edit]:
    """Reports subnets of remaining zones whose CIDR changes."""
    try:
        old = {(s.kind, s.availability_zone_id): s.cidr for s in plan(before).subnets}
        new = {(s.kind, s.availability_zone_id): s.cidr for s in plan(after).subnets}
    except ValueError:  # invalid CIDRs, reported by rules
        return
    moved = {key: (cidr, new[key]) for key, cidr in old.items() if key in new and new[key] != cidr}
    if not moved or after.existing is not None:
        return
    path = "network.node_cidrs" if before.node_cidrs != after.node_cidrs else "network.availability_zone_ids"
    (kind, zone), (cidr, new_cidr) = next(iter(moved.items()))
    message = f"the {kind} subnet of {zone} moves from {cidr} to {new_cidr}"
    message += (
        f", and {count(len(moved) - 1, 'more subnet')} {'moves' if len(moved) == 2 else 'move'}"
        if len(moved) > 1
        else ""
    )
    overlap = any(
        ip_network(new_name).overlaps(ip_network(other)) for _, new_name in moved.values() for other in old.values()
    )
    if overlap:
        impact = "EC2 rejects the change: CloudFormation creates the new subnet while another subnet has its CIDR"
        yield edit(path, Change.REFUSED, cidr, new_cidr, message, impact=impact,
                   advice="keep the order of the zones, and append new ones at the end")  # fmt: skip
    elif any(kind != "public" and zone in control_plane_zones(before) for kind, zone in moved):
        yield edit(path, Change.REPLACES_CLUSTER, cidr, new_cidr, message)
    else:
        node = any(kind == "node" for kind, _ in moved)
        yield edit(path, Change.REPLACES_GROUP if node else Change.REPLACES, cidr, new_cidr, message)


@on("network.existing.control_plane_subnet_ids")
def _control_plane_subnets(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    impact = "EKS moves its network interfaces; it rejects subnets in zones other than those at creation"
    yield edit(path, Change.IN_PLACE, list(before), list(after), impact=impact)


def of_platforms(old: Platform, new: Platform) -> list[Edit]:
    """Returns the edits of zones and CIDRs, which involve several fields."""
    return ordered(_network(old, new))
