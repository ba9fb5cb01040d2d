"""Protocols of clusters, so that constructs depend only on the members that they use, not on each other's classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from aws_cdk import Fn, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_iam as iam
from constructs import DependencyGroup, IDependable, Node

if TYPE_CHECKING:
    from ..core.spec import Cluster
    from .kubernetes import KubernetesProvider


@dataclass(frozen=True, kw_only=True)
class OidcIdentity:
    """The IAM OIDC provider of an EKS cluster, through which service accounts get roles (IRSA)."""

    provider_arn: str
    issuer: str
    """Address of the issuer without `https://`."""


def oidc_identity(provider_arn: str) -> OidcIdentity:
    """Returns a provider by its ARN, which ends with its issuer; the ARN may be a token.

    >>> oidc_identity("arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A").issuer
    'oidc.eks.us-west-2.amazonaws.com/id/A'
    """
    after = "oidc-provider/"
    issuer = (
        Fn.select(1, Fn.split(after, provider_arn))
        if Token.is_unresolved(provider_arn)
        else provider_arn.partition(after)[2]
    )
    return OidcIdentity(provider_arn=provider_arn, issuer=issuer)


class CdkEksCluster(Protocol):
    """An EKS cluster of CDK: any class of `aws_eks` or `aws_eks_v2`, or a cluster that either module imported.

    `ICluster` of both modules has members that CDK's own classes do not have, so type checkers reject a `Cluster` as an
    `ICluster`.
    """

    @property
    def node(self) -> Node:
        """Its node in the construct tree."""
        ...

    @property
    def cluster_name(self) -> str:
        """Name of the cluster."""
        ...

    @property
    def cluster_arn(self) -> str:
        """ARN of the cluster."""
        ...

    @property
    def cluster_security_group_id(self) -> str:
        """Security group that EKS created for the cluster."""
        ...

    @property
    def open_id_connect_provider(self) -> iam.IOpenIdConnectProvider:
        """IAM OIDC provider of the cluster."""
        ...


class NetworkAddon(Protocol):
    """The members of the VPC CNI add-on that restricted nodes require."""

    @property
    def fingerprint(self) -> str:
        """A text that changes with the add-on's version and configuration."""
        ...

    def set_default(self, key: str, value: Any) -> None:
        """Sets a configuration value with lower precedence than the user's settings."""
        ...


@runtime_checkable
class EksCluster(Protocol):
    """An EKS cluster with a Kubernetes provider."""

    cluster_name: str
    cluster_arn: str
    kubernetes_version: str | None
    """Minor version, such as `1.35`; None if it is unknown."""
    kubernetes: KubernetesProvider
    ready: IDependable
    """Access entries and DaemonSet add-ons; resources that run on nodes or use the API depend on it."""
    network_addon: NetworkAddon | None
    """The Amazon VPC CNI; None if it is not managed here."""

    @property
    def node(self) -> Node:
        """Its node in the construct tree."""
        ...

    @property
    def oidc(self) -> OidcIdentity:
        """The OIDC provider, for add-ons that use IRSA. Raises `ValueError` if it is unknown."""
        ...


class IHyperPodCluster(iam.IGrantable, Protocol):
    """A HyperPod cluster on which add-ons, teams, storage and jobs can be placed."""

    spec: Cluster
    eks_cluster: EksCluster
    kubernetes: KubernetesProvider
    nodes_ready: IDependable
    """The nodes of the system group are ready; resources that require pods depend on it."""
    jobs_ready: DependencyGroup
    """Operators, queues, namespaces and volumes that jobs depend on."""

    @property
    def node(self) -> Node:
        """Its node in the construct tree."""
        ...

    @property
    def cluster_arn(self) -> str:
        """ARN of the HyperPod cluster."""
        ...

    @property
    def cluster_name(self) -> str:
        """The cluster's name, or its ARN if the name is unknown."""
        ...

    @property
    def security_group(self) -> ec2.ISecurityGroup:
        """Security group of the nodes."""
        ...

    @property
    def system_nodes(self) -> int:
        """The number of nodes of the system group that `nodes_ready` waits for."""
        ...

    @property
    def prepares_restricted_nodes(self) -> bool:
        """Whether this library installs a network agent and DNS servers for restricted nodes."""
        ...

    def execution_role_of(self, group_name: str) -> iam.IRole:
        """Execution role of one instance group."""
        ...

    def subnet_id(self, availability_zone_id: str | None = None) -> str:
        """Id of the private subnet that nodes of a zone use."""
        ...

    def keep_in_place(self, file_system: fsx.CfnFileSystem, *, name: str) -> None:
        """Fails a deployment that would move a file system to another subnet."""
        ...

    def milestone(self, key: str) -> DependencyGroup:
        """The milestone of the add-on with a config key."""
        ...

    def namespace_ready(self, namespace: str) -> DependencyGroup:
        """The milestone of a team's namespace."""
        ...
