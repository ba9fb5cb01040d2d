"""What runs on the cluster: add-ons, the dependency chart, namespaces, and teams' quotas with the capacity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..catalog import find_addon, find_instance_type, load
from ..effective import effective
from ..plural import count
from ..spec.addons import ADDON_NAMES
from ..spec.governance import QuotaResource
from ..spec.platform import Platform
from ..stack_templates import Stacks, resources
from .canvas import Canvas
from .model import Block, Cell, Content, Drawing, Section, code, table
from .subject import GONE, NEW, Mark, Subject, worst

_WIDTH, _ACROSS, _GAP = 980.0, 4, 12.0
_CARD = (_WIDTH - _GAP * (_ACROSS + 1)) / _ACROSS


@dataclass(frozen=True, slots=True)
class Addon:
    """An add-on that is installed."""

    key: str
    name: str
    version: str
    version_from: str
    namespace: str
    implied: bool
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Teams' quotas of one instance type."""

    instance_type: str
    capacity: float
    unit: str
    shares: tuple[tuple[str, float], ...]

    @property
    def owned(self) -> float:
        """The sum of all quotas."""
        return sum(amount for _, amount in self.shares)


def section(subject: Subject) -> Section:
    """The whole section."""
    platform = subject.platform
    shown = effective(platform)
    found, chart = addons(subject, shown), shown["dependency_chart"]
    head = ("Add-on", "Version", "Selected by", "Namespace", "In the config")
    rows: list[tuple[Content, ...]] = [
        (
            code(volume.name),
            volume.version,
            volume.version_from,
            code(volume.namespace or "-"),
            "implied" if volume.implied else "yes",
        )
        for volume in found
        if volume.mark is not GONE
    ]
    components = load("chart")["components"]
    parts = [(name.replace("_", " "), components.get(name, {}).get("what", "")) for name in chart["components"]]
    blocks: list[Block] = [
        drawing(subject, shown, found),
        *table("Add-ons", head, rows),
        *table(
            "Components of the HyperPod dependency chart",
            ("Component", "Description"),
            parts,
            folded=True,
            empty="The HyperPod dependency chart is not installed.",
        ),
        *table("Namespaces", ("Namespace", "For"), list(_namespaces(platform, found))),
        *_teams(platform),
    ]
    return Section("workloads", "Add-ons, namespaces and teams", tuple(blocks))


def addons(subject: Subject, shown: Mapping[str, Any]) -> list[Addon]:
    """The add-ons of a platform, and the removed ones."""
    before = subject.before.platform if subject.before else None
    made = [_addon(each, _mark(subject, str(each["key"]))) for each in shown["addons"]]
    if subject.before is not None and subject.before.stacks:
        names = {queue.name for queue in made}
        for name, version in _deployed(subject.before.stacks).items():
            if name not in names:
                made.append(Addon(name, name, version, "deployed", "", False, GONE))
    if before is not None:
        keys = {queue.key for queue in made}
        made += [_addon(each, GONE) for each in effective(before)["addons"] if each["key"] not in keys]
    return made


def _addon(each: Mapping[str, Any], mark: Mark | None) -> Addon:
    name = ADDON_NAMES.get(each["key"], each["key"])
    facts = find_addon(name)
    where = facts.namespace if facts else load("kueue")["namespace"] if each["key"] == "kueue" else ""
    return Addon(each["key"], name, each["version"], each["version_from"], where, not each["in_config"], mark)


def _mark(subject: Subject, key: str) -> Mark | None:
    before = subject.before
    if before is None:
        return None
    if before.platform is not None:
        if key not in before.platform.addons.effective():
            return NEW
        return worst(before.edits, f"addons.{key}")
    name = ADDON_NAMES.get(key)
    deployed, now = (_deployed(stacks or {}) for stacks in (before.stacks, subject.stacks))
    if name is None or name not in now:
        return None
    return NEW if name not in deployed else None if deployed[name] == now[name] else Mark("other version", "changed")


def _deployed(stacks: Stacks) -> dict[str, str]:
    """Name to version of the add-ons in templates."""
    found = [resource for template in stacks.values() for resource in resources(template).values()]
    properties = [resource.get("Properties", {}) for resource in found if resource.get("Type") == "AWS::EKS::Addon"]
    return {
        str(property_.get("AddonName")): str(property_.get("AddonVersion", "chosen by EKS")) for property_ in properties
    }


def _namespaces(platform: Platform, found: list[Addon]) -> Iterator[tuple[Content, ...]]:
    uses: dict[str, list[str]] = {}
    for addon in found:
        if addon.namespace and addon.mark is not GONE:
            uses.setdefault(addon.namespace, []).append(addon.name)
    chart = load("chart")["chart"]
    if platform.dependencies.enabled:
        uses.setdefault(chart["namespace"], []).append("the dependency chart")
        if platform.dependencies.is_on("deep_health_check"):
            uses.setdefault(chart["agents_namespace"], []).append("health agents")
        if platform.dependencies.is_on("training_operators"):
            uses.setdefault("kubeflow", []).append("the Kubeflow training operator")
    for team in platform.governance.teams if platform.governance else ():
        uses.setdefault(team.namespace, []).append(f"team {team.name}")
    for job in platform.completed_jobs:
        uses.setdefault(job.effective_namespace, []).append(f"job {job.name}")
    for namespace in sorted(uses):
        yield code(namespace), ", ".join(uses[namespace])


def _teams(platform: Platform) -> Iterator[Block]:
    teams = platform.governance.teams if platform.governance else ()
    head = ("Team", "Quota", "Sharing", "Weight", "Namespace", "Queue", "Members")
    rows: list[tuple[Content, ...]] = [
        (
            team.name,
            ", ".join(map(quota_text, team.quota)) or "none",
            team.sharing,
            str(team.fair_share_weight),
            code(team.namespace),
            code(team.queue),
            f"{count(len(team.members), 'member')}, {count(len(team.viewers), 'viewer')}",
        )
        for team in teams
    ]
    yield from table("Teams", head, rows, numbers=[3])
    claims: list[tuple[Content, ...]] = [
        (code(claim.instance_type), f"{claim.capacity:g} {claim.unit}", f"{claim.owned:g} {claim.unit}", _left(claim))
        for claim in claims_of(platform)
    ]
    yield from table("Quotas and capacity", ("Instance type", "Capacity", "Quotas of teams", "Left"), claims)


def _left(claim: Claim) -> Content:
    left = claim.capacity - claim.owned
    return Cell(f"exceeded by {-left:g} {claim.unit}", "bad") if left < 0 else f"{left:g} {claim.unit}"


def quota_text(each: QuotaResource) -> str:
    """A quota as text.

    >>> quota_text(QuotaResource(instance_type="ml.p5.48xlarge", count=2))
    '2 x ml.p5.48xlarge'
    """
    if each.count is not None:
        return f"{each.count} x {each.instance_type}"
    amounts = (
        ("accelerators", each.accelerators),
        ("vCPU", each.vcpu),
        ("GiB", each.memory_gib),
        (each.mig_profile or "", each.mig_count),
    )
    return f"{', '.join(f'{value:g} {name}' for name, value in amounts if value is not None)} of {each.instance_type}"


def claims_of(platform: Platform) -> list[Claim]:
    """Teams' quotas of each instance type, in instances, or in accelerators if a quota uses these."""
    teams = platform.governance.teams if platform.governance else ()
    nodes: dict[str, int] = {}
    for group in platform.cluster.groups:
        for name in group.types[:1]:
            nodes[name] = nodes.get(name, 0) + group.count
    found = []
    for name in dict.fromkeys(each.instance_type for team in teams for each in team.quota):
        instance_type = find_instance_type(name)
        each_has = instance_type.accelerator.count if instance_type and instance_type.accelerator else 0
        quotas = [(team.name, each) for team in teams for each in team.quota if each.instance_type == name]
        by_device = bool(each_has) and any(each.accelerators is not None for _, each in quotas)
        shares: dict[str, float] = {}
        for team, each in quotas:
            amount = each.count * (each_has if by_device else 1) if each.count is not None else (each.accelerators or 0)
            shares[team] = shares.get(team, 0) + amount
        capacity = nodes.get(name, 0) * (each_has if by_device else 1)
        unit = "accelerators" if by_device else "instances"
        found.append(Claim(name, capacity, unit, tuple(shares.items())))
    return found


# ---- the drawing ----


def drawing(subject: Subject, shown: Mapping[str, Any], found: list[Addon]) -> Drawing:
    """Add-ons as cards, components of the chart, teams' quotas as shares of the capacity, and jobs."""
    platform, canvas = subject.platform, Canvas()
    version = shown["eks"]["kubernetes_version"]
    name = platform.completed_eks.cluster_name or shown["eks"]["cluster"]
    eks = f"EKS cluster {name}, Kubernetes {version or '(existing version)'}"
    canvas.text(4, 16, eks, "strong", width=_WIDTH - 8)
    canvas.say(0, eks)
    y = _cards(canvas, found, 28.0)
    y = _chart(canvas, shown["dependency_chart"]["components"], y)
    claims = claims_of(platform)
    if claims:
        y = _shares(canvas, claims, y, _quota_mark(subject))
    y = _jobs(canvas, subject, y)
    teams = platform.governance.teams if platform.governance else ()
    desc = f"{eks}: {count(len(found), 'add-on')}, {count(len(teams), 'team')}, {count(len(platform.jobs), 'job')}."
    legend = [("share s0", "allocated to teams"), ("bar-room", "not allocated")] if claims else []
    return canvas.drawing("drawing", "Diagram of the workloads", desc, _WIDTH, y, legend)


def _cards(canvas: Canvas, found: list[Addon], y: float) -> float:
    rows = -(-len(found) // _ACROSS)
    canvas.box(0, y, _WIDTH, 30 + rows * 74, "zone", "EKS add-ons")
    canvas.text(10, y + 20, f"EKS add-ons ({len(found)})", "zone")
    canvas.say(0, "EKS add-ons")
    for number, addon in enumerate(found):
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 30 + (number // _ACROSS) * 74
        state = f" {addon.mark.kind}" if addon.mark else ""
        text = f"{addon.name} {addon.version}{f' in {addon.namespace}' if addon.namespace else ''}"
        canvas.box(x, row, _CARD, 64, f"card{state}", text)
        room = _CARD - 20
        if addon.mark:
            room -= canvas.badge(x + _CARD - 5, row + 5, addon.mark.word, addon.mark.kind) + 4
        canvas.text(x + 10, row + 19, addon.key.replace("_", " "), "strong", width=room)
        canvas.text(x + 10, row + 37, addon.version, "small", width=_CARD - 20)
        canvas.text(x + 10, row + 54, f"in {addon.namespace}" if addon.namespace else "", "small", width=_CARD - 20)
        canvas.say(1, f"{text}{f' ({addon.mark.word})' if addon.mark else ''}")
    return y + 38 + rows * 74


def _chart(canvas: Canvas, components: list[str], y: float) -> float:
    if not components:
        return y
    rows = -(-len(components) // _ACROSS)
    canvas.box(0, y, _WIDTH, 32 + rows * 26, "zone", "HyperPod dependency chart")
    canvas.text(10, y + 20, "HyperPod dependency chart (Helm)", "zone")
    canvas.say(0, f"HyperPod dependency chart: {', '.join(components)}")
    for number, name in enumerate(components):
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 30 + (number // _ACROSS) * 26
        canvas.box(x, row, _CARD, 20, "endpoint", name)
        canvas.text(x + 8, row + 14, name.replace("_", " "), "small", width=_CARD - 16)
    return y + 40 + rows * 26


def _shares(canvas: Canvas, claims: list[Claim], y: float, mark: Mark | None) -> float:
    canvas.text(4, y + 14, "Quotas of teams and capacity", "zone")
    canvas.say(0, f"quotas of teams and capacity{f' ({mark.word})' if mark else ''}")
    if mark:
        canvas.badge(_WIDTH - 4, y, mark.word, mark.kind)
    y += 24
    for claim in claims:
        scale = (_WIDTH - 4) / max(claim.capacity, claim.owned, 1)
        over = f", exceeded by {claim.owned - claim.capacity:g}" if claim.owned > claim.capacity else ""
        label = f"{claim.instance_type}: {claim.owned:g} of {claim.capacity:g} {claim.unit} allocated{over}"
        canvas.text(4, y + 14, label, "small", width=_WIDTH - 8)
        canvas.say(1, label)
        canvas.box(
            2, y + 20, max(2.0, claim.capacity * scale), 26, "bar-room", f"{claim.capacity:g} {claim.unit} in total"
        )
        x = 2.0
        for number, (team, amount) in enumerate(claim.shares):
            width = amount * scale
            if width:
                canvas.box(x, y + 20, width, 26, f"share s{number % 2}", f"team {team}: {amount:g} {claim.unit}")
                canvas.text(x + 6, y + 37, f"{team} {amount:g}", "on", width=max(14.0, width - 10))
            canvas.say(2, f"team {team}: {amount:g} {claim.unit}")
            x += width
        if over:
            canvas.line(
                (2 + claim.capacity * scale, y + 16),
                (2 + claim.capacity * scale, y + 50),
                kind="limit",
                title=f"capacity: {claim.capacity:g} {claim.unit}",
            )
        y += 60
    return y


def _quota_mark(subject: Subject) -> Mark | None:
    return worst(subject.before.edits, "governance.teams") if subject.before else None


def _jobs(canvas: Canvas, subject: Subject, y: float) -> float:
    jobs = subject.platform.completed_jobs
    if not jobs:
        return y
    rows = -(-len(jobs) // _ACROSS)
    canvas.text(4, y + 16, f"Jobs ({len(jobs)})", "zone")
    canvas.say(0, "jobs")
    for number, job in enumerate(jobs):
        mark = worst(subject.before.edits, f"jobs[{number}]") if subject.before else None
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 26 + (number // _ACROSS) * 74
        text = f"{job.kind} {job.name} in namespace {job.effective_namespace}"
        canvas.box(x, row, _CARD, 64, f"card accelerated{f' {mark.kind}' if mark else ''}", text)
        room = _CARD - 20 - (canvas.badge(x + _CARD - 5, row + 5, mark.word, mark.kind) + 4 if mark else 0)
        canvas.text(x + 10, row + 19, job.name, "strong", width=room)
        canvas.text(x + 10, row + 37, job.kind, "small", width=_CARD - 20)
        canvas.text(x + 10, row + 54, f"in {job.effective_namespace}", "small", width=_CARD - 20)
        canvas.say(1, f"{text}{f' ({mark.word})' if mark else ''}")
    return y + 34 + rows * 74
