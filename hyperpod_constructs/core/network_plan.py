"""Address planning: the subnets of a network spec, their CIDRs, and how many IP addresses nodes use.

Rules and constructs use the same plan, so the validated subnets are those that are created. It does not call AWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal, NamedTuple

from . import catalog
from .spec.cluster import Cluster
from .spec.groups import InstanceGroup, RestrictedInstanceGroup
from .spec.network import Network

RESERVED_PER_SUBNET = catalog.limit("subnet_reserved_ips").value
"""IP addresses of each subnet that AWS reserves."""
CONTROL_PLANE_PREFIX = 28
LARGEST_PUBLIC_PREFIX = 24
SMALLEST_PREFIX = catalog.limit("vpc_prefix").value
NODE_BLOCK_PREFIX = catalog.limit("vpc_prefix").minimum
"""Prefix length of the largest CIDR block that a VPC supports."""
EKS_SERVICE_RANGES = tuple(IPv4Network(text) for text in catalog.allowed("eks_default_service_ranges"))
"""CIDRs that EKS chooses from for Kubernetes services by default."""
_TEN = IPv4Network("10.0.0.0/8")
_SHARED = IPv4Network("100.64.0.0/10")

SubnetKind = Literal["public", "control-plane", "node"]


class PlannedSubnet(NamedTuple):
    """One subnet of the plan."""

    kind: SubnetKind
    availability_zone_id: str
    cidr: str
    secondary: bool = False
    """Whether its CIDR is in a secondary block, which must be associated with the VPC first."""

    @property
    def usable(self) -> int:
        """Number of assignable IP addresses."""
        return usable(self.cidr)


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The subnets of a network in the order of its zones, and the VPC's secondary CIDR blocks."""

    subnets: tuple[PlannedSubnet, ...]
    secondary_cidrs: tuple[str, ...]

    def of_kind(self, kind: SubnetKind) -> tuple[PlannedSubnet, ...]:
        """The subnets of one kind, in the order of the zones."""
        return tuple(subnet for subnet in self.subnets if subnet.kind == kind)

    def node_subnet(self, availability_zone_id: str) -> PlannedSubnet | None:
        """The node subnet of a zone, None if the plan has none."""
        return next((s for s in self.of_kind("node") if s.availability_zone_id == availability_zone_id), None)


def ip_range(text: str) -> IPv4Network:
    """Parses an IPv4 CIDR. Host bits are cleared, as AWS does.

    Raises:
        ValueError: the text is not an IPv4 CIDR.

    >>> ip_range("10.1.2.3/16")
    IPv4Network('10.1.0.0/16')
    """
    if not text.partition("/")[2].isdecimal():
        raise ValueError(f"{text!r} is not an IPv4 CIDR, such as 10.0.0.0/16")
    return IPv4Network(text, strict=False)


def plan(network: Network) -> NetworkPlan:
    """The subnets of a network spec.

    The control plane's /28 subnets are first in the VPC's primary CIDR, followed by the public /24 subnets of an open
    network (smaller ones in a small VPC). Node subnets are `node_cidrs`, or a secondary /16 per zone. For an existing
    network, these are the node subnets with a CIDR.

    Raises:
        ValueError: a CIDR is invalid, or the primary CIDR is too small; rules HP101 to HP104 report this first.

    >>> for subnet in plan(Network(availability_zone_ids=["usw2-az1", "usw2-az2"])).subnets:
    ...     print(subnet.kind, subnet.availability_zone_id, subnet.cidr)
    control-plane usw2-az1 10.192.0.0/28
    control-plane usw2-az2 10.192.0.16/28
    public usw2-az1 10.192.1.0/24
    public usw2-az2 10.192.2.0/24
    node usw2-az1 10.1.0.0/16
    node usw2-az2 10.2.0.0/16
    """
    if network.existing is not None:
        named = [(s.availability_zone_id, s.cidr) for s in network.existing.node_subnets if s.cidr is not None]
        return NetworkPlan(tuple(PlannedSubnet("node", zone, str(ip_range(cidr))) for zone, cidr in named), ())
    zones, primary = network.availability_zone_ids, ip_range(network.vpc_cidr)
    nodes = node_ranges(network)
    outside = [not block.subnet_of(primary) for block in nodes]
    return NetworkPlan(
        subnets=(
            *_cut(primary, zones, public=network.mode == "open"),
            *(
                PlannedSubnet("node", zone, str(block), secondary)
                for zone, block, secondary in zip(zones, nodes, outside, strict=False)
            ),
        ),
        secondary_cidrs=tuple(str(block) for block, secondary in zip(nodes, outside, strict=True) if secondary),
    )


def zones_of(network: Network) -> tuple[str, ...]:
    """The zone IDs of a network's node subnets, in order."""
    if network.existing is not None:
        return tuple(dict.fromkeys(subnet.availability_zone_id for subnet in network.existing.node_subnets))
    return tuple(network.availability_zone_ids)


def control_plane_zones(network: Network) -> tuple[str, ...]:
    """Zones of the EKS control plane's network interfaces and of the HyperPod cluster's `VpcConfig`.

    EKS rejects other zones in an update, and CloudFormation replaces a HyperPod cluster whose `VpcConfig` changes.
    Therefore, zones that are appended to the network later are not control plane zones.

    >>> control_plane_zones(Network(availability_zone_ids=["usw2-az1", "usw2-az2", "usw2-az3"]))
    ('usw2-az1', 'usw2-az2')
    """
    zones, named = zones_of(network), network.control_plane_zone_ids
    if not named:
        return zones[: catalog.limit("eks_subnets").value]
    # in the network's order: CloudFormation treats a different order of the subnets as a change of VpcConfig
    return tuple(zone for zone in zones if zone in named)


def node_ranges(network: Network) -> tuple[IPv4Network, ...]:
    """The CIDR of each zone's node subnet: as configured, or a /16 per zone that can be added to the primary CIDR.

    >>> [str(block) for block in node_ranges(Network(availability_zone_ids=["a", "b"], vpc_cidr="172.31.0.0/16"))]
    ['100.64.0.0/16', '100.65.0.0/16']
    """
    if network.node_cidrs is not None:
        return tuple(ip_range(cidr) for cidr in network.node_cidrs)
    free = _free_blocks(ip_range(network.vpc_cidr))
    return tuple(block for _, block in zip(network.availability_zone_ids, free, strict=False))


def _free_blocks(primary: IPv4Network) -> Iterator[IPv4Network]:
    """CIDR blocks for node subnets, starting at 10.1.0.0/16, or at 100.64.0.0/16 if 10.0.0.0/8 cannot be added."""
    space = _TEN if primary.subnet_of(_TEN) else _SHARED
    for block in space.subnets(new_prefix=NODE_BLOCK_PREFIX):
        if str(block) == "10.0.0.0/16":  # AWS rejects it together with another block of 10.0.0.0/15
            continue
        if not any(block.overlaps(taken) for taken in (primary, *EKS_SERVICE_RANGES)):
            yield block


def _cut(primary: IPv4Network, zones: Sequence[str], *, public: bool) -> Iterator[PlannedSubnet]:
    prefix = public_prefix(primary, len(zones), public=public)
    if prefix is None:
        raise ValueError(f"{primary} is too small for the subnets of {len(zones)} zones")
    first = int(primary.network_address)
    for index, zone in enumerate(zones):
        yield PlannedSubnet("control-plane", zone, str(_at(first, index, CONTROL_PLANE_PREFIX)))
    if public:
        offset = _control_plane_blocks(len(zones), prefix)
        for index, zone in enumerate(zones):
            yield PlannedSubnet("public", zone, str(_at(first, offset + index, prefix)))


def _at(first: int, index: int, prefix: int) -> IPv4Network:
    return IPv4Network((first + index * 2 ** (32 - prefix), prefix))


def _control_plane_blocks(zones: int, prefix: int) -> int:
    """Number of blocks of the public subnets' size that the control plane's subnets occupy."""
    per_block: int = 2 ** (CONTROL_PLANE_PREFIX - prefix)
    return -(-zones // per_block)


def public_prefix(primary: IPv4Network, zones: int, *, public: bool) -> int | None:
    """The prefix length of the public subnets, /24 if they fit; None if the CIDR is too small.

    >>> public_prefix(IPv4Network("10.0.0.0/16"), 2, public=True), public_prefix(IPv4Network("10.0.0.0/24"), 2, public=True)
    (24, 26)
    >>> public_prefix(IPv4Network("10.0.0.0/27"), 2, public=True) is None
    True
    """
    for prefix in range(LARGEST_PUBLIC_PREFIX, SMALLEST_PREFIX + 1):
        blocks = _control_plane_blocks(zones, prefix) + (zones if public else 0)
        if blocks * 2 ** (32 - prefix) <= primary.num_addresses:
            return prefix
    return None


def control_plane_addresses() -> int:
    """Number of IP addresses of a control plane subnet.

    >>> control_plane_addresses()
    16
    """
    return int(2 ** (32 - CONTROL_PLANE_PREFIX))


def usable(cidr: str) -> int:
    """Number of assignable IP addresses of a subnet: all but the five that AWS reserves.

    >>> usable("10.0.0.0/20"), usable("10.0.0.0/28")
    (4091, 11)
    """
    return max(0, ip_range(cidr).num_addresses - RESERVED_PER_SUBNET)


def node_addresses(group: InstanceGroup | RestrictedInstanceGroup) -> int | None:
    """Maximum IPv4 addresses of one node of a group, for the instance type with the most; None if unknown.

    >>> node_addresses(InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1))
    81
    >>> node_addresses(InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1, network_interface="efa-only"))
    50
    """
    efa_only = isinstance(group, InstanceGroup) and group.network_interface == "efa-only"
    found = [t for t in map(catalog.find_instance_type, group.types) if t is not None]
    counts = [t.ipv4_per_interface if efa_only else t.ips_per_node for t in found]
    return max((count for count in counts if count is not None), default=None)


def least_addresses(group: InstanceGroup | RestrictedInstanceGroup) -> int:
    """Minimum IPv4 addresses of one node of a group, for the instance type with the fewest.

    One per network card, or one in total if the other cards have EFA-only interfaces.

    >>> least_addresses(InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1))
    32
    >>> least_addresses(InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1, network_interface="efa-only"))
    1
    """
    if isinstance(group, InstanceGroup) and group.network_interface == "efa-only":
        return 1
    found = [t for t in map(catalog.find_instance_type, group.types) if t is not None]
    return min((t.network_cards for t in found), default=1)


def replacement_nodes(group: InstanceGroup | RestrictedInstanceGroup) -> int:
    """Number of additional nodes that can exist during an update: the largest batch, at least one.

    >>> replacement_nodes(InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=4))
    1
    """
    if group.max_instances == 0:
        return 0
    batches = [1]
    if isinstance(group, InstanceGroup):
        rollouts = [rollout.deployment for rollout in (group.scheduled_update, group.auto_patch) if rollout is not None]
        for size in (rollout.maximum_batch_size for rollout in rollouts if rollout is not None):
            if size is not None and size.count is not None:
                batches.append(min(size.count, group.max_instances))
            if size is not None and size.percent is not None:
                batches.append(-(-group.max_instances * size.percent // 100))
    return max(batches)


class Demand(NamedTuple):
    """Maximum IP addresses that one group uses in a subnet."""

    group: str
    nodes: int
    """Maximum number of nodes, including those being replaced."""
    each: int
    """IP addresses of one node."""

    @property
    def addresses(self) -> int:
        """IP addresses of all its nodes."""
        return self.nodes * self.each


def demands(cluster: Cluster, default_zone: str | None) -> Mapping[str, tuple[Demand, ...]]:
    """Zone ID to the demands of its groups on its node subnet; groups with their own subnets are not included.

    >>> from hyperpod_constructs.core.spec import Cluster, InstanceGroup
    >>> workers = InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=50)
    >>> demands(Cluster(instance_groups=[workers]), "use1-az6")["use1-az6"][0].addresses
    4131
    """
    by_zone: dict[str, list[Demand]] = {}
    for group in cluster.groups:
        zone, each = group.availability_zone_id or default_zone, node_addresses(group)
        if zone is not None and each is not None and not group.subnet_ids:
            by_zone.setdefault(zone, []).append(
                Demand(group.name, group.max_instances + replacement_nodes(group), each)
            )
    return {zone: tuple(items) for zone, items in by_zone.items()}


def nat_gateways(network: Network) -> int:
    """Number of NAT gateways that are created for a network.

    >>> nat_gateways(Network(availability_zone_ids=["usw2-az1", "usw2-az2"], nat="per-zone"))
    2
    """
    if network.mode == "closed" or network.existing is not None:
        return 0
    return {"single": 1, "per-zone": len(network.availability_zone_ids), "none": 0}[network.nat]


def default_zone(network: Network) -> str | None:
    """The zone of groups that do not set one: the network's first zone with a node subnet."""
    if network.existing is not None:
        return network.existing.node_subnets[0].availability_zone_id
    return network.availability_zone_ids[0] if network.availability_zone_ids else None
