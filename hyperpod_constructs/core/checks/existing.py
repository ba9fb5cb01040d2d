"""HP116 to HP119, HP131: existing networks and IDs."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import matches
from ..findings import Severity
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.network import Network
from .context import Context, as_text, skipped
from .registry import Problem, rule


@rule(
    "HP116",
    title="Settings of a new network are not combined with an existing one.",
    severity=Severity.WARNING,
    why="The existing network keeps its own settings.",
    cure="Remove it, or remove `existing`.",
    source="this project",
    wrong="network: {existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: subnet-0123456789abcdef0, "
    "availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, availability_zone_id: usw2-az2}]}}\n",
    right="network: {availability_zone_ids: [usw2-az1, usw2-az2]}\n",
)
def existing_or_new(network: Network) -> Iterator[Problem]:
    if network.existing is None:
        return
    for name in ("availability_zone_ids", "vpc_cidr", "node_cidrs", "nat", "flow_logs"):
        if name in network.model_fields_set and getattr(network, name) != type(network).model_fields[name].default:
            yield Problem(f"network.{name}", "ignored: `existing` specifies a network")


@rule(
    "HP117",
    title="Ids of existing resources have the format of the resource.",
    severity=Severity.ERROR,
    why="EC2 rejects the id.",
    cure="Copy the id from the account.",
    source="EC2: resource ids are a prefix and 8 or 17 hexadecimal digits",
    wrong="network: {availability_zone_ids: [], existing: {vpc_id: my-vpc, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, "
    "availability_zone_id: usw2-az2}]}}\n",
    right="network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1}, {subnet_id: subnet-0123456789abcdef1, "
    "availability_zone_id: usw2-az2}]}}\n",
)
def ids_of_existing(ctx: Context) -> Iterator[Problem]:
    places: list[tuple[str, str, str | None]] = []
    if ctx.network is not None and ctx.network.existing is not None:
        existing, base = ctx.network.existing, "network.existing"
        places += [
            (f"{base}.vpc_id", "vpc", existing.vpc_id),
            (f"{base}.security_group_id", "sg", existing.security_group_id),
        ]
        for i, subnet in enumerate(existing.node_subnets):
            places.append((f"{base}.node_subnets[{i}].subnet_id", "subnet", subnet.subnet_id))
            places.append((f"{base}.node_subnets[{i}].route_table_id", "rtb", subnet.route_table_id))
        places += [
            (f"{base}.control_plane_subnet_ids[{i}]", "subnet", s)
            for i, s in enumerate(existing.control_plane_subnet_ids)
        ]
    if ctx.eks is not None and ctx.eks.existing is not None:
        places.append(("eks.existing.security_group_id", "sg", ctx.eks.existing.security_group_id))
    for path, group in ctx.groups:
        places += [(f"{path}.subnet_ids[{i}]", "subnet", s) for i, s in enumerate(group.subnet_ids)]
        places += [(f"{path}.security_group_ids[{i}]", "sg", s) for i, s in enumerate(group.security_group_ids)]
    for path, prefix, value in places:
        if is_token(value):
            yield skipped(path)
        elif value is not None and not (value.startswith(f"{prefix}-") and matches("ec2_resource_id", value)):
            yield Problem(path, f"{as_text(value)} is not a valid id; the format is {prefix}-0123456789abcdef0")


_EXISTING = (
    "network: {availability_zone_ids: [], existing: {vpc_id: vpc-0123456789abcdef0, EXTRA node_subnets: [{subnet_id: "
    "subnet-0123456789abcdef0, availability_zone_id: usw2-az1, route_table_id: rtb-0123456789abcdef0}, {subnet_id: "
    "subnet-0123456789abcdef1, availability_zone_id: usw2-az2, route_table_id: rtb-0123456789abcdef1}]}}\n"
)


@rule(
    "HP118",
    title="Existing node subnets have a route to S3.",
    severity=Severity.NOTE,
    why="Nodes get lifecycle scripts, image layers and data from S3; without a gateway endpoint or NAT, all nodes fail.",
    cure="Set route_table_id and `interface_endpoints: [s3]` to add the endpoint, or verify that the subnet has one.",
    source="Terraform module vpc_endpoints; documentation page …-cli-command-create-cluster",
    wrong=_EXISTING.replace("EXTRA ", "").replace(", route_table_id: rtb-0123456789abcdef1", ""),
    right=_EXISTING.replace("EXTRA ", ""),
)
def route_to_s3(network: Network) -> Iterator[Problem]:
    existing = network.existing if network is not None else None
    for index, subnet in enumerate(existing.node_subnets if existing is not None else ()):
        if subnet.route_table_id is None:
            place = f"network.existing.node_subnets[{index}]"
            yield Problem(
                place,
                f"{as_text(subnet.subnet_id)} has no route_table_id: an S3 gateway endpoint cannot be "
                "added for this subnet",
            )


@rule(
    "HP119",
    title="The security group of nodes with EFA allows all traffic to and from itself.",
    severity=Severity.NOTE,
    why="EFA health checks fail without an outbound rule to the group itself; 0.0.0.0/0 is not sufficient.",
    cure="Add both rules for all protocols, with the group itself as source and destination. `hyperpod "
    "preflight` verifies them.",
    source="documentation page sagemaker-hyperpod-prerequisites",
    wrong=_EXISTING.replace("EXTRA", "security_group_id: sg-0123456789abcdef0,")
    + "cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 2}]}\n",
    right=_EXISTING.replace("EXTRA", "security_group_id: sg-0123456789abcdef0,"),
)
def rules_of_security_group(network: Network, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    existing = network.existing if network is not None else None
    if existing is not None and existing.security_group_id is not None and ctx.uses_efa:
        yield Problem(
            "network.existing.security_group_id",
            "this existing security group must allow all traffic to and from itself (EFA)",
        )


@rule(
    "HP131",
    title="An existing subnet is listed once, for one zone.",
    severity=Severity.ERROR,
    why="A subnet is in one zone: groups of the other zone get nodes in the wrong zone, or the cluster is rejected.",
    cure="Specify a different subnet for each zone.",
    source="EC2: a subnet is in one availability zone; the constructs know one node subnet per zone",
    wrong=_EXISTING.replace("EXTRA ", "").replace("subnet-0123456789abcdef1", "subnet-0123456789abcdef0"),
    right=_EXISTING.replace("EXTRA ", ""),
)
def one_subnet_per_zone(network: Network) -> Iterator[Problem]:
    existing = network.existing if network is not None else None
    seen: dict[str, str] = {}
    for index, subnet in enumerate(existing.node_subnets if existing is not None else ()):
        path, id_ = f"network.existing.node_subnets[{index}].subnet_id", subnet.subnet_id
        if id_ in seen:
            yield Problem(path, f"{as_text(id_)} is already listed at {seen[id_]}")
        seen.setdefault(id_, path)
