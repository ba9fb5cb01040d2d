"""The network: a diagram of VPC, zones, subnets, routes and endpoints, and tables with the same content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..closed import endpoint_services
from ..network_plan import Demand, default_zone, demands, nat_gateways, plan, usable, zones_of
from ..plural import count
from ..spec.network import Network
from ..spec.platform import Platform
from ..stack_templates import Stacks, resources
from .canvas import Canvas
from .model import Block, Cell, Content, Drawing, Section, code, table
from .subject import GONE, NEW, Mark, Subject

_COLUMN, _GAP, _LEFT = 236, 14, 16
_HEIGHTS = {"public": 78, "control-plane": 92, "node": 116}
_USES = {
    "public": "load balancers and NAT",
    "control-plane": "network interfaces of the EKS control plane",
    "node": "HyperPod nodes and their pods",
}


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet with its use and routes."""

    kind: str
    zone: str
    cidr: str
    size: int | None
    id: str
    demands: tuple[Demand, ...]
    routes: tuple[str, ...]
    mark: Mark | None = None

    @property
    def max_used(self) -> int:
        """Maximum number of IP addresses that nodes use."""
        return sum(demand.addresses for demand in self.demands)

    @property
    def use(self) -> str:
        """The use of the subnet and its IP addresses, as text."""
        if not self.demands:
            return _USES[self.kind] if self.kind != "node" else "no nodes"
        size = f" of {self.size:,}" if self.size else ""
        return f"nodes use up to {self.max_used:,}{size}"


def section(subject: Subject) -> Section:
    """Returns the section."""
    platform = subject.platform
    found = _marked(subject)
    rows = [
        (
            subnet.kind if subnet.kind != "node" else "nodes",
            code(subnet.zone),
            code(subnet.cidr or subnet.id),
            f"{subnet.size:,}" if subnet.size is not None else "unknown",
            subnet.use,
            ", ".join(subnet.routes),
        )
        for subnet in found
    ]
    blocks: list[Block] = [
        drawing(platform, found),
        *table("Subnets", ("Subnet", "Zone", "CIDR", "IP addresses", "Use", "Routes"), rows, numbers=[3]),
        *_demand_table(found),
        *table(
            "VPC endpoints",
            ("Service", "Type", "Location"),
            list(_endpoint_rows(platform)),
            empty="The config does not create VPC endpoints.",
        ),
    ]
    return Section("network", "Network", tuple(blocks))


def subnets(platform: Platform) -> list[Subnet]:
    """Returns the subnets of a platform by zone."""
    network = platform.network
    by_zone = demands(platform.cluster, default_zone(network))
    if network.existing is not None:
        return [
            Subnet(
                "node",
                subnet.availability_zone_id,
                subnet.cidr or "",
                usable(subnet.cidr) if subnet.cidr else None,
                subnet.subnet_id,
                by_zone.get(subnet.availability_zone_id, ()),
                ("existing route table",),
            )
            for subnet in network.existing.node_subnets
        ]
    planned = plan(network).subnets
    return [
        Subnet(
            subnet.kind,
            zone,
            subnet.cidr,
            subnet.usable,
            "",
            by_zone.get(zone, ()) if subnet.kind == "node" else (),
            _routes(network, subnet.kind, zone),
        )
        for zone in network.availability_zone_ids
        for subnet in planned
        if subnet.availability_zone_id == zone
    ]


def _routes(network: Network, kind: str, zone: str) -> tuple[str, ...]:
    if kind == "public":
        return ("0.0.0.0/0 to the internet gateway",)
    gateway = ("S3 to the gateway endpoint",)
    if not nat_gateways(network):
        return ("local only", *gateway)
    nat_zone = zone if network.nat == "per-zone" else network.availability_zone_ids[0]
    return (f"0.0.0.0/0 to NAT in {nat_zone}", *gateway)


def _marked(subject: Subject) -> list[Subnet]:
    """Returns the subnets, marked as new or removed."""
    found, before = subnets(subject.platform), subject.before
    if before is None:
        return found
    if before.platform is None:
        cidrs = _deployed_cidrs(before.stacks or {})
        return [
            replace(subnet, mark=NEW if cidrs and subnet.cidr and subnet.cidr not in cidrs else None)
            for subnet in found
        ]
    old = {(subnet.kind, subnet.zone, subnet.cidr or subnet.id): subnet for subnet in subnets(before.platform)}
    now = {(subnet.kind, subnet.zone, subnet.cidr or subnet.id) for subnet in found}
    marked = [
        replace(subnet, mark=None if (subnet.kind, subnet.zone, subnet.cidr or subnet.id) in old else NEW)
        for subnet in found
    ]
    return [*marked, *(replace(subnet, mark=GONE) for key, subnet in old.items() if key not in now)]


def _deployed_cidrs(stacks: Stacks) -> set[str]:
    """Returns the CIDRs of the subnets in templates."""
    found = [resource for template in stacks.values() for resource in resources(template).values()]
    return {
        str(subnet.get("Properties", {}).get("CidrBlock"))
        for subnet in found
        if subnet.get("Type") == "AWS::EC2::Subnet"
    }


def _demand_table(found: list[Subnet]) -> tuple[Block, ...]:
    rows: list[tuple[Content, ...]] = [
        (Cell(demand.group), code(subnet.zone), f"{demand.nodes:,}", f"{demand.each:,}", f"{demand.addresses:,}")
        for subnet in found
        if subnet.mark is not GONE
        for demand in subnet.demands
    ]
    head = ("Group", "Zone", "Maximum nodes", "IP addresses per node", "Total")
    return table("IP addresses that groups use", head, rows, numbers=[2, 3, 4], folded=len(rows) > 6)


def _endpoint_rows(platform: Platform) -> Iterator[tuple[Content, ...]]:
    network = platform.network
    location = "node subnets of " + ", ".join(zones_of(network))
    if network.existing is None:
        yield code("s3"), "gateway", "route tables of nodes and control plane"
    for service in endpoint_names(platform):
        yield code(service), "interface", location


def endpoint_names(platform: Platform) -> list[str]:
    """Returns the services with an interface endpoint."""
    services = [*platform.network.interface_endpoints, *endpoint_services(platform)]
    return list(dict.fromkeys(service for service in services if service != "s3"))


# ---- the drawing ----


def drawing(platform: Platform, found: list[Subnet]) -> Drawing:
    """Draws VPC, zones, subnets with size and use, routes, endpoints and NAT gateways."""
    network, canvas = platform.network, Canvas()
    zones = list(dict.fromkeys(subnet.zone for subnet in found))
    width = max(980.0, 2 * _LEFT + len(zones) * (_COLUMN + _GAP) - _GAP + 16)
    column = (width - 2 * _LEFT - 16 - (len(zones) - 1) * _GAP) / max(1, len(zones))
    types = [kind for kind in ("public", "control-plane", "node") if any(subnet.kind == kind for subnet in found)]
    heights = {kind: _HEIGHTS[kind] for kind in types}
    is_open = network.mode == "open" and network.existing is None
    top = 84 if is_open else 40
    rows: dict[str, float] = {}
    y = top + 54.0
    for kind in types:
        rows[kind] = y
        y += (heights[kind] + 10) * max(
            sum(subnet.kind == kind and subnet.zone == zone for subnet in found) for zone in zones
        )
    endpoints = ([] if network.existing else ["s3"]) + endpoint_names(platform)
    end = y + (40 + 22 * -(-len(endpoints) // 6) if endpoints else 6)
    height = end + 14
    _frame(canvas, platform, width, top, end, is_open=is_open)
    for number, zone in enumerate(zones):
        x = _LEFT + 8 + number * (column + _GAP)
        canvas.box(x, top + 24, column, y - top - 26, "zone", f"Availability zone {zone}")
        canvas.text(x + 10, top + 42, zone, "zone")
        canvas.describe(1, f"zone {zone}" + (", with a NAT gateway" if zone in zones[: nat_gateways(network)] else ""))
        seen: dict[str, int] = {}
        for subnet in (subnet for subnet in found if subnet.zone == zone):
            place = seen[subnet.kind] = seen.get(subnet.kind, -1) + 1
            _subnet(
                canvas,
                subnet,
                x + 8,
                rows[subnet.kind] + place * (heights[subnet.kind] + 10),
                column - 16,
                heights[subnet.kind],
            )
    if is_open:
        _egress(canvas, network, zones, column, rows, top)
    if endpoints:
        _endpoints(canvas, endpoints, width, y + 2)
    desc = (
        f"{'Existing' if network.existing else 'New'} VPC in {platform.region} across {count(len(zones), 'zone')}: "
        f"{', '.join(zones)}. {count(len(found), 'subnet')}, {count(nat_gateways(network), 'NAT gateway')}, "
        f"{count(len(endpoints), 'VPC endpoint')}."
    )
    legend = [
        ("subnet public", "public subnet"),
        ("subnet control-plane", "control-plane subnet"),
        ("subnet node", "node subnet"),
        ("bar", "IP addresses that nodes can use"),
    ]
    shown = [entry for entry in legend if entry[0].removeprefix("subnet ") in types or entry[0] == "bar"]
    return canvas.drawing("drawing", "Diagram of the network", desc, width, height, shown)


def _frame(canvas: Canvas, platform: Platform, width: float, top: float, end: float, *, is_open: bool) -> None:
    network = platform.network
    name = f"VPC {network.existing.vpc_id} (existing)" if network.existing else f"VPC {network.vpc_cidr}"
    secondary = [] if network.existing else list(plan(network).secondary_cidrs)
    cidrs = f" and {', '.join(secondary)}" if secondary else ""
    canvas.box(_LEFT, top, width - 2 * _LEFT, end - top, "vpc", f"{name}{cidrs}")
    canvas.text(_LEFT + 10, top + 17, f"{name}{cidrs}", "strong", width=width - 60)
    canvas.describe(0, f"{name}{cidrs} in {platform.region}")
    if is_open:
        canvas.box(width / 2 - 60, 4, 120, 26, "outside", "The internet")
        canvas.text(width / 2 - 24, 21, "internet")
        canvas.box(width / 2 - 78, top - 34, 156, 24, "gateway", "Internet gateway of the VPC")
        canvas.text(width / 2 - 52, top - 18, "internet gateway")
        canvas.line((width / 2, top - 34), (width / 2, 32), title="Route from the internet gateway to the internet")
    elif network.existing is None:
        canvas.text(_LEFT, 24, "No internet access: no internet gateway and no NAT gateway", "strong")
        canvas.describe(1, "no internet access: no internet gateway, no NAT gateway")
    else:
        added = "only the listed endpoints are added" if network.interface_endpoints else "not changed"
        canvas.text(_LEFT, 24, f"Existing network: {added}", "strong")


def _subnet(canvas: Canvas, subnet: Subnet, x: float, y: float, width: float, height: float) -> None:
    state = f" {subnet.mark.kind}" if subnet.mark else ""
    title = f"{subnet.kind} subnet {subnet.cidr or subnet.id}: {subnet.use}; routes: {', '.join(subnet.routes)}"
    canvas.box(x, y, width, height, f"subnet {subnet.kind}{state}", title)
    available = width - 20
    if subnet.mark:
        badge_offset = 74 if subnet.kind == "public" else 6  # position of a NAT gateway
        available -= canvas.badge(x + width - badge_offset, y + 6, subnet.mark.word, subnet.mark.kind)
    canvas.text(x + 10, y + 18, f"{'nodes' if subnet.kind == 'node' else subnet.kind}", "strong", width=available)
    size = f"  {count(subnet.size, 'address', 'addresses')}" if subnet.size is not None else ""
    canvas.text(x + 10, y + 36, f"{subnet.cidr or subnet.id}{size}", "mono", width=width - 20)
    canvas.text(x + 10, y + 53, subnet.use, "small", width=width - 20)
    for number, route in enumerate(subnet.routes):
        canvas.text(x + 10, y + 68 + 15 * number, route, "small", width=width - 20)
    if subnet.kind == "node" and subnet.size:
        share = min(1.0, subnet.max_used / subnet.size)
        canvas.box(x + 10, y + 94, width - 20, 12, "bar-room", f"{subnet.size:,} IP addresses")
        canvas.box(
            x + 10,
            y + 94,
            max(2.0, (width - 20) * share) if subnet.max_used else 0,
            12,
            "bar over" if subnet.max_used > subnet.size else "bar",
            f"{subnet.max_used:,} of {subnet.size:,} IP addresses",
        )
    canvas.describe(2, f"{title}{f' ({subnet.mark.word})' if subnet.mark else ''}")


def _egress(
    canvas: Canvas, network: Network, zones: list[str], column: float, rows: dict[str, float], top: float
) -> None:
    """Draws the NAT gateways, with lines from the nodes to them and from them to the internet gateway."""
    with_nat = zones[: nat_gateways(network)]
    bus_y = rows.get("public", top) - 10
    middle = (2 * _LEFT + 16 + len(zones) * (column + _GAP) - _GAP) / 2
    for number, zone in enumerate(zones):
        x = _LEFT + 8 + number * (column + _GAP)
        if zone in with_nat:
            canvas.box(x + column - 72, rows["public"] + 6, 56, 22, "gateway", f"NAT gateway in {zone}")
            canvas.text(x + column - 58, rows["public"] + 21, "NAT")
            out = x + column - 44
            canvas.line(
                (out, rows["public"] + 6),
                (out, bus_y),
                (middle, bus_y),
                (middle, top - 9),
                title=f"NAT in {zone} to the internet gateway",
            )
        if with_nat and "node" in rows:
            target = zone if zone in with_nat else with_nat[0]
            to = _LEFT + 8 + zones.index(target) * (column + _GAP) + column - 44
            lane, level = x + column - 4, rows["control-plane"] - 5
            canvas.line(
                (x + column - 8, rows["node"] + 40),
                (lane, rows["node"] + 40),
                (lane, level),
                (to, level),
                (to, rows["public"] + 29),
                kind="route nat",
                title=f"Nodes in {zone} to NAT in {target}",
            )


def _endpoints(canvas: Canvas, names: list[str], width: float, y: float) -> None:
    canvas.text(_LEFT + 10, y + 16, "VPC endpoints", "strong")
    canvas.describe(1, f"VPC endpoints: {', '.join(names)}")
    box_width = (width - 2 * _LEFT - 20) / 6
    for number, name in enumerate(names):
        x, row = _LEFT + 10 + (number % 6) * box_width, y + 24 + (number // 6) * 22
        kind = "gateway endpoint" if name == "s3" else "interface endpoint"
        canvas.box(x, row, box_width - 6, 19, "endpoint", f"{name}: {kind}")
        canvas.text(x + 6, row + 14, name, "small", width=box_width - 18)
