"""Kubernetes objects that are deployed with jobs: validated here and applied before the jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .foreign import job_kind
from .schema import Flaw, flaws, type_of

KEPT_KINDS = ("PersistentVolume", "PersistentVolumeClaim")
"""Kinds whose deletion can delete data."""

_CLUSTER_SCOPED = (
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PersistentVolume"),
    *("PriorityClass", "StorageClass", "WorkloadPriorityClass", "ResourceFlavor", "ClusterQueue", "Topology"),
)


def placed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the object with a namespace: `default` if it sets none, unless its kind is cluster-scoped.

    >>> placed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})["metadata"]
    {'name': 'a', 'namespace': 'default'}
    """
    metadata = dict(manifest["metadata"])
    if manifest["kind"] not in _CLUSTER_SCOPED and not manifest["kind"].startswith("Cluster"):
        metadata.setdefault("namespace", "default")
    return {**manifest, "metadata": metadata}


def companion_flaws(manifest: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yields the parts of an object that Kubernetes rejects; if its kind is unknown, only the required keys are checked."""
    for key in ("apiVersion", "kind"):
        if not isinstance(manifest.get(key), str) or not manifest[key]:
            yield Flaw(
                "", f"the key {key} is missing", "Write a Kubernetes object with apiVersion, kind and metadata.name."
            )
            return
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        yield Flaw("", f"this {manifest['kind']} has no name", "Set metadata.name.")
        return
    known = type_of(str(manifest["kind"]))
    if job_kind(manifest):
        yield Flaw(
            "",
            f"{manifest['kind']} {metadata['name']} is a job",
            "Convert it to a job file with `hyperpod jobs import`, and list that file in `jobs`.",
        )
    elif known:
        yield from (flaw for flaw in flaws(manifest, known) if not flaw.path.startswith("status"))
