"""The Mountpoint for Amazon S3 CSI driver, which mounts buckets in pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Construct

from ...core import catalog
from ...core.spec import ADDON_NAMES, MountpointS3
from ..arguments import checked
from ..roles import service_account_role
from .base import NodeAddon, ensure_settings

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class MountpointS3CsiAddon(NodeAddon):
    """The Mountpoint S3 CSI driver with a role that its service account gets through OIDC.

    The role can read and write the buckets of the settings; `bucket.grant_read(addon.role)` adds others.
    """

    role: iam.IRole
    """Role of the driver."""

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: MountpointS3 | None = None
    ) -> None:
        settings = settings or MountpointS3()
        ensure_settings(scope, "mountpoint_s3_csi", settings)
        role = (
            iam.Role.from_role_arn(scope, f"{id}Role", settings.role_arn)
            if settings.role_arn
            else _create_role(scope, f"{id}Role", cluster, settings)
        )
        super().__init__(
            scope,
            id,
            key="mountpoint_s3_csi",
            cluster=cluster,
            settings=settings,
            service_account_role_arn=role.role_arn,
            after=[role],
        )
        self.role = role
        self.ready = self.wait_until_ready()


def _create_role(scope: Construct, id: str, cluster: IHyperPodCluster, settings: MountpointS3) -> iam.Role:
    fact = catalog.addon(ADDON_NAMES["mountpoint_s3_csi"])
    role = service_account_role(
        scope,
        id,
        oidc=cluster.eks_cluster.oidc,
        service_account=f"{fact.namespace}/{fact.service_accounts[0]}",
    )
    if settings.bucket_arns:
        objects = [f"{bucket}/*" for bucket in settings.bucket_arns]
        actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=list(settings.bucket_arns)))
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=objects))
    return role
