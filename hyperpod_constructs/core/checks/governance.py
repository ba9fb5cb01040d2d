"""HP60x: task governance: scheduler, teams and their quotas."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import (
    GOVERNANCE_TYPES,
    Region,
    find_instance_type,
    instance_types,
    limit,
    matches,
    mig_profiles_in_api,
    pattern,
    source_of,
    suggest,
)
from ..findings import Severity
from ..plural import count
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.governance import Governance, QuotaResource
from .context import Context, EffectiveAddons, as_text, skipped
from .registry import Problem, rule

_QUOTA = "service model of sagemaker: ComputeQuotaResourceConfig"
_ON = "addons: {task_governance: {}}\n"


def _team(rest: str, scheduler: str = "") -> str:
    return f"{_ON}governance: {{{scheduler}teams: [{{name: vision, {rest}}}]}}\n"


@rule(
    "HP601",
    title="The task governance add-on is enabled for governance.",
    severity=Severity.ERROR,
    complete=("addons",),
    why="Quotas and the scheduler configuration are rejected: their webhook and queues do not exist.",
    cure="Add `task_governance: {}` to addons.",
    source="documentation page …-governance-setup-task-governance",
    wrong="governance: {teams: [{name: vision}]}\n",
    right=_ON + "governance: {teams: [{name: vision, quota: [{instance_type: ml.m5.4xlarge, count: 1}]}]}\n",
)
def needs_addon(governance: Governance, effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    if "task_governance" not in effective_addons:
        message = "requires the add-on task_governance"
        if ctx.eks is not None and ctx.eks.existing is not None:
            cure = "Add `task_governance: {}` to addons, unless the add-on is already installed on the EKS cluster."
            yield Problem("governance", message, cure, severity=Severity.WARNING)
        else:
            yield Problem("governance", message)


@rule(
    "HP602",
    title="CloudFormation's governance types are available in the region, or the deployment's own function is used.",
    severity=Severity.ERROR,
    why="CloudFormation rejects the template.",
    cure="Use `through: auto` or `through: handler`.",
    source="CloudFormation's resource types by region (2026-10-20)",
    certain=False,  # types are still added to regions
    wrong=_ON + "governance: {through: native, teams: []}\n",
    right=_ON + "governance: {through: auto, teams: []}\n",
)
def types_in_region(governance: Governance, region_facts: Region) -> Iterator[Problem]:
    region = region_facts
    if not region.hyperpod or governance.through != "native":
        return
    missing = [f"AWS::SageMaker::{kind}" for kind in GOVERNANCE_TYPES if not region.has_type(kind)]
    if missing:
        yield Problem("governance.through", f"native, but {region.name} does not have {' and '.join(missing)}")


@rule(
    "HP603",
    title="Names of teams, priority classes and the scheduler match the API's patterns and are unique.",
    severity=Severity.ERROR,
    why="The API rejects the name.",
    cure="Use lowercase letters, digits and hyphens, beginning and ending with a letter or digit.",
    source=source_of("patterns", "team_name"),
    wrong=_ON + "governance: {teams: [{name: Vision_Team, quota: [{instance_type: ml.m5.4xlarge, count: 1}]}]}\n",
    right=_ON + "governance: {teams: [{name: vision-team, quota: [{instance_type: ml.m5.4xlarge, count: 1}]}]}\n",
)
def names(governance: Governance) -> Iterator[Problem]:
    teams = [team.name for team in governance.teams]
    priorities = [priority.name for priority in governance.scheduler.priority_classes]
    for what, base, given in (
        ("team_name", "governance.teams", teams),
        ("priority_class_name", "governance.scheduler.priority_classes", priorities),
    ):
        for index, value in enumerate(given):
            path = f"{base}[{index}].name"
            if is_token(value):
                yield skipped(path)
            elif len(value) > (maximum := limit(f"{what}_length").value):
                yield _too_long(path, value, maximum)
            elif not re.fullmatch(pattern(what), value):
                yield Problem(path, f"{as_text(value)} is not a valid name")
            elif value in given[:index]:
                yield Problem(path, f"{as_text(value)} is used twice", "Use each name once.")
    name = governance.scheduler.name
    if is_token(name):
        yield skipped("governance.scheduler.name")
    elif name is not None and len(name) > (maximum := limit("governance_name_length").value):
        yield _too_long("governance.scheduler.name", name, maximum)
    elif name is not None and not matches("governance_name", name):
        yield Problem("governance.scheduler.name", f"{as_text(name)} is not a valid name")


def _too_long(path: str, name: str, maximum: int) -> Problem:
    message = f"{as_text(name)} has {len(name)} characters; the limit is {maximum}"
    return Problem(path, message, f"Use {maximum} characters at most.")


@rule(
    "HP604",
    title="A team's priority is a priority class of the scheduler.",
    severity=Severity.ERROR,
    complete=("governance",),
    why="Kueue rejects the team's jobs: the priority class does not exist.",
    cure="Add it to governance.scheduler.priority_classes.",
    source="documentation page …-governance-policies",
    certain=False,
    wrong=_team("priority: high, quota: [{instance_type: ml.m5.4xlarge, count: 1}]"),
    right=_team(
        "priority: high, quota: [{instance_type: ml.m5.4xlarge, count: 1}]",
        "scheduler: {priority_classes: [{name: high, weight: 90}]}, ",
    ),
)
def team_priorities(governance: Governance) -> Iterator[Problem]:
    known = [priority.name for priority in governance.scheduler.priority_classes]
    for index, team in enumerate(governance.teams):
        if team.priority is not None and team.priority not in known and not is_token(team.priority):
            near = suggest(team.priority, known)
            message = (
                f"unknown priority class {as_text(team.priority)}; the scheduler defines {', '.join(known) or 'none'}"
            )
            yield Problem(f"governance.teams[{index}].priority", message, f"Did you mean {near!r}?" if near else None)


def _resources(ctx: Context) -> Iterator[tuple[str, QuotaResource]]:
    for t, team in enumerate(ctx.governance.teams if ctx.governance else ()):
        for name in ("quota", "borrow_limits"):
            for index, resource in enumerate(getattr(team, name)):
                yield f"governance.teams[{t}].{name}[{index}]", resource


@rule(
    "HP605",
    title="Quotas are for instance types of the cluster.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="A quota for a type that no group has gives the team no compute.",
    cure="Specify an instance type of cluster.instance_groups.",
    source=_QUOTA,
    wrong=_team("quota: [{instance_type: ml.p5.48xlarge, count: 1}]"),
    right=_team("quota: [{instance_type: ml.m5.4xlarge, count: 1}]"),
)
def types_of_quotas(governance: Governance, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    types = {name for group in (cluster.groups if cluster else ()) for name in group.types}
    for path, resource in _resources(ctx):
        name, place = resource.instance_type, f"{path}.instance_type"
        if is_token(name):
            yield skipped(place)
        elif find_instance_type(name) is None:
            near = suggest(name, instance_types())
            cure = f"Did you mean {near!r}?" if near else None
            message = f"{as_text(name)} is not a HyperPod instance type"
            yield Problem(place, message, cure, "The API rejects the quota.", Severity.ERROR)
        elif name not in types:
            yield Problem(place, f"no group has {name}")


@rule(
    "HP606",
    title="The quotas of all teams fit in the cluster.",
    severity=Severity.WARNING,
    why="Teams cannot all use their quotas at the same time, and jobs wait although their quota is free.",
    cure="Reduce the quotas, or increase the counts of the groups.",
    source="documentation page …-governance-policies: the total must stay within the cluster's capacity",
    wrong=_team("quota: [{instance_type: ml.m5.4xlarge, count: 9}]"),
    right=_team("quota: [{instance_type: ml.m5.4xlarge, count: 2}]"),
)
def within_capacity(governance: Governance, cluster: Cluster) -> Iterator[Problem]:
    nodes: dict[str, int] = {}
    for group in cluster.groups:
        for name in group.types:
            nodes[name] = nodes.get(name, 0) + group.max_instances
    owned: dict[str, float] = {}
    for team in governance.teams:
        for resource in team.quota:
            owned[resource.instance_type] = owned.get(resource.instance_type, 0) + _instances(resource)
    for name, instances in owned.items():
        if name in nodes and instances > nodes[name]:
            message = f"the quotas total {instances:g} instances of {name}, but the groups have {nodes[name]}"
            yield Problem("governance.teams", message)


def _instances(resource: QuotaResource) -> float:
    """A quota as a number of instances: the largest share of any of its resources."""
    instance_type = find_instance_type(resource.instance_type)
    shares = [float(resource.count or 0)]
    if instance_type is not None and instance_type.accelerator is not None and resource.accelerators:
        shares.append(resource.accelerators / instance_type.accelerator.count)
    if instance_type is not None and resource.vcpu and resource.vcpu < float("inf"):
        shares.append(resource.vcpu / instance_type.vcpu)
    if instance_type is not None and resource.memory_gib and resource.memory_gib < float("inf"):
        shares.append(resource.memory_gib / instance_type.memory_gib)
    return max(shares)


@rule(
    "HP607",
    title="A quota is in instances, or in accelerators, vCPUs and memory.",
    severity=Severity.ERROR,
    why="The API rejects a quota with both, or with neither.",
    cure="Set count, or accelerators, vcpu and memory_gib.",
    source=_QUOTA,
    wrong=_team("quota: [{instance_type: ml.m5.4xlarge, count: 1, vcpu: 8}]"),
    right=_team("quota: [{instance_type: ml.m5.4xlarge, vcpu: 8}]"),
)
def one_measure(governance: Governance, ctx: Context) -> Iterator[Problem]:
    for path, resource in _resources(ctx):
        parts = [name for name in ("accelerators", "vcpu", "memory_gib") if getattr(resource, name) is not None]
        if resource.count is not None and parts:
            yield Problem(f"{path}.{parts[0]}", "conflicts with count")
        if resource.count is None and not parts and resource.mig_profile is None:
            yield Problem(path, "neither count nor accelerators, vcpu or memory_gib is set")
        instance_type = find_instance_type(resource.instance_type)
        if instance_type is not None and instance_type.accelerator is None and resource.accelerators:
            yield Problem(
                f"{path}.accelerators",
                f"{count(resource.accelerators, 'accelerator')}, but {instance_type.name} has none",
                "Remove accelerators, or specify an accelerated instance type.",
                "The API rejects the quota.",
            )


@rule(
    "HP608",
    title="A MIG quota has a profile of its type, and a count.",
    severity=Severity.ERROR,
    why="The API rejects the quota.",
    cure="Set mig_profile to a profile of the instance type, and mig_count.",
    source="service model of sagemaker: MIGProfileType; sagemaker-hyperpod 3.12.0 for the profiles of each type",
    wrong=_team("quota: [{instance_type: ml.p5.48xlarge, mig_profile: mig-1g.5gb, mig_count: 2}]"),
    right=_team("quota: [{instance_type: ml.p5.48xlarge, mig_profile: mig-1g.10gb, mig_count: 2}]"),
)
def mig(governance: Governance, ctx: Context) -> Iterator[Problem]:
    known = mig_profiles_in_api()
    for path, resource in _resources(ctx):
        profile, place = resource.mig_profile, f"{path}.mig_profile"
        if (profile is None) != (resource.mig_count is None):
            given, missing = (
                ("mig_profile", "mig_count") if resource.mig_count is None else ("mig_count", "mig_profile")
            )
            yield Problem(f"{path}.{given}", f"requires {missing}", f"Set {missing}.")
        if profile is None or is_token(profile):
            continue
        instance_type = find_instance_type(resource.instance_type)
        supported = known if instance_type is None else instance_type.mig_profiles
        cure = f"Use one of: {', '.join(supported)}." if supported else _NO_MIG
        if profile not in known:
            near = suggest(profile, supported)
            message = f"{as_text(profile)} is not a valid MIG profile"
            yield Problem(place, message, f"Did you mean {near!r}?" if near else cure)
        elif instance_type is not None and profile not in supported:
            yield Problem(place, f"{instance_type.name} does not support {profile}", cure)


_NO_MIG = "Remove mig_profile and mig_count, or specify an instance type with MIG."


@rule(
    "HP609",
    title="Borrow limits are used with borrowing, and are in the documented range.",
    severity=Severity.WARNING,
    why="The limit is not applied: the team borrows no compute.",
    cure="Set `sharing: LendAndBorrow`, or remove the limit.",
    source="service model of sagemaker: ResourceSharingConfig.BorrowLimit",
    wrong=_team("sharing: DontLend, borrow_limit: 50, quota: [{instance_type: ml.m5.4xlarge, count: 1}]"),
    right=_team("borrow_limit: 50, quota: [{instance_type: ml.m5.4xlarge, count: 1}]"),
)
def borrowing(governance: Governance) -> Iterator[Problem]:
    practical = limit("borrow_limit_practical")
    for index, team in enumerate(governance.teams if governance else ()):
        path = f"governance.teams[{index}]"
        for name in ("borrow_limit", "borrow_limits"):
            if getattr(team, name) not in (None, ()) and team.sharing != "LendAndBorrow":
                yield Problem(f"{path}.{name}", f"no effect: sharing is {team.sharing}")
        if team.borrow_limit is not None and not practical.allows(team.borrow_limit):
            message = f"{team.borrow_limit} percent; the documented range is {practical.minimum} to {practical.value}"
            cure = f"Use a limit of {practical.minimum} to {practical.value} percent."
            yield Problem(f"{path}.borrow_limit", message, cure, "The API may reject the limit.")


@rule(
    "HP610",
    title="Every team has a quota and members.",
    severity=Severity.NOTE,
    why="A team without a quota can only borrow; without members only administrators can use its namespace.",
    cure="Add a quota and members.",
    source="documentation page …-governance-policies",
    wrong=_ON + "governance: {teams: [{name: vision}]}\n",
    right=_team(
        "quota: [{instance_type: ml.m5.4xlarge, count: 1}], members: ['arn:aws:iam::111122223333:role/Vision']"
    ),
)
def empty_teams(governance: Governance) -> Iterator[Problem]:
    for index, team in enumerate(governance.teams if governance else ()):
        if not team.quota:
            message, why = f"the team {as_text(team.name)} has no quota", "A team without a quota can only borrow."
            yield Problem(f"governance.teams[{index}].quota", message, "Add a quota.", why)
        if not team.members:
            message = f"the team {as_text(team.name)} has no members"
            why = "Only administrators can use the team's namespace."
            yield Problem(f"governance.teams[{index}].members", message, "Add members.", why)
