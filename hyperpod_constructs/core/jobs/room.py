"""Exact amounts, and the vCPU and memory of a node that are available to pods."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from functools import cache

from ..catalog import InstanceType
from ..catalog._files import follows_facts, load


@follows_facts
@cache
def reserved(resource: str, capacity: float) -> Decimal:
    """Returns the part of a node's `vcpu` or `memory_gib` that pods cannot use.

    >>> reserved("vcpu", 192), reserved("memory_gib", 2048)
    (Decimal('12.03'), Decimal('157.74'))
    """
    facts = load("jobs")["reserved"][resource]
    remaining, total = exact(capacity), exact(facts["fixed"])
    for size, share in facts["brackets"]:
        part = remaining if size is None else min(remaining, exact(size))
        total += part * exact(share)
        remaining -= part
    return total


@follows_facts
@cache
def usable(resource: str, capacity: float) -> Decimal:
    """Returns the part of a node's `vcpu` or `memory_gib` that pods can use.

    >>> usable("vcpu", 192), usable("memory_gib", 2048)
    (Decimal('179.97'), Decimal('1890.26'))
    """
    return exact(capacity) - reserved(resource, capacity)


@follows_facts
@cache
def offered(resource: str, instance_type: InstanceType) -> Decimal:
    """Returns the maximum of a node's `vcpu` or `memory_gib` that a kubelet can offer: capacity minus EKS reservations.

    A pod that requests more cannot be scheduled. Whether a request between `usable` and this value can be scheduled
    depends on the AMI and the node's other pods.

    >>> from hyperpod_constructs.core.catalog import instance_type
    >>> offered("vcpu", instance_type("ml.p5.48xlarge"))
    Decimal('191.450')
    """
    facts = load("jobs")["kubelet"][resource]
    if resource == "vcpu":
        remaining, total = exact(instance_type.vcpu), Decimal()
        for size, share in facts["brackets"]:
            part = remaining if size is None else min(remaining, exact(size))
            total += part * exact(share)
            remaining -= part
        return exact(instance_type.vcpu) - total.quantize(Decimal("0.001"), rounding=ROUND_FLOOR)
    mib = (
        exact(facts["fixed_mib"])
        + exact(facts["mib_per_pod"]) * (instance_type.max_pods or 0)
        + exact(facts["eviction_mib"])
    )
    return exact(instance_type.memory_gib) - mib / 1024


def number(value: float | str | None) -> Decimal | None:
    """Returns a configured amount, or None if it is unset or `none`.

    >>> number(1.5), number("none"), number(None)
    (Decimal('1.5'), None, None)
    """
    return None if value is None or isinstance(value, str) else exact(value)


def exact(value: float | Decimal) -> Decimal:
    """Returns a number as written, without binary rounding."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def quantity(value: float | Decimal, unit: str = "") -> str:
    """Formats a Kubernetes quantity.

    >>> quantity(4.0), quantity(0.5), quantity(16, "Gi"), quantity(1.5, "Gi")
    ('4', '0.5', '16Gi', '1.5Gi')
    """
    text = f"{exact(value):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit
