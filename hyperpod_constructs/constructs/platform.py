"""The whole platform from one spec: all constructs, in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from ..core.closed import endpoint_services
from ..core.spec import Platform
from .addons import NODE_ADDONS
from .arguments import checked
from .cluster import HyperPodCluster
from .dependencies import HyperPodDependencies
from .eks import HyperPodEks
from .exports import export_shared_values, spread
from .functions_in_vpc import put_functions_into_vpc
from .log_groups import set_log_group, set_log_groups
from .network import HyperPodNetwork
from .restricted_nodes import RestrictedDns
from .trust import keep_internal
from .validation import CHECKED, ensure_place, ensure_platform, ensure_unique

if TYPE_CHECKING:
    from .governance import HyperPodGovernance
    from .storage import HyperPodStorage


@dataclass(frozen=True, kw_only=True)
class Scopes:
    """Scopes of the parts of a platform, split by lifetime; all may be the same."""

    network: Construct
    eks: Construct
    hyperpod: Construct
    addons: Construct
    jobs: Construct


class HyperPodPlatform(Construct):
    """A HyperPod cluster on EKS with its network, add-ons, storage, teams and jobs, from one spec.

    All parts are created below this construct, in one stack, unless `scopes` distributes them (as `platform_stacks`
    does). The spec is checked as a whole first; errors raise `InvalidSpec` with all findings.

    Tags, log settings and the permissions boundary apply to everything that is created for the platform, including
    singletons of the stack outside of this construct; existing resources of the stack are not changed.
    """

    network: HyperPodNetwork
    eks: HyperPodEks
    dependencies: HyperPodDependencies | None
    cluster: HyperPodCluster
    addons: Mapping[str, Construct]
    """Add-ons that require nodes, by their key in the config."""
    storage: HyperPodStorage | None
    """File systems and buckets, None if there are none."""
    governance: HyperPodGovernance | None
    """Cluster policy and teams, None if there are none."""

    @checked
    def __init__(self, scope: Construct, id: str, *, platform: Platform, scopes: Scopes | None = None) -> None:
        super().__init__(scope, id)
        checked_before = self.node.try_get_context(CHECKED)  # by `platform_stacks`, before it creates the stacks
        if not checked_before:
            ensure_platform(platform)
        if scopes is None:
            self.node.set_context(CHECKED, True)
            scopes = Scopes(network=self, eks=self, hyperpod=self, addons=self, jobs=self)
        parts = dict.fromkeys((scopes.network, scopes.eks, scopes.hyperpod, scopes.addons, scopes.jobs))
        if not checked_before:
            ensure_place(platform, parts)
        siblings_before = _siblings(parts)
        for part in parts:
            set_log_groups(part, platform.logs)
        self._create(platform, scopes)
        created = [sibling for path, sibling in _siblings(parts).items() if path not in siblings_before]
        for sibling in created:
            set_log_group(sibling, platform.logs)
        self._tag_and_limit([*parts, *created], platform)
        if platform.network.functions_in_vpc:
            for construct in [*parts, *created]:
                put_functions_into_vpc(
                    construct,
                    subnet_ids=[subnet.subnet_id for subnet in self.network.cluster_subnets],
                    security_group_ids=[self.network.node_security_group.security_group_id],
                    after=[self.network.ready],
                )

    def _tag_and_limit(self, parts: Sequence[IConstruct], platform: Platform) -> None:
        arn = platform.permissions_boundary_arn
        boundary = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", arn) if arn else None
        for part in parts:
            keep_internal(part)
            for key, value in platform.tags.items():
                Tags.of(part).add(key, value)
            if boundary:
                iam.PermissionsBoundary.of(part).apply(boundary)

    def _create(self, platform: Platform, scopes: Scopes) -> None:
        self.network = HyperPodNetwork(
            scopes.network, "Network", network=platform.network, endpoint_services=endpoint_services(platform)
        )
        self.eks = HyperPodEks(
            scopes.eks,
            "Eks",
            network=self.network,
            eks=platform.completed_eks,
            addons=platform.addons,
            log_settings=platform.logs,
            outputs=True,
        )
        acknowledge = self.eks.kubernetes.parts.acknowledge
        acknowledge += platform.acknowledge
        if platform.eks.existing:  # an EKS cluster supports one HyperPod cluster
            ensure_unique(self.eks, "EKS cluster", platform.eks.existing.cluster_name, acknowledge)
        self.dependencies = None
        if platform.dependencies.enabled:
            self.dependencies = HyperPodDependencies(
                scopes.hyperpod,
                "Dependencies",
                kubernetes=self.eks.kubernetes,
                components=platform.dependencies,
            )
            self.dependencies.node.add_dependency(self.eks.ready)
        self.cluster = HyperPodCluster(
            scopes.hyperpod,
            "HyperPod",
            eks_cluster=self.eks,
            vpc=self.network,
            cluster=platform.completed_cluster,
            allow_replacement=platform.allow_cluster_replacement,
            outputs=True,
        )
        self.storage = None
        if platform.storage.lustre or platform.storage.buckets:
            from .storage import HyperPodStorage

            self.storage = HyperPodStorage(
                scopes.hyperpod,
                "Storage",
                cluster=self.cluster,
                storage=platform.storage,
                allow_data_loss=platform.allow_data_loss,
            )
        effective = platform.installed_addons
        options = {"observability": {"allow_data_loss": platform.allow_data_loss, "outputs": True}}
        self.addons = {
            key: construct(
                scopes.addons,
                construct.__name__.removesuffix("Addon"),
                cluster=self.cluster,
                settings=settings,
                **options.get(key, {}),
            )
            for key, settings in effective.items()
            if (construct := NODE_ADDONS.get(key))
        }
        existing = platform.eks.existing
        if self.cluster.prepares_restricted_nodes and existing and not existing.core_addons:
            RestrictedDns(scopes.addons, "RestrictedDns", cluster=self.cluster)
        self.governance = None
        if platform.governance:
            from .governance import HyperPodGovernance

            self.governance = HyperPodGovernance(
                scopes.addons,
                "Governance",
                cluster=self.cluster,
                governance=platform.governance,
                tags=platform.tags,
            )
        if self.storage:
            mountpoint = self.addons.get("mountpoint_s3_csi")
            self.storage.claims(scopes.addons, governance=platform.governance, mountpoint=mountpoint)
        if platform.manifests:
            from .manifests import Manifests

            Manifests(
                scopes.addons,
                "Manifests",
                cluster=self.cluster,
                objects=platform.manifests,
                adopt=platform.adopt_manifests,
                allow_data_loss=platform.allow_data_loss,
            )
        if platform.jobs:
            from .training_job import TrainingJobs

            TrainingJobs(scopes.jobs, "Jobs", cluster=self.cluster, jobs=platform.completed_jobs)
        if spread((scopes.network, scopes.eks, scopes.hyperpod, scopes.addons, scopes.jobs)):
            export_shared_values(network=self.network, eks=self.eks, cluster=self.cluster)


def _siblings(parts: Iterable[Construct]) -> dict[str, IConstruct]:
    """Returns the constructs next to the parts in their stacks, by path.

    Singletons of a stack are among them, such as CDK's function that empties buckets, and the functions for quotas.
    """
    stacks = [Stack.of(part) for part in parts if not isinstance(part, Stack)]
    return {child.node.path: child for stack in stacks for child in stack.node.children}
