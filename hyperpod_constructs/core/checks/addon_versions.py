"""HP52x: versions of add-ons compared with Kubernetes, HyperPod and each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import Addon, AddonVersion, addon, kubernetes_versions, limit, load, pattern
from ..catalog import minor as kubernetes_minor
from ..findings import Severity
from ..spec.addons import ADDON_NAMES, Addons
from ..spec.base import is_token
from ..spec.eks import Eks
from .context import Context, EffectiveAddons, as_text, skipped
from .registry import Problem, rule


def version_tuple(text: str) -> tuple[int, ...] | None:
    """Parses an add-on version for comparison; None if it is not a version.

    >>> version_tuple("v1.47.0-eksbuild.2") > version_tuple("v1.47.0"), version_tuple("latest")
    (True, None)
    """
    found = re.fullmatch(pattern("addon_version"), text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def _pinned(ctx: Context) -> Iterator[tuple[str, str, str]]:
    """Returns key, path and version of each EKS add-on whose version is set."""
    for key, settings in ctx.effective_addons.items():
        version = getattr(settings, "version", None)  # Kueue is a Helm chart without an EKS add-on version
        if key in ADDON_NAMES and version is not None:
            yield key, f"addons.{key}.version", version


@rule(
    "HP520",
    title="Add-on versions include their build.",
    severity=Severity.ERROR,
    why="EKS rejects the add-on.",
    cure="Specify the version with its build, such as v1.3.0-eksbuild.1, or remove the version.",
    source="EKS: DescribeAddonVersions",
    certain=False,
    wrong="addons: {training_operator: {version: '1.3'}}\n",
    right="addons: {training_operator: {version: v1.3.0-eksbuild.1}}\n",
)
def complete(addons: Addons, ctx: Context) -> Iterator[Problem]:
    for _, path, version in _pinned(ctx):
        if is_token(version):
            yield skipped(path)
        elif version_tuple(version) is None or "-eksbuild." not in version:
            yield Problem(path, f"{as_text(version)} is not a valid add-on version; the format is v1.3.0-eksbuild.1")


_ALTERNATIVES = {"task_governance": "kueue", "observability": "cloudwatch_observability"}
"""Alternatives for add-ons that do not support the Kubernetes version."""


def _instead(key: str) -> str:
    return f"; or use `addons.{_ALTERNATIVES[key]}` instead" if key in _ALTERNATIVES else ""


@rule(
    "HP521",
    title="Each add-on version supports the Kubernetes version.",
    severity=Severity.ERROR,
    why="EKS rejects the add-on after the cluster has been created.",
    cure="Remove the version, or use one that supports the Kubernetes version.",
    source="catalog: versions seen with their Kubernetes ranges",
    wrong='eks: {kubernetes_version: "1.31", support: EXTENDED}\naddons: {observability: {version: v1.2.0-eksbuild.3}}\n',
    right='eks: {kubernetes_version: "1.35"}\naddons: {observability: {version: v1.2.0-eksbuild.3}}\n',
)
def installs(effective_addons: EffectiveAddons, eks: Eks, ctx: Context) -> Iterator[Problem]:
    kubernetes = ctx.kubernetes_version
    if kubernetes is None:
        return
    for key, settings in effective_addons.items():
        if key not in ADDON_NAMES:
            continue
        facts, given = addon(ADDON_NAMES[key]), getattr(settings, "version", None)
        if given is None:
            known = [version for version in facts.versions if version.covers(str(kubernetes)) is not None]
            if facts.kubernetes_min is not None and kubernetes.minor < kubernetes_minor(facts.kubernetes_min):
                message = f"requires Kubernetes {facts.kubernetes_min} or later; the cluster has {kubernetes}"
                yield Problem(
                    f"addons.{key}", message, f"Use Kubernetes {facts.kubernetes_min} or later{_instead(key)}."
                )
            elif known and not any(version.covers(str(kubernetes)) for version in known):
                yield _uncovered(key, known, str(kubernetes))
            elif not known and facts.provider == "hyperpod":
                yield _unstated(key, facts, str(kubernetes))
            continue
        if key == "kube_proxy" and (has := version_tuple(given)) is not None:
            yield from _of_one_minor(f"addons.{key}.version", given, has[1], kubernetes.minor[1])
        for release in facts.versions:
            same = release.version == given or (not release.installable and given.startswith(f"{release.version}-"))
            if same and release.covers(str(kubernetes)) is False:
                supported = f"{release.kubernetes_min} to {release.kubernetes_max}"
                message = f"{given} supports Kubernetes {supported}, not {kubernetes}"
                cure = f"Remove the version, or use one that supports Kubernetes {kubernetes}."
                yield Problem(f"addons.{key}.version", message, cure)


def _uncovered(key: str, known: list[AddonVersion], kubernetes: str) -> Problem:
    """Returns the problem of an add-on whose known versions all support other versions of Kubernetes."""
    ends = (str(known[-1].kubernetes_min), str(known[0].kubernetes_max))
    have = f"{known[0].version} supports" if len(known) == 1 else "its versions support"
    documented = [str(version) for version in kubernetes_versions().values() if version.hyperpod_documented]
    usable = [version for version in documented if any(release.covers(version) for release in known)]
    first = f"Use Kubernetes {_span(usable[0], usable[-1])}, or check" if usable else "Check"
    return Problem(
        f"addons.{key}",
        f"the catalog has no version for Kubernetes {kubernetes}; {have} {_span(*ends)}",
        f"{first} with `hyperpod addons --live`{_instead(key)}.",
        "No known version can be installed; EKS may offer another one.",
        Severity.WARNING,
    )


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _unstated(key: str, facts: Addon, kubernetes: str) -> Problem:
    """Returns the problem of a HyperPod add-on whose versions by Kubernetes version are unknown."""
    newest = facts.versions[0] if facts.versions else None
    seen = f"; the newest known version is {newest.version}" if newest else ""
    seen += f", as of {newest.date}" if newest and newest.date else ""
    return Problem(
        f"addons.{key}",
        f"the catalog has no version for Kubernetes {kubernetes}{seen}",
        f"Run `hyperpod preflight`, or `aws eks describe-addon-versions --addon-name {facts.name} --kubernetes-version "
        f"{kubernetes}`, before the deployment, and set the version that it lists.",
        "EKS selects the version; if it has none, it rejects the add-on after the cluster has been created.",
        Severity.NOTE,
    )


def _of_one_minor(path: str, version: str, own: int, cluster: int) -> Iterator[Problem]:
    """Compares kube-proxy with the cluster: it must not be newer, and at most three minor versions older."""
    skew = limit("kubernetes_node_minor_skew").value
    if not cluster - skew <= own <= cluster:
        message = f"{version} is for Kubernetes 1.{own}; the cluster has 1.{cluster}"
        yield Problem(path, message, f"Use a v1.{cluster} version, or remove the version.")
    elif own != cluster:
        message = f"{version} is for Kubernetes 1.{own}; the cluster has 1.{cluster}"
        cure = f"Update kube-proxy to v1.{cluster} after the upgrade of the control plane."
        yield Problem(
            path,
            message,
            cure,
            f"Kubernetes supports kube-proxy up to {skew} minor versions behind the control plane.",
            Severity.WARNING,
        )


@rule(
    "HP522",
    title="Each add-on version meets the minimum that HyperPod, other add-ons and restricted instance groups require.",
    severity=Severity.ERROR,
    why="Older versions do not work on HyperPod nodes: volumes do not attach, or pods get no network.",
    cure="Use the required version or a later one, or remove the version.",
    source="documentation pages sagemaker-hyperpod-eks-ebs, sagemaker-hyperpod-eks-prerequisites, "
    "sagemaker-hyperpod-model-deployment-setup, hyperpod-observability-addon-troubleshooting; amazon-vpc-cni-k8s, README",
    certain=False,
    wrong="addons: {ebs_csi: {version: v1.46.0-eksbuild.1}}\n",
    right="addons: {ebs_csi: {version: v1.47.0-eksbuild.1}}\n",
)
def new_enough(effective_addons: EffectiveAddons, ctx: Context) -> Iterator[Problem]:
    for_restricted = load("restricted_nodes")["addon_min_versions"] if any(ctx.restricted_groups) else {}
    users = {key: addon(ADDON_NAMES[key]) for key in effective_addons if key in ADDON_NAMES}
    for key, path, version in _pinned(ctx):
        has = version_tuple(version)
        if has is None:
            continue
        minimums = [("HyperPod", users[key].min_version)]
        minimums += [
            (f"the add-on {user}", facts.min_version_for.get(ADDON_NAMES[key])) for user, facts in users.items()
        ]
        minimums.append(("a cluster with restricted instance groups", for_restricted.get(ADDON_NAMES[key])))
        for dependent, least in minimums:
            need = version_tuple(least) if least is not None else None
            if need is not None and has < need:
                cure = f"Use {least} or later, or remove the version."
                yield Problem(path, f"{version} is too old; {dependent} requires {least} or later", cure)


@rule(
    "HP523",
    title="The training operator's pod identity association is a separate resource.",
    severity=Severity.NOTE,
    why="Add-on versions that are flagged as requiring no permissions reject an inline association. This library "
    "creates the association as a resource before the add-on, which all versions support.",
    cure="Remove the association from `configuration`; no other change is required.",
    source="Terraform module: awsome-distributed-training#1075",
    wrong="addons: {training_operator: {configuration: {podIdentityAssociations: []}}}\n",
    right="addons: {training_operator: {}}\n",
)
def standalone_association(addons: Addons) -> Iterator[Problem]:
    operator = addons.training_operator if addons is not None else None
    if operator is not None and operator.enabled and "podIdentityAssociations" in operator.configuration:
        path = "addons.training_operator.configuration.podIdentityAssociations"
        yield Problem(path, "not a configuration value of this add-on", severity=Severity.WARNING)
