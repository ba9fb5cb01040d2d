"""Security groups of nodes and control planes, and the rules between them."""

from __future__ import annotations

from aws_cdk import Annotations, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, DependencyGroup


def node_security_group(scope: Construct, id: str, vpc: ec2.IVpc) -> ec2.SecurityGroup:
    """Creates a security group for HyperPod nodes: all traffic from and to itself, and all outbound traffic.

    The egress rule to itself is a separate resource: EFA health checks fail if only the rule for all outbound traffic
    exists, and CDK ignores egress rules that are added to a group that allows all outbound traffic.
    """
    group = ec2.SecurityGroup(scope, id, vpc=vpc, description="HyperPod nodes and EKS control plane")
    group_id, why = group.security_group_id, "EFA and pods: all traffic inside the group"
    ec2.CfnSecurityGroupIngress(
        group, "SelfIngress", group_id=group_id, source_security_group_id=group_id, ip_protocol="-1", description=why
    )
    ec2.CfnSecurityGroupEgress(
        group,
        "SelfEgress",
        group_id=group_id,
        destination_security_group_id=group_id,
        ip_protocol="-1",
        description=why,
    )
    return group


def connect_security_groups(scope: Construct, *, nodes: str, control_plane: str | None) -> DependencyGroup:
    """Creates rules, by group id, that allow traffic between the nodes and the control plane of an existing EKS cluster.

    Both groups may be imported, so each rule is a separate resource. No rule is needed if both are the same group; if the
    group of the control plane is unknown, a warning reports it.
    """
    rules = DependencyGroup()
    if control_plane is None:
        Annotations.of(scope).add_warning_v2("hyperpod-constructs:cluster-security-group", _NOT_CONNECTED)
        return rules
    stack = Stack.of(scope)
    if stack.resolve(nodes) == stack.resolve(control_plane):
        return rules
    for id, to, source in (("FromNodes", control_plane, nodes), ("FromCluster", nodes, control_plane)):
        rules.add(
            ec2.CfnSecurityGroupIngress(
                scope, id, group_id=to, source_security_group_id=source, ip_protocol="-1", description="HyperPod"
            )
        )
    return rules


_NOT_CONNECTED = (
    "The cluster security group of the EKS cluster is unknown, so no rules between nodes and control "
    "plane were created: without such rules nodes cannot join. Set security_group_id, or make sure that "
    "the rules exist."
)
