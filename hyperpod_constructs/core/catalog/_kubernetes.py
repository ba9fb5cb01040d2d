"""The Kubernetes versions of EKS: release calendar, and whether HyperPod documents them."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from hyperpod_constructs.core.catalog._clock import today as clock_today
from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up

SupportStatus = Literal["unreleased", "standard", "extended", "ended", "unknown"]


class KubernetesVersion(NamedTuple):
    """One minor version of Kubernetes on EKS. A date that is None is unknown.

    Attributes:
        version: such as "1.35"; `str()` of the object is the same.
        released: date of the EKS release.
        end_of_standard_support: first day of extended support, which has an additional cost.
        end_of_extended_support: first day on which EKS rejects new clusters with it, and upgrades existing clusters.
        hyperpod_documented: whether HyperPod's documentation lists it.
        uncertain: field name to what its sources disagree about, or what the value was inferred from.
    """

    version: str
    released: date | None
    end_of_standard_support: date | None
    end_of_extended_support: date | None
    hyperpod_documented: bool
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.version)

    def __str__(self) -> str:
        return self.version

    @property
    def minor(self) -> tuple[int, int]:
        """The version as a tuple for comparison: (1, 35).

        >>> minor("1.9") < minor("1.35")
        True
        """
        return minor(self.version)

    def status(self, today: date | None = None) -> SupportStatus:
        """Returns the support status on a day, by default today.

        "unknown" if the calendar has no dates for the version.
        """
        day = today or clock_today()
        if self.released is None or self.end_of_standard_support is None or self.end_of_extended_support is None:
            return "unknown"
        if day < self.released:
            return "unreleased"
        if day < self.end_of_standard_support:
            return "standard"
        return "extended" if day < self.end_of_extended_support else "ended"

    def days_left(self, today: date | None = None) -> int | None:
        """Days until its support ends: standard support, otherwise extended support; 0 if both have ended.

        None if the calendar has no dates for it, or it is not released yet.

        >>> find_kubernetes_version("1.34").days_left(date(2026, 11, 23))
        9
        """
        day = today or clock_today()
        ends = {"standard": self.end_of_standard_support, "extended": self.end_of_extended_support, "ended": day}
        end = ends.get(self.status(day))
        return None if end is None else (end - day).days


@follows_facts
@cache
def kubernetes_versions() -> Mapping[str, KubernetesVersion]:
    """Every version in the calendar, oldest first."""
    entries = load("kubernetes")["versions"]
    return MappingProxyType(
        {
            version: KubernetesVersion(
                version=version,
                released=_date(entry["released"]),
                end_of_standard_support=_date(entry["end_of_standard_support"]),
                end_of_extended_support=_date(entry["end_of_extended_support"]),
                hyperpod_documented=entry["hyperpod_documented"],
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for version, entry in entries.items()
        }
    )


def find_kubernetes_version(version: str) -> KubernetesVersion | None:
    """Returns the version of this name, or None if it is not in the calendar."""
    return kubernetes_versions().get(version)


def kubernetes_version(version: str) -> KubernetesVersion:
    """Returns the version of this name.

    Raises:
        UnknownName: it is not in the calendar.
    """
    return look_up("Kubernetes version", version, kubernetes_versions())


def default_kubernetes_version(today: date | None = None) -> KubernetesVersion:
    """The newest version that HyperPod documents and that is in standard support on a day, by default today.

    If no documented version is in standard support, the newest one in extended support. Newer versions are supported
    longer, so in practice this is the newest documented version, and the day has no effect until its extended support
    ends: syntheses on different days with the same catalog have the same result.

    Raises:
        LookupError: no documented version is supported; the catalog must be refreshed.

    >>> str(default_kubernetes_version(date(2026, 11, 23)))
    '1.35'
    """
    day = today or clock_today()
    documented = [version for version in reversed([*kubernetes_versions().values()]) if version.hyperpod_documented]
    for status in ("standard", "extended"):
        for version in documented:
            if version.status(day) == status:
                return version
    raise LookupError(
        f"EKS supports no Kubernetes version that HyperPod documents on {day}: the catalog is out of date; "
        "run `hyperpod catalog refresh`"
    )


def minor(version: str) -> tuple[int, int]:
    """Parses a version for comparison: "1.35" is (1, 35). Parts after the minor version are ignored.

    Raises:
        ValueError: it does not begin with two numbers separated by a dot.
    """
    major, dot, rest = version.partition(".")
    if not dot:
        raise ValueError(f"{version!r} is not a valid Kubernetes version, such as '1.35'")
    return int(major), int(rest.partition(".")[0])


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
