"""Prerequisites of an upgrade step: EKS, HyperPod, add-ons, kubectl layer and dependency chart support the version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import requires
from typing import Literal

from ...core import catalog
from ...core.catalog import minor
from ...core.catalog._files import load
from ...core.spec.addons import ADDON_NAMES, Addon, Kueue
from ...core.spec.observability import Observability
from ...core.spec.platform import Platform
from .versions import UNKNOWN, Release, Support

State = Literal["ready", "unknown", "blocked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A prerequisite of a step.

    Attributes:
        name: the component, such as an add-on's EKS name.
        state: "ready", "blocked", or "unknown".
        detail: the fact, with versions and dates.
        meanwhile: action while it is blocked or unknown; can be empty.
    """

    name: str
    state: State
    detail: str
    meanwhile: str = ""


@dataclass(frozen=True, slots=True)
class Insight:
    """One EKS upgrade insight of a cluster, such as the use of an API that the version removes.

    Attributes:
        kubernetes: the version that it applies to.
        name: such as "Deprecated APIs removed in Kubernetes v1.32".
        status: "PASSING", "WARNING", "ERROR" or "UNKNOWN".
        reason: reason of the status.
    """

    kubernetes: str
    name: str
    status: str
    reason: str


def gates(
    platform: Platform,
    target: str,
    release: Release | None,
    supports: Mapping[str, Support],
    installed: Mapping[str, str],
    insights: Iterable[Insight],
) -> tuple[Gate, ...]:
    """All gates of a step to a version."""
    return (
        _calendar_gate(target, release),
        _node_gate(target, release),
        *_addon_gates(platform, target, supports),
        *_other_addon_gates(platform, target, supports, installed),
        *_insight_gates(target, insights),
        _layer_gate(target),
        *_chart_gates(platform, target, release),
    )


def worst(states: Iterable[State]) -> State:
    """The worst of the states; "ready" if there are none."""
    found = set(states)
    return "blocked" if "blocked" in found else "unknown" if "unknown" in found else "ready"


def _calendar_gate(target: str, release: Release | None) -> Gate:
    if release is None:
        return Gate(name="EKS", state="unknown", detail=f"{target} is not in the calendar", meanwhile="use --live")
    if release.status in ("ended", "unreleased"):
        detail = f"{target} is {release.status} on EKS"
        return Gate(name="EKS", state="blocked", detail=detail, meanwhile="choose a version that EKS offers")
    if release.status == "unknown":
        return Gate(name="EKS", state="unknown", detail=f"the dates of {target} are unknown", meanwhile="use --live")
    return Gate(name="EKS", state="ready", detail=f"{target} is in {release.status} support")


def _node_gate(target: str, release: Release | None) -> Gate:
    documented = [str(version) for version in catalog.kubernetes_versions().values() if version.hyperpod_documented]
    if release is not None and release.hyperpod:
        return Gate(name="node images", state="ready", detail=f"HyperPod documents {target}")
    newest = documented[-1]
    detail = f"HyperPod documents {documented[0]} to {newest}, not {target}: there may be no AMI for it"
    return Gate(
        name="node images", state="blocked", detail=detail, meanwhile=f"stay on {newest} until it is documented"
    )


def _addon_gates(platform: Platform, target: str, supports: Mapping[str, Support]) -> Iterator[Gate]:
    for key, addon in platform.addons.effective().items():
        name = ADDON_NAMES.get(key)
        if name is None:
            state: State = "unknown"
            yield Gate(name=key, state=state, detail="installed by Helm; see its release notes")
            continue
        support = supports.get(name)
        version = support.versions.get(target, UNKNOWN) if support else UNKNOWN
        pinned = _pinned(addon)
        if version is None:
            yield Gate(
                name=name,
                state="blocked",
                detail=f"no version for {target}",
                meanwhile=_support_notes(key, support, target),
            )
        elif version == UNKNOWN and pinned is None and _chosen_by_eks(name):
            detail = f"no version is set, so EKS installs its default for {target}"
            yield Gate(name=name, state="ready", detail=detail)
        elif version == UNKNOWN:
            yield Gate(name=name, state="unknown", detail=f"the version that supports {target} is unknown; use --live")
        elif pinned and _fits(name, pinned, target, support) is False:
            yield Gate(
                name=name, state="ready", detail=f"{pinned} does not support {target}; use {version} (see the change)"
            )
        else:
            yield Gate(name=name, state="ready", detail=f"{version} supports {target}")


def _chosen_by_eks(name: str) -> bool:
    """Whether EKS itself provides an add-on, which then has a default version for every Kubernetes version."""
    facts = catalog.find_addon(name)
    return facts is not None and facts.provider != "hyperpod"


def _other_addon_gates(
    platform: Platform, target: str, supports: Mapping[str, Support], installed: Mapping[str, str]
) -> Iterator[Gate]:
    """Add-ons that are installed in the cluster but not in the config."""
    ours = {ADDON_NAMES.get(key) for key in platform.addons.effective()}
    for name, version in installed.items():
        if name in ours:
            continue
        support = supports.get(name)
        newest = support.versions.get(target, UNKNOWN) if support else UNKNOWN
        if newest is None:
            detail = f"{version} is installed but not managed by this config; no version for {target}"
            yield Gate(name=name, state="blocked", detail=detail, meanwhile=_support_notes("", support, target))
        elif newest == UNKNOWN:
            yield Gate(name=name, state="unknown", detail=f"{version} is installed but not managed by this config")
        elif _fits(name, version, target, support):
            yield Gate(
                name=name,
                state="ready",
                detail=f"{version} is installed but not managed by this config; it supports {target}",
            )
        else:
            detail = f"{version} is installed but not managed by this config; update it to {newest} for {target}"
            yield Gate(name=name, state="ready", detail=detail)


_INSIGHT_STATES: Mapping[str, State] = {"PASSING": "ready", "ERROR": "blocked"}


def _insight_gates(target: str, insights: Iterable[Insight]) -> Iterator[Gate]:
    for insight in insights:
        if insight.kubernetes == target:
            state = _INSIGHT_STATES.get(insight.status, "unknown")
            meanwhile = "" if state == "ready" else "resolve the insight: aws eks describe-insight"
            detail = insight.reason or insight.status.lower()
            yield Gate(name=f"EKS insight: {insight.name}", state=state, detail=detail, meanwhile=meanwhile)


def _support_notes(key: str, support: Support | None, target: str) -> str:
    last = max((v for v, version in support.versions.items() if version), key=minor, default=None) if support else None
    stay = f"stay on {last}" if last and minor(last) < minor(target) else "stay on the previous version"
    alternatives = {
        "task_governance": f"{stay}; or remove it and use Kueue installed by Helm (addons.kueue)",
        "observability": f"{stay}; or remove it and use Container Insights (addons.cloudwatch_observability)",
        "training_operator": f"{stay}; or run Kubeflow PyTorchJobs (kind: PyTorchJob) without it",
    }
    return alternatives.get(key, f"{stay}, or remove the add-on")


def _fits(name: str, version: str, target: str, support: Support | None) -> bool | None:
    """Whether an add-on version supports a Kubernetes version; None if unknown."""
    if support is not None and support.every:
        return version in support.every.get(target, ())
    facts = catalog.find_addon(name)
    known = next((known for known in facts.versions if known.version == version), None) if facts else None
    return known.covers(target) if known else None


def pins(platform: Platform, target: str, supports: Mapping[str, Support]) -> Iterator[tuple[str, str]]:
    """Config path and new value of each configured add-on version that is incompatible."""
    for key, addon in platform.addons.effective().items():
        name = ADDON_NAMES.get(key, "")
        support, pinned = supports.get(name), _pinned(addon)
        version = support.versions.get(target) if support else None
        if pinned and version and version not in (UNKNOWN, pinned) and _fits(name, pinned, target, support) is False:
            yield f"addons.{key}.version", version


def _layer_gate(target: str) -> Gate:
    """The provider uses Helm from the kubectl layer, whose client supports newer API servers."""
    number = _layer_number()
    if minor(target) > (1, number + 1):
        detail = f"the layer v{number} is built for Kubernetes 1.{number}; {target} is more than one version newer"
        package = f"aws-cdk.lambda-layer-kubectl-v{minor(target)[1]}"
        return Gate(name="kubectl layer", state="unknown", detail=detail, meanwhile=f"install {package}")
    return Gate(
        name="kubectl layer", state="ready", detail=f"the layer v{number} contains a Helm that works with {target}"
    )


_LAYER = re.compile(r"aws-cdk[.-]lambda-layer-kubectl-v([0-9]+)")


def _layer_number() -> int:
    """The Kubernetes 1.x of the kubectl layer package that this library requires.

    >>> _layer_number()
    35
    """
    found = (re.match(_LAYER, requirement) for requirement in requires("hyperpod-constructs") or ())
    return next(int(match[1]) for match in found if match)


def _chart_gates(platform: Platform, target: str, release: Release | None) -> Iterator[Gate]:
    if not platform.dependencies.enabled:
        return
    chart = load("chart")["chart"]
    if platform.dependencies.chart is not None:
        yield Gate(name="dependency chart", state="unknown", detail="a custom chart; see its release notes")
        return
    committed = date.fromisoformat(chart["commit_date"])
    released = release.released if release else None
    if released is None or committed < released:
        available = released or "date not known"
        detail = f"the pinned commit is from {committed}, before {target} was available on EKS ({available})"
        meanwhile = "check for a newer commit of the chart, and test it on a test cluster"
        yield Gate(name="dependency chart", state="unknown", detail=detail, meanwhile=meanwhile)
    else:
        yield Gate(
            name="dependency chart",
            state="ready",
            detail=f"the pinned commit ({committed}) is newer than {target} on EKS",
        )


def _pinned(addon: Addon | Observability | Kueue) -> str | None:
    return None if isinstance(addon, Kueue) else addon.version
