"""Service Quotas that a config needs, by the names that AWS has for them."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import Quota, instance_quota, quota
from ..network_plan import nat_gateways
from ..spec.groups import InstanceGroup
from ..spec.platform import Platform
from .model import Block, Content, Prose, Section, code, table
from .subject import Subject


def section(subject: Subject) -> Section:
    """Quotas with what is needed of each."""
    rows: list[tuple[Content, ...]] = [
        (
            quota.name,
            code(quota.service),
            code(quota.code or "look it up by its name"),
            f"{need:,g}",
            f"{max_need:,g}",
            quota.seen or "",
            "; ".join(quota.uncertain.values()),
        )
        for quota, need, max_need in needs(subject.platform)
    ]
    head = ("Quota", "Service", "Code", "Needed", "At most", "Seen in one account", "Not sure")
    note = (
        "What others in the account use is not known here: `hyperpod preflight` compares with the account's own values."
    )
    blocks: list[Block] = [*table("Quotas needed", head, rows, numbers=[3, 4, 5]), Prose(note.replace("`", ""))]
    return Section("quotas", "Quotas needed", tuple(blocks))


def needs(platform: Platform) -> Iterator[tuple[Quota, float, float]]:
    """Each quota with what the config needs now, and at most when groups grow."""
    groups = platform.cluster.groups
    by_type: dict[tuple[str, bool], list[int]] = {}
    for group in groups:
        spot = isinstance(group, InstanceGroup) and group.capacity == "spot"
        for name in group.types:  # a flexible group may take all of its instances from one type
            sums = by_type.setdefault((name, spot), [0, 0])
            sums[0] += group.count
            sums[1] += group.max_instances
    for (name, spot), (need, max_need) in by_type.items():
        yield instance_quota("spot" if spot else "cluster", name), need, max_need
    need, max_need = sum(group.count for group in groups), sum(group.max_instances for group in groups)
    yield quota("instances_per_cluster"), need, max_need
    yield quota("instances_total"), need, max_need
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
