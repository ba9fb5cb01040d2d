"""Service Quotas that a config requires, by their AWS names."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import Quota, instance_quota, quota
from ..network_plan import nat_gateways
from ..spec.groups import InstanceGroup
from ..spec.platform import Platform
from .model import Block, Content, Paragraph, Section, code, table
from .subject import Subject


def section(subject: Subject) -> Section:
    """Returns the quotas with the required values."""
    rows: list[tuple[Content, ...]] = [
        (
            quota.name,
            code(quota.service),
            code(quota.code or "look up by name"),
            f"{required:,g}",
            f"{maximum:,g}",
            quota.seen or "",
            "; ".join(quota.uncertain.values()),
        )
        for quota, required, maximum in needs(subject.platform)
    ]
    head = ("Quota", "Service", "Code", "Required", "Maximum", "Value in one account", "Uncertainty")
    note = "Usage by other resources in the account is unknown; hyperpod preflight compares with the account's quotas."
    blocks: list[Block] = [*table("Required quotas", head, rows, numbers=[3, 4, 5]), Paragraph(note)]
    return Section("quotas", "Required quotas", tuple(blocks))


def needs(platform: Platform) -> Iterator[tuple[Quota, float, float]]:
    """Yields each quota with the value that the config requires, and the value if all groups grow to their maximum."""
    groups = platform.cluster.groups
    by_type: dict[tuple[str, bool], list[int]] = {}
    for group in groups:
        spot = isinstance(group, InstanceGroup) and group.capacity == "spot"
        for name in group.types:  # a flexible group can use one type for all of its instances
            sums = by_type.setdefault((name, spot), [0, 0])
            sums[0] += group.count
            sums[1] += group.max_instances
    for (name, spot), (required, maximum) in by_type.items():
        yield instance_quota("spot" if spot else "cluster", name), required, maximum
    required, maximum = sum(group.count for group in groups), sum(group.max_instances for group in groups)
    yield quota("instances_per_cluster"), required, maximum
    yield quota("instances_total"), required, maximum
    sizes = [g.volume.size_gib for g in platform.cluster.instance_groups if g.volume and g.volume.size_gib]
    if sizes:
        yield quota("ebs_volume_size_gb"), max(sizes), max(sizes)
    network = platform.network
    if network.existing is None:
        yield quota("vpcs"), 1, 1
        if network.mode == "open":
            yield quota("internet_gateways"), 1, 1
        if gateways := nat_gateways(network):
            yield quota("elastic_ips"), gateways, gateways
