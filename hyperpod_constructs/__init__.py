"""Amazon SageMaker HyperPod clusters on Amazon EKS as AWS CDK constructs, checked before they are deployed.

Importing this package is fast: every public name is loaded on first use, and the pure core (spec, catalog, checks, jobs)
never starts jsii.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from . import _moved

_EXPORTS = {
    "constructs.access": ("AccessEntries",),
    "constructs.addons": (
        "CertManagerAddon",
        "CloudWatchObservabilityAddon",
        "CoreDnsAddon",
        "EbsCsiAddon",
        "FsxCsiAddon",
        "InferenceOperatorAddon",
        "KubeProxyAddon",
        "KueueAddon",
        "MetricsServerAddon",
        "MountpointS3CsiAddon",
        "ObservabilityAddon",
        "PodIdentityAgentAddon",
        "SpacesAddon",
        "TaskGovernanceAddon",
        "TrainingOperatorAddon",
        "VpcCniAddon",
    ),
    "constructs.cluster": ("HyperPodCluster",),
    "constructs.dependencies": ("HyperPodDependencies",),
    "constructs.eks": ("HyperPodEks",),
    "constructs.imported_eks": ("EksClusterAttributes",),
    "constructs.interfaces": ("IHyperPodCluster",),
    "core.facts": ("use_facts",),
    "core.findings": ("Finding", "InvalidSpec", "Severity"),
    "constructs.governance": ("ClusterSchedulerConfig", "ComputeQuota", "HyperPodGovernance", "HyperPodTeam"),
    "constructs.grafana": ("ManagedGrafana", "SelfHostedGrafana"),
    "core.jobs": ("BatchJob", "HyperPodPyTorchJob", "PyTorchJob", "compile_job"),
    "constructs.kubernetes": (
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
    ),
    "constructs.kubernetes.helm_release": ("HelmRelease",),
    "constructs.network": ("HyperPodNetwork",),
    "constructs.observability": ("HyperPodAlarms", "PrometheusWorkspace"),
    "assembly.graph": ("prove",),
    "core.spec.dependencies": ("DependencyChart", "FolderChart", "GitChart", "OciChart"),
    "constructs.platform": ("HyperPodPlatform", "Scopes"),
    "core.spec": (
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
        "CloudWatchObservability",
        "Cluster",
        "ControllerResources",
        "CoreDns",
        "DataRepository",
        "Deployment",
        "DnsAutoscaling",
        "Eks",
        "ExistingEks",
        "ExistingNetwork",
        "Facts",
        "Governance",
        "Grafana",
        "InferenceOperator",
        "InstanceGroup",
        "Isolation",
        "Job",
        "Kueue",
        "Lifecycle",
        "Logs",
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
        "StatedAccelerator",
        "StatedInstanceType",
        "StatedRegion",
        "Storage",
        "Taint",
        "Team",
        "TieredStorage",
        "TrainingOperator",
        "Volume",
        "VpcCni",
    ),
    "constructs.bucket": ("HyperPodBucket",),
    "constructs.file_system": ("HyperPodFileSystem",),
    "constructs.storage": ("HyperPodStorage",),
    "assembly.stacks": ("platform_stacks",),
    "core.packaged_node": ("use_packaged_node",),
    "constructs.training_job": ("TrainingJob", "TrainingJobs"),
}
"""The public names of each submodule."""

_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_moved.install()
