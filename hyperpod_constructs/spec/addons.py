"""EKS add-ons. A key in `addons:` switches an add-on on; `{}` takes its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .base import Change, SpecModel, defaults, field
from .dependencies import ChartSource
from .observability import Observability


class Addon(SpecModel):
    """Settings that every EKS add-on has."""

    enabled: bool = field(
        True, change=Change.REPLACES, help="`false` leaves out an add-on that we would add by default."
    )
    version: str | None = field(
        None,
        change=Change.DRAINS,
        help="Add-on version, such as `v1.2.1-eksbuild.1`; default: the catalog's for the Kubernetes version, else EKS's.",
    )
    configuration: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Configuration values, merged over ours."
    )
    resolve_conflicts: Literal["OVERWRITE", "PRESERVE", "NONE"] = field(
        "OVERWRITE", change=Change.IN_PLACE, help="Who wins where a field was changed in the cluster."
    )
    preserve_on_delete: bool | None = field(
        None, change=Change.IN_PLACE, help="Keep the add-on's objects when it is deleted; default: only core add-ons."
    )


class ControllerResources(SpecModel):
    """CPU and memory of a controller, as Kubernetes writes them."""

    requests: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict, change=Change.DRAINS, help='What it is scheduled with, such as `{cpu: "1", memory: 2Gi}`.'
    )
    limits: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict, change=Change.DRAINS, help='What it may use at most, such as `{cpu: "2", memory: 4Gi}`.'
    )


class TrainingOperator(Addon):
    """The HyperPod training operator: brings the HyperPodPyTorchJob kind."""

    role_arn: str | None = field(
        None, change=Change.IN_PLACE, help="Role of its pod identity association that exists; default: one of ours."
    )
    permissions: Literal["managed", "minimal"] = field(
        "managed",
        change=Change.IN_PLACE,
        help="Permissions of our role: the AWS managed policy, or only the three that the guide lists.",
    )
    resources: ControllerResources | None = field(
        None, change=Change.DRAINS, help="CPU and memory of the controller; default: the add-on's, 1 vCPU and 2 GiB."
    )
    node_selector: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        help="Labels of the nodes that the controller runs on; default: the add-on's, any HyperPod node.",
    )


class InferenceOperator(Addon):
    """The HyperPod inference operator, with the load balancer controller and KEDA that it brings."""

    role_arn: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="Execution role that exists; its name must start with `SageMakerHyperPodInference`.",
    )
    tls_bucket_name: str | None = field(
        None, change=Change.IN_PLACE, help="Bucket for TLS certificates that exists; default: a new one."
    )
    load_balancer: bool = field(True, change=Change.IN_PLACE, help="Bring the AWS load balancer controller.")
    keda: bool = field(True, change=Change.IN_PLACE, help="Bring KEDA for autoscaling.")
    jumpstart_gated_role_arn: str | None = field(
        None, change=Change.IN_PLACE, help="Role that downloads gated JumpStart models."
    )


class MountpointS3(Addon):
    """The Mountpoint for Amazon S3 CSI driver."""

    bucket_arns: tuple[str, ...] = field(
        (), change=Change.IN_PLACE, help="Buckets that may be mounted; needed unless `role_arn` is given."
    )
    role_arn: str | None = field(None, change=Change.IN_PLACE, help="Role of the driver that exists.")


class Kueue(SpecModel):
    """Kueue by Helm, for clusters whose Kubernetes version task governance does not support. Never beside it."""

    enabled: bool = field(True, change=Change.REPLACES, help="Whether Kueue is installed.")
    chart: ChartSource | None = field(
        None,
        change=Change.DRAINS,
        help="Another source of the chart, such as a vendored folder (`{path: ...}`); default: the pinned commit.",
    )
    values: Mapping[str, Any] = field(default_factory=dict, change=Change.DRAINS, help="Helm values, merged over ours.")


class Addons(SpecModel):
    """The add-ons of the platform.

    The core ones (vpc_cni, kube_proxy, coredns, pod_identity_agent) are always there unless switched off; others when
    named; cert_manager and the further prerequisites of a named add-on come along unless switched off.
    """

    vpc_cni: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="Amazon VPC CNI, the only plugin supported.")
    kube_proxy: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="kube-proxy.")
    coredns: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="CoreDNS.")
    pod_identity_agent: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="EKS pod identity agent.")
    cert_manager: Addon | None = field(None, change=Change.IN_PLACE, help="cert-manager.")
    metrics_server: Addon | None = field(None, change=Change.IN_PLACE, help="metrics-server.")
    ebs_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon EBS CSI driver.")
    fsx_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon FSx CSI driver.")
    mountpoint_s3_csi: MountpointS3 | None = field(None, change=Change.IN_PLACE, help="Mountpoint for S3 CSI driver.")
    training_operator: TrainingOperator | None = field(None, change=Change.IN_PLACE, help="HyperPod training operator.")
    task_governance: Addon | None = field(None, change=Change.IN_PLACE, help="HyperPod task governance (Kueue).")
    observability: Observability | None = field(None, change=Change.IN_PLACE, help="HyperPod observability.")
    inference_operator: InferenceOperator | None = field(
        None, change=Change.IN_PLACE, help="HyperPod inference operator."
    )
    spaces: Addon | None = field(None, change=Change.IN_PLACE, help="SageMaker Spaces (notebooks).")
    cloudwatch_observability: Addon | None = field(
        None, change=Change.IN_PLACE, help="CloudWatch Container Insights, where HyperPod observability does not fit."
    )
    kueue: Kueue | None = field(None, change=Change.IN_PLACE, help="Kueue by Helm, where task governance does not fit.")

    def effective(self) -> dict[str, Addon | Observability | Kueue]:
        """All add-ons that will be installed, by key, with the prerequisites that come along.

        >>> sorted(Addons(training_operator={}).effective())
        ['cert_manager', 'coredns', 'kube_proxy', 'pod_identity_agent', 'training_operator', 'vpc_cni']
        """
        named = {key: getattr(self, key) for key in Addons.model_fields}
        wanted = {key: value for key, value in named.items() if value is not None and value.enabled}
        for key, needs in PREREQUISITES.items():
            if key in wanted:
                for need in needs:
                    if named[need] is None:
                        wanted[need] = MountpointS3() if need == "mountpoint_s3_csi" else Addon()
        return {key: wanted[key] for key in Addons.model_fields if key in wanted}


PREREQUISITES: Mapping[str, tuple[str, ...]] = {
    "training_operator": ("cert_manager",),
    "inference_operator": ("cert_manager", "metrics_server", "fsx_csi", "mountpoint_s3_csi"),
    "spaces": ("ebs_csi", "cert_manager"),
}
"""Add-ons that come along with another one, unless the config switches them off."""

ADDON_NAMES: Mapping[str, str] = {
    "vpc_cni": "vpc-cni",
    "kube_proxy": "kube-proxy",
    "coredns": "coredns",
    "pod_identity_agent": "eks-pod-identity-agent",
    "cert_manager": "cert-manager",
    "metrics_server": "metrics-server",
    "ebs_csi": "aws-ebs-csi-driver",
    "fsx_csi": "aws-fsx-csi-driver",
    "mountpoint_s3_csi": "aws-mountpoint-s3-csi-driver",
    "training_operator": "amazon-sagemaker-hyperpod-training-operator",
    "task_governance": "amazon-sagemaker-hyperpod-taskgovernance",
    "observability": "amazon-sagemaker-hyperpod-observability",
    "inference_operator": "amazon-sagemaker-hyperpod-inference",
    "spaces": "amazon-sagemaker-spaces",
    "cloudwatch_observability": "amazon-cloudwatch-observability",
}
"""Config key to EKS add-on name."""
