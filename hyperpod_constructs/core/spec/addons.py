"""EKS add-ons. A key in `addons:` enables an add-on; `{}` uses its defaults."""

from collections.abc import Mapping
from typing import Any, Literal

from .. import catalog
from .arns import BucketArn, CertificateArn, KeyOrAliasArn, RoleArn
from .base import Change, ListOf, SpecModel, defaults, field
from .dependencies import ChartSource
from .observability import Observability


class Addon(SpecModel):
    """Settings that all EKS add-ons have in common."""

    enabled: bool = field(True, change=Change.REPLACES, help="`false` removes an add-on that is installed by default.")
    version: str | None = field(
        None,
        change=Change.DRAINS,
        help="Add-on version, such as `v1.2.1-eksbuild.1`. Default: the catalog's version for the Kubernetes "
        "version; if the catalog has none, EKS's default version.",
    )
    configuration: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Configuration values, merged over this library's values."
    )
    resolve_conflicts: Literal["OVERWRITE", "PRESERVE", "NONE"] = field(
        "OVERWRITE",
        change=Change.IN_PLACE,
        help="How EKS resolves conflicts with fields that were changed in the cluster.",
    )
    preserve_on_delete: bool | None = field(
        None,
        change=Change.IN_PLACE,
        help="Retain the add-on's objects when the add-on is deleted. Default: only for core add-ons.",
    )


Tolerations = ListOf[Mapping[Literal["key", "operator", "value", "effect", "tolerationSeconds"], str | int]]
"""Tolerations in Kubernetes syntax, such as `{key: nvidia.com/gpu, operator: Exists}`."""


class VpcCni(Addon):
    """The Amazon VPC CNI.

    Pods of a HyperPod node use one network interface; these settings configure the allocation of its IP addresses.
    """

    prefix_delegation: bool | None = field(
        None,
        change=Change.DRAINS,
        at="env.ENABLE_PREFIX_DELEGATION",
        help="Assign IP addresses from the subnet in blocks of 16, so that pods start faster. Whether a "
        "HyperPod node then supports more pods than the developer guide lists is not documented.",
    )
    warm_prefix_target: int | None = field(
        None, change=Change.DRAINS, at="env.WARM_PREFIX_TARGET", help="Free prefixes that a node keeps.", ge=0
    )
    warm_ip_target: int | None = field(
        None,
        change=Change.DRAINS,
        at="env.WARM_IP_TARGET",
        help="Free IP addresses that a node keeps. Default: the capacity of one network interface, which can "
        "exhaust small subnets.",
        ge=0,
    )
    minimum_ip_target: int | None = field(
        None,
        change=Change.DRAINS,
        at="env.MINIMUM_IP_TARGET",
        help="IP addresses that a node allocates at startup.",
        ge=0,
    )


class DnsAutoscaling(SpecModel):
    """Automatic scaling of CoreDNS by EKS, based on the number of nodes and CPU cores of the cluster."""

    enabled: bool = field(True, change=Change.IN_PLACE, at="enabled", help="Whether EKS scales CoreDNS.")
    min_replicas: int | None = field(
        None, change=Change.IN_PLACE, at="minReplicas", help="Minimum number of pods.", ge=1
    )
    max_replicas: int | None = field(
        None, change=Change.IN_PLACE, at="maxReplicas", help="Maximum number of pods.", ge=1
    )


class CoreDns(Addon):
    """CoreDNS."""

    replicas: int | None = field(
        None, change=Change.IN_PLACE, at="replicaCount", help="Number of pods. Default: 2, the add-on's default.", ge=1
    )
    autoscaling: DnsAutoscaling | None = field(
        None,
        change=Change.IN_PLACE,
        at="autoScaling",
        help="Scaling of the number of pods by EKS, instead of `replicas`.",
    )
    tolerations: Tolerations | None = field(
        None,
        change=Change.DRAINS,
        at="tolerations",
        help="Taints that its pods tolerate. Default: the add-on's default.",
    )


class CertManager(Addon):
    """cert-manager.

    The settings apply to the controller, the webhook and the CA injector; `configuration` configures them separately.
    """

    replicas: int | None = field(
        None,
        change=Change.DRAINS,
        at="replicaCount webhook.replicaCount cainjector.replicaCount",
        help="Number of pods of each of the three components. Default: 1, the add-on's default.",
        ge=1,
    )
    tolerations: Tolerations | None = field(
        None,
        change=Change.DRAINS,
        at="tolerations webhook.tolerations cainjector.tolerations",
        help="Taints that its pods tolerate. Default: all taints.",
    )


class MetricsServer(Addon):
    """metrics-server."""

    replicas: int | None = field(
        None, change=Change.IN_PLACE, at="replicas", help="Number of pods. Default: the add-on's default.", ge=1
    )
    tolerations: Tolerations | None = field(
        None, change=Change.DRAINS, at="tolerations", help="Taints that its pods tolerate. Default: all taints."
    )


class SpacesWebUi(SpecModel):
    """Access to spaces in a browser. Requires a load balancer controller and a DNS record for the load balancer."""

    enabled: bool = field(True, change=Change.IN_PLACE, at="enabled", help="Whether spaces can be opened in a browser.")
    domain: str = field(change=Change.IN_PLACE, at="domain", help="Domain name, such as `jupyter.example.com`.")
    certificate_arn: CertificateArn = field(
        change=Change.IN_PLACE,
        at="awsCertificateArn",
        help="ARN of the domain's certificate in AWS Certificate Manager.",
    )
    signing_key_arn: KeyOrAliasArn | None = field(
        None, change=Change.IN_PLACE, at="auth.kmsKeyId", help="ARN of the KMS key that signs session tokens."
    )
    install_traefik: bool | None = field(
        None,
        change=Change.IN_PLACE,
        at="traefik.shouldInstall",
        help="Install Traefik, which routes requests to the spaces.",
    )
    scheme: Literal["internet-facing", "internal"] | None = field(
        None,
        change=Change.IN_PLACE,
        at="alb.scheme",
        help="Scheme of the load balancer. Default: `internet-facing`, the add-on's default.",
    )


class Spaces(Addon):
    """SageMaker Spaces: notebooks and editors on the cluster."""

    pod_watching: bool | None = field(
        None,
        change=Change.IN_PLACE,
        at="jupyter-k8s.workspacePodWatching.enable",
        help="Watch the pods of spaces; required for remote access.",
    )
    web_ui: SpacesWebUi | None = field(
        None,
        change=Change.IN_PLACE,
        at="jupyter-k8s-aws-hyperpod.clusterWebUI",
        help="Access to spaces in a browser.",
    )


class CloudWatchObservability(Addon):
    """CloudWatch Container Insights."""

    container_logs: bool | None = field(
        None,
        change=Change.DRAINS,
        at="containerLogs.enabled",
        help="Send container logs to CloudWatch Logs. Default: `true`, the add-on's default.",
    )


class ControllerResources(SpecModel):
    """CPU and memory of a controller in Kubernetes syntax."""

    requests: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="requests",
        help='Resource requests, such as `{cpu: "1", memory: 2Gi}`.',
    )
    limits: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="limits",
        help='Resource limits, such as `{cpu: "2", memory: 4Gi}`.',
    )


class TrainingOperator(Addon):
    """The HyperPod training operator, which installs the HyperPodPyTorchJob kind."""

    role_arn: RoleArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="ARN of an existing role for its pod identity association. Default: a new role.",
    )
    permissions: Literal["managed", "minimal"] = field(
        "managed",
        change=Change.IN_PLACE,
        help="Permissions of the created role: the AWS managed policy, or only the three actions that the "
        "developer guide lists.",
    )
    resources: ControllerResources | None = field(
        None,
        change=Change.DRAINS,
        at="hpTrainingControllerManager.manager.resources",
        help="CPU and memory of the controller. Default: 1 vCPU and 2 GiB, the add-on's default.",
    )
    node_selector: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="hpTrainingControllerManager.nodeSelector",
        help="Labels of the nodes that the controller runs on. Default: all HyperPod nodes, the add-on's default.",
    )


class InferenceOperator(Addon):
    """The HyperPod inference operator, which also installs the AWS Load Balancer Controller and KEDA."""

    role_arn: RoleArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="ARN of an existing execution role; its name must start with `SageMakerHyperPodInference`.",
    )
    tls_bucket_name: str | None = field(
        None, change=Change.IN_PLACE, help="Existing bucket for TLS certificates. Default: a new bucket."
    )
    load_balancer: bool = field(
        True, change=Change.IN_PLACE, at="alb.enabled", help="Install the AWS Load Balancer Controller."
    )
    keda: bool = field(True, change=Change.IN_PLACE, at="keda.enabled", help="Install KEDA for autoscaling.")
    jumpstart_gated_role_arn: RoleArn | None = field(
        None,
        change=Change.IN_PLACE,
        at="jumpstartGatedModelDownloadRoleArn",
        help="ARN of the role that downloads gated JumpStart models.",
    )


class MountpointS3(Addon):
    """The Mountpoint for Amazon S3 CSI driver."""

    bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of the buckets that can be mounted; required unless `role_arn` is set."
    )
    role_arn: RoleArn | None = field(None, change=Change.IN_PLACE, help="ARN of an existing role for the driver.")


class Kueue(SpecModel):
    """Kueue, installed with Helm, for Kubernetes versions that task governance does not support.

    Conflicts with task governance.
    """

    enabled: bool = field(True, change=Change.REPLACES, help="Whether Kueue is installed.")
    chart: ChartSource | None = field(
        None,
        change=Change.DRAINS,
        help="Another source of the chart, such as a vendored folder (`{path: ...}`). Default: the pinned commit.",
    )
    values: Mapping[str, Any] = field(
        default_factory=dict, change=Change.DRAINS, help="Helm values, merged over this library's values."
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt an existing release of the same name that this library did not install; it is retained "
        "when the stack is deleted.",
    )


class Addons(SpecModel):
    """The add-ons of the platform.

    The core add-ons (vpc_cni, kube_proxy, coredns, pod_identity_agent) are installed unless they are disabled; others are
    installed if they are listed. cert_manager and the other prerequisites of a listed add-on are installed with it unless
    they are disabled.
    """

    vpc_cni: VpcCni = field(
        defaults(VpcCni), change=Change.IN_PLACE, help="Amazon VPC CNI, the only supported network plugin."
    )
    kube_proxy: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="kube-proxy.")
    coredns: CoreDns = field(defaults(CoreDns), change=Change.IN_PLACE, help="CoreDNS.")
    pod_identity_agent: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="EKS Pod Identity Agent.")
    cert_manager: CertManager | None = field(None, change=Change.IN_PLACE, help="cert-manager.")
    metrics_server: MetricsServer | None = field(None, change=Change.IN_PLACE, help="metrics-server.")
    ebs_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon EBS CSI driver.")
    fsx_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon FSx CSI driver.")
    mountpoint_s3_csi: MountpointS3 | None = field(
        None, change=Change.IN_PLACE, help="Mountpoint for Amazon S3 CSI driver."
    )
    training_operator: TrainingOperator | None = field(None, change=Change.IN_PLACE, help="HyperPod training operator.")
    task_governance: Addon | None = field(None, change=Change.IN_PLACE, help="HyperPod task governance (Kueue).")
    observability: Observability | None = field(None, change=Change.IN_PLACE, help="HyperPod observability.")
    inference_operator: InferenceOperator | None = field(
        None, change=Change.IN_PLACE, help="HyperPod inference operator."
    )
    spaces: Spaces | None = field(None, change=Change.IN_PLACE, help="SageMaker Spaces (notebooks).")
    cloudwatch_observability: CloudWatchObservability | None = field(
        None, change=Change.IN_PLACE, help="CloudWatch Container Insights; an alternative to HyperPod observability."
    )
    kueue: Kueue | None = field(
        None, change=Change.IN_PLACE, help="Kueue, installed with Helm; an alternative to task governance."
    )

    def effective(self) -> dict[str, Addon | Observability | Kueue]:
        """Returns the settings of all add-ons that are installed, by key, including prerequisites.

        >>> sorted(Addons(training_operator={}).effective())
        ['cert_manager', 'coredns', 'kube_proxy', 'pod_identity_agent', 'training_operator', 'vpc_cni']
        """
        configured = {key: getattr(self, key) for key in Addons.model_fields}
        installed = {key: value for key, value in configured.items() if value is not None and value.enabled}
        for key, prerequisites in PREREQUISITES.items():
            if key in installed:
                for prerequisite in prerequisites:
                    if configured[prerequisite] is None:
                        installed[prerequisite] = defaults(_SETTINGS.get(prerequisite, Addon))
        return {key: installed[key] for key in Addons.model_fields if key in installed}


_FACTS: Mapping[str, catalog.Addon] = {fact.key: fact for fact in catalog.addons().values() if fact.key}

ADDON_NAMES: Mapping[str, str] = {key: _FACTS[key].name for key in Addons.model_fields if key in _FACTS}
"""Config key to EKS add-on name."""

CORE: tuple[str, ...] = tuple(key for key in ADDON_NAMES if _FACTS[key].core)
"""The add-ons that HyperPod requires on every EKS cluster; managed on new clusters, and optionally on existing ones."""


def _prerequisites(fact: catalog.Addon) -> tuple[str, ...]:
    return tuple(key for key, name in ADDON_NAMES.items() if key not in CORE and name in fact.prerequisites)


PREREQUISITES: Mapping[str, tuple[str, ...]] = {
    key: prerequisites for key in ADDON_NAMES if (prerequisites := _prerequisites(_FACTS[key]))
}
"""Add-ons that are installed with another add-on unless the config disables them (from the catalog)."""

_SETTINGS: Mapping[str, type[Addon]] = {
    "cert_manager": CertManager,
    "metrics_server": MetricsServer,
    "mountpoint_s3_csi": MountpointS3,
}
"""Models of the prerequisites that have more settings than `Addon`."""
