"""`hyperpod jobs render`: prints the manifests that would be applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .job_flags import job_flags, stated

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=_FILE)
@click.option("--cluster", "config", type=_FILE, help="Config of the cluster, to validate the jobs against it.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Format.", show_default=True)
@job_flags()
def render(files: tuple[Path, ...], config: Path | None, output: str, **parameters: Any) -> None:
    """Print the Kubernetes objects of job FILES, or of a job from flags.

    FILES are job files, or config.yaml of the official CLI. Flags override the files. Repeat the flag for each entry of
    a list: --command python3 --command train.py. Mappings are KEY=VALUE, other values are YAML.
    """
    from ..core.jobs import compile_job
    from ..core.jobs.text import to_json, to_yaml
    from .job_input import jobs_of

    manifests = [compile_job(job) for job in jobs_of(files, stated(parameters), config)]
    click.echo((to_yaml if output == "yaml" else to_json)(manifests), nl=False)
