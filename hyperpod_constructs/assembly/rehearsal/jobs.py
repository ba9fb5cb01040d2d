"""The training jobs in a cluster, and the nodes that they run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kubernetes import KubernetesCluster

_KINDS = (
    ("sagemaker.amazonaws.com", "hyperpodpytorchjobs"),
    ("kubeflow.org", "pytorchjobs"),
    ("batch", "jobs"),
)
_TYPE = "node.kubernetes.io/instance-type"


def running_jobs(cluster: KubernetesCluster) -> Iterator[tuple[str, str, int]]:
    """Namespace and name of each job with pods on nodes of one instance type, that type, and the number of its pods."""
    for group, plural in _KINDS:
        for key, item in cluster.store.objects.of(group, plural):
            if item["metadata"].get("deletionTimestamp"):
                continue
            for pods, template in _replicas(item.get("spec") or {}):
                kind = ((template.get("spec") or {}).get("nodeSelector") or {}).get(_TYPE)
                if kind:
                    yield f"{key[2]}/{key[3]}", str(kind), pods


def _replicas(spec: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for part in (*(spec.get("replicaSpecs") or ()), *(spec.get("pytorchReplicaSpecs") or {}).values()):
        yield int(part.get("replicas", 1)), part.get("template") or {}
    if "template" in spec:
        yield int(spec.get("parallelism", 1)), spec["template"]
