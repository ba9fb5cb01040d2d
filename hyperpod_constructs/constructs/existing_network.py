"""The network of a platform in any CDK VPC, created in the same app or imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Annotations, CfnResource
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, IConstruct

from ..core.network_plan import control_plane_zones
from ..core.spec import ExistingNetwork, Network, NodeSubnet
from .arguments import checked
from .ids import known_id, looked_up_later
from .network import HyperPodNetwork
from .subnet_lookup import subnet_in_zone


class VpcNetwork(HyperPodNetwork):
    """See `HyperPodNetwork.from_vpc`."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        zones: Sequence[str],
        node_subnets: Mapping[str, ec2.ISubnet] | None,
        control_plane_subnets: Sequence[ec2.ISubnet],
        security_group: ec2.ISecurityGroup | None,
        interface_endpoints: Sequence[str],
    ) -> None:
        if bool(zones) == bool(node_subnets):
            raise ValueError(f"{scope.node.path}/{id}: set zones, to look up the subnet of each, or node_subnets")
        self._start(scope, id)
        self.vpc = vpc
        # the route table of a subnet that was looked up is unknown and not used
        Annotations.of(self).acknowledge_warning("@aws-cdk/aws-ec2:noSubnetRouteTableId")
        self.node_subnets = dict(node_subnets or {zone: self._look_up(zone) for zone in zones})
        subnets = [
            NodeSubnet(subnet_id=subnet.subnet_id, availability_zone_id=zone)
            for zone, subnet in self.node_subnets.items()
        ]
        existing = ExistingNetwork(
            vpc_id=vpc.vpc_id,
            node_subnets=tuple(subnets),
            control_plane_subnet_ids=tuple(subnet.subnet_id for subnet in control_plane_subnets),
        )
        self.spec = looked_up_later(Network(existing=existing, interface_endpoints=tuple(interface_endpoints)))
        self.cluster_subnets = [self.node_subnets[zone] for zone in control_plane_zones(self.spec)]
        self.control_plane_subnets = list(control_plane_subnets) or self.cluster_subnets
        self.node_security_group = security_group or self._security_group()
        self._interface_endpoints(interface_endpoints, ())
        for construct in (vpc, *([security_group] if security_group else [])):
            if has_resources(construct):  # an imported construct has no resources to depend on
                self._group.add(construct)
        if any(has_resources(subnet) for subnet in self.node_subnets.values()):
            self._group.add(*(subnet.internet_connectivity_established for subnet in self.node_subnets.values()))

    def _look_up(self, zone: str) -> ec2.ISubnet:
        private = [subnet.subnet_id for subnet in self.vpc.private_subnets or self.vpc.isolated_subnets]
        subnet_id = subnet_in_zone(self, zone, private)
        return ec2.Subnet.from_subnet_attributes(
            self, f"NodeSubnet{known_id(self, zone)}", subnet_id=subnet_id, availability_zone=zone
        )


def has_resources(construct: IConstruct) -> bool:
    """Whether a construct is created in this app: an imported one has no resource."""
    return isinstance(construct, CfnResource) or any(map(has_resources, construct.node.children))
