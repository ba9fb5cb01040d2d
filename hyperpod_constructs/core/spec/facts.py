"""Facts in the config that override the catalog, such as facts that are newer than this package or not published."""

from collections.abc import Mapping
from typing import Literal

from .base import Change, ListOf, SpecModel, defaults, field


class StatedAccelerator(SpecModel):
    """The accelerators of an instance type."""

    kind: Literal["gpu", "neuron"] = field(change=Change.NONE, help="`gpu` (NVIDIA) or `neuron` (AWS Trainium).")
    model: str = field(change=Change.NONE, help="Model name, such as `NVIDIA H100`.")
    count: int = field(change=Change.NONE, help="GPUs or Trainium chips per instance.", ge=1)
    memory_gib_each: float | None = field(None, change=Change.NONE, help="Memory of one accelerator in GiB.", gt=0)
    neuron_cores: int | None = field(None, change=Change.NONE, help="Physical Neuron cores per instance.", ge=1)


class StatedInstanceType(SpecModel):
    """An instance type that is not in the catalog, or values that override those of the catalog."""

    note: str = field(change=Change.NONE, help="Source of these facts; findings quote it.", min_length=1)
    like: str | None = field(
        None, change=Change.NONE, help="Instance type in the catalog whose values are used for fields that are not set."
    )
    vcpu: int | None = field(None, change=Change.NONE, help="vCPUs with the default threads per core.", ge=1)
    memory_gib: float | None = field(None, change=Change.NONE, help="Memory in GiB.", gt=0)
    architecture: Literal["x86_64", "arm64"] | None = field(
        None, change=Change.NONE, help="Processor architecture. Default: x86_64."
    )
    accelerator: StatedAccelerator | None = field(None, change=Change.NONE, help="Accelerators. Default: none.")
    efa_interfaces: int | None = field(None, change=Change.NONE, help="EFA interfaces. Default: none.", ge=0)
    network_cards: int | None = field(None, change=Change.NONE, help="Network cards. Default: 1.", ge=1)
    ipv4_per_interface: int | None = field(None, change=Change.NONE, help="IPv4 addresses per network interface.", ge=2)
    max_pods: int | None = field(None, change=Change.NONE, help="Maximum number of pods per node.", ge=1)
    nvme_gb: int | None = field(None, change=Change.NONE, help="Total local NVMe storage in GB. Default: none.", ge=0)
    regions: ListOf[str] | None = field(
        None, change=Change.NONE, help="Regions that offer the type. Default: unknown; all regions are accepted."
    )


class StatedRegion(SpecModel):
    """A region that is not in the catalog, or values that override those of the catalog."""

    note: str = field(change=Change.NONE, help="Source of these facts; findings quote it.", min_length=1)
    zone_id_prefix: str | None = field(
        None, change=Change.NONE, help="Prefix of the region's zone IDs, such as `usw2` in `usw2-az1`."
    )
    zone_ids: ListOf[str] | None = field(None, change=Change.NONE, help="Zone IDs of the region.")
    eks_refused_zone_ids: ListOf[str] | None = field(
        None, change=Change.NONE, help="IDs of the zones in which EKS does not support control plane subnets."
    )
    hyperpod: bool | None = field(None, change=Change.NONE, help="Whether HyperPod is available.")
    cluster_cfn: bool | None = field(None, change=Change.NONE, help="Whether `AWS::SageMaker::Cluster` is available.")
    scheduler_config_cfn: bool | None = field(
        None, change=Change.NONE, help="Whether `AWS::SageMaker::ClusterSchedulerConfig` is available."
    )
    compute_quota_cfn: bool | None = field(
        None, change=Change.NONE, help="Whether `AWS::SageMaker::ComputeQuota` is available."
    )
    amp: bool | None = field(
        None, change=Change.NONE, help="Whether Amazon Managed Service for Prometheus is available."
    )
    amg: bool | None = field(None, change=Change.NONE, help="Whether Amazon Managed Grafana is available.")
    observability: bool | None = field(
        None, change=Change.NONE, help="Whether the HyperPod observability add-on is available."
    )
    inference: bool | None = field(
        None, change=Change.NONE, help="Whether images of the inference operator are available."
    )
    eks_images_account: str | None = field(
        None, change=Change.NONE, help="ID of the account that hosts EKS images, in quotes."
    )
    health_monitoring_agent_account: str | None = field(
        None,
        change=Change.NONE,
        help="ID of the account that hosts the images of the health monitoring agent, in quotes.",
    )
    inference_operator_account: str | None = field(
        None, change=Change.NONE, help="ID of the account that hosts the images of the inference operator, in quotes."
    )
    gpu_operator_account: str | None = field(
        None,
        change=Change.NONE,
        help="ID of the account that hosts the mirrored images of the GPU operator, in quotes.",
    )


class Facts(SpecModel):
    """Facts that override the catalog. Rule HP033 reports each use."""

    folder: str | None = field(
        None,
        change=Change.NONE,
        help="Folder that `hyperpod catalog refresh --into` wrote, relative to the config file.",
    )
    instance_types: Mapping[str, StatedInstanceType] = field(
        default_factory=dict, change=Change.NONE, help="Instance types by name, such as `ml.p5.48xlarge`."
    )
    regions: Mapping[str, StatedRegion] = field(default_factory=dict, change=Change.NONE, help="Regions by name.")


NO_FACTS = defaults(Facts)
"""No facts that override the catalog."""
