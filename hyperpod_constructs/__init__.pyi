"""Types of the public names; `__init__.py` loads them when they are first used."""

from .access import AccessEntries
from .addons import (
    CertManagerAddon,
    CloudWatchObservabilityAddon,
    CoreDnsAddon,
    EbsCsiAddon,
    FsxCsiAddon,
    InferenceOperatorAddon,
    KubeProxyAddon,
    KueueAddon,
    MetricsServerAddon,
    MountpointS3CsiAddon,
    ObservabilityAddon,
    PodIdentityAgentAddon,
    SpacesAddon,
    TaskGovernanceAddon,
    TrainingOperatorAddon,
    VpcCniAddon,
)
from .cluster import HyperPodCluster
from .dependencies import HyperPodDependencies
from .eks import EksClusterAttributes, HyperPodEks
from .findings import Finding, InvalidSpec, Severity
from .governance import ClusterSchedulerConfig, ComputeQuota, HyperPodGovernance, HyperPodTeam
from .grafana import ManagedGrafana, SelfHostedGrafana
from .graph import prove
from .jobs import BatchJob, HyperPodPyTorchJob, PyTorchJob, compile_job
from .kubernetes import KubernetesObjects, KubernetesProvider, KubernetesWait
from .kubernetes.helm_release import HelmRelease
from .network import HyperPodNetwork
from .observability import HyperPodAlarms, PrometheusWorkspace
from .platform import HyperPodPlatform
from .spec import (
    Access,
    Bucket,
    Cluster,
    Eks,
    Governance,
    InstanceGroup,
    Lifecycle,
    LustreFileSystem,
    Network,
    Observability,
    Platform,
    QuotaResource,
    RestrictedInstanceGroup,
    Scheduler,
    Storage,
    Taint,
    Team,
    Volume,
)
from .spec.dependencies import DependencyChart, FolderChart, GitChart, OciChart
from .stacks import platform_stacks
from .storage import HyperPodBucket, HyperPodFileSystem, HyperPodStorage
from .synth import use_packaged_node
from .training_job import TrainingJob, TrainingJobs

__all__ = [
    "Access",
    "AccessEntries",
    "BatchJob",
    "Bucket",
    "CertManagerAddon",
    "CloudWatchObservabilityAddon",
    "Cluster",
    "ClusterSchedulerConfig",
    "ComputeQuota",
    "CoreDnsAddon",
    "DependencyChart",
    "EbsCsiAddon",
    "Eks",
    "EksClusterAttributes",
    "Finding",
    "FolderChart",
    "FsxCsiAddon",
    "GitChart",
    "Governance",
    "HelmRelease",
    "HyperPodAlarms",
    "HyperPodBucket",
    "HyperPodCluster",
    "HyperPodDependencies",
    "HyperPodEks",
    "HyperPodFileSystem",
    "HyperPodGovernance",
    "HyperPodNetwork",
    "HyperPodPlatform",
    "HyperPodPyTorchJob",
    "HyperPodStorage",
    "HyperPodTeam",
    "InferenceOperatorAddon",
    "InstanceGroup",
    "InvalidSpec",
    "KubeProxyAddon",
    "KubernetesObjects",
    "KubernetesProvider",
    "KubernetesWait",
    "KueueAddon",
    "Lifecycle",
    "LustreFileSystem",
    "ManagedGrafana",
    "MetricsServerAddon",
    "MountpointS3CsiAddon",
    "Network",
    "Observability",
    "ObservabilityAddon",
    "OciChart",
    "Platform",
    "PodIdentityAgentAddon",
    "PrometheusWorkspace",
    "PyTorchJob",
    "QuotaResource",
    "RestrictedInstanceGroup",
    "Scheduler",
    "SelfHostedGrafana",
    "Severity",
    "SpacesAddon",
    "Storage",
    "Taint",
    "TaskGovernanceAddon",
    "Team",
    "TrainingJob",
    "TrainingJobs",
    "TrainingOperatorAddon",
    "Volume",
    "VpcCniAddon",
    "compile_job",
    "platform_stacks",
    "prove",
    "use_packaged_node",
]
