"""Overview: key figures, and the findings with their fixes."""

from __future__ import annotations

from collections.abc import Sequence

from ..catalog import find_instance_type, find_kubernetes_version, today
from ..cost import estimate
from ..findings import Finding, errors, ordered, summary
from ..plural import count
from .cost import usd
from .model import Block, Cell, Content, Figures, Notice, Section, Tone, code, table
from .subject import Subject

_TONES: dict[str, Tone] = {"error": "bad", "warning": "warn", "note": "note"}


def section(subject: Subject) -> Section:
    """Returns the key figures."""
    platform = subject.platform
    nodes = sum(group.count for group in platform.cluster.groups)
    max_nodes = sum(group.max_instances for group in platform.cluster.groups)
    devices: dict[str, int] = {}
    for group in platform.cluster.groups:
        instance_type = find_instance_type(group.types[0]) if group.types else None
        if instance_type and instance_type.accelerator:
            devices[instance_type.accelerator.model] = (
                devices.get(instance_type.accelerator.model, 0) + instance_type.accelerator.count * group.count
            )
    cost = estimate(platform, own_prices=subject.own_prices)
    missing = f"{count(len(cost.unknown), 'price')} unknown" if cost.unknown else "list prices, complete"
    items = [
        ("Region", platform.region, f"account {platform.account or 'of the credentials'}"),
        (
            "Nodes",
            f"{nodes:,}",
            f"in {count(len(platform.cluster.groups), 'group')}"
            + (f", up to {max_nodes:,}" if max_nodes > nodes else ""),
        ),
        ("Accelerators", f"{sum(devices.values()):,}", ", ".join(f"{n:,} {model}" for model, n in devices.items())),
        ("Known cost", f"{usd(cost.usd_per_hour)} USD/hour", f"{usd(cost.usd_per_month)} USD per month; {missing}"),
        ("Kubernetes", _version(subject), _support(_version(subject))),
        ("Findings", summary(subject.findings), ""),
    ]
    blocks: list[Block] = [Figures(tuple(items))]
    if subject.left_out:
        blocks.append(Notice(subject.left_out, "warn"))
    return Section("overview", "Overview", tuple(blocks))


def _version(subject: Subject) -> str:
    version = subject.platform.eks.version
    return version or "of the existing cluster"


def _support(version: str) -> str:
    found = find_kubernetes_version(version)
    if found is None:
        return ""
    days = found.days_left()
    return f"{found.status()} support on {today()}" + (f", {count(days, 'day')} left" if days is not None else "")


def findings(found: Sequence[Finding]) -> Section:
    """Returns the findings, errors first."""
    head = ("Severity", "Rule", "Path", "Problem", "Impact", "Fix")
    rows: list[tuple[Content, ...]] = [
        (
            _severity(finding),
            code(finding.rule),
            code((finding.place and f"{finding.path} ({finding.place})") or finding.path),
            finding.message,
            finding.consequence,
            finding.cure if not finding.acknowledged else f"{finding.cure} (acknowledged: {finding.acknowledged})",
        )
        for finding in ordered(found)
    ]
    first: list[Block] = [Notice(f"This config cannot be deployed: {summary(found)}.", "bad")] if errors(found) else []
    shown = table(f"Findings: {summary(found)}", head, rows, empty="No findings.")
    return Section("findings", "Findings", (*first, *shown))


def _severity(finding: Finding) -> Cell:
    if finding.acknowledged is not None:
        return Cell("acknowledged", "note")
    return Cell(str(finding.severity), _TONES[str(finding.severity)])
