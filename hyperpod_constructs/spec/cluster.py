"""The HyperPod cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .base import Change, SpecModel, field
from .groups import InstanceGroup, Lifecycle, RestrictedInstanceGroup


class Autoscaling(SpecModel):
    """Node autoscaling by the managed Karpenter."""

    cluster_role_arn: str | None = field(
        None, change=Change.REFUSED, help="Role for the autoscaler that exists; default: one of ours."
    )
    groups: tuple[str, ...] = field(
        (), change=Change.IN_PLACE, help="Names of the groups that Karpenter fills; default: those with count 0."
    )


class TieredStorage(SpecModel):
    """Checkpoints kept in the memory of the nodes."""

    memory_percent: int = field(
        20, change=Change.IN_PLACE, help="Share of each node's memory, in percent.", ge=0, le=100
    )


class SharedEnvironment(SpecModel):
    """The file system shared by the restricted instance groups."""

    lustre_size_gib: int = field(change=Change.LOSES_DATA, help="Size in GiB.", ge=1200, le=100800)
    lustre_throughput: int = field(change=Change.LOSES_DATA, help="Throughput in MB/s per TiB.", ge=125, le=1000)
    on_delete: Literal["Keep", "DeleteIfNotUsed"] = field(
        "Keep", change=Change.IN_PLACE, help="What happens to the file system when the groups go."
    )


class Cluster(SpecModel):
    """An `AWS::SageMaker::Cluster` orchestrated by EKS.

    >>> Cluster(instance_groups=[InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)]).node_recovery
    'Automatic'
    """

    cluster_name: str | None = field(
        None, change=Change.REPLACES_CLUSTER, help="Physical name; default: CloudFormation's, which can be replaced."
    )
    instance_groups: tuple[InstanceGroup, ...] = field((), change=Change.IN_PLACE, help="Instance groups, 1 to 100.")
    restricted_instance_groups: tuple[RestrictedInstanceGroup, ...] = field(
        (), change=Change.IN_PLACE, help="Restricted instance groups."
    )
    shared_environment: SharedEnvironment | None = field(
        None, change=Change.LOSES_DATA, help="File system shared by the restricted instance groups."
    )
    provisioning: Literal["Continuous", "Request"] = field(
        "Continuous",
        change=Change.REFUSED,
        help="Continuous keeps trying for capacity and is in service at once; Request fails as a whole.",
    )
    node_recovery: Literal["Automatic", "None"] = field(
        "Automatic", change=Change.IN_PLACE, help="Whether faulty nodes are rebooted and replaced by the service."
    )
    counts: Literal["config", "autoscaler"] = field(
        "config",
        change=Change.NONE,
        help="Who owns the instance counts after creation. `autoscaler`: a redeploy leaves the live counts alone.",
    )
    autoscaling: Autoscaling | None = field(None, change=Change.IN_PLACE, help="Managed Karpenter.")
    tiered_storage: TieredStorage | None = field(None, change=Change.IN_PLACE, help="Checkpoints in memory.")
    lifecycle: Lifecycle = field(
        Lifecycle(), change=Change.DRAINS, help="Lifecycle configuration of groups that have none of their own."
    )
    lifecycle_bucket_name: str | None = field(
        None, change=Change.DRAINS, help="Bucket for the lifecycle scripts that exists; default: a new one."
    )
    execution_role_arn: str | None = field(
        None, change=Change.REPLACES_GROUP, help="Execution role that exists, for groups that name none."
    )
    nodes_ready_minutes: int = field(
        40,
        change=Change.NONE,
        help="Minutes to wait for the system group's nodes (60 at most, the limit of CloudFormation custom resources).",
        ge=1,
        le=60,
    )
    tags: Mapping[str, str] = field(default_factory=dict, change=Change.IN_PLACE, help="Tags of the cluster.")
    properties: Mapping[str, Any] = field(
        default_factory=dict, change=Change.IN_PLACE, help="CloudFormation properties merged last."
    )

    @property
    def groups(self) -> tuple[InstanceGroup | RestrictedInstanceGroup, ...]:
        """All groups, ordinary ones first."""
        return (*self.instance_groups, *self.restricted_instance_groups)
