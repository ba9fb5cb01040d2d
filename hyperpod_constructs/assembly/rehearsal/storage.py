"""FSx for Lustre: the storage capacity cannot decrease, and data repository associations must not overlap."""

from __future__ import annotations

from .account import AwsResource, Refused
from .resources import MODELS, Model, Request, Resources

_LINK = "AWS::FSx::DataRepositoryAssociation"


def _before_capacity_update(_: Resources, resource: AwsResource, request: Request) -> None:
    before, after = (int(system.get("StorageCapacity", 0)) for system in (resource.properties, request.properties))
    if after < before:
        raise Refused(f"the storage capacity of {resource.id} is {before} GiB and cannot be decreased to {after} GiB")


def _before_association(services: Resources, request: Request) -> None:
    wanted = request.properties
    for other in services.account.of_kind(_LINK):
        linked = other.properties
        if linked["FileSystemId"] == wanted["FileSystemId"] and any(
            _overlap(linked[key], wanted[key]) for key in ("FileSystemPath", "DataRepositoryPath")
        ):
            new, old = (f"{link['FileSystemPath']} with {link['DataRepositoryPath']}" for link in (wanted, linked))
            raise Refused(f"{new} overlaps with the data repository association {other.id}: {old}")


def _overlap(path: str, other: str) -> bool:
    """Whether two directories or prefixes are equal, or one contains the other."""
    first, second = f"{path.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)


MODELS |= {
    "AWS::FSx::FileSystem": Model(before_update=_before_capacity_update),
    _LINK: Model(before_create=_before_association),
}
