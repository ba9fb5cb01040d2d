"""The network of a platform as a construct: a VPC in two or more zones, or an existing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Literal

import jsii
from aws_cdk import Annotations, CfnTag, RemovalPolicy, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct, DependencyGroup, IDependable

from ..core.checks import Context, check
from ..core.findings import Finding, InvalidSpec, errors
from ..core.network_plan import PlannedSubnet, control_plane_zones, plan
from ..core.spec import Network
from .arguments import checked
from .ids import ensure_known, known_id, looked_up_later
from .log_groups import DEFAULT_RETENTION
from .security_groups import node_security_group
from .trust import restrict_to_account
from .validation import region_of, validate_with
from .vpc_endpoints import GATEWAYS, policy_of, service_name

_PLAN_RULES = ("HP101", "HP103", "HP104", "HP105", "HP111")
"""Rules whose errors prevent the allocation of a subnet for each zone."""


@jsii.implements(ec2.IConnectable)
class HyperPodNetwork(Construct):
    """VPC, subnets, routes, S3 gateway endpoint and the node security group.

    Zones are specified by zone id, because capacity and training plans are bound to ids, while zone names differ between
    accounts. Each zone gets a large private node subnet and a small subnet for the control plane's interfaces; an open
    network also gets public subnets and NAT. The node security group has explicit rules from and to itself, which EFA
    requires.

    `network` is the spec; `zones` (zone ids), `vpc_cidr` and `nat` are shortcuts for a network with defaults, and take
    precedence over it. With `network.existing` everything is imported and only a missing security group is created.
    `endpoint_services` are interface endpoints in addition to those of the spec (a closed network requires many).
    """

    vpc: ec2.IVpc
    """The VPC."""
    node_subnets: Mapping[str, ec2.ISubnet]
    """Private node subnet of each zone id, in the order of the config."""
    control_plane_subnets: Sequence[ec2.ISubnet]
    """Subnets for the EKS control plane's interfaces, in two or more zones."""
    cluster_subnets: Sequence[ec2.ISubnet]
    """Node subnets of the same zones: the HyperPod cluster's `VpcConfig`, and the subnets of functions. Zones that are
    added to the network later are not included."""
    node_security_group: ec2.ISecurityGroup
    """Security group of all nodes, shared with the control plane."""
    ready: IDependable
    """Routes, endpoints and security group rules; resources that access the cluster or the internet depend on it."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: Network | None = None,
        zones: Sequence[str] = (),
        vpc_cidr: str | None = None,
        nat: Literal["single", "per-zone", "none"] | None = None,
        endpoint_services: Sequence[str] = (),
    ) -> None:
        self._start(scope, id)
        given = {"availability_zone_ids": tuple(zones), "vpc_cidr": vpc_cidr, "nat": nat}
        network = (network or Network()).model_copy(update={key: value for key, value in given.items() if value})
        self.spec = looked_up_later(network)
        if network.existing:
            self._import(network)
        else:
            self._create(network, endpoint_services)

    def _start(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.is_checked_with_cluster = False
        validate_with(self, self._findings)
        self._group = DependencyGroup()
        self.ready = self._group

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of the nodes."""
        return ec2.Connections(security_groups=[self.node_security_group])

    @staticmethod
    def from_vpc(
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        zones: Sequence[str] = (),
        node_subnets: Mapping[str, ec2.ISubnet] | None = None,
        control_plane_subnets: Sequence[ec2.ISubnet] = (),
        security_group: ec2.ISecurityGroup | None = None,
        interface_endpoints: Sequence[str] = (),
    ) -> HyperPodNetwork:
        """Returns the network of a platform in any VPC: created by CDK's own class, looked up, or imported.

        Resources that depend on the network depend on the VPC's routes, NAT gateways and endpoints, if the app creates them.

        Args:
            scope: scope of the resources that are created for it.
            id: construct id.
            vpc: the VPC.
            zones: ids of the zones of its private subnets; the subnet of each is looked up at deploy time.
            node_subnets: private subnet of each zone id, if they are known; instead of `zones`.
            control_plane_subnets: subnets of the EKS control plane's interfaces. Default: those of the first two zones.
            security_group: security group of the nodes; it must allow all traffic from and to itself. Default: a new one.
            interface_endpoints: services with an interface endpoint, such as `ecr.api`. Default: none.
        """
        from .existing_network import VpcNetwork

        return VpcNetwork(
            scope,
            id,
            vpc=vpc,
            zones=zones,
            node_subnets=node_subnets,
            control_plane_subnets=control_plane_subnets,
            security_group=security_group,
            interface_endpoints=interface_endpoints,
        )

    def _findings(self) -> list[Finding]:
        """Returns findings of a network that no EKS cluster of the app uses; others are checked with their cluster."""
        return [] if self.is_checked_with_cluster else check(Context(network=self.spec, region=region_of(self)))

    def _ensure_planned(self, network: Network) -> None:
        """Rejects a network whose subnets cannot be planned, with the findings that explain it."""
        found = errors(check(Context(network=network, region=region_of(self))))
        if blocking := [finding for finding in found if finding.rule in _PLAN_RULES]:
            raise InvalidSpec(blocking)

    # ---- created ----

    def _create(self, network: Network, endpoint_services: Sequence[str]) -> None:
        ensure_known(self, "network.vpc_cidr", "subnets are allocated from it", network.vpc_cidr)
        ensure_known(self, "network.node_cidrs", "subnets are allocated from it", *(network.node_cidrs or ()))
        self._ensure_planned(network)
        planned = plan(network)
        self._vpc = ec2.CfnVPC(
            self, "Vpc", cidr_block=network.vpc_cidr, enable_dns_hostnames=True, enable_dns_support=True
        )
        self._vpc_id = self._vpc.ref
        path = self.node.path
        Tags.of(self._vpc).add("Name", path)
        self._secondary = {
            IPv4Network(cidr): ec2.CfnVPCCidrBlock(self, f"Cidr{index}", vpc_id=self._vpc_id, cidr_block=cidr)
            for index, cidr in enumerate(planned.secondary_cidrs)
        }
        subnets = {
            kind: {s.availability_zone_id: self._subnet(s, path) for s in planned.subnets if s.kind == kind}
            for kind in ("public", "control-plane", "node")
        }
        subnet_ids = {kind: {zone: s.ref for zone, s in by_zone.items()} for kind, by_zone in subnets.items()}
        private_tables = self._routes(network, subnet_ids)
        self._gateway_endpoint(self._vpc_id, list(private_tables.values()))
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Imported",
            vpc_id=self._vpc_id,
            vpc_cidr_block=network.vpc_cidr,
            availability_zones=[s.attr_availability_zone for s in subnets["node"].values()],
            private_subnet_ids=list(subnet_ids["node"].values()),
            private_subnet_route_table_ids=[private_tables[zone] for zone in subnet_ids["node"]],
            isolated_subnet_ids=list(subnet_ids["control-plane"].values()),
            isolated_subnet_route_table_ids=[private_tables[zone] for zone in subnet_ids["control-plane"]],
        )
        self.node_subnets = self._as_subnets("Node", subnets["node"], subnet_ids["node"], private_tables)
        fixed = control_plane_zones(network)
        control_plane = self._as_subnets(
            "ControlPlane", subnets["control-plane"], subnet_ids["control-plane"], private_tables
        )
        self.control_plane_subnets = [control_plane[zone] for zone in fixed]
        self.cluster_subnets = [self.node_subnets[zone] for zone in fixed]
        self.node_security_group = self._security_group()
        self._interface_endpoints(
            [*network.interface_endpoints, *endpoint_services], [network.vpc_cidr, *planned.secondary_cidrs]
        )
        if network.flow_logs:
            group = logs.LogGroup(
                self,
                "FlowLogGroup",
                retention=DEFAULT_RETENTION,
                removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,  # a failed creation retains nothing
            )
            flow_log = ec2.FlowLog(
                self,
                "FlowLog",
                resource_type=ec2.FlowLogResourceType.from_vpc(self.vpc),
                destination=ec2.FlowLogDestination.to_cloud_watch_logs(group),
            )
            if flow_log.iam_role is not None:
                restrict_to_account(flow_log.iam_role)

    def _subnet(self, planned: PlannedSubnet, path: str) -> ec2.CfnSubnet:
        name = {"public": "Public", "control-plane": "ControlPlane", "node": "Node"}[planned.kind]
        role = {"public": "elb", "node": "internal-elb"}.get(planned.kind)
        subnet = ec2.CfnSubnet(
            self,
            f"{name}{known_id(self, planned.availability_zone_id)}",
            vpc_id=self._vpc_id,
            availability_zone_id=planned.availability_zone_id,
            cidr_block=planned.cidr,
            tags=[CfnTag(key=f"kubernetes.io/role/{role}", value="1")] if role else None,
        )
        for block, association in self._secondary.items():
            if IPv4Network(planned.cidr).subnet_of(block):
                subnet.add_resource_dependency(association)  # a subnet in a secondary CIDR requires its association
        Tags.of(subnet).add("Name", f"{path}/{planned.kind}/{planned.availability_zone_id}")
        return subnet

    def _routes(self, network: Network, subnet_ids: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Returns the ids of the private subnets' route tables by zone; an open network also gets internet access."""
        routing: list[Construct] = []
        gateways: dict[str, ec2.CfnNatGateway] = {}
        if subnet_ids["public"]:
            internet = ec2.CfnInternetGateway(self, "InternetGateway")
            attachment = ec2.CfnVPCGatewayAttachment(
                self, "InternetGatewayAttachment", vpc_id=self._vpc_id, internet_gateway_id=internet.ref
            )
            table_id = ec2.CfnRouteTable(self, "PublicRoutes", vpc_id=self._vpc_id).ref
            route = ec2.CfnRoute(
                self,
                "PublicRoute",
                route_table_id=table_id,
                destination_cidr_block="0.0.0.0/0",
                gateway_id=internet.ref,
            )
            # otherwise the route may be created before the attachment, and the stack is rolled back
            route.add_resource_dependency(attachment)
            routing.append(route)
            for zone, subnet_id in subnet_ids["public"].items():
                routing.append(self._associate(f"Public{known_id(self, zone)}", subnet_id, table_id))
                if network.nat == "per-zone" or (network.nat == "single" and not gateways):
                    address = ec2.CfnEIP(self, f"NatAddress{known_id(self, zone)}", domain="vpc")
                    gateways[zone] = ec2.CfnNatGateway(
                        self,
                        f"Nat{known_id(self, zone)}",
                        subnet_id=subnet_id,
                        allocation_id=address.attr_allocation_id,
                    )
                    gateways[zone].add_resource_dependency(route)
        table_ids: dict[str, str] = {}
        for zone, node_subnet_id in subnet_ids["node"].items():
            name, control_plane_id = known_id(self, zone), subnet_ids["control-plane"][zone]
            table_id = table_ids[zone] = ec2.CfnRouteTable(self, f"PrivateRoutes{name}", vpc_id=self._vpc_id).ref
            routing.append(self._associate(f"Node{name}", node_subnet_id, table_id))
            routing.append(self._associate(f"ControlPlane{name}", control_plane_id, table_id))
            if gateways:
                gateway = gateways.get(zone) or next(iter(gateways.values()))
                routing.append(
                    ec2.CfnRoute(
                        self,
                        f"PrivateRoute{name}",
                        route_table_id=table_id,
                        destination_cidr_block="0.0.0.0/0",
                        nat_gateway_id=gateway.ref,
                    )
                )
        self._group.add(*routing)
        return table_ids

    def _associate(self, name: str, subnet_id: str, table_id: str) -> ec2.CfnSubnetRouteTableAssociation:
        return ec2.CfnSubnetRouteTableAssociation(
            self, f"{name}Association", subnet_id=subnet_id, route_table_id=table_id
        )

    def _as_subnets(
        self, name: str, subnets: Mapping[str, ec2.CfnSubnet], ids: Mapping[str, str], table_ids: Mapping[str, str]
    ) -> dict[str, ec2.ISubnet]:
        return {
            zone: ec2.Subnet.from_subnet_attributes(
                self,
                f"{name}Subnet{known_id(self, zone)}",
                subnet_id=ids[zone],
                availability_zone=subnet.attr_availability_zone,
                route_table_id=table_ids[zone],
            )
            for zone, subnet in subnets.items()
        }

    def _gateway_endpoint(self, vpc_id: str, route_table_ids: Sequence[str]) -> None:
        endpoint = ec2.CfnVPCEndpoint(
            self,
            "S3Endpoint",
            vpc_id=vpc_id,
            service_name=service_name("s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=list(route_table_ids),
            policy_document=policy_of(self, self.spec, "s3"),
        )
        self._group.add(endpoint)

    def _interface_endpoints(self, services: Sequence[str], cidrs: Sequence[str]) -> None:
        interface_services = [service for service in dict.fromkeys(services) if service not in GATEWAYS]
        if not interface_services:
            return
        group = ec2.SecurityGroup(
            self, "EndpointSecurityGroup", vpc=self.vpc, description="HTTPS to VPC endpoints", allow_all_outbound=False
        )
        for index, cidr in enumerate(cidrs):  # including secondary CIDRs, which contain the nodes
            self._group.add(
                ec2.CfnSecurityGroupIngress(
                    self,
                    f"EndpointIngress{index}",
                    group_id=group.security_group_id,
                    ip_protocol="tcp",
                    from_port=443,
                    to_port=443,
                    cidr_ip=cidr,
                    description="HTTPS from the VPC",
                )
            )
        if not cidrs:  # an existing VPC whose CIDRs were not specified
            self._group.add(
                ec2.CfnSecurityGroupIngress(
                    self,
                    "EndpointIngressNodes",
                    group_id=group.security_group_id,
                    ip_protocol="tcp",
                    from_port=443,
                    to_port=443,
                    source_security_group_id=self.node_security_group.security_group_id,
                    description="HTTPS from the nodes",
                )
            )
        subnet_ids, vpc_id = [subnet.subnet_id for subnet in self.node_subnets.values()], self.vpc.vpc_id
        for service in interface_services:
            self._group.add(
                ec2.CfnVPCEndpoint(
                    self,
                    f"Endpoint-{service}",
                    vpc_id=vpc_id,
                    service_name=service_name(service),
                    vpc_endpoint_type="Interface",
                    private_dns_enabled=True,
                    subnet_ids=subnet_ids,
                    security_group_ids=[group.security_group_id],
                    policy_document=policy_of(self, self.spec, service),
                )
            )

    # ---- existing ----

    def _import(self, network: Network) -> None:
        existing = network.existing
        assert existing is not None
        zones = [subnet.availability_zone_id for subnet in existing.node_subnets]
        tables = [subnet.route_table_id for subnet in existing.node_subnets]
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Imported",
            vpc_id=existing.vpc_id,
            availability_zones=zones,  # CDK only pairs them with the subnets; they are not sent to EC2
            private_subnet_ids=[subnet.subnet_id for subnet in existing.node_subnets],
            private_subnet_route_table_ids=[table for table in tables if table] if all(tables) else None,
            vpc_cidr_block=existing.vpc_cidrs[0] if existing.vpc_cidrs else None,
        )
        self.node_subnets = {
            subnet.availability_zone_id: ec2.Subnet.from_subnet_attributes(
                self,
                f"NodeSubnet{known_id(self, subnet.availability_zone_id)}",
                subnet_id=subnet.subnet_id,
                availability_zone=subnet.availability_zone_id,
                route_table_id=subnet.route_table_id,
            )
            for subnet in existing.node_subnets
        }
        self.cluster_subnets = [self.node_subnets[zone] for zone in control_plane_zones(network)]
        self.control_plane_subnets = [
            ec2.Subnet.from_subnet_id(self, f"ControlPlaneSubnet{index}", subnet_id)
            for index, subnet_id in enumerate(existing.control_plane_subnet_ids)
        ] or self.cluster_subnets
        self.node_security_group = (
            ec2.SecurityGroup.from_security_group_id(self, "NodeSecurityGroup", existing.security_group_id)
            if existing.security_group_id
            else self._security_group()
        )
        if "s3" in network.interface_endpoints:
            self._gateway_endpoint(existing.vpc_id, list(dict.fromkeys(table for table in tables if table)))
        self._interface_endpoints(network.interface_endpoints, existing.vpc_cidrs)
        # route tables that were not specified are not used, and rules report where they are required
        Annotations.of(self).acknowledge_warning("@aws-cdk/aws-ec2:noSubnetRouteTableId")

    def _security_group(self) -> ec2.ISecurityGroup:
        group = node_security_group(self, "NodeSecurityGroup", self.vpc)
        self._group.add(group)
        return group
