"""The HyperPod cluster."""

from collections.abc import Mapping
from typing import Any, Literal

from .arns import RoleArn
from .base import Change, ListOf, SpecModel, defaults, field
from .groups import InstanceGroup, Lifecycle, LustreEfaClient, RestrictedInstanceGroup


class Autoscaling(SpecModel):
    """Node autoscaling by the managed Karpenter."""

    enabled: bool = field(
        True,
        change=Change.IN_PLACE,
        help="`false` switches Karpenter off on a cluster that has it; taking `autoscaling` away may leave it on.",
    )
    cluster_role_arn: RoleArn | None = field(
        None, change=Change.REFUSED, help="Role for the autoscaler that exists; default: one of ours."
    )
    groups: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="Names of the groups that Karpenter fills; default: those with count 0."
    )
    node_pool: bool = field(
        True,
        change=Change.DRAINS,
        help="Whether we make a HyperpodNodeClass and a NodePool for each of these groups; `false` when you apply your "
        "own.",
    )
    pools: Literal["per-group", "shared"] = field(
        "per-group",
        change=Change.DRAINS,
        help="One NodePool for each of these groups, limited to the group's `max_count`, or one NodePool `hyperpod` that "
        "all of them share. Karpenter removes the nodes of a NodePool that is deleted.",
    )
    consolidation: Literal["empty", "underutilized"] = field(
        "empty",
        change=Change.IN_PLACE,
        help="Which nodes Karpenter removes: `empty` ones only, or also `underutilized` ones, whose pods it evicts.",
    )
    consolidate_after_minutes: int = field(
        10, change=Change.IN_PLACE, help="Minutes that a node stays as it is before Karpenter removes it.", ge=0
    )


class TieredStorage(SpecModel):
    """Checkpoints kept in the memory of the nodes."""

    enabled: bool = field(
        True, change=Change.IN_PLACE, help="`false` switches it off; taking `tiered_storage` away may leave it on."
    )
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
        None,
        change=Change.REPLACES_CLUSTER,
        help="Physical name; default: the platform's. `null` leaves it to CloudFormation.",
    )
    instance_groups: ListOf[InstanceGroup] = field((), change=Change.IN_PLACE, help="Instance groups, 1 to 100.")
    restricted_instance_groups: ListOf[RestrictedInstanceGroup] = field(
        (), change=Change.IN_PLACE, help="Restricted instance groups."
    )
    shared_environment: SharedEnvironment | None = field(
        None, change=Change.LOSES_DATA, help="File system shared by the restricted instance groups."
    )
    prepare_restricted_nodes: bool = field(
        True,
        change=Change.DRAINS,
        help="Whether restricted nodes get a network agent and DNS servers of their own from us, which the service "
        "documents as a script to run; `false` where that was run.",
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
        defaults(Lifecycle), change=Change.DRAINS, help="Lifecycle configuration of groups that have none of their own."
    )
    lustre_efa_client: LustreEfaClient | None = field(
        None,
        change=Change.DRAINS,
        help="Configure the Lustre client for EFA on groups whose instance type has EFA. Default: where a file system of "
        "`storage.lustre` has EFA.",
    )
    lifecycle_bucket_name: str | None = field(
        None, change=Change.DRAINS, help="Bucket for the lifecycle scripts that exists; default: a new one."
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Execution role that exists, for groups that name none."
    )
    execution_roles: Literal["shared", "per-group"] = field(
        "per-group",
        change=Change.REPLACES_GROUP,
        help="One role of ours per group, each held to its own subnets, or one for all groups that name none. The role of "
        "a group that exists cannot be changed: a cluster that was made with `shared` keeps it.",
    )
    nodes_ready_minutes: int = field(
        40,
        change=Change.NONE,
        help="Minutes to wait for the system group's nodes (60 at most, the limit of CloudFormation custom resources).",
        ge=1,
        le=60,
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Take over Karpenter's node classes and NodePools, and the network agent and DNS servers of restricted nodes, "
        "that exist already under our names and were not made by this library; they are kept when ours go.",
    )
    tags: Mapping[str, str] = field(default_factory=dict, change=Change.IN_PLACE, help="Tags of the cluster.")
    properties: Mapping[str, Any] = field(
        default_factory=dict, change=Change.IN_PLACE, help="CloudFormation properties merged last."
    )

    @property
    def groups(self) -> tuple[InstanceGroup | RestrictedInstanceGroup, ...]:
        """All groups, ordinary ones first."""
        return (*self.instance_groups, *self.restricted_instance_groups)

    @property
    def volume_key_arns(self) -> tuple[str, ...]:
        """The customer managed keys of the groups' volumes, each once."""
        volumes = (volume for group in self.instance_groups for volume in (group.root_volume, group.volume))
        return tuple(dict.fromkeys(volume.kms_key_arn for volume in volumes if volume and volume.kms_key_arn))

    @property
    def scaling(self) -> Autoscaling | None:
        """Autoscaling, where it is on.

        >>> Cluster(autoscaling=Autoscaling(enabled=False)).scaling is None
        True
        """
        return self.autoscaling if self.autoscaling and self.autoscaling.enabled else None

    @property
    def karpenter_groups(self) -> tuple[str, ...]:
        """Names of the groups that Karpenter fills, or has filled: those it is told, else those with count 0."""
        if self.autoscaling is None:
            return ()
        return tuple(self.autoscaling.groups or (group.name for group in self.instance_groups if group.count == 0))

    @property
    def scaled_groups(self) -> tuple[str, ...]:
        """Names of the groups whose count belongs to an autoscaler: Karpenter's, or all when it is another one.

        >>> Cluster(instance_groups=[InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=2)]).scaled_groups
        ()
        """
        if self.counts == "config":
            return ()
        return self.karpenter_groups if self.autoscaling else tuple(group.name for group in self.instance_groups)
