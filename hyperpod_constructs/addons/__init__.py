"""EKS add-ons, one construct each, ordered by what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .base import EksAddon, NodeAddon
from .cert_manager import CertManagerAddon
from .core import CoreDnsAddon, KubeProxyAddon, VpcCniAddon
from .fsx_csi import FsxCsiAddon
from .pod_identity_agent import PodIdentityAgentAddon
from .task_governance import TaskGovernanceAddon
from .training_operator import TrainingOperatorAddon

CORE_ADDONS: Mapping[str, Callable[..., EksAddon]] = {
    "vpc_cni": VpcCniAddon,
    "kube_proxy": KubeProxyAddon,
    "pod_identity_agent": PodIdentityAgentAddon,
}
"""Config key to the construct of each add-on that comes with the control plane: DaemonSets, active without nodes."""

NODE_ADDONS: Mapping[str, Callable[..., NodeAddon]] = {
    "coredns": CoreDnsAddon,
    "cert_manager": CertManagerAddon,
    "task_governance": TaskGovernanceAddon,
    "fsx_csi": FsxCsiAddon,
    "training_operator": TrainingOperatorAddon,
}
"""Config key to the construct of each add-on that needs nodes."""

__all__ = [
    "CORE_ADDONS",
    "NODE_ADDONS",
    "CertManagerAddon",
    "CoreDnsAddon",
    "EksAddon",
    "FsxCsiAddon",
    "KubeProxyAddon",
    "NodeAddon",
    "PodIdentityAgentAddon",
    "TaskGovernanceAddon",
    "TrainingOperatorAddon",
    "VpcCniAddon",
]
