"""Lifecycle scripts in S3: uploaded before the cluster, under a prefix that contains the hash of their content."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from aws_cdk import CfnResource, Duration, RemovalPolicy, custom_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct, DependencyGroup, IDependable

from ..core.spec import Lifecycle
from .arguments import checked
from .framework_logs import keep_emptying_logs
from .functions import function_logs, function_role, handler_function
from .roles import grant_read_of_prefix
from .trust import keep_internal

DEFAULT_SCRIPTS = Path(__file__).parent / "lifecycle"
"""The default scripts: `on_create.sh`, which runs the scripts in `on_create.d/` with the settings in `settings.env`."""


class LifecycleScripts(Construct):
    """Folders of lifecycle scripts in one bucket.

    The prefix of a folder contains the hash of its content, so a changed script has a new S3 URI: CloudFormation detects
    the change and updates the groups, and nodes that start during the update can still read the previous script.
    """

    ready: IDependable
    """The uploads; the cluster depends on them."""

    @checked
    def __init__(self, scope: Construct, id: str, *, bucket: s3.IBucket | None = None) -> None:
        super().__init__(scope, id)
        self._given = bucket
        self._group = DependencyGroup()
        self.ready = self._group
        self._uploaded: dict[str, str] = {}

    @cached_property
    def bucket(self) -> s3.IBucket:
        """The bucket of the scripts; created for the first upload unless one is given."""
        if self._given:
            return self._given
        bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.DESTROY,  # contains only copies, which a new stack uploads again
            auto_delete_objects=True,
        )
        keep_emptying_logs(bucket)
        return bucket

    @cached_property
    def _copier(self) -> ScriptCopier:
        return ScriptCopier(self, "Copier", bucket=self.bucket)

    def configuration(
        self, lifecycle: Lifecycle, role: iam.IRole, settings: Mapping[str, str] | None = None
    ) -> dict[str, str] | None:
        """Returns `LifeCycleConfig` of a group, and allows its role to read the scripts; None in bootstrap mode.

        `settings` are environment variables for the default scripts; the user's own scripts do not get them.
        """
        if lifecycle.mode == "bootstrap":
            return None
        source = lifecycle.source
        if source and source.startswith("s3://"):
            grant_read_of_prefix(role, source)
        else:
            source = self._upload(Path(source)) if source else self._upload(DEFAULT_SCRIPTS, settings or {})
            self.bucket.grant_read(role)
        key = "OnCreate" if lifecycle.mode == "on_create" else "OnInitComplete"
        return {"SourceS3Uri": source, key: lifecycle.script}

    def _upload(self, folder: Path, settings: Mapping[str, str] | None = None) -> str:
        environment = "".join(f"{name}={shlex.quote(value)}\n" for name, value in (settings or {}).items())
        digest = content_hash(folder, environment)
        if digest not in self._uploaded:
            prefix = f"lifecycle/{digest}"
            asset = assets.Asset(self, f"Files-{digest}", path=str(folder))
            self._copier.may_read(asset)
            upload = CfnResource(
                self,
                f"Scripts-{digest}",
                type="Custom::HyperPodLifecycleScripts",
                properties={
                    "ServiceToken": self._copier.service_token,
                    "ServiceTimeout": 900,  # the maximum time that CDK's provider waits for the function
                    "Source": {"Bucket": asset.s3_bucket_name, "Key": asset.s3_object_key},
                    "Bucket": self.bucket.bucket_name,
                    "Prefix": prefix,
                    **({"Settings": environment} if environment else {}),
                },
            )
            upload.node.add_dependency(self._copier.role)
            self._group.add(upload)
            self._uploaded[digest] = f"s3://{self.bucket.bucket_name}/{prefix}/"
        return self._uploaded[digest]


class ScriptCopier(Construct):
    """The function that copies folders of scripts below `lifecycle/` of a bucket; it has no permission to delete them.

    CDK's `BucketDeployment` does the same, but requires a layer of 22 MB with the AWS CLI.
    """

    role: iam.Role
    service_token: str

    def __init__(self, scope: Construct, id: str, *, bucket: s3.IBucket) -> None:
        super().__init__(scope, id)
        description = "Copies lifecycle scripts into their bucket"
        self.role = function_role(self, "Role", description)
        bucket.grant_put(self.role, "lifecycle/*")  # with the bucket's KMS key, if it has one
        function = handler_function(
            self,
            "Handler",
            "lifecycle.index.on_event",
            description=description,
            role=self.role,
            log_group=function_logs(self, "Logs"),
            timeout=Duration.minutes(10),
            memory_size=256,
        )
        provider = custom_resources.Provider(
            self, "Provider", on_event_handler=function, log_group=function_logs(self, "FrameworkLogs")
        )
        self.service_token = provider.service_token
        keep_internal(self)

    def may_read(self, asset: assets.Asset) -> None:
        """Allows the function to read an asset in the bootstrap bucket, whose key policy allows the account to decrypt."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[asset.bucket.arn_for_objects(asset.s3_object_key)])
        )


def content_hash(folder: Path, settings: str = "") -> str:
    """Returns the hash of the files below a folder (names and contents, not times or modes) and of the settings.

    >>> len(content_hash(DEFAULT_SCRIPTS))
    16
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    digest.update(settings.encode())
    return digest.hexdigest()[:16]
