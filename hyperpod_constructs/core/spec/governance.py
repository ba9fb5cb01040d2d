"""Task governance: one scheduler configuration per cluster, and one compute quota per team."""

from typing import TYPE_CHECKING, Literal

from .arns import PrincipalArn
from .base import Change, ListOf, SpecModel, defaults, field
from .isolation import Isolation

if TYPE_CHECKING:
    from .jobs import Job


class PriorityClass(SpecModel):
    """A priority that tasks can have; the Kubernetes name is `<name>-priority`."""

    name: str = field(change=Change.IN_PLACE, help="Name, lower case, 40 characters at most.")
    weight: int = field(change=Change.IN_PLACE, help="Higher runs first.", ge=0, le=100)


class Scheduler(SpecModel):
    """The cluster policy. A HyperPod cluster has one."""

    name: str | None = field(
        None,
        change=Change.REPLACES,
        help="Physical name; default: made of the construct's path, unique in the account.",
    )
    description: str | None = field(None, change=Change.IN_PLACE, help="What it is for.", max_length=1024)
    priority_classes: ListOf[PriorityClass] = field(
        (), change=Change.IN_PLACE, help="Priorities, 10 at most.", max_length=10
    )
    fair_share: bool = field(True, change=Change.IN_PLACE, help="Share idle compute by the teams' weights.")
    idle_resource_sharing: bool | None = field(
        None, change=Change.IN_PLACE, help="Lend compute that no team owns; default: the service's."
    )


class QuotaResource(SpecModel):
    """Compute of one instance type: whole instances by `count`, or accelerators, vCPU and memory, or MIG partitions.

    What is left out of accelerators, vCPU and memory the service fills in, in proportion to the instance.
    """

    instance_type: str = field(change=Change.IN_PLACE, help="HyperPod instance type.")
    count: int | None = field(None, change=Change.IN_PLACE, help="Whole instances.", ge=0, le=10_000_000)
    accelerators: int | None = field(None, change=Change.IN_PLACE, help="Accelerators.", ge=0)
    vcpu: float | None = field(None, change=Change.IN_PLACE, help="vCPU.", ge=0)
    memory_gib: float | None = field(None, change=Change.IN_PLACE, help="Memory in GiB.", ge=0)
    mig_profile: str | None = field(None, change=Change.IN_PLACE, help="MIG profile, such as `mig-1g.10gb`.")
    mig_count: int | None = field(None, change=Change.IN_PLACE, help="Partitions of that profile.", ge=0)


class Team(SpecModel):
    """A team: compute quota, namespace, queue, access and jobs. A job names its team and nothing else."""

    name: str = field(change=Change.REPLACES, help="Name, lower case, 40 characters at most.")
    description: str | None = field(None, change=Change.IN_PLACE, help="Who they are.", max_length=1024)
    quota: ListOf[QuotaResource] = field((), change=Change.IN_PLACE, help="What the team owns.", max_length=15)
    sharing: Literal["Lend", "DontLend", "LendAndBorrow"] = field(
        "LendAndBorrow", change=Change.IN_PLACE, help="What happens with idle compute."
    )
    borrow_limit: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Most that may be borrowed, in percent of the own quota; default: the service's, 50.",
        ge=0,
        le=10_000,
    )
    borrow_limits: ListOf[QuotaResource] = field(
        (), change=Change.IN_PLACE, help="Absolute borrow limits per instance type.", max_length=15
    )
    preempt: Literal["Never", "LowerPriority"] = field(
        "LowerPriority", change=Change.IN_PLACE, help="Whether own tasks of lower priority make room."
    )
    fair_share_weight: int = field(0, change=Change.IN_PLACE, help="Weight for idle compute.", ge=0, le=100)
    active: bool = field(True, change=Change.IN_PLACE, help="Whether the quota is enforced.")
    priority: str | None = field(None, change=Change.REPLACES, help="Priority class of the team's jobs that name none.")
    members: ListOf[PrincipalArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of IAM roles and users that run jobs in the team's namespace."
    )
    viewers: ListOf[PrincipalArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of IAM roles and users that may look at the team's namespace."
    )

    isolation: Isolation = field(
        defaults(Isolation),
        change=Change.IN_PLACE,
        help="Limits on what the team's pods may do to nodes and other teams; on by default.",
    )

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

    @property
    def groups(self) -> tuple[str, str]:
        """Kubernetes groups of the team's members and viewers, which its access entries name and its RBAC binds.

        >>> Team(name="vision").groups
        ('hyperpod-team-vision', 'hyperpod-team-vision-viewers')
        """
        return f"hyperpod-team-{self.name}", f"hyperpod-team-{self.name}-viewers"


class Governance(SpecModel):
    """Scheduler configuration and teams; needs `addons.task_governance`."""

    scheduler: Scheduler = field(defaults(Scheduler), change=Change.IN_PLACE, help="The cluster policy.")
    teams: ListOf[Team] = field((), change=Change.IN_PLACE, help="Teams with their quotas.")
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over quotas, the scheduler config, rights and admission policies of these names that exist already and "
        "were not made by this library; they are kept when ours go. Quotas and the scheduler config by our handler only: "
        "CloudFormation's own types never take anything over.",
    )
    through: Literal["auto", "native", "handler"] = field(
        "auto",
        change=Change.REPLACES,
        help="By CloudFormation's own resource types, or by our handler where the region lacks them.",
    )

    def namespace_of(self, name: str) -> str:
        """A team's namespace for the team's name, any other name as it is.

        >>> governance = Governance(teams=[Team(name="vision")])
        >>> governance.namespace_of("vision"), governance.namespace_of("default")
        ('hyperpod-ns-vision', 'default')
        """
        return next((team.namespace for team in self.teams if team.name == name), name)

    def completed(self, job: "Job") -> "Job":
        """A job with its team's priority, where it names a team of ours and no priority of its own."""
        team = next((team for team in self.teams if team.name == job.team), None)
        if team is None or team.priority is None or job.priority or job.workload_priority_class:
            return job
        return job.model_copy(update={"priority": team.priority})
