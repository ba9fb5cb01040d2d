"""Access to the Kubernetes cluster: one access entry for each principal, with all of its access policies and groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import Aws
from aws_cdk import aws_eks_v2 as eks
from constructs import Construct, DependencyGroup

from ..core.spec import Access, Team
from ..core.spec.eks import ACCESS_POLICIES
from .arguments import checked
from .ids import digest

if TYPE_CHECKING:
    from .interfaces import EksCluster


@dataclass
class _Granted:
    entry: eks.CfnAccessEntry
    policies: dict[str, list[str]] = field(default_factory=dict)
    """Maps a policy name to its namespaces; an empty list means the whole cluster."""
    groups: list[str] = field(default_factory=list)


class AccessEntries(Construct):
    """The access entries of one EKS cluster, one for each principal: EKS rejects a second entry for the same principal.

    A member of two teams has one entry with both groups. The construct id of an entry depends only on its principal, so
    removing one does not affect the others. `AccessEntries.of` returns the access entries of a cluster.
    """

    @checked
    def __init__(self, scope: Construct, id: str, *, eks_cluster: EksCluster) -> None:
        super().__init__(scope, id)
        self._cluster = eks_cluster
        self._granted: dict[str, _Granted] = {}

    @staticmethod
    def of(eks_cluster: EksCluster) -> AccessEntries:
        """Returns the access entries of an EKS cluster, created on first use."""
        assert isinstance(eks_cluster, Construct)
        found = eks_cluster.node.try_find_child("AccessEntries")
        if isinstance(found, AccessEntries):
            return found
        return AccessEntries(eks_cluster, "AccessEntries", eks_cluster=eks_cluster)

    @checked
    def add(self, access: Access) -> None:
        """Associates an EKS access policy with a principal, for some namespaces or for the whole cluster."""
        granted = self._grant(access.principal)
        known = granted.policies.get(access.policy)
        if known == [] or not access.namespaces:  # the whole cluster includes every namespace
            granted.policies[access.policy] = []
        else:
            granted.policies[access.policy] = list(dict.fromkeys([*(known or []), *access.namespaces]))
        granted.entry.access_policies = [_association(*policy) for policy in granted.policies.items()]

    def add_to_group(self, principal: str, group: str) -> None:
        """Adds a principal to a Kubernetes group that role bindings refer to."""
        granted = self._grant(principal)
        granted.groups = list(dict.fromkeys([*granted.groups, group]))
        granted.entry.kubernetes_groups = granted.groups

    @checked
    def add_team(self, team: Team) -> None:
        """Allows a team's members to run jobs and its viewers to read, both in the team's namespace only.

        EKS provides the view policy; access to custom kinds (jobs, queues) comes from the role bindings of the team's
        groups.
        """
        for principals, group in ((team.members, team.groups[0]), (team.viewers, team.groups[1])):
            for principal in principals:
                self.add(Access(principal=principal, policy="view", namespaces=(team.namespace,)))
                self.add_to_group(principal, group)

    def _grant(self, principal: str) -> _Granted:
        granted = self._granted.get(principal)
        if granted is None:
            id = digest(self, principal)
            entry = eks.CfnAccessEntry(
                self, id, cluster_name=self._cluster.cluster_name, principal_arn=principal, access_policies=[]
            )
            if isinstance(self._cluster.ready, DependencyGroup):
                self._cluster.ready.add(entry)  # resources that depend on the cluster also depend on its access entries
            granted = self._granted[principal] = _Granted(entry)
        return granted


def add_all(eks_cluster: EksCluster, accesses: Iterable[Access]) -> None:
    """Adds several access policies; without any, no entry is created."""
    for access in accesses:
        AccessEntries.of(eks_cluster).add(access)


def _association(policy: str, namespaces: list[str]) -> eks.CfnAccessEntry.AccessPolicyProperty:
    scope = (
        eks.CfnAccessEntry.AccessScopeProperty(type="namespace", namespaces=namespaces)
        if namespaces
        else eks.CfnAccessEntry.AccessScopeProperty(type="cluster")
    )
    arn = f"arn:{Aws.PARTITION}:eks::aws:cluster-access-policy/{ACCESS_POLICIES[policy]}"
    return eks.CfnAccessEntry.AccessPolicyProperty(policy_arn=arn, access_scope=scope)
