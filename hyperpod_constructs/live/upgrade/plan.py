"""A Kubernetes upgrade plan as data: one minor version at a time, each step with its gates, actions and rollback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from shlex import quote
from typing import Any

from ...core import catalog
from ...core.catalog import minor
from ...core.catalog._files import load
from ...core.plural import count
from ...core.spec.addons import ADDON_NAMES, CORE
from ...core.spec.platform import Platform
from .gates import Gate, Insight, State, gates, pins, worst
from .versions import UNKNOWN, Release, Support, calendar, matrix


class NoUpgradePath(ValueError):
    """Raised if there is no upgrade path from the version to the target; the message contains the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action, in the order of the list.

    Attributes:
        part: "control plane", "core add-ons", "HyperPod add-ons", "dependency chart" or "node software".
        what: description.
        commands: commands to run, in order.
        undo: how to revert it; empty if it cannot be reverted.
    """

    part: str
    what: str
    commands: tuple[str, ...]
    undo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An upgrade by one minor version.

    Attributes:
        source: version before.
        target: version after.
        state: "blocked" if a gate is blocked; "unknown" if a gate is unknown and none is blocked.
        gates: prerequisites.
        change: config path to its new value.
        actions: actions, in order.
        final: changes that cannot be reverted.
    """

    source: str
    target: str
    state: State
    gates: tuple[Gate, ...]
    change: Mapping[str, str]
    actions: tuple[Action, ...]
    final: tuple[str, ...]

    @property
    def blocked_by(self) -> tuple[Gate, ...]:
        """The gates that are blocked."""
        return tuple(gate for gate in self.gates if gate.state == "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The upgrade from a version to another.

    Attributes:
        platform: name of the platform.
        source: current version.
        target: target version.
        state: the worst state of its steps; "ready" without steps.
        steps: one for each minor version.
        staying: effects of not upgrading, one sentence each.
        facts: source of the facts.
    """

    platform: str
    source: str
    target: str
    state: State
    steps: tuple[Step, ...]
    staying: tuple[str, ...]
    facts: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys."""
        steps = [asdict(step) | {"blocked_by": [gate.name for gate in step.blocked_by]} for step in self.steps]
        return asdict(self) | {"steps": steps}


def plan(
    platform: Platform,
    target: str,
    *,
    source: str | None = None,
    releases: Iterable[Release] | None = None,
    supports: Iterable[Support] | None = None,
    installed: Mapping[str, str] | None = None,
    insights: Iterable[Insight] = (),
    eks_name: str | None = None,
    hyperpod_name: str | None = None,
    config: str = "hyperpod.yaml",
    facts: str = "",
    today: date | None = None,
) -> Plan:
    """Plans the upgrade of a platform to a Kubernetes version.

    Args:
        platform: the deployed platform.
        target: target version, such as "1.35".
        source: current version; default: the config's.
        releases: the calendar; default: the catalog's.
        supports: versions that add-ons support; default: the catalog's.
        installed: add-ons of the cluster, by EKS name, and their versions.
        insights: EKS upgrade insights of the cluster.
        eks_name: name of the EKS cluster in commands; default: the config's, otherwise a placeholder.
        hyperpod_name: name of the HyperPod cluster in commands; default: the config's, otherwise a placeholder.
        config: path of the config file, for commands.
        facts: source of calendar and support; default: the catalog with its date.
        today: date for support and cost; default: the catalog's clock.

    Raises:
        NoUpgradePath: the target is not newer, or not a version.

    >>> from hyperpod_constructs.core.spec import Platform
    >>> platform = Platform(name="a", region="us-west-2", network={}, cluster={}, eks={"kubernetes_version": "1.33"})
    >>> [(step.source, step.target, step.state) for step in plan(platform, "1.35", today=date(2026, 11, 23)).steps]
    [('1.33', '1.34', 'ready'), ('1.34', '1.35', 'ready')]
    """
    source = source or platform.eks.assumed_version
    versions = _between(source, target)
    known = {release.version: release for release in (calendar() if releases is None else releases)}
    if known and minor(target) > max(map(minor, known)):
        offered = ", ".join(sorted(known, key=minor))
        raise NoUpgradePath(
            f"Kubernetes {target} is not a known EKS version; known versions: {offered}; use --live to query EKS"
        )
    names = [ADDON_NAMES[key] for key in platform.addons.effective() if key in ADDON_NAMES]
    supported = {support.name: support for support in (matrix(names, versions[1:]) if supports is None else supports)}
    names_of = (
        eks_name
        or platform.completed_eks.cluster_name
        or (platform.eks.existing.cluster_name if platform.eks.existing else "EKS_CLUSTER"),
        hyperpod_name or platform.completed_cluster.cluster_name or "HYPERPOD_CLUSTER",
    )
    steps = tuple(
        _step(platform, before, after, known, supported, installed or {}, tuple(insights), names_of, config)
        for before, after in pairwise(versions)
    )
    return Plan(
        platform=platform.name,
        source=source,
        target=target,
        state=worst(step.state for step in steps),
        steps=steps,
        staying=tuple(_staying(source, known.get(source), platform, today or catalog.today())),
        facts=facts or f"catalog of {min(load(name)['date'] for name in ('kubernetes', 'addons'))}",
    )


def _between(source: str, target: str) -> list[str]:
    try:
        first, last = minor(source), minor(target)
    except ValueError as error:
        raise NoUpgradePath(str(error)) from error
    if last < first:
        days = load("kubernetes")["control_plane"]["rollback_days"]
        raise NoUpgradePath(
            f"{target} is older than {source}: EKS can roll back one minor version, within {days} days of an "
            "upgrade; for an older version, create a new cluster"
        )
    if first[0] != last[0]:
        raise NoUpgradePath(f"no upgrade path is known from {source} to {target}")
    return [f"{first[0]}.{number}" for number in range(first[1], last[1] + 1)]


def _step(
    platform: Platform,
    source: str,
    target: str,
    releases: Mapping[str, Release],
    supports: Mapping[str, Support],
    installed: Mapping[str, str],
    insights: tuple[Insight, ...],
    names: tuple[str, str],
    config: str,
) -> Step:
    checked = gates(platform, target, releases.get(target), supports, installed, insights)
    change = {} if platform.eks.existing else {"eks.kubernetes_version": f'"{target}"'}
    change |= dict(pins(platform, target, supports))
    return Step(
        source=source,
        target=target,
        state=worst(gate.state for gate in checked),
        gates=checked,
        change=change,
        actions=tuple(_actions(platform, source, target, supports, names, config)),
        final=(
            "Node software: HyperPod nodes with the newer AMI must be rolled back before the control plane.",
            (
                "Objects stored in APIs that only the newer version has. Check for removed APIs first (EKS "
                "upgrade insights)."
            ),
        ),
    )


def _actions(
    platform: Platform,
    source: str,
    target: str,
    supports: Mapping[str, Support],
    names: tuple[str, str],
    config: str,
) -> Iterator[Action]:
    eks, hyperpod = names
    region = platform.region
    deploy = f"npx cdk deploy --context config={quote(config)} {quote(platform.name)}"
    days = load("kubernetes")["control_plane"]["rollback_days"]
    update = f"aws eks update-cluster-version --name {quote(eks)} --kubernetes-version {{}} --region {region}"
    is_existing = platform.eks.existing is not None
    wait = f"aws eks wait cluster-active --name {quote(eks)} --region {region}"
    yield Action(
        part="control plane",
        what=f"Upgrade the control plane to {target}; running pods are not affected.",
        commands=(update.format(target), wait) if is_existing else (f"{deploy}-Eks",),
        undo=f"within {days} days, roll back one minor version: {update.format(source)}, and set the config "
        f"back to {source}",
    )
    effective = platform.addons.effective()
    core = [key for key in effective if key in CORE]
    rest = [key for key in effective if key not in CORE]
    for part, keys, stack in (("core add-ons", core, "Eks"), ("HyperPod add-ons", rest, "Addons")):
        if not keys or (is_existing and part == "core add-ons" and not _manages_core(platform)):
            continue
        versions = ", ".join(_named(key, target, supports) for key in keys)
        yield Action(
            part=part,
            what=f"Update the add-ons to versions for {target}: {versions}.",
            commands=(f"{deploy}-{stack}",),
            undo="set the previous version in `version:` of the add-on and deploy; EKS does not roll back add-ons",
        )
    if platform.dependencies.enabled:
        yield Action(
            part="dependency chart",
            what="Deploy the chart again; it changes only if its pinned commit or its values change.",
            commands=(f"{deploy}-HyperPod",),
            undo="pin the previous commit and deploy",
        )
    skew = catalog.limit("kubernetes_node_minor_skew").value
    yield Action(
        part="node software",
        what=(
            f"After verifying the other steps, update the nodes to the AMI for {target}; jobs are "
            f"interrupted. Nodes can be up to {skew} minor versions older than the control plane, but not "
            "newer."
        ),
        commands=(f"hyperpod software update {quote(hyperpod)} --region {region}",),
        undo=f"hyperpod software update {quote(hyperpod)} --release RELEASE_BEFORE --region {region}, per instance group",
    )


def _manages_core(platform: Platform) -> bool:
    return platform.eks.existing is not None and platform.eks.existing.core_addons


def _named(key: str, target: str, supports: Mapping[str, Support]) -> str:
    name = ADDON_NAMES.get(key, key)
    version = supports[name].versions.get(target) if name in supports else None
    return f"{name} {version}" if version and version != UNKNOWN else f"{name} (EKS's default)"


def _staying(source: str, release: Release | None, platform: Platform, today: date) -> Iterator[str]:
    standard, extended = (catalog.find_price(f"eks:{kind}", platform.region) for kind in ("standard", "extended"))
    extra = "more than standard support"
    if standard and extended:
        monthly = (extended.usd_per_hour - standard.usd_per_hour) * catalog.HOURS_PER_MONTH
        rates = f"{extended.usd_per_hour:.2f} instead of {standard.usd_per_hour:.2f} USD per hour"
        extra = f"{rates}, about {monthly:.0f} USD per month more"
    if release is None or release.end_of_standard_support is None or release.end_of_extended_support is None:
        yield f"The calendar has no dates for {source}."
        return
    ends, last = release.end_of_standard_support, release.end_of_extended_support
    if today < ends:
        yield (
            f"{source} is in standard support until {ends}, {count((ends - today).days, 'day')} from now, without "
            "additional cost."
        )
        if platform.eks.support == "STANDARD" and platform.eks.existing is None:
            yield (
                "With eks.support: STANDARD, EKS then upgrades the control plane automatically, even if "
                "add-ons are incompatible."
            )
        else:
            yield f"After that, extended support of the control plane costs {extra}, until {last}."
    elif today < last:
        yield f"{source} is in extended support, which costs {extra} for the control plane, until {last}."
    else:
        yield f"{source} has been out of support since {last}."
    if today < last:
        yield f"On {last}, EKS upgrades the control plane automatically, even if add-ons are incompatible."


__all__ = ["Action", "Gate", "NoUpgradePath", "Plan", "Step", "plan"]
