"""Storage: FSx for Lustre file systems with their volumes, and S3 buckets."""

from typing import ClassVar, Literal

from .arns import KeyArn, KeyOrAliasArn
from .base import Change, ListOf, QuotedText, SpecModel, field, may_be_token

Removal = Literal["retain", "destroy"]

ADOPT_HELP = (
    "Take over the volume and the claims of these names in Kubernetes that exist already and were not made by this library; "
    "they are kept when ours go."
)


class DataRepository(SpecModel):
    """A data repository association: a directory of the file system that mirrors an S3 prefix."""

    bucket: str = field(change=Change.REPLACES, help="`s3://bucket/prefix`, or the name of a bucket of `storage`.")
    path: str = field("/data", change=Change.REPLACES, help="Directory of the file system, absolute.")
    auto_import: bool = field(True, change=Change.IN_PLACE, help="Reflect new, changed and deleted objects.")
    auto_export: bool = field(True, change=Change.IN_PLACE, help="Write new, changed and deleted files back.")


class LustreFileSystem(SpecModel):
    """An FSx for Lustre file system, made or existing, with a volume claim in each named namespace."""

    takes_tokens: ClassVar[tuple[str, ...]] = ("size_gib",)
    _tokens = may_be_token(*takes_tokens, minimum=1200, maximum=1_036_800)  # a size with every throughput and with EFA

    name: str = field(change=Change.LOSES_DATA, help="Name; also that of the volume claim.")
    size_gib: int = field(1200, change=Change.IN_PLACE, help="Capacity in GiB: 1200, 2400, then steps of 2400.", ge=1)
    throughput: int | None = field(
        None, change=Change.IN_PLACE, help="Throughput in MB/s per TiB; default: 250, 100 for PERSISTENT_1.", ge=1
    )
    deployment_type: Literal["PERSISTENT_2", "PERSISTENT_1", "SCRATCH_2"] = field(
        "PERSISTENT_2", change=Change.LOSES_DATA, help="Deployment type; scratch has no replication."
    )
    lustre_version: QuotedText = field("2.15", change=Change.LOSES_DATA, help="Lustre version in quotes.")
    compression: Literal["NONE", "LZ4"] = field("NONE", change=Change.IN_PLACE, help="Data compression.")
    efa: bool = field(False, change=Change.LOSES_DATA, help="EFA between nodes and file system.")
    availability_zone_id: str | None = field(
        None, change=Change.LOSES_DATA, help="Zone id; default: the zone of the first accelerated group."
    )
    kms_key_arn: KeyOrAliasArn | None = field(
        None, change=Change.LOSES_DATA, help="KMS key; default: the AWS managed one."
    )
    data_repositories: ListOf[DataRepository] = field(
        (), change=Change.IN_PLACE, help="Links to S3, 8 at most, each with a directory of its own.", max_length=8
    )
    namespaces: ListOf[str] = field(
        ("default",),
        change=Change.IN_PLACE,
        help="Namespaces that get a claim on it; a team's name means its namespace.",
    )
    adopt: bool = field(False, change=Change.IN_PLACE, help=ADOPT_HELP)
    removal: Removal = field("retain", change=Change.IN_PLACE, help="What happens to it when the stack is deleted.")
    existing_id: str | None = field(None, change=Change.REPLACES, help="File system id that exists, `fs-...`.")
    existing_dns_name: str | None = field(None, change=Change.REPLACES, help="DNS name of the one that exists.")
    existing_mount_name: str | None = field(None, change=Change.REPLACES, help="Mount name of the one that exists.")

    @property
    def effective_throughput(self) -> int | None:
        """Throughput in MB/s per TiB; scratch file systems have a fixed one.

        >>> LustreFileSystem(name="data").effective_throughput
        250
        """
        if self.deployment_type == "SCRATCH_2":
            return None
        return self.throughput or (100 if self.deployment_type == "PERSISTENT_1" else 250)


class Bucket(SpecModel):
    """An S3 bucket of the platform: TLS only, versioned, encrypted, not public."""

    name: str = field(change=Change.LOSES_DATA, help="Name in this config; the physical name is CloudFormation's.")
    kms_key_arn: KeyArn | None = field(None, change=Change.IN_PLACE, help="Key that exists; default: S3 managed.")
    expire_days: int | None = field(None, change=Change.IN_PLACE, help="Delete objects after so many days.", ge=1)
    noncurrent_days: int = field(90, change=Change.IN_PLACE, help="Delete replaced versions after so many days.", ge=1)
    access: Literal["none", "read", "read-write"] = field(
        "read-write", change=Change.IN_PLACE, help="What those who use it may do with it."
    )
    used_by: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Namespaces whose pods may use it, by EKS Pod Identity of their default service account; a team's name means "
        "its namespace.",
    )
    nodes: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether the execution roles of all nodes may use it as well, and with them every pod on the node's network.",
    )
    namespaces: ListOf[str] = field(
        (),
        change=Change.IN_PLACE,
        help="Namespaces that get a claim on it through Mountpoint for S3; a team's name means its namespace.",
    )
    log_bucket_name: str | None = field(
        None, change=Change.IN_PLACE, help="Bucket that exists for server access logs; default: none are written."
    )
    adopt: bool = field(False, change=Change.IN_PLACE, help=ADOPT_HELP)
    removal: Removal = field("retain", change=Change.IN_PLACE, help="What happens to it when the stack is deleted.")


class Storage(SpecModel):
    """Storage of the platform. Nothing is bought unasked."""

    lustre: ListOf[LustreFileSystem] = field((), change=Change.IN_PLACE, help="FSx for Lustre file systems.")
    buckets: ListOf[Bucket] = field((), change=Change.IN_PLACE, help="S3 buckets.")
