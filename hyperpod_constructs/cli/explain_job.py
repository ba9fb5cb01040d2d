"""`hyperpod explain job`: every derived number of a job with its derivation."""

from __future__ import annotations

from pathlib import Path

import click

from .live import emit, output_option

_FILE = click.Path(path_type=Path)


@click.command("job", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--cluster", "config", type=_FILE, help="Config of the cluster, to print the capacity of its groups.")
@output_option
def explain_job(files: tuple[Path, ...], config: Path | None, output: str) -> None:
    """Print the derivation of each number of the job FILES, the replicas per node, and the capacity of the groups."""
    from ..core.jobs.explain import explain, explained
    from .job_input import cluster_of, jobs_of

    cluster = cluster_of(config)
    jobs = jobs_of(files, {}, config)
    data = [explained(job, cluster) for job in jobs]
    emit(data, output, lambda: "\n".join(explain(job, cluster) for job in jobs).rstrip("\n"))
