"""The input of rules: the known parts of a platform, from a whole platform or from a construct's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from ..findings import Problem, Severity
from ..spec.base import is_token

if TYPE_CHECKING:
    from ..catalog import InstanceType, KubernetesVersion, Region
    from ..network_plan import NetworkPlan
    from ..spec.addons import Addon, Addons, Kueue
    from ..spec.arns import Names
    from ..spec.cluster import Cluster
    from ..spec.dependencies import DependencyChart
    from ..spec.eks import Eks
    from ..spec.facts import Facts
    from ..spec.governance import Governance
    from ..spec.groups import InstanceGroup, RestrictedInstanceGroup
    from ..spec.jobs import Job
    from ..spec.network import Network
    from ..spec.observability import Observability
    from ..spec.platform import Acknowledgement, Logs, Platform
    from ..spec.storage import Storage

InstanceGroups: TypeAlias = "tuple[tuple[str, InstanceGroup], ...]"
RestrictedGroups: TypeAlias = "tuple[tuple[str, RestrictedInstanceGroup], ...]"
Groups: TypeAlias = "tuple[tuple[str, InstanceGroup | RestrictedInstanceGroup], ...]"
EffectiveAddons: TypeAlias = "Mapping[str, Addon | Observability | Kueue]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """The parts of a platform; None means unknown, and rules that require the part are skipped.

    A construct sets the parts that it has: `Context(cluster=cluster, region="us-west-2")`. A region or account that is
    a CDK token is treated as unknown.
    """

    name: str | None = None
    region: str | None = None
    account: str | None = None
    network: Network | None = None
    eks: Eks | None = None
    dependencies: DependencyChart | None = None
    cluster: Cluster | None = None
    addons: Addons | None = None
    governance: Governance | None = None
    storage: Storage | None = None
    jobs: tuple[Job, ...] | None = None
    manifests: tuple[Mapping[str, Any], ...] | None = None
    logs: Logs | None = None
    tags: Mapping[str, str] | None = None
    permissions_boundary_arn: str | None = None
    facts: Facts | None = None
    allow_data_loss: bool = False
    defaults: int | None = None
    acknowledge: tuple[Acknowledgement, ...] = ()
    whole: bool = field(default=False, repr=False)
    """Whether these are all parts of a platform, so that an acknowledgement without a finding is unused."""
    cut: frozenset[str] = field(default=frozenset(), repr=False)
    """Parts that could not be read completely."""

    def __post_init__(self) -> None:
        for part in ("region", "account"):
            if is_token(getattr(self, part)):
                object.__setattr__(self, part, None)

    @classmethod
    def of(cls, platform: Platform) -> Context:
        """Returns the context of a whole platform."""
        return cls(whole=True, **cls.parts_of({name: getattr(platform, name) for name in type(platform).model_fields}))

    @classmethod
    def parts_of(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values that are parts of a context, by name."""
        return {part.name: values[part.name] for part in fields(cls) if part.name in values and part.name != "whole"}

    def has(self, part: str) -> bool:
        """Whether a part is known."""
        return getattr(self, part) is not None

    # Many rules share the lookups below; a lookup returns None or nothing if its result is unknown.

    @cached_property
    def region_facts(self) -> Region | None:
        """The catalog's entry of the region."""
        from ..catalog import find_region

        return find_region(self.region) if self.region else None

    @cached_property
    def arns(self) -> tuple[tuple[str, str, Names], ...]:
        """Every ARN of the known parts: config path, text, and the type it must have."""
        from ..spec.arns import POLICY, arns_in

        parts = ("eks", "cluster", "addons", "governance", "storage", "logs")
        found = [item for part in parts for item in arns_in(getattr(self, part), part)]
        boundary = "permissions_boundary_arn"
        return (*found, *arns_in(self.permissions_boundary_arn, boundary, POLICY))

    @cached_property
    def plan(self) -> NetworkPlan | None:
        """The network's plan, if it can be computed."""
        from ..network_plan import plan

        if self.network is None:
            return None
        try:
            return plan(self.network)
        except ValueError:  # reported by HP101 to HP104
            return None

    @cached_property
    def default_zone(self) -> str | None:
        """The zone of groups that do not set one."""
        from ..network_plan import default_zone

        return default_zone(self.network) if self.network is not None else None

    @cached_property
    def effective_addons(self) -> EffectiveAddons:
        """The add-ons that are installed, by key, including prerequisites."""
        return self.addons.effective() if self.addons is not None else {}

    @cached_property
    def kubernetes_version(self) -> KubernetesVersion | None:
        """The Kubernetes version of a new control plane; None for an existing one, or if it is unknown or a token."""
        from ..catalog import find_kubernetes_version

        try:
            version = self.eks.version if self.eks is not None else None
        except LookupError:  # the catalog is out of date, reported as HP202
            return None
        return find_kubernetes_version(version) if version is not None else None

    @cached_property
    def instance_groups(self) -> InstanceGroups:
        """Config path and group of the ordinary groups."""
        groups = self.cluster.instance_groups if self.cluster is not None else ()
        return tuple((f"cluster.instance_groups[{index}]", group) for index, group in enumerate(groups))

    @cached_property
    def restricted_groups(self) -> RestrictedGroups:
        """Config path and group of the restricted groups."""
        groups = self.cluster.restricted_instance_groups if self.cluster is not None else ()
        return tuple((f"cluster.restricted_instance_groups[{index}]", group) for index, group in enumerate(groups))

    @cached_property
    def groups(self) -> Groups:
        """Config path and group of all groups."""
        return (*self.instance_groups, *self.restricted_groups)

    def zone_of(self, group: InstanceGroup | RestrictedInstanceGroup) -> str | None:
        """Returns the zone ID of a group's subnet; None if the group sets subnets, or the zone is unknown."""
        return None if group.subnet_ids else group.availability_zone_id or self.default_zone

    @property
    def uses_efa(self) -> bool:
        """Whether any group has nodes with EFA."""
        return any(instance_type.supports_efa for _, group in self.groups for instance_type in types_of(group))


def types_of(group: InstanceGroup | RestrictedInstanceGroup) -> tuple[InstanceType, ...]:
    """Returns the catalog's entries of a group's instance types; unknown types are skipped (reported as HP301)."""
    from ..catalog import find_instance_type

    return tuple(found for found in map(find_instance_type, group.types) if found is not None)


def skipped(path: str) -> Problem:
    """Returns a note that a rule could not check a value, because it is known only at deploy time."""
    return Problem(
        path,
        "the value is a CDK token, which is known only at deploy time, so the rule was not applied",
        cure="Specify the literal value to check it; otherwise ignore this note.",
        consequence="",
        severity=Severity.NOTE,
    )


def as_text(value: Any) -> str:
    """Formats a value for a message: quoted, and shortened if it is long.

    >>> as_text("ml.p5"), as_text("x" * 100)
    ("'ml.p5'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'")
    """
    text = str(value)
    return repr(text if len(text) <= 64 else text[:60] + "...")
