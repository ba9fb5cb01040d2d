"""Address arithmetic: which subnets a network spec yields, with which ranges, and how many addresses nodes take of them.

The checks and the constructs use this same plan, so what was counted is what is made. Nothing here knows AWS's API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from . import catalog
from .spec.cluster import Cluster
from .spec.groups import InstanceGroup, RestrictedInstanceGroup
from .spec.network import Network

RESERVED_PER_SUBNET = catalog.limit("subnet_reserved_ips").value
"""Addresses of each subnet that AWS keeps for itself."""
CONTROL_PLANE_PREFIX = 28
LARGEST_PUBLIC_PREFIX = 24
SMALLEST_PREFIX = catalog.limit("vpc_prefix").value
NODE_BLOCK_PREFIX = catalog.limit("vpc_prefix").minimum
"""The largest block that a VPC takes."""
EKS_SERVICE_RANGES = tuple(IPv4Network(text) for text in catalog.allowed("eks_default_service_ranges"))
"""What EKS chooses from for Kubernetes services when nothing is said."""
_TEN = IPv4Network("10.0.0.0/8")
_SHARED = IPv4Network("100.64.0.0/10")

SubnetKind = Literal["public", "control-plane", "node"]


@dataclass(frozen=True, slots=True)
class PlannedSubnet:
    """One subnet of the plan."""

    kind: SubnetKind
    availability_zone_id: str
    cidr: str
    secondary: bool = False
    """Whether its range lies in a secondary block, which must be associated with the VPC first."""

    @property
    def usable(self) -> int:
        """Addresses that can be assigned in it."""
        return usable(self.cidr)


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The subnets of a network in the order of its zones, and the VPC's secondary blocks."""

    subnets: tuple[PlannedSubnet, ...]
    secondary_cidrs: tuple[str, ...]

    def of_kind(self, kind: SubnetKind) -> tuple[PlannedSubnet, ...]:
        """The subnets of one kind, in the order of the zones."""
        return tuple(subnet for subnet in self.subnets if subnet.kind == kind)

    def node_subnet(self, availability_zone_id: str) -> PlannedSubnet | None:
        """The node subnet of a zone, None where the plan has none."""
        return next((s for s in self.of_kind("node") if s.availability_zone_id == availability_zone_id), None)


def ip_range(text: str) -> IPv4Network:
    """An IPv4 range from its text. Address bits beyond the prefix are cleared, as AWS does.

    Raises:
        ValueError: it is not four numbers and a prefix length.

    >>> ip_range("10.1.2.3/16")
    IPv4Network('10.1.0.0/16')
    """
    if not text.partition("/")[2].isdecimal():
        raise ValueError(f"{text!r} is no IPv4 range: expected an address, a slash and a prefix length")
    return IPv4Network(text, strict=False)


def plan(network: Network) -> NetworkPlan:
    """The subnets that a network spec yields.

    The control plane's /28 subnets come first in the VPC's primary range, then the public /24 subnets of an open network
    (smaller ones in a small VPC). Node subnets are `node_cidrs`, or a secondary /16 each. A network that exists yields
    the node subnets whose range it names.

    Raises:
        ValueError: a range cannot be parsed, or the primary range is too small; the checks HP101 to HP104 say so first.

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
    """The zone ids of a network's node subnets, in order."""
    if network.existing is not None:
        return tuple(dict.fromkeys(subnet.availability_zone_id for subnet in network.existing.node_subnets))
    return tuple(network.availability_zone_ids)


def control_plane_zones(network: Network) -> tuple[str, ...]:
    """Zones of the EKS control plane's interfaces and of the HyperPod cluster's `VpcConfig`.

    EKS refuses another set of zones later, and CloudFormation replaces a HyperPod cluster whose `VpcConfig` changes.
    Therefore a zone that is appended to the network does not join them.

    >>> control_plane_zones(Network(availability_zone_ids=["usw2-az1", "usw2-az2", "usw2-az3"]))
    ('usw2-az1', 'usw2-az2')
    """
    zones, named = zones_of(network), network.control_plane_zone_ids
    if not named:
        return zones[: catalog.limit("eks_subnets").value]
    # in the network's order: CloudFormation would take another order of the subnets for another VpcConfig
    return tuple(zone for zone in zones if zone in named)


def node_ranges(network: Network) -> tuple[IPv4Network, ...]:
    """The range of each zone's node subnet: as given, or one /16 a zone that a VPC with this primary range takes.

    >>> [str(block) for block in node_ranges(Network(availability_zone_ids=["a", "b"], vpc_cidr="172.31.0.0/16"))]
    ['100.64.0.0/16', '100.65.0.0/16']
    """
    if network.node_cidrs is not None:
        return tuple(ip_range(cidr) for cidr in network.node_cidrs)
    free = _free_blocks(ip_range(network.vpc_cidr))
    return tuple(block for _, block in zip(network.availability_zone_ids, free, strict=False))


def _free_blocks(primary: IPv4Network) -> Iterator[IPv4Network]:
    """Blocks for node subnets, from 10.1.0.0/16 on, or from the shared range where 10.0.0.0/8 cannot be added."""
    space = _TEN if primary.subnet_of(_TEN) else _SHARED
    for block in space.subnets(new_prefix=NODE_BLOCK_PREFIX):
        if str(block) == "10.0.0.0/16":  # refused by AWS beside another block of 10.0.0.0/15
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
    """How many blocks of the public size the control plane's subnets fill."""
    per_block: int = 2 ** (CONTROL_PLANE_PREFIX - prefix)
    return -(-zones // per_block)


def public_prefix(primary: IPv4Network, zones: int, *, public: bool) -> int | None:
    """The prefix length of the public subnets, /24 where there is room; None when the range is too small.

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
    """Addresses of a control-plane subnet.

    >>> control_plane_addresses()
    16
    """
    return int(2 ** (32 - CONTROL_PLANE_PREFIX))


def usable(cidr: str) -> int:
    """Addresses of a subnet that can be assigned: all but the five that AWS keeps.

    >>> usable("10.0.0.0/20"), usable("10.0.0.0/28")
    (4091, 11)
    """
    return max(0, ip_range(cidr).num_addresses - RESERVED_PER_SUBNET)


def node_addresses(group: InstanceGroup | RestrictedInstanceGroup) -> int | None:
    """IPv4 addresses that one node of a group takes at most, of its hungriest instance type; None when no source says.

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
    """IPv4 addresses that one node of a group takes at the very least, of its most modest instance type.

    It is one for each network card, unless the further ones carry EFA alone.

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
    """Nodes that can be there for a while beside the group's count: those being replaced, at least one.

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


@dataclass(frozen=True, slots=True)
class Demand:
    """What one group takes of a subnet at most."""

    group: str
    nodes: int
    """The most nodes, with those being replaced."""
    each: int
    """Addresses of one node."""

    @property
    def addresses(self) -> int:
        """Addresses of all its nodes."""
        return self.nodes * self.each


def demands(cluster: Cluster, default_zone: str | None) -> Mapping[str, tuple[Demand, ...]]:
    """Zone id to what its groups take of its node subnet; groups with subnets of their own are left out.

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
    """How many NAT gateways we make for a network.

    >>> nat_gateways(Network(availability_zone_ids=["usw2-az1", "usw2-az2"], nat="per-zone"))
    2
    """
    if network.mode == "closed" or network.existing is not None:
        return 0
    return {"single": 1, "per-zone": len(network.availability_zone_ids), "none": 0}[network.nat]


def default_zone(network: Network) -> str | None:
    """The zone of groups that name none: the network's first with node subnets."""
    if network.existing is not None:
        return network.existing.node_subnets[0].availability_zone_id
    return network.availability_zone_ids[0] if network.availability_zone_ids else None
