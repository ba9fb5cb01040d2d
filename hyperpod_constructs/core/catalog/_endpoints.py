"""The VPC endpoints that a network without internet access requires."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up


class Endpoint(NamedTuple):
    """One VPC endpoint.

    Attributes:
        service: such as "ecr.api"; the full name is `com.amazonaws.<region>.<service>`.
        type: "Gateway" (S3) or "Interface".
        reason: its purpose.
        features: features that require it: "base" for every cluster, the others for optional parts of a cluster
            ("observability", "ebs", "fsx", "kms", "inference", "rig").
        uncertain: field name to what the value was inferred from.
    """

    service: str
    type: Literal["Gateway", "Interface"]
    reason: str
    features: tuple[str, ...]
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.service)


@follows_facts
@cache
def endpoints() -> Mapping[str, Endpoint]:
    """Every endpoint by its service."""
    return MappingProxyType(
        {
            service: Endpoint(
                service=service,
                type=entry.get("type", "Interface"),
                reason=entry["reason"],
                features=tuple(entry["features"]),
                uncertain=MappingProxyType(entry.get("uncertain", {})),
            )
            for service, entry in load("endpoints")["endpoints"].items()
        }
    )


def endpoint(service: str) -> Endpoint:
    """Returns the endpoint of this service.

    Raises:
        UnknownName: the catalog does not have the endpoint; the message has the closest name.
    """
    return look_up("endpoint", service, endpoints())


def endpoints_for(features: Iterable[str]) -> tuple[Endpoint, ...]:
    """The endpoints that a closed network requires for these features and "base".

    >>> [endpoint.service for endpoint in endpoints_for(["fsx"]) if "base" not in endpoint.features]
    ['fsx']
    """
    wanted = {"base", *features}
    return tuple(endpoint for endpoint in endpoints().values() if wanted.intersection(endpoint.features))
