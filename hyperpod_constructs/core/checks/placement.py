"""HP311 to HP315: placement of groups: zones, subnets, EFA, and nodes for all other pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..findings import Severity
from ..placement import accepts_any_pod
from ..spec.addons import CORE
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.groups import InstanceGroup
from ..spec.network import Network
from .context import Context, Groups, as_text, skipped, types_of
from .registry import Problem, rule

_EFA = "documentation page sagemaker-hyperpod-prerequisites: EFA traffic cannot cross a zone or a VPC"


def _zones(ctx: Context) -> tuple[str, ...]:
    network = ctx.network
    if network is None:
        return ()
    if network.existing is not None:
        return tuple(subnet.availability_zone_id for subnet in network.existing.node_subnets)
    return tuple(network.availability_zone_ids)


@rule(
    "HP311",
    title="A group's zone is a zone of the network.",
    severity=Severity.ERROR,
    complete=("network",),
    why="The network has no subnet in the zone.",
    cure="Use a zone of the network, add the zone to it, or set subnet_ids.",
    source="service model of sagemaker: OverrideVpcConfig names subnets",
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "availability_zone_id: usw2-az4}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "availability_zone_id: usw2-az2}]}\n",
)
def zone_in_network(network: Network, groups: Groups, ctx: Context) -> Iterator[Problem]:
    zones = _zones(ctx)
    places = [(f"{path}.availability_zone_id", g.availability_zone_id) for path, g in groups if not g.subnet_ids]
    for index, system in enumerate(ctx.storage.lustre if ctx.storage else ()):
        if system.existing_id is None:
            places.append((f"storage.lustre[{index}].availability_zone_id", system.availability_zone_id))
    for path, zone in places:
        if zone is None or zone in zones or any(map(is_token, zones)):
            continue
        if is_token(zone):
            yield skipped(path)
            continue
        listed = f"the network's zones are {', '.join(zones)}" if zones else "the network has no zones"
        cure = "Use a zone of the network, or add the zone to it." if path.startswith("storage") else None
        yield Problem(path, f"{as_text(zone)} is not a zone of the network; {listed}", cure)


@rule(
    "HP312",
    title="Groups with EFA are in one zone.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="A job in both groups has no EFA between them, and falls back to TCP or does not start.",
    cure="Use one zone for the groups, or keep each job in one group.",
    source=_EFA,
    wrong="cluster: {instance_groups: [{name: a, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}, {name: b, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az2}]}\n",
    right="cluster: {instance_groups: [{name: a, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: "
    "usw2-az1}, {name: b, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az1}]}\n",
)
def efa_zones(groups: Groups, ctx: Context) -> Iterator[Problem]:
    by_family: dict[str, dict[str, str]] = {}
    for path, group in groups:
        zone = ctx.zone_of(group)
        families = {
            instance_type.family
            for instance_type in types_of(group)
            if instance_type.supports_efa and instance_type.is_accelerated
        }
        for family in families:
            if zone is not None and not is_token(zone):
                by_family.setdefault(family, {}).setdefault(zone, path)
    for family, places in by_family.items():
        for zone, path in list(places.items())[1:]:
            first = next(iter(places))
            message = f"EFA nodes of the {family} family are in {zone} here, and in {first} in {places[first]}"
            yield Problem(f"{path}.availability_zone_id", message)


@rule(
    "HP313",
    title="The subnets of a group with EFA are in one zone.",
    severity=Severity.WARNING,
    why="EFA health checks fail between nodes of two zones.",
    cure="Specify subnets of one zone for the group.",
    source=_EFA,
    wrong="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, "
    "availability_zone_id: usw2-az2}]}}\ncluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, "
    "count: 2, subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]}]}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, "
    "availability_zone_id: usw2-az2}]}}\ncluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, "
    "count: 2, subnet_ids: [subnet-0123456789abcdef0]}]}\n",
)
def efa_subnets(groups: Groups, ctx: Context) -> Iterator[Problem]:
    for path, group in groups:
        if any(instance_type.supports_efa for instance_type in types_of(group)):
            zones = zones_of_subnets(ctx, group.subnet_ids)
            if len(zones) > 1:
                yield Problem(f"{path}.subnet_ids", f"{len(zones)} zones ({', '.join(zones)}), but the nodes have EFA")


def zones_of_subnets(ctx: Context, subnet_ids: Sequence[str]) -> tuple[str, ...]:
    """The zones of existing subnets, if the network sets them."""
    if ctx.network is None or ctx.network.existing is None:
        return ()
    known = {subnet.subnet_id: subnet.availability_zone_id for subnet in ctx.network.existing.node_subnets}
    return tuple(dict.fromkeys(known[subnet] for subnet in subnet_ids if subnet in known))


@rule(
    "HP314",
    title="A group is placed by its zone or by its subnets, not both.",
    severity=Severity.WARNING,
    why="The nodes are in the zones of the subnets.",
    cure="Remove one of the two.",
    source="this project",
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, availability_zone_id: "
    "usw2-az1, subnet_ids: [subnet-0123456789abcdef0]}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "availability_zone_id: usw2-az1}]}\n",
)
def zone_or_subnets(groups: Groups) -> Iterator[Problem]:
    for path, group in groups:
        if group.subnet_ids and group.availability_zone_id is not None:
            yield Problem(f"{path}.availability_zone_id", "ignored: subnet_ids are set")


@rule(
    "HP319",
    title="Subnets and security groups of a group are in the network's VPC.",
    severity=Severity.ERROR,
    complete=("network",),
    why="CreateCluster rejects them: existing resources are in another VPC than the new one.",
    cure="Remove them, or specify their network in network.existing. Acknowledge the finding if they were "
    "added to the VPC after its deployment.",
    source="EC2: a subnet and a security group belong to one VPC",
    certain=False,
    wrong="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "subnet_ids: [subnet-0123456789abcdef0]}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2, "
    "availability_zone_id: usw2-az1}]}\n",
)
def of_the_vpc(groups: Groups, network: Network) -> Iterator[Problem]:
    if network.existing is not None:
        return
    for path, group in groups:
        for name in ("subnet_ids", "security_group_ids"):
            for index, value in enumerate(getattr(group, name)):
                if not is_token(value):
                    severity = Severity.ERROR if name == "subnet_ids" else Severity.WARNING
                    message = f"{as_text(value)} is an existing resource, but the VPC is new"
                    yield Problem(f"{path}.{name}[{index}]", message, severity=severity)


@rule(
    "HP315",
    title="The cluster has CPU nodes without taints or deep health checks for add-ons.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="CoreDNS, operators and webhooks stay pending until other nodes are available.",
    cure="Add a group such as {name: system, instance_type: ml.m5.4xlarge, count: 2}.",
    source="documentation pages on deep health checks and taints; Terraform module cert_manager",
    wrong="cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2, taints: [{key: gpu, "
    "effect: NoSchedule}]}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, {name: workers, "
    "instance_type: ml.p5.48xlarge, count: 2, taints: [{key: gpu, effect: NoSchedule}]}]}\n",
)
def system_group(cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    groups = list(ctx.groups)
    if not groups or (ctx.eks is not None and ctx.eks.existing is not None):
        return
    open_groups: list[InstanceGroup] = [group for _, group in groups if accepts_any_pod(group)]
    place = "cluster.instance_groups"
    if not open_groups and not cluster.instance_groups:
        addons = [key for key in ctx.effective_addons if key not in CORE]
        message = f"all groups are restricted, and {', '.join(addons)} cannot run on their nodes"
        if addons:  # core add-ons tolerate restricted nodes
            yield Problem(place, message, "Add an ordinary group, or remove the add-ons.", "Their pods stay pending.")
        return
    if not open_groups:
        message = "every group has taints, is restricted or starts without nodes: no pods of the platform can run"
        # Whether an existing EKS cluster has other capacity is unknown.
        yield Problem(place, message, severity=Severity.ERROR if ctx.eks is not None else None)
        return
    if all(group.deep_health_checks for group in open_groups):
        message = "every group without taints has deep health checks: add-ons time out before the nodes are available"
        why = "Nodes run no pods until their checks pass, in 60 to 90 minutes; add-ons wait less than that."
        yield Problem(place, message, consequence=why, severity=Severity.ERROR if ctx.eks is not None else None)
    elif all(any(instance_type.is_accelerated for instance_type in types_of(group)) for group in open_groups):
        why = "CoreDNS, operators and webhooks use capacity of accelerated nodes."
        yield Problem(place, "every group without taints has accelerators", consequence=why)
