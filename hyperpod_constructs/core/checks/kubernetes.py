"""HP20x: the Kubernetes version, compared with EKS's calendar and HyperPod's list."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import (
    default_kubernetes_version,
    find_kubernetes_version,
    kubernetes_versions,
    limit,
    matches,
    minor,
    suggest,
)
from ..findings import Severity
from ..plural import count
from ..spec.base import is_token
from ..spec.eks import Eks
from .context import Context, as_text, skipped
from .registry import Problem, rule

_CALENDAR = "EKS user guide, kubernetes-versions"


def _newest() -> str:
    """The version to recommend; if the catalog is out of date, the newest documented one."""
    try:
        return str(default_kubernetes_version())
    except LookupError:
        return [str(version) for version in kubernetes_versions().values() if version.hyperpod_documented][-1]


@rule(
    "HP201",
    title="EKS supports the Kubernetes version.",
    severity=Severity.ERROR,
    why="EKS rejects the cluster, after the VPC, the bucket and the roles have been created.",
    cure="Set a minor version in quotes.",
    source=_CALENDAR,
    wrong='eks: {kubernetes_version: "9.99"}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
def version_exists(eks: Eks) -> Iterator[Problem]:
    version = eks.kubernetes_version if eks else None
    if version is None or find_kubernetes_version(version) is not None:
        return
    path = "eks.kubernetes_version"
    if is_token(version):
        if eks.existing is not None:
            yield skipped(path)
        else:
            message = "the value is a CDK token, known only at deploy time, but synthesis selects add-on versions by it"
            yield Problem(
                path,
                message,
                f'Specify a literal version, such as "{_newest()}".',
                "No add-on version can be selected.",
            )
        return
    listed = f"Use {_newest()}, the latest version that HyperPod documents."
    if not matches("kubernetes_minor_version", version):
        near = suggest(version.removeprefix("v"), kubernetes_versions())
        cure = f"Did you mean {near!r}?" if near else f'Set it to "{_newest()}".'
        yield Problem(path, f"{as_text(version)} is not a valid Kubernetes minor version", cure)
        return
    newest = max(kubernetes_versions(), key=minor)
    oldest = min(kubernetes_versions(), key=minor)
    if minor(version) < minor(oldest):
        yield Problem(path, f"EKS no longer supports Kubernetes {version}; the calendar begins with {oldest}", listed)
    elif (
        minor(version)[0] == minor(newest)[0]
        and minor(version)[1] <= minor(newest)[1] + limit("kubernetes_versions_ahead").value
    ):
        message = f"Kubernetes {version} is newer than {newest}, the latest version in the catalog"
        why = "The version is unknown; HyperPod may not support it."
        yield Problem(path, message, f"{listed} Or run `hyperpod catalog refresh`.", why, Severity.WARNING)
    else:
        yield Problem(path, f"Kubernetes {version} is not an EKS version", listed)


@rule(
    "HP202",
    title="EKS still supports the Kubernetes version.",
    severity=Severity.ERROR,
    why="EKS rejects new clusters on this version and upgrades existing ones automatically.",
    cure="Use a version in standard support.",
    source=_CALENDAR,
    wrong='eks: {kubernetes_version: "1.29"}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
def version_supported(eks: Eks, ctx: Context) -> Iterator[Problem]:
    version = ctx.kubernetes_version
    if version is None and eks.kubernetes_version is None and eks.existing is None:
        message = f"EKS no longer supports any version that HyperPod documents (up to {_newest()} in the catalog)"
        yield Problem("eks.kubernetes_version", message, "Run `hyperpod catalog refresh`, or set a version.")
    if version is None or eks is None:
        return
    status, cure = version.status(), f"Use {_newest()}, the latest version that HyperPod documents."
    if status == "ended":
        message = f"extended support of Kubernetes {version} ended on {version.end_of_extended_support}"
        severity = Severity.WARNING if eks.existing is not None else None
        yield Problem("eks.kubernetes_version", message, cure, severity=severity)
    elif status == "unreleased":
        yield Problem("eks.kubernetes_version", f"EKS releases Kubernetes {version} on {version.released}", cure)


@rule(
    "HP203",
    title="The Kubernetes version is in standard support, with time before its end.",
    severity=Severity.WARNING,
    why="Extended support is billed for every hour of the cluster, and ends with a forced upgrade.",
    cure="Plan the upgrade, one minor version at a time.",
    source=_CALENDAR,
    wrong='eks: {kubernetes_version: "1.32", support: EXTENDED}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
def version_support_left(eks: Eks, ctx: Context) -> Iterator[Problem]:
    version = ctx.kubernetes_version
    if version is None or eks is None:
        return
    status, left = version.status(), version.days_left()
    remaining = f"{count(left or 0, 'day')} left"
    cure = f"Use {_newest()}, the latest version that HyperPod documents."
    path = "eks.kubernetes_version"
    if status == "extended":
        message = (
            f"Kubernetes {version} is in extended support, which costs extra, until "
            f"{version.end_of_extended_support} ({remaining})"
        )
        if eks.existing is None and eks.support == "STANDARD":
            message += "; this conflicts with `support: STANDARD`"
            cure += " Or set `support: EXTENDED`."
        yield Problem(path, message, cure)
    elif status == "standard" and left is not None and left <= limit("kubernetes_support_notice_days").value:
        message = f"standard support of Kubernetes {version} ends on {version.end_of_standard_support} ({remaining})"
        yield Problem(path, message, cure)


@rule(
    "HP204",
    title="HyperPod documents the Kubernetes version.",
    severity=Severity.WARNING,
    why="HyperPod selects its node image by the version of the control plane; other versions may have none.",
    cure="Use a version that HyperPod documents.",
    source="documentation page sagemaker-hyperpod-eks-prerequisites (1.30 to 1.35)",
    wrong='eks: {kubernetes_version: "1.36"}\n',
    right='eks: {kubernetes_version: "1.35"}\n',
)
def version_documented(eks: Eks, ctx: Context) -> Iterator[Problem]:
    version = ctx.kubernetes_version
    if version is not None and not version.hyperpod_documented:
        listed = [str(version) for version in kubernetes_versions().values() if version.hyperpod_documented]
        message = f"HyperPod documents Kubernetes {listed[0]} to {listed[-1]}, not {version}"
        yield Problem("eks.kubernetes_version", message, f"Use {_newest()}.")
