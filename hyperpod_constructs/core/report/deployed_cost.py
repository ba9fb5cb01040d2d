"""Hourly cost of the resources in deployed templates, if their price is known: the cost before a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..catalog import ec2_price, find_price
from ..cost import Estimate, Line
from ..stack_templates import Stacks, resources

_PRICED = {
    "AWS::EC2::NatGateway": ("network", "nat_gateway"),
    "AWS::EC2::EIP": ("network", "public_ipv4"),
    "AWS::EKS::Cluster": ("eks", "eks:standard"),
}
"""Part of the config and item in the price list, by resource type."""


def deployed_estimate(stacks: Stacks, region: str) -> Estimate:
    """Returns the cost of deployed instances, NAT gateways, addresses, the control plane and interface endpoints.

    >>> eks = {"Type": "AWS::EKS::Cluster"}
    >>> deployed_estimate({"eks": {"Resources": {"Eks": eks}}}, "us-west-2").usd_per_hour
    0.1
    """
    return Estimate(tuple(_lines(stacks, region)))


def _lines(stacks: Stacks, region: str) -> Iterator[Line]:
    found = [resource for template in stacks.values() for resource in resources(template).values()]
    for resource in found:
        if resource.get("Type") == "AWS::SageMaker::Cluster":
            for group in resource.get("Properties", {}).get("InstanceGroups", ()):
                nodes, instance_type = group.get("InstanceCount", 0), str(group.get("InstanceType", "several types"))
                yield _line(
                    "cluster", f"group {group.get('InstanceGroupName')}", f"instance:{instance_type}", nodes, region
                )
    for type_, number in Counter(str(resource.get("Type")) for resource in found).items():
        if type_ in _PRICED:
            part, item = _PRICED[type_]
            yield _line(part, type_, item, number, region)
    zones = sum(
        len(resource.get("Properties", {}).get("SubnetIds", ()))
        for resource in found
        if resource.get("Type") == "AWS::EC2::VPCEndpoint"
        and resource.get("Properties", {}).get("VpcEndpointType") == "Interface"
    )
    if zones:
        yield _line("network", "interface endpoints by zone", "interface_endpoint", zones, region)


def _line(part: str, what: str, item: str, count: object, region: str) -> Line:
    number = count if isinstance(count, int) else 0
    price = find_price(item, region)
    ec2 = ec2_price(item.removeprefix("instance:"), region) if price is None else None
    return Line(
        part=part,
        what=what,
        count=number,
        usd_per_hour=price.usd_per_hour * number if price else None,
        note="" if price else "unknown",
        ec2_usd_per_hour=ec2 * number if ec2 is not None else None,
    )
