"""The Service Quotas that a cluster counts against, by their names and codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import UnknownName, look_up, suggest

QuotaKind = Literal["cluster", "spot", "training_plan"]
"""Quotas that each instance type has: on demand and training plan use, spot use, and instances reserved by plans."""


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota.

    Attributes:
        key: our name for it.
        service: the service's code in Service Quotas.
        name: its name there, exactly.
        code: its code there, or None when no source says: look it up by its name.
        seen: what one account had, as text; not a promise of a default.
        uncertain: field name to what is not sure.
    """

    key: str
    service: str
    name: str
    code: str | None
    seen: str | None
    uncertain: Mapping[str, str] = field(hash=False)


@follows_facts
@cache
def quotas() -> Mapping[str, Quota]:
    """Every quota that does not depend on an instance type, by key."""
    return MappingProxyType(
        {
            key: Quota(
                key=key,
                service=entry.get("service", "sagemaker"),
                name=entry["name"],
                code=entry["code"],
                seen=str(entry["seen"]) if "seen" in entry else None,
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for key, entry in load("quotas")["quotas"].items()
        }
    )


def quota(key: str) -> Quota:
    """The quota of this key.

    Raises:
        UnknownName: there is none.

    >>> quota("instances_per_cluster").code
    'L-2CE978FC'
    """
    return look_up("quota", key, quotas())


def quota_name(kind: QuotaKind, instance_type: str) -> str:
    """The name of an instance type's quota in Service Quotas.

    >>> quota_name("cluster", "ml.p5.48xlarge")
    'ml.p5.48xlarge for cluster usage'
    """
    return instance_quota(kind, instance_type).name


def instance_quota(kind: QuotaKind, instance_type: str) -> Quota:
    """The quota of an instance type; its code only where a source has it.

    Raises:
        UnknownName: there is no such kind.

    >>> instance_quota("spot", "ml.p5.48xlarge").code
    'L-F742E2D7'
    """
    kinds = load("quotas")["per_instance_type"]
    if kind not in kinds:
        raise UnknownName("kind of quota", kind, suggest(kind, kinds))
    entry = kinds[kind]
    return Quota(
        key=f"{kind}:{instance_type}",
        service="sagemaker",
        name=entry["name"].format(instance_type=instance_type),
        code=entry["codes"].get(instance_type),
        seen=entry["seen"],
        uncertain=MappingProxyType(entry.get("uncertain", {})),
    )
