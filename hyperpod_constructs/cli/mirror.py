"""`hyperpod mirror`: images to copy for a closed network, and references to external hosts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from ..core.plural import count
from .live import emit, output_option

TOOLS = ("crane", "skopeo", "docker")


@click.command(short_help="List the images that a closed network requires, and references outside AWS.")
@click.argument("config", type=click.Path(path_type=Path), default=Path("hyperpod.yaml"))
@click.option("--registry", help="Registry path for the copies. Default: dependencies.image_registry of the config.")
@click.option(
    "--tool", type=click.Choice(TOOLS), default="crane", show_default=True, help="Tool that copies the images."
)
@click.option(
    "--run",
    "execute",
    is_flag=True,
    help="Create the repositories and copy the images instead of printing the commands.",
)
@click.option(
    "--check",
    "assembly",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Instead, find references to hosts outside AWS in this cloud assembly (cdk.out).",
)
@output_option
def mirror(config: Path, registry: str | None, tool: str, execute: bool, assembly: Path | None, output: str) -> None:
    """Print the commands that copy the images for the closed network of CONFIG (default: hyperpod.yaml).

    Run them before the deployment. Exit code: 0 for success, 1 if a copy failed or there is a reference to an external
    host.
    """
    if assembly is not None:
        _check(assembly, output)
        return
    from ..core.config import load
    from ..core.mirror import commands, describe, mirror_plan, run

    loaded = load(config)
    if loaded.platform is None:
        command = shlex.join(["hyperpod", "validate", str(config)])
        raise click.ClickException(f"{config} is not a valid config; run `{command}` for details")
    plan = mirror_plan(loaded.platform, registry=registry)
    try:
        if not execute:
            data = {"commands": [shlex.join(command) for command in commands(plan, tool)], "plan": plan}
            emit(data, output, lambda: describe(plan, tool, config=config))
            return
        failures = run(plan, tool=tool, execute=_execute)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)
    copied = f"{count(len(plan.images), 'image')} copied"
    emit(
        {"images": plan.images, "failures": failures},
        output,
        lambda: "not all images were copied" if failures else copied,
    )
    if failures:
        raise click.exceptions.Exit(1)


def _check(assembly: Path, output: str) -> None:
    import json

    from ..core.closed import outside, outside_chart
    from ..core.endpoint_policies import endpoints_without_policy

    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(assembly.rglob("*.template.json"))
    }
    if not templates:
        raise click.UsageError(f"{assembly} contains no templates; run `hyperpod synth` first")
    manifests = {  # large manifests are assets
        path.name: {"Resources": {"Manifest": {"Properties": {"Manifest": path.read_text(encoding="utf-8")}}}}
        for path in sorted(assembly.rglob("asset.*.json"))
    }
    found = outside({**templates, **manifests})
    for chart in sorted(path.parent for path in assembly.glob("**/asset.*/Chart.yaml")):
        files = {
            path.relative_to(chart).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(chart.rglob("templates/**/*.yaml"))
        }
        found += outside_chart(chart.name, files)
    open_endpoints = list(endpoints_without_policy(templates))
    lines = [
        *map(str, found),
        *(f"{endpoint}: the VPC endpoint has no policy or an unrestricted policy" for endpoint in open_endpoints),
    ]
    nothing = f"no references to hosts outside AWS in {count(len(templates), 'template')}"
    data = {"outside": found, "endpoints_without_policy": open_endpoints, "templates": len(templates)}
    emit(data, output, lambda: "\n".join(lines) or nothing)
    if lines:
        raise click.exceptions.Exit(1)


def _execute(command: Sequence[str]) -> tuple[int, str]:
    import subprocess

    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        return 127, f"{command[0]} is not installed"
    return done.returncode, done.stderr
