"""CloudFormation's view of each resource type: references, durations, and what prevents its deletion."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load


class Duration(NamedTuple):
    """A duration in seconds, if known: AWS guarantees no durations.

    Attributes:
        typical: expected value.
        minimum: fastest observed value.
        maximum: slowest usual value.
        uncertain: the uncertainty; empty if a source states the value.
    """

    typical: float
    minimum: float
    maximum: float
    uncertain: str = ""


class DeployedKind(NamedTuple):
    """One CloudFormation resource type in a rehearsal.

    Attributes:
        name: such as "AWS::EC2::VPC".
        id: format of the value of `Ref`.
        attributes: attribute to the format of the value of `Fn::GetAtt`; the others are in the resource schema.
        refers: path of a property to the type that it refers to, such as "VpcConfig.Subnets[]".
        held_by: types whose resources prevent its deletion while they use it.
        create: duration of a creation.
        update: duration of an update in place.
        delete: duration of a deletion.
    """

    name: str
    id: str
    attributes: Mapping[str, str]
    refers: Mapping[str, str]
    held_by: tuple[str, ...]
    create: Duration
    update: Duration
    delete: Duration

    def __hash__(self) -> int:
        return hash(self.name)


@follows_facts
@cache
def deployed_kinds() -> Mapping[str, DeployedKind]:
    """Every modeled resource type, by name.

    >>> deployed_kinds()["AWS::EC2::Subnet"].refers
    mappingproxy({'VpcId': 'AWS::EC2::VPC'})
    """
    found = {}
    for name, entry in load("deployment")["kinds"].items():
        seconds = entry["seconds"]
        uncertainty = entry.get("uncertain", {}).get("seconds", "no source states it")
        found[name] = DeployedKind(
            name=name,
            id=entry["id"],
            attributes=MappingProxyType(entry.get("attributes", {})),
            refers=MappingProxyType(entry.get("refers", {})),
            held_by=tuple(entry.get("held_by", ())),
            create=_duration(seconds["create"], uncertainty),
            update=_duration(seconds.get("update", seconds["create"]), uncertainty),
            delete=_duration(seconds["delete"], uncertainty),
        )
    return MappingProxyType(found)


@follows_facts
@cache
def deployment_wait(name: str) -> Duration:
    """The duration of a wait that is not for a resource, such as "node" (until a node has joined).

    >>> deployment_wait("node").typical
    720
    """
    entry = load("deployment")["waits"][name]
    return _duration(entry["seconds"], entry.get("uncertain", ""))


def _duration(seconds: list[float], uncertain: str) -> Duration:
    typical, minimum, maximum = seconds
    return Duration(typical, minimum, maximum, uncertain)
