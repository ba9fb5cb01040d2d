"""`hyperpod explain job`: every derived number of a job with its derivation."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command("job", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--cluster", "config", type=_FILE, help="Config of the cluster, to say what its groups can hold.")
def explain_job(files: tuple[Path, ...], config: Path | None) -> None:
    """Print where each number of job FILES comes from, how many replicas fit a node, and what the groups can hold."""
    from ..core.jobs.explain import explain
    from .job_input import cluster_of, jobs_of

    cluster = cluster_of(config)
    click.echo("\n".join(explain(job, cluster) for job in jobs_of(files, {}, config)), nl=False)
