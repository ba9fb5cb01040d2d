"""Types of the public names; `__init__.py` loads them when they are first used."""

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
from .graph import prove
from .jobs import BatchJob, HyperPodPyTorchJob, PyTorchJob, compile_job
from .kubernetes import KubernetesObjects, KubernetesProvider, KubernetesWait
from .kubernetes.helm_release import HelmRelease
from .network import HyperPodNetwork
from .platform import HyperPodPlatform
from .spec import Cluster, Eks, InstanceGroup, Lifecycle, Network, Platform, RestrictedInstanceGroup, Taint, Volume
from .spec.dependencies import DependencyChart, FolderChart, GitChart, OciChart
from .stacks import platform_stacks
from .synth import use_packaged_node
from .training_job import TrainingJob, TrainingJobs

__all__ = [
    "BatchJob",
    "CertManagerAddon",
    "CloudWatchObservabilityAddon",
    "Cluster",
    "CoreDnsAddon",
    "DependencyChart",
    "EbsCsiAddon",
    "Eks",
    "EksClusterAttributes",
    "Finding",
    "FolderChart",
    "FsxCsiAddon",
    "GitChart",
    "HelmRelease",
    "HyperPodCluster",
    "HyperPodDependencies",
    "HyperPodEks",
    "HyperPodNetwork",
    "HyperPodPlatform",
    "HyperPodPyTorchJob",
    "InferenceOperatorAddon",
    "InstanceGroup",
    "InvalidSpec",
    "KubeProxyAddon",
    "KubernetesObjects",
    "KubernetesProvider",
    "KubernetesWait",
    "KueueAddon",
    "Lifecycle",
    "MetricsServerAddon",
    "MountpointS3CsiAddon",
    "Network",
    "OciChart",
    "Platform",
    "PodIdentityAgentAddon",
    "PyTorchJob",
    "RestrictedInstanceGroup",
    "Severity",
    "SpacesAddon",
    "Taint",
    "TaskGovernanceAddon",
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
