"""Support dates, assumptions, and unverified facts."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import (
    find_addon,
    find_instance_type,
    find_kubernetes_version,
    find_price,
    kubernetes_versions,
    load,
    region,
    today,
)
from ..spec.addons import ADDON_NAMES
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .quotas import needs
from .subject import Subject


def section(subject: Subject) -> Section:
    """Returns the dates on which support ends."""
    version = subject.platform.eks.version
    rows: list[tuple[Content, ...]] = []
    for known in kubernetes_versions().values():
        newer = version is not None and known.version >= version and known.hyperpod_documented
        if known.version == version or newer:
            rows.append(
                (
                    known.version,
                    _used(known.version == version),
                    known.status(),
                    str(known.end_of_standard_support or "unknown"),
                    str(known.end_of_extended_support or "unknown"),
                    f"{known.days_left()}" if known.days_left() is not None else "",
                )
            )
    head = ("Kubernetes", "Use", "Support", "Standard support ends", "Extended support ends", "Days left")
    note = f"Dates from the catalog, counted from {today()}."
    if version is None:
        note = "The config does not set the Kubernetes version of the existing EKS cluster."
    blocks: list[Block] = [
        *table("Kubernetes versions that HyperPod documents", head, rows, numbers=[5]),
        Paragraph(note),
    ]
    return Section("support", "Support dates", tuple(blocks))


def _used(in_config: bool) -> Content:
    return Cell("in this config", "note") if in_config else "a later version"


def assumptions(subject: Subject) -> Section:
    """Returns the assumptions, and the facts that the catalog marks as uncertain."""
    platform = subject.platform
    assumed = [
        ("prices", "list prices before tax and discounts; 730 hours per month; all groups at their full count"),
        (
            "account",
            "the account's quotas, capacity and existing resources are not checked: use hyperpod preflight",
        ),
        ("zones", "each zone has the capacity that its groups require"),
    ]
    if platform.network.existing or platform.eks.existing:
        assumed.append(("existing resources", "match the config; hyperpod preflight verifies them"))
    if subject.bars:
        assumed.append(("durations", "typical durations, simulated with a model of AWS; AWS does not guarantee them"))
    rows = [(code(name), fact, reason) for name, fact, reason in dict.fromkeys(_uncertain(subject))]
    blocks: list[Block] = [
        *table("Assumptions", ("Subject", "Assumption"), assumed),
        *table(
            "Facts that no source confirms, or on which sources differ",
            ("Subject", "Fact", "Uncertainty"),
            rows,
            folded=len(rows) > 8,
            empty="No fact that this config uses is marked as uncertain.",
        ),
        Paragraph(
            f"Facts are from the catalog of {load('limits')['date']}; hyperpod catalog show prints their sources."
        ),
    ]
    return Section("assumptions", "Assumptions and unverified facts", tuple(blocks))


def _uncertain(subject: Subject) -> Iterator[tuple[str, str, str]]:
    platform = subject.platform
    for name in dict.fromkeys(name for group in platform.cluster.groups for name in group.types):
        instance_type = find_instance_type(name)
        if instance_type is None:
            yield name, "instance type", "not in the catalog"
            continue
        for fact, why in instance_type.uncertain.items():
            yield name, fact, why
        price = find_price(f"instance:{name}", platform.region)
        for fact, why in price.uncertain.items() if price else ():
            yield name, f"price: {fact}", why
    version = find_kubernetes_version(platform.eks.version or "")
    for fact, why in version.uncertain.items() if version else ():
        yield f"Kubernetes {version}", fact, why
    for key in platform.addons.effective():
        addon = find_addon(ADDON_NAMES.get(key, ""))
        for fact, why in addon.uncertain.items() if addon else ():
            yield key, fact, why
    for fact, why in region(platform.region).uncertain.items():
        yield platform.region, fact, why
    for quota, _, _ in needs(platform):
        for fact, why in quota.uncertain.items():
            yield quota.name, fact, why
