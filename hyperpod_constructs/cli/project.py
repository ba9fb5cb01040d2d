"""`hyperpod init`: a commented config and its job file, the same that this project ships."""

from __future__ import annotations

import re
import shlex
import sys
from itertools import islice
from pathlib import Path

import click

TEMPLATES = Path(__file__).parent / "templates"
FILES = ("hyperpod.yaml", "jobs/neuron-hello.yaml")
"""What is written, relative to the folder."""
_REGION = "us-west-2"
_ZONES = ("usw2-az1", "usw2-az2")
_NAME = "research"
_ENDPOINT = "endpoint_access: public-and-private"


@click.command(short_help="Write a commented hyperpod.yaml.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--name", default=_NAME, show_default=True, help="Name of the platform.")
@click.option("--region", default=_REGION, show_default=True, help="AWS region.")
@click.option(
    "--zone", "zones", multiple=True, help="Zone id, twice or more; default: the region's first two that EKS takes."
)
@click.option(
    "--public-access-cidr",
    "ranges",
    multiple=True,
    metavar="RANGE",
    help="Public range that may reach the Kubernetes API; repeat. Default: a terminal is asked, else it is private.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
def init(folder: Path, name: str, region: str, zones: tuple[str, ...], ranges: tuple[str, ...], force: bool) -> None:
    """Write hyperpod.yaml and its job file into FOLDER (default: here). Nothing that is there is replaced."""
    from ..core.catalog import UnknownName
    from ..core.catalog import region as region_facts

    try:
        facts = region_facts(region)
    except UnknownName as problem:
        raise click.UsageError(str(problem)) from problem
    ids = (f"{facts.zone_id_prefix}-az{number}" for number in range(1, 10))
    chosen = zones or tuple(islice((zone for zone in ids if zone not in facts.eks_refused_zone_ids), 2))
    targets = {folder / file: (TEMPLATES / file).read_text(encoding="utf-8") for file in FILES}
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        raise click.ClickException(f"{', '.join(there)} is there already; --force replaces it")
    if not ranges and sys.stdin.isatty():
        question = "Public ranges that may reach the Kubernetes API, such as 203.0.113.0/24 (empty: private endpoint)"
        ranges = tuple(click.prompt(question, default="", show_default=False).replace(",", " ").split())
    for path, text in targets.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(filled(text, name=name, region=region, zones=chosen, ranges=ranges), encoding="utf-8")
        except OSError as problem:
            raise click.ClickException(f"{path} cannot be written: {problem.strerror}") from problem
        click.echo(f"wrote {path}")
    command = shlex.join(["hyperpod", "validate", str(folder / FILES[0])])
    click.echo(f"next: edit eks.admins, then {command}")


def filled(text: str, *, name: str, region: str, zones: tuple[str, ...], ranges: tuple[str, ...] = ()) -> str:
    r"""A template with another name, region and zones, and a Kubernetes API that is open to some ranges or private.

    >>> filled("name: research\nregion: us-west-2\n", name="lab", region="us-east-1", zones=("use1-az1", "use1-az2"))
    'name: lab\nregion: us-east-1\n'
    """
    endpoint = f"public_access_cidrs: [{', '.join(ranges)}]" if ranges else "endpoint_access: private"
    text = text.replace(_ENDPOINT, endpoint)
    text = re.sub(rf"^name: {_NAME}$", lambda _: f"name: {name}", text, flags=re.MULTILINE)
    text = text.replace(f"[{', '.join(_ZONES)}]", f"[{', '.join(zones)}]").replace(_ZONES[0], zones[0])
    return text.replace(_REGION, region)
