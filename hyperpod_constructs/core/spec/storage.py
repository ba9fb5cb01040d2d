"""Storage: FSx for Lustre file systems, S3 buckets, and their volume claims."""

from typing import ClassVar, Literal

from .arns import KeyArn, KeyOrAliasArn
from .base import Change, ListOf, QuotedText, SpecModel, field, may_be_token

Removal = Literal["retain", "destroy"]

ADOPT_HELP = (
    "Adopt an existing volume and claims of these names in Kubernetes that this library did not create; they "
    "are retained when the stack is deleted."
)


class DataRepository(SpecModel):
    """A data repository association: links a directory of the file system to an S3 prefix."""

    bucket: str = field(change=Change.REPLACES, help="`s3://bucket/prefix`, or the name of a bucket of `storage`.")
    path: str = field("/data", change=Change.REPLACES, help="Absolute path of the directory in the file system.")
    auto_import: bool = field(
        True, change=Change.IN_PLACE, help="Import new, changed and deleted objects automatically."
    )
    auto_export: bool = field(True, change=Change.IN_PLACE, help="Export new, changed and deleted files automatically.")


class LustreFileSystem(SpecModel):
    """An FSx for Lustre file system, new or existing, with a volume claim in each listed namespace."""

    token_fields: ClassVar[tuple[str, ...]] = ("size_gib",)
    # these sizes are valid for every throughput and with EFA
    _tokens = may_be_token(*token_fields, minimum=1200, maximum=1_036_800)

    name: str = field(change=Change.LOSES_DATA, help="Name of the file system and of the volume claim.")
    size_gib: int = field(1200, change=Change.IN_PLACE, help="Capacity in GiB: 1200, 2400, then steps of 2400.", ge=1)
    throughput: int | None = field(
        None, change=Change.IN_PLACE, help="Throughput in MB/s per TiB. Default: 250, or 100 for PERSISTENT_1.", ge=1
    )
    deployment_type: Literal["PERSISTENT_2", "PERSISTENT_1", "SCRATCH_2"] = field(
        "PERSISTENT_2", change=Change.LOSES_DATA, help="Deployment type; scratch file systems do not replicate data."
    )
    lustre_version: QuotedText = field("2.15", change=Change.LOSES_DATA, help="Lustre version in quotes.")
    compression: Literal["NONE", "LZ4"] = field("NONE", change=Change.IN_PLACE, help="Data compression.")
    efa: bool = field(False, change=Change.LOSES_DATA, help="Use EFA between nodes and file system.")
    availability_zone_id: str | None = field(
        None, change=Change.LOSES_DATA, help="Zone ID. Default: the zone of the first accelerated group."
    )
    kms_key_arn: KeyOrAliasArn | None = field(
        None, change=Change.LOSES_DATA, help="KMS key. Default: the AWS managed key."
    )
    data_repositories: ListOf[DataRepository] = field(
        (), change=Change.IN_PLACE, help="Links to S3, up to 8, each with a different directory.", max_length=8
    )
    namespaces: ListOf[str] = field(
        ("default",),
        change=Change.IN_PLACE,
        help="Namespaces in which a claim is created; a team's name refers to the team's namespace.",
    )
    adopt: bool = field(False, change=Change.IN_PLACE, help=ADOPT_HELP)
    removal: Removal = field(
        "retain",
        change=Change.IN_PLACE,
        help="Whether to retain or delete the data when the stack is deleted; see `allow_data_loss`.",
    )
    existing_id: str | None = field(
        None, change=Change.REPLACES, help="ID of an existing file system, such as `fs-0123456789abcdef0`."
    )
    existing_dns_name: str | None = field(None, change=Change.REPLACES, help="DNS name of the existing file system.")
    existing_mount_name: str | None = field(
        None, change=Change.REPLACES, help="Mount name of the existing file system."
    )

    @property
    def effective_throughput(self) -> int | None:
        """Throughput in MB/s per TiB; fixed for scratch file systems.

        >>> LustreFileSystem(name="data").effective_throughput
        250
        """
        if self.deployment_type == "SCRATCH_2":
            return None
        return self.throughput or (100 if self.deployment_type == "PERSISTENT_1" else 250)


class Bucket(SpecModel):
    """An S3 bucket of the platform: TLS only, versioned, encrypted, no public access."""

    name: str = field(change=Change.LOSES_DATA, help="Name in this config; CloudFormation generates the physical name.")
    kms_key_arn: KeyArn | None = field(
        None, change=Change.IN_PLACE, help="Existing KMS key. Default: the S3 managed key."
    )
    expire_days: int | None = field(None, change=Change.IN_PLACE, help="Days after which objects are deleted.", ge=1)
    noncurrent_days: int = field(
        90, change=Change.IN_PLACE, help="Days after which noncurrent versions are deleted.", ge=1
    )
    access: Literal["none", "read", "read-write"] = field(
        "read-write", change=Change.IN_PLACE, help="Permissions of the pods and nodes that can use the bucket."
    )
    used_by: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Namespaces whose pods can use the bucket, through EKS Pod Identity of their default service account; a "
        "team's name refers to the team's namespace.",
    )
    nodes: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether the execution roles of all nodes, and so all pods on the host network, can also use the bucket.",
    )
    namespaces: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Namespaces in which a claim is created through Mountpoint for Amazon S3; a team's name "
        "refers to the team's namespace.",
    )
    log_bucket_name: str | None = field(
        None, change=Change.IN_PLACE, help="Existing bucket for server access logs. Default: no access logs."
    )
    adopt: bool = field(False, change=Change.IN_PLACE, help=ADOPT_HELP)
    removal: Removal = field(
        "retain",
        change=Change.IN_PLACE,
        help="Whether to retain or delete the data when the stack is deleted; see `allow_data_loss`.",
    )


class Storage(SpecModel):
    """Storage of the platform. Nothing is created by default."""

    lustre: ListOf[LustreFileSystem] = field((), change=Change.IN_PLACE, help="FSx for Lustre file systems.")
    buckets: ListOf[Bucket] = field((), change=Change.IN_PLACE, help="S3 buckets.")
