"""Kubernetes objects, waits and Helm releases as resources of a stack."""

from __future__ import annotations

from .conditions import (
    WaitCondition,
    addon_active,
    crd_established,
    daemon_set_ready,
    deployment_available,
    endpoints_ready,
    job_finished,
    job_started,
    nodes_ready,
    object_condition,
)
from .existing_objects import KubernetesCopy, KubernetesFields
from .objects import KubernetesObjects
from .provider import KubernetesProvider
from .wait import KubernetesWait

__all__ = [
    "KubernetesCopy",
    "KubernetesFields",
    "KubernetesObjects",
    "KubernetesProvider",
    "KubernetesWait",
    "WaitCondition",
    "addon_active",
    "crd_established",
    "daemon_set_ready",
    "deployment_available",
    "endpoints_ready",
    "job_finished",
    "job_started",
    "nodes_ready",
    "object_condition",
]
