"""What each kind of resource looks like to CloudFormation, how long it takes, and what keeps it from being deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from hyperpod_constructs.core.catalog._files import follows_facts, load


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds that something takes, as far as it is known: AWS promises none of it.

    Attributes:
        typical: what to expect.
        minimum: the quickest seen.
        maximum: the slowest that is still ordinary.
        uncertain: what is not sure about it; empty where a source states it.
    """

    typical: float
    minimum: float
    maximum: float
    uncertain: str = ""


@dataclass(frozen=True, slots=True)
class DeployedKind:
    """One CloudFormation resource type as a rehearsal knows it.

    Attributes:
        name: such as "AWS::EC2::VPC".
        id: how the value of `Ref` looks.
        attributes: attribute to how the value of `Fn::GetAtt` looks; others come from the resource schema.
        refers: path of a property to the kind that it names, such as "VpcConfig.Subnets[]".
        held_by: kinds that keep one of this kind from being deleted while they use it.
        create: seconds of a creation.
        update: seconds of an update in place.
        delete: seconds of a deletion.
    """

    name: str
    id: str
    attributes: Mapping[str, str]
    refers: Mapping[str, str]
    held_by: tuple[str, ...]
    create: Duration
    update: Duration
    delete: Duration


@follows_facts
@cache
def deployed_kinds() -> Mapping[str, DeployedKind]:
    """Every kind that is modelled, by name.

    >>> deployed_kinds()["AWS::EC2::Subnet"].refers
    mappingproxy({'VpcId': 'AWS::EC2::VPC'})
    """
    found = {}
    for name, entry in load("deployment")["kinds"].items():
        seconds = entry["seconds"]
        doubt = entry.get("uncertain", {}).get("seconds", "no source states it")
        found[name] = DeployedKind(
            name=name,
            id=entry["id"],
            attributes=MappingProxyType(entry.get("attributes", {})),
            refers=MappingProxyType(entry.get("refers", {})),
            held_by=tuple(entry.get("held_by", ())),
            create=_duration(seconds["create"], doubt),
            update=_duration(seconds.get("update", seconds["create"]), doubt),
            delete=_duration(seconds["delete"], doubt),
        )
    return MappingProxyType(found)


@follows_facts
@cache
def deployment_wait(name: str) -> Duration:
    """How long something takes that is not a resource, such as "node" (until a node has joined).

    >>> deployment_wait("node").typical
    720
    """
    entry = load("deployment")["waits"][name]
    return _duration(entry["seconds"], entry.get("uncertain", ""))


def _duration(seconds: list[float], uncertain: str) -> Duration:
    typical, minimum, maximum = seconds
    return Duration(typical, minimum, maximum, uncertain)
