"""FSx for Lustre: what cannot be undone, and directories that are linked to S3 once."""

from __future__ import annotations

from .account import Refused, Thing
from .resources import MODELS, Model, Request, Resources

_LINK = "AWS::FSx::DataRepositoryAssociation"


def _capacity(_: Resources, thing: Thing, request: Request) -> None:
    before, after = (int(one.get("StorageCapacity", 0)) for one in (thing.properties, request.properties))
    if after < before:
        raise Refused(f"the storage capacity of {thing.id} is {before} GiB and cannot be decreased to {after} GiB")


def _link(services: Resources, request: Request) -> None:
    wanted = request.properties
    for other in services.account.of_kind(_LINK):
        linked = other.properties
        if linked["FileSystemId"] == wanted["FileSystemId"] and any(
            _overlap(linked[key], wanted[key]) for key in ("FileSystemPath", "DataRepositoryPath")
        ):
            new, old = (f"{one['FileSystemPath']} with {one['DataRepositoryPath']}" for one in (wanted, linked))
            raise Refused(f"{new} overlaps with the data repository association {other.id}: {old}")


def _overlap(one: str, other: str) -> bool:
    """Whether a directory or a prefix is the other, or in it."""
    first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)


MODELS |= {
    "AWS::FSx::FileSystem": Model(before_update=_capacity),
    _LINK: Model(before_create=_link),
}
