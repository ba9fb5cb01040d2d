"""Collects the components that an app places on one EKS cluster, so that they can be checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..core.checks import Context, Problem, acknowledged, check, find
from ..core.documents import within
from ..core.findings import Finding, Severity, ordered
from ..core.spec import Acknowledgement, Addon, Addons, DependencyChart, Governance, Scheduler, Storage, Team
from ..core.spec.addons import CORE, PREREQUISITES

if TYPE_CHECKING:
    from constructs import Construct, Node

    from ..core.spec import Bucket, Cluster, Eks, Job, Logs, LustreFileSystem, Network


class _HasSpec(Protocol):
    @property
    def spec(self) -> Cluster: ...


class _HyperPodCluster(_HasSpec, Protocol):
    @property
    def node(self) -> Node: ...


@dataclass
class Parts:
    """The components on one EKS cluster, regardless of the order and the stacks in which the constructs are created.

    Each construct adds its part; `findings` is called when the tree is complete. If the EKS cluster is created in this
    app, the tree contains everything on the cluster; an existing one may have more.
    """

    network: Network | None = None
    eks: Eks | None = None
    logs: Logs | None = None
    clusters: list[_HyperPodCluster] = field(default_factory=list)
    dependencies: DependencyChart | None = None
    addons: dict[str, Any] = field(default_factory=dict)
    schedulers: list[Scheduler] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    lustre: list[LustreFileSystem] = field(default_factory=list)
    buckets: list[Bucket] = field(default_factory=list)
    jobs: list[tuple[Construct, Job]] = field(default_factory=list)
    manifests: list[Mapping[str, Any]] = field(default_factory=list)
    applied: list[Construct] = field(default_factory=list)
    """The constructs that apply the manifests."""
    described_cluster: _HasSpec | None = None
    """The HyperPod cluster as described to its jobs, if this app does not create it."""
    acknowledge: list[Acknowledgement] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    """Findings of constructs that are not about the spec."""

    _installed_by: dict[str, Construct] = field(default_factory=dict)

    @property
    def creates_eks(self) -> bool:
        """Whether this app creates the EKS cluster, so that everything on it is known."""
        return self.eks is not None and self.eks.existing is None

    def add_addon(self, key: str, settings: object, construct: Construct) -> None:
        """Adds an add-on; a second one of the same key is a finding."""
        other = self._installed_by.setdefault(key, construct)
        if other is not construct and (rule := find("HP517")):
            message = f"{construct.node.path} installs the same add-on as {other.node.path}"
            self.found.append(rule.finding(Problem(f"addons.{key}", message)))
        self.addons[key] = settings

    def findings(self, *, region: str | None, account: str | None, others: Sequence[Parts] = ()) -> list[Finding]:
        """Returns every finding about the parts, each once; findings about a job name its construct.

        A finding that depends on parts outside of this app is a warning: another app or person may install them. `others`
        are parts of the same EKS cluster, by constructs that were created after these.
        """
        specs: list[Cluster | None] = [cluster.spec for cluster in self.clusters]
        described_cluster = (
            self.described_cluster.spec
            if self.described_cluster is not None and self.described_cluster.spec.groups
            else None
        )
        existing = not specs and self.described_cluster is not None
        found: dict[tuple[str, str, str], Finding] = {}
        for spec in specs or [described_cluster]:
            whole = Context(
                region=region,
                account=account,
                network=self.network,
                eks=self._eks(),
                cluster=spec,
                dependencies=self._dependencies() if spec is not None else None,
                addons=self._addons() if spec is not None else None,
                governance=self._governance(),
                storage=self._storage(),
                logs=self.logs,
                jobs=tuple(job for _, job in self.jobs) or None,
                manifests=tuple(self.manifests) or None,
                acknowledge=tuple(self.acknowledge),
            )
            addons = Addons().model_copy(update=self.addons) if self.addons else None
            cut = frozenset({"cluster"} if existing else ())  # the cluster may have other groups
            alone = replace(whole, addons=addons, dependencies=self.dependencies, governance=None, jobs=None, cut=cut)
            elsewhere = replace(whole, addons=None, dependencies=None)
            certain = [*check(alone), *check(elsewhere)]
            others_may_fix = [finding for finding in check(whole) if not existing or finding.rule.startswith("HP7")]
            for finding in (*certain, *map(_as_warning, others_may_fix)):
                if not (existing and within(finding.path, "cluster")):  # this app does not change an existing cluster
                    found.setdefault((finding.rule, finding.path, finding.message), finding)
        findings = acknowledged(
            [*self.found, *self._more_than_one_cluster(others)], tuple(self.acknowledge), stale=False
        )
        return ordered(map(self._named, [*found.values(), *findings]))

    def _more_than_one_cluster(self, others: Sequence[Parts]) -> Iterator[Finding]:
        rule = find("HP027")
        clusters = [cluster for parts in (self, *others) for cluster in parts.clusters]
        if rule is not None and self.clusters and len(clusters) > 1:
            paths = " and ".join(cluster.node.path for cluster in clusters)
            yield rule.finding(Problem("cluster", f"{len(clusters)} HyperPod clusters on one EKS cluster: {paths}"))

    def is_on_same_eks(self, other: Parts) -> bool:
        """Whether both refer to one existing EKS cluster, of one account and region."""
        existing, other_existing = (parts.eks.existing if parts.eks is not None else None for parts in (self, other))
        return (
            existing is not None and other_existing is not None and existing.cluster_name == other_existing.cluster_name
        )

    def _eks(self) -> Eks | None:
        """Returns the EKS cluster; core add-ons of an existing one count as managed if the app creates one of them."""
        existing = self.eks.existing if self.eks is not None else None
        if self.eks is None or existing is None or not set(CORE) & set(self.addons):
            return self.eks
        return self.eks.model_copy(update={"existing": existing.model_copy(update={"core_addons": True})})

    def _named(self, finding: Finding) -> Finding:
        """Returns a finding with the paths of the jobs' constructs instead of their indexes."""

        def path(found: re.Match[str]) -> str:
            return self.jobs[int(found[1])][0].node.path

        named = re.sub(r"^jobs\[(\d+)\]", path, finding.path)
        return replace(finding, path=named, message=re.sub(r"\bjobs\[(\d+)\]", path, finding.message))

    def _dependencies(self) -> DependencyChart | None:
        if self.dependencies is None and self.creates_eks:
            return DependencyChart(enabled=False)
        return self.dependencies

    def _addons(self) -> Addons:
        addons = Addons().model_copy(update=self.addons)
        if not self.creates_eks:
            return addons
        expected = {*Addons().effective(), *(name for key in self.addons for name in PREREQUISITES.get(key, ()))}
        absent = {key: (getattr(addons, key) or Addon()).model_copy(update={"enabled": False}) for key in expected}
        return addons.model_copy(update={key: value for key, value in absent.items() if key not in self.addons})

    def _governance(self) -> Governance | None:
        if not self.teams and not self.schedulers:
            return None
        scheduler = self.schedulers[-1] if self.schedulers else Scheduler()
        return Governance().model_copy(update={"teams": tuple(self.teams), "scheduler": scheduler})

    def _storage(self) -> Storage | None:
        if not self.lustre and not self.buckets:
            return None
        return Storage().model_copy(update={"lustre": tuple(self.lustre), "buckets": tuple(self.buckets)})


def _as_warning(finding: Finding) -> Finding:
    """Returns a finding that depends on parts outside of the app: as a warning if it is an error."""
    return replace(finding, severity=Severity.WARNING) if finding.severity is Severity.ERROR else finding
