"""The metrics that the observability add-on documents."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load


class Metric(NamedTuple):
    """One metric in the Prometheus workspace.

    Attributes:
        name: name in Prometheus.
        area: the key of the add-on's metric levels, such as "training".
        level: the lowest level that collects it.
        type: "counter", "gauge" or "histogram".
        unit: Grafana's name of its unit.
        named: whether the documentation lists it itself, not only the exporter's list.
        uncertain: field name to what is uncertain about it.
    """

    name: str
    area: str
    level: Literal["BASIC", "ADVANCED"]
    type: str
    unit: str
    named: bool
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)


@follows_facts
@cache
def metrics() -> Mapping[str, Metric]:
    """Every metric that dashboards and alert rules can use, by name."""
    return MappingProxyType(
        {
            name: Metric(
                name=name,
                area=entry["area"],
                level=entry["level"],
                type=entry["type"],
                unit=entry["unit"],
                named=entry.get("named", False),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for name, entry in load("metrics")["metrics"].items()
        }
    )


def find_metric(name: str) -> Metric | None:
    """Returns the metric of this name, or None if it is not documented.

    >>> find_metric("training_fault_count").level, find_metric("up") is None
    ('ADVANCED', True)
    """
    return metrics().get(name)
