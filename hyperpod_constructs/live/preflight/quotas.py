"""Probes of service quotas: required values and current usage compared with the quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...core import catalog
from ...core.catalog import Quota
from ...core.checks import Problem
from ...core.findings import Severity
from ...core.network_plan import nat_gateways
from ...core.spec.groups import InstanceGroup
from ...core.spec.platform import Platform
from .asking import Asking
from .own import clusters_and_own, counts, own_resources
from .probes import Found, probe

_GIB_PER_TIB = 1024
_EKS_INTERFACES = 4
"""Maximum network interfaces of a new EKS control plane."""


@dataclass(frozen=True, slots=True)
class Want:
    """A required value of one quota.

    Attributes:
        rule: rule that reports the shortfall.
        path: path in the config.
        quota: the quota.
        need: value that the config requires now.
        used: usage by other resources in the account.
        most: value that the config can grow to.
        unit: unit of the numbers.
    """

    rule: str
    path: str
    quota: Quota
    need: float
    used: float
    most: float
    unit: str


@probe(
    "quotas of HyperPod",
    services=("service-quotas", "cloudformation", "sagemaker"),
    wanted=lambda platform: platform.cluster.groups,
)
def hyperpod_quotas(platform: Platform, ask: Asking) -> Iterator[Found]:
    """Instances by type, spot instances, instances per cluster and in total, volume size, file systems of RIGs."""
    limits, used = ask.together(
        lambda: _limits("sagemaker", ask), lambda: clusters_and_own(platform, ask) if _countable(platform) else ([], [])
    )
    if limits is None or used is None:
        return
    wants = [*_wants(platform, used[0])]
    limits = _with_defaults("sagemaker", limits, wants, ask)
    flexible = [(path, group) for path, group in _groups(platform) if len(group.types) > 1]
    for want in wants:
        yield from _short(want, limits, ask.region)
    for path, group in flexible:
        yield from _flexible(path, group, limits, _used_by_type(used[0]), ask.region)


@probe(
    "quotas of the network",
    services=("service-quotas", "cloudformation", "ec2", "sagemaker"),
)
def network_quotas(platform: Platform, ask: Asking) -> Iterator[Found]:
    """VPCs, internet gateways and Elastic IPs of a new network; network interfaces of the nodes."""
    own = own_resources(platform, ask)
    new_network = platform.network.existing is None and "AWS::EC2::VPC" not in own
    vpc, ec2, interfaces, vpcs, gateways, addresses, clusters = ask.together(
        lambda: _limits("vpc", ask),
        lambda: _limits("ec2", ask) if new_network and nat_gateways(platform.network) else {},
        lambda: ask.all("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces"),
        lambda: ask.all("ec2", "DescribeVpcs", "Vpcs") if new_network else [],
        lambda: ask.all("ec2", "DescribeInternetGateways", "InternetGateways") if new_network else [],
        lambda: ask.all("ec2", "DescribeAddresses", "Addresses") if new_network else [],
        lambda: clusters_and_own(platform, ask),
    )
    if vpc is not None and interfaces is not None and clusters is not None:
        there = sum(count * _cards(kind) for cluster in clusters[1] for kind, count, _ in counts(cluster))
        need, most = (max(0, n - there) for n in _interfaces(platform, new=new_network))
        want = Want("HP917", "cluster", catalog.quota("network_interfaces"), need, len(interfaces), most, "interfaces")
        yield from _short(want, vpc, ask.region)
    if not new_network:
        return
    nat = nat_gateways(platform.network)
    open_network = 1 if platform.network.mode == "open" else 0
    for key, need, there_now, limits in (
        ("vpcs", 1, vpcs, vpc),
        ("internet_gateways", open_network, gateways, vpc),
        ("elastic_ips", nat, addresses, ec2),
    ):
        if limits is not None and there_now is not None and need:
            want = Want("HP918", "network", catalog.quota(key), need, len(there_now), need, "")
            yield from _short(want, limits, ask.region)


def _limits(service: str, ask: Asking) -> dict[str, Mapping[str, Any]]:
    """The account's quotas of a service by name."""
    listed = ask.all("service-quotas", "ListServiceQuotas", "Quotas", ServiceCode=service)
    return {quota["QuotaName"]: quota for quota in listed}


def _with_defaults(
    service: str, limits: dict[str, Mapping[str, Any]], wants: list[Want], ask: Asking
) -> dict[str, Mapping[str, Any]]:
    """Includes AWS's defaults for quotas without an applied value in the account."""
    if all(want.quota.name in limits for want in wants):
        return limits
    listed = ask.all("service-quotas", "ListAWSDefaultServiceQuotas", "Quotas", ServiceCode=service)
    return {quota["QuotaName"]: quota for quota in listed} | limits


def _groups(platform: Platform) -> Iterator[tuple[str, Any]]:
    for index, group in enumerate(platform.cluster.instance_groups):
        yield f"cluster.instance_groups[{index}]", group
    for index, restricted in enumerate(platform.cluster.restricted_instance_groups):
        yield f"cluster.restricted_instance_groups[{index}]", restricted


def _countable(platform: Platform) -> bool:
    return any(group.most for _, group in _groups(platform))


def _is_spot(group: Any) -> bool:
    return isinstance(group, InstanceGroup) and group.capacity == "spot"


def _wants(platform: Platform, others: list[Mapping[str, Any]]) -> Iterator[Want]:
    used = _used_by_type(others)
    by_type: dict[tuple[str, bool], list[tuple[str, Any]]] = {}
    for path, group in _groups(platform):
        if len(group.types) == 1:
            by_type.setdefault((group.types[0], _is_spot(group)), []).append((path, group))
    for (kind, spot), groups in by_type.items():
        quota = catalog.instance_quota("spot" if spot else "cluster", kind)
        need, most = sum(g.count for _, g in groups), sum(g.most for _, g in groups)
        rule = "HP911" if spot else "HP910"
        yield Want(rule, groups[0][0], quota, need, used.get((kind, spot), 0), most, "instances")
    everyone = [group for _, group in _groups(platform)]
    need, most = sum(g.count for g in everyone), sum(g.most for g in everyone)
    yield Want("HP912", "cluster", catalog.quota("instances_per_cluster"), need, 0, most, "instances")
    yield Want("HP913", "cluster", catalog.quota("instances_total"), need, sum(used.values()), most, "instances")
    spots = [group for group in everyone if _is_spot(group)]
    if spots:
        taken = sum(count for (_, spot), count in used.items() if spot)
        need, most = sum(g.count for g in spots), sum(g.most for g in spots)
        yield Want("HP914", "cluster", catalog.quota("spot_instances_total"), need, taken, most, "instances")
    sizes = {
        path: group.volume.size_gib
        for path, group in _groups(platform)
        if isinstance(group, InstanceGroup) and group.volume and group.volume.size_gib
    }
    if sizes:
        path = max(sizes, key=lambda it: sizes[it])
        size = sizes[path]
        yield Want("HP915", f"{path}.volume.size_gib", catalog.quota("ebs_volume_size_gb"), size, 0, size, "GB")
    lustre = sum(g.lustre_size_gib or 0 for g in platform.cluster.restricted_instance_groups)
    lustre += platform.cluster.shared_environment.lustre_size_gib if platform.cluster.shared_environment else 0
    if lustre:
        quota, there = catalog.quota("rig_fsx_capacity_tib"), _lustre_of(others)
        need = lustre / _GIB_PER_TIB
        yield Want("HP916", "cluster.restricted_instance_groups", quota, need, there / _GIB_PER_TIB, need, "TiB")


def _used_by_type(clusters: list[Mapping[str, Any]]) -> dict[tuple[str, bool], int]:
    used: dict[tuple[str, bool], int] = {}
    for cluster in clusters:
        for kind, count, spot in counts(cluster):
            used[kind, spot] = used.get((kind, spot), 0) + count
    return used


def _lustre_of(clusters: list[Mapping[str, Any]]) -> int:
    total = 0
    for cluster in clusters:
        for group in cluster.get("RestrictedInstanceGroups", ()):
            total += (group.get("EnvironmentConfig") or {}).get("FSxLustreConfig", {}).get("SizeInGiB", 0)
    return total


def _short(want: Want, limits: Mapping[str, Mapping[str, Any]], region: str) -> Iterator[Found]:
    if not want.most:
        return
    listed = limits.get(want.quota.name)
    if listed is None or "Value" not in listed:
        message = f"Service Quotas lists no quota {want.quota.name!r} in {region}"
        yield "HP919", Problem(want.path, message)
        return
    value = listed["Value"]
    for amount, rule_severity in ((want.need, None), (want.most, Severity.WARNING)):
        if amount + want.used <= value:
            continue
        grown = " at its maximum size" if rule_severity else ""
        used = f" plus {want.used:g} used by others is {amount + want.used:g}" if want.used else ""
        message = (
            f"{want.quota.name}: {amount:g} {want.unit}".rstrip()
            + f" required{grown}{used}, but the quota is {value:g}: {amount + want.used - value:g} short"
        )
        cure = _request(listed, want.quota, amount + want.used, region)
        yield want.rule, Problem(want.path, message, cure, severity=rule_severity)
        return


def _request(listed: Mapping[str, Any], quota: Quota, wanted: float, region: str) -> str:
    code = listed.get("QuotaCode") or quota.code or "CODE"
    command = (
        f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code {code} "
        f"--desired-value {wanted:g} --region {region}"
    )
    return f"{command}  (not adjustable: contact AWS Support)" if listed.get("Adjustable") is False else command


def _flexible(
    path: str, group: Any, limits: Mapping[str, Mapping[str, Any]], used: Mapping[tuple[str, bool], int], region: str
) -> Iterator[Found]:
    """A flexible group uses the quotas of all its types."""
    spot = _is_spot(group)
    free, named = 0.0, []
    for kind in group.types:
        quota = catalog.instance_quota("spot" if spot else "cluster", kind)
        left = max(0.0, limits.get(quota.name, {}).get("Value", 0.0) - used.get((kind, spot), 0))
        free += left
        named.append(f"{kind} {left:g}")
    if group.count > free:
        message = (
            f"{group.count} instances of {len(group.types)} types required, but the quotas allow {free:g} "
            f"more: {', '.join(named)}"
        )
        first = catalog.instance_quota("spot" if spot else "cluster", group.types[0])
        taken = used.get((group.types[0], spot), 0)
        cure = _request(limits.get(first.name, {}), first, group.count + taken, region)
        yield "HP911" if spot else "HP910", Problem(path, message, cure)


def _cards(kind: str) -> int:
    found = catalog.find_instance_type(kind)
    return max(found.network_cards, found.efa_interfaces or 1) if found else 1


def _interfaces(platform: Platform, *, new: bool) -> tuple[int, int]:
    """Network interfaces of the nodes and of other new resources in the network: now, and at most."""
    now = most = 0
    for _, group in _groups(platform):
        cards = max(map(_cards, group.types), default=1)
        now, most = now + group.count * cards, most + group.most * cards
    fixed = 0 if platform.eks.existing else _EKS_INTERFACES
    if new:
        zones = len(platform.network.availability_zone_ids)
        fixed += nat_gateways(platform.network) + zones * len(platform.network.interface_endpoints)
    return now + fixed, most + fixed
