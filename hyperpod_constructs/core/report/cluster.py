"""The HyperPod cluster: instance groups with type, count, accelerators, EFA, health checks and location."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..catalog import InstanceType, find_instance_type
from ..network_plan import default_zone, plan, zones_of
from ..placement import system_group
from ..plural import count
from ..spec.groups import InstanceGroup, RestrictedInstanceGroup
from ..spec.platform import Platform
from ..stack_templates import Stacks, resources
from .canvas import Canvas, halves, text_width, wrapped
from .model import Block, Content, Drawing, Notice, Section, code, table
from .subject import GONE, NEW, Mark, Subject, worst, worst_of

_ACROSS, _CARD, _GAP, _STEP = 4, 232.0, 12.0, 17.0
_CHECKS = {
    "InstanceStress": "stress",
    "InstanceConnectivity": "connectivity",
    "MultiNodeTrainingValidation": "training",
}


@dataclass(frozen=True, slots=True)
class Card:
    """The values of an instance group for reviewers."""

    name: str
    types: str
    count: int
    max_instances: int
    zone: str
    accelerators: str
    efa: str
    checks: str
    notes: tuple[str, ...]
    mark: Mark | None = None

    @property
    def nodes(self) -> str:
        """Count and instance type."""
        grown = f" (up to {self.max_instances})" if self.max_instances > self.count else ""
        return f"{self.count}{grown} x {self.types}"

    @property
    def title(self) -> str:
        """All values as one text."""
        parts = (self.nodes, self.accelerators, self.efa, self.checks, *self.notes)
        return f"group {self.name}: {'; '.join(filter(None, parts))}"


def section(subject: Subject) -> Section:
    """Returns the section."""
    found = cards(subject)
    current = [card for card in found if card.mark is not GONE]
    head = ("Group", "Nodes", "Zone", "Accelerators", "EFA", "Deep health checks", "Notes")
    rows: list[tuple[Content, ...]] = [
        (
            card.name,
            card.nodes,
            code(card.zone),
            card.accelerators or "none",
            card.efa or "none",
            card.checks or "none",
            "; ".join(card.notes),
        )
        for card in current
    ]
    blocks: list[Block] = [
        drawing(subject.platform, found),
        *table("Instance groups", head, rows, folded=len(rows) > 12),
    ]
    if not current:
        blocks.append(Notice("The config has no instance groups."))
    return Section("cluster", "Cluster", tuple(blocks))


def cards(subject: Subject) -> list[Card]:
    """Returns the groups of a platform, followed by removed groups."""
    platform, before = subject.platform, subject.before
    current = [_card(platform, group, _mark(subject, index)) for index, group in enumerate(platform.cluster.groups)]
    if before is None:
        return current
    names = {card.name for card in current}
    if before.platform is not None:
        previous = [_card(before.platform, group, GONE) for group in before.platform.cluster.groups]
    else:
        previous = deployed_groups(before.stacks or {})
    return [*current, *(card for card in previous if card.name not in names)]


def _mark(subject: Subject, index: int) -> Mark | None:
    before, cluster = subject.before, subject.platform.cluster
    if before is None:
        return None
    group = cluster.groups[index]
    if before.platform is not None:
        if group.name not in {group.name for group in before.platform.cluster.groups}:
            return NEW
    else:
        if group.name not in {card.name for card in deployed_groups(before.stacks or {})}:
            return NEW
        found = before.deployment.edits if before.deployment else ()
        return worst_of([edit for edit in found if f"InstanceGroups[{group.name}]" in edit.path])
    size = len(cluster.instance_groups)
    key, position = ("instance_groups", index) if index < size else ("restricted_instance_groups", index - size)
    edits = [edit for edit in before.edits if edit.after is not None or "." in edit.path.partition("]")[2]]
    return worst(edits, f"cluster.{key}[{position}]")


def deployed_groups(stacks: Stacks) -> list[Card]:
    """Returns the groups in deployed templates, marked as removed."""
    found = []
    for template in stacks.values():
        for resource in resources(template).values():
            if resource.get("Type") == "AWS::SageMaker::Cluster":
                for group in resource.get("Properties", {}).get("InstanceGroups", ()):
                    nodes = group.get("InstanceCount", 0)
                    found.append(
                        Card(
                            str(group.get("InstanceGroupName")),
                            str(group.get("InstanceType", "several types")),
                            nodes if isinstance(nodes, int) else 0,
                            0,
                            "",
                            "",
                            "",
                            "",
                            (),
                            GONE,
                        )
                    )
    return found


def _card(platform: Platform, group: InstanceGroup | RestrictedInstanceGroup, mark: Mark | None) -> Card:
    types = [instance_type for instance_type in map(find_instance_type, group.types) if instance_type is not None]
    checks = ", ".join(_CHECKS.get(check, check) for check in group.deep_health_checks)
    return Card(
        name=group.name,
        types=" or ".join(group.types) or "no type",
        count=group.count,
        max_instances=group.max_instances,
        zone=group.availability_zone_id or ", ".join(group.subnet_ids) or default_zone(platform.network) or "no zone",
        accelerators=_accelerators(types, group.count),
        efa=_efa(types, group),
        checks=checks,
        notes=tuple(_notes(platform, group)),
        mark=mark,
    )


def _accelerators(types: Sequence[InstanceType], nodes: int) -> str:
    found = {
        f"{instance_type.accelerator.count} x {instance_type.accelerator.model}": instance_type.accelerator.count
        for instance_type in types
        if instance_type.accelerator
    }
    if not found:
        return ""
    per_node = " or ".join(found)
    total = {nodes * number for number in found.values()}
    return f"{per_node} each" + (f", {total.pop():,} in total" if len(total) == 1 else "")


def _efa(types: Sequence[InstanceType], group: InstanceGroup | RestrictedInstanceGroup) -> str:
    numbers = {instance_type.efa_interfaces for instance_type in types}
    if not numbers or numbers == {0}:
        return ""
    shown = "/".join(
        "?" if number is None else str(number) for number in sorted(numbers, key=lambda number: number or 0)
    )
    only = ", EFA-only" if isinstance(group, InstanceGroup) and group.network_interface == "efa-only" else ""
    return f"{shown} EFA each{only}"


def _notes(platform: Platform, group: InstanceGroup | RestrictedInstanceGroup) -> list[str]:
    notes = []
    if not isinstance(group, InstanceGroup):
        notes.append("restricted")
    else:
        system = system_group(platform.cluster)
        notes += ["runs operators and add-ons"] if system is not None and system.name == group.name else []
        notes += [group.capacity] if group.capacity else []
        notes += [f"volume {group.volume.size_gib:,} GiB"] if group.volume and group.volume.size_gib else []
        notes += [f"taint {taint.key}:{taint.effect}" for taint in group.taints]
        notes += [f"updates: {group.scheduled_update.schedule}"] if group.scheduled_update else []
        notes += ["patched by the service"] if group.auto_patch else []
        notes += [f"image {group.image_id}"] if group.image_id else []
        notes += ["scaled by Karpenter"] if group.name in platform.cluster.karpenter_groups else []
    return [*notes, *(["training plan"] if group.training_plan_arn else [])]


# ---- the drawing ----


def drawing(platform: Platform, found: Sequence[Card]) -> Drawing:
    """Draws a band for each location, with a card for each group."""
    canvas, places = Canvas(), _by_location(platform, found)
    width = _ACROSS * (_CARD + _GAP) + _GAP
    name = platform.completed_cluster.cluster_name or "generated by CloudFormation"
    canvas.text(4, 16, f"HyperPod cluster {name}", "strong", width=width - 8)
    settings = [f"provisioning {platform.cluster.provisioning}", f"node recovery {platform.cluster.node_recovery}"]
    settings += ["Karpenter"] if platform.cluster.scaling else []
    tiered = platform.cluster.tiered_storage
    settings += [f"{tiered.memory_percent}% of memory for checkpoints"] if tiered and tiered.enabled else []
    canvas.text(4, 34, "; ".join(settings), "small", width=width - 8)
    canvas.describe(0, f"HyperPod cluster {name}: {'; '.join(settings)}")
    y = 46.0
    for place, members in places.items():
        rows = [members[start : start + _ACROSS] for start in range(0, len(members), _ACROSS)]
        heights = [max(len(_lines(card)) for card in row) * _STEP + 20 for row in rows]
        height = 30 + sum(heights) + len(rows) * _GAP
        subnet = _subnet_cidr(platform, place)
        label = f"{place}{f', node subnet {subnet}' if subnet else ''}, {count(len(members), 'group')}"
        canvas.box(0, y, width, height, "zone", label)
        canvas.text(10, y + 20, label, "zone", width=width - 20)
        canvas.describe(1, label)
        top = y + 30
        for row, row_height in zip(rows, heights, strict=True):
            for number, card in enumerate(row):
                _group(canvas, card, _GAP + number * (_CARD + _GAP), top, row_height)
            top += row_height + _GAP
        y += height + 8
    nodes = sum(card.count for card in found if card.mark is not GONE)
    desc = (
        f"{count(len(found), 'instance group')} with {count(nodes, 'node')} in {count(len(places), 'location')}: "
        + "; ".join(f"{len(members)} in {place}" for place, members in places.items())
        + "."
    )
    legend = [("card accelerated", "accelerated group"), ("card", "CPU group"), ("card restricted", "restricted group")]
    used = {_kind(card) for card in found}
    return canvas.drawing(
        "drawing", "Diagram of the cluster", desc, width, y, [entry for entry in legend if entry[0] in used]
    )


def _by_location(platform: Platform, found: Sequence[Card]) -> dict[str, list[Card]]:
    """Returns cards by location: zones in the order of the network, then other locations."""
    places: dict[str, list[Card]] = {zone: [] for zone in zones_of(platform.network)}
    for card in found:
        places.setdefault(card.zone or "deployed", []).append(card)
    return {place: members for place, members in places.items() if members}


def _subnet_cidr(platform: Platform, zone: str) -> str:
    subnet = plan(platform.network).node_subnet(zone)
    return subnet.cidr if subnet else ""


def _kind(card: Card) -> str:
    return "card restricted" if "restricted" in card.notes else "card accelerated" if card.accelerators else "card"


def _lines(card: Card) -> list[tuple[str, str]]:
    """Returns the lines of a card: kind of the text, and the text."""
    available = _CARD - 20 - (text_width(card.mark.word, "badge") + 16 if card.mark else 0)
    checks = f"deep health checks: {card.checks}" if card.checks else ""
    facts = [line for line in (card.accelerators, card.efa, checks) if line]
    notes = wrapped("; ".join(card.notes), _CARD - 20, 3, "small") if card.notes else []
    names = [("strong", part) for part in halves(card.name, available, "strong")]
    return [*names, ("", card.nodes), *(("small", line) for line in (*facts, *notes))]


def _group(canvas: Canvas, card: Card, x: float, y: float, height: float) -> None:
    state = f" {card.mark.kind}" if card.mark else ""
    canvas.box(x, y, _CARD, height, f"{_kind(card)}{state}", card.title)
    if card.mark:
        canvas.badge(x + _CARD - 6, y + 6, card.mark.word, card.mark.kind)
    for number, (kind, line) in enumerate(_lines(card)):
        canvas.text(x + 10, y + 20 + number * _STEP, line, kind, width=_CARD - 20)
    canvas.describe(2, f"{card.title}{f' ({card.mark.word})' if card.mark else ''}")
