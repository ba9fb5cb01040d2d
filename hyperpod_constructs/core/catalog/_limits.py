"""Limits, patterns and allowed values of the services, which the rules look up here."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up


class Limit(NamedTuple):
    """One limit.

    Attributes:
        name: such as "instance_groups_per_cluster".
        value: maximum value, or the number itself; lengths are in characters, other units are the suffix of the name.
        minimum: minimum value.
        source: source of the fact.
        note: additional information.
        uncertain: field name to what its sources disagree about.
    """

    name: str
    value: int
    minimum: int
    source: str
    note: str
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    def allows(self, value: float) -> bool:
        """Whether a value is between minimum and maximum.

        >>> limit("instance_count").allows(6758), limit("instance_count").allows(6759)
        (True, False)
        """
        return self.minimum <= value <= self.value


@follows_facts
@cache
def limits() -> Mapping[str, Limit]:
    """Every limit by name."""
    return MappingProxyType(
        {
            name: Limit(
                name=name,
                value=entry["value"],
                minimum=entry.get("min", 0),
                source=_source(entry),
                note=entry.get("note", ""),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for name, entry in load("limits")["limits"].items()
        }
    )


def limit(name: str) -> Limit:
    """Returns the limit of this name.

    Raises:
        UnknownName: there is no such limit.

    >>> limit("instance_groups_per_cluster").value
    100
    """
    return look_up("limit", name, limits())


def pattern(name: str) -> str:
    """Returns the regular expression that a whole text must match, as required by the API.

    Raises:
        UnknownName: there is no pattern of this name.

    >>> pattern("cluster_name")
    '[a-zA-Z0-9](-*[a-zA-Z0-9])*'
    """
    regex: str = _entry("patterns", "pattern", name)["regex"]
    return regex


def matches(name: str, text: str) -> bool:
    """Whether a whole text matches a pattern of the API.

    Raises:
        UnknownName: there is no pattern of this name.

    >>> matches("account_id", "111122223333"), matches("account_id", "1111-2222-3333")
    (True, False)
    """
    return re.fullmatch(pattern(name), text, re.ASCII) is not None


def allowed(name: str) -> tuple[Any, ...]:
    """Returns the values that the API accepts.

    Raises:
        UnknownName: there is no list of this name.

    >>> allowed("taint_effect")
    ('NoSchedule', 'PreferNoSchedule', 'NoExecute')
    """
    return tuple(_entry("allowed", "list of allowed values", name)["values"])


def ports(name: str) -> tuple[tuple[int, int], ...]:
    """Returns the port ranges, first and last, of a type of traffic: "lustre", "efa" (all protocols) or "https".

    Raises:
        UnknownName: there is no such type.

    >>> ports("lustre")
    ((988, 988), (1018, 1023))
    """
    return tuple((first, last) for first, last in _entry("ports", "kind of traffic", name)["ranges"])


def source_of(section: str, name: str) -> str:
    """Returns the source of an entry; section is "limits", "patterns", "allowed" or "ports".

    >>> source_of("patterns", "cluster_name")
    'service model of sagemaker: ClusterName.pattern'
    """
    return _source(_entry(section, section, name))


def _entry(section: str, kind: str, name: str) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = load("limits")[section]
    return look_up(kind, name, entries)


def _source(entry: dict[str, Any]) -> str:
    if "model" in entry:
        service, _, place = entry["model"].partition(":")
        return f"service model of {service}: {place}"
    return f"CloudFormation schema: {entry['schema']}" if "schema" in entry else str(entry["source"])
