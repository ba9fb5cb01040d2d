"""`hyperpod report`: a page for reviewers."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .explain_cost import _price
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..core.config import Loaded
    from ..core.report import Bar, Before, Report
    from ..core.report.model import Part
    from ..core.spec.platform import Platform

_FILE = click.Path(path_type=Path)
_ENDINGS = {".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown", ".json": "json"}
_ONLY = "This report was created with --configs-only: information from synthesized templates is omitted."
_SEVERAL = (
    "A report of several configs has no synthesized templates; create a report of one config for the "
    "omitted information."
)


@click.command(short_help="Write a report for reviewers: diagrams, changes, cost, access.")
@click.argument("configs", nargs=-1, metavar="[CONFIG]...", type=_FILE)
@click.option("--from", "old", type=_FILE, help="The previous config, to show changes.")
@click.option(
    "--deployed",
    multiple=True,
    type=_FILE,
    help="A deployed template (JSON), or a folder of templates, to show changes. Repeatable.",
)
@click.option(
    "--job",
    "jobs",
    multiple=True,
    type=_FILE,
    help="Write the report on this job, on the cluster of CONFIG. Repeatable.",
)
@click.option(
    "--configs-only",
    is_flag=True,
    help="Do not synthesize: faster, but omits IAM statements, security groups, the timeline and resources "
    "retained after deletion.",
)
@click.option(
    "-o", "--output", type=_FILE, help="File to write: .html, .md or .json. Default: Markdown on standard output."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown", "json"]),
    help="Format, regardless of the file's extension.",
)
@click.option(
    "--price", "own", multiple=True, metavar="ITEM=USD", help="Your own price, in the format of `explain cost`."
)
def report(
    configs: tuple[Path, ...],
    old: Path | None,
    deployed: tuple[Path, ...],
    jobs: tuple[Path, ...],
    configs_only: bool,
    output: Path | None,
    form: str | None,
    own: tuple[str, ...],
) -> None:
    """Write a report on CONFIG (default: hyperpod.yaml) as one self-contained page, or as Markdown for a pull request.

    The report covers the network, cluster, add-ons, teams, order of deployment, changes, findings, cost, quotas,
    access, open ports, digests, support dates, and resources retained after deletion. Sends no requests to AWS.

    Exit code: 0, 1 for a config with errors (the report then contains the findings), 3 with --from or --deployed if
    something is replaced, rejected, lost or left behind, 2 for incorrect usage.
    """
    _check_use(configs, old, deployed, jobs)
    kind = form or (_ENDINGS.get(output.suffix.lower()) if output else "markdown")
    if kind is None:
        raise click.UsageError(f"{output}: the extension is not .html, .md or .json; specify the format with --format")
    prices = dict(map(_price, own))
    if jobs:
        made, code = _job_report(configs, jobs)
    else:
        made, code = _platforms(configs or (Path(DEFAULT),), old, deployed, prices, configs_only=configs_only)
    _write(rendered(made, kind), output)
    raise SystemExit(code)


def _check_use(configs: Sequence[Path], old: Path | None, deployed: Sequence[Path], jobs: Sequence[Path]) -> None:
    if old is not None and deployed:
        raise click.UsageError("--from and --deployed are mutually exclusive")
    if (old is not None or deployed) and (len(configs) > 1 or jobs):
        raise click.UsageError("--from and --deployed require one CONFIG, and cannot be used with --job")
    if jobs and len(configs) > 1:
        raise click.UsageError("a job runs on one cluster: specify one CONFIG with --job")


def rendered(made: Report, kind: str) -> str:
    """Renders a report in a format."""
    if kind == "json":
        return json.dumps(asdict(made), indent=1) + "\n"
    if kind == "markdown":
        from ..core.report import markdown

        return markdown(made)
    from ..core.report.html import html

    return html(made)


def _write(text: str, output: Path | None) -> None:
    """Writes a file atomically, or to standard output."""
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
        return
    scratch = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(output)
    except OSError as problem:
        raise click.ClickException(f"{output} cannot be written: {problem.strerror}") from problem
    finally:
        scratch.unlink(missing_ok=True)
    click.echo(f"wrote {output}", err=True)


# ---- platforms ----


def _platforms(
    paths: Sequence[Path], old: Path | None, deployed: Sequence[Path], prices: dict[str, float], *, configs_only: bool
) -> tuple[Report, int]:
    from ..core.config import load_all
    from ..core.findings import errors
    from ..core.report import Report, unreadable_part

    everything = load_all(paths)
    loaded = everything.configs
    between = [finding for finding in everything.findings if not any(finding in config.findings for config in loaded)]
    parts, worst = [], 0
    several = len(loaded) > 1
    for number, config in enumerate(loaded, 1):
        found = [*config.findings, *(finding for finding in between if finding.file == str(config.path))]
        id = f"p{number}"
        if config.platform is None or errors(found):
            title = config.platform.name if config.platform else str(config.path)
            parts.append(unreadable_part(title, str(config.path), found, id=id))
            worst = 1
            continue
        part, code = _one_platform(
            config,
            config.platform,
            old,
            deployed,
            prices,
            id=id,
            why=_SEVERAL if several else _ONLY if configs_only else "",
        )
        parts.append(part)
        worst = worst or code
    title = parts[0].title if not several else f"{len(parts)} platforms"
    return Report(title, tuple(parts)), worst


def _one_platform(
    loaded: Loaded,
    platform: Platform,
    old: Path | None,
    deployed: Sequence[Path],
    prices: dict[str, float],
    *,
    id: str,
    why: str,
) -> tuple[Part, int]:
    """One platform; `why` is the reason if it is not synthesized, otherwise empty."""
    from ..core.changes import REPLACING
    from ..core.report import Subject, platform_part
    from ..core.report.changes import everything

    with tempfile.TemporaryDirectory() as folder:
        stacks = None if why else _synthesized(platform, Path(folder))
        bars, missing = ((), why) if why else _timeline(Path(folder))
    before = _before(platform, stacks, old, deployed)
    subject = Subject(str(loaded.path), platform, loaded.findings, before, stacks, bars, missing, prices)
    stopping = before is not None and any(edit.change in REPLACING for edit in everything(before))
    return platform_part(subject, id=id), 3 if stopping else 0


def _synthesized(platform: Platform, folder: Path) -> dict[str, dict[str, Any]]:
    """The templates by stack; the cloud assembly stays in `folder` for the rehearsal."""
    from ..assembly.synth import build, cdk_context
    from ..core.packaged_node import use_packaged_node
    from .diff import _templates

    use_packaged_node()
    context = {**cdk_context(), "aws:cdk:disable-asset-staging": True}
    build([platform], context=context, outdir=str(folder), validate=False).synth()
    return _templates(folder)


def _timeline(folder: Path) -> tuple[tuple[Bar, ...], str]:
    """The steps of the simulated deployment, and the reason if they are missing or incomplete."""
    from ..assembly.rehearsal import Rehearsal
    from ..assembly.rehearsal.chains import critical_path
    from ..assembly.rehearsal.schemas import NoSchemas
    from ..core.report import Bar

    try:
        rehearsal = Rehearsal()
        outcomes = rehearsal.deploy(folder)
    except NoSchemas as missing:
        return (), str(missing)
    failed = next((outcome for outcome in outcomes if not outcome.ok), None)
    critical = {step.name for step in critical_path(rehearsal.steps)}
    bars = tuple(
        Bar(step.stack, step.logical_id, step.kind, step.start, step.end, step.name in critical)
        for step in rehearsal.steps
    )
    return bars, "" if failed is None else f"The rehearsal ended with {failed.stack}: {failed.status}. {failed.reason}"


def _before(
    platform: Platform, stacks: dict[str, dict[str, Any]] | None, old: Path | None, deployed: Sequence[Path]
) -> Before | None:
    from ..core.changes import deployment, edits, matched
    from ..core.report import Before
    from ..core.spec.base import Change
    from .diff import _platform, _templates, synthesized

    if old is not None:
        former = _platform(old, strict=False)
        found = edits(former, platform)
        if stacks is None or any(edit.change is Change.LEAVES_BEHIND for edit in found):
            return Before(str(old), found, platform=former)
        from ..core.findings import InvalidSpec

        try:
            played = deployment(synthesized(former), stacks)
        except InvalidSpec:  # deployed with an earlier version: the current rules reject it
            return Before(str(old), found, platform=former)
        return Before(str(old), found, played, former)
    if not deployed:
        return None
    templates = {name: content for path in deployed for name, content in _templates(path).items()}
    if not any(template.get("Resources") for template in templates.values()):
        raise click.UsageError("the deployed templates contain no resources")
    if stacks is None:
        raise click.UsageError("--deployed compares templates, which --configs-only does not synthesize")
    named = matched(templates, stacks)
    return Before(", ".join(map(str, deployed)), (), deployment(named, stacks), stacks=named)


# ---- jobs ----


def _job_report(configs: Sequence[Path], files: Sequence[Path]) -> tuple[Report, int]:
    from ..core.checks.jobs import check_job
    from ..core.config import load
    from ..core.findings import errors, ordered
    from ..core.jobs.files import read_jobs
    from ..core.rendering import text
    from ..core.report import Report, job_part, unreadable_part
    from .job_input import in_cluster

    platform = None
    if configs:
        loaded = load(configs[0])
        if loaded.platform is None:
            click.echo(text(errors(loaded.findings)), err=True)
            raise SystemExit(1)
        platform = loaded.platform
    parts, code = [], 0
    read = [(file, loaded_job) for file in files for loaded_job in read_jobs(file)]
    for number, (path, loaded_job) in enumerate(read, 1):
        found = list(loaded_job.findings)
        if loaded_job.job is None:
            parts.append(unreadable_part(str(path), str(path), found, id=f"j{number}"))
            code = 1
            continue
        found += map(loaded_job.locate, check_job(loaded_job.job))
        if platform is not None:
            found += in_cluster([loaded_job], configs[0])[1]
        code = 1 if errors(found) else code
        parts.append(job_part(loaded_job.job, platform, ordered(found), id=f"j{number}"))
    return Report(parts[0].title if len(parts) == 1 else f"{len(parts)} jobs", tuple(parts)), code
