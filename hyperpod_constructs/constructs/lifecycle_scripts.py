"""Lifecycle scripts in S3: uploaded before the cluster, under a prefix that holds the hash of their content."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct, DependencyGroup, IDependable

from ..core.spec import Lifecycle
from .arguments import checked
from .framework_logs import framework_logs, keep_emptying_logs
from .roles import grant_read_of_prefix
from .trust import keep_copying_internal

DEFAULT_SCRIPTS = Path(__file__).parent / "lifecycle"
"""Our own scripts: `on_create.sh`, which runs what is in `on_create.d/` with the settings in `settings.env`."""


class LifecycleScripts(Construct):
    """Folders of lifecycle scripts in one bucket.

    The prefix of a folder is the hash of its content, so a changed script is a new address: CloudFormation sees the change
    and updates the groups, and nodes that start meanwhile still find the old one.
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
        """Where scripts are uploaded; made when something is and none was given."""
        if self._given:
            return self._given
        made = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.DESTROY,  # only uploads of ours, which the next deploy makes again
            auto_delete_objects=True,
        )
        keep_emptying_logs(made)
        return made

    def configuration(
        self, lifecycle: Lifecycle, role: iam.IRole, settings: Mapping[str, str] | None = None
    ) -> dict[str, str] | None:
        """`LifeCycleConfig` of a group, with its role allowed to read the scripts; None in bootstrap mode.

        `settings` are environment variables for our own scripts; scripts of a user get none.
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
            upload = deployment.BucketDeployment(
                self,
                f"Upload-{digest}",
                destination_bucket=self.bucket,
                destination_key_prefix=prefix,
                sources=[
                    deployment.Source.asset(str(folder)),
                    *([deployment.Source.data("settings.env", environment)] if environment else []),
                ],
                log_group=framework_logs(self),
                prune=False,
                retain_on_delete=True,  # nodes of a running cluster may still start from it
            )
            keep_copying_internal(self)
            self._group.add(upload)
            self._uploaded[digest] = f"s3://{self.bucket.bucket_name}/{prefix}/"
        return self._uploaded[digest]


def content_hash(folder: Path, settings: str = "") -> str:
    """Hash of the files below a folder (names and contents, not times or modes) and of the settings added to them.

    >>> len(content_hash(DEFAULT_SCRIPTS))
    16
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    digest.update(settings.encode())
    return digest.hexdigest()[:16]
