"""HP615 to HP617, HP749: isolation of teams' pods in their namespaces."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Severity
from ..isolation import baseline, system_nodes
from ..isolation_preview import refused
from ..jobs.pods import pod_template
from ..jobs.schema import flaws
from ..placement import system_group
from ..spec.cluster import Cluster
from ..spec.governance import Governance
from ..spec.isolation import Isolation
from ..spec.jobs import Job
from .context import Context
from .job_rule import example, parts
from .registry import Problem, rule

_STANDARDS = "Kubernetes: Pod Security Standards; ValidatingAdmissionPolicy"
_ON = "addons: {task_governance: {}}\n"
_GROUPS = (
    "cluster: {instance_groups: [{name: system, instance_type: ml.m5.4xlarge, count: 2}, "
    "{name: workers, instance_type: ml.g5.8xlarge, count: 2}]}\n"
)
_QUOTA = "quota: [{instance_type: ml.g5.8xlarge, count: 1}], members: ['arn:aws:iam::111122223333:role/Vision']"


def _teams(isolation: str = "") -> str:
    more = f", isolation: {{{isolation}}}" if isolation else ""
    return f"{_ON}{_GROUPS}governance: {{teams: [{{name: vision, {_QUOTA}{more}}}]}}\n"


_OPENED = {
    "enabled": "disabled: members of the team can take over nodes, the operators on them, and the cluster",
    "privileged": "enabled: members of the team can take over nodes, and through them the cluster",
    "host_network": "enabled: pods of the team can reach the instance metadata service and the services of the node",
    "host_ipc": "enabled: pods of the team share memory with every process of the node",
    "system_nodes": "enabled: pods of the team can run on the nodes of the operators",
    "network_policy": "disabled: pods of other teams can reach pods of this team",
}
"""Options that relax the isolation of a team, and the consequences."""


@rule(
    "HP615",
    title="Pods of a team are isolated in the team's namespace.",
    severity=Severity.WARNING,
    why="The permissions of the team's members reach beyond the team.",
    cure="Remove the setting, or acknowledge the finding with the reason.",
    source=_STANDARDS,
    wrong=_teams("privileged: true"),
    right=_teams(),
)
def opened(governance: Governance) -> Iterator[Problem]:
    for index, team in enumerate(governance.teams):
        isolation, path = team.isolation, f"governance.teams[{index}].isolation"
        for name, what in _OPENED.items():
            if getattr(isolation, name) != Isolation.model_fields[name].default:
                yield Problem(f"{path}.{name}", what)
        added = set(isolation.capabilities) - {*baseline("capabilities"), *Isolation().capabilities}
        if added:
            yield Problem(
                f"{path}.capabilities",
                f"allows {', '.join(sorted(added))}, which the Pod Security baseline does not allow",
            )
        paths = set(isolation.host_paths) - set(Isolation().host_paths)
        if paths:
            yield Problem(f"{path}.host_paths", f"allows the host paths {', '.join(sorted(paths))}")


@rule(
    "HP616",
    title="Host paths of a team are not nested.",
    severity=Severity.WARNING,
    why="A pod that can write to the outer path can make the inner one a symbolic link to any directory of the node.",
    cure="Allow the outer path only, and mount the inner one with `sub_path`.",
    source="Kubernetes: hostPath volumes; allowed path prefixes are not safe if they are writable",
    wrong=_teams("host_paths: [/opt/dlami/nvme, /opt/dlami/nvme/cache]"),
    right=_teams("host_paths: [/opt/dlami/nvme]"),
)
def nested_paths(governance: Governance) -> Iterator[Problem]:
    for index, team in enumerate(governance.teams):
        paths = [path.rstrip("/") for path in team.isolation.host_paths]
        for place, path in enumerate(paths):
            outer = next(
                (host_path for host_path in paths if path != host_path and path.startswith(f"{host_path}/")), None
            )
            if outer is not None:
                at = f"governance.teams[{index}].isolation.host_paths[{place}]"
                yield Problem(at, f"{path!r} is in {outer or '/'!r}, which pods can write to")


@rule(
    "HP749",
    title="A team's job conforms to the team's isolation.",
    why="The API server rejects the job's pods, and the job never starts.",
    cure="Change the job, or enable the setting in the team's `isolation`.",
    source=_STANDARDS,
    wrong=_teams() + example("team: vision, instance_type: ml.g5.8xlarge, host_network: true"),
    right=_teams() + example("team: vision, instance_type: ml.g5.8xlarge"),
)
def refused_job(job: Job, governance: Governance, cluster: Cluster) -> Iterator[Problem]:
    team = next((team for team in governance.teams if team.namespace == job.effective_namespace), None)
    if team is None or not team.isolation.enabled:
        return
    found: dict[str, None] = {}
    for prefix, part, _ in parts(job):
        pod = pod_template(job, part)
        if any(flaws(pod)):  # reported as HP722
            continue
        broken = refused(pod, team, cluster=cluster)
        # Kueue sets the node selector of the quota on a job in a queue, unless the job selects a type itself
        queued = job.effective_queue and not part.instance_type and not part.instance_group
        found |= dict.fromkeys(f"{prefix}{name}" for name in broken if name != "system-nodes" or not queued)
    if found:
        group = system_group(cluster)
        cure = None
        if group is not None and all(name.endswith("system-nodes") for name in found):
            cure = f"Set instance_type or instance_group to nodes other than those of {group.name}."
        yield Problem("", f"violates the isolation of the team {team.name}: {', '.join(found)}", cure)


@rule(
    "HP617",
    title="Teams have nodes separate from the operators, and a network plugin that enforces network policies.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="This part of the teams' isolation is not effective.",
    cure="Add a group for the teams, or acknowledge the finding.",
    source="Kubernetes: Pod Security Standards; EKS user guide, network policies of the VPC CNI",
    wrong=_ON + f"governance: {{teams: [{{name: vision, {_QUOTA}}}]}}\n",
    right=_teams(),
)
def without_effect(governance: Governance, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    teams = [team for team in governance.teams if team.isolation.enabled]
    if not teams:
        return
    if not all(team.isolation.system_nodes for team in teams) and system_nodes(cluster) is None:
        group = system_group(cluster)
        where = f"those of the group {group.name}" if group else "because no group is left for the teams"
        yield Problem("governance.teams", f"pods of teams and operators run on the same nodes, {where}")
    if not any(team.isolation.network_policy for team in teams):
        return
    unmanaged = ctx.eks is not None and ctx.eks.existing is not None and not ctx.eks.existing.core_addons
    cni = ctx.effective_addons.get("vpc_cni")
    configuration = getattr(cni, "configuration", {})
    off = str(configuration.get("enableNetworkPolicy", "true")).lower() == "false"
    if unmanaged or off:
        which = (
            "the VPC CNI of the existing cluster is not managed here" if unmanaged else "enableNetworkPolicy is false"
        )
        cure = "Verify that the VPC CNI has enableNetworkPolicy: true, and acknowledge the finding."
        yield Problem("governance.teams", f"network policies of teams may not be enforced: {which}", cure)
