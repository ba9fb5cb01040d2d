"""S3 buckets as constructs, retained unless `removal: destroy` and `allow_data_loss` are both set."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ..core.spec import Bucket, Storage
from .arguments import checked
from .framework_logs import keep_emptying_logs
from .interfaces import IHyperPodCluster
from .removal import removal_policy
from .validation import ensure_arns
from .weak_references import refer_weakly


class HyperPodBucket(Construct):
    """An S3 bucket: TLS only, versioned, encrypted, without public access.

    Args:
        cluster: the cluster whose execution roles get access if `bucket.nodes` is set. Default: no access; use `grant`.
        bucket: the spec.
        allow_data_loss: must also be true for `removal: destroy` to take effect.
        encryption_key: the KMS key; grants on the bucket include it. Default: that of the spec.
    """

    bucket: s3.Bucket

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: Bucket,
        cluster: IHyperPodCluster | None = None,
        allow_data_loss: bool = False,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        if encryption_key is not None:
            bucket = bucket.model_copy(update={"kms_key_arn": encryption_key.key_arn})
        self.spec = bucket
        ensure_arns(self, storage=Storage().model_copy(update={"buckets": (bucket,)}))
        if cluster is not None:
            cluster.kubernetes.parts.buckets.append(bucket)
        removal = removal_policy(self, bucket.removal, allow_data_loss=allow_data_loss)
        key = encryption_key
        if key is None and bucket.kms_key_arn:
            key = kms.Key.from_key_arn(self, "Key", bucket.kms_key_arn)
        logs = bucket.log_bucket_name
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=s3.Bucket.from_bucket_name(self, "Logs", logs) if logs else None,
            server_access_logs_prefix=f"{bucket.name}/" if logs else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tidy",
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(bucket.noncurrent_days),
                    expiration=Duration.days(bucket.expire_days) if bucket.expire_days else None,
                )
            ],
            removal_policy=removal,
            auto_delete_objects=removal == RemovalPolicy.DESTROY,
        )
        refer_weakly(self.bucket)
        if removal == RemovalPolicy.DESTROY:
            keep_emptying_logs(self.bucket)
        if cluster is not None and bucket.nodes:
            self.grant(cluster)

    def grant(self, grantee: iam.IGrantable) -> None:
        """Grants a principal the access level in `access` of the bucket."""
        if self.spec.access == "read":
            self.bucket.grant_read(grantee)
        elif self.spec.access == "read-write":
            self.bucket.grant_read_write(grantee)
