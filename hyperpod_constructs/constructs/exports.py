"""Values that the stacks of a platform export to each other.

CloudFormation rejects the removal of an export that a deployed stack imports, and the exporting stack is always updated
before the importing one. An export that exists only while it is used therefore blocks the edit that removes its use. Two
mechanisms avoid this:

- Values that exist as long as their stack (cluster name and ARN, subnets, security group, service tokens) are always
exported. The references stay strong: a network or an EKS cluster in use cannot be deleted.
- Values that an edit of the config removes together with their users (file systems, buckets, execution roles, the OIDC
provider) are read as stack outputs, a weak reference that never blocks (`weak_references`). They are also exported while
they are used, because stacks deployed by earlier versions import them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aws_cdk import Stack
from constructs import IConstruct

from .kubernetes.helm_release import HelmProvider

if TYPE_CHECKING:
    from .cluster import HyperPodCluster
    from .eks import HyperPodEks
    from .network import HyperPodNetwork


def export_shared_values(*, network: HyperPodNetwork, eks: HyperPodEks, cluster: HyperPodCluster) -> None:
    """Exports the fixed set of values that later stacks can use, with the names that CDK generates.

    `HyperPodPlatform` calls it if its components are in more than one stack. Call it when you create `HyperPodNetwork`,
    `HyperPodEks` and `HyperPodCluster` in your own stacks. Values that the construct does not create (an existing VPC
    or EKS cluster) are not exported.
    """
    for owner, values in (
        (network, network_values(network)),
        (eks, eks_values(eks)),
        (cluster, [cluster.cluster_arn]),
    ):
        stack = Stack.of(owner)
        for value, resolved in zip(values, stack.resolve(values), strict=True):
            if _is_attribute(resolved):
                stack.export_value(value)


def network_values(network: HyperPodNetwork) -> list[str]:
    """The VPC, node subnets, control-plane subnets and the node security group."""
    subnets = [*network.node_subnets.values(), *network.control_plane_subnets]
    return [
        network.vpc.vpc_id,
        *(subnet.subnet_id for subnet in subnets),
        network.node_security_group.security_group_id,
    ]


def eks_values(eks: HyperPodEks) -> list[str]:
    """Name and ARN of the cluster, the service tokens, and the name of the role that their functions share.

    The functions behind the service tokens exist even if they are not used, because a custom resource cannot be deleted
    after its function.
    """
    provider = eks.kubernetes
    tokens = [provider.service_token, provider.wait_service_token, HelmProvider.of(provider).service_token]
    return [eks.cluster_name, eks.cluster_arn, *tokens, provider.role.role_name]


def _is_attribute(resolved: object) -> bool:
    """Whether a value is one attribute of one resource of its stack; only such values can be exported."""
    return isinstance(resolved, dict) and next(iter(resolved)) in ("Ref", "Fn::GetAtt")


def spread(scopes: Iterable[IConstruct]) -> bool:
    """Whether the constructs are in more than one stack."""
    return len({scope if isinstance(scope, Stack) else Stack.of(scope) for scope in scopes}) > 1
