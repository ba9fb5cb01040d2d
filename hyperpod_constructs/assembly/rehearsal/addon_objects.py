"""Objects that add-ons and charts install and that other objects depend on."""

from __future__ import annotations

from collections.abc import Mapping

from .kinds import Json

KARPENTER = (
    "hyperpodnodeclasses.karpenter.sagemaker.amazonaws.com",
    "nodepools.karpenter.sh",
    "nodeclaims.karpenter.sh",
)
"""Kinds that a HyperPod cluster installs for autoscaling."""

_KINDS: dict[str, tuple[str, str, str]] = {
    "hyperpodpytorchjobs.sagemaker.amazonaws.com": ("HyperPodPyTorchJob", "v1", "Namespaced"),
    "pytorchjobs.kubeflow.org": ("PyTorchJob", "v1", "Namespaced"),
    "hyperpodnodeclasses.karpenter.sagemaker.amazonaws.com": ("HyperpodNodeClass", "v1", "Cluster"),
    "nodepools.karpenter.sh": ("NodePool", "v1", "Cluster"),
    "nodeclaims.karpenter.sh": ("NodeClaim", "v1", "Cluster"),
}


def workload(kind: str, namespace: str, name: str, labels: Mapping[str, str]) -> Json:
    """A Deployment or a DaemonSet."""
    selector = {"app": name}
    pod = {"containers": [{"name": name, "image": f"{name}:1"}]}
    spec: Json = {"selector": {"matchLabels": selector}, "template": {"metadata": {"labels": selector}, "spec": pod}}
    if kind == "Deployment":
        spec["replicas"] = 1
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": {}}


def definition(name: str, labels: Mapping[str, str]) -> Json:
    """A CustomResourceDefinition."""
    plural, _, group = name.partition(".")
    kind, version, scope = _KINDS.get(name, (plural.removesuffix("s").title(), "v1", "Namespaced"))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": scope,
            "versions": [{"name": version, "served": True}],
        },
    }


def service(namespace: str, name: str, labels: Mapping[str, str]) -> Json:
    """A Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {"selector": {"k8s-app": name}},
    }
