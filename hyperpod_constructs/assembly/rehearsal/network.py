"""EC2: CIDR blocks, gateways, routes, and the network access of a subnet."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from .account import Account, AwsResource, Refused
from .resources import MODELS, Model, Request, Resources

EC2 = "AWS::EC2::"


def _blocks(account: Account, vpc: str) -> Iterator[IPv4Network]:
    resource = account.find(f"{EC2}VPC", vpc)
    if resource is None:
        return
    yield IPv4Network(resource.properties["CidrBlock"])
    for block in account.of_kind(f"{EC2}VPCCidrBlock"):
        if block.properties["VpcId"] == vpc and "CidrBlock" in block.properties:
            yield IPv4Network(block.properties["CidrBlock"])


def _subnets(account: Account, vpc: str) -> Iterator[AwsResource]:
    return (subnet for subnet in account.of_kind(f"{EC2}Subnet") if subnet.properties["VpcId"] == vpc)


def _before_block(services: Resources, request: Request) -> None:
    wanted = request.properties.get("CidrBlock")
    for block in _blocks(services.account, request.properties["VpcId"]):
        if wanted and block.overlaps(IPv4Network(wanted)):
            raise Refused(f"the CIDR {wanted} conflicts with {block} of the VPC")


def _before_block_deletion(services: Resources, resource: AwsResource) -> None:
    block = IPv4Network(resource.properties.get("CidrBlock", "0.0.0.0/32"))
    for subnet in _subnets(services.account, resource.properties["VpcId"]):
        if IPv4Network(subnet.properties["CidrBlock"]).subnet_of(block):
            raise Refused(f"the VPC's block {block} has the subnet {subnet.id} ({subnet.name})")


def _before_subnet(services: Resources, request: Request) -> None:
    vpc = request.properties["VpcId"]
    if services.account.find(f"{EC2}VPC", vpc) is None or "CidrBlock" not in request.properties:
        return
    wanted = IPv4Network(request.properties["CidrBlock"])
    if not any(wanted.subnet_of(block) for block in _blocks(services.account, vpc)):
        raise Refused(f"The CIDR '{wanted}' is invalid: it is not in a CIDR block of the VPC (yet)")
    for other in _subnets(services.account, vpc):
        if wanted.overlaps(IPv4Network(other.properties["CidrBlock"])):
            raise Refused(f"The CIDR '{wanted}' conflicts with another subnet: {other.id} ({other.name})")


def _attached(account: Account, vpc: str, gateway: str = "") -> bool:
    return account.find(f"{EC2}VPC", vpc) is None or any(
        attachment.properties["VpcId"] == vpc and gateway in ("", attachment.properties.get("InternetGatewayId"))
        for attachment in account.of_kind(f"{EC2}VPCGatewayAttachment")
    )


def _before_route(services: Resources, request: Request) -> None:
    gateway = request.properties.get("GatewayId")
    table = services.account.find(f"{EC2}RouteTable", request.properties["RouteTableId"])
    if gateway and table is not None and not _attached(services.account, table.properties["VpcId"], gateway):
        raise Refused(
            f"route table {table.id} and network gateway {gateway} belong to different networks (not attached)"
        )


def _before_nat(services: Resources, request: Request) -> None:
    subnet = services.account.find(f"{EC2}Subnet", request.properties.get("SubnetId"))
    private = request.properties.get("ConnectivityType") == "private"
    if subnet is not None and not private and not _attached(services.account, subnet.properties["VpcId"]):
        raise Refused(f"Network {subnet.properties['VpcId']} has no Internet gateway attached")


def _before_detachment(services: Resources, resource: AwsResource) -> None:
    own_subnets = {subnet.id for subnet in _subnets(services.account, resource.properties["VpcId"])}
    for nat in services.account.of_kind(f"{EC2}NatGateway"):
        if nat.properties.get("SubnetId") in own_subnets and "AllocationId" in nat.properties:
            raise Refused(
                f"Network {resource.properties['VpcId']} has some mapped public address(es): that of {nat.name}"
            )


def egress_routes(account: Account, subnet_id: str) -> set[str] | None:
    """Returns the destinations of a subnet: `internet` and services with an endpoint; None for an external subnet."""
    subnet = account.find(f"{EC2}Subnet", subnet_id)
    if subnet is None:
        return None
    vpc = subnet.properties["VpcId"]
    tables = {
        association.properties["RouteTableId"]
        for association in account.of_kind(f"{EC2}SubnetRouteTableAssociation")
        if association.properties["SubnetId"] == subnet.id
    }
    found: set[str] = set()
    for route in account.of_kind(f"{EC2}Route"):
        if (
            route.properties["RouteTableId"] not in tables
            or route.properties.get("DestinationCidrBlock") != "0.0.0.0/0"
        ):
            continue
        nat = route.properties.get("NatGatewayId")
        if nat is None or account.exists(f"{EC2}NatGateway", nat):
            found.add("internet")
    for endpoint in account.of_kind(f"{EC2}VPCEndpoint"):
        service = str(endpoint.properties["ServiceName"]).rpartition(f"{account.region}.")[2]
        routed = endpoint.properties.get("RouteTableIds")
        if endpoint.properties["VpcId"] == vpc and (routed is None or tables & set(routed)):
            found.add(service)
    return found


MODELS |= {
    f"{EC2}VPCCidrBlock": Model(before_create=_before_block, before_delete=_before_block_deletion),
    f"{EC2}Subnet": Model(before_create=_before_subnet),
    f"{EC2}Route": Model(before_create=_before_route),
    f"{EC2}NatGateway": Model(before_create=_before_nat),
    f"{EC2}VPCGatewayAttachment": Model(before_delete=_before_detachment),
}
