"""The EKS add-ons of a HyperPod cluster: the add-ons of HyperPod, their prerequisites, and related add-ons."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from hyperpod_constructs.core.catalog._files import follows_facts, load
from hyperpod_constructs.core.catalog._kubernetes import minor
from hyperpod_constructs.core.catalog._names import look_up


class AddonVersion(NamedTuple):
    """One version of an add-on in a source.

    Attributes:
        version: such as "v1.3.0-eksbuild.1". Some sources omit the build; such a version cannot be installed.
        kubernetes_min: minimum supported Kubernetes version, or None if unknown.
        kubernetes_max: maximum supported Kubernetes version, or None if unknown.
        date: date on which it was seen, or None.
        source: source of the fact.
        uncertain: field name to what is uncertain about it.
    """

    version: str
    kubernetes_min: str | None
    kubernetes_max: str | None
    date: date | None
    source: str
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.version)

    @property
    def installable(self) -> bool:
        """Whether the version is complete, including its build."""
        return "-eksbuild." in self.version

    def covers(self, kubernetes_version: str) -> bool | None:
        """Whether it supports a Kubernetes version; None if unknown."""
        if self.kubernetes_min is None or self.kubernetes_max is None:
            return None
        return minor(self.kubernetes_min) <= minor(kubernetes_version) <= minor(self.kubernetes_max)


class Addon(NamedTuple):
    """One EKS add-on.

    Attributes:
        name: name in EKS.
        key: its key under `addons:` in the config, or None if this project does not install it.
        core: whether every EKS cluster for HyperPod requires it.
        title: display name.
        provider: "hyperpod", "eks" (AWS) or "community" (EKS community add-ons).
        namespace: namespace of its pods.
        service_accounts: service accounts that require, or can use, AWS credentials.
        credentials: source of credentials: "pod-identity", "irsa" (requires an OIDC provider) or "none".
        standalone_association: whether the pod identity association must be a separate resource that is created first,
            because some versions reject an inline association.
        managed_policies: names of AWS managed policies for its role.
        kind: "daemonset" add-ons become ACTIVE without nodes, "deployment" add-ons stay DEGRADED until a node exists.
        needs_nodes: whether it becomes ACTIVE only when a node is ready.
        prerequisites: names of add-ons that must be installed first.
        requires: other prerequisites as text.
        min_version: minimum version that works on HyperPod, or None.
        min_version_for: add-on name to the minimum version of it that this one requires.
        kubernetes_min: minimum Kubernetes version that any of its versions supports, if known.
        versions: known versions, newest first.
        pods_per_node: pods on every node.
        pods_total: additional pods on the cluster.
        crds: custom resource definitions that it installs.
        deployments: Deployments that must be available before its use.
        configuration_keys: known top-level keys of its configuration values; empty if unknown.
        uncertain: field name to what its sources disagree about, or what the value was inferred from.
    """

    name: str
    key: str | None
    core: bool
    title: str
    provider: Literal["hyperpod", "eks", "community"]
    namespace: str
    service_accounts: tuple[str, ...]
    credentials: Literal["pod-identity", "irsa", "none"]
    standalone_association: bool
    managed_policies: tuple[str, ...]
    kind: Literal["daemonset", "deployment"]
    needs_nodes: bool
    prerequisites: tuple[str, ...]
    requires: tuple[str, ...]
    min_version: str | None
    min_version_for: Mapping[str, str]
    kubernetes_min: str | None
    versions: tuple[AddonVersion, ...]
    pods_per_node: int
    pods_total: int
    crds: tuple[str, ...]
    deployments: tuple[str, ...]
    configuration_keys: tuple[str, ...]
    uncertain: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    def version_for(self, kubernetes_version: str) -> AddonVersion | None:
        """The newest complete version that is known to support a Kubernetes version, or None.

        None means unknown, not unsupported: omit the version, and EKS installs its default.

        >>> addon("amazon-sagemaker-hyperpod-training-operator").version_for("1.35").version
        'v1.3.0-eksbuild.1'
        >>> addon("amazon-sagemaker-hyperpod-observability").version_for("1.31") is None
        True
        """
        return next(
            (version for version in self.versions if version.installable and version.covers(kubernetes_version)), None
        )

    def supports(self, kubernetes_version: str) -> bool | None:
        """Whether any of its versions supports a Kubernetes version; None if unknown."""
        if self.kubernetes_min is not None and minor(kubernetes_version) < minor(self.kubernetes_min):
            return False
        return True if any(version.covers(kubernetes_version) for version in self.versions) else None


@follows_facts
@cache
def addons() -> Mapping[str, Addon]:
    """Every add-on of the catalog, by name; HyperPod's own first."""
    return MappingProxyType({name: _read(name, entry) for name, entry in load("addons")["addons"].items()})


def find_addon(name: str) -> Addon | None:
    """Returns the add-on of this name, or None."""
    return addons().get(name)


def addon(name: str) -> Addon:
    """Returns the add-on of this name.

    Raises:
        UnknownName: the catalog does not have the add-on; the message has the closest name.
    """
    return look_up("add-on", name, addons())


def _read(name: str, entry: dict[str, Any]) -> Addon:
    kind = entry["kind"]
    texts = {key: tuple(entry.get(key, ())) for key in _TUPLES}
    return Addon(
        name=name,
        key=entry.get("key"),
        core=entry.get("core", False),
        title=entry["title"],
        provider=entry["provider"],
        namespace=entry["namespace"],
        credentials=entry.get("credentials", "none"),
        standalone_association=entry.get("standalone_association", False),
        kind=kind,
        needs_nodes=kind == "deployment",
        min_version=entry.get("min_version"),
        min_version_for=MappingProxyType(entry.get("min_version_for", {})),
        kubernetes_min=entry.get("kubernetes_min"),
        versions=tuple(_read_version(version) for version in entry.get("versions", ())),
        pods_per_node=entry.get("pods_per_node", 0),
        pods_total=entry.get("pods_total", 0),
        uncertain=MappingProxyType(entry.get("uncertain", {})),
        **texts,
    )


def _read_version(entry: dict[str, Any]) -> AddonVersion:
    seen = entry.get("date")
    return AddonVersion(
        version=entry["version"],
        kubernetes_min=entry.get("kubernetes_min"),
        kubernetes_max=entry.get("kubernetes_max"),
        date=date.fromisoformat(seen) if seen else None,
        source=entry["source"],
        uncertain=MappingProxyType(entry.get("uncertain", {})),
    )


_TUPLES = (
    *("service_accounts", "managed_policies", "prerequisites", "requires"),
    *("crds", "deployments", "configuration_keys"),
)
