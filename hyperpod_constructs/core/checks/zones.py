"""HP11x: availability zones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import Region, limit, region_of_zone_id
from ..findings import Severity
from ..spec.base import is_token
from ..spec.network import Network
from .context import Context, as_text, skipped
from .registry import Problem, rule


@rule(
    "HP110",
    title="The network has two zones, since EKS needs two.",
    severity=Severity.ERROR,
    why="EKS refuses the cluster, after the VPC, the bucket and the roles were made. HyperPod itself needs one zone only.",
    cure="Name a second zone id; groups can still be in one zone.",
    source="EKS CreateCluster, resourcesVpcConfig: at least two subnets, in different zones",
    wrong="network: {availability_zone_ids: [usw2-az1]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def two_zones(network: Network, ctx: Context) -> Iterator[Problem]:
    need = limit("eks_subnets").value
    if ctx.eks is not None and ctx.eks.existing is not None:
        return
    if network.existing is None:
        zones = len(set(network.availability_zone_ids))
        if zones < need:
            yield Problem("network.availability_zone_ids", f"names {zones} availability zone(s); EKS needs {need}")
    elif network.existing.control_plane_subnet_ids:
        subnets = len(set(network.existing.control_plane_subnet_ids))
        if subnets < need:
            place = "network.existing.control_plane_subnet_ids"
            yield Problem(place, f"names {subnets} subnet(s); EKS needs {need} in different zones")
    else:
        zones = len({subnet.availability_zone_id for subnet in network.existing.node_subnets})
        if zones < need:
            cure = "Name control_plane_subnet_ids in two zones; the node subnets can stay in one."
            message = f"are in {zones} availability zone, and EKS, which uses them too, needs {need}"
            yield Problem("network.existing.node_subnets", message, cure)


def _zone_ids(ctx: Context) -> Iterator[tuple[str, str]]:
    if ctx.network is not None and ctx.network.existing is None:
        for index, zone in enumerate(ctx.network.availability_zone_ids):
            yield f"network.availability_zone_ids[{index}]", zone
    elif ctx.network is not None and ctx.network.existing is not None:
        for index, subnet in enumerate(ctx.network.existing.node_subnets):
            yield f"network.existing.node_subnets[{index}].availability_zone_id", subnet.availability_zone_id


@rule(
    "HP111",
    title="Each zone is named once.",
    severity=Severity.ERROR,
    why="Groups find their subnet by the zone; with two of one zone that is ambiguous, and one zone is not two.",
    cure="Name another zone, or remove it.",
    source="this project; EKS needs subnets in different zones",
    wrong="network: {availability_zone_ids: [usw2-az1, usw2-az1]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def distinct_zones(network: Network, ctx: Context) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for path, zone in _zone_ids(ctx):
        if zone in seen:
            yield Problem(path, f"the zone {as_text(zone)} is named twice, first at {seen[zone]}")
        seen.setdefault(zone, path)


@rule(
    "HP112",
    title="Zones are named by ids of the region.",
    severity=Severity.ERROR,
    why="The subnets cannot be made. Zone names mean different zones in different accounts, ids do not.",
    cure="Use zone ids: `aws ec2 describe-availability-zones --query AvailabilityZones[].ZoneId`.",
    source="EC2: AvailabilityZoneId of CreateSubnet",
    wrong="network: {availability_zone_ids: [us-west-2a, us-west-2b]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def zone_ids_of_region(region_facts: Region, ctx: Context) -> Iterator[Problem]:
    places = [*_zone_ids(ctx), *((f"{path}.availability_zone_id", g.availability_zone_id) for path, g in ctx.groups)]
    if ctx.storage is not None:
        places += [
            (f"storage.lustre[{i}].availability_zone_id", s.availability_zone_id)
            for i, s in enumerate(ctx.storage.lustre)
        ]
    for path, zone in places:
        if zone is None:
            continue
        if region_facts.owns_zone_id(zone):
            if region_facts.zone_ids and zone not in region_facts.zone_ids:
                message = f"{as_text(zone)} is not among the zones that {region_facts.name} is known to have"
                known = f"Use one of {', '.join(region_facts.zone_ids)}, or see that your account has this one."
                why = "The subnets cannot be made, unless the region has gained the zone since."
                yield Problem(path, message, known, why, Severity.WARNING)
            continue
        if is_token(zone):
            yield skipped(path)
            continue
        other = region_of_zone_id(zone)
        example = f"{region_facts.zone_id_prefix}-az1"
        if re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9][a-z]", zone):
            said, cure = f"{as_text(zone)} is a zone name, not a zone id such as {example}", None
        elif other is not None:
            said, cure = (
                f"{as_text(zone)} is a zone of {other.name}, not of {region_facts.name}",
                f"Use ids such as {example}.",
            )
        else:
            said, cure = f"{as_text(zone)} is no zone id of {region_facts.name}", f"Use ids such as {example}."
        yield Problem(path, said, cure)


@rule(
    "HP113",
    title="Subnets of the control plane are in zones that EKS takes.",
    severity=Severity.ERROR,
    why="EKS refuses the cluster (UnsupportedAvailabilityZoneException), after the VPC, the bucket and the roles were made.",
    cure="Name other zones: every zone of a network that is made gets a subnet for the control plane.",
    source="EKS user guide, network-reqs: zones in which the cluster's subnets can't be",
    wrong="network: {availability_zone_ids: [use1-az3, use1-az4]}\nregion: us-east-1\n",
    right="network: {availability_zone_ids: [use1-az2, use1-az4]}\nregion: us-east-1\n",
)
def zones_for_control_plane(network: Network, region_facts: Region, ctx: Context) -> Iterator[Problem]:
    if ctx.eks is not None and ctx.eks.existing is not None:
        return
    cure = None
    if network.existing is not None:
        if network.existing.control_plane_subnet_ids:
            return
        cure = "Name control_plane_subnet_ids in other zones; node subnets can be in this one."
    for path, zone in _zone_ids(ctx):
        if zone in region_facts.eks_refused_zone_ids:
            yield Problem(path, f"EKS has no control planes in {zone}", cure)
