"""Instance groups of a HyperPod cluster, ordinary and restricted."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from .arns import BucketArn, KeyArn, RoleArn, TrainingPlanArn
from .base import Change, ListOf, SpecModel, field, may_be_token

DeepHealthCheck = Literal["InstanceStress", "InstanceConnectivity", "MultiNodeTrainingValidation"]


class Lifecycle(SpecModel):
    """Lifecycle configuration. Default: this library's script, which runs when a node is created.

    Three modes: `bootstrap` has no script; `on_create` runs a script instead of the service's setup; `extension` runs a
    script after the service's setup.
    """

    mode: Literal["bootstrap", "on_create", "extension"] = field(
        "on_create", change=Change.DRAINS, help="Whether and when a script runs on a new node."
    )
    source: str | None = field(
        None,
        change=Change.DRAINS,
        help="Local folder (uploaded as an asset) or `s3://` URI of the scripts. Default: this library's scripts.",
    )
    script: str = field(
        "on_create.sh", change=Change.DRAINS, help="Name of the script in the folder.", min_length=1, max_length=128
    )

    @property
    def runs_ours(self) -> bool:
        """Whether this library's scripts set up the node."""
        return self.mode == "on_create" and self.source is None


class Volume(SpecModel):
    """An EBS volume of every node of a group."""

    token_fields: ClassVar[tuple[str, ...]] = ("size_gib",)
    _tokens = may_be_token(*token_fields, minimum=1, maximum=16384)

    size_gib: int | None = field(
        None, change=Change.DRAINS, help="Size in GiB; must be omitted for a root volume.", ge=1, le=16384
    )
    kms_key_arn: KeyArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Customer managed KMS key. Default: the AWS managed key."
    )


class LustreEfaClient(SpecModel):
    """EFA configuration of the Lustre client on nodes, by this library's lifecycle script.

    Default: the setup script in the node's image. If the image does not contain it, set `package_url` to the FSx for
    Lustre package `configure-efa-fsx-lustre-client.zip` or a copy of it, and `package_sha256` to its digest.
    """

    package_url: str | None = field(
        None, change=Change.DRAINS, help="HTTPS URL of the package. Default: the setup script in the image."
    )
    package_sha256: str | None = field(
        None,
        change=Change.DRAINS,
        help="SHA-256 digest of the package in hexadecimal; a node fails if the digest differs.",
    )


class LustreMount(SpecModel):
    """An FSx for Lustre file system mounted on every node of a group."""

    dns_name: str = field(change=Change.DRAINS, help="DNS name of the file system.")
    mount_name: str = field(change=Change.DRAINS, help="Mount name of the file system.")
    mount_path: str = field("/fsx", change=Change.DRAINS, help="Absolute path on the node.")


class OpenZfsMount(SpecModel):
    """An FSx for OpenZFS file system mounted on every node of a group."""

    dns_name: str = field(change=Change.DRAINS, help="DNS name of the file system.")
    mount_path: str = field("/home", change=Change.DRAINS, help="Absolute path on the node.")


class Taint(SpecModel):
    """A Kubernetes taint on every node of a group."""

    key: str = field(change=Change.IN_PLACE, help="Taint key.")
    value: str | None = field(None, change=Change.IN_PLACE, help="Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = field(
        change=Change.IN_PLACE, help="What happens to pods that do not tolerate it."
    )


class BatchSize(SpecModel):
    """The number of instances that a rolling update updates at a time: `count`, or `percent` of the group."""

    count: int | None = field(None, change=Change.IN_PLACE, help="Number of instances.", ge=1)
    percent: int | None = field(None, change=Change.IN_PLACE, help="Share of the group in percent.", ge=1, le=100)


class Deployment(SpecModel):
    """Rolling update of a group's software."""

    maximum_batch_size: BatchSize | None = field(None, change=Change.IN_PLACE, help="Instances updated at a time.")
    rollback_batch_size: BatchSize | None = field(None, change=Change.IN_PLACE, help="Instances rolled back at a time.")
    wait_seconds: int | None = field(
        None, change=Change.IN_PLACE, help="Seconds to monitor the alarms after a batch.", ge=0, le=3600
    )
    alarms: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="CloudWatch alarms that roll back the update.", max_length=10
    )


class ScheduledUpdate(SpecModel):
    """Scheduled software updates."""

    schedule: str = field(
        change=Change.IN_PLACE, help="Cron expression with a fixed minute and hour: `cron(0 3 ? * SUN *)`."
    )
    deployment: Deployment | None = field(None, change=Change.IN_PLACE, help="Batches of the rolling update.")


class AutoPatch(SpecModel):
    """Automatic patching by the service."""

    strategy: Literal["WhenIdle", "WhenAllIdle"] = field(
        "WhenIdle", change=Change.IN_PLACE, help="When a node may be patched."
    )
    deployment: Deployment | None = field(None, change=Change.IN_PLACE, help="Batches of the patching.")


class InstanceGroup(SpecModel):
    """An instance group: nodes with the same configuration, of one instance type or several (flexible group).

    >>> InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=16, availability_zone_id="use1-az6").count
    16
    """

    token_fields: ClassVar[tuple[str, ...]] = ("count", "min_count", "max_count")
    _tokens = may_be_token(*token_fields, minimum=1, maximum=1000)

    name: str = field(change=Change.REPLACES_GROUP, help="Name of the group, unique in the cluster; 1-63 characters.")
    instance_type: str | None = field(
        None, change=Change.REPLACES_GROUP, help="HyperPod instance type, such as `ml.p5.48xlarge`."
    )
    instance_types: ListOf[str] = field(
        (),
        change=Change.REPLACES_GROUP,
        help="Flexible group: instance types in order of preference, instead of `instance_type`. Requires "
        "Continuous provisioning.",
        max_length=20,
    )
    count: int = field(
        change=Change.IN_PLACE, help="Number of instances; 0 for a group that only Karpenter scales.", ge=0
    )
    min_count: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Instances that the group must reach within 3 hours; otherwise it is rolled back. Requires "
        "Continuous provisioning.",
        ge=0,
    )
    max_count: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Maximum number of instances for an autoscaler: the limit of Karpenter's NodePool, also used to "
        "count IP addresses.",
        ge=0,
    )
    availability_zone_id: str | None = field(
        None,
        change=Change.REPLACES_GROUP,
        help="Zone ID of the group's subnet. Default: the network's first zone. EFA works within one zone only.",
    )
    subnet_ids: ListOf[str] = field(
        (), change=Change.REPLACES_GROUP, help="Subnet IDs, instead of the subnet of the zone.", max_length=16
    )
    security_group_ids: ListOf[str] = field(
        (),
        change=Change.REPLACES_GROUP,
        help="IDs of security groups in addition to the node security group.",
        max_length=4,
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="ARN of an existing execution role. Default: the cluster's."
    )
    lifecycle: Lifecycle | None = field(
        None, change=Change.DRAINS, help="Lifecycle configuration. Default: the cluster's."
    )
    threads_per_core: Literal[1, 2] | None = field(
        None,
        change=Change.REPLACES_GROUP,
        help="`1` disables simultaneous multithreading. Default: the service's default.",
    )
    root_volume: Volume | None = field(None, change=Change.REPLACES_GROUP, help="Encryption of the root volume.")
    volume: Volume | None = field(
        None, change=Change.DRAINS, help="Secondary volume, which the service mounts at /opt/sagemaker."
    )
    container_data: Literal["second-volume", "nvme", "root-volume"] | None = field(
        None,
        change=Change.DRAINS,
        help="Where new nodes store the data of containerd and the kubelet (images, container layers, "
        "emptyDir volumes). `nvme` is the local storage of the instance type. Default: the secondary "
        "volume if the group has one, otherwise the root volume. Set up by this library's lifecycle "
        "script.",
    )
    lustre: LustreMount | None = field(None, change=Change.DRAINS, help="FSx for Lustre mount.")
    open_zfs: OpenZfsMount | None = field(None, change=Change.DRAINS, help="FSx for OpenZFS mount.")
    deep_health_checks: ListOf[DeepHealthCheck] = field(
        (),
        change=Change.IN_PLACE,
        help="Deep health checks of accelerators at node start, 60 to 90 minutes. GPU and Trainium only.",
        max_length=3,
    )
    training_plan_arn: TrainingPlanArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Training plan whose reserved capacity the group uses."
    )
    capacity: Literal["on-demand", "spot"] | None = field(
        None, change=Change.REPLACES_GROUP, help="Capacity type; spot requires Continuous provisioning."
    )
    image_id: str | None = field(None, change=Change.DRAINS, help="Custom AMI ID, or `default`.")
    image_release_version: str | None = field(
        None, change=Change.DRAINS, help="Release of the service's AMI, such as `1.2.3`."
    )
    labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.IN_PLACE, help="Kubernetes labels of the nodes, up to 50."
    )
    taints: ListOf[Taint] = field((), change=Change.IN_PLACE, help="Kubernetes taints of the nodes, up to 50.")
    network_interface: Literal["efa", "efa-only"] | None = field(
        None,
        change=Change.REPLACES_GROUP,
        help="Type of the additional network interfaces; `efa-only` interfaces have no IP address.",
    )
    scheduled_update: ScheduledUpdate | None = field(None, change=Change.IN_PLACE, help="Scheduled software updates.")
    auto_patch: AutoPatch | None = field(None, change=Change.IN_PLACE, help="Automatic patching.")
    properties: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="Additional CloudFormation properties of the group, merged over the generated ones, such as properties that "
        "CloudFormation added after this release.",
    )

    @property
    def types(self) -> tuple[str, ...]:
        """All instance types that the group can contain, in order of preference."""
        return (self.instance_type,) if self.instance_type else tuple(self.instance_types)

    @property
    def max_instances(self) -> int:
        """The maximum number of instances that the group can grow to."""
        return max(self.count, self.max_count or 0)


class RestrictedInstanceGroup(SpecModel):
    """A restricted instance group (RIG), for training Amazon's own models; the service manages its environment."""

    token_fields: ClassVar[tuple[str, ...]] = ("count",)
    _tokens = may_be_token(*token_fields, minimum=1, maximum=1000)

    name: str = field(change=Change.REPLACES_GROUP, help="Name of the group, unique in the cluster; 1-63 characters.")
    instance_type: str = field(change=Change.REPLACES_GROUP, help="HyperPod instance type.")
    count: int = field(change=Change.IN_PLACE, help="Number of instances.", ge=0)
    availability_zone_id: str | None = field(
        None, change=Change.REPLACES_GROUP, help="Zone ID of the group's subnet. Default: the network's first zone."
    )
    subnet_ids: ListOf[str] = field(
        (), change=Change.REPLACES_GROUP, help="Subnet IDs, instead of the subnet of the zone."
    )
    security_group_ids: ListOf[str] = field(
        (),
        change=Change.REPLACES_GROUP,
        help="IDs of security groups in addition to the node security group.",
        max_length=4,
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="ARN of an existing execution role. Default: the cluster's."
    )
    threads_per_core: Literal[1, 2] | None = field(
        None, change=Change.REPLACES_GROUP, help="`1` disables simultaneous multithreading."
    )
    lustre_size_gib: int | None = field(
        None, change=Change.LOSES_DATA, help="Size of the group's file system in GiB.", ge=1200, le=100800
    )
    lustre_throughput: int | None = field(
        None,
        change=Change.LOSES_DATA,
        help="Throughput of the group's file system in MB/s per TiB.",
        ge=125,
        le=1000,
    )
    deep_health_checks: ListOf[DeepHealthCheck] = field(
        (), change=Change.IN_PLACE, help="Deep health checks at node start.", max_length=3
    )
    training_plan_arn: TrainingPlanArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Training plan of the group."
    )
    volume: Volume | None = field(
        None,
        change=Change.DRAINS,
        help="Secondary volume, which the service mounts at /opt/sagemaker; it does not support a KMS key.",
    )
    input_bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of buckets that the group's jobs read data from."
    )
    output_bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of buckets that the group's jobs write checkpoints and results to."
    )
    reward_functions: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether jobs can call Lambda reward functions and use SQS queues, if their names contain SageMaker.",
    )
    gated_recipes: bool = field(
        False, change=Change.IN_PLACE, help="Whether jobs can read the gated recipes for advanced customization."
    )
    properties: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="Additional CloudFormation properties of the group, merged over the generated ones.",
    )

    @property
    def types(self) -> tuple[str, ...]:
        """The instance type as a tuple, like `InstanceGroup.types`."""
        return (self.instance_type,)

    @property
    def max_instances(self) -> int:
        """The maximum number of instances that the group can grow to."""
        return self.count
