"""The AWS regions, and the HyperPod features of each."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, get_args

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._names import look_up

GovernanceType: TypeAlias = Literal["ClusterSchedulerConfig", "ComputeQuota"]
GOVERNANCE_TYPES: tuple[GovernanceType, ...] = get_args(GovernanceType)


class Region(NamedTuple):
    """One AWS region.

    Attributes:
        name: such as "us-west-2".
        zone_id_prefix: prefix of its zone IDs: "usw2" of "usw2-az1".
        zone_ids: known zones; there may be more.
        eks_refused_zone_ids: zones in which EKS does not support control plane subnets; nodes are supported.
        opt_in: whether an account must enable the region before use.
        hyperpod: whether HyperPod is available, according to the documentation or CloudFormation's types.
        cluster_cfn: whether CloudFormation has AWS::SageMaker::Cluster.
        scheduler_config_cfn: whether CloudFormation has AWS::SageMaker::ClusterSchedulerConfig.
        compute_quota_cfn: whether CloudFormation has AWS::SageMaker::ComputeQuota.
        amp: whether Amazon Managed Service for Prometheus is available.
        amg: whether Amazon Managed Grafana is available. A workspace can be in another region than the cluster.
        observability: whether the HyperPod observability add-on is available.
        inference: whether the region has images of the HyperPod inference operator.
        eks_images_account: account that hosts EKS add-on images, or None.
        health_monitoring_agent_account: account of the agent's image repository, or None.
        inference_operator_account: account of the inference operator's image repository, or None.
        gpu_operator_account: account of the GPU operator's mirrored images, or None.
        uncertain: field name to what its sources disagree about, or what the value was inferred from.
    """

    name: str
    zone_id_prefix: str
    zone_ids: tuple[str, ...]
    eks_refused_zone_ids: tuple[str, ...]
    opt_in: bool
    hyperpod: bool
    cluster_cfn: bool
    scheduler_config_cfn: bool
    compute_quota_cfn: bool
    amp: bool
    amg: bool
    observability: bool
    inference: bool
    eks_images_account: str | None
    health_monitoring_agent_account: str | None
    inference_operator_account: str | None
    gpu_operator_account: str | None
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def partition(self) -> str:
        """The partition in ARNs of the region.

        >>> find_region("us-west-2").partition, find_region("us-gov-west-1").partition
        ('aws', 'aws-us-gov')
        """
        return {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(self.name.rpartition("-")[0].rpartition("-")[0], "aws")

    def has_type(self, kind: GovernanceType) -> bool:
        """Whether CloudFormation supports a governance type in the region.

        >>> find_region("us-west-2").has_type("ComputeQuota")
        True
        """
        return self.scheduler_config_cfn if kind == "ClusterSchedulerConfig" else self.compute_quota_cfn

    def owns_zone_id(self, zone_id: str) -> bool:
        """Whether a zone ID such as "usw2-az1" has the prefix of this region.

        >>> find_region("us-west-2").owns_zone_id("usw2-az1"), find_region("us-west-2").owns_zone_id("use1-az1")
        (True, False)
        """
        prefix, _, zone = zone_id.partition("-az")
        return prefix == self.zone_id_prefix and zone.isdigit()


@follows_facts
@cache
def regions() -> Mapping[str, Region]:
    """Every public AWS region by name, including those without HyperPod.

    >>> sum(region.hyperpod for region in regions().values())
    19
    """
    return MappingProxyType({name: _read(name, entry) for name, entry in load("regions")["regions"].items()})


def find_region(name: str) -> Region | None:
    """Returns the region of this name, or None."""
    return regions().get(name)


def region(name: str) -> Region:
    """Returns the region of this name.

    Raises:
        UnknownName: the region does not exist; the message has the closest name.
    """
    return look_up("region", name, regions())


def region_of_zone_id(zone_id: str) -> Region | None:
    """Returns the region of a zone ID by its prefix, or None.

    >>> region_of_zone_id("use1-az6").name
    'us-east-1'
    """
    return next((found for found in regions().values() if found.owns_zone_id(zone_id)), None)


def _read(name: str, entry: dict[str, object]) -> Region:
    values: dict[str, object] = dict.fromkeys(_FLAGS, False) | dict.fromkeys(_ACCOUNTS) | entry
    values.pop("stated", None)
    uncertain: Mapping[str, str] = MappingProxyType(values.pop("uncertain", {}))  # type: ignore[arg-type]
    for name_ in ("zone_ids", "eks_refused_zone_ids"):
        values[name_] = tuple(values.get(name_, ()))  # type: ignore[arg-type]
    return Region(name=name, **values, uncertain=uncertain)  # type: ignore[arg-type]


_ACCOUNTS = (
    *("eks_images_account", "health_monitoring_agent_account"),
    *("inference_operator_account", "gpu_operator_account"),
)
_FLAGS = (
    *("opt_in", "hyperpod", "cluster_cfn", "scheduler_config_cfn", "compute_quota_cfn"),
    *("amp", "amg", "observability", "inference"),
)
