"""The Kubernetes versions of EKS, their calendar, and which of them HyperPod documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Literal

from hyperpod_constructs.core.catalog._clock import today as clock_today
from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up

SupportStatus = Literal["unreleased", "standard", "extended", "ended", "unknown"]


@dataclass(frozen=True, slots=True)
class KubernetesVersion:
    """One minor version of Kubernetes on EKS. A date that is None is not known.

    Attributes:
        version: such as "1.35"; `str()` of the object is the same.
        released: the day EKS released it.
        end_of_standard_support: from this day on it is in extended support, which costs extra.
        end_of_extended_support: from this day on no cluster can be created with it, and EKS upgrades those there are.
        hyperpod_documented: whether HyperPod's documentation lists it.
        uncertain: field name to what its sources disagree about, or what the value was inferred from.
    """

    version: str
    released: date | None
    end_of_standard_support: date | None
    end_of_extended_support: date | None
    hyperpod_documented: bool
    uncertain: Mapping[str, str] = field(hash=False)

    def __str__(self) -> str:
        return self.version

    @property
    def minor(self) -> tuple[int, int]:
        """For comparing: (1, 35).

        >>> minor("1.9") < minor("1.35")
        True
        """
        return minor(self.version)

    def status(self, today: date | None = None) -> SupportStatus:
        """What EKS offers for it on a day, by default today.

        "unknown" when the calendar has no dates for it.
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
        """Days until the support it has ends: standard support, else extended support; 0 when both have ended.

        None when the calendar has no dates for it, or it is not released yet.

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
    """The version of this name, or None when the calendar does not have it."""
    return kubernetes_versions().get(version)


def kubernetes_version(version: str) -> KubernetesVersion:
    """The version of this name.

    Raises:
        UnknownName: the calendar does not have it.
    """
    return look_up("Kubernetes version", version, kubernetes_versions())


def default_kubernetes_version(today: date | None = None) -> KubernetesVersion:
    """The newest version that HyperPod documents and that is in standard support on a day, by default today.

    When the documented versions have all left standard support, the newest of them that is in extended support. A newer
    version is supported for longer than an older one, so in practice this is the newest documented one, and the day
    changes nothing until its support has ended altogether: two syntheses with one catalog agree.

    Raises:
        LookupError: no documented version is left; the catalog needs a refresh.

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
        f"no Kubernetes version that HyperPod documents is supported by EKS on {day}: "
        "the catalog is too old, run `hyperpod catalog refresh`"
    )


def minor(version: str) -> tuple[int, int]:
    """A version for comparing: "1.35" is (1, 35). Parts after the minor version are left out.

    Raises:
        ValueError: it is not two numbers with a dot.
    """
    major, dot, rest = version.partition(".")
    if not dot:
        raise ValueError(f"not a Kubernetes version: {version!r} (expected for example '1.35')")
    return int(major), int(rest.partition(".")[0])


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
