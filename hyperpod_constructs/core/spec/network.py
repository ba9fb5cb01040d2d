"""The network: a new VPC with two or more availability zones, or an existing one."""

from typing import Literal

from .base import Change, ListOf, SpecModel, field


class NodeSubnet(SpecModel):
    """An existing private subnet for HyperPod nodes."""

    subnet_id: str = field(change=Change.REPLACES_CLUSTER, help="Subnet ID, such as `subnet-0123456789abcdef0`.")
    availability_zone_id: str = field(
        change=Change.NONE,
        help="Zone ID of the subnet, such as `usw2-az1`; zone names differ between accounts, zone IDs do not.",
    )
    cidr: str | None = field(
        None,
        change=Change.NONE,
        help="IPv4 CIDR of the subnet. If set, rules count the IP addresses that the cluster requires.",
    )
    route_table_id: str | None = field(
        None, change=Change.IN_PLACE, help="Route table of the subnet; required to add an S3 gateway endpoint."
    )


class ExistingNetwork(SpecModel):
    """An existing network. Only the endpoints in `interface_endpoints` are added to it."""

    vpc_id: str = field(change=Change.REPLACES_CLUSTER, help="VPC ID, such as `vpc-0123456789abcdef0`.")
    vpc_cidrs: ListOf[str] = field(
        (),
        change=Change.NONE,
        help="IPv4 CIDRs of the VPC, used to detect overlaps. Default: overlaps are not checked.",
    )
    node_subnets: ListOf[NodeSubnet] = field(
        change=Change.REPLACES_CLUSTER, help="Private subnets for HyperPod nodes, one per zone.", min_length=1
    )
    control_plane_subnet_ids: ListOf[str] = field(
        (),
        change=Change.DRAINS,
        help="Subnets for the network interfaces of the EKS control plane, in two or more zones. Default: "
        "the node subnets of the first two zones.",
    )
    security_group_id: str | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="Security group of the nodes; must allow all traffic to and from itself. Default: a new security group.",
    )


class Network(SpecModel):
    """The network of the EKS and HyperPod clusters.

    >>> Network(availability_zone_ids=["usw2-az1", "usw2-az2"]).vpc_cidr
    '10.192.0.0/16'
    """

    availability_zone_ids: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Zone IDs of the VPC's subnets, at least two (required by EKS). The order determines the CIDRs, "
        "and the control plane uses the first two: append new zones at the end.",
        examples=[["usw2-az1", "usw2-az2"]],
    )
    control_plane_zone_ids: ListOf[str] = field(
        (),
        change=Change.REFUSED,
        help="Zone IDs of the EKS control plane's network interfaces and of the HyperPod cluster's "
        "`VpcConfig`, at least two. They cannot be changed after creation, and do not include zones "
        "that are added later. Default: the first two zones.",
        examples=[["usw2-az1", "usw2-az2"]],
    )
    vpc_cidr: str = field(
        "10.192.0.0/16",
        change=Change.REPLACES_CLUSTER,
        help="Primary IPv4 CIDR of the VPC, which contains the public subnets and the control plane's subnets.",
    )
    node_cidrs: ListOf[str] | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="IPv4 CIDR of the node subnet of each zone, in the order of the zones. Default: a secondary /16 per zone.",
    )
    mode: Literal["open", "closed"] = field(
        "open",
        change=Change.REPLACES_CLUSTER,
        help="`open`: internet gateway and NAT. `closed`: VPC endpoints only; nothing is downloaded from the internet.",
    )
    nat: Literal["single", "per-zone", "none"] = field(
        "single",
        change=Change.IN_PLACE,
        help="NAT gateways of an open network: `single` for all zones (lowest cost), one `per-zone` (highly "
        "available), or `none`.",
    )
    interface_endpoints: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Additional interface endpoints by service, such as `ecr.api`. A new closed network also "
        "has all required endpoints. `s3` is a gateway endpoint, in an existing network for the route "
        "tables in `node_subnets`.",
    )
    endpoint_policies: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Whether the endpoints of a closed network allow only your own accounts. `false`: all principals "
        "and all resources.",
    )
    endpoint_accounts: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Additional accounts whose principals and resources the endpoints of a closed network allow.",
    )
    image_accounts: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Accounts from whose ECR repositories the endpoints of a closed network allow image pulls, in "
        "addition to the platform's account, `endpoint_accounts` and the accounts that AWS publishes "
        "for the region (EKS add-ons, health monitoring agent, inference operator, GPU operator). "
        '`["*"]`: any account.',
    )
    organization_id: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="Organization whose principals and resources the endpoints of a closed network allow, such as "
        "`o-a1b2c3d4e5`.",
    )
    functions_in_vpc: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Run all Lambda functions of the deployment in the VPC, including CDK's, for organizations that "
        "reject functions outside a VPC. Default: only those that connect to the Kubernetes API in the "
        "VPC.",
    )
    flow_logs: bool = field(False, change=Change.IN_PLACE, help="Write VPC flow logs to CloudWatch Logs.")
    existing: ExistingNetwork | None = field(
        None, change=Change.REPLACES_CLUSTER, help="Use an existing network instead of creating one."
    )
