"""Probes of Kubernetes and add-on versions compared with the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from ...core import catalog
from ...core.catalog._files import load
from ...core.checks import Problem
from ...core.findings import Severity
from ...core.plural import count
from ...core.spec.addons import ADDON_NAMES, Kueue
from ...core.spec.platform import Platform
from ..upgrade.versions import calendar_differences, live_calendar, live_matrix
from .probes import Found, probe
from .queries import AwsQueries

OLD_DAYS = 45
"""A catalog older than this number of days is reported: EKS releases add-on versions about every month."""
_ABSENT = ("ResourceNotFoundException", "InvalidParameterException")


def catalog_date() -> date:
    """The date of the oldest facts about versions."""
    return min(date.fromisoformat(load(name)["date"]) for name in ("kubernetes", "addons"))


@probe("age of the facts", services=())
def age(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Age of the catalog."""
    collected = catalog_date()
    days = (catalog.today() - collected).days
    if days > OLD_DAYS:
        yield "HP965", Problem("", f"the catalog's version facts are {days} days old ({collected})")


@probe("Kubernetes version", services=("eks",))
def kubernetes(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether EKS offers the version, its support status, and differences between EKS's calendar and the catalog."""
    live = live_calendar(aws.all("eks", "DescribeClusterVersions", "clusterVersions", includeAll=True))
    by_version = {release.version: release for release in live}
    version, path = _version(platform, aws), "eks.kubernetes_version"
    release = by_version.get(version)
    standard = [version.version for version in live if version.status == "standard" and version.hyperpod]
    cure = f'Set kubernetes_version to "{standard[0]}".' if standard else None
    if release is None or release.status == "ended":
        offered = ", ".join(version.version for version in live if version.status in ("standard", "extended"))
        yield (
            "HP960",
            Problem(path, f"EKS does not offer Kubernetes {version} in {aws.region}; it offers {offered}", cure),
        )
    elif release.status == "extended":
        ends = f" until {release.end_of_extended_support}" if release.end_of_extended_support else ""
        message = f"Kubernetes {version} is in extended support{ends}, at an additional cost"
        yield "HP960", Problem(path, message, cure, severity=Severity.WARNING)
    elif release.days_left is not None and release.days_left <= OLD_DAYS:
        ends = f"{release.end_of_standard_support}, in {count(release.days_left, 'day')}"
        message = f"standard support of Kubernetes {version} ends on {ends}"
        yield "HP960", Problem(path, message, cure, severity=Severity.WARNING)
    differences = calendar_differences(live)
    if differences:
        message = f"EKS's calendar differs from the catalog of {catalog_date()}: {'; '.join(differences)}"
        yield "HP961", Problem(path, message)


@probe("add-on versions", services=("eks",))
def addons(platform: Platform, aws: AwsQueries) -> Iterator[Found]:
    """Whether each add-on supports the Kubernetes version, configured versions exist, and the catalog is current."""
    wanted = {
        ADDON_NAMES[key]: (f"addons.{key}", None if isinstance(addon, Kueue) else addon.version)
        for key, addon in platform.addons.effective().items()
        if key in ADDON_NAMES
    }

    def versions(name: str) -> list[Any]:
        return aws.all("eks", "DescribeAddonVersions", "addons", absent=_ABSENT, addonName=name)

    version, responses = aws.together(lambda: _version(platform, aws), lambda: dict(aws.each(versions, wanted)))
    if version is None or responses is None:
        return
    outdated = []
    for support in live_matrix(responses, [version]):
        path, named = wanted[support.name]
        statuses = support.every.get(version, ())
        if not support.every:
            yield "HP962", Problem(path, f"EKS has no add-on {support.name} in {aws.region}", "Remove it.")
            continue
        if not statuses:
            supported = ", ".join(sorted(support.every, key=catalog.minor))
            message = f"{support.name} has no version for Kubernetes {version}; it supports {supported}"
            yield "HP962", Problem(path, message)
            continue
        if named is not None and named not in statuses:
            message = f"{support.name} has no version {named} for Kubernetes {version}"
            yield "HP964", Problem(f"{path}.version", message, f"Use one of {', '.join(statuses[:5])}.")
        facts = catalog.find_addon(support.name)
        ours = facts.version_for(version) if facts else None
        if ours is not None and ours.version != statuses[0]:
            outdated.append(f"{support.name} {statuses[0]} (catalog: {ours.version})")
    if outdated:
        message = f"EKS has versions later than those of the catalog of {catalog_date()}: {'; '.join(outdated)}"
        yield "HP963", Problem("addons", message)


def _version(platform: Platform, aws: AwsQueries) -> str:
    """The Kubernetes version of the existing cluster, otherwise the config's, otherwise the default."""
    if platform.eks.existing is not None:
        name = platform.eks.existing.cluster_name
        response = aws.find("eks", "DescribeCluster", ("ResourceNotFoundException",), name=name)
        if response is not None:
            return str(response["cluster"]["version"])
    return platform.eks.assumed_version
