"""The HyperPod cluster."""

from collections.abc import Mapping
from typing import Any, Literal

from .arns import RoleArn
from .base import Change, ListOf, SpecModel, defaults, field
from .groups import InstanceGroup, Lifecycle, LustreEfaClient, RestrictedInstanceGroup


class Autoscaling(SpecModel):
    """Node autoscaling with managed Karpenter."""

    enabled: bool = field(
        True,
        change=Change.IN_PLACE,
        help="`false` disables Karpenter; if `autoscaling` is removed instead, Karpenter may stay enabled.",
    )
    cluster_role_arn: RoleArn | None = field(
        None, change=Change.REFUSED, help="ARN of an existing role for the autoscaler. Default: a new role."
    )
    groups: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="Names of the groups that Karpenter scales. Default: groups with `count: 0`."
    )
    node_pool: bool = field(
        True,
        change=Change.DRAINS,
        help="Whether to create a HyperpodNodeClass and a NodePool for each of these groups; `false` if you "
        "apply your own.",
    )
    pools: Literal["per-group", "shared"] = field(
        "per-group",
        change=Change.DRAINS,
        help="`per-group`: one NodePool for each of these groups, limited to the group's `max_count`. "
        "`shared`: one NodePool `hyperpod` for all of them. Karpenter removes the nodes of a NodePool "
        "that is deleted.",
    )
    consolidation: Literal["empty", "underutilized"] = field(
        "empty",
        change=Change.IN_PLACE,
        help="Nodes that Karpenter removes: only `empty` nodes, or also `underutilized` nodes, whose pods it evicts.",
    )
    consolidate_after_minutes: int = field(
        10, change=Change.IN_PLACE, help="Minutes that a node must be unchanged before Karpenter removes it.", ge=0
    )


class TieredStorage(SpecModel):
    """Managed tiered checkpointing: checkpoints in the memory of the nodes."""

    enabled: bool = field(
        True,
        change=Change.IN_PLACE,
        help="`false` disables it; if `tiered_storage` is removed instead, it may stay enabled.",
    )
    memory_percent: int = field(
        20, change=Change.IN_PLACE, help="Share of each node's memory in percent.", ge=0, le=100
    )


class SharedEnvironment(SpecModel):
    """The file system that the restricted instance groups share."""

    lustre_size_gib: int = field(change=Change.LOSES_DATA, help="Size in GiB.", ge=1200, le=100800)
    lustre_throughput: int = field(change=Change.LOSES_DATA, help="Throughput in MB/s per TiB.", ge=125, le=1000)
    on_delete: Literal["Keep", "DeleteIfNotUsed"] = field(
        "Keep", change=Change.IN_PLACE, help="What happens to the file system when the groups are deleted."
    )


class Cluster(SpecModel):
    """An `AWS::SageMaker::Cluster` orchestrated by EKS.

    >>> Cluster(instance_groups=[InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)]).node_recovery
    'Automatic'
    """

    cluster_name: str | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="Physical name. Default: the platform's name. `null`: CloudFormation generates one.",
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
        help="Whether to install the network agent and the DNS servers that restricted nodes require; `false` if "
        "you already ran the script that the service documents for this.",
    )
    provisioning: Literal["Continuous", "Request"] = field(
        "Continuous",
        change=Change.REFUSED,
        help="`Continuous`: the cluster is in service immediately, and the service adds instances as capacity becomes "
        "available. `Request`: the request fails if any instance is not available.",
    )
    node_recovery: Literal["Automatic", "None"] = field(
        "Automatic", change=Change.IN_PLACE, help="Whether the service reboots and replaces faulty nodes."
    )
    counts: Literal["config", "autoscaler"] = field(
        "config",
        change=Change.NONE,
        help="Whether this config or an autoscaler manages the instance counts after creation. `autoscaler`: a "
        "deployment does not change the current counts.",
    )
    autoscaling: Autoscaling | None = field(None, change=Change.IN_PLACE, help="Managed Karpenter.")
    tiered_storage: TieredStorage | None = field(None, change=Change.IN_PLACE, help="Managed tiered checkpointing.")
    lifecycle: Lifecycle = field(
        defaults(Lifecycle), change=Change.DRAINS, help="Lifecycle configuration of groups that do not set their own."
    )
    lustre_efa_client: LustreEfaClient | None = field(
        None,
        change=Change.DRAINS,
        help="Configure the Lustre client for EFA on groups whose instance type supports EFA. Default: "
        "enabled if a file system of `storage.lustre` uses EFA.",
    )
    lifecycle_bucket_name: str | None = field(
        None, change=Change.DRAINS, help="Existing bucket for the lifecycle scripts. Default: a new bucket."
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="ARN of an existing execution role for groups that do not set one."
    )
    execution_roles: Literal["shared", "per-group"] = field(
        "per-group",
        change=Change.REPLACES_GROUP,
        help="`per-group`: one new role for each group, restricted to the group's subnets. `shared`: one new "
        "role for all groups that do not set one. The role of an existing group cannot be changed, so "
        "do not edit this field of a cluster that was created with `shared`.",
    )
    nodes_ready_minutes: int = field(
        40,
        change=Change.NONE,
        help="Minutes to wait for the system group's nodes (maximum 60, the limit of CloudFormation custom resources).",
        ge=1,
        le=60,
    )
    adopt: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Adopt existing Karpenter node classes and NodePools, and the network agent and DNS servers of "
        "restricted nodes, that have the same names and that this library did not create; they are "
        "retained when the stack is deleted.",
    )
    tags: Mapping[str, str] = field(default_factory=dict, change=Change.IN_PLACE, help="Tags of the cluster.")
    properties: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="Additional CloudFormation properties of the cluster, merged over the generated ones.",
    )

    @property
    def groups(self) -> tuple[InstanceGroup | RestrictedInstanceGroup, ...]:
        """All groups: instance groups first, then restricted instance groups."""
        return (*self.instance_groups, *self.restricted_instance_groups)

    @property
    def volume_key_arns(self) -> tuple[str, ...]:
        """ARNs of the customer managed keys of the groups' volumes, without duplicates."""
        volumes = (volume for group in self.instance_groups for volume in (group.root_volume, group.volume))
        return tuple(dict.fromkeys(volume.kms_key_arn for volume in volumes if volume and volume.kms_key_arn))

    @property
    def scaling(self) -> Autoscaling | None:
        """The autoscaling settings, or None if autoscaling is disabled.

        >>> Cluster(autoscaling=Autoscaling(enabled=False)).scaling is None
        True
        """
        return self.autoscaling if self.autoscaling and self.autoscaling.enabled else None

    @property
    def karpenter_groups(self) -> tuple[str, ...]:
        """Names of the groups that Karpenter scales or has scaled: the listed groups, otherwise the groups with count 0."""
        if self.autoscaling is None:
            return ()
        return tuple(self.autoscaling.groups or (group.name for group in self.instance_groups if group.count == 0))

    @property
    def scaled_groups(self) -> tuple[str, ...]:
        """Names of the groups whose count an autoscaler manages: Karpenter's groups, or all groups for another autoscaler.

        >>> Cluster(instance_groups=[InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=2)]).scaled_groups
        ()
        """
        if self.counts == "config":
            return ()
        return self.karpenter_groups if self.autoscaling else tuple(group.name for group in self.instance_groups)
