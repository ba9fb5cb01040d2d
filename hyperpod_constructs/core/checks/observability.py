"""HP82x: observability: workspaces, Grafana, alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import pattern, source_of
from ..findings import Severity
from ..spec.addons import Addons
from ..spec.base import is_token
from ..spec.observability import Observability
from .context import Context, as_text, skipped
from .registry import Problem, rule


def _settings(ctx: Context) -> Observability | None:
    settings = ctx.addons.observability if ctx.addons is not None else None
    return settings if settings is not None and settings.enabled else None


@rule(
    "HP821",
    title="Grafana's settings are used.",
    severity=Severity.WARNING,
    complete=("addons",),
    why="The setting is ignored.",
    cure="Set the kind that uses it, or remove it.",
    source="this project",
    wrong="addons: {observability: {grafana: {workspace_id: g-0123456789}}}\n",
    right="addons: {observability: {grafana: {kind: managed, workspace_id: g-0123456789}}}\n",
)
def grafana(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None:
        return
    for name in ("workspace_id", "workspace_name"):
        if getattr(settings.grafana, name) is not None and settings.grafana.kind != "managed":
            yield Problem(f"addons.observability.grafana.{name}", f"is ignored: the kind is {settings.grafana.kind}")
    for name in ("chart", "values"):
        if getattr(settings.grafana, name) and settings.grafana.kind != "self-hosted":
            yield Problem(f"addons.observability.grafana.{name}", f"is ignored: the kind is {settings.grafana.kind}")


@rule(
    "HP826",
    title="Grafana workspaces are named by id; new names keep to the API's pattern.",
    severity=Severity.ERROR,
    why="Managed Grafana rejects the request.",
    cure="Copy the id from the workspace's address: g- and ten hexadecimal digits.",
    source=source_of("patterns", "grafana_workspace_id"),
    wrong="addons: {observability: {grafana: {kind: managed, workspace_id: my-grafana}}}\n",
    right="addons: {observability: {grafana: {kind: managed, workspace_id: g-0123456789}}}\n",
)
def grafana_names(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None or settings.grafana.kind != "managed":
        return
    for name, cure in (("workspace_id", None), ("workspace_name", "Use letters, digits and -._~, 255 at most.")):
        value, path = getattr(settings.grafana, name), f"addons.observability.grafana.{name}"
        if is_token(value):
            yield skipped(path)
        elif value is not None and not re.fullmatch(pattern(f"grafana_{name}"), value):
            what = "the id of a workspace" if name == "workspace_id" else "a name that a workspace may have"
            yield Problem(path, f"{as_text(value)} is not {what}", cure)


@rule(
    "HP824",
    title="A Grafana in the cluster has a pinned chart.",
    severity=Severity.ERROR,
    why="There is nothing to install: we choose no chart of a third party for you, and invent no digest.",
    cure="Specify grafana.chart: a vendored folder (`{path: charts/grafana}`), or OCI reference, version and digest.",
    source="this project: charts are pinned by their content",
    wrong="addons: {observability: {grafana: {kind: self-hosted}}}\n",
    right="addons: {observability: {grafana: {kind: self-hosted, chart: {path: charts/grafana}}}}\n",
)
def pinned_chart(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is not None and settings.grafana.kind == "self-hosted" and settings.grafana.chart is None:
        yield Problem("addons.observability.grafana.chart", "is missing, and the kind is self-hosted")


@rule(
    "HP825",
    title="Expensive metrics are chosen knowingly.",
    severity=Severity.NOTE,
    why="Managed Prometheus charges for each sample: advanced levels and short intervals multiply the series.",
    cure="Keep BASIC where nobody looks, and 30 seconds or more.",
    source="Amazon Managed Service for Prometheus: pricing by samples ingested",
    wrong="addons: {observability: {metrics: {interval_seconds: 10}}}\n",
    right="addons: {observability: {metrics: {interval_seconds: 60}}}\n",
)
def samples(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None:
        return
    path, levels = "addons.observability.metrics", settings.metrics
    advanced = [name for name in type(levels).model_fields if getattr(levels, name) == "ADVANCED"]
    if levels.interval_seconds < 30:
        yield Problem(f"{path}.interval_seconds", f"is {levels.interval_seconds}; the add-on's own interval is 30")
    if len(advanced) > 3:
        yield Problem(path, f"{len(advanced)} areas are ADVANCED: {', '.join(advanced)}")


@rule(
    "HP822",
    title="Alarms reach somebody.",
    severity=Severity.ERROR,
    why="SNS rejects the subscription; alarms that reach nobody are no use.",
    cure="Specify emails or a topic_arn.",
    source="SNS: Subscribe with protocol email",
    certain=False,
    wrong="addons: {observability: {alarms: {emails: [ops]}}}\n",
    right="addons: {observability: {alarms: {emails: [ops@example.com]}}}\n",
)
def alarms(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None or settings.alarms is None:
        return
    for index, email in enumerate(settings.alarms.emails):
        if not is_token(email) and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            yield Problem(f"addons.observability.alarms.emails[{index}]", f"{as_text(email)} is not an e-mail address")
    if not settings.alarms.emails and settings.alarms.topic_arn is None:
        yield Problem("addons.observability.alarms", "reach nobody", severity=Severity.NOTE)


@rule(
    "HP823",
    title="Managed Grafana has IAM Identity Center.",
    severity=Severity.NOTE,
    why="The workspace cannot be made without an Identity Center instance with a user.",
    cure="Set Identity Center up first, or use `kind: self-hosted`.",
    source="documentation page hyperpod-observability-addon-setup",
    wrong="addons: {observability: {grafana: {kind: managed}}}\n",
    right="addons: {observability: {grafana: {kind: managed, workspace_id: g-0123456789}}}\n",
)
def identity_center(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is not None and settings.grafana.kind == "managed" and settings.grafana.workspace_id is None:
        yield Problem("addons.observability.grafana.kind", "is managed, which needs IAM Identity Center with a user")
