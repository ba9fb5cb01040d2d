"""EKS add-ons. A key in `addons:` switches an add-on on; `{}` takes its defaults."""

from collections.abc import Mapping
from typing import Any, Literal

from .. import catalog
from .arns import BucketArn, CertificateArn, KeyOrAliasArn, RoleArn
from .base import Change, ListOf, SpecModel, defaults, field
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


Tolerations = ListOf[Mapping[Literal["key", "operator", "value", "effect", "tolerationSeconds"], str | int]]
"""Tolerations as Kubernetes writes them, such as `{key: nvidia.com/gpu, operator: Exists}`."""


class VpcCni(Addon):
    """The Amazon VPC CNI. A HyperPod node has one network interface for pods, so its addresses are what can be tuned."""

    prefix_delegation: bool | None = field(
        None,
        change=Change.DRAINS,
        at="env.ENABLE_PREFIX_DELEGATION",
        help="Take addresses from the subnet in blocks of 16: pods start faster. Whether a HyperPod node then takes more "
        "pods than the guide's table says is not documented.",
    )
    warm_prefix_target: int | None = field(
        None, change=Change.DRAINS, at="env.WARM_PREFIX_TARGET", help="Free blocks that a node keeps.", ge=0
    )
    warm_ip_target: int | None = field(
        None,
        change=Change.DRAINS,
        at="env.WARM_IP_TARGET",
        help="Free addresses that a node keeps; default: as many as its interface has, which small subnets run out of.",
        ge=0,
    )
    minimum_ip_target: int | None = field(
        None, change=Change.DRAINS, at="env.MINIMUM_IP_TARGET", help="Addresses that a node takes at once.", ge=0
    )


class DnsAutoscaling(SpecModel):
    """How many CoreDNS pods EKS keeps, by nodes and cores of the cluster."""

    enabled: bool = field(True, change=Change.IN_PLACE, at="enabled", help="Whether EKS scales CoreDNS.")
    min_replicas: int | None = field(None, change=Change.IN_PLACE, at="minReplicas", help="Fewest pods.", ge=1)
    max_replicas: int | None = field(None, change=Change.IN_PLACE, at="maxReplicas", help="Most pods.", ge=1)


class CoreDns(Addon):
    """CoreDNS."""

    replicas: int | None = field(
        None, change=Change.IN_PLACE, at="replicaCount", help="Number of pods; default: the add-on's, 2.", ge=1
    )
    autoscaling: DnsAutoscaling | None = field(
        None, change=Change.IN_PLACE, at="autoScaling", help="Let EKS choose the number of pods instead."
    )
    tolerations: Tolerations | None = field(
        None, change=Change.DRAINS, at="tolerations", help="Taints that its pods put up with; default: the add-on's."
    )


class CertManager(Addon):
    """cert-manager. Its controller, webhook and CA injector are set alike; `configuration` tells them apart."""

    replicas: int | None = field(
        None,
        change=Change.DRAINS,
        at="replicaCount webhook.replicaCount cainjector.replicaCount",
        help="Pods of each of the three; default: the add-on's, 1.",
        ge=1,
    )
    tolerations: Tolerations | None = field(
        None,
        change=Change.DRAINS,
        at="tolerations webhook.tolerations cainjector.tolerations",
        help="Taints that its pods put up with; default: every taint.",
    )


class MetricsServer(Addon):
    """metrics-server."""

    replicas: int | None = field(
        None, change=Change.IN_PLACE, at="replicas", help="Number of pods; default: the add-on's.", ge=1
    )
    tolerations: Tolerations | None = field(
        None, change=Change.DRAINS, at="tolerations", help="Taints that its pods put up with; default: every taint."
    )


class SpacesWebUi(SpecModel):
    """Spaces in the browser. Needs a load balancer controller, and a DNS record that leads to its load balancer."""

    enabled: bool = field(True, change=Change.IN_PLACE, at="enabled", help="Whether spaces open in a browser.")
    domain: str = field(change=Change.IN_PLACE, at="domain", help="Domain name, such as `jupyter.example.com`.")
    certificate_arn: CertificateArn = field(
        change=Change.IN_PLACE, at="awsCertificateArn", help="Certificate of the domain in AWS Certificate Manager."
    )
    signing_key_arn: KeyOrAliasArn | None = field(
        None, change=Change.IN_PLACE, at="auth.kmsKeyId", help="KMS key that signs the tokens of sessions."
    )
    install_traefik: bool | None = field(
        None, change=Change.IN_PLACE, at="traefik.shouldInstall", help="Bring Traefik, which routes to the spaces."
    )
    scheme: Literal["internet-facing", "internal"] | None = field(
        None, change=Change.IN_PLACE, at="alb.scheme", help="Load balancer; default: the add-on's, `internet-facing`."
    )


class Spaces(Addon):
    """SageMaker Spaces: notebooks and editors on the cluster."""

    pod_watching: bool | None = field(
        None,
        change=Change.IN_PLACE,
        at="jupyter-k8s.workspacePodWatching.enable",
        help="Watch the pods of spaces, which remote access needs.",
    )
    web_ui: SpacesWebUi | None = field(
        None, change=Change.IN_PLACE, at="jupyter-k8s-aws-hyperpod.clusterWebUI", help="Spaces in the browser."
    )


class CloudWatchObservability(Addon):
    """CloudWatch Container Insights."""

    container_logs: bool | None = field(
        None,
        change=Change.DRAINS,
        at="containerLogs.enabled",
        help="Send container logs to CloudWatch Logs; default: the add-on's, yes.",
    )


class ControllerResources(SpecModel):
    """CPU and memory of a controller, as Kubernetes writes them."""

    requests: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="requests",
        help='What it is scheduled with, such as `{cpu: "1", memory: 2Gi}`.',
    )
    limits: Mapping[Literal["cpu", "memory"], str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="limits",
        help='What it may use at most, such as `{cpu: "2", memory: 4Gi}`.',
    )


class TrainingOperator(Addon):
    """The HyperPod training operator: brings the HyperPodPyTorchJob kind."""

    role_arn: RoleArn | None = field(
        None, change=Change.IN_PLACE, help="Role of its pod identity association that exists; default: one of ours."
    )
    permissions: Literal["managed", "minimal"] = field(
        "managed",
        change=Change.IN_PLACE,
        help="Permissions of our role: the AWS managed policy, or only the three that the guide lists.",
    )
    resources: ControllerResources | None = field(
        None,
        change=Change.DRAINS,
        at="hpTrainingControllerManager.manager.resources",
        help="CPU and memory of the controller; default: the add-on's, 1 vCPU and 2 GiB.",
    )
    node_selector: Mapping[str, str] = field(
        default_factory=dict,
        change=Change.DRAINS,
        at="hpTrainingControllerManager.nodeSelector",
        help="Labels of the nodes that the controller runs on; default: the add-on's, any HyperPod node.",
    )


class InferenceOperator(Addon):
    """The HyperPod inference operator, with the load balancer controller and KEDA that it brings."""

    role_arn: RoleArn | None = field(
        None,
        change=Change.IN_PLACE,
        help="Execution role that exists; its name must start with `SageMakerHyperPodInference`.",
    )
    tls_bucket_name: str | None = field(
        None, change=Change.IN_PLACE, help="Bucket for TLS certificates that exists; default: a new one."
    )
    load_balancer: bool = field(
        True, change=Change.IN_PLACE, at="alb.enabled", help="Bring the AWS load balancer controller."
    )
    keda: bool = field(True, change=Change.IN_PLACE, at="keda.enabled", help="Bring KEDA for autoscaling.")
    jumpstart_gated_role_arn: RoleArn | None = field(
        None,
        change=Change.IN_PLACE,
        at="jumpstartGatedModelDownloadRoleArn",
        help="Role that downloads gated JumpStart models.",
    )


class MountpointS3(Addon):
    """The Mountpoint for Amazon S3 CSI driver."""

    bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="Buckets that may be mounted; needed unless `role_arn` is given."
    )
    role_arn: RoleArn | None = field(None, change=Change.IN_PLACE, help="Role of the driver that exists.")


class Kueue(SpecModel):
    """Kueue by Helm, for clusters whose Kubernetes version task governance does not support. Never beside it."""

    enabled: bool = field(True, change=Change.REPLACES, help="Whether Kueue is installed.")
    chart: ChartSource | None = field(
        None,
        change=Change.DRAINS,
        help="Another source of the chart, such as a vendored folder (`{path: ...}`); default: the pinned commit.",
    )
    values: Mapping[str, Any] = field(default_factory=dict, change=Change.DRAINS, help="Helm values, merged over ours.")
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over a release of the same name that this library did not install; it is kept when the stack is deleted.",
    )


class Addons(SpecModel):
    """The add-ons of the platform.

    The core ones (vpc_cni, kube_proxy, coredns, pod_identity_agent) are always there unless switched off; others when
    named; cert_manager and the further prerequisites of a named add-on come along unless switched off.
    """

    vpc_cni: VpcCni = field(defaults(VpcCni), change=Change.IN_PLACE, help="Amazon VPC CNI, the only plugin supported.")
    kube_proxy: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="kube-proxy.")
    coredns: CoreDns = field(defaults(CoreDns), change=Change.IN_PLACE, help="CoreDNS.")
    pod_identity_agent: Addon = field(defaults(Addon), change=Change.IN_PLACE, help="EKS pod identity agent.")
    cert_manager: CertManager | None = field(None, change=Change.IN_PLACE, help="cert-manager.")
    metrics_server: MetricsServer | None = field(None, change=Change.IN_PLACE, help="metrics-server.")
    ebs_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon EBS CSI driver.")
    fsx_csi: Addon | None = field(None, change=Change.IN_PLACE, help="Amazon FSx CSI driver.")
    mountpoint_s3_csi: MountpointS3 | None = field(None, change=Change.IN_PLACE, help="Mountpoint for S3 CSI driver.")
    training_operator: TrainingOperator | None = field(None, change=Change.IN_PLACE, help="HyperPod training operator.")
    task_governance: Addon | None = field(None, change=Change.IN_PLACE, help="HyperPod task governance (Kueue).")
    observability: Observability | None = field(None, change=Change.IN_PLACE, help="HyperPod observability.")
    inference_operator: InferenceOperator | None = field(
        None, change=Change.IN_PLACE, help="HyperPod inference operator."
    )
    spaces: Spaces | None = field(None, change=Change.IN_PLACE, help="SageMaker Spaces (notebooks).")
    cloudwatch_observability: CloudWatchObservability | None = field(
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
                        wanted[need] = _SETTINGS.get(need, Addon)()
        return {key: wanted[key] for key in Addons.model_fields if key in wanted}


_FACTS: Mapping[str, catalog.Addon] = {fact.key: fact for fact in catalog.addons().values() if fact.key}

ADDON_NAMES: Mapping[str, str] = {key: _FACTS[key].name for key in Addons.model_fields if key in _FACTS}
"""Config key to EKS add-on name."""

CORE: tuple[str, ...] = tuple(key for key in ADDON_NAMES if _FACTS[key].core)
"""The add-ons that every EKS cluster for HyperPod has: always ours on a new one, by choice on one that exists."""


def _prerequisites(fact: catalog.Addon) -> tuple[str, ...]:
    return tuple(key for key, name in ADDON_NAMES.items() if key not in CORE and name in fact.prerequisites)


PREREQUISITES: Mapping[str, tuple[str, ...]] = {
    key: needs for key in ADDON_NAMES if (needs := _prerequisites(_FACTS[key]))
}
"""Add-ons that come along with another one, unless the config switches them off; by the catalog."""

_SETTINGS: Mapping[str, type[Addon]] = {
    "cert_manager": CertManager,
    "metrics_server": MetricsServer,
    "mountpoint_s3_csi": MountpointS3,
}
"""Settings of prerequisites that have more than every add-on has."""
