"""Input of the job commands: files merged with flags, or flags alone, validated; findings are printed to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.checks.jobs import check_job
from ..core.documents import Document
from ..core.findings import Finding, errors, ordered, summary
from ..core.jobs.files import LoadedJob, job_in, read_jobs
from ..core.overlay import overlay
from ..core.spec.jobs import Job

if TYPE_CHECKING:
    from ..core.spec.cluster import Cluster


def jobs_of(files: Sequence[Path], flags: Mapping[str, Any], config: Path | None) -> list[Job]:
    """The jobs of the files merged with the flags, or of the flags alone; exits with 1 if one is invalid."""
    if not files and not flags:
        raise click.UsageError("specify a job file, or a job with flags (--name, --image ...)")
    if files:
        loaded = [_with(loaded_job, flags) for file in files for loaded_job in read_jobs(file)]
    else:
        loaded = [job_in(dict(flags), Document(file=None))]
    found = [finding for loaded_job in loaded for finding in loaded_job.findings]
    for loaded_job in loaded:
        if loaded_job.job is not None:
            found += [loaded_job.locate(finding) for finding in check_job(loaded_job.job)]
    if config is not None:
        loaded, more = in_cluster(loaded, config)
        found += more
    print_findings(found)
    return [loaded_job.job for loaded_job in loaded if loaded_job.job is not None]


def cluster_of(config: Path | None) -> Cluster | None:
    """The cluster of a config file; None if there is no file or it is invalid."""
    if config is None:
        return None
    from ..core.config import load

    platform = load(config).platform
    return None if platform is None else platform.cluster


def _with(loaded: LoadedJob, flags: Mapping[str, Any]) -> LoadedJob:
    """The job of a file, merged with the flags."""
    if not flags or loaded.job is None:
        return loaded
    data = overlay(loaded.job.model_dump(mode="json", exclude_unset=True), flags)
    shape = job_in(data, Document(file=None))
    findings = [*loaded.findings, *shape.findings]
    return LoadedJob(job=shape.job, findings=findings, document=loaded.document, keys=loaded.keys)


def in_cluster(loaded: list[LoadedJob], config: Path) -> tuple[list[LoadedJob], list[Finding]]:
    """The jobs with the defaults of their teams, and the findings of validating them against the cluster's config."""
    from ..core.checks import Context
    from ..core.checks.jobs import check_jobs
    from ..core.config import load

    read = load(config)
    if read.platform is None:
        return loaded, read.findings
    governance = read.platform.governance
    placed = [
        LoadedJob(
            job=governance.completed(loaded_job.job) if governance else loaded_job.job,
            findings=loaded_job.findings,
            document=loaded_job.document,
            keys=loaded_job.keys,
        )
        for loaded_job in loaded
        if loaded_job.job is not None
    ]
    context = Context.of(
        read.platform.model_copy(update={"jobs": tuple(loaded_job.job for loaded_job in placed), "acknowledge": ()})
    )
    already_found = {
        (finding.rule, finding.message)
        for loaded_job in placed
        if loaded_job.job
        for finding in check_job(loaded_job.job)
    }
    found = [finding for finding in check_jobs(context) if (finding.rule, finding.message) not in already_found]
    return placed, [_located(finding, placed) for finding in found]


def _located(finding: Finding, placed: Sequence[LoadedJob]) -> Finding:
    """A finding about `jobs[i]` with its position in that job's file."""
    from dataclasses import replace

    index, _, inside = finding.path.removeprefix("jobs[").partition("]")
    return placed[int(index)].locate(replace(finding, path=inside.removeprefix(".")))


def print_findings(found: Sequence[Finding]) -> None:
    """Prints findings to standard error; exits with 1 if one is an error."""
    for finding in ordered(found):
        click.echo(str(finding), err=True)
    if errors(found):
        click.echo(f"hyperpod: {summary(found)}", err=True)
        sys.exit(1)
