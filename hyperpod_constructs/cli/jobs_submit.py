"""`hyperpod jobs submit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .job_flags import job_flags, stated
from .jobs_live import GOAL, cluster_options, connected, follow
from .limit import SECONDS
from .live import emit, output_option, table

if TYPE_CHECKING:
    from ..core.jobs.importing.raw import Raw

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=_FILE)
@click.option(
    "--config", type=_FILE, help="Config of the cluster, to validate the jobs against it and for team defaults."
)
@click.option("--dry-run", is_flag=True, help="Validate the jobs on the API server without creating them.")
@click.option("--wait", "goal", type=GOAL, help="Wait until the jobs have started or finished.")
@click.option("--timeout", type=SECONDS, default=3600, show_default=True, help="Seconds to wait for each job.")
@output_option
@cluster_options
@job_flags()
def submit(
    files: tuple[Path, ...],
    config: Path | None,
    dry_run: bool,
    goal: str | None,
    timeout: float,
    output: str,
    cluster: str | None,
    context: str | None,
    profile: str | None,
    region: str | None,
    **parameters: Any,
) -> None:
    """Create the jobs of FILES, or a job from flags, exactly as `hyperpod jobs render` prints them.

    FILES are job files, config.yaml of the official CLI, or Kubernetes manifests. Manifests are validated like job
    files and submitted unchanged, with their companion objects (config maps, secrets, services, service accounts,
    claims, roles), which are created first. An existing job with the same content-hashed name is not changed.
    """
    from ..core.jobs import compile_job
    from ..live.operations.companions import create
    from ..live.operations.jobs import submit as run
    from ..live.operations.jobs import summary
    from .job_input import jobs_of, print_findings

    raw = {file: found for file in files if (found := manifests_in(file)) is not None}
    ours = [file for file in files if file not in raw]
    flags = stated(parameters)
    if flags and raw:
        raise click.UsageError("Kubernetes manifests are submitted unchanged: job flags do not apply to them")
    print_findings([finding for source in raw.values() for finding in source.findings])
    manifests = [job for source in raw.values() for job in source.jobs]
    if ours or not raw:
        manifests += [compile_job(job) for job in jobs_of(ours, flags, config)]
    done = []
    with connected(cluster, context, profile, region) as api:
        for companion in [companion for source in raw.values() for companion in source.companions]:
            new = create(api, companion, dry_run=dry_run)
            outcome = "valid" if dry_run else "created" if new else "unchanged"
            click.echo(f"{companion['kind']} {companion['metadata']['name']}: {outcome}", err=True)
        for manifest in manifests:
            job, new = run(api, manifest, dry_run=dry_run)
            job = {**job, "kind": manifest["kind"]}
            done.append((job, "valid" if dry_run else "created" if new else "unchanged"))
        data = [{**summary(job), "outcome": outcome} for job, outcome in done]
        rows = [[item[key] for key in ("namespace", "name", "kind", "outcome")] for item in data]
        emit(data, output, lambda: table(["NAMESPACE", "NAME", "KIND", "OUTCOME"], rows))
        for job, _ in done if goal and not dry_run else ():
            follow(api, job, str(goal), timeout)


def manifests_in(file: Path) -> Raw | None:
    """The manifests of a file; None if it contains none, so that it is read as a job file."""
    from ..core.documents import read_all
    from ..core.jobs.foreign import is_manifest
    from ..core.jobs.importing.raw import raw_manifests

    documents = read_all(file)
    return raw_manifests(documents) if any(is_manifest(document.value) for document in documents) else None
