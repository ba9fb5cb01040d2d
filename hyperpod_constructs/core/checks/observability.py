"""HP82x: observability: workspaces, Grafana, alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
    "HP820",
    title="ARNs of workspaces and topics are such.",
    severity=Severity.ERROR,
    why="The add-on or CloudWatch refuses it.",
    cure="Copy the ARN from the account; workspace and topic are in the platform's region.",
    source="Amazon Managed Prometheus and SNS: forms of ARNs",
    wrong="addons: {observability: {workspace_arn: my-workspace}}\n",
    right="addons: {observability: {workspace_arn: 'arn:aws:aps:us-west-2:111122223333:workspace/ws-0123'}}\n",
)
def arns(addons: Addons, ctx: Context) -> Iterator[Problem]:
    settings = _settings(ctx)
    if settings is None:
        return
    places = [("addons.observability.workspace_arn", "aps", ":workspace/.+", settings.workspace_arn)]
    if settings.alarms is not None:
        places.append(
            ("addons.observability.alarms.topic_arn", "sns", ":[A-Za-z0-9_-]{1,256}", settings.alarms.topic_arn)
        )
    for path, service, rest, arn in places:
        if arn is None:
            continue
        if is_token(arn):
            yield skipped(path)
            continue
        found = re.fullmatch(rf"arn:aws[a-z-]*:{service}:([a-z0-9-]+):[0-9]{{12}}{rest}", arn)
        if found is None:
            yield Problem(path, f"{as_text(arn)} is no such ARN")
        elif ctx.region is not None and found[1] != ctx.region:
            yield Problem(path, f"is in {found[1]}, the platform in {ctx.region}", severity=Severity.WARNING)


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
    "HP824",
    title="A Grafana in the cluster has a pinned chart.",
    severity=Severity.ERROR,
    why="There is nothing to install: we choose no chart of a third party for you, and invent no digest.",
    cure="Name grafana.chart: a vendored folder (`{path: charts/grafana}`), or OCI reference, version and digest.",
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
    why="SNS refuses the subscription; alarms that reach nobody are no use.",
    cure="Name emails or a topic_arn.",
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
            yield Problem(f"addons.observability.alarms.emails[{index}]", f"{as_text(email)} is no e-mail address")
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
