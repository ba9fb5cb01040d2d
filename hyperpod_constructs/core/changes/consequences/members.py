"""Members that are added to lists or removed from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...spec.addons import InferenceOperator
from ...spec.base import Change
from ...spec.groups import InstanceGroup, RestrictedInstanceGroup
from ...spec.jobs import Job
from ...spec.observability import Observability
from ...spec.platform import Platform
from ...spec.storage import Bucket, DataRepository, LustreFileSystem
from ..edit import Edit, edit
from .registry import Versions
from .storage import second_link


def added(versions: Versions, path: str, item: Any, name: str) -> Iterator[Edit]:
    """Returns the effect of a new member."""
    name = str(getattr(item, "name", name))
    if ".taints[" in path and item.effect == "NoExecute":
        impact = "Kubernetes evicts every pod on these nodes that does not tolerate the taint"
        yield edit(path, Change.DRAINS, None, item, f'"{name}" is new', impact=impact)
    elif isinstance(item, DataRepository) and item.bucket in _linked(versions, path):
        yield second_link(path, None, item, f'"{name}" is new, and {item.bucket} is linked to another directory')
    else:
        yield edit(path, Change.IN_PLACE, None, item, f'"{name}" is new')


def removed(versions: Versions, path: str, item: Any, name: str) -> Iterator[Edit]:
    """Returns the effect of a removed member."""
    message = f'"{getattr(item, "name", name)}" is removed'
    if isinstance(item, InstanceGroup | RestrictedInstanceGroup):
        loses = getattr(item, "lustre_size_gib", None) is not None
        impact = "its nodes are removed; the file system of the group is deleted" if loses else ""
        yield edit(
            path, Change.LOSES_DATA if loses else Change.DRAINS, item, None, f"{message} with its nodes", impact=impact
        )
    elif isinstance(item, LustreFileSystem | Bucket):
        yield _storage_removed(path, item, message)
    elif isinstance(item, Job):
        yield edit(path, Change.DRAINS, item, None, message, impact="the job is deleted: if it runs, it is stopped",
                   advice="wait until it has finished")  # fmt: skip
    elif path.startswith("governance.teams"):
        yield edit(path, Change.DRAINS, item, None, message,
                   impact="quota, queue and permissions are deleted; its workloads are stopped",
                   advice="wait until its jobs have finished")  # fmt: skip
    elif ".data_repositories[" in path:
        yield _link_removed(versions, path, item, message)
    elif ".taints[" in path or path.startswith(("eks.access", "acknowledge")):
        change = Change.NONE if path.startswith("acknowledge") else Change.IN_PLACE
        yield edit(path, change, item, None, message)
    else:
        yield edit(path, Change.DRAINS, item, None, message)


def addon_removed(versions: Versions, path: str, addon: object) -> Edit:
    """Returns the effect of uninstalling an add-on, including that on its data."""
    message = "is removed with its pods; anything that depends on it stops"
    if isinstance(addon, Observability) and addon.workspace_arn is None:
        if not addon.retain_workspace and versions.old.allow_data_loss:
            impact = "its Prometheus workspace is deleted with its metrics"
            return edit(path, Change.LOSES_DATA, addon, None, message, impact=impact)
        impact = "its pods stop; its Prometheus workspace is retained outside the stacks, and billed"
        return edit(path, Change.DRAINS, addon, None, message, impact=impact)
    if isinstance(addon, InferenceOperator) and addon.tls_bucket_name is None:
        impact = "its pods stop; its bucket of certificates is retained outside the stacks, and billed"
        return edit(path, Change.DRAINS, addon, None, message, impact=impact)
    return edit(path, Change.DRAINS, addon, None, message)


def _link_removed(versions: Versions, path: str, item: DataRepository, message: str) -> Edit:
    if _system(versions.new, path).removal == "destroy":  # effective: `retain` unless data loss is allowed
        impact = "the association is deleted: the directory is no longer synchronized with S3; files are retained"
        return edit(path, Change.IN_PLACE, item, None, message, impact=impact)
    impact = (
        "the association is removed from the stack and retained: FSx continues to synchronize the directory with S3"
    )
    advice = "to stop it, run `aws fsx delete-data-repository-association --association-id ID`"
    return edit(path, Change.IN_PLACE, item, None, message, impact=impact, advice=advice)


def _system(platform: Platform, path: str) -> LustreFileSystem:
    return platform.storage.lustre[int(path.partition("[")[2].partition("]")[0])]


def _linked(versions: Versions, path: str) -> set[str]:
    """Returns the buckets that the file system of a path was linked to."""
    name = _system(versions.new, path).name
    systems = (system for system in versions.old.storage.lustre if system.name == name)
    return {link.bucket for system in systems for link in system.data_repositories}


def _storage_removed(path: str, item: LustreFileSystem | Bucket, message: str) -> Edit:
    if isinstance(item, LustreFileSystem) and item.existing_id is not None:
        return edit(
            path, Change.DRAINS, item, None, message, impact="its claims are removed; the file system is retained"
        )
    if item.removal == "destroy":
        return edit(path, Change.LOSES_DATA, item, None, message)
    impact = "it is retained outside the stacks, and billed"
    if item.namespaces:
        return edit(path, Change.DRAINS, item, None, message, impact=f"its claims are removed; {impact}")
    return edit(path, Change.IN_PLACE, item, None, message, impact=impact)
