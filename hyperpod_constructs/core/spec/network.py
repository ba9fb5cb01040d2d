"""The network: a VPC over two or more availability zones, or one that exists."""

from typing import Literal

from .base import Change, ListOf, SpecModel, field


class NodeSubnet(SpecModel):
    """A private subnet that exists and is used for HyperPod nodes."""

    subnet_id: str = field(change=Change.REPLACES_CLUSTER, help="Subnet id, such as `subnet-0123456789abcdef0`.")
    availability_zone_id: str = field(
        change=Change.NONE, help="Zone id of the subnet, such as `usw2-az1`; zone names differ per account, ids do not."
    )
    cidr: str | None = field(
        None, change=Change.NONE, help="IPv4 range of the subnet; when given, addresses are counted against it."
    )
    route_table_id: str | None = field(
        None, change=Change.IN_PLACE, help="Route table of the subnet; needed where we add an S3 gateway endpoint."
    )


class ExistingNetwork(SpecModel):
    """A network that exists. We add nothing to it but what is asked for."""

    vpc_id: str = field(change=Change.REPLACES_CLUSTER, help="VPC id, such as `vpc-0123456789abcdef0`.")
    vpc_cidrs: ListOf[str] = field(
        (), change=Change.NONE, help="IPv4 ranges of the VPC, for the overlap checks; leave out to skip those."
    )
    node_subnets: ListOf[NodeSubnet] = field(
        change=Change.REPLACES_CLUSTER, help="Private subnets for HyperPod nodes, one per zone in use.", min_length=1
    )
    control_plane_subnet_ids: ListOf[str] = field(
        (),
        change=Change.DRAINS,
        help="Subnets for the EKS control plane's interfaces, in two or more zones; default: the node subnets of the first "
        "two zones.",
    )
    security_group_id: str | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="Security group of the nodes; must admit all traffic from and to itself. Default: a new one.",
    )


class Network(SpecModel):
    """The network that EKS and HyperPod live in.

    >>> Network(availability_zone_ids=["usw2-az1", "usw2-az2"]).vpc_cidr
    '10.192.0.0/16'
    """

    availability_zone_ids: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Zone ids of the VPC's subnets, two or more (EKS needs two); the order decides the address ranges, and the "
        "first two are those of the control plane: append zones at the end.",
        examples=[["usw2-az1", "usw2-az2"]],
    )
    control_plane_zone_ids: ListOf[str] = field(
        (),
        change=Change.REFUSED,
        help="Zone ids of the EKS control plane's interfaces and of the HyperPod cluster's `VpcConfig`, two or more. Both "
        "are fixed when the clusters are created: zones that are added later stay out. Default: the first two zones.",
        examples=[["usw2-az1", "usw2-az2"]],
    )
    vpc_cidr: str = field(
        "10.192.0.0/16",
        change=Change.REPLACES_CLUSTER,
        help="Primary IPv4 range of the VPC: public subnets and the control plane's subnets are cut from it.",
    )
    node_cidrs: ListOf[str] | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="IPv4 range of the node subnet of each zone, in the order of the zones. Default: a secondary /16 per zone.",
    )
    mode: Literal["open", "closed"] = field(
        "open",
        change=Change.REPLACES_CLUSTER,
        help="`open`: internet gateway and NAT. `closed`: neither; VPC endpoints only, nothing is fetched from outside.",
    )
    nat: Literal["single", "per-zone", "none"] = field(
        "single",
        change=Change.IN_PLACE,
        help="NAT gateways of an open network: one for all zones (cheap), one per zone (survives a zone), or none.",
    )
    interface_endpoints: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Further endpoints by service, such as `ecr.api`; a closed network gets those it needs by itself. "
        "An existing network gets none but these, `s3` on the route tables that are named.",
    )
    endpoint_policies: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Whether the endpoints of a closed network serve own accounts only. `false`: anybody's, for anything.",
    )
    endpoint_accounts: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Further accounts whose principals and resources the endpoints of a closed network serve.",
    )
    image_accounts: tuple[str, ...] | None = field(
        None,
        change=Change.IN_PLACE,
        help="Accounts from whose ECR repositories the endpoints of a closed network let images be pulled, besides the "
        "platform's own, `endpoint_accounts` and those that AWS publishes for the region; `[]` for these alone. Default: "
        "any account, because those of several HyperPod add-ons are not published.",
    )
    organization_id: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="Organization whose principals and resources the endpoints of a closed network serve, such as `o-a1b2c3d4e5`.",
    )
    functions_in_vpc: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Put all functions of the deployment into the VPC, also those of CDK, for organizations that reject functions "
        "outside of one. Default: only those that reach the Kubernetes API inside it.",
    )
    flow_logs: bool = field(False, change=Change.IN_PLACE, help="Write VPC flow logs to CloudWatch Logs.")
    existing: ExistingNetwork | None = field(
        None, change=Change.REPLACES_CLUSTER, help="Use a network that exists instead of making one."
    )
