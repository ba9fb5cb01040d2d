"""The calendar of Kubernetes versions and the add-on matrix, from the catalog or EKS's responses; pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ...core import catalog
from ...core.catalog import KubernetesVersion, minor

Json = Mapping[str, Any]

_STATUS = {"STANDARD_SUPPORT": "standard", "EXTENDED_SUPPORT": "extended", "UNSUPPORTED": "ended"}


def number(version: str) -> tuple[int, ...]:
    """All numbers of an add-on version, for comparison.

    >>> number("v1.10.0-eksbuild.2") > number("v1.9.1-eksbuild.10")
    True
    """
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One Kubernetes minor version as EKS supports it. A date that is None is unknown.

    Attributes:
        version: such as "1.35".
        status: "standard", "extended", "ended", "unreleased" or "unknown".
        released: date of its release on EKS.
        end_of_standard_support: first day of extended support.
        end_of_extended_support: date on which EKS upgrades remaining clusters.
        days_left: days until its current support ends.
        hyperpod: whether HyperPod documents it.
        default: whether EKS uses it by default; None if unknown.
    """

    version: str
    status: str
    released: date | None
    end_of_standard_support: date | None
    end_of_extended_support: date | None
    days_left: int | None
    hyperpod: bool
    default: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys; dates in ISO format."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {key: value.isoformat() if isinstance(value, date) else value for key, value in values.items()}


def calendar() -> list[Release]:
    """The catalog's calendar, newest first.

    >>> from datetime import date
    >>> from hyperpod_constructs.core.catalog import use_clock
    >>> with use_clock(date(2026, 11, 23)):
    ...     next((r.status, r.days_left) for r in calendar() if r.version == "1.34")
    ('standard', 9)
    """
    return [_release(version) for version in reversed([*catalog.kubernetes_versions().values()])]


def live_calendar(responses: Iterable[Json]) -> list[Release]:
    """The calendar of `eks:DescribeClusterVersions`, newest first."""
    releases = []
    for response in responses:
        known = catalog.find_kubernetes_version(response["clusterVersion"])
        version = KubernetesVersion(
            version=response["clusterVersion"],
            released=_day(response.get("releaseDate")),
            end_of_standard_support=_day(response.get("endOfStandardSupportDate")),
            end_of_extended_support=_day(response.get("endOfExtendedSupportDate")),
            hyperpod_documented=known.hyperpod_documented if known else False,
            uncertain={},
        )
        status = _STATUS.get(str(response.get("versionStatus") or response.get("status", "")).upper().replace("-", "_"))
        releases.append(_release(version, status, default=response.get("defaultVersion", False)))
    return sorted(releases, key=lambda version: minor(version.version), reverse=True)


def _release(version: KubernetesVersion, status: str | None = None, *, default: bool | None = None) -> Release:
    return Release(
        version=version.version,
        status=status or version.status(),
        released=version.released,
        end_of_standard_support=version.end_of_standard_support,
        end_of_extended_support=version.end_of_extended_support,
        days_left=version.days_left(),
        hyperpod=version.hyperpod_documented,
        default=default,
    )


def _day(moment: Any) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def calendar_differences(live: Iterable[Release]) -> list[str]:
    """Differences between EKS's calendar and the catalog's, one phrase each; older versions are ignored."""
    known = catalog.kubernetes_versions()
    oldest = min(map(minor, known))
    found = []
    for release in live:
        fact = known.get(release.version)
        if fact is None:
            if minor(release.version) > oldest:
                found.append(f"{release.version} is new")
            continue
        for field in ("released", "end_of_standard_support", "end_of_extended_support"):
            now, was = getattr(release, field), getattr(fact, field)
            if now is not None and now != was:
                found.append(f"{release.version} {field.replace('_', ' ')} {now} (catalog: {was or 'not known'})")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """The versions that one add-on supports.

    Attributes:
        name: EKS name of the add-on.
        versions: Kubernetes version to the newest add-on version that supports it: None if there is none, "?" if
            unknown.
        defaults: Kubernetes version to EKS's default add-on version; empty if unknown.
        every: Kubernetes version to all add-on versions that support it, newest first; empty if unknown.
    """

    name: str
    versions: Mapping[str, str | None]
    defaults: Mapping[str, str]
    every: Mapping[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        return {"addon": self.name, "versions": dict(self.versions), "defaults": dict(self.defaults)}


UNKNOWN = "?"


def matrix(names: Iterable[str], kubernetes: Iterable[str]) -> list[Support]:
    """The catalog's add-on matrix.

    >>> [support] = matrix(["amazon-sagemaker-hyperpod-observability"], ["1.31", "1.35"])
    >>> dict(support.versions)
    {'1.31': None, '1.35': 'v1.2.0-eksbuild.3'}
    """
    wanted = [*kubernetes]
    return [
        Support(name=name, versions={version: _in_catalog(name, version) for version in wanted}, defaults={}, every={})
        for name in names
    ]


def _in_catalog(name: str, version: str) -> str | None:
    addon = catalog.find_addon(name)
    if addon is None:
        return UNKNOWN
    found = addon.version_for(version)
    if found is not None:
        return found.version
    covered = next((addon_version for addon_version in addon.versions if addon_version.covers(version)), None)
    if covered is not None:
        return covered.version
    newest = next((version for version in addon.versions if version.kubernetes_min and version.kubernetes_max), None)
    known_to_lack = addon.supports(version) is False or (newest is not None and newest.covers(version) is False)
    return None if known_to_lack else UNKNOWN


def live_matrix(responses: Mapping[str, Iterable[Json]], kubernetes: Iterable[str]) -> list[Support]:
    """The add-on matrix of `eks:DescribeAddonVersions`; `responses` maps an add-on's name to its entries."""
    wanted = [*kubernetes]
    return [_live_support(name, entries, wanted) for name, entries in responses.items()]


def _live_support(name: str, entries: Iterable[Json], kubernetes: Iterable[str]) -> Support:
    every: dict[str, list[str]] = {}
    defaults: dict[str, str] = {}
    for entry in entries:
        for version in entry.get("addonVersions", ()):
            for compatibility in version.get("compatibilities", ()):
                on = compatibility["clusterVersion"]
                every.setdefault(on, []).append(version["addonVersion"])
                if compatibility.get("defaultVersion"):
                    defaults[on] = version["addonVersion"]
    ordered = {on: tuple(sorted(set(found), key=number, reverse=True)) for on, found in every.items()}
    versions = {on: ordered[on][0] if on in ordered else None for on in kubernetes}
    return Support(name=name, versions=versions, defaults=defaults, every=ordered)
