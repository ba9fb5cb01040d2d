"""The EKS cluster that orchestrates the HyperPod cluster, new or existing."""

from collections.abc import Mapping
from typing import Literal

from .. import catalog
from .arns import KeyOrAliasArn, OidcProviderArn, PrincipalArn
from .base import Change, ListOf, QuotedText, SpecModel, field

AccessPolicy = Literal["cluster-admin", "admin", "edit", "view", "admin-view"]
"""Short names of the EKS access policies."""

ACCESS_POLICIES: Mapping[str, str] = {
    "cluster-admin": "AmazonEKSClusterAdminPolicy",
    "admin": "AmazonEKSAdminPolicy",
    "admin-view": "AmazonEKSAdminViewPolicy",
    "edit": "AmazonEKSEditPolicy",
    "view": "AmazonEKSViewPolicy",
}
"""Short name to EKS access policy."""

ControlPlaneLog = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]


class Access(SpecModel):
    """An access entry: the permissions of an IAM principal in the Kubernetes cluster."""

    principal: PrincipalArn = field(change=Change.REPLACES, help="ARN of an IAM role or user.")
    policy: AccessPolicy = field("view", change=Change.IN_PLACE, help="EKS access policy.")
    namespaces: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="Namespaces that the policy applies to. Default: the whole cluster."
    )


class ExistingEks(SpecModel):
    """An existing EKS cluster."""

    cluster_name: str = field(change=Change.REPLACES_CLUSTER, help="Name of the EKS cluster.")
    security_group_id: str | None = field(
        None,
        change=Change.IN_PLACE,
        help="Cluster security group. If set, rules that allow traffic to and from the nodes are added to it.",
    )
    core_addons: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether to manage vpc-cni, kube-proxy, coredns and the pod identity agent. `false`: they must "
        "already be installed.",
    )
    admin_entries: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Whether to create access entries for `eks.admins`; `false` if they already have access "
        "entries, which are not changed.",
    )
    oidc_provider_arn: OidcProviderArn | None = field(
        None, change=Change.IN_PLACE, help="ARN of the cluster's IAM OIDC provider, required by add-ons that use IRSA."
    )


class Eks(SpecModel):
    """The EKS control plane, without node groups: HyperPod nodes run all pods.

    >>> Eks(kubernetes_version="1.35").authentication_mode
    'API_AND_CONFIG_MAP'
    """

    kubernetes_version: QuotedText | None = field(
        None,
        change=Change.IN_PLACE,
        help='Kubernetes minor version in quotes, such as `"1.35"`. EKS upgrades one minor version at a '
        "time. Default: the newest version that HyperPod documents and that is in standard support.",
    )
    cluster_name: str | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="Physical name. Default: the platform's name. `null`: CloudFormation generates one, and EKS "
        "creates the log group of the control plane.",
    )
    admins: ListOf[PrincipalArn] = field(
        (),
        change=Change.IN_PLACE,
        help="ARNs of IAM roles and users for which cluster-admin access entries are created.",
    )
    access: ListOf[Access] = field((), change=Change.IN_PLACE, help="Additional access entries.")
    authentication_mode: Literal["API", "API_AND_CONFIG_MAP"] = field(
        "API_AND_CONFIG_MAP",
        change=Change.REFUSED,
        help="Authentication mode; HyperPod supports these two. EKS does not support a change from `API` to "
        "`API_AND_CONFIG_MAP`.",
    )
    endpoint_access: Literal["public-and-private", "private", "public"] = field(
        "public-and-private",
        change=Change.IN_PLACE,
        help="Whether the Kubernetes API is reachable from the internet, from the VPC, or both.",
    )
    public_access_cidrs: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="CIDRs that can reach a public endpoint. Default: any IP address."
    )
    logs: ListOf[ControlPlaneLog] = field(
        ("api", "audit", "authenticator", "controllerManager", "scheduler"),
        change=Change.IN_PLACE,
        help="Control-plane logs sent to CloudWatch Logs.",
    )
    secrets_key_arn: KeyOrAliasArn | None = field(
        None, change=Change.REPLACES_CLUSTER, help="KMS key for envelope encryption of Kubernetes secrets."
    )
    service_cidr: str | None = field(
        None, change=Change.REPLACES_CLUSTER, help="IPv4 CIDR of Kubernetes services. Default: chosen by EKS."
    )
    support: Literal["STANDARD", "EXTENDED"] = field(
        "STANDARD",
        change=Change.IN_PLACE,
        help="At the end of standard support: STANDARD upgrades the control plane automatically, EXTENDED "
        "keeps the version at an additional cost.",
    )
    deletion_protection: bool = field(
        False, change=Change.IN_PLACE, help="Whether EKS rejects deletion of the cluster until this is disabled."
    )
    existing: ExistingEks | None = field(
        None, change=Change.REPLACES_CLUSTER, help="Use an existing EKS cluster instead of creating one."
    )

    @property
    def version(self) -> str | None:
        """The Kubernetes version of the control plane: the configured version, otherwise the catalog's for a new cluster.

        >>> Eks(existing={"cluster_name": "shared"}).version is None
        True

        Raises:
            LookupError: no version is set, and EKS no longer supports any version in the catalog.
        """
        if self.kubernetes_version is not None or self.existing is not None:
            return self.kubernetes_version
        return catalog.default_kubernetes_version().version

    @property
    def assumed_version(self) -> str:
        """The Kubernetes version; the catalog's default if the version of an existing cluster is not set.

        >>> Eks(existing={"cluster_name": "shared"}).assumed_version == Eks().version
        True

        Raises:
            LookupError: see `version`.
        """
        return self.version or catalog.default_kubernetes_version().version
