"""The EKS cluster that orchestrates, made or existing."""

from collections.abc import Mapping
from typing import Literal

from .. import catalog
from .arns import KeyOrAliasArn, OidcProviderArn, PrincipalArn
from .base import Change, ListOf, QuotedText, SpecModel, field

AccessPolicy = Literal["cluster-admin", "admin", "edit", "view", "admin-view"]
"""The EKS access policies by their short names (AmazonEKS...Policy)."""

ACCESS_POLICIES: Mapping[str, str] = {
    "cluster-admin": "AmazonEKSClusterAdminPolicy",
    "admin": "AmazonEKSAdminPolicy",
    "admin-view": "AmazonEKSAdminViewPolicy",
    "edit": "AmazonEKSEditPolicy",
    "view": "AmazonEKSViewPolicy",
}
"""EKS access policy of each short name."""

ControlPlaneLog = Literal["api", "audit", "authenticator", "controllerManager", "scheduler"]


class Access(SpecModel):
    """An access entry: who may do what in the Kubernetes cluster."""

    principal: PrincipalArn = field(change=Change.REPLACES, help="ARN of an IAM role or user.")
    policy: AccessPolicy = field("view", change=Change.IN_PLACE, help="EKS access policy.")
    namespaces: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="Namespaces the policy is bound to; none means the whole cluster."
    )


class ExistingEks(SpecModel):
    """An EKS cluster that exists."""

    cluster_name: str = field(change=Change.REPLACES_CLUSTER, help="Name of the EKS cluster.")
    security_group_id: str | None = field(
        None, change=Change.IN_PLACE, help="Cluster security group; nodes are let in and out of it when it is given."
    )
    core_addons: bool = field(
        False,
        change=Change.IN_PLACE,
        help="Whether we manage vpc-cni, kube-proxy, coredns and the pod identity agent on it; default: they are there.",
    )
    admin_entries: bool = field(
        True,
        change=Change.IN_PLACE,
        help="Whether we make access entries for eks.admins; `false` where they have theirs, which stay as they are.",
    )
    oidc_provider_arn: OidcProviderArn | None = field(
        None, change=Change.IN_PLACE, help="IAM OIDC provider of the cluster; add-ons that use IRSA need it."
    )


class Eks(SpecModel):
    """The EKS control plane. It has no nodes of its own: HyperPod nodes host everything.

    >>> Eks(kubernetes_version="1.35").authentication_mode
    'API_AND_CONFIG_MAP'
    """

    kubernetes_version: QuotedText | None = field(
        None,
        change=Change.IN_PLACE,
        help='Kubernetes minor version in quotes, such as `"1.35"`; one minor up at a time. '
        "Default: the newest that HyperPod documents and that is in standard support.",
    )
    cluster_name: str | None = field(
        None,
        change=Change.REPLACES_CLUSTER,
        help="Physical name; default: the platform's. `null` leaves it to CloudFormation, and control-plane logs to EKS.",
    )
    admins: ListOf[PrincipalArn] = field(
        (), change=Change.IN_PLACE, help="ARNs of IAM roles and users that get cluster-admin access entries."
    )
    access: ListOf[Access] = field((), change=Change.IN_PLACE, help="Further access entries.")
    authentication_mode: Literal["API", "API_AND_CONFIG_MAP"] = field(
        "API_AND_CONFIG_MAP",
        change=Change.REFUSED,
        help="HyperPod needs one of the two. EKS never goes back from `API`.",
    )
    endpoint_access: Literal["public-and-private", "private", "public"] = field(
        "public-and-private", change=Change.IN_PLACE, help="From where the Kubernetes API can be reached."
    )
    public_access_cidrs: ListOf[str] = field(
        (), change=Change.IN_PLACE, help="Ranges that may reach a public endpoint; none means the whole internet."
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
        None, change=Change.REPLACES_CLUSTER, help="IPv4 range of Kubernetes services; default: EKS chooses."
    )
    support: Literal["STANDARD", "EXTENDED"] = field(
        "STANDARD",
        change=Change.IN_PLACE,
        help="At the end of standard support: STANDARD upgrades the control plane by itself, EXTENDED pays for more time.",
    )
    deletion_protection: bool = field(
        False, change=Change.IN_PLACE, help="Whether EKS refuses to delete the cluster until this is switched off."
    )
    existing: ExistingEks | None = field(
        None, change=Change.REPLACES_CLUSTER, help="Use an EKS cluster that exists instead of making one."
    )

    @property
    def version(self) -> str | None:
        """The Kubernetes version of the control plane: as given, else for a new one the catalog's default.

        >>> Eks(existing={"cluster_name": "shared"}).version is None
        True

        Raises:
            LookupError: none was given, and the catalog is too old to know one that EKS supports.
        """
        if self.kubernetes_version is not None or self.existing is not None:
            return self.kubernetes_version
        return catalog.default_kubernetes_version().version

    @property
    def assumed_version(self) -> str:
        """The same, and the catalog's default where nothing says the version of a cluster that exists.

        >>> Eks(existing={"cluster_name": "shared"}).assumed_version == Eks().version
        True

        Raises:
            LookupError: see `version`.
        """
        return self.version or catalog.default_kubernetes_version().version
