"""Placement of the nodes of a HyperPod cluster: VPC, security group, and the subnet of each zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from ..core.checks import Context, check
from ..core.findings import Finding
from ..core.spec import Cluster, ExistingNetwork, Network, NodeSubnet
from ..core.spec.base import is_token
from .network import HyperPodNetwork
from .security_groups import node_security_group
from .subnet_lookup import subnet_in_zone


class NodePlacement:
    """The VPC of the nodes, their security group, and their subnets by zone id.

    `node_subnets` and `cluster_subnets` are as in `HyperPodCluster`. A zone that is not in them is looked up among the
    private subnets of the VPC at deploy time.
    """

    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup

    def __init__(
        self,
        scope: Construct,
        *,
        vpc: ec2.IVpc | HyperPodNetwork,
        node_subnets: Mapping[str, ec2.ISubnet] | None,
        security_group: ec2.ISecurityGroup | None,
        cluster_subnets: Sequence[ec2.ISubnet] = (),
    ) -> None:
        self._scope = scope
        self._given = dict(node_subnets or {})
        self._cluster_subnets = list(cluster_subnets or self._given.values())
        if isinstance(vpc, HyperPodNetwork):
            self.vpc = vpc.vpc
            self.subnets = self._given or dict(vpc.node_subnets)
            self._cluster_subnets = self._cluster_subnets or list(vpc.cluster_subnets)
            self.security_group = security_group or vpc.node_security_group
        else:
            self.vpc = vpc
            self.subnets = self._given
            self.security_group = security_group or node_security_group(scope, "NodeSecurityGroup", vpc)

    def subnet_id(self, availability_zone_id: str | None = None) -> str:
        """Returns the id of the private subnet of a zone. Default: that of the first zone.

        For a zone that the network does not have, it is a subnet of another zone; HP311 then fails the synthesis.
        """
        zone, known = availability_zone_id, self.subnets
        if zone is not None and is_token(zone):
            return subnet_in_zone(self._scope, zone, [subnet.subnet_id for subnet in known.values()] or self.private())
        if known:
            subnet = known.get(zone) if zone is not None else None
            return (subnet or next(iter(known.values()))).subnet_id
        private = self.private()
        return subnet_in_zone(self._scope, zone, private) if zone else private[0]

    @cached_property
    def cluster_subnet_ids(self) -> list[str]:
        """Subnets of the cluster's `VpcConfig`."""
        return [subnet.subnet_id for subnet in self._cluster_subnets] or self.private()

    def private(self) -> list[str]:
        """Returns ids of the VPC's private subnets, or of its isolated ones if it has no private ones.

        Raises:
            ValueError: the VPC has public subnets only.
        """
        subnets = self.vpc.private_subnets or self.vpc.isolated_subnets
        if not subnets:
            raise ValueError(
                f"{self._scope.node.path}: vpc has no private subnets, and HyperPod nodes cannot run in "
                "public ones; add a private subnet in each zone, or set node_subnets"
            )
        return [subnet.subnet_id for subnet in subnets]

    def findings(self, cluster: Cluster, *, region: str | None) -> list[Finding]:
        """Returns findings about zones of groups that are not in `node_subnets`."""
        if not self._given:
            return []
        subnets = [
            NodeSubnet(subnet_id=subnet.subnet_id, availability_zone_id=zone) for zone, subnet in self._given.items()
        ]
        network = Network(existing=ExistingNetwork(vpc_id=self.vpc.vpc_id, node_subnets=tuple(subnets)))
        found = check(Context(network=network, cluster=cluster, region=region))
        return [finding for finding in found if finding.rule in ("HP111", "HP112", "HP311", "HP312")]
