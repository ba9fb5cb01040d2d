"""HP516, HP752: node selectors of add-ons and jobs against the labels of the groups' nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..catalog import label
from ..findings import Severity
from ..spec.addons import Addons
from ..spec.base import is_token
from ..spec.cluster import Cluster
from ..spec.jobs import Job
from .addon_settings import configured, named
from .context import Context, types_of
from .job_rule import example, parts
from .registry import Problem, rule

_INSTANCE_LABELS = (
    label("instance_type").key,
    label("instance_group_name").key,
    "kubernetes.io/arch",
    "kubernetes.io/os",
)
"""Labels of nodes, other than those in the groups' settings, whose values are known from the config."""


@rule(
    "HP516",
    title="Node selectors of add-ons match a group's nodes.",
    severity=Severity.WARNING,
    complete=("cluster",),
    why="The pods stay pending, and the deployment waits for them until it fails.",
    cure="Specify labels of a group, or add the labels to a group.",
    source="Kubernetes: node selectors",
    wrong="addons: {training_operator: {node_selector: {team: platform}}}\n",
    right="addons: {training_operator: {node_selector: {node.kubernetes.io/instance-type: ml.m5.4xlarge}}}\n",
)
def of_addons(addons: Addons, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    places: list[tuple[str, Any]] = []
    operator = addons.training_operator if addons is not None else None
    if operator is not None and operator.enabled:
        places.append(("addons.training_operator.node_selector", operator.node_selector))
    for place, values in configured(ctx):
        places += [selector for selector in named(values, "nodeSelector", place) if isinstance(selector[1], Mapping)]
    for path, selector in places:
        yield from _unmatched(path, selector, [group for _, group in ctx.groups], ctx)


_TYPE = "instance_type: ml.p5.48xlarge"
_GROUP = "cluster: {instance_groups: [{name: workers, instance_type: ml.p5.48xlarge, count: 4, labels: {pool: %s}}]}\n"


@rule(
    "HP752",
    title="A job's node selector matches nodes of its groups.",
    severity=Severity.WARNING,
    why="The pods stay pending.",
    cure="Specify labels of a group, or add the labels to a group.",
    source="Kubernetes: node selectors",
    wrong=example(f"{_TYPE}, node_selector: {{pool: training}}", _GROUP % "research"),
    right=example(f"{_TYPE}, node_selector: {{pool: research}}", _GROUP % "research"),
)
def of_jobs(job: Job, cluster: Cluster, ctx: Context) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        groups = [
            group
            for _, group in ctx.groups
            if part.instance_type in (None, *group.types) and part.instance_group in (None, group.name)
        ]
        yield from _unmatched(f"{prefix}node_selector", part.node_selector, groups, ctx)


def _unmatched(path: str, selector: Mapping[str, Any], groups: Iterable[Any], ctx: Context) -> Iterator[Problem]:
    """Reports a selector that no group matches according to the config; other tools may set other labels."""
    selected = {str(key): str(value) for key, value in selector.items() if not (is_token(key) or is_token(value))}
    ordinary = [group for _, group in ctx.instance_groups]
    labels = {
        key: value
        for key, value in selected.items()
        if "/" not in key or key in _INSTANCE_LABELS or any(key in group.labels for group in ordinary)
    }
    nodes = list(map(_labels, groups))
    if labels and nodes and not any(all(value in has.get(key, ()) for key, value in labels.items()) for has in nodes):
        text = ", ".join(f"{key}={value}" for key, value in labels.items())
        yield Problem(path, f"no instance group has nodes labeled {text}")


def _labels(group: Any) -> dict[str, set[str]]:
    """Returns the labels of a group's nodes, with all values that nodes of the group may have."""
    arches = {"amd64" if instance_type.architecture == "x86_64" else "arm64" for instance_type in types_of(group)}
    known = {
        _INSTANCE_LABELS[0]: set(group.types),
        _INSTANCE_LABELS[1]: {group.name},
        _INSTANCE_LABELS[2]: arches,
        _INSTANCE_LABELS[3]: {"linux"},
    }
    return known | {key: {value} for key, value in getattr(group, "labels", {}).items()}
