"""The HyperPod inference operator, with its roles, its certificate bucket, load balancers and KEDA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Aws, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ...core import catalog
from ...core.spec import InferenceOperator
from ..arguments import checked
from ..roles import allow_catalog_actions, service_account_role
from .base import NodeAddon, ensure_settings
from .load_balancer_policy import load_balancer_statements

if TYPE_CHECKING:
    from ..interfaces import IHyperPodCluster


class InferenceOperatorAddon(NodeAddon):
    """The inference operator add-on.

    Its service accounts get roles through OIDC, so the EKS cluster requires an OIDC provider: `HyperPodEks` creates one;
    for an existing cluster, you must specify it. The name of the execution role has the prefix that the add-on requires,
    and is unique for the region and the construct.
    """

    role: iam.IRole
    """Execution role of the operator."""
    tls_bucket: s3.IBucket
    """The bucket in which the operator stores TLS certificates."""

    @checked
    def __init__(
        self, scope: Construct, id: str, *, cluster: IHyperPodCluster, settings: InferenceOperator | None = None
    ) -> None:
        settings = settings or InferenceOperator()
        ensure_settings(scope, "inference_operator", settings)
        parts = InferenceOperatorAccess(scope, f"{id}Access", cluster, settings)
        self.role, self.tls_bucket = parts.role, parts.tls_bucket
        super().__init__(
            scope,
            id,
            key="inference_operator",
            cluster=cluster,
            settings=settings,
            defaults=parts.values,
            after=[parts],
        )
        self.ready = self.wait_for_deployments(catalog.addon(self.addon_name).deployments[0])


class InferenceOperatorAccess(Construct):
    """Creates the roles and the bucket, which the add-on depends on."""

    @checked
    def __init__(self, scope: Construct, id: str, cluster: IHyperPodCluster, settings: InferenceOperator) -> None:
        super().__init__(scope, id)
        self._oidc = cluster.eks_cluster.oidc
        self.tls_bucket: s3.IBucket = (
            s3.Bucket.from_bucket_name(self, "TlsBucket", settings.tls_bucket_name)
            if settings.tls_bucket_name
            else s3.Bucket(
                self,
                "TlsBucket",
                encryption=s3.BucketEncryption.S3_MANAGED,
                block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
                enforce_ssl=True,
                # retained: the operator writes to it, and endpoints may still use its certificates
                removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            )
        )
        self.role: iam.IRole = (
            iam.Role.from_role_arn(self, "Role", settings.role_arn) if settings.role_arn else self._execution_role()
        )
        self.values: dict[str, Any] = {
            "executionRoleArn": self.role.role_arn,
            "tlsCertificateS3Bucket": self.tls_bucket.bucket_name,
            "hyperpodClusterArn": cluster.cluster_arn,
        }
        if settings.load_balancer:
            role = self._account_role("LoadBalancerRole", "load_balancer_controller")
            for statement in load_balancer_statements(Stack.of(self)):
                role.add_to_policy(statement)
            self.values["alb"] = {"serviceAccount": {"create": True, "roleArn": role.role_arn}}
        if settings.keda:
            role = self._account_role("KedaRole", "keda")
            # CloudWatch metrics support no resource-level permissions; each scaler specifies its own workspace
            workspaces = Stack.of(self).format_arn(service="aps", resource="workspace", resource_name="*")
            allow_catalog_actions(role, "keda", metrics=["*"], prometheus=[workspaces])
            self.values["keda"] = {"auth": {"aws": {"irsa": {"enabled": True, "roleArn": role.role_arn}}}}

    def _execution_role(self) -> iam.Role:
        fact = catalog.role("inference_operator")
        role = self._account_role(
            "Role",
            "inference_operator",
            service=fact.principals[0],
            role_name=f"{fact.name_prefix}-{Aws.REGION}-{self.node.addr[-8:]}",
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in fact.managed_policies],
        )
        certificates = Stack.of(self).format_arn(service="acm", resource="certificate", resource_name="*")
        allow_catalog_actions(
            role,
            "inference_operator",
            tls_bucket=[self.tls_bucket.arn_for_objects("*")],
            certificates=[certificates],
        )
        return role

    def _account_role(self, id: str, name: str, **options: Any) -> iam.Role:
        account = catalog.role(name).service_account
        assert account is not None
        return service_account_role(self, id, oidc=self._oidc, service_account=account.replace(":", "/"), **options)
