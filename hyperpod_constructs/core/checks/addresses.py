"""HP12x and HP13x: IP addresses for nodes, and CIDRs that must not overlap."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ..catalog import allowed, limit
from ..findings import Severity
from ..network_plan import EKS_SERVICE_RANGES, Demand, demands, ip_range, least_addresses, usable
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.eks import Eks
from ..spec.network import Network
from .context import Context, as_text, skipped
from .network import parsed
from .registry import Problem, rule

_DOCS = (
    "documentation page sagemaker-hyperpod-prerequisites (a P5 takes up to 81 addresses); AWS keeps 5 of each subnet"
)


def _vpc_blocks(ctx: Context) -> list[IPv4Network]:
    """The CIDRs of the VPC, as far as they are known."""
    network = ctx.network
    if network is None:
        return []
    if network.existing is not None:
        return [block for cidr in network.existing.vpc_cidrs if (block := parsed(cidr)) is not None]
    primary = parsed(network.vpc_cidr)
    secondary = [ip_range(cidr) for cidr in ctx.plan.secondary_cidrs] if ctx.plan else []
    return [*([primary] if primary else []), *secondary]


@rule(
    "HP120",
    title="The service CIDR of Kubernetes is private, /12 to /24.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster.",
    cure="Use a range in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, /12 to /24, or remove it.",
    source="EKS: KubernetesNetworkConfigRequest.serviceIpv4Cidr",
    wrong="eks: {service_cidr: 100.64.0.0/16}\n",
    right="eks: {service_cidr: 172.20.0.0/16}\n",
)
def service_range(eks: Eks) -> Iterator[Problem]:
    text = eks.service_cidr if eks else None
    if text is None:
        return
    if is_token(text):
        yield skipped("eks.service_cidr")
        return
    block = parsed(text)
    spaces, prefix = [IPv4Network(space) for space in allowed("private_ipv4_ranges")], limit("eks_service_prefix")
    if block is None:
        yield Problem("eks.service_cidr", f"{as_text(text)} is not a valid IPv4 CIDR")
    elif not prefix.allows(block.prefixlen):
        yield Problem(
            "eks.service_cidr", f"{block} is a /{block.prefixlen}; EKS supports /{prefix.minimum} to /{prefix.value}"
        )
    elif not any(block.subnet_of(space) for space in spaces):
        yield Problem("eks.service_cidr", f"{block} is not in a private range (RFC 1918)")


@rule(
    "HP121",
    title="The service CIDR and the VPC's CIDRs do not overlap.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster, or traffic to services is routed to nodes.",
    cure="Use another service_cidr, or other VPC CIDRs.",
    source="EKS: serviceIpv4Cidr must not overlap the VPC; by default 10.100.0.0/16 or 172.20.0.0/16",
    wrong="eks: {service_cidr: 10.192.0.0/16}\n",
    right="eks: {service_cidr: 172.20.0.0/16}\n",
)
def service_range_outside_vpc(network: Network, eks: Eks, ctx: Context) -> Iterator[Problem]:
    if eks.existing is not None:
        return
    blocks = _vpc_blocks(ctx)
    if eks.service_cidr is not None:
        services = parsed(eks.service_cidr)
        for block in blocks:
            if services is not None and services.overlaps(block):
                yield Problem("eks.service_cidr", f"{services} overlaps the VPC's CIDR {block}")
        return
    met = [(default, block) for default in EKS_SERVICE_RANGES for block in blocks if default.overlaps(block)]
    if not met or network is None:
        return
    both = len({default for default, _ in met}) == len(EKS_SERVICE_RANGES)
    place = "network.existing.vpc_cidrs" if network.existing else "network.vpc_cidr"
    default, block = met[0]
    message = f"the VPC's CIDR {block} overlaps {default}, one of EKS's two default service CIDRs"
    if both:
        message = (
            f"the VPC's CIDRs overlap both default service CIDRs of EKS, {' and '.join(map(str, EKS_SERVICE_RANGES))}"
        )
    cure = "Set eks.service_cidr, so that EKS does not choose it."
    yield Problem(place, message, cure, severity=None if both else Severity.WARNING)


@rule(
    "HP122",
    title="Existing node subnets are in the VPC's CIDRs.",
    severity=Severity.ERROR,
    why="One of the two is wrong, so overlaps and IP addresses are checked against a CIDR that is not deployed.",
    cure="Correct the subnet's cidr, or vpc_cidrs.",
    source="EC2: the CIDR of a subnet is within a CIDR of its VPC",
    certain=False,
    wrong="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, vpc_cidrs: [10.0.0.0/16], "
    "node_subnets: [{subnet_id: subnet-0123456789abcdef0, availability_zone_id: usw2-az1, cidr: 10.1.0.0/20}, "
    "{subnet_id: subnet-0123456789abcdef1, availability_zone_id: usw2-az2}]}}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, vpc_cidrs: [10.0.0.0/16], "
    "node_subnets: [{subnet_id: subnet-0123456789abcdef0, availability_zone_id: usw2-az1, cidr: 10.0.16.0/20}, "
    "{subnet_id: subnet-0123456789abcdef1, availability_zone_id: usw2-az2}]}}\n",
)
def existing_subnets_in_vpc(network: Network, ctx: Context) -> Iterator[Problem]:
    blocks = _vpc_blocks(ctx)
    if network.existing is None or not blocks:
        return
    for index, subnet in enumerate(network.existing.node_subnets):
        block = parsed(subnet.cidr) if subnet.cidr is not None else None
        if block is not None and not any(block.subnet_of(vpc) for vpc in blocks):
            known = ", ".join(map(str, blocks))
            yield Problem(
                f"network.existing.node_subnets[{index}].cidr", f"{block} is not in the VPC's CIDRs ({known})"
            )


@rule(
    "HP130",
    title="Each node subnet has enough IP addresses for the nodes of its groups.",
    severity=Severity.WARNING,
    why="Nodes without an IP address do not start. A subnet cannot be enlarged, so the cluster must be created again.",
    cure="Use a larger node CIDR for the zone, fewer nodes, or groups in several zones.",
    source=_DOCS,
    wrong="network: {node_cidrs: [10.1.0.0/24, 10.2.0.0/24]}\ncluster: {instance_groups: [{name: system, "
    "instance_type: ml.m5.4xlarge, count: 2}, {name: workers, instance_type: ml.p5.48xlarge, count: 16}]}\n",
    right="cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, {name: workers, "
    "instance_type: ml.p5.48xlarge, count: 16}]}\n",
)
def room_for_nodes(network: Network, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    if ctx.plan is None:
        return
    for zone, items in demands(cluster, ctx.default_zone).items():
        subnet = ctx.plan.node_subnet(zone)
        if subnet is None or not items:
            continue
        have, maximum = usable(subnet.cidr), sum(item.addresses for item in items)
        modest = tuple(
            Demand(group.name, group.count, least_addresses(group))
            for group in cluster.groups
            if ctx.zone_of(group) == zone
        )
        least = sum(item.addresses for item in modest)
        if least > have:
            message = f"{_sum(modest)} = {least:,} IP addresses are required; {subnet.cidr} has {have:,}"
            yield Problem(_place(ctx, zone), f"zone {zone}: {message}", severity=Severity.ERROR)
        elif maximum > have:
            message = (
                f"up to {maximum:,} IP addresses, including replacement nodes ({_sum(items)}); "
                f"{subnet.cidr} has {have:,}"
            )
            yield Problem(_place(ctx, zone), f"zone {zone}: {message}")


def _sum(items: tuple[Demand, ...]) -> str:
    return " + ".join(f"{item.group} {item.nodes:,} x {item.each}" for item in items)


def _place(ctx: Context, zone: str) -> str:
    """Config path of the CIDR of a zone's node subnet."""
    network = ctx.network
    if network is not None and network.existing is not None:
        zones = [subnet.availability_zone_id for subnet in network.existing.node_subnets]
        return f"network.existing.node_subnets[{zones.index(zone)}].cidr"
    if network is not None and network.node_cidrs is not None and zone in network.availability_zone_ids:
        return f"network.node_cidrs[{network.availability_zone_ids.index(zone)}]"
    return "network.availability_zone_ids"
