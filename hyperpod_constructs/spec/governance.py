"""Task governance: one scheduler configuration per cluster, and one compute quota per team."""

from __future__ import annotations

from typing import Literal

from .base import Change, SpecModel, field
from .eks import Access


class PriorityClass(SpecModel):
    """A priority that tasks can have; the Kubernetes name is `<name>-priority`."""

    name: str = field(change=Change.IN_PLACE, help="Name, lower case, 40 characters at most.")
    weight: int = field(change=Change.IN_PLACE, help="Higher runs first.", ge=0, le=100)


class Scheduler(SpecModel):
    """The cluster policy."""

    priority_classes: tuple[PriorityClass, ...] = field(
        (), change=Change.IN_PLACE, help="Priorities, 10 at most.", max_length=10
    )
    fair_share: bool = field(True, change=Change.IN_PLACE, help="Share idle compute by the teams' weights.")
    idle_resource_sharing: bool | None = field(
        None, change=Change.IN_PLACE, help="Lend compute that no team owns; default: the service's."
    )


class QuotaResource(SpecModel):
    """Compute of one instance type: whole instances by `count`, or accelerators, vCPU and memory."""

    instance_type: str = field(change=Change.IN_PLACE, help="HyperPod instance type.")
    count: int | None = field(None, change=Change.IN_PLACE, help="Whole instances.", ge=0, le=10_000_000)
    accelerators: int | None = field(None, change=Change.IN_PLACE, help="Accelerators.", ge=0)
    vcpu: float | None = field(None, change=Change.IN_PLACE, help="vCPU.", ge=0)
    memory_gib: float | None = field(None, change=Change.IN_PLACE, help="Memory in GiB.", ge=0)
    mig_profile: str | None = field(None, change=Change.IN_PLACE, help="MIG profile, such as `mig-1g.10gb`.")
    mig_count: int | None = field(None, change=Change.IN_PLACE, help="Partitions of that profile.", ge=0)


class Team(SpecModel):
    """A team: compute quota, namespace, queue, access and jobs. Its namespace is `hyperpod-ns-<name>`."""

    name: str = field(change=Change.REPLACES, help="Name, lower case, 40 characters at most.")
    quota: tuple[QuotaResource, ...] = field((), change=Change.IN_PLACE, help="What the team owns.", max_length=15)
    sharing: Literal["Lend", "DontLend", "LendAndBorrow"] = field(
        "LendAndBorrow", change=Change.IN_PLACE, help="What happens with idle compute."
    )
    borrow_limit: int | None = field(
        None, change=Change.IN_PLACE, help="Most that may be borrowed, in percent of the own quota.", ge=0, le=10_000
    )
    borrow_limits: tuple[QuotaResource, ...] = field(
        (), change=Change.IN_PLACE, help="Absolute borrow limits per instance type.", max_length=15
    )
    preempt: Literal["Never", "LowerPriority"] = field(
        "LowerPriority", change=Change.IN_PLACE, help="Whether own tasks of lower priority make room."
    )
    fair_share_weight: int = field(0, change=Change.IN_PLACE, help="Weight for idle compute.", ge=0, le=100)
    active: bool = field(True, change=Change.IN_PLACE, help="Whether the quota is enforced.")
    priority: str | None = field(None, change=Change.NONE, help="Priority class of the team's jobs that name none.")
    members: tuple[Access, ...] = field((), change=Change.IN_PLACE, help="Access entries bound to the namespace.")

    @property
    def namespace(self) -> str:
        """The namespace that task governance makes for the team.

        >>> Team(name="vision").namespace, Team(name="vision").queue
        ('hyperpod-ns-vision', 'hyperpod-ns-vision-localqueue')
        """
        return f"hyperpod-ns-{self.name}"

    @property
    def queue(self) -> str:
        """The LocalQueue that task governance makes for the team."""
        return f"{self.namespace}-localqueue"


class Governance(SpecModel):
    """Scheduler configuration and teams; needs `addons.task_governance`."""

    scheduler: Scheduler = field(Scheduler(), change=Change.IN_PLACE, help="The cluster policy.")
    teams: tuple[Team, ...] = field((), change=Change.IN_PLACE, help="Teams with their quotas.")
    through: Literal["auto", "native", "handler"] = field(
        "auto",
        change=Change.REPLACES,
        help="By CloudFormation's own resource types, or by our handler where the region lacks them.",
    )
