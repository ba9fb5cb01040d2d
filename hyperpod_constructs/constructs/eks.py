"""The EKS cluster as a construct, and the interface through which all constructs use an EKS cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsii
from aws_cdk import Acknowledgment, CfnOutput, CfnResource, RemovalPolicy, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks_v2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, DependencyGroup, IDependable

from ..core.spec import Access, Acknowledgement, Addons, Eks, Logs
from .access import add_all
from .addons import CORE_ADDONS, EksAddon
from .arguments import checked
from .imported_eks import NO_OIDC, EksClusterAttributes, EndpointAccess, ImportedEks, eks_cluster_arn
from .interfaces import CdkEksCluster, NetworkAddon, OidcIdentity, oidc_identity
from .kubernetes import KubernetesProvider
from .log_groups import DEFAULT_RETENTION
from .network import HyperPodNetwork
from .security_groups import connect_security_groups
from .trust import keep_calling_internal, restrict_to_account
from .validation import ensure_arns, ensure_unique
from .weak_references import refer_weakly


@jsii.implements(ec2.IConnectable)
class HyperPodEks(Construct):
    """An EKS control plane for HyperPod, without node groups, or an existing one.

    Access is granted by access entries: `eks.admins` get cluster-admin, `eks.access` the specified policies, and the
    functions of this library cluster-admin for the lifetime of the stack; the principal that creates the cluster gets no
    access. DaemonSet add-ons are created with it; add-ons that require nodes are created after the HyperPod cluster.
    """

    cluster_name: str
    cluster_arn: str
    kubernetes_version: str | None
    """Minor version, such as `1.35`; None if the version of an existing cluster is unknown."""
    cluster: eks_v2.Cluster | None
    """The L2 cluster if it is created here, as an escape hatch."""
    kubernetes: KubernetesProvider
    """Applies, waits for and deletes Kubernetes objects in this cluster."""
    ready: IDependable
    """Access entries and DaemonSet add-ons; resources that run on nodes or use the API depend on it."""
    network_addon: NetworkAddon | None
    """The Amazon VPC CNI; None if this app does not manage it."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: HyperPodNetwork,
        eks: Eks | None = None,
        addons: Addons | None = None,
        log_settings: Logs | None = None,
        acknowledge: Sequence[Acknowledgement] = (),
        kubernetes_version: str | None = None,
        admins: Sequence[iam.IRole | str] = (),
        endpoint_access: EndpointAccess | None = None,
        secrets_key: kms.IKey | None = None,
        outputs: bool = False,
    ) -> None:
        super().__init__(scope, id)
        given = {
            "kubernetes_version": kubernetes_version,
            "admins": tuple(admin if isinstance(admin, str) else admin.role_arn for admin in admins),
            "endpoint_access": endpoint_access,
        }
        spec = (eks or Eks()).model_copy(update={key: value for key, value in given.items() if value})
        ensure_arns(self, eks=spec, logs=log_settings)
        self._secrets_key = secrets_key
        addons = addons or Addons()
        self.spec = spec
        self.kubernetes_version = spec.version
        group = DependencyGroup()
        self.ready = group
        if spec.existing:
            self.cluster = None
            self.cluster_name = spec.existing.cluster_name
            self.cluster_arn = eks_cluster_arn(self, self.cluster_name)
        else:
            created = self._create(spec, network, log_settings or Logs())
            self.cluster = created
            self.cluster_name, self.cluster_arn = created.cluster_name, created.cluster_arn
        # built from the name if it is known, so that the functions' roles do not wait ten minutes for the cluster
        known = spec.cluster_name if spec.existing is None else None
        arn = eks_cluster_arn(self, known) if known else self.cluster_arn
        # in the VPC only if required: functions in a VPC are slow to create and to delete
        closed = network.spec.mode == "closed" and not network.spec.existing
        in_vpc = (
            closed
            or network.spec.functions_in_vpc
            or spec.endpoint_access == "private"
            or bool(spec.public_access_cidrs)
        )
        self.kubernetes = KubernetesProvider(
            self,
            "Kubernetes",
            cluster_name=self.cluster_name,
            cluster_arn=arn,
            vpc=network.vpc if in_vpc else None,
            vpc_subnets=ec2.SubnetSelection(subnets=list(network.cluster_subnets)) if in_vpc else None,
            security_groups=[network.node_security_group] if in_vpc else None,
        )
        parts = self.kubernetes.parts
        parts.eks, parts.network, parts.logs = spec, network.spec, log_settings
        parts.acknowledge += acknowledge
        ensure_unique(self, "EKS cluster", known, parts.acknowledge)
        network.is_checked_with_cluster = True
        if spec.existing:
            rules = connect_security_groups(
                self,
                nodes=network.node_security_group.security_group_id,
                control_plane=spec.existing.security_group_id,
            )
            self.kubernetes.reachable.add(rules)
        group.add(self.kubernetes.ready)
        admins = spec.admins if spec.existing is None or spec.existing.admin_entries else ()
        add_all(self, [*(Access(principal=arn, policy="cluster-admin") for arn in admins), *spec.access])
        core: dict[str, EksAddon] = {}
        if not spec.existing or spec.existing.core_addons:
            effective = addons.effective()
            core = {
                key: addon(self, addon.__name__.removesuffix("Addon"), eks_cluster=self, settings=effective[key])
                for key, addon in CORE_ADDONS.items()
                if key in effective
            }
        group.add(*core.values())
        self.network_addon = core.get("vpc_cni")
        self.node.add_dependency(network.ready)
        if outputs:
            command = f"aws eks update-kubeconfig --region {Stack.of(self).region} --name {self.cluster_name}"
            CfnOutput(self, "KubeconfigCommand", value=command)

    @staticmethod
    def from_cluster(
        scope: Construct,
        id: str,
        *,
        cluster: CdkEksCluster,
        vpc: ec2.IVpc | None = None,
        handler_subnets: Sequence[ec2.ISubnet] = (),
    ) -> ImportedEks:
        """Returns an EKS cluster of CDK's own classes, created or imported.

        Its Kubernetes version, authentication mode and endpoint access are used if the construct has them.

        Args:
            scope: scope of the resources that are created for it.
            id: construct id.
            cluster: the L2 cluster, of `aws_eks_v2` or `aws_eks`.
            vpc: VPC of the functions of this library, if the Kubernetes API has no public endpoint. Default: none.
            handler_subnets: private subnets of `vpc` in which they run. Default: all of them, if they run in the VPC.
        """
        return ImportedEks(scope, id, eks_cluster=cluster, vpc=vpc, handler_subnets=handler_subnets)

    @staticmethod
    def from_attributes(
        scope: Construct,
        id: str,
        *,
        cluster_name: str,
        vpc: ec2.IVpc | None = None,
        private_subnets: Sequence[ec2.ISubnet] = (),
        security_group_id: str | None = None,
        kubernetes_version: str | None = None,
        oidc_provider: iam.IOpenIdConnectProvider | None = None,
        authentication_mode: str | None = None,
        endpoint_access: EndpointAccess | None = None,
    ) -> ImportedEks:
        """Returns an existing EKS cluster by its attributes; the arguments are those of `EksClusterAttributes`."""
        attributes = EksClusterAttributes(
            cluster_name=cluster_name,
            vpc=vpc,
            private_subnets=private_subnets,
            security_group_id=security_group_id,
            kubernetes_version=kubernetes_version,
            oidc_provider=oidc_provider,
            authentication_mode=authentication_mode,
            endpoint_access=endpoint_access,
        )
        return ImportedEks(scope, id, eks_cluster=attributes)

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of the control plane, by its cluster security group.

        Raises:
            ValueError: the cluster security group of an existing cluster is unknown.
        """
        existing = self.spec.existing
        if self.cluster is not None:
            return self.cluster.connections
        if existing is None or existing.security_group_id is None:
            raise ValueError(f"{self.node.path}: connections require eks.existing.security_group_id")
        id = "ClusterSecurityGroup"
        group: Any = self.node.try_find_child(id) or ec2.SecurityGroup.from_security_group_id(
            self, id, existing.security_group_id
        )
        return ec2.Connections(security_groups=[group])

    @property
    def oidc(self) -> OidcIdentity:
        """The OIDC provider, created on first use; for an existing cluster, it must be specified."""
        if self.cluster:
            provider = self.cluster.open_id_connect_provider
            refer_weakly(provider)
            return oidc_identity(provider.open_id_connect_provider_arn)
        if self.spec.existing is None or self.spec.existing.oidc_provider_arn is None:
            raise ValueError(NO_OIDC.format(self.node.path, "eks.existing.oidc_provider_arn"))
        return oidc_identity(self.spec.existing.oidc_provider_arn)

    def _keep_control_plane_logs_for(self, days: int, cluster: eks_v2.Cluster) -> None:
        """Sets the retention of the log group that EKS creates for a cluster whose name CloudFormation chooses."""
        retention = logs.LogRetention(
            self,
            "ControlPlaneLogRetention",
            log_group_name=f"/aws/eks/{cluster.cluster_name}/cluster",
            retention=DEFAULT_RETENTION,
        )
        resource = retention.node.default_child
        assert isinstance(resource, CfnResource)
        resource.add_property_override("RetentionInDays", days)
        keep_calling_internal(self)

    def _create(self, spec: Eks, network: HyperPodNetwork, log_settings: Logs) -> eks_v2.Cluster:
        access = {
            "public-and-private": eks_v2.EndpointAccess.PUBLIC_AND_PRIVATE,
            "private": eks_v2.EndpointAccess.PRIVATE,
            "public": eks_v2.EndpointAccess.PUBLIC,
        }[spec.endpoint_access]
        cluster = eks_v2.Cluster(
            self,
            "Cluster",
            version=eks_v2.KubernetesVersion.of(str(self.kubernetes_version)),
            cluster_name=spec.cluster_name,
            vpc=network.vpc,
            vpc_subnets=[ec2.SubnetSelection(subnets=list(network.control_plane_subnets))],
            security_group=network.node_security_group,
            default_capacity_type=eks_v2.DefaultCapacityType.NODEGROUP,  # without it, EKS enables Auto Mode
            default_capacity=0,
            endpoint_access=access,
            cluster_logging=[eks_v2.ClusterLoggingTypes[_LOG_NAMES[log]] for log in spec.logs],
            bootstrap_self_managed_addons=False,  # vpc-cni, kube-proxy and coredns are managed add-ons
            bootstrap_cluster_creator_admin_permissions=False,
            service_ipv4_cidr=spec.service_cidr,
            secrets_encryption_key=self._secrets_key
            or (kms.Key.from_key_arn(self, "SecretsKey", spec.secrets_key_arn) if spec.secrets_key_arn else None),
        )
        # the network tags its node subnets for load balancers; control-plane subnets are not used for them
        Validations.of(cluster).acknowledge(
            Acknowledgment(
                id="@aws-cdk/aws-eks:clusterMustManuallyTagSubnet", reason="HyperPodNetwork tags node subnets"
            )
        )
        resource = cluster.node.default_child
        assert isinstance(resource, eks_v2.CfnCluster)
        if spec.cluster_name and spec.logs:
            # created first: EKS otherwise creates the group, without retention, and it is never deleted
            log_group = logs.LogGroup(
                self,
                "ControlPlaneLogs",
                log_group_name=f"/aws/eks/{spec.cluster_name}/cluster",
                retention=DEFAULT_RETENTION,
                removal_policy=RemovalPolicy.DESTROY,
            )
            resource.node.add_dependency(log_group)
        elif spec.logs and log_settings.retention_days != "unset":
            self._keep_control_plane_logs_for(log_settings.retention_days, cluster)
        restrict_to_account(cluster.role)
        resource.add_property_override("AccessConfig.AuthenticationMode", spec.authentication_mode)
        resource.add_property_override("UpgradePolicy.SupportType", spec.support)
        if spec.deletion_protection:
            resource.add_property_override("DeletionProtection", True)
        if spec.public_access_cidrs and spec.endpoint_access != "private":
            resource.add_property_override("ResourcesVpcConfig.PublicAccessCidrs", list(spec.public_access_cidrs))
        return cluster


_LOG_NAMES = {
    "api": "API",
    "audit": "AUDIT",
    "authenticator": "AUTHENTICATOR",
    "controllerManager": "CONTROLLER_MANAGER",
    "scheduler": "SCHEDULER",
}
