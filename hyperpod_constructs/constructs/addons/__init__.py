"""EKS add-ons, one construct each, created in the order of their prerequisites."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from constructs import Construct

from .base import EksAddon, NodeAddon
from .cert_manager import CertManagerAddon
from .cloudwatch_observability import CloudWatchObservabilityAddon
from .coredns import CoreDnsAddon
from .ebs_csi import EbsCsiAddon
from .fsx_csi import FsxCsiAddon
from .inference_operator import InferenceOperatorAddon
from .kube_proxy import KubeProxyAddon
from .kueue import KueueAddon
from .metrics_server import MetricsServerAddon
from .mountpoint_s3_csi import MountpointS3CsiAddon
from .observability import ObservabilityAddon
from .pod_identity_agent import PodIdentityAgentAddon
from .spaces import SpacesAddon
from .task_governance import TaskGovernanceAddon
from .training_operator import TrainingOperatorAddon
from .vpc_cni import VpcCniAddon

CORE_ADDONS: Mapping[str, Callable[..., EksAddon]] = {
    "vpc_cni": VpcCniAddon,
    "kube_proxy": KubeProxyAddon,
    "pod_identity_agent": PodIdentityAgentAddon,
}
"""Config key to the construct of each add-on of the control plane: DaemonSets, which are active without nodes."""

NODE_ADDONS: Mapping[str, Callable[..., Construct]] = {
    "coredns": CoreDnsAddon,
    "cert_manager": CertManagerAddon,
    "task_governance": TaskGovernanceAddon,
    "kueue": KueueAddon,
    "metrics_server": MetricsServerAddon,
    "ebs_csi": EbsCsiAddon,
    "fsx_csi": FsxCsiAddon,
    "mountpoint_s3_csi": MountpointS3CsiAddon,
    "training_operator": TrainingOperatorAddon,
    "observability": ObservabilityAddon,
    "inference_operator": InferenceOperatorAddon,
    "spaces": SpacesAddon,
    "cloudwatch_observability": CloudWatchObservabilityAddon,
}
"""Config key to the construct of each add-on that requires nodes."""

__all__ = [
    "CORE_ADDONS",
    "NODE_ADDONS",
    "CertManagerAddon",
    "CloudWatchObservabilityAddon",
    "CoreDnsAddon",
    "EbsCsiAddon",
    "EksAddon",
    "FsxCsiAddon",
    "InferenceOperatorAddon",
    "KubeProxyAddon",
    "KueueAddon",
    "MetricsServerAddon",
    "MountpointS3CsiAddon",
    "NodeAddon",
    "ObservabilityAddon",
    "PodIdentityAgentAddon",
    "SpacesAddon",
    "TaskGovernanceAddon",
    "TrainingOperatorAddon",
    "VpcCniAddon",
]
