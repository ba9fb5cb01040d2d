"""An EKS cluster that this app imports, or creates with CDK's own classes: its attributes and a Kubernetes provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct, DependencyGroup, IDependable

from ..core import catalog
from ..core.checks import Problem, find
from ..core.findings import Finding, Severity
from ..core.spec import Eks, ExistingEks
from .arguments import checked
from .interfaces import CdkEksCluster, NetworkAddon, OidcIdentity, oidc_identity
from .kubernetes import KubernetesProvider
from .security_groups import connect_security_groups

EndpointAccess = Literal["public-and-private", "private", "public"]


@dataclass(frozen=True, kw_only=True)
class EksClusterAttributes:
    """An EKS cluster by its attributes.

    `security_group_id` is its cluster security group, for rules between nodes and control plane; omit it if such rules
    exist. `vpc` and `private_subnets` are required if the Kubernetes API has no public endpoint: the functions of
    this library then run in them; `endpoint_access="private"` uses the private subnets of `vpc`.
    """

    cluster_name: str
    vpc: ec2.IVpc | None = None
    private_subnets: Sequence[ec2.ISubnet] = ()
    security_group_id: str | None = None
    kubernetes_version: str | None = None
    oidc_provider: iam.IOpenIdConnectProvider | None = None
    authentication_mode: str | None = None
    endpoint_access: EndpointAccess | None = None


@dataclass(frozen=True, kw_only=True)
class EksFacts:
    """The known attributes of an EKS cluster; None means unknown."""

    kubernetes_version: str | None = None
    authentication_mode: str | None = None
    endpoint_access: EndpointAccess | None = None
    auto_mode: bool = False


def facts_of(eks_cluster: CdkEksCluster | EksClusterAttributes) -> EksFacts:
    """Returns the attributes that an EKS cluster's construct has; a cluster that CDK imported has none."""
    if isinstance(eks_cluster, EksClusterAttributes):
        return EksFacts(
            kubernetes_version=eks_cluster.kubernetes_version,
            authentication_mode=eks_cluster.authentication_mode,
            endpoint_access=eks_cluster.endpoint_access,
        )
    resource = eks_cluster.node.default_child
    if resource is not None and hasattr(resource, "resources_vpc_config"):  # CfnCluster of either module
        network, access = resource.resources_vpc_config, getattr(resource, "access_config", None)
        return EksFacts(
            kubernetes_version=getattr(resource, "version", None),
            authentication_mode=getattr(access, "authentication_mode", None) or _DEFAULT_MODE,
            endpoint_access=_access(
                getattr(network, "endpoint_public_access", None), getattr(network, "endpoint_private_access", None)
            ),
            auto_mode=getattr(getattr(resource, "compute_config", None), "enabled", None) is True,
        )
    config = _custom_resource(eks_cluster)
    if config is None:
        return EksFacts()
    network = config.get("resourcesVpcConfig", {})
    return EksFacts(
        kubernetes_version=config.get("version"),
        authentication_mode=(config.get("accessConfig") or {}).get("authenticationMode") or _DEFAULT_MODE,
        endpoint_access=_access(network.get("endpointPublicAccess"), network.get("endpointPrivateAccess")),
    )


_DEFAULT_MODE = "CONFIG_MAP"
"""The default of EKS for a request without an authentication mode."""


def _access(public: object, private: object) -> EndpointAccess:
    """Returns the endpoint access; the default of EKS is a public endpoint only."""
    if public is False:
        return "private"
    return "public-and-private" if private is True else "public"


def _custom_resource(eks_cluster: Any) -> Mapping[str, Any] | None:
    """Returns the arguments of the custom resource with which `aws_cdk.aws_eks.Cluster` creates a cluster."""
    found = eks_cluster
    for id in ("Resource", "Resource"):
        found = found.node.try_find_child(id) if found is not None else None
    resource = found.node.default_child if found is not None else None
    config = getattr(resource, "_cfn_properties", {}).get("Config")
    return config if isinstance(config, Mapping) else None


class ImportedEks(Construct):
    """An EKS cluster that was created elsewhere, with a Kubernetes provider.

    Rules allow traffic between `node_security_group` and the cluster security group. With `handler_subnets` (of `vpc`),
    or with the private subnets of the attributes, the functions of the provider run there, in the node security group. If
    the Kubernetes API is known to have no public endpoint, they run in the private subnets of `vpc` by default.
    """

    kubernetes_version: str | None
    network_addon: NetworkAddon | None = None

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        eks_cluster: CdkEksCluster | EksClusterAttributes,
        vpc: ec2.IVpc | None = None,
        node_security_group: ec2.ISecurityGroup | None = None,
        handler_subnets: Sequence[ec2.ISubnet] = (),
    ) -> None:
        super().__init__(scope, id)
        self._imported = eks_cluster
        self._facts = facts_of(eks_cluster)
        self._oidc_provider_arn: str | None = None  # reading it from a cluster of CDK would create a provider
        self.cluster_name: str = eks_cluster.cluster_name
        self.kubernetes_version = self._facts.kubernetes_version
        subnets = list(handler_subnets)
        if isinstance(eks_cluster, EksClusterAttributes):
            self.cluster_arn = eks_cluster_arn(self, self.cluster_name)
            subnets = subnets or list(eks_cluster.private_subnets)
            vpc = eks_cluster.vpc or vpc
        else:
            self.cluster_arn = eks_cluster.cluster_arn
        if self._facts.endpoint_access == "private" and not subnets:
            if vpc is None:
                raise ValueError(f"{self.node.path}: the Kubernetes API has a private endpoint only; {_NEEDS_VPC}")
            subnets = list(vpc.private_subnets or vpc.isolated_subnets)
        self.kubernetes = KubernetesProvider(
            self,
            "Kubernetes",
            cluster_name=self.cluster_name,
            cluster_arn=self.cluster_arn,
            vpc=vpc if subnets else None,
            vpc_subnets=ec2.SubnetSelection(subnets=subnets) if subnets else None,
            security_groups=[node_security_group] if subnets and node_security_group else None,
        )
        parts = self.kubernetes.parts
        parts.eks = self._spec()
        parts.found += self._findings()
        group = DependencyGroup()
        group.add(self.kubernetes.ready)
        if not isinstance(eks_cluster, EksClusterAttributes):
            group.add(eks_cluster)
            self.kubernetes.node.add_dependency(eks_cluster)
        self.ready: IDependable = group
        if node_security_group:
            self.allow_node_traffic(self, node_security_group)

    def allow_node_traffic(self, scope: Construct, nodes: ec2.ISecurityGroup) -> None:
        """Allows traffic between nodes and control plane, by rules in `scope`."""
        control_plane = self.security_group_id
        rules = connect_security_groups(scope, nodes=nodes.security_group_id, control_plane=control_plane)
        self.kubernetes.reachable.add(rules)

    @property
    def security_group_id(self) -> str | None:
        """The cluster security group; None if it is unknown."""
        if isinstance(self._imported, EksClusterAttributes):
            return self._imported.security_group_id
        try:
            return self._imported.cluster_security_group_id
        except RuntimeError:  # raised by CDK for an attribute that an imported cluster does not have
            return None

    @property
    def oidc(self) -> OidcIdentity:
        """The OIDC provider of the cluster.

        Raises:
            ValueError: the provider is unknown.
        """
        provider: Any = None
        if isinstance(self._imported, EksClusterAttributes):
            provider, where = self._imported.oidc_provider, "EksClusterAttributes(oidc_provider=...)"
        else:
            where = "open_id_connect_provider where the cluster is imported"
            try:
                provider = self._imported.open_id_connect_provider
            except RuntimeError:  # raised by CDK, as above
                provider = None
        if provider is None:
            raise ValueError(NO_OIDC.format(self.node.path, where))
        self._oidc_provider_arn = provider.open_id_connect_provider_arn
        self.kubernetes.parts.eks = self._spec()
        return oidc_identity(provider.open_id_connect_provider_arn)

    def _spec(self) -> Eks:
        """Returns the cluster as input for the rules."""
        known: dict[str, Any] = {
            "kubernetes_version": self.kubernetes_version,
            "endpoint_access": self._facts.endpoint_access or "public-and-private",
            "existing": ExistingEks(
                cluster_name=self.cluster_name, security_group_id=self.security_group_id
            ).model_copy(update={"oidc_provider_arn": self._oidc_provider_arn}),
        }
        return Eks().model_copy(update=known)

    def _findings(self) -> Iterator[Finding]:
        """Returns the findings about live EKS clusters that depend only on the known attributes."""
        mode = self._facts.authentication_mode
        if mode is not None and mode not in catalog.allowed("eks_authentication_mode"):
            fix = "authentication_mode=AuthenticationMode.API_AND_CONFIG_MAP"
            yield _finding("HP941", f"authentication mode is {mode}", fix)
        if self._facts.endpoint_access == "public":
            fix = "endpoint_access=EndpointAccess.PUBLIC_AND_PRIVATE"
            yield _finding("HP943", "the Kubernetes API has a public endpoint only", fix, Severity.WARNING)
        if self._facts.auto_mode:
            yield _finding("HP207", "EKS Auto Mode is enabled")


def _finding(rule: str, message: str, fix: str | None = None, severity: Severity | None = None) -> Finding:
    found = find(rule)
    if found is None:
        raise LookupError(f"rule {rule} is not registered")
    return found.finding(Problem("eks_cluster", message, fix, severity=severity))


NO_OIDC = "{}: an add-on requires the cluster's IAM OIDC provider, which is unknown; set {}"
_NEEDS_VPC = "set its vpc, or the private subnets from which the functions can reach it"


def eks_cluster_arn(scope: Construct, cluster_name: str) -> str:
    """Returns the ARN of an EKS cluster in the stack's account and region."""
    return Stack.of(scope).format_arn(service="eks", resource="cluster", resource_name=cluster_name)
