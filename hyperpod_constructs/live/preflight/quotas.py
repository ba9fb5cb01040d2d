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
from ...core.plural import count
from ...core.spec.groups import InstanceGroup
from ...core.spec.platform import Platform
from .own import clusters_and_own, counts, own_resources
from .probes import Found, probe
from .queries import AwsQueries

_GIB_PER_TIB = 1024
_EKS_INTERFACES = 4
"""Maximum network interfaces of a new EKS control plane."""


@dataclass(frozen=True, slots=True)
class QuotaNeed:
    """A required value of one quota.

    Attributes:
        rule: rule that reports the shortfall.
        path: path in the config.
        quota: the quota.
        need: value that the config requires now.
        used: usage by the other resources in the account.
        max_need: value that the config can grow to.
        unit: unit of the numbers.
    """

    rule: str
    path: str
    quota: Quota
    need: float
    used: float
    max_need: float
    unit: str


@probe(
    "quotas of HyperPod",
    services=("service-quotas", "cloudformation", "sagemaker"),
    applies=lambda platform: platform.cluster.groups,
)
def hyperpod_quotas(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Instances by type, Spot Instances, instances per cluster and in total, volume sizes, restricted file systems."""
    limits, used = aws.together(
        lambda: _limits("sagemaker", aws), lambda: clusters_and_own(platform, aws) if _countable(platform) else ([], [])
    )
    if limits is None or used is None:
        return
    needs = [*_needs(platform, used[0])]
    limits = _with_defaults("sagemaker", limits, needs, aws)
    flexible = [(path, group) for path, group in _groups(platform) if len(group.types) > 1]
    for quota_need in needs:
        yield from _short(quota_need, limits, aws.region)
    for path, group in flexible:
        yield from _flexible(path, group, limits, _used_by_type(used[0]), aws.region)


@probe(
    "quotas of the network",
    services=("service-quotas", "cloudformation", "ec2", "sagemaker"),
)
def network_quotas(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """VPCs, internet gateways and Elastic IPs of a new network; network interfaces of the nodes."""
    own_ids = own_resources(platform, aws)
    new_network = platform.network.existing is None and "AWS::EC2::VPC" not in own_ids
    vpc, ec2, interfaces, vpcs, gateways, addresses, clusters = aws.together(
        lambda: _limits("vpc", aws),
        lambda: _limits("ec2", aws) if new_network and nat_gateways(platform.network) else {},
        lambda: aws.all("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces"),
        lambda: aws.all("ec2", "DescribeVpcs", "Vpcs") if new_network else [],
        lambda: aws.all("ec2", "DescribeInternetGateways", "InternetGateways") if new_network else [],
        lambda: aws.all("ec2", "DescribeAddresses", "Addresses") if new_network else [],
        lambda: clusters_and_own(platform, aws),
    )
    if vpc is not None and interfaces is not None and clusters is not None:
        in_use = sum(
            count * _cards(instance_type) for cluster in clusters[1] for instance_type, count, _ in counts(cluster)
        )
        need, max_need = (max(0, n - in_use) for n in _interfaces(platform, new=new_network))
        quota_need = QuotaNeed(
            "HP917", "cluster", catalog.quota("network_interfaces"), need, len(interfaces), max_need, "interfaces"
        )
        yield from _short(quota_need, vpc, aws.region)
    if not new_network:
        return
    nat = nat_gateways(platform.network)
    open_network = 1 if platform.network.mode == "open" else 0
    for key, need, existing, limits in (
        ("vpcs", 1, vpcs, vpc),
        ("internet_gateways", open_network, gateways, vpc),
        ("elastic_ips", nat, addresses, ec2),
    ):
        if limits is not None and existing is not None and need:
            quota_need = QuotaNeed("HP918", "network", catalog.quota(key), need, len(existing), need, "")
            yield from _short(quota_need, limits, aws.region)


def _limits(service: str, aws: AwsQueries) -> dict[str, Mapping[str, Any]]:
    """The account's quotas of a service by name."""
    listed = aws.all("service-quotas", "ListServiceQuotas", "Quotas", ServiceCode=service)
    return {quota["QuotaName"]: quota for quota in listed}


def _with_defaults(
    service: str, limits: dict[str, Mapping[str, Any]], needs: list[QuotaNeed], aws: AwsQueries
) -> dict[str, Mapping[str, Any]]:
    """Includes AWS's defaults for quotas without an applied value in the account."""
    if all(quota_need.quota.name in limits for quota_need in needs):
        return limits
    listed = aws.all("service-quotas", "ListAWSDefaultServiceQuotas", "Quotas", ServiceCode=service)
    return {quota["QuotaName"]: quota for quota in listed} | limits


def _groups(platform: Platform) -> Iterator[tuple[str, Any]]:
    for index, group in enumerate(platform.cluster.instance_groups):
        yield f"cluster.instance_groups[{index}]", group
    for index, restricted in enumerate(platform.cluster.restricted_instance_groups):
        yield f"cluster.restricted_instance_groups[{index}]", restricted


def _countable(platform: Platform) -> bool:
    return any(group.max_instances for _, group in _groups(platform))


def _is_spot(group: Any) -> bool:
    return isinstance(group, InstanceGroup) and group.capacity == "spot"


def _needs(platform: Platform, others: list[Mapping[str, Any]]) -> Iterator[QuotaNeed]:
    used = _used_by_type(others)
    by_type: dict[tuple[str, bool], list[tuple[str, Any]]] = {}
    for path, group in _groups(platform):
        if len(group.types) == 1:
            by_type.setdefault((group.types[0], _is_spot(group)), []).append((path, group))
    for (instance_type, spot), groups in by_type.items():
        quota = catalog.instance_quota("spot" if spot else "cluster", instance_type)
        need, max_need = sum(g.count for _, g in groups), sum(g.max_instances for _, g in groups)
        rule = "HP911" if spot else "HP910"
        yield QuotaNeed(rule, groups[0][0], quota, need, used.get((instance_type, spot), 0), max_need, "instances")
    every_group = [group for _, group in _groups(platform)]
    need, max_need = sum(g.count for g in every_group), sum(g.max_instances for g in every_group)
    yield QuotaNeed("HP912", "cluster", catalog.quota("instances_per_cluster"), need, 0, max_need, "instances")
    yield QuotaNeed(
        "HP913", "cluster", catalog.quota("instances_total"), need, sum(used.values()), max_need, "instances"
    )
    spots = [group for group in every_group if _is_spot(group)]
    if spots:
        taken = sum(count for (_, spot), count in used.items() if spot)
        need, max_need = sum(g.count for g in spots), sum(g.max_instances for g in spots)
        yield QuotaNeed("HP914", "cluster", catalog.quota("spot_instances_total"), need, taken, max_need, "instances")
    sizes = {
        path: group.volume.size_gib
        for path, group in _groups(platform)
        if isinstance(group, InstanceGroup) and group.volume and group.volume.size_gib
    }
    if sizes:
        path = max(sizes, key=lambda file_system: sizes[file_system])
        size = sizes[path]
        yield QuotaNeed("HP915", f"{path}.volume.size_gib", catalog.quota("ebs_volume_size_gb"), size, 0, size, "GB")
    lustre = sum(g.lustre_size_gib or 0 for g in platform.cluster.restricted_instance_groups)
    lustre += platform.cluster.shared_environment.lustre_size_gib if platform.cluster.shared_environment else 0
    if lustre:
        quota, in_use = catalog.quota("rig_fsx_capacity_tib"), _lustre_of(others)
        need = lustre / _GIB_PER_TIB
        yield QuotaNeed("HP916", "cluster.restricted_instance_groups", quota, need, in_use / _GIB_PER_TIB, need, "TiB")


def _used_by_type(clusters: list[Mapping[str, Any]]) -> dict[tuple[str, bool], int]:
    used: dict[tuple[str, bool], int] = {}
    for cluster in clusters:
        for instance_type, number, spot in counts(cluster):
            used[instance_type, spot] = used.get((instance_type, spot), 0) + number
    return used


def _lustre_of(clusters: list[Mapping[str, Any]]) -> int:
    total = 0
    for cluster in clusters:
        for group in cluster.get("RestrictedInstanceGroups", ()):
            total += (group.get("EnvironmentConfig") or {}).get("FSxLustreConfig", {}).get("SizeInGiB", 0)
    return total


def _short(quota_need: QuotaNeed, limits: Mapping[str, Mapping[str, Any]], region: str) -> Iterator[Found]:
    if not quota_need.max_need:
        return
    listed = limits.get(quota_need.quota.name)
    if listed is None or "Value" not in listed:
        message = f"Service Quotas lists no quota {quota_need.quota.name!r} in {region}"
        yield "HP919", Problem(quota_need.path, message)
        return
    value = listed["Value"]
    for amount, rule_severity in ((quota_need.need, None), (quota_need.max_need, Severity.WARNING)):
        if amount + quota_need.used <= value:  # sufficient
            continue
        total = amount + quota_need.used
        grown = " at its maximum size" if rule_severity else ""
        parts = f" ({amount:g} by this platform, {quota_need.used:g} by other resources)" if quota_need.used else ""
        message = (
            f"{quota_need.quota.name}: {total:g} {quota_need.unit}".rstrip()
            + f" required{grown}{parts}, but the quota is {value:g}"
        )
        cure = _request(listed, quota_need.quota, total, region)
        yield quota_need.rule, Problem(quota_need.path, message, cure, severity=rule_severity)
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
    """Compares the size of a flexible group with the free quotas of all its types."""
    spot = _is_spot(group)
    free, named = 0.0, []
    for instance_type in group.types:
        quota = catalog.instance_quota("spot" if spot else "cluster", instance_type)
        left = max(0.0, limits.get(quota.name, {}).get("Value", 0.0) - used.get((instance_type, spot), 0))
        free += left
        named.append(f"{instance_type} {left:g}")
    if group.count > free:
        message = (
            f"{count(group.count, 'instance')} of {count(len(group.types), 'type')} required, but the quotas allow {free:g} "
            f"more ({', '.join(named)})"
        )
        first = catalog.instance_quota("spot" if spot else "cluster", group.types[0])
        taken = used.get((group.types[0], spot), 0)
        cure = _request(limits.get(first.name, {}), first, group.count + taken, region)
        yield "HP911" if spot else "HP910", Problem(path, message, cure)


def _cards(instance_type: str) -> int:
    found = catalog.find_instance_type(instance_type)
    return max(found.network_cards, found.efa_interfaces or 1) if found else 1


def _interfaces(platform: Platform, *, new: bool) -> tuple[int, int]:
    """Network interfaces of the nodes and of other new resources in the network: now, and at most."""
    now = max_need = 0
    for _, group in _groups(platform):
        cards = max(map(_cards, group.types), default=1)
        now, max_need = now + group.count * cards, max_need + group.max_instances * cards
    fixed = 0 if platform.eks.existing else _EKS_INTERFACES
    if new:
        zones = len(platform.network.availability_zone_ids)
        fixed += nat_gateways(platform.network) + zones * len(platform.network.interface_endpoints)
    return now + fixed, max_need + fixed
