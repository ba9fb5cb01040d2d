"""The quotas in Service Quotas that apply to a cluster, with names and codes."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import UnknownName, look_up, suggest

QuotaKind = Literal["cluster", "spot", "training_plan"]
"""Quotas of each instance type: On-Demand and training plan usage, Spot usage, and instances reserved by plans."""


class Quota(NamedTuple):
    """One quota.

    Attributes:
        key: key of the quota.
        service: the service's code in Service Quotas.
        name: its exact name in Service Quotas.
        code: its quota code, or None if unknown; the quota can be found by name.
        seen: the value in one account, as text; not necessarily the default.
        uncertain: field name to what is uncertain.
    """

    key: str
    service: str
    name: str
    code: str | None
    seen: str | None
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.key)


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
    """Returns the quota of this key.

    Raises:
        UnknownName: there is no such quota.

    >>> quota("instances_per_cluster").code
    'L-2CE978FC'
    """
    return look_up("quota", key, quotas())


def quota_name(kind: QuotaKind, instance_type: str) -> str:
    """Returns the name of an instance type's quota in Service Quotas.

    >>> quota_name("cluster", "ml.p5.48xlarge")
    'ml.p5.48xlarge for cluster usage'
    """
    return instance_quota(kind, instance_type).name


def instance_quota(kind: QuotaKind, instance_type: str) -> Quota:
    """Returns the quota of an instance type; its code is None if unknown.

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
