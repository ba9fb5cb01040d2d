"""`hyperpod jobs submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .job_flags import job_flags, stated
from .jobs_live import GOAL, KINDS, cluster_options, connected, follow
from .live import emit, output_option, table

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=_FILE)
@click.option("--config", type=_FILE, help="Config of the cluster, to check the jobs against it and for team defaults.")
@click.option("--dry-run", is_flag=True, help="Let the API server check the jobs, and create nothing.")
@click.option("--wait", "goal", type=GOAL, help="Wait until the jobs have started or finished.")
@click.option("--timeout", default=3600.0, show_default=True, help="Seconds to wait for each job.")
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
    """Create the jobs of FILES, or a job stated by flags, exactly as `hyperpod jobs render` prints them.

    FILES are ours, config.yaml of the official CLI, or Kubernetes manifests of jobs, which are taken as they are. A job
    with a content-hashed name that is there already is left alone.
    """
    from ..core.jobs import compile_job
    from ..live.operations.jobs import submit as run
    from ..live.operations.jobs import summary
    from .job_input import jobs_of

    manifests = [manifest for file in files for manifest in manifests_in(file)]
    ours = [file for file in files if not manifests_in(file)]
    flags = stated(parameters)
    if flags and manifests:
        raise click.UsageError("Kubernetes manifests are taken as they are: no flags go over them")
    if ours or not manifests:
        manifests += [compile_job(job) for job in jobs_of(ours, flags, config)]
    done = []
    with connected(cluster, context, profile, region) as api:
        for manifest in manifests:
            job, new = run(api, manifest, dry_run=dry_run)
            job = {**job, "kind": manifest["kind"]}
            done.append((job, "valid" if dry_run else "created" if new else "unchanged"))
        data = [{**summary(job), "outcome": outcome} for job, outcome in done]
        rows = [[it[key] for key in ("namespace", "name", "kind", "outcome")] for it in data]
        emit(data, output, lambda: table(["NAMESPACE", "NAME", "KIND", "OUTCOME"], rows))
        for job, _ in done if goal and not dry_run else ():
            follow(api, job, str(goal), timeout)


def manifests_in(file: Path) -> list[dict[str, Any]]:
    """The jobs of a file of Kubernetes manifests; empty where it is not one.

    Raises:
        click.ClickException: it holds something else than jobs.
    """
    import yaml

    try:
        documents = [it for it in yaml.safe_load_all(file.read_text(encoding="utf-8")) if it is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []  # told by who reads it as a job file
    if not documents or not all(isinstance(it, dict) and "apiVersion" in it for it in documents):
        return []
    for document in documents:
        if document.get("kind") not in KINDS:
            raise click.ClickException(f"{file} holds a {document.get('kind')}, which is no job: use kubectl apply")
        document.setdefault("metadata", {}).setdefault("namespace", "default")
    return documents
