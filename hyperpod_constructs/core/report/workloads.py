"""Workloads of the cluster: add-ons, the dependency chart, namespaces, and quotas of teams compared with capacity."""

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
    """The quotas of all teams for one instance type."""

    instance_type: str
    capacity: float
    unit: str
    shares: tuple[tuple[str, float], ...]

    @property
    def allocated(self) -> float:
        """The sum of all quotas."""
        return sum(amount for _, amount in self.shares)


def section(subject: Subject) -> Section:
    """Returns the section."""
    platform = subject.platform
    shown = effective(platform)
    found, chart = addons(subject, shown), shown["dependency_chart"]
    head = ("Add-on", "Version", "Selected by", "Namespace", "In the config")
    rows: list[tuple[Content, ...]] = [
        (
            code(addon.name),
            addon.version,
            addon.version_from,
            code(addon.namespace or "-"),
            "no, default or prerequisite" if addon.implied else "yes",
        )
        for addon in found
        if addon.mark is not GONE
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
        *table("Namespaces", ("Namespace", "Used by"), list(_namespaces(platform, found))),
        *_teams(platform),
    ]
    return Section("workloads", "Add-ons, namespaces and teams", tuple(blocks))


def addons(subject: Subject, shown: Mapping[str, Any]) -> list[Addon]:
    """Returns the add-ons of a platform, followed by removed add-ons."""
    before = subject.before.platform if subject.before else None
    current = [_addon(entry, _mark(subject, str(entry["key"]))) for entry in shown["addons"]]
    if subject.before is not None and subject.before.stacks:
        names = {addon.name for addon in current}
        for name, version in _deployed(subject.before.stacks).items():
            if name not in names:
                current.append(Addon(name, name, version, "deployed", "", False, GONE))
    if before is not None:
        keys = {addon.key for addon in current}
        current += [_addon(entry, GONE) for entry in effective(before)["addons"] if entry["key"] not in keys]
    return current


def _addon(entry: Mapping[str, Any], mark: Mark | None) -> Addon:
    key, facts = entry["key"], find_addon(ADDON_NAMES.get(entry["key"], entry["key"]))
    namespace = facts.namespace if facts else load("kueue")["namespace"] if key == "kueue" else ""
    name, in_config = ADDON_NAMES.get(key, key), entry["in_config"]
    return Addon(key, name, entry["version"], entry["version_from"], namespace, not in_config, mark)


def _mark(subject: Subject, key: str) -> Mark | None:
    before = subject.before
    if before is None:
        return None
    if before.platform is not None:
        if key not in before.platform.addons.effective():
            return NEW
        return worst(before.edits, f"addons.{key}")
    name = ADDON_NAMES.get(key)
    deployed, current = (_deployed(stacks or {}) for stacks in (before.stacks, subject.stacks))
    if name is None or name not in current:
        return None
    return (
        NEW if name not in deployed else None if deployed[name] == current[name] else Mark("version changed", "changed")
    )


def _deployed(stacks: Stacks) -> dict[str, str]:
    """Returns the versions of the add-ons in templates, by name."""
    found = [resource for template in stacks.values() for resource in resources(template).values()]
    properties = [resource.get("Properties", {}) for resource in found if resource.get("Type") == "AWS::EKS::Addon"]
    return {str(addon.get("AddonName")): str(addon.get("AddonVersion", "chosen by EKS")) for addon in properties}


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
        (
            code(claim.instance_type),
            f"{claim.capacity:g} {claim.unit}",
            f"{claim.allocated:g} {claim.unit}",
            _remaining(claim),
        )
        for claim in claims_of(platform)
    ]
    yield from table("Quotas and capacity", ("Instance type", "Capacity", "Quotas of teams", "Remaining"), claims)


def _remaining(claim: Claim) -> Content:
    remaining = claim.capacity - claim.allocated
    return Cell(f"exceeded by {-remaining:g} {claim.unit}", "bad") if remaining < 0 else f"{remaining:g} {claim.unit}"


def quota_text(quota: QuotaResource) -> str:
    """Returns a quota as text.

    >>> quota_text(QuotaResource(instance_type="ml.p5.48xlarge", count=2))
    '2 x ml.p5.48xlarge'
    """
    if quota.count is not None:
        return f"{quota.count} x {quota.instance_type}"
    amounts = (
        ("accelerators", quota.accelerators),
        ("vCPU", quota.vcpu),
        ("GiB", quota.memory_gib),
        (quota.mig_profile or "", quota.mig_count),
    )
    return f"{', '.join(f'{value:g} {name}' for name, value in amounts if value is not None)} of {quota.instance_type}"


def claims_of(platform: Platform) -> list[Claim]:
    """Returns the quotas of teams by instance type, in instances, or in accelerators if a quota uses accelerators."""
    teams = platform.governance.teams if platform.governance else ()
    nodes: dict[str, int] = {}
    for group in platform.cluster.groups:
        for name in group.types[:1]:
            nodes[name] = nodes.get(name, 0) + group.count
    found = []
    for name in dict.fromkeys(quota.instance_type for team in teams for quota in team.quota):
        instance_type = find_instance_type(name)
        devices = instance_type.accelerator.count if instance_type and instance_type.accelerator else 0
        quotas = [(team.name, quota) for team in teams for quota in team.quota if quota.instance_type == name]
        in_accelerators = bool(devices) and any(quota.accelerators is not None for _, quota in quotas)
        units_per_node = devices if in_accelerators else 1
        shares: dict[str, float] = {}
        for team, quota in quotas:
            amount = quota.count * units_per_node if quota.count is not None else (quota.accelerators or 0)
            shares[team] = shares.get(team, 0) + amount
        capacity = nodes.get(name, 0) * units_per_node
        unit = "accelerators" if in_accelerators else "instances"
        found.append(Claim(name, capacity, unit, tuple(shares.items())))
    return found


# ---- the drawing ----


def drawing(subject: Subject, shown: Mapping[str, Any], found: list[Addon]) -> Drawing:
    """Draws add-ons, components of the dependency chart, quotas of teams as shares of the capacity, and jobs."""
    platform, canvas = subject.platform, Canvas()
    version = shown["eks"]["kubernetes_version"]
    name = platform.completed_eks.cluster_name or shown["eks"]["cluster"]
    eks = f"EKS cluster {name}, Kubernetes {version or '(existing version)'}"
    canvas.text(4, 16, eks, "strong", width=_WIDTH - 8)
    canvas.describe(0, eks)
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
    canvas.describe(0, "EKS add-ons")
    for number, addon in enumerate(found):
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 30 + (number // _ACROSS) * 74
        state = f" {addon.mark.kind}" if addon.mark else ""
        text = f"{addon.name} {addon.version}{f' in {addon.namespace}' if addon.namespace else ''}"
        canvas.box(x, row, _CARD, 64, f"card{state}", text)
        available = _CARD - 20
        if addon.mark:
            available -= canvas.badge(x + _CARD - 5, row + 5, addon.mark.word, addon.mark.kind) + 4
        canvas.text(x + 10, row + 19, addon.key.replace("_", " "), "strong", width=available)
        canvas.text(x + 10, row + 37, addon.version, "small", width=_CARD - 20)
        canvas.text(x + 10, row + 54, f"in {addon.namespace}" if addon.namespace else "", "small", width=_CARD - 20)
        canvas.describe(1, f"{text}{f' ({addon.mark.word})' if addon.mark else ''}")
    return y + 38 + rows * 74


def _chart(canvas: Canvas, components: list[str], y: float) -> float:
    if not components:
        return y
    rows = -(-len(components) // _ACROSS)
    canvas.box(0, y, _WIDTH, 32 + rows * 26, "zone", "HyperPod dependency chart")
    canvas.text(10, y + 20, "HyperPod dependency chart (Helm)", "zone")
    canvas.describe(0, f"HyperPod dependency chart: {', '.join(components)}")
    for number, name in enumerate(components):
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 30 + (number // _ACROSS) * 26
        canvas.box(x, row, _CARD, 20, "endpoint", name)
        canvas.text(x + 8, row + 14, name.replace("_", " "), "small", width=_CARD - 16)
    return y + 40 + rows * 26


def _shares(canvas: Canvas, claims: list[Claim], y: float, mark: Mark | None) -> float:
    canvas.text(4, y + 14, "Quotas of teams and capacity", "zone")
    canvas.describe(0, f"quotas of teams and capacity{f' ({mark.word})' if mark else ''}")
    if mark:
        canvas.badge(_WIDTH - 4, y, mark.word, mark.kind)
    y += 24
    for claim in claims:
        scale = (_WIDTH - 4) / max(claim.capacity, claim.allocated, 1)
        excess = f", exceeded by {claim.allocated - claim.capacity:g}" if claim.allocated > claim.capacity else ""
        label = f"{claim.instance_type}: {claim.allocated:g} of {claim.capacity:g} {claim.unit} allocated{excess}"
        canvas.text(4, y + 14, label, "small", width=_WIDTH - 8)
        canvas.describe(1, label)
        canvas.box(
            2, y + 20, max(2.0, claim.capacity * scale), 26, "bar-room", f"{claim.capacity:g} {claim.unit} in total"
        )
        x = 2.0
        for number, (team, amount) in enumerate(claim.shares):
            width = amount * scale
            if width:
                canvas.box(x, y + 20, width, 26, f"share s{number % 2}", f"team {team}: {amount:g} {claim.unit}")
                canvas.text(x + 6, y + 37, f"{team} {amount:g}", "on", width=max(14.0, width - 10))
            canvas.describe(2, f"team {team}: {amount:g} {claim.unit}")
            x += width
        if excess:
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
    canvas.describe(0, "jobs")
    for number, job in enumerate(jobs):
        mark = worst(subject.before.edits, f"jobs[{number}]") if subject.before else None
        x, row = _GAP + (number % _ACROSS) * (_CARD + _GAP), y + 26 + (number // _ACROSS) * 74
        text = f"{job.kind} {job.name} in namespace {job.effective_namespace}"
        canvas.box(x, row, _CARD, 64, f"card accelerated{f' {mark.kind}' if mark else ''}", text)
        available = _CARD - 20 - (canvas.badge(x + _CARD - 5, row + 5, mark.word, mark.kind) + 4 if mark else 0)
        canvas.text(x + 10, row + 19, job.name, "strong", width=available)
        canvas.text(x + 10, row + 37, job.kind, "small", width=_CARD - 20)
        canvas.text(x + 10, row + 54, f"in {job.effective_namespace}", "small", width=_CARD - 20)
        canvas.describe(1, f"{text}{f' ({mark.word})' if mark else ''}")
    return y + 34 + rows * 74
