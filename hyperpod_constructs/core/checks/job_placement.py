"""HP74x and HP75x: a job compared with the groups, queues, zones and storage of its cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..catalog import find_instance_type, label, limit
from ..findings import Severity
from ..jobs.resources import share
from ..plural import count
from ..spec.cluster import Cluster
from ..spec.governance import Governance
from ..spec.groups import InstanceGroup, RestrictedInstanceGroup, Taint
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_pod import Toleration
from ..spec.storage import Storage
from .context import Context, EffectiveAddons, Groups
from .job_rule import example, opaque, parts, pods
from .registry import Problem, describe, rule

if TYPE_CHECKING:
    from ..spec.governance import QuotaResource, Team

Group: TypeAlias = InstanceGroup | RestrictedInstanceGroup

P5 = "instance_type: ml.p5.48xlarge"
GROUP = "{name: workers, instance_type: ml.p5.48xlarge, count: 4, availability_zone_id: usw2-az1%s}"


def _platform(fields: str, group: str = "", rest: str = "") -> str:
    return example(fields, f"cluster:\n  instance_groups:\n    - {GROUP % group}\n{rest}")


def _groups(part: ReplicaSpec, ctx: Context) -> list[tuple[str, Group]]:
    """Returns the groups whose nodes a replica spec can use."""
    return [
        (path, group)
        for path, group in ctx.groups
        if part.instance_type in group.types and part.instance_group in (None, group.name)
    ]


@rule(
    "HP740",
    title="The cluster has nodes of the job's instance type.",
    why="The pods stay pending.",
    cure="Add an instance group of the type, or use a type of the cluster.",
    source="Kubernetes: node selectors",
    wrong=_platform("instance_type: ml.trn1.32xlarge"),
    right=_platform(P5),
)
def has_type(job: Job, groups: Groups, ctx: Context) -> Iterator[Problem]:
    for prefix, part, node_type in parts(job):
        if node_type is None:
            continue
        names = [group.name for _, group in groups]
        if part.instance_group is not None and not opaque(part.instance_group) and part.instance_group not in names:
            message = f"unknown instance group {part.instance_group!r}"
            cure = f"Use one of: {', '.join(names)}." if names else "Add the group to cluster.instance_groups."
            yield Problem(f"{prefix}instance_group", message, cure)
        elif not _groups(part, ctx):
            candidates = [group for _, group in groups if part.instance_group in (None, group.name)]
            # HP301 reports unknown types, which may be misspelled: they are not suggested
            types = sorted(filter(find_instance_type, {name for group in candidates for name in group.types}))
            where = f"instance group {part.instance_group!r}" if part.instance_group else "the cluster"
            message = f"{where} has no nodes of {node_type.name}"
            yield Problem(f"{prefix}instance_type", message, f"Use one of: {', '.join(types)}." if types else None)


@rule(
    "HP741",
    title="The groups can have the nodes that the job requires.",
    severity=Severity.WARNING,
    why="The job waits in the queue, or starts in part and waits for the rest, until nodes are added.",
    cure="Increase the group's count (or max_count with autoscaling), or request less.",
    source="Kueue and the operators start a job when all of its pods fit",
    wrong=_platform(f"{P5}, nodes: 8"),
    right=_platform(f"{P5}, nodes: 4"),
)
def enough_nodes(job: Job, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for prefix, part, instance_type in parts(job):
        groups = [group for _, group in _groups(part, ctx)]
        if instance_type is None or not groups or any(map(_open_ended, groups)):
            continue
        nodes = sum(group.max_instances for group in groups)
        per_node = share(part, job).per_node or 0
        if not per_node:
            continue  # it fits on no node: reported by HP713, HP714 and HP717
        replicas = part.count + (part.spares or 0)
        if replicas > nodes * per_node:
            field = "nodes" if part.nodes else "replicas"
            names = " and ".join(group.name for group in groups)
            has = f"{count(nodes, 'node')} of {instance_type.name}, {per_node} each"
            message = f"{count(replicas, 'replica')}, but {names} can run {nodes * per_node} ({has})"
            yield Problem(f"{prefix}{field}", message)


def _open_ended(group: Group) -> bool:
    """Whether only an autoscaler scales the group, without a limit."""
    return group.count == 0 and getattr(group, "max_count", None) is None


@rule(
    "HP742",
    title="The job's team and queue exist.",
    why="Kueue does not admit a job of an unknown queue, and its namespace does not exist.",
    cure="Add the team to `governance.teams`, or use an existing one.",
    source="AWS documentation of task governance",
    wrong=_platform(
        f"{P5}, team: vison", rest="governance: {teams: [{name: vision}]}\naddons: {task_governance: {}}\n"
    ),
    right=_platform(
        f"{P5}, team: vision", rest="governance: {teams: [{name: vision}]}\naddons: {task_governance: {}}\n"
    ),
    certain=False,
)
def has_team(job: Job, governance: Governance) -> Iterator[Problem]:
    teams = [team.name for team in governance.teams]
    if not opaque(job.team) and job.team not in teams:
        yield Problem(
            "team",
            f"unknown team {job.team!r}",
            f"Use one of: {', '.join(teams)}." if teams else "Define it under governance.teams.",
        )
    queue = job.effective_queue
    if job.team is None and queue and queue.startswith("hyperpod-ns-") and not opaque(queue):
        queues = [team.queue for team in governance.teams]
        if queue not in queues:
            yield Problem(
                "queue",
                f"no team has the queue {queue!r}",
                f"Use one of: {', '.join(queues)}." if queues else "Define a team under governance.teams.",
            )
    classes = [priority_class.name for priority_class in governance.scheduler.priority_classes]
    if job.priority and not opaque(job.priority) and job.priority.removesuffix("-priority") not in classes:
        message = f"the scheduler has no priority class {job.priority!r}"
        defined = f"Use one of: {', '.join(classes)}." if classes else None
        cure = defined or "Define it under governance.scheduler.priority_classes."
        yield Problem("priority", message, cure, "Kueue rejects the job: the priority class does not exist.")


@rule(
    "HP743",
    title="The operator of the job's kind is installed.",
    why="The API server does not know the kind, or no controller runs the job.",
    cure="Add `training_operator: {}` to addons, or change the kind.",
    source="AWS documentation of the training operator; the dependency chart's Kubeflow training operator",
    wrong=_platform(P5, rest="addons: {}\n"),
    right=_platform(P5, rest="addons: {training_operator: {}}\n"),
    certain=False,
)
def has_operator(job: Job, effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    addons = effective_addons
    if job.kind == "HyperPodPyTorchJob" and "training_operator" not in addons:
        yield Problem("kind", "HyperPodPyTorchJob requires addons.training_operator")
    chart = ctx.dependencies
    if job.kind == "PyTorchJob" and chart is not None and not (chart.enabled and chart.training_operators):
        cure = "Enable `dependencies.training_operators`, or use kind HyperPodPyTorchJob."
        yield Problem("kind", "PyTorchJob requires Kubeflow's operator in the dependency chart", cure)
    if job.effective_queue and not {"task_governance", "kueue"} & addons.keys():
        field, needs = (
            ("team", "`task_governance: {}`") if job.team else ("queue", "`task_governance: {}` or `kueue: {}`")
        )
        message = f"the queue {job.effective_queue!r} requires task governance{'' if job.team else ' or Kueue'}"
        yield Problem(field, message, f"Add {needs} to addons, or remove {field}.", "The queue does not exist.")


@rule(
    "HP744",
    title="A team's job fits in the team's quota.",
    severity=Severity.WARNING,
    why="Kueue admits the job only when it can borrow idle compute, and never if the team may not borrow that much.",
    cure="Increase the quota, allow the team to borrow, or request less.",
    source="AWS documentation of task governance: compute quotas",
    wrong=_platform(
        f"{P5}, nodes: 4, team: vision",
        rest="governance: {teams: [{name: vision, sharing: DontLend,"
        " quota: [{instance_type: ml.p5.48xlarge, count: 2}]}]}\naddons: {task_governance: {}}\n",
    ),
    right=_platform(
        f"{P5}, nodes: 2, team: vision",
        rest="governance: {teams: [{name: vision, sharing: DontLend,"
        " quota: [{instance_type: ml.p5.48xlarge, count: 2}]}]}\naddons: {task_governance: {}}\n",
    ),
)
def within_quota(job: Job, governance: Governance) -> Iterator[Problem]:
    team = next((team for team in governance.teams if team.name == job.team), None)
    if team is None or not team.quota:
        return
    requested: dict[str, float] = {}
    for _, part, kind in parts(job):
        if kind is not None and kind.accelerator is not None:
            replicas = part.count + (part.spares or 0)
            requested[kind.name] = requested.get(kind.name, 0) + float(share(part, job).accelerators) * replicas
    for _, _, kind in parts(job):
        if kind is None or kind.accelerator is None or kind.name not in requested:
            continue
        needs = requested.pop(kind.name)
        owns = _accelerators(team, kind.name, kind.accelerator.count)
        if owns is not None and needs > owns[1]:
            borrowed = f", {owns[1]:g} including what it may borrow" if owns[1] > owns[0] else ""
            message = (
                f"the job requires {needs:g} accelerators of {kind.name}; the quota of the team {team.name!r} is "
                f"{owns[0]:g}{borrowed}"
            )
            yield Problem("team", message)


def _accelerators(team: Team, name: str, per_node: int) -> tuple[float, float] | None:
    """Returns a team's quota of accelerators of a type, and the maximum with borrowing; None if it is not set."""
    nominal = _sum(team.quota, name, per_node)
    if nominal is None:
        return None
    if team.sharing != "LendAndBorrow":
        return nominal, nominal
    absolute = _sum(team.borrow_limits, name, per_node)
    if absolute:
        return nominal, nominal + absolute
    return nominal, nominal * (
        1 + (limit("borrow_limit_default").value if team.borrow_limit is None else team.borrow_limit) / 100
    )


def _sum(resources: Sequence[QuotaResource], name: str, per_node: int) -> float | None:
    total = 0.0
    for resource in resources:
        if resource.instance_type != name:
            continue
        if resource.count is None and resource.accelerators is None:
            return None
        total += (resource.count or 0) * per_node + (resource.accelerators or 0)
    return total


@rule(
    "HP745",
    title="A job that requires checked nodes has a group with deep health checks.",
    severity=Severity.WARNING,
    why="No node gets the label, and the pods stay pending.",
    cure="Add deep_health_checks to the group, or remove deep_health_check_passed_only.",
    source="AWS documentation: node label deep-health-check-status",
    wrong=_platform(f"{P5}, deep_health_check_passed_only: true"),
    right=_platform(f"{P5}, deep_health_check_passed_only: true", ", deep_health_checks: [InstanceStress]"),
)
def checked_nodes(job: Job, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for _, part, _ in parts(job):
        if not part.deep_health_check_passed_only:
            continue
        groups = _groups(part, ctx)
        if groups and not any(group.deep_health_checks for _, group in groups):
            names = " and ".join(group.name for _, group in groups)
            yield Problem("deep_health_check_passed_only", f"no deep health checks in {names}")


@rule(
    "HP746",
    title="Pods that communicate over EFA run in one zone.",
    severity=Severity.WARNING,
    why="EFA works in one zone only: a job in two zones fails or falls back to TCP.",
    cure="Set instance_group, or required_topology.",
    source="AWS documentation of EFA",
    wrong=_platform(
        f"{P5}, nodes: 2",
        rest="    - {name: more, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az2}\n",
    ),
    right=_platform(
        f"{P5}, nodes: 2, instance_group: workers",
        rest="    - {name: more, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az2}\n",
    ),
)
def one_zone(job: Job, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        if part.count < 2 or job.required_topology or not share(part, job).efa:
            continue
        zones = {ctx.zone_of(group): group.name for _, group in _groups(part, ctx)}
        if len(zones) > 1:
            where = " and ".join(f"{name} in {zone or 'its subnet_ids'}" for zone, name in zones.items())
            yield Problem(f"{prefix}instance_group", f"nodes of {part.instance_type} are in several zones: {where}")


@rule(
    "HP747",
    title="A job's file systems exist, with a claim in its namespace.",
    why="The pods stay pending: their volume claim does not exist.",
    cure="Add the file system to `storage.lustre`, and the job's namespace or team to its namespaces.",
    source="This project: a claim of the file system's name in each of its namespaces",
    wrong=example("volumes: [{name: data, mount_path: /data, fsx: scratch}]", "storage: {lustre: []}\n"),
    right=example("volumes: [{name: data, mount_path: /data, fsx: scratch}]", "storage: {lustre: [{name: scratch}]}\n"),
    certain=False,
)
def has_storage(job: Job, storage: Storage) -> Iterator[Problem]:
    systems = {file_system.name: file_system.namespaces for file_system in storage.lustre}
    claims = {bucket.name: bucket.namespaces for bucket in storage.buckets if bucket.namespaces}
    for name, namespaces in systems.items():
        claims[name] = (*namespaces, *claims.get(name, ()))
    for prefix, pod in pods(job):
        for index, volume in enumerate(pod.volumes):
            for field, known in (("fsx", systems), ("claim", claims)):
                claim, path = getattr(volume, field), f"{prefix}volumes[{index}].{field}"
                if opaque(claim) or claim is None:
                    continue
                if claim not in known:
                    if field == "fsx":  # claims of other tools are not in the config
                        fix = f"Use one of: {', '.join(known)}." if known else "Define it under storage.lustre."
                        yield Problem(path, f"unknown file system {claim!r}", fix)
                elif not {job.effective_namespace, job.team} & set(known[claim]):
                    where = ", ".join(known[claim])
                    message = f"{claim!r} has claims in {where}, but the job runs in {job.effective_namespace}"
                    kind = "lustre" if claim in systems else "buckets"
                    owner = job.team or job.effective_namespace
                    yield Problem(path, message, f"Add {owner} to the namespaces of {claim!r} in storage.{kind}.")


@rule(
    "HP748",
    title="A job tolerates the taints of its nodes.",
    why="No pod is placed on the nodes.",
    cure="Add the toleration to the job.",
    source="Kubernetes: taints and tolerations",
    wrong=_platform(P5, ", taints: [{key: dedicated, value: llm, effect: NoSchedule}]"),
    right=_platform(
        f"{P5}, tolerations: [{{key: dedicated}}]", ", taints: [{key: dedicated, value: llm, effect: NoSchedule}]"
    ),
    certain=False,
)
def tolerated(job: Job, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for _, part, _ in parts(job):
        groups = [group for _, group in _groups(part, ctx)]
        closed = [(group, taint) for group in groups if (taint := _not_tolerated(group, part)) is not None]
        if groups and len(closed) == len(groups):
            group, taint = closed[0]
            shown = f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"
            match = f"value: {taint.value}" if taint.value else "operator: Exists"
            cure = f"Add {{key: {taint.key}, {match}, effect: {taint.effect}}} to tolerations."
            yield Problem("tolerations", f"no toleration for the taint {shown} of {group.name}", cure)


def _not_tolerated(group: Group, part: ReplicaSpec) -> Taint | None:
    return next(
        (
            taint
            for taint in _taints(group)
            if taint.effect != "PreferNoSchedule"
            and not any(_tolerates(toleration, taint) for toleration in part.tolerations)
        ),
        None,
    )


def _taints(group: Group) -> Sequence[Taint]:
    """Returns the group's taints; the service adds one to every restricted node."""
    if isinstance(group, InstanceGroup):
        return group.taints
    restricted = label("restricted_taint")
    return (Taint(key=restricted.key, value=restricted.values[0], effect="NoSchedule"),)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in (None, taint.effect) or toleration.key not in (None, taint.key):
        return False
    exists = toleration.operator == "Exists" or (toleration.operator is None and toleration.value is None)
    return exists or toleration.value == (taint.value or "")


@rule(
    "HP750",
    title="Names of jobs are unique in a namespace.",
    severity=Severity.ERROR,
    why="The second job would overwrite the first, or be rejected.",
    cure="Use a different name for each job.",
    source="Kubernetes: names are unique in a namespace and kind",
    wrong="jobs:\n  - {name: a, image: b, on_change: replace}\n  - {name: a, image: c, on_change: replace}\n",
    right="jobs:\n  - {name: a, image: b, on_change: replace}\n  - {name: b, image: c, on_change: replace}\n",
)
def unique_names(jobs: tuple[Job, ...], ctx: Context) -> Iterator[Problem]:
    seen: dict[tuple[object, ...], int] = {}
    for index, job in enumerate(jobs or ()):
        key: tuple[object, ...] = (job.kind, job.effective_namespace, job.name)
        if not ctx.whole and job.on_change == "new-object":
            # jobs of constructs have separate IDs: only jobs with equal content are the same object
            key = (*key, repr(job))
        if key in seen:
            yield Problem(f"jobs[{index}].name", f"{job.name!r} is also the name of jobs[{seen[key]}]")
        seen.setdefault(key, index)


describe(
    "HP751",
    title="A job's name is read after the instance groups that Karpenter scales are added.",
    severity=Severity.ERROR,
    why="References to the name refer to an object that does not exist.",
    cure="Add the instance groups to the cluster before job_name is read.",
    source="this project: jobs on such a cluster have an annotation, and the name has a hash of the content",
)
