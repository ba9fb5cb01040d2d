"""The spec: the vocabulary of the product as frozen pydantic models."""

from .addons import ADDON_NAMES, PREREQUISITES, Addon, Addons, InferenceOperator, Kueue, MountpointS3, TrainingOperator
from .base import Change, SpecModel, change_of, is_token
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

__all__ = [
    "ADDON_NAMES",
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
    "Change",
    "Cluster",
    "DataRepository",
    "DependencyChart",
    "Deployment",
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
    "LustreFileSystem",
    "LustreMount",
    "Metrics",
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
    "SpecModel",
    "Storage",
    "Taint",
    "Team",
    "TieredStorage",
    "TrainingOperator",
    "Volume",
    "change_of",
    "is_token",
]
