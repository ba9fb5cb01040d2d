"""Fields that controllers set, which an update does not change.

===================================  ==========================  ==================================
field                                kinds                       set by
===================================  ==========================  ==================================
``spec.replicas``                    Deployment, StatefulSet,    an autoscaler, ``kubectl scale``
                                     ReplicaSet
``spec.suspend``                     Job                         Kueue, while a job waits
``spec.runPolicy.suspend``           PyTorchJob,                 Kueue, while a job waits
                                     HyperPodPyTorchJob
===================================  ==========================  ==================================

Such a field is not changed if all of the following are true: a field manager of another client owns it, its value differs
from the manifest, and the value in the manifest is the same as before the update. A change in the manifest is applied.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .former import ABSENT, Path, owned_by, value

_REPLICAS: Path = ("f:spec", "f:replicas")
_SUSPEND: Path = ("f:spec", "f:suspend")
_RUN_POLICY: Path = ("f:spec", "f:runPolicy", "f:suspend")
FIELDS: Mapping[str, tuple[Path, ...]] = {
    "Deployment": (_REPLICAS,),
    "ReplicaSet": (_REPLICAS,),
    "StatefulSet": (_REPLICAS,),
    "Job": (_SUSPEND,),
    "PyTorchJob": (_SUSPEND, _RUN_POLICY),
    "HyperPodPyTorchJob": (_SUSPEND, _RUN_POLICY),
}


def without_controlled(
    item: dict[str, Any], current: Mapping[str, Any], former: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[Path]]:
    """Returns the object in the manifest without the fields that a controller has set, and the paths of these fields.

    Args:
        item: the object in the manifest.
        current: the object in the cluster.
        former: the object of the manifest before this update, if there was one.
    """
    found = []
    for path in FIELDS.get(item["kind"], ()):
        wanted = value(item, path)
        if wanted is ABSENT or value(current, path) in (ABSENT, wanted):
            continue
        if former is not None and value(former, path) != wanted:
            continue
        if any(path in owned_by(current, manager) for manager in _others(current)):
            found.append(path)
    if found:
        item = copy.deepcopy(item)
        for path in found:
            holder = value(item, path[:-1])
            del holder[path[-1][2:]]
    return item, found


def with_bound_size(item: dict[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an object; a PersistentVolumeClaim without a storage class gets its current size.

    Kubernetes rejects a change of the size of such a claim, which has no effect: the file system determines the size.
    """
    wanted, now = item.get("spec") or {}, current.get("spec") or {}
    if item["kind"] != "PersistentVolumeClaim" or wanted.get("storageClassName") != "" or "resources" not in now:
        return item
    return {**item, "spec": {**wanted, "resources": now["resources"]}}


def _others(current: Mapping[str, Any]) -> set[str]:
    managed = (current.get("metadata") or {}).get("managedFields") or []
    return {str(m.get("manager")) for m in managed if not str(m.get("manager")).startswith("hyperpod-constructs")}
