"""What may come with jobs: Kubernetes objects that are checked here and applied before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .foreign import job_kind
from .schema import Flaw, flaws, type_of

KEPT_KINDS = ("PersistentVolume", "PersistentVolumeClaim")
"""Kinds with which data may go."""

_CLUSTER_WIDE = (
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PersistentVolume"),
    *("PriorityClass", "StorageClass", "WorkloadPriorityClass", "ResourceFlavor", "ClusterQueue", "Topology"),
)


def placed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The object in its namespace: `default` where it names none and its kind is known to be in one.

    >>> placed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})["metadata"]
    {'name': 'a', 'namespace': 'default'}
    """
    metadata = dict(manifest["metadata"])
    if manifest["kind"] not in _CLUSTER_WIDE and not manifest["kind"].startswith("Cluster"):
        metadata.setdefault("namespace", "default")
    return {**manifest, "metadata": metadata}


def companion_flaws(manifest: Mapping[str, Any]) -> Iterator[Flaw]:
    """What Kubernetes refuses about an object; of kinds whose shape is not known here only what all objects have."""
    for key in ("apiVersion", "kind"):
        if not isinstance(manifest.get(key), str) or not manifest[key]:
            yield Flaw("", f"has no {key}", "Write a Kubernetes object with apiVersion, kind and metadata.name.")
            return
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        yield Flaw("", f"this {manifest['kind']} has no name", "State metadata.name.")
        return
    known = type_of(str(manifest["kind"]))
    if job_kind(manifest):
        yield Flaw(
            "",
            f"{manifest['kind']} {metadata['name']} is a job",
            "Turn it into a job file with `hyperpod jobs import`, and name that file in `jobs`.",
        )
    elif known:
        yield from (flaw for flaw in flaws(manifest, known) if not flaw.path.startswith("status"))
