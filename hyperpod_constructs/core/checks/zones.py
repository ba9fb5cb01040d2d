"""HP11x: availability zones."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import Region, limit, matches, region_of_zone_id
from ..findings import Severity
from ..network_plan import control_plane_zones, zones_of
from ..plural import count
from ..spec.base import is_token
from ..spec.network import Network
from .context import Context, as_text, skipped
from .registry import Problem, rule


@rule(
    "HP110",
    title="The network has two availability zones.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster, after the VPC, the bucket and the roles have been created. HyperPod itself "
    "requires one zone only.",
    cure="Add a second zone id; groups can still be in one zone.",
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
        # without any zone, an existing network that could not be read may have them
        if zones < need and (zones or "network" not in ctx.cut):
            yield Problem(
                "network.availability_zone_ids",
                f"{count(zones, 'availability zone')}; EKS requires at least {need}",
            )
    elif network.existing.control_plane_subnet_ids:
        subnets = len(set(network.existing.control_plane_subnet_ids))
        if subnets < need:
            place = "network.existing.control_plane_subnet_ids"
            message = f"{count(subnets, 'subnet')}; EKS requires at least {need} in different zones"
            yield Problem(place, message, "Add a subnet in another zone.")
    else:
        zones = len({subnet.availability_zone_id for subnet in network.existing.node_subnets})
        if zones < need:
            cure = "Specify control_plane_subnet_ids in two zones; the node subnets can stay in one."
            message = (
                f"{count(zones, 'availability zone')}; EKS also uses the node subnets, and requires at least {need}"
            )
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
    title="Zones are unique.",
    severity=Severity.ERROR,
    why="Groups select their subnet by the zone, which is ambiguous with two subnets, and one zone does not "
    "count as two.",
    cure="Use another zone, or remove it.",
    source="this project; EKS needs subnets in different zones",
    wrong="network: {availability_zone_ids: [usw2-az1, usw2-az1]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def distinct_zones(network: Network, ctx: Context) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for path, zone in _zone_ids(ctx):
        if zone in seen:
            yield Problem(path, f"the zone {as_text(zone)} is used twice, first at {seen[zone]}")
        seen.setdefault(zone, path)


@rule(
    "HP112",
    title="Zones are zone ids of the region.",
    severity=Severity.ERROR,
    why="The subnets cannot be created. Zone names mean different zones in different accounts; zone ids do not.",
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
                message = f"the catalog does not list the zone {as_text(zone)} for {region_facts.name}"
                known = f"Use one of {', '.join(region_facts.zone_ids)}, or verify that your account has this zone."
                why = "The subnets cannot be created, unless the zone is new in the region."
                yield Problem(path, message, known, why, Severity.WARNING)
            continue
        if is_token(zone):
            yield skipped(path)
            continue
        other = region_of_zone_id(zone)
        example = f"{region_facts.zone_id_prefix}-az1"
        if matches("zone_name", zone):
            problem, cure = f"{as_text(zone)} is a zone name, not a zone id such as {example}", None
        elif other is not None:
            problem, cure = (
                f"{as_text(zone)} is a zone of {other.name}, not of {region_facts.name}",
                f"Use ids such as {example}.",
            )
        else:
            problem, cure = f"{as_text(zone)} is not a zone id of {region_facts.name}", f"Use ids such as {example}."
        yield Problem(path, problem, cure, None if path.startswith("network") else _NO_SUBNET)


_NO_SUBNET = "The network has no subnet in this zone."


@rule(
    "HP113",
    title="Subnets of the control plane are in zones that EKS supports.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster (UnsupportedAvailabilityZoneException), after the VPC, the bucket and the "
    "roles have been created.",
    cure="List two other zones first, or set network.control_plane_zone_ids.",
    source="EKS user guide, network-reqs: zones that do not support subnets of a cluster",
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
        cure = "Set control_plane_subnet_ids to subnets in other zones; node subnets can be in this one."
    used = control_plane_zones(network)
    for path, zone in _zone_ids(ctx):
        if zone in region_facts.eks_refused_zone_ids and zone in used:
            yield Problem(path, f"EKS does not support control planes in {zone}", cure)


@rule(
    "HP124",
    title="The zones of the control plane are two or more zones of the network.",
    severity=Severity.ERROR,
    why="There is no subnet in another zone, and EKS requires two zones.",
    cure="Specify two or more of the network's zones, or remove control_plane_zone_ids.",
    source="EKS CreateCluster, resourcesVpcConfig: at least two subnets, in different zones",
    wrong="network: {availability_zone_ids: [usw2-az1, usw2-az2], control_plane_zone_ids: [usw2-az1]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2, usw2-az3], control_plane_zone_ids: [usw2-az1, usw2-az3]}\n",
)
def zones_of_control_plane_exist(network: Network, ctx: Context) -> Iterator[Problem]:
    if not network.control_plane_zone_ids:
        return
    known, need = zones_of(network), limit("eks_subnets").value
    named = network.control_plane_zone_ids
    for index, zone in enumerate(named):
        path = f"network.control_plane_zone_ids[{index}]"
        if zone not in known and not any(map(is_token, (zone, *known))):
            yield Problem(path, f"{zone} is not a zone of the network ({', '.join(known)})")
        elif zone in named[:index]:
            yield Problem(path, f"{zone} is listed twice")
    if len(set(named)) < need and not (ctx.eks and ctx.eks.existing):
        yield Problem("network.control_plane_zone_ids", f"{len(set(named))} zone; EKS requires {need}")


@rule(
    "HP125",
    title="With three or more zones, the zones of the control plane are set.",
    severity=Severity.NOTE,
    why="EKS rejects another set of zones after creation, and another VpcConfig replaces the HyperPod "
    "cluster. Version 0.1.0 of this library used all zones; later versions use the first two.",
    cure="For a platform that was deployed by version 0.1.0, set network.control_plane_zone_ids to all zones "
    "that it had.",
    source="EKS UpdateClusterConfig: `should belong to the exact set of AZs ... provided during cluster creation`, and the "
    "CloudFormation schema of AWS::SageMaker::Cluster (VpcConfig is create-only)",
    wrong="network: {availability_zone_ids: [usw2-az1, usw2-az2, usw2-az3]}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2, usw2-az3], control_plane_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def zones_of_control_plane_are_named(network: Network, ctx: Context) -> Iterator[Problem]:
    if network.control_plane_zone_ids or len(zones_of(network)) <= limit("eks_subnets").value:
        return
    place = "network.existing.node_subnets" if network.existing else "network.availability_zone_ids"
    message = f"the control plane and the cluster's VpcConfig use {', '.join(control_plane_zones(network))}"
    # without `defaults: 2` the platform may have been deployed by version 0.1.0
    yield Problem(place, message, severity=Severity.WARNING if ctx.defaults == 1 else None)
