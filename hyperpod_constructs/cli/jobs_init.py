"""`hyperpod jobs init`: a commented job file."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import click

from ..core.spec.base import SpecModel
from ..core.spec.jobs import Job
from .job_flags import job_flags, stated

_HEAD = """\
# A training job. `hyperpod jobs render {file}` prints the manifest,
# `hyperpod explain job {file}` the derivation of each number.
"""
_START: dict[str, Any] = {
    "name": "my-training-job",
    "image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/my-training:latest",
    "instance_type": "ml.trn1.32xlarge",
    "nodes": 1,
    "command": ["python3", "-c", "import torch\nprint('PyTorch:', torch.__version__)\n"],
}
_REST = "\n# Other fields of a job, with their defaults:\n"


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("job.yaml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@job_flags()
def init(file: Path, force: bool, **parameters: Any) -> None:
    """Write a commented job FILE (default: job.yaml) with the values of the flags."""
    if file.exists() and not force:
        raise click.ClickException(f"{file} already exists; use --force to overwrite it")
    data = stated(parameters)
    start = {key: value for key, value in _START.items() if not (key == "nodes" and _has_share(data))}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_HEAD.format(file=file) + _body({**start, **data}), encoding="utf-8")
    except OSError as problem:
        raise click.ClickException(f"{file} cannot be written: {problem.strerror}") from problem
    click.echo(f"wrote {file}; next: hyperpod jobs render {quote(str(file))}")


def _has_share(data: dict[str, Any]) -> bool:
    return any(
        data.get(key) for key in ("replicas", "replica_specs", "accelerators", "vcpu", "memory_gib", "mig_profile")
    )


def _body(data: dict[str, Any]) -> str:
    from ..core.jobs.text import to_yaml

    fields = Job.model_fields
    order = [*_START, *(name for name in fields if name not in _START)]
    lines = [f"\n# {fields[name].description}\n{to_yaml([{name: data[name]}])}" for name in order if name in data]
    return "".join(lines) + _REST + "".join(_commented(name) for name in order if name not in data)


def _commented(name: str) -> str:
    info = Job.model_fields[name]
    default = info.get_default(call_default_factory=True)
    shown = ""
    if isinstance(default, SpecModel):
        shown = " {}"
    elif default is not None and default != ():
        shown = f" {str(default).lower() if isinstance(default, bool) else default}"
    return f"# {name}:{shown} # {info.description}\n"
