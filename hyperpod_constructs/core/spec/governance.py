"""Task governance: one scheduler configuration per cluster, and one compute quota per team."""

from typing import TYPE_CHECKING, Literal

from .arns import PrincipalArn
from .base import Change, ListOf, SpecModel, defaults, field
from .isolation import Isolation

if TYPE_CHECKING:
    from .jobs import Job


class PriorityClass(SpecModel):
    """A priority class for tasks; its Kubernetes name is `<name>-priority`."""

    name: str = field(change=Change.IN_PLACE, help="Name in lowercase, up to 40 characters.")
    weight: int = field(change=Change.IN_PLACE, help="Weight; tasks of higher weight run first.", ge=0, le=100)


class Scheduler(SpecModel):
    """The cluster policy (scheduler configuration). A HyperPod cluster has at most one."""

    name: str | None = field(
        None,
        change=Change.REPLACES,
        help="Physical name. Default: derived from the construct's path, unique in the account.",
    )
    description: str | None = field(
        None, change=Change.IN_PLACE, help="Description of the cluster policy.", max_length=1024
    )
    priority_classes: ListOf[PriorityClass] = field(
        (), change=Change.IN_PLACE, help="Priority classes, up to 10.", max_length=10
    )
    fair_share: bool = field(
        True, change=Change.IN_PLACE, help="Distribute idle compute in proportion to the weights of the teams."
    )
    idle_resource_sharing: bool | None = field(
        None,
        change=Change.IN_PLACE,
        help="Lend compute that is not allocated to a team. Default: the service's default.",
    )


class QuotaResource(SpecModel):
    """Compute of one instance type: whole instances by `count`, or accelerators, vCPU and memory, or MIG partitions.

    If only some of accelerators, vCPU and memory are set, the service sets the others in proportion to the instance.
    """

    instance_type: str = field(change=Change.IN_PLACE, help="HyperPod instance type.")
    count: int | None = field(None, change=Change.IN_PLACE, help="Whole instances.", ge=0, le=10_000_000)
    accelerators: int | None = field(None, change=Change.IN_PLACE, help="Accelerators.", ge=0)
    vcpu: float | None = field(None, change=Change.IN_PLACE, help="vCPU.", ge=0)
    memory_gib: float | None = field(None, change=Change.IN_PLACE, help="Memory in GiB.", ge=0)
    mig_profile: str | None = field(None, change=Change.IN_PLACE, help="MIG profile, such as `mig-1g.10gb`.")
    mig_count: int | None = field(None, change=Change.IN_PLACE, help="Number of partitions of that profile.", ge=0)


class Team(SpecModel):
    """A team: compute quota, namespace, queue and access. A job sets only its team; namespace and queue follow from it."""

    name: str = field(change=Change.REPLACES, help="Name in lowercase, up to 40 characters.")
    description: str | None = field(None, change=Change.IN_PLACE, help="Description of the team.", max_length=1024)
    quota: ListOf[QuotaResource] = field((), change=Change.IN_PLACE, help="The team's compute quota.", max_length=15)
    sharing: Literal["Lend", "DontLend", "LendAndBorrow"] = field(
        "LendAndBorrow", change=Change.IN_PLACE, help="How the team shares idle compute."
    )
    borrow_limit: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Maximum compute that the team can borrow, in percent of its quota. Default: 50, the service's default.",
        ge=0,
        le=10_000,
    )
    borrow_limits: ListOf[QuotaResource] = field(
        (), change=Change.IN_PLACE, help="Absolute borrow limits per instance type.", max_length=15
    )
    preempt: Literal["Never", "LowerPriority"] = field(
        "LowerPriority", change=Change.IN_PLACE, help="Whether the team's tasks of lower priority can be preempted."
    )
    fair_share_weight: int = field(
        0, change=Change.IN_PLACE, help="Weight for the distribution of idle compute.", ge=0, le=100
    )
    active: bool = field(True, change=Change.IN_PLACE, help="Whether the quota is enforced.")
    priority: str | None = field(
        None, change=Change.REPLACES, help="Priority class of the team's jobs that do not set one."
    )
    members: ListOf[PrincipalArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of IAM roles and users that run jobs in the team's namespace."
    )
    viewers: ListOf[PrincipalArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of IAM roles and users that have read access to the team's namespace."
    )

    isolation: Isolation = field(
        defaults(Isolation),
        change=Change.IN_PLACE,
        help="Limits on what the team's pods can do to nodes and other teams; enabled by default.",
    )

    @property
    def namespace(self) -> str:
        """The namespace that task governance creates for the team.

        >>> Team(name="vision").namespace, Team(name="vision").queue
        ('hyperpod-ns-vision', 'hyperpod-ns-vision-localqueue')
        """
        return f"hyperpod-ns-{self.name}"

    @property
    def queue(self) -> str:
        """The LocalQueue that task governance creates for the team."""
        return f"{self.namespace}-localqueue"

    @property
    def groups(self) -> tuple[str, str]:
        """Kubernetes groups of the team's members and viewers, used in access entries and RBAC bindings.

        >>> Team(name="vision").groups
        ('hyperpod-team-vision', 'hyperpod-team-vision-viewers')
        """
        return f"hyperpod-team-{self.name}", f"hyperpod-team-{self.name}-viewers"


class Governance(SpecModel):
    """Scheduler configuration and teams; requires `addons.task_governance`."""

    scheduler: Scheduler = field(defaults(Scheduler), change=Change.IN_PLACE, help="The cluster policy.")
    teams: ListOf[Team] = field((), change=Change.IN_PLACE, help="Teams and their compute quotas.")
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt existing compute quotas, an existing scheduler configuration, RBAC objects and admission "
        "policies of these names that this library did not create; they are retained when the stack is "
        "deleted. Compute quotas and the scheduler configuration require `through: handler`, because "
        "CloudFormation's resource types cannot adopt.",
    )
    through: Literal["auto", "native", "handler"] = field(
        "auto",
        change=Change.REPLACES,
        help="`native`: CloudFormation's resource types. `handler`: this library's handler, for regions that do not "
        "have these types. `auto`: `native` if the region is known to have them, otherwise `handler`.",
    )

    def namespace_of(self, name: str) -> str:
        """Returns the namespace of a team by its name; other names are returned unchanged.

        >>> governance = Governance(teams=[Team(name="vision")])
        >>> governance.namespace_of("vision"), governance.namespace_of("default")
        ('hyperpod-ns-vision', 'default')
        """
        return next((team.namespace for team in self.teams if team.name == name), name)

    def completed(self, job: "Job") -> "Job":
        """Returns a job with its team's priority if the job does not set a priority and the team is configured."""
        team = next((team for team in self.teams if team.name == job.team), None)
        if team is None or team.priority is None or job.priority or job.workload_priority_class:
            return job
        return job.model_copy(update={"priority": team.priority})
