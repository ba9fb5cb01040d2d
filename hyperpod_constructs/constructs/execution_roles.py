"""The execution roles of a cluster: one for all groups or one per group, and a principal that represents all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, DependencyGroup

from ..core.spec import Cluster, InstanceGroup, RestrictedInstanceGroup
from .arguments import checked
from .ids import known_id
from .roles import execution_role, grant_group_needs, grant_subnet
from .weak_references import refer_weakly


@jsii.implements(iam.IPrincipal)
class AllRoles:
    """All execution roles as one principal: a grant applies to every role, including those of later groups."""

    def __init__(self, scope: Construct) -> None:
        self._account = Stack.of(scope).account
        self._roles: dict[str, iam.IRole] = {}
        self._statements: list[iam.PolicyStatement] = []
        self.ready = DependencyGroup()

    def include(self, role: iam.IRole) -> None:
        """Adds a role."""
        path = role.node.path
        if path not in self._roles:
            self._roles[path] = role
            self.ready.add(role)  # with its policies; otherwise the first nodes would boot without them
            for statement in self._statements:
                role.add_to_principal_policy(statement)

    @property
    def assume_role_action(self) -> str:
        """The action with which a service assumes the roles, as `iam.IPrincipal` requires."""
        return "sts:AssumeRole"

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The principal itself."""
        return self

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        """The roles' ARNs, for resource policies."""
        return iam.PrincipalPolicyFragment({"AWS": [role.role_arn for role in self._roles.values()]}, {})

    @property
    def principal_account(self) -> str | None:
        """Account of the roles."""
        return self._account

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """Adds a statement to every role."""
        self._statements.append(statement)
        for role in self._roles.values():
            role.add_to_principal_policy(statement)
        return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self.ready)


class ExecutionRoles(Construct):
    """Finds or creates the role of each group, with the permissions that the group requires.

    `given` is an existing role; `shared_placement` returns the subnets and security groups of the shared role.
    """

    principal: AllRoles

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: Cluster,
        eks_cluster_arn: str,
        given: iam.IRole | None,
        vpc_id: str,
        shared_placement: Callable[[], Mapping[str, Sequence[str]]],
    ) -> None:
        super().__init__(scope, id)
        self._arn = eks_cluster_arn
        self._vpc_id = vpc_id
        self._shared_placement = shared_placement
        self._granted: set[str] = set()
        self._shared_subnets: set[str] | None = None
        """Subnets that the shared role can use; None if it is an existing role or is not created yet."""
        self.principal = AllRoles(self)
        self.per_group = cluster.execution_roles == "per-group" and not given and not cluster.execution_role_arn
        self._shared = given
        if given is None and cluster.execution_role_arn:
            self._shared = iam.Role.from_role_arn(self, "Shared", cluster.execution_role_arn)
        if self._shared:
            self.principal.include(self._shared)

    @property
    def shared(self) -> iam.IRole:
        """The role of the groups that do not specify one.

        Raises:
            ValueError: each group has a separate role.
        """
        if self.per_group:
            raise ValueError(
                f"{self.node.path}: execution_roles is per-group, so the cluster has no shared execution "
                "role; grant to the cluster itself, or use execution_role_of(group_name)"
            )
        if self._shared is None:
            placement = self._shared_placement()
            self._shared = self._create("Shared", placement)
            self._shared_subnets = set(placement["subnet_ids"])
            self.principal.include(self._shared)
        return self._shared

    def of(self, group: InstanceGroup | RestrictedInstanceGroup, placement: Mapping[str, Sequence[str]]) -> iam.IRole:
        """Returns the role of a group with its permissions; `placement` has its subnets and security groups."""
        role = self._find(group, placement)
        self.principal.include(role)
        if group.name not in self._granted:
            self._granted.add(group.name)
            grant_group_needs(role, group)
        return role

    def admit(self, subnet_id: str) -> None:
        """Allows the shared role to use another subnet, for a group that was added after the role."""
        if self._shared is not None and self._shared_subnets is not None and subnet_id not in self._shared_subnets:
            self._shared_subnets.add(subnet_id)
            grant_subnet(self._shared, subnet_id)

    def _find(
        self, group: InstanceGroup | RestrictedInstanceGroup, placement: Mapping[str, Sequence[str]]
    ) -> iam.IRole:
        if group.execution_role_arn is None and not self.per_group:
            return self.shared
        id = known_id(self, group.name)
        found: Any = self.node.try_find_child(id)
        if found:
            return found  # type: ignore[no-any-return]
        if group.execution_role_arn:
            return iam.Role.from_role_arn(self, id, group.execution_role_arn)
        return self._create(id, placement)

    def _create(self, id: str, placement: Mapping[str, Sequence[str]]) -> iam.Role:
        role = execution_role(self, id, eks_cluster_arn=self._arn, vpc_id=self._vpc_id, **placement)
        refer_weakly(role)
        return role
