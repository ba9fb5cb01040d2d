"""Facts that a user states over those of the catalog: what is newer than this package, or not published."""

from collections.abc import Mapping
from typing import Literal

from .base import Change, ListOf, SpecModel, defaults, field


class StatedAccelerator(SpecModel):
    """The accelerators of a stated instance type."""

    kind: Literal["gpu", "neuron"] = field(change=Change.NONE, help="`gpu` (NVIDIA) or `neuron` (AWS Trainium).")
    model: str = field(change=Change.NONE, help="Such as `NVIDIA H100`.")
    count: int = field(change=Change.NONE, help="GPUs or Trainium chips of one instance.", ge=1)
    memory_gib_each: float | None = field(None, change=Change.NONE, help="Memory of one accelerator in GiB.", gt=0)
    neuron_cores: int | None = field(None, change=Change.NONE, help="Physical Neuron cores of the instance.", ge=1)


class StatedInstanceType(SpecModel):
    """An instance type that the catalog does not have, or fields of one that it has."""

    note: str = field(change=Change.NONE, help="Where these facts are from; findings repeat it.", min_length=1)
    like: str | None = field(
        None, change=Change.NONE, help="Instance type of the catalog whose values hold for what is not given here."
    )
    vcpu: int | None = field(None, change=Change.NONE, help="vCPUs with the default threads per core.", ge=1)
    memory_gib: float | None = field(None, change=Change.NONE, help="Memory in GiB.", gt=0)
    architecture: Literal["x86_64", "arm64"] | None = field(None, change=Change.NONE, help="Default: x86_64.")
    accelerator: StatedAccelerator | None = field(None, change=Change.NONE, help="Default: none.")
    efa_interfaces: int | None = field(None, change=Change.NONE, help="EFA interfaces; default: none.", ge=0)
    network_cards: int | None = field(None, change=Change.NONE, help="Network cards; default: one.", ge=1)
    ipv4_per_interface: int | None = field(
        None, change=Change.NONE, help="IPv4 addresses that one network interface can hold.", ge=2
    )
    max_pods: int | None = field(None, change=Change.NONE, help="Pods on one node.", ge=1)
    nvme_gb: int | None = field(None, change=Change.NONE, help="Total local NVMe storage in GB; default: none.", ge=0)
    regions: ListOf[str] | None = field(
        None, change=Change.NONE, help="Regions that offer the type; default: nothing is known, no region is refused."
    )


class StatedRegion(SpecModel):
    """A region that the catalog does not have, or fields of one that it has."""

    note: str = field(change=Change.NONE, help="Where these facts are from; findings repeat it.", min_length=1)
    zone_id_prefix: str | None = field(
        None, change=Change.NONE, help="What zone ids of the region begin with, such as `usw2` of `usw2-az1`."
    )
    zone_ids: ListOf[str] | None = field(None, change=Change.NONE, help="Zones that it is known to have.")
    eks_refused_zone_ids: ListOf[str] | None = field(
        None, change=Change.NONE, help="Zones in which EKS takes no subnet for a control plane."
    )
    hyperpod: bool | None = field(None, change=Change.NONE, help="Whether HyperPod is there.")
    cluster_cfn: bool | None = field(None, change=Change.NONE, help="Whether it has `AWS::SageMaker::Cluster`.")
    scheduler_config_cfn: bool | None = field(
        None, change=Change.NONE, help="Whether it has `AWS::SageMaker::ClusterSchedulerConfig`."
    )
    compute_quota_cfn: bool | None = field(
        None, change=Change.NONE, help="Whether it has `AWS::SageMaker::ComputeQuota`."
    )
    amp: bool | None = field(None, change=Change.NONE, help="Whether Amazon Managed Service for Prometheus is there.")
    amg: bool | None = field(None, change=Change.NONE, help="Whether Amazon Managed Grafana is there.")
    observability: bool | None = field(
        None, change=Change.NONE, help="Whether the HyperPod observability add-on is offered there."
    )
    inference: bool | None = field(None, change=Change.NONE, help="Whether the inference operator has images there.")
    eks_images_account: str | None = field(
        None, change=Change.NONE, help="Account id in which EKS keeps images, in quotes."
    )
    health_monitoring_agent_account: str | None = field(
        None, change=Change.NONE, help="Account id of the health monitoring agent's images, in quotes."
    )
    inference_operator_account: str | None = field(
        None, change=Change.NONE, help="Account id of the inference operator's images, in quotes."
    )
    gpu_operator_account: str | None = field(
        None, change=Change.NONE, help="Account id of the GPU operator's mirrored images, in quotes."
    )


class Facts(SpecModel):
    """Facts that are used over those of the catalog; each use of one is finding HP033."""

    folder: str | None = field(
        None, change=Change.NONE, help="Folder that `hyperpod catalog refresh --into` wrote, relative to the config."
    )
    instance_types: Mapping[str, StatedInstanceType] = field(
        default_factory=dict, change=Change.NONE, help="Instance types by name, such as `ml.p5.48xlarge`."
    )
    regions: Mapping[str, StatedRegion] = field(default_factory=dict, change=Change.NONE, help="Regions by name.")


NO_FACTS = defaults(Facts)
"""Nothing stated: the catalog alone."""
