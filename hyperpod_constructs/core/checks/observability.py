"""HP82x: observability: workspaces, Grafana, alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import limit, matches, pattern, source_of
from ..findings import Severity
from ..plural import count
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
    title="Settings of Grafana apply to its kind.",
    severity=Severity.WARNING,
    complete=("addons",),
    why="The setting is ignored.",
    cure="Use the kind that the setting applies to, or remove it.",
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
            yield _of_kind(name, "managed", settings.grafana.kind)
    for name in ("chart", "values"):
        if getattr(settings.grafana, name) and settings.grafana.kind != "self-hosted":
            yield _of_kind(name, "self-hosted", settings.grafana.kind)


def _of_kind(name: str, needs: str, kind: str) -> Problem:
    path = f"addons.observability.grafana.{name}"
    return Problem(path, f"applies to the kind {needs}; the kind is {kind}", f"Remove it, or set `kind: {needs}`.")


@rule(
    "HP826",
    title="Grafana workspaces are specified by id; new names match the API's pattern.",
    severity=Severity.ERROR,
    why="Amazon Managed Grafana rejects the request.",
    cure="Copy the id from the workspace's URL: g- and ten hexadecimal digits.",
    source=source_of("patterns", "grafana_workspace_id"),
    wrong="addons: {observability: {grafana: {kind: managed, workspace_id: my-grafana}}}\n",
    right="addons: {observability: {grafana: {kind: managed, workspace_id: g-0123456789}}}\n",
)
def grafana_names(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None or settings.grafana.kind != "managed":
        return
    for name, cure in (
        ("workspace_id", None),
        ("workspace_name", "Use letters, digits and -._~, 255 characters at most."),
    ):
        value, path = getattr(settings.grafana, name), f"addons.observability.grafana.{name}"
        if is_token(value):
            yield skipped(path)
        elif value is not None and not re.fullmatch(pattern(f"grafana_{name}"), value):
            what = "a valid workspace id" if name == "workspace_id" else "a valid workspace name"
            yield Problem(path, f"{as_text(value)} is not {what}", cure)


@rule(
    "HP824",
    title="A self-hosted Grafana has a pinned chart.",
    severity=Severity.ERROR,
    why="Grafana is not installed: a third-party chart and its digest have no default.",
    cure="Set grafana.chart: a vendored folder (`{path: charts/grafana}`), or an OCI reference with version and digest.",
    source="this project: charts are pinned by their content",
    wrong="addons: {observability: {grafana: {kind: self-hosted}}}\n",
    right="addons: {observability: {grafana: {kind: self-hosted, chart: {path: charts/grafana}}}}\n",
)
def pinned_chart(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is not None and settings.grafana.kind == "self-hosted" and settings.grafana.chart is None:
        yield Problem(
            "addons.observability.grafana.chart", "no default chart: set grafana.chart (reference, version, digest)"
        )


@rule(
    "HP825",
    title="Expensive metrics are used deliberately.",
    severity=Severity.NOTE,
    why="Amazon Managed Prometheus charges per sample; advanced levels and short intervals multiply the "
    "number of series.",
    cure="Use BASIC unless you need the extra metrics, and an interval of 30 seconds or more.",
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
    least = limit("observability_scrape_interval_seconds").value
    if levels.interval_seconds < least:
        yield Problem(
            f"{path}.interval_seconds", f"{count(levels.interval_seconds, 'second')}; the add-on's default is {least}"
        )
    if len(advanced) > limit("observability_advanced_areas").value:
        yield Problem(path, f"{len(advanced)} metric groups are ADVANCED: {', '.join(advanced)}")


@rule(
    "HP822",
    title="Alarms have a recipient.",
    severity=Severity.ERROR,
    why="SNS rejects the subscription, or no one is notified.",
    cure="Set emails or topic_arn.",
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
        if not is_token(email) and not matches("email", email):
            yield Problem(
                f"addons.observability.alarms.emails[{index}]",
                f"{as_text(email)} is not a valid email address",
                "Specify an address such as ops@example.com.",
                "SNS rejects the subscription.",
            )
    if not settings.alarms.emails and settings.alarms.topic_arn is None:
        yield Problem("addons.observability.alarms", "no recipient", None, "Alarms notify no one.", Severity.NOTE)


@rule(
    "HP823",
    title="Amazon Managed Grafana is used with IAM Identity Center.",
    severity=Severity.NOTE,
    why="Without an Identity Center instance, the workspace cannot be created; without a user, no one can sign in.",
    cure="Enable IAM Identity Center and add a user before the deployment, or use `kind: self-hosted`.",
    source="documentation page hyperpod-observability-addon-setup",
    wrong="addons: {observability: {grafana: {kind: managed}}}\n",
    right="addons: {observability: {grafana: {kind: managed, workspace_id: g-0123456789}}}\n",
)
def identity_center(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is not None and settings.grafana.kind == "managed" and settings.grafana.workspace_id is None:
        yield Problem("addons.observability.grafana.kind", "managed requires IAM Identity Center with a user")
