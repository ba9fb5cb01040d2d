"""The spec: the vocabulary of the product as frozen pydantic models.

A module is imported when one of its names is first used: making the classes takes time, and a job needs no network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .addons import (
        ADDON_NAMES,
        CORE,
        PREREQUISITES,
        Addon,
        Addons,
        CertManager,
        CloudWatchObservability,
        ControllerResources,
        CoreDns,
        DnsAutoscaling,
        InferenceOperator,
        Kueue,
        MetricsServer,
        MountpointS3,
        Spaces,
        SpacesWebUi,
        TrainingOperator,
        VpcCni,
    )
    from .base import Change, SpecModel, change_of, configuration_of, is_token
    from .cluster import Autoscaling, Cluster, SharedEnvironment, TieredStorage
    from .dependencies import DependencyChart
    from .eks import Access, Eks, ExistingEks
    from .governance import Governance, PriorityClass, QuotaResource, Scheduler, Team
    from .groups import (
        AutoPatch,
        BatchSize,
        Deployment,
        InstanceGroup,
        Lifecycle,
        LustreEfaClient,
        LustreMount,
        OpenZfsMount,
        RestrictedInstanceGroup,
        ScheduledUpdate,
        Taint,
        Volume,
    )
    from .jobs import Job
    from .network import ExistingNetwork, Network, NodeSubnet
    from .observability import Alarms, Grafana, Metrics, Observability
    from .platform import Acknowledgement, Platform
    from .storage import Bucket, DataRepository, LustreFileSystem, Storage

_MODULES = {
    "addons": (
        "ADDON_NAMES",
        "CORE",
        "PREREQUISITES",
        "Addon",
        "Addons",
        "CertManager",
        "CloudWatchObservability",
        "ControllerResources",
        "CoreDns",
        "DnsAutoscaling",
        "InferenceOperator",
        "Kueue",
        "MetricsServer",
        "MountpointS3",
        "Spaces",
        "SpacesWebUi",
        "TrainingOperator",
        "VpcCni",
    ),
    "base": ("Change", "SpecModel", "change_of", "configuration_of", "is_token"),
    "cluster": ("Autoscaling", "Cluster", "SharedEnvironment", "TieredStorage"),
    "dependencies": ("DependencyChart",),
    "eks": ("Access", "Eks", "ExistingEks"),
    "governance": ("Governance", "PriorityClass", "QuotaResource", "Scheduler", "Team"),
    "groups": (
        "AutoPatch",
        "BatchSize",
        "Deployment",
        "InstanceGroup",
        "Lifecycle",
        "LustreEfaClient",
        "LustreMount",
        "OpenZfsMount",
        "RestrictedInstanceGroup",
        "ScheduledUpdate",
        "Taint",
        "Volume",
    ),
    "jobs": ("Job",),
    "network": ("ExistingNetwork", "Network", "NodeSubnet"),
    "observability": ("Alarms", "Grafana", "Metrics", "Observability"),
    "platform": ("Acknowledgement", "Platform"),
    "storage": ("Bucket", "DataRepository", "LustreFileSystem", "Storage"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "ADDON_NAMES",
    "CORE",
    "PREREQUISITES",
    "Access",
    "Acknowledgement",
    "Addon",
    "Addons",
    "Alarms",
    "AutoPatch",
    "Autoscaling",
    "BatchSize",
    "Bucket",
    "CertManager",
    "Change",
    "CloudWatchObservability",
    "Cluster",
    "ControllerResources",
    "CoreDns",
    "DataRepository",
    "DependencyChart",
    "Deployment",
    "DnsAutoscaling",
    "Eks",
    "ExistingEks",
    "ExistingNetwork",
    "Governance",
    "Grafana",
    "InferenceOperator",
    "InstanceGroup",
    "Job",
    "Kueue",
    "Lifecycle",
    "LustreEfaClient",
    "LustreFileSystem",
    "LustreMount",
    "Metrics",
    "MetricsServer",
    "MountpointS3",
    "Network",
    "NodeSubnet",
    "Observability",
    "OpenZfsMount",
    "Platform",
    "PriorityClass",
    "QuotaResource",
    "RestrictedInstanceGroup",
    "ScheduledUpdate",
    "Scheduler",
    "SharedEnvironment",
    "Spaces",
    "SpacesWebUi",
    "SpecModel",
    "Storage",
    "Taint",
    "Team",
    "TieredStorage",
    "TrainingOperator",
    "Volume",
    "VpcCni",
    "change_of",
    "configuration_of",
    "is_token",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
