"""`hyperpod preflight`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import click

from ..core.rendering import Format, render
from ..core.terminal import paragraph
from .validate import DEFAULT, findings_option


@click.command(short_help="Check in the AWS account whether a config can be deployed.")
@click.argument("config", default=DEFAULT, type=click.Path(path_type=Path))
@click.option("--profile", help="Profile of your AWS configuration.")
@click.option("--region", help="AWS region. Default: the config's.")
@findings_option
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=120,
    show_default=True,
    help="Maximum seconds per check.",
)
def preflight(config: Path, profile: str | None, region: str | None, form: str, timeout: int) -> None:
    """Check in the AWS account, read-only, whether CONFIG (default: hyperpod.yaml) can be deployed.

    Checks quotas and their usage, zones and capacity, training plans, existing networks, EKS clusters, roles, buckets,
    keys and images, names, permissions, and versions compared with the catalog. Failed requests are reported, and the
    other checks continue.

    Exit code: 0 without errors, 1 with errors, 2 for incorrect usage, 3 without errors if a check could not be
    completed, so that a pipeline stops. `acknowledge` in the config accepts requests that are not allowed (HP901 to
    HP907).
    """
    from ..core.config import load
    from ..core.findings import errors

    loaded = load(config)
    if not loaded.ok or loaded.platform is None:
        click.echo(render(loaded.findings, cast(Format, form)))
        click.echo("hyperpod: the account was not checked; fix the config first", err=True)
        raise SystemExit(1)
    from ..core.documents import read
    from ..live.operations.aws import failure, session
    from ..live.preflight import preflight as run
    from ..live.preflight.versions import catalog_date

    try:
        live = session(profile, region or loaded.platform.region)
    except Exception as error:
        what = failure(error)
        if what is None:
            raise
        raise click.ClickException(paragraph(f"{what}\n  fix: {what.cure}")) from error
    with _progress() as progress:
        found = run(loaded.platform, session=live, region=region, progress=progress, deadline_seconds=timeout)
    document = read(config)
    findings = [document.located(finding) for finding in found]
    click.echo(render(findings, cast(Format, form)))
    if form == "text":
        click.echo(f"hyperpod: facts of {catalog_date()}; checked in {region or loaded.platform.region}", err=True)
    if errors(findings):
        raise SystemExit(1)
    if any(finding.rule in UNANSWERED and finding.acknowledged is None for finding in findings):
        click.echo("hyperpod: some checks could not be completed", err=True)
        raise SystemExit(3)


UNANSWERED = tuple(f"HP90{number}" for number in range(1, 8))
"""Rule ids of findings about requests without a usable response."""


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar on stderr if it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking the account", total=None)
        yield lambda title, done, total: bar.update(task, description=title, completed=done, total=total)
