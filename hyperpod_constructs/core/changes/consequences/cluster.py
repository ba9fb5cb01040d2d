"""Edits of the EKS cluster and of instance groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...catalog import minor
from ...spec.base import Change, is_token
from ..edit import Edit, edit
from .registry import Versions, on


@on("eks.kubernetes_version")
def _kubernetes_version(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if is_version(before) and is_version(after):
        steps = minor(after)[1] - minor(before)[1]
        if steps < 0:
            advice = "within 7 days of an upgrade, roll back one minor version; otherwise deploy a second platform"
            yield edit(path, Change.REFUSED, before, after, advice=advice)
            return
        if steps > 1:
            advice = f"upgrade one minor version at a time: `hyperpod upgrade-plan` lists the {steps} steps"
            yield edit(path, Change.REFUSED, before, after, advice=advice)
            return
    yield edit(path, Change.IN_PLACE, before, after)


def is_version(value: Any) -> bool:
    """Whether a value is a version such as 1.35."""
    parts = value.split(".") if isinstance(value, str) and not is_token(value) else []
    return len(parts) == 2 and all(part.isdecimal() and part.isascii() and len(part) < 5 for part in parts)


@on("eks.endpoint_access")
def _endpoint_access(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    impact = "kubectl and other clients outside the VPC lose access to the Kubernetes API; running work continues"
    yield edit(path, Change.IN_PLACE, before, after, impact=impact if after == "private" else "")


@on("eks.authentication_mode")
def _authentication_mode(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if after == "API":
        yield edit(
            path,
            Change.IN_PLACE,
            before,
            after,
            impact="changed in place, and not reversible: EKS does not support changing API to another mode",
            advice="first move the entries of the aws-auth ConfigMap, which EKS then ignores, to eks.access",
        )
    else:
        yield edit(
            path, Change.REFUSED, before, after, advice="keep API: EKS does not support changing it to another mode"
        )


@on("cluster.instance_groups[].count", "cluster.restricted_instance_groups[].count")
def _count(versions: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    index = int(path.rpartition("[")[2].partition("]")[0])
    groups = versions.new.cluster.instance_groups if ".instance_groups" in path else ()
    if index < len(groups) and groups[index].name in versions.new.cluster.scaled_groups:
        impact = "the autoscaler controls the count of this group: a deployment keeps the current count"
        yield edit(path, Change.NONE, before, after, impact=impact)
    elif after < before:
        advice = "remove specific nodes with BatchDeleteClusterNodes: UpdateCluster chooses the nodes that it removes"
        yield edit(path, Change.DRAINS, before, after, advice=advice)
    else:
        yield edit(path, Change.IN_PLACE, before, after)


_LIFECYCLE = "new and replaced nodes run it; existing nodes keep the result of the scripts that they ran at creation"


@on("cluster.lifecycle", "cluster.instance_groups[].lifecycle", "cluster.lifecycle_bucket_name")
def _lifecycle(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    advice = "to apply it to existing nodes, replace them (`hyperpod nodes replace`) when no job runs"
    yield edit(path, Change.IN_PLACE, before, after, impact=_LIFECYCLE, advice=advice)


@on("cluster.autoscaling")
def _autoscaling(_: Versions, path: str, before: Any, after: Any) -> Iterator[Edit]:
    if after is None:
        advice = "delete the node pools first, so that no new nodes appear"
        yield edit(path, Change.DRAINS, before, after, advice=advice)
    elif before is None:
        yield edit(path, Change.IN_PLACE, before, after)
    else:
        for name, change in (("enabled", Change.DRAINS if before.enabled else Change.IN_PLACE), ("groups", Change.IN_PLACE),
                             ("cluster_role_arn", Change.REFUSED), ("node_pool", Change.DRAINS)):  # fmt: skip
            old, other = getattr(before, name), getattr(after, name)
            if old != other:
                yield edit(f"{path}.{name}", change, old, other)
