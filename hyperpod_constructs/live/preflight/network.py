"""Probes of an existing network: whether it is suitable for nodes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...core import catalog
from ...core.checks import Context, Problem
from ...core.closed import features
from ...core.findings import Severity
from ...core.network_plan import control_plane_zones, demands, node_addresses, replacement_nodes
from ...core.spec.network import ExistingNetwork
from ...core.spec.platform import Platform
from .own import clusters_and_own, counts, own_resources
from .probes import Found, probe
from .queries import AwsQueries

Json = Mapping[str, Any]

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_CONTROL_PLANE_IPS = "eks_control_plane_subnet_free_ips"


def _subnet_ids(platform: Platform) -> dict[str, str]:
    """Subnet ID to the first config path that refers to it."""
    paths: dict[str, str] = {}
    existing = platform.network.existing
    if existing is not None:
        for index, subnet in enumerate(existing.node_subnets):
            paths.setdefault(subnet.subnet_id, f"network.existing.node_subnets[{index}]")
        for index, id_ in enumerate(existing.control_plane_subnet_ids):
            paths.setdefault(id_, f"network.existing.control_plane_subnet_ids[{index}]")
    for path, group in Context.of(platform).groups:
        for index, id_ in enumerate(group.subnet_ids):
            paths.setdefault(id_, f"{path}.subnet_ids[{index}]")
    return paths


def _group_ids(platform: Platform) -> dict[str, str]:
    """Security group ID to the first config path that refers to it."""
    paths: dict[str, str] = {}
    existing = platform.network.existing
    if existing is not None and existing.security_group_id:
        paths[existing.security_group_id] = "network.existing.security_group_id"
    for path, group in Context.of(platform).groups:
        for index, id_ in enumerate(group.security_group_ids):
            paths.setdefault(id_, f"{path}.security_group_ids[{index}]")
    return paths


def _by_id(aws: AwsQueries, operation: str, key: str, filter_: str, ids: Iterable[str]) -> list[Json]:
    """The resources with these IDs that exist. Uses a filter: a request by ID fails if any of them does not exist."""
    found: list[Json] = aws.all("ec2", operation, key, Filters=[{"Name": filter_, "Values": sorted(ids)}])
    return found


@probe(
    "subnets",
    services=("ec2", "sagemaker", "cloudformation"),
    applies=_subnet_ids,
)
def subnets(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether the subnets exist, in the right VPC and zone, with enough free IP addresses."""
    paths = _subnet_ids(platform)
    found, clusters = aws.together(
        lambda: _by_id(aws, "DescribeSubnets", "Subnets", "subnet-id", paths),
        lambda: clusters_and_own(platform, aws),
    )
    if found is None:
        return
    by_id = {subnet["SubnetId"]: subnet for subnet in found}
    existing = platform.network.existing
    for id_, path in paths.items():
        if id_ not in by_id:
            yield "HP930", Problem(path, f"subnet {id_} does not exist in {aws.region}")
        elif existing is not None and by_id[id_]["VpcId"] != existing.vpc_id:
            yield "HP931", Problem(path, f"{id_} is in {by_id[id_]['VpcId']}, not in {existing.vpc_id}")
    yield from _addresses(platform, by_id, clusters)
    if existing is not None:
        yield from _node_subnets(existing, by_id)
        if platform.eks.existing is None:
            yield from _control_plane(platform, existing, by_id)


def _node_subnets(existing: ExistingNetwork, by_id: Mapping[str, Json]) -> Iterator[Found]:
    """Zones and CIDRs that differ from the config."""
    for index, subnet in enumerate(existing.node_subnets):
        live = by_id.get(subnet.subnet_id)
        if live is None:
            continue
        path = f"network.existing.node_subnets[{index}]"
        if live["AvailabilityZoneId"] != subnet.availability_zone_id:
            message = f"{subnet.subnet_id} is in {live['AvailabilityZoneId']}, not in {subnet.availability_zone_id}"
            cure = f"Set availability_zone_id to {live['AvailabilityZoneId']}."
            yield "HP931", Problem(f"{path}.availability_zone_id", message, cure)
        if subnet.cidr and live["CidrBlock"] != subnet.cidr:
            message = f"{subnet.subnet_id} has {live['CidrBlock']}, not {subnet.cidr}"
            yield (
                "HP931",
                Problem(f"{path}.cidr", message, f"Set cidr to {live['CidrBlock']}.", severity=Severity.WARNING),
            )


def _control_plane(platform: Platform, existing: ExistingNetwork, by_id: Mapping[str, Json]) -> Iterator[Found]:
    """Zones and free IP addresses of the control plane's subnets."""
    fixed, paths = control_plane_zones(platform.network), _subnet_ids(platform)
    subnet_ids = existing.control_plane_subnet_ids or [
        subnet.subnet_id for subnet in existing.node_subnets if subnet.availability_zone_id in fixed
    ]
    zones = {by_id[id_]["AvailabilityZoneId"] for id_ in subnet_ids if id_ in by_id}
    least = catalog.limit(_CONTROL_PLANE_IPS).value
    if len(zones) < catalog.limit("eks_subnets").value and all(id_ in by_id for id_ in subnet_ids):
        message = f"the subnets of the control plane are in {', '.join(sorted(zones))} only; EKS requires two zones"
        yield "HP931", Problem("network.existing.control_plane_subnet_ids", message)
    for id_ in subnet_ids:
        if id_ in by_id and by_id[id_]["AvailableIpAddressCount"] < least:
            message = f"{id_} has {by_id[id_]['AvailableIpAddressCount']} free IP addresses; EKS requires {least}"
            yield "HP932", Problem(paths[id_], message)


def _addresses(platform: Platform, by_id: Mapping[str, Json], clusters: Any) -> Iterator[Found]:
    """Free IP addresses compared with the demand of the groups; nodes that exist already have addresses."""
    running: dict[str, int] = {}
    for cluster in clusters[1] if clusters else ():
        for instance_type, count, _ in counts(cluster):
            running[instance_type] = running.get(instance_type, 0) + count
    context = Context.of(platform)
    existing = platform.network.existing
    subnet_of = {s.availability_zone_id: s.subnet_id for s in existing.node_subnets} if existing else {}
    wanted: dict[str, list[str]] = {}
    total: dict[str, int] = {}
    by_zone = demands(platform.cluster, context.default_zone)
    claims = [(subnet_of.get(zone), d.group, d.nodes, d.each) for zone, items in by_zone.items() for d in items]
    for _, group in context.groups:
        each = node_addresses(group)
        if group.subnet_ids and each is not None:
            claims.append((group.subnet_ids[0], group.name, group.max_instances + replacement_nodes(group), each))
    kinds = {group.name: group.types for _, group in context.groups}
    for id_, name, nodes, each in claims:
        if id_ is None or id_ not in by_id:
            continue
        present = 0
        for kind in kinds[name]:  # an existing node counts for one group
            taken = min(nodes - present, running.get(kind, 0))
            running[kind] = running.get(kind, 0) - taken
            present += taken
        if nodes > present:
            total[id_] = total.get(id_, 0) + (nodes - present) * each
            wanted.setdefault(id_, []).append(f"{name} {nodes - present} x {each}")
    paths = _subnet_ids(platform)
    for id_, need in total.items():
        free = by_id[id_]["AvailableIpAddressCount"]
        if need > free:
            message = f"{id_} has {free} free IP addresses, but the nodes use up to {need} ({', '.join(wanted[id_])})"
            yield "HP932", Problem(paths[id_], message)


@probe(
    "VPC, routes and endpoints",
    services=("ec2", "cloudformation"),
    applies=lambda platform: platform.network.existing,
)
def routes(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether nodes are in private subnets and can reach the required services, by NAT or by endpoints."""
    existing = platform.network.existing
    if existing is None:
        return
    in_vpc = [{"Name": "vpc-id", "Values": [existing.vpc_id]}]
    vpcs, tables, endpoints, groups, support, hostnames, own_ids = aws.together(
        lambda: _by_id(aws, "DescribeVpcs", "Vpcs", "vpc-id", [existing.vpc_id]),
        lambda: aws.all("ec2", "DescribeRouteTables", "RouteTables", Filters=in_vpc),
        lambda: aws.all("ec2", "DescribeVpcEndpoints", "VpcEndpoints", Filters=in_vpc),
        lambda: aws.all("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=in_vpc),
        *(
            lambda name=name: _attribute(aws, existing.vpc_id, name)
            for name in ("enableDnsSupport", "enableDnsHostnames")
        ),
        lambda: own_resources(platform, aws),
    )
    if vpcs == []:
        yield "HP930", Problem("network.existing.vpc_id", f"VPC {existing.vpc_id} does not exist in {aws.region}")
        return
    for name, value in (("DNS resolution", support), ("DNS hostnames", hostnames)):
        if value is False:
            message = f"{name} is disabled in {existing.vpc_id}"
            yield "HP936", Problem("network.existing.vpc_id", message)
    if tables is None:
        return
    yield from _default_routes(existing, tables)
    closed = [
        (f"network.existing.node_subnets[{index}]", subnet, table)
        for index, subnet in enumerate(existing.node_subnets)
        if (table := _table_of(tables, subnet.subnet_id)) is not None and not _default_of(table)
    ]
    if endpoints is not None:
        yield from _second_endpoints(platform, aws.region, endpoints, own_ids or {})
        yield from _s3_endpoints(aws.region, endpoints, closed)
        if closed:
            yield from _missing_endpoints(platform, aws.region, endpoints)
    if endpoints is not None and groups is not None and closed:
        yield from _endpoint_groups(platform, endpoints, groups)


def _default_routes(existing: ExistingNetwork, tables: Iterable[Json]) -> Iterator[Found]:
    """Default routes to an internet gateway, or to a deleted target."""
    for index, subnet in enumerate(existing.node_subnets):
        table = _table_of(tables, subnet.subnet_id)
        if table is None:
            continue
        path, default = f"network.existing.node_subnets[{index}]", _default_of(table)
        if any(route.get("GatewayId", "").startswith("igw-") for route in default):
            message = (
                f"{subnet.subnet_id} is public: {table['RouteTableId']} routes 0.0.0.0/0 to {default[0]['GatewayId']}"
            )
            yield "HP933", Problem(path, message)
        elif any(route.get("State") == "blackhole" for route in default):
            message = f"the route of {table['RouteTableId']} to 0.0.0.0/0 points to a deleted target (blackhole)"
            yield "HP933", Problem(path, message, "Correct the route.")


def _default_of(table: Json) -> list[Json]:
    return [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]


def _attribute(aws: AwsQueries, vpc_id: str, name: str) -> bool | None:
    response = aws.one("ec2", "DescribeVpcAttribute", VpcId=vpc_id, Attribute=name)
    value = response.get(name[0].upper() + name[1:], {}).get("Value")
    return None if value is None else bool(value)


def _table_of(tables: Iterable[Json], subnet_id: str) -> Json | None:
    main = None
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet_id:
                return table
            if association.get("Main"):
                main = table
    return main


def _by_service(region: str, endpoints: Iterable[Json]) -> dict[str, Json]:
    """The working endpoints, by service."""
    return {
        endpoint["ServiceName"].removeprefix(f"com.amazonaws.{region}."): endpoint
        for endpoint in endpoints
        if endpoint.get("State", "available").lower() in ("available", "pending")
    }


def _second_endpoints(
    platform: Platform, region: str, endpoints: Iterable[Json], own_ids: Mapping[str, list[str]]
) -> Iterator[Found]:
    """Endpoints of the config whose private DNS name is in use by another endpoint of the VPC."""
    ours, live_of = set(own_ids.get("AWS::EC2::VPCEndpoint", ())), _by_service(region, endpoints)
    for index, service in enumerate(platform.network.interface_endpoints):
        live = live_of.get(service)
        if live and live.get("PrivateDnsEnabled") and live["VpcEndpointId"] not in ours:
            existing_endpoint = f"{live['VpcEndpointId']} already serves {service} with private DNS in this VPC"
            message = f"{existing_endpoint}; EC2 rejects a second one"
            yield "HP934", Problem(f"network.interface_endpoints[{index}]", message, f"Remove {service} from the list.")


def _s3_endpoints(region: str, endpoints: Iterable[Json], closed: Iterable[Any]) -> Iterator[Found]:
    """Subnets without a default route and without access to S3."""
    gateway = _by_service(region, endpoints).get("s3")
    by_interface = gateway is not None and gateway.get("VpcEndpointType") == "Interface"
    for path, subnet, table in closed:
        has_s3 = by_interface or any("DestinationPrefixListId" in route for route in table["Routes"])
        if not has_s3 and not subnet.route_table_id:
            id_ = table["RouteTableId"]
            message = f"{subnet.subnet_id} has access to neither the internet nor S3: {id_} has no route to either"
            cure = f"Set route_table_id to {id_} to create a gateway endpoint for it."
            yield "HP933", Problem(path, message, cure)


def _missing_endpoints(platform: Platform, region: str, endpoints: Iterable[Json]) -> Iterator[Found]:
    """Services that nodes without a default route require and that have no working endpoint."""
    live_of = _by_service(region, endpoints)
    for wanted in catalog.endpoints_for(features(platform)):
        if wanted.type == "Gateway" or wanted.service in platform.network.interface_endpoints:
            continue
        live = live_of.get(wanted.service)
        severity = Severity.WARNING if wanted.uncertain else None
        if live is None:
            message = (
                f"no endpoint of com.amazonaws.{region}.{wanted.service} for nodes without internet access "
                f"({wanted.reason})"
            )
            cure = f"Add {wanted.service} to network.interface_endpoints."
            yield "HP934", Problem("network.existing", message, cure, severity=severity)
        elif live.get("VpcEndpointType", "Interface") == "Interface" and live.get("PrivateDnsEnabled") is False:
            message = f"{live['VpcEndpointId']} ({wanted.service}) has private DNS disabled: clients cannot resolve it"
            yield (
                "HP934",
                Problem("network.existing", message, "Enable private DNS names on the endpoint.", severity=severity),
            )


def _endpoint_groups(platform: Platform, endpoints: Iterable[Json], groups: Iterable[Json]) -> Iterator[Found]:
    by_id = {group["GroupId"]: group for group in groups}
    existing = platform.network.existing
    nodes = existing.security_group_id if existing else None
    if nodes is None:
        return
    port = catalog.ports("https")[0][0]
    for endpoint in endpoints:
        ids = [group["GroupId"] for group in endpoint.get("Groups", ()) if group["GroupId"] in by_id]
        if endpoint.get("VpcEndpointType") != "Interface" or not ids:
            continue
        if not any(_admits(rule, nodes, port) for id_ in ids for rule in by_id[id_].get("IpPermissions", ())):
            message = f"{endpoint['VpcEndpointId']} ({endpoint['ServiceName']}) does not allow {nodes} on port {port}"
            cure = f"Allow TCP {port} from {nodes} in {', '.join(ids)}."
            yield "HP934", Problem("network.existing.security_group_id", message, cure)


def _admits(rule: Json, group_id: str, port: int) -> bool:
    """Whether an ingress rule allows a group on a port; CIDRs are assumed to include the nodes."""
    everything = rule.get("IpProtocol") == "-1"
    if not everything and not rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535):
        return False
    named = any(pair.get("GroupId") == group_id for pair in rule.get("UserIdGroupPairs", ()))
    return named or bool(rule.get("IpRanges")) or bool(rule.get("PrefixListIds"))


@probe("security groups", services=("ec2",), applies=_group_ids)
def security_groups(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether node security groups allow all traffic to and from themselves, with explicit rules."""
    paths = _group_ids(platform)
    found = {g["GroupId"]: g for g in _by_id(aws, "DescribeSecurityGroups", "SecurityGroups", "group-id", paths)}
    efa = Context.of(platform).uses_efa
    for id_, path in paths.items():
        group = found.get(id_)
        if group is None:
            yield "HP930", Problem(path, f"security group {id_} does not exist in {aws.region}")
            continue
        existing = platform.network.existing
        if existing is not None and group.get("VpcId") != existing.vpc_id:
            yield "HP931", Problem(path, f"{id_} is in {group.get('VpcId')}, not in {existing.vpc_id}")
        severity = None if efa else Severity.WARNING
        for direction, verb, rules in (
            ("ingress", "from", group.get("IpPermissions", ())),
            ("egress", "to", group.get("IpPermissionsEgress", ())),
        ):
            if any(_all_of_itself(rule, id_) for rule in rules):
                continue
            wide = any(r.get("CidrIp") in _EVERYWHERE for rule in rules for r in rule.get("IpRanges", ()))
            hint = " (a rule for 0.0.0.0/0 does not apply to EFA)" if direction == "egress" and wide else ""
            message = f"{id_} has no {direction} rule for all traffic {verb} itself{hint}"
            quoted = shlex.quote(f"IpProtocol=-1,UserIdGroupPairs=[{{GroupId={id_}}}]")
            command = (
                f"aws ec2 authorize-security-group-{direction} --group-id {shlex.quote(id_)} "
                f"--ip-permissions {quoted} --region {aws.region}"
            )
            yield "HP935", Problem(path, message, command, severity=severity)


def _all_of_itself(rule: Json, group_id: str) -> bool:
    pairs = rule.get("UserIdGroupPairs", ())
    return rule.get("IpProtocol") == "-1" and any(pair.get("GroupId") == group_id for pair in pairs)
