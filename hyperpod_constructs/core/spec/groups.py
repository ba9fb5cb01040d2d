"""Instance groups of a HyperPod cluster, ordinary and restricted."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from .arns import BucketArn, KeyArn, RoleArn, TrainingPlanArn
from .base import Change, ListOf, SpecModel, field, may_be_token

DeepHealthCheck = Literal["InstanceStress", "InstanceConnectivity", "MultiNodeTrainingValidation"]


class Lifecycle(SpecModel):
    """Lifecycle configuration. Default for a group: our own small script, run on creation.

    Three modes: `bootstrap` has no script at all; `on_create` runs yours instead of the service's set-up;
    `extension` runs yours after it.
    """

    mode: Literal["bootstrap", "on_create", "extension"] = field(
        "on_create", change=Change.DRAINS, help="When and whether a script runs on a new node."
    )
    source: str | None = field(
        None,
        change=Change.DRAINS,
        help="Local folder (uploaded as an asset) or `s3://` address of the scripts; default: ours.",
    )
    script: str = field(
        "on_create.sh", change=Change.DRAINS, help="File in the folder that is run.", min_length=1, max_length=128
    )

    @property
    def runs_ours(self) -> bool:
        """Whether our own scripts set the node up."""
        return self.mode == "on_create" and self.source is None


class Volume(SpecModel):
    """An EBS volume of every node of a group."""

    takes_tokens: ClassVar[tuple[str, ...]] = ("size_gib",)
    _tokens = may_be_token(*takes_tokens, minimum=1, maximum=16384)

    size_gib: int | None = field(
        None, change=Change.DRAINS, help="Size in GiB; left out for a root volume.", ge=1, le=16384
    )
    kms_key_arn: KeyArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Customer managed KMS key; default: the AWS managed one."
    )


class LustreEfaClient(SpecModel):
    """Configuration of the nodes' Lustre client for EFA, by our lifecycle script.

    Default: the setup script of the node's image. `package_url` is used where the image has none: FSx for Lustre's package
    `configure-efa-fsx-lustre-client.zip`, or a copy of it, with its digest.
    """

    package_url: str | None = field(
        None, change=Change.DRAINS, help="HTTPS address of the package; default: the setup script of the image."
    )
    package_sha256: str | None = field(
        None, change=Change.DRAINS, help="SHA-256 digest of the package, in hexadecimal; a node with another one fails."
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
    """How many instances a rolling update takes at a time: `count`, or `percent` of the group."""

    count: int | None = field(None, change=Change.IN_PLACE, help="Number of instances.", ge=1)
    percent: int | None = field(None, change=Change.IN_PLACE, help="Share of the group in percent.", ge=1, le=100)


class Deployment(SpecModel):
    """Rolling update of a group's software."""

    maximum_batch_size: BatchSize | None = field(None, change=Change.IN_PLACE, help="Instances updated at a time.")
    rollback_batch_size: BatchSize | None = field(None, change=Change.IN_PLACE, help="Instances rolled back at a time.")
    wait_seconds: int | None = field(
        None, change=Change.IN_PLACE, help="Seconds to watch the alarms after a batch.", ge=0, le=3600
    )
    alarms: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="CloudWatch alarm names that roll the update back.", max_length=10
    )


class ScheduledUpdate(SpecModel):
    """Software updates by schedule."""

    schedule: str = field(
        change=Change.IN_PLACE, help="Cron expression with a fixed minute and hour: `cron(0 3 ? * SUN *)`."
    )
    deployment: Deployment | None = field(None, change=Change.IN_PLACE, help="How the update rolls.")


class AutoPatch(SpecModel):
    """Automatic patching by the service."""

    strategy: Literal["WhenIdle", "WhenAllIdle"] = field(
        "WhenIdle", change=Change.IN_PLACE, help="When a node may be patched."
    )
    deployment: Deployment | None = field(None, change=Change.IN_PLACE, help="How the patching rolls.")


class InstanceGroup(SpecModel):
    """Nodes of one kind in one place.

    >>> InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=16, availability_zone_id="use1-az6").count
    16
    """

    takes_tokens: ClassVar[tuple[str, ...]] = ("count", "min_count", "max_count")
    _tokens = may_be_token(*takes_tokens, minimum=1, maximum=1000)

    name: str = field(change=Change.REPLACES_GROUP, help="Name of the group, unique in the cluster; 1-63 characters.")
    instance_type: str | None = field(
        None, change=Change.REPLACES_GROUP, help="HyperPod instance type, such as `ml.p5.48xlarge`."
    )
    instance_types: ListOf[str] = field(
        (),
        change=Change.REPLACES_GROUP,
        help="Flexible group: instance types in order of preference, instead of `instance_type`. Continuous only.",
        max_length=20,
    )
    count: int = field(change=Change.IN_PLACE, help="Instances wanted; 0 for a group that only Karpenter fills.", ge=0)
    min_count: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Instances the group must reach within 3 hours, or it is rolled back. Continuous only.",
        ge=0,
    )
    max_count: int | None = field(
        None,
        change=Change.IN_PLACE,
        help="Most instances an autoscaler may reach: a limit of Karpenter's NodePool, and used to count addresses.",
        ge=0,
    )
    availability_zone_id: str | None = field(
        None,
        change=Change.REPLACES_GROUP,
        help="Zone id of the group's subnet. Default: the network's first zone. EFA works inside one zone only.",
    )
    subnet_ids: ListOf[str] = field(
        (), change=Change.REPLACES_GROUP, help="Subnets instead of the zone's own.", max_length=16
    )
    security_group_ids: ListOf[str] = field(
        (), change=Change.REPLACES_GROUP, help="Security groups besides the node security group.", max_length=4
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Execution role that exists; default: the cluster's own."
    )
    lifecycle: Lifecycle | None = field(
        None, change=Change.DRAINS, help="Lifecycle configuration; default: the cluster's."
    )
    threads_per_core: Literal[1, 2] | None = field(
        None, change=Change.REPLACES_GROUP, help="1 switches simultaneous multithreading off; default: the service's."
    )
    root_volume: Volume | None = field(None, change=Change.REPLACES_GROUP, help="Encryption of the root volume.")
    volume: Volume | None = field(
        None, change=Change.DRAINS, help="Second volume, mounted at /opt/sagemaker by the service."
    )
    container_data: Literal["second-volume", "nvme", "root-volume"] | None = field(
        None,
        change=Change.DRAINS,
        help="Where new nodes keep the data of containerd and the kubelet (images, container layers, emptyDir volumes). "
        "`nvme` is the local storage of the instance type. Default: the second volume where the group has one, else the "
        "root volume. Set up by our lifecycle script.",
    )
    lustre: LustreMount | None = field(None, change=Change.DRAINS, help="FSx for Lustre mount.")
    open_zfs: OpenZfsMount | None = field(None, change=Change.DRAINS, help="FSx for OpenZFS mount.")
    deep_health_checks: ListOf[DeepHealthCheck] = field(
        (),
        change=Change.IN_PLACE,
        help="Checks of accelerators on node start, 60 to 90 minutes. GPU and Trainium only.",
        max_length=3,
    )
    training_plan_arn: TrainingPlanArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Training plan whose reserved capacity the group uses."
    )
    capacity: Literal["on-demand", "spot"] | None = field(
        None, change=Change.REPLACES_GROUP, help="Capacity kind; spot needs Continuous provisioning."
    )
    image_id: str | None = field(None, change=Change.DRAINS, help="Custom AMI id, or `default`.")
    image_release_version: str | None = field(
        None, change=Change.DRAINS, help="Release of the service's AMI, such as `1.2.3`."
    )
    labels: Mapping[str, str] = field(
        default_factory=dict, change=Change.IN_PLACE, help="Kubernetes labels of the nodes, 50 at most."
    )
    taints: ListOf[Taint] = field((), change=Change.IN_PLACE, help="Kubernetes taints of the nodes, 50 at most.")
    network_interface: Literal["efa", "efa-only"] | None = field(
        None,
        change=Change.REPLACES_GROUP,
        help="Kind of the extra interfaces; `efa-only` ones take no IP address.",
    )
    scheduled_update: ScheduledUpdate | None = field(None, change=Change.IN_PLACE, help="Updates by schedule.")
    auto_patch: AutoPatch | None = field(None, change=Change.IN_PLACE, help="Automatic patching.")
    properties: Mapping[str, Any] = field(
        default_factory=dict,
        change=Change.IN_PLACE,
        help="CloudFormation properties merged last, for what CloudFormation gained after this release.",
    )

    @property
    def types(self) -> tuple[str, ...]:
        """All instance types that the group may hold, in order of preference."""
        return (self.instance_type,) if self.instance_type else tuple(self.instance_types)

    @property
    def max_instances(self) -> int:
        """The most instances that the group may grow to."""
        return max(self.count, self.max_count or 0)


class RestrictedInstanceGroup(SpecModel):
    """A restricted instance group (RIG), for training Amazon's own models; the service runs its environment."""

    takes_tokens: ClassVar[tuple[str, ...]] = ("count",)
    _tokens = may_be_token(*takes_tokens, minimum=1, maximum=1000)

    name: str = field(change=Change.REPLACES_GROUP, help="Name of the group, unique in the cluster; 1-63 characters.")
    instance_type: str = field(change=Change.REPLACES_GROUP, help="HyperPod instance type.")
    count: int = field(change=Change.IN_PLACE, help="Instances wanted.", ge=0)
    availability_zone_id: str | None = field(
        None, change=Change.REPLACES_GROUP, help="Zone id of the group's subnet; default: the network's first zone."
    )
    subnet_ids: ListOf[str] = field((), change=Change.REPLACES_GROUP, help="Subnets instead of the zone's own.")
    security_group_ids: ListOf[str] = field(
        (), change=Change.REPLACES_GROUP, help="Security groups besides the node security group.", max_length=4
    )
    execution_role_arn: RoleArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Execution role that exists; default: the cluster's own."
    )
    threads_per_core: Literal[1, 2] | None = field(
        None, change=Change.REPLACES_GROUP, help="1 switches simultaneous multithreading off."
    )
    lustre_size_gib: int | None = field(
        None, change=Change.LOSES_DATA, help="Size of the group's own file system in GiB.", ge=1200, le=100800
    )
    lustre_throughput: int | None = field(
        None,
        change=Change.LOSES_DATA,
        help="Throughput of the group's own file system in MB/s per TiB.",
        ge=125,
        le=1000,
    )
    deep_health_checks: ListOf[DeepHealthCheck] = field(
        (), change=Change.IN_PLACE, help="Checks on node start.", max_length=3
    )
    training_plan_arn: TrainingPlanArn | None = field(
        None, change=Change.REPLACES_GROUP, help="Training plan of the group."
    )
    volume: Volume | None = field(
        None, change=Change.DRAINS, help="Second volume, mounted at /opt/sagemaker by the service; takes no key."
    )
    input_bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="Buckets that the group's jobs read data from."
    )
    output_bucket_arns: ListOf[BucketArn] = field(
        (), change=Change.IN_PLACE, help="Buckets that the group's jobs write checkpoints and results to."
    )
    reward_functions: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether jobs may call Lambda reward functions, and use their SQS queues, whose names contain SageMaker.",
    )
    gated_recipes: bool = field(
        False, change=Change.IN_PLACE, help="Whether jobs may read the gated recipes for advanced customization."
    )
    properties: Mapping[str, Any] = field(
        default_factory=dict, change=Change.IN_PLACE, help="CloudFormation properties merged last."
    )

    @property
    def types(self) -> tuple[str, ...]:
        """The instance type, as `InstanceGroup.types` has it."""
        return (self.instance_type,)

    @property
    def max_instances(self) -> int:
        """The most instances that the group may grow to."""
        return self.count
