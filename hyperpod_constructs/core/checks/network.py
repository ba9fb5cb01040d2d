"""HP10x: CIDRs, routes and endpoints of the network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from ..catalog import endpoints, limit, pattern, suggest
from ..findings import Severity
from ..network_plan import control_plane_addresses, ip_range, node_ranges, public_prefix
from ..plural import count
from ..spec.base import is_token
from ..spec.network import Network
from .context import Context, as_text, skipped
from .registry import Problem, rule

_VPC = "VPC user guide, vpc-cidr-blocks: IPv4 CIDR blocks of /16 to /28, and which can be associated with which"


def _ranges(ctx: Context) -> Iterator[tuple[str, str]]:
    """Returns every CIDR in the network's config, with its path."""
    network = ctx.network
    if network is None:
        return
    if network.existing is None:
        yield "network.vpc_cidr", network.vpc_cidr
        for index, cidr in enumerate(network.node_cidrs or ()):
            yield f"network.node_cidrs[{index}]", cidr
        return
    for index, cidr in enumerate(network.existing.vpc_cidrs):
        yield f"network.existing.vpc_cidrs[{index}]", cidr
    for index, subnet in enumerate(network.existing.node_subnets):
        if subnet.cidr is not None:
            yield f"network.existing.node_subnets[{index}].cidr", subnet.cidr


def parsed(text: str) -> IPv4Network | None:
    """Parses a CIDR; None if it is invalid or a token."""
    try:
        return None if is_token(text) else ip_range(text)
    except ValueError:
        return None


@rule(
    "HP101",
    title="CIDRs are IPv4 blocks.",
    severity=Severity.ERROR,
    why="EC2 rejects the VPC or the subnet.",
    cure="Use an address, a slash and a prefix length: 10.192.0.0/16.",
    source="EC2 CreateVpc and CreateSubnet: CidrBlock",
    wrong="network: {vpc_cidr: ten-dot}\n",
    right="network: {vpc_cidr: 10.192.0.0/16}\n",
)
def ranges_parse(network: Network, ctx: Context) -> Iterator[Problem]:
    for path, text in _ranges(ctx):
        if is_token(text):
            yield skipped(path)
        elif parsed(text) is None:
            yield Problem(path, f"{as_text(text)} is not a valid IPv4 CIDR")


@rule(
    "HP102",
    title="CIDRs begin at their network address.",
    severity=Severity.WARNING,
    why="AWS clears the extra bits, so the template differs from the deployed network.",
    cure="Use the network address.",
    source=_VPC,
    wrong="network: {vpc_cidr: 10.192.3.4/16}\n",
    right="network: {vpc_cidr: 10.192.0.0/16}\n",
)
def host_bits(network: Network, ctx: Context) -> Iterator[Problem]:
    for path, text in _ranges(ctx):
        block = parsed(text)
        if block is not None and str(block.network_address) != text.partition("/")[0]:
            yield Problem(path, f"{as_text(text)} has address bits set beyond its prefix", f"Use {block}.")


@rule(
    "HP103",
    title="VPC CIDRs and subnets are /16 to /28.",
    severity=Severity.ERROR,
    why="EC2 rejects the VPC or the subnet.",
    cure="Use a prefix length of 16 to 28.",
    source=_VPC,
    wrong="network: {vpc_cidr: 10.0.0.0/8}\n",
    right="network: {vpc_cidr: 10.192.0.0/16}\n",
)
def range_sizes(network: Network, ctx: Context) -> Iterator[Problem]:
    for path, text in _ranges(ctx):
        block = parsed(text)
        prefix = limit("vpc_prefix")
        if block is not None and not prefix.allows(block.prefixlen):
            yield Problem(path, f"{block} is a /{block.prefixlen}; AWS supports /{prefix.minimum} to /{prefix.value}")


@rule(
    "HP104",
    title="The VPC's primary CIDR has room for the public and control-plane subnets of every zone.",
    severity=Severity.ERROR,
    why="The subnets would be outside the VPC.",
    cure="Use a larger primary CIDR; a /20 has room for ten zones.",
    source="address arithmetic; EKS requires 6 free addresses in each control-plane subnet, and recommends 16",
    wrong="network: {vpc_cidr: 10.192.0.0/28}\n",
    right="network: {vpc_cidr: 10.192.0.0/24}\n",
)
def primary_holds_subnets(network: Network) -> Iterator[Problem]:
    primary = parsed(network.vpc_cidr) if network.existing is None else None
    if primary is None:
        return
    zones, public = len(network.availability_zone_ids), network.mode == "open"
    if public_prefix(primary, zones, public=public) is None:
        kinds = "a public and a control-plane subnet" if public else "a control-plane subnet"
        need = zones * control_plane_addresses() * (2 if public else 1)
        message = (
            f"{primary} has {primary.num_addresses} addresses; {zones} zones with {kinds} each require at least {need}"
        )
        yield Problem("network.vpc_cidr", message)


@rule(
    "HP105",
    title="Each zone has one node CIDR.",
    severity=Severity.ERROR,
    why="Each zone has one subnet for nodes, with the CIDR in the same position.",
    cure="Specify as many node_cidrs as zones, in the same order, or remove them.",
    source="this project",
    wrong="network: {node_cidrs: [10.1.0.0/16]}\n",
    right="network: {node_cidrs: [10.1.0.0/16, 10.2.0.0/16]}\n",
)
def node_ranges_per_zone(network: Network) -> Iterator[Problem]:
    if network.existing is not None or network.node_cidrs is None:
        return
    given, zones = len(network.node_cidrs), len(network.availability_zone_ids)
    if given != zones:
        yield Problem("network.node_cidrs", f"{count(given, 'CIDR')} for {count(zones, 'zone')}")


@rule(
    "HP106",
    title="Subnets do not overlap.",
    severity=Severity.ERROR,
    why="EC2 rejects the second subnet, or the secondary CIDR.",
    cure="Use CIDRs that do not overlap.",
    source=_VPC,
    wrong="network: {node_cidrs: [10.1.0.0/16, 10.1.128.0/17]}\n",
    right="network: {node_cidrs: [10.1.0.0/16, 10.2.0.0/16]}\n",
)
def subnets_do_not_overlap(network: Network, ctx: Context) -> Iterator[Problem]:
    if network.existing is not None:
        named = [
            (f"network.existing.node_subnets[{i}].cidr", s.cidr) for i, s in enumerate(network.existing.node_subnets)
        ]
        blocks = [(path, block) for path, cidr in named if cidr is not None and (block := parsed(cidr)) is not None]
        yield from _overlaps([], blocks)
        return
    if network.node_cidrs is None or ctx.plan is None:
        return
    primary = ip_range(network.vpc_cidr)
    cut = [(s.kind, ip_range(s.cidr)) for s in ctx.plan.subnets if s.kind != "node"]
    nodes = [(f"network.node_cidrs[{i}]", block) for i, block in enumerate(node_ranges(network))]
    for path, block in nodes:
        if block.overlaps(primary) and not block.subnet_of(primary):
            yield Problem(path, f"{block} exceeds the primary CIDR {primary} that it overlaps")
    yield from _overlaps(cut, nodes)


def _overlaps(taken: Sequence[tuple[str, IPv4Network]], blocks: Sequence[tuple[str, IPv4Network]]) -> Iterator[Problem]:
    for index, (path, block) in enumerate(blocks):
        for other, range_ in [*taken, *blocks[:index]]:
            if block.overlaps(range_):
                name = other if "." in other else f"the {other} subnet"
                yield Problem(path, f"{block} overlaps {range_} of {name}")


_INCOMPATIBLE_RANGES = {
    "10.0.0.0/8": ("172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"),
    "172.16.0.0/12": ("10.0.0.0/8", "192.168.0.0/16", "172.31.0.0/16", "198.19.0.0/16"),
    "192.168.0.0/16": ("10.0.0.0/8", "172.16.0.0/12", "198.19.0.0/16"),
    "198.19.0.0/16": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "0.0.0.0/0": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16"),
}
"""Primary CIDR to the CIDRs that AWS rejects as secondary blocks; the last row is the default."""


@rule(
    "HP107",
    title="Secondary CIDRs can be combined with the primary CIDR.",
    severity=Severity.ERROR,
    why="EC2 rejects the association of the CIDR, after the VPC has been created.",
    cure="Use CIDRs in 100.64.0.0/10, which can be combined with every primary CIDR, or remove node_cidrs.",
    source=_VPC,
    wrong="network: {vpc_cidr: 172.31.0.0/16, node_cidrs: [10.1.0.0/16, 10.2.0.0/16]}\n",
    right="network: {vpc_cidr: 172.31.0.0/16, node_cidrs: [100.64.0.0/16, 100.65.0.0/16]}\n",
)
def secondary_blocks(network: Network) -> Iterator[Problem]:
    if network.existing is not None or network.node_cidrs is None:
        return
    primary = parsed(network.vpc_cidr)
    if primary is None:
        return
    private_range = next(
        private_range for private_range in _INCOMPATIBLE_RANGES if primary.subnet_of(IPv4Network(private_range))
    )
    for index, cidr in enumerate(network.node_cidrs):
        path, block = f"network.node_cidrs[{index}]", parsed(cidr)
        if block is None or block.subnet_of(primary):
            continue
        refused = next(
            (space for space in _INCOMPATIBLE_RANGES[private_range] if block.overlaps(IPv4Network(space))), None
        )
        if refused is not None:
            yield Problem(path, f"{block} is in {refused}, which AWS rejects together with the primary CIDR {primary}")
        elif block.overlaps(IPv4Network("10.0.0.0/16")) and primary.subnet_of(IPv4Network("10.0.0.0/15")):
            yield Problem(path, f"{block} is in 10.0.0.0/16, which AWS rejects together with {primary}")


@rule(
    "HP108",
    title="The VPC has at most four secondary CIDRs.",
    severity=Severity.WARNING,
    why="The default quota is five CIDRs per VPC, including the primary one; beyond it the deployment fails.",
    cure="Request a higher quota (IPv4 CIDR blocks per VPC), use fewer zones, or use node_cidrs in one block.",
    source="VPC quotas: IPv4 CIDR blocks per VPC",
    wrong="network: {availability_zone_ids: [use1-az1, use1-az2, use1-az4, use1-az5, use1-az6]}\nregion: us-east-1\n",
    right="network: {availability_zone_ids: [use1-az1, use1-az2, use1-az4]}\nregion: us-east-1\n",
)
def secondary_block_quota(network: Network, ctx: Context) -> Iterator[Problem]:
    if ctx.plan is not None:
        blocks, maximum = len(ctx.plan.secondary_cidrs), limit("vpc_ipv4_cidr_blocks").value
        if blocks > maximum - 1:
            place = "network.node_cidrs" if network and network.node_cidrs else "network.availability_zone_ids"
            yield Problem(place, f"{blocks} secondary CIDRs are required; the default quota allows {maximum - 1}")


@rule(
    "HP109",
    title="CIDRs of the network are private and do not conflict with well-known ranges.",
    severity=Severity.WARNING,
    why="Addresses that are used elsewhere cannot be reached from the network.",
    cure="Use CIDRs in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10, except 172.17.0.0/16.",
    source=_VPC + "; Docker's default bridge is 172.17.0.0/16",
    wrong="network: {vpc_cidr: 172.17.0.0/16}\n",
    right="network: {vpc_cidr: 172.18.0.0/16}\n",
)
def private_ranges(network: Network, ctx: Context) -> Iterator[Problem]:
    spaces = [IPv4Network(space) for space in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
    for path, text in _ranges(ctx):
        block = parsed(text)
        if block is None:
            continue
        if block.overlaps(IPv4Network("172.17.0.0/16")):
            yield Problem(path, f"{block} overlaps 172.17.0.0/16, which Docker and some AWS services use inside nodes")
        elif not any(block.subnet_of(space) for space in spaces):
            yield Problem(path, f"{block} is not in a private range")


@rule(
    "HP114",
    title="Nodes of an open network have a route to the internet.",
    severity=Severity.WARNING,
    why="Nodes pull images and call services through NAT; without it, they reach only services with an endpoint.",
    cure="Use `nat: single`, or `mode: closed`, which adds the required endpoints.",
    source="facts on closed networks: the Terraform module's endpoint list",
    wrong="network: {nat: none}\n",
    right="network: {nat: single}\n",
)
def route_out(network: Network) -> Iterator[Problem]:
    if network.existing is None and network.mode == "open" and network.nat == "none":
        yield Problem("network.nat", "private subnets of an open network without NAT have no route to the internet")


@rule(
    "HP115",
    title="Interface endpoints are specified by their service.",
    severity=Severity.WARNING,
    why="CloudFormation fails for a service that does not exist.",
    cure="Use the name after com.amazonaws.<region>. in `aws ec2 describe-vpc-endpoint-services`.",
    source="endpoint list of the catalog",
    certain=True,
    wrong="network: {interface_endpoints: [ecr-api]}\n",
    right="network: {interface_endpoints: [ecr.api]}\n",
)
def endpoint_services(network: Network) -> Iterator[Problem]:
    for index, service in enumerate(network.interface_endpoints if network else ()):
        path = f"network.interface_endpoints[{index}]"
        if is_token(service):
            yield skipped(path)
        elif service.startswith(_WHOLE_NAME):
            short = re.sub(rf"^{pattern('region_name')}\.", "", service.removeprefix(_WHOLE_NAME))
            message = f"{as_text(service)} is a full name; the prefix com.amazonaws.<region>. is added automatically"
            yield Problem(path, message, f"Use {short}.", severity=Severity.ERROR)
        elif service not in endpoints():
            near = suggest(service.replace(".", "-"), [name.replace(".", "-") for name in endpoints()])
            known = next((name for name in endpoints() if name.replace(".", "-") == near), None)
            cure = f"Did you mean {known!r}?" if known is not None else None
            yield Problem(path, f"{as_text(service)} is not an endpoint service in the catalog", cure)


_WHOLE_NAME = "com.amazonaws."
