"""Edits of file systems and buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...catalog import minor
from ...spec.base import Change
from ...spec.storage import LustreFileSystem
from ..edit import Edit, edit
from .cluster import is_version
from .registry import Versions, on


@on("storage.lustre[].lustre_version")
def _lustre_version(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if is_version(before) and is_version(after) and minor(after) < minor(before):
        yield edit(path, Change.REFUSED, before, after, impact="FSx rejects the change: the new version must be newer",
                   advice="keep the version, or create a second file system")  # fmt: skip
    else:
        impact = "FSx upgrades the file system; pods that mount it are interrupted, data is retained"
        yield edit(path, Change.DRAINS, before, after, impact=impact, advice="stop the pods that mount it first")


@on("storage.lustre[].throughput")
def _throughput(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if _system(versions, path).deployment_type != _system(versions, path, old=True).deployment_type:
        return  # reported with the deployment type
    impact = "FSx replaces the file servers: the file system is unavailable for a few minutes, then I/O continues"
    yield edit(path, Change.DRAINS, before, after, impact=impact)


@on("storage.lustre[].size_gib")
def _size(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if after < before:
        yield edit(path, Change.REFUSED, before, after, impact="FSx rejects the change: the capacity can only be increased",
                   advice="create a smaller file system and move the data")  # fmt: skip
    else:
        impact = "the file system grows; it may be unavailable for a few minutes, and I/O then continues"
        yield edit(path, Change.IN_PLACE, before, after, impact=impact)


@on(*(f"storage.lustre[].{name}" for name in ("deployment_type", "efa", "availability_zone_id", "kms_key_arn")))
def _replaced_system(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    system = _system(versions, path)
    if system.existing_id or _system(versions, path, old=True).existing_id:
        return  # an existing file system is not managed by the stacks
    retained = system.removal == "retain"
    impact = "a new, empty file system is created; "
    impact += (
        "the old one is retained outside the stacks, and billed" if retained else "the old one is deleted with its data"
    )
    index = path.rpartition("]")[0].rpartition("[")[2]
    named = versions.new.storage.lustre[int(index)]
    follows = path.endswith("availability_zone_id")
    advice = (
        f"set {path} to {before}" if follows else "restore the value, or create a second file system and copy the data"
    )
    if follows:
        impact += "; unless the file system sets its zone, the deployment is rejected before anything changes"
    message = f"the file system {named.name!r} moves from {before} to {after}".replace("'", '"') if follows else ""
    yield edit(
        path, Change.REPLACES if retained else Change.LOSES_DATA, before, after, message, impact=impact, advice=advice
    )


def _system(versions: Versions, path: str, *, old: bool = False) -> LustreFileSystem:
    """Returns the file system of a path; paths have the index of the new config."""
    name = versions.new.storage.lustre[int(path.partition("[")[2].partition("]")[0])].name
    return next(
        file_system
        for file_system in (versions.old if old else versions.new).storage.lustre
        if file_system.name == name
    )


@on("storage.lustre[].existing_id")
def _existing_system(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    impact = "the volumes and claims point to another file system; Kubernetes rejects changing them in place"
    yield edit(path, Change.REFUSED, before, after, impact=impact, advice="use a new name for the other file system")


@on("storage.lustre[].namespaces", "storage.buckets[].namespaces")
def _claims(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    added, gone = [n for n in after if n not in before], [n for n in before if n not in after]
    if added:
        yield edit(path, Change.IN_PLACE, None, added, f"claims are added in {', '.join(added)}")
    if gone:
        impact = "running pods keep the mounted claim until they end; new pods that use it cannot start"
        yield edit(path, Change.DRAINS, gone, None, f"claims are removed from {', '.join(gone)}", impact=impact)


@on("storage.lustre[].removal", "storage.buckets[].removal")
def _removal(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    later = "deleted with its data" if after == "destroy" else "retained"
    yield edit(
        path,
        Change.NONE,
        before,
        after,
        impact=f"no immediate effect; when it is removed or its stack is deleted, it is {later}",
    )


@on("storage.lustre[].data_repositories[].bucket")
def _repository(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    yield second_link(path, before, after)


def second_link(path: str, before: Any, after: Any, message: str = "") -> Edit:
    """Returns the edit of an association that FSx rejects, because another one has the same directory or prefix."""
    impact = (
        "FSx rejects a second association for a directory or an S3 prefix, and CloudFormation creates it while the first "
        "one exists"
    )
    advice = (
        "remove the entry and deploy; then delete the association (`aws fsx delete-data-repository-association`), add the "
        "new entry and deploy again"
    )
    return edit(path, Change.REFUSED, before, after, message, impact=impact, advice=advice)


@on("storage.buckets[].access")
def _bucket_access(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    order = ("none", "read", "read-write")
    less = order.index(after) < order.index(before)
    impact = "jobs that use the removed permissions fail" if less else ""
    yield edit(path, Change.DRAINS if less else Change.IN_PLACE, before, after, impact=impact)
