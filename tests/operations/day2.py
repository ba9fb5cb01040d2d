"""Helpers of the day-2 tests."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from fake_api_server import FakeApiServer

CRDS = {
    "hyperpodpytorchjobs": ("sagemaker.amazonaws.com", "HyperPodPyTorchJob", "v1"),
    "pytorchjobs": ("kubeflow.org", "PyTorchJob", "v1"),
    "workloads": ("kueue.x-k8s.io", "Workload", "v1beta1"),
}


def put_crd(server: FakeApiServer, plural: str) -> None:
    group, kind, version = CRDS[plural]
    server.store.put(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [{"name": version, "served": True}],
            },
        }
    )


def kubeconfig(server: FakeApiServer) -> dict[str, Any]:
    authority = base64.b64encode(server.ca_pem.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": server.url, "certificate-authority-data": authority}}],
        "users": [{"name": "me", "user": {"token": server.token}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
        "current-context": "fake",
    }


class FakeTime:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.at = 0.0
        self.then: list[Callable[[], None]] = []

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        if self.then:
            self.then.pop(0)()

    def monotonic(self) -> float:
        return self.at


HYPERPOD = {"apiVersion": "sagemaker.amazonaws.com/v1", "kind": "HyperPodPyTorchJob"}
KUBEFLOW = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}


def job(api, name="llama", kind=HYPERPOD, namespace="team", state="Running", labels=None, spec=None):
    conditions = [{"type": "Created", "status": "True"}]
    if state:
        conditions.append({"type": state, "status": "True", "reason": "Because", "message": "as it is"})
    return api.store.put(
        {
            **kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": labels or {},
                "creationTimestamp": "2026-11-22T10:00:00Z",
            },
            "spec": spec or {"replicaSpecs": [{"name": "pod", "replicas": 2}]},
            "status": {"conditions": conditions},
        }
    )


def pod(api, name, labels, namespace="team", **status):
    return api.store.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "pytorch"}, {"name": "sidecar"}], "nodeName": "node-1"},
            "status": {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 3}], **status},
        }
    )
