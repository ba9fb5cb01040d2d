"""`hyperpod adopt`: how stacks take over a cluster that is deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .live import aws_options, emit, in_words, output_option
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..core.importing.adoption import Adoption
    from ..core.spec.platform import Platform

_PATH = click.Path(path_type=Path)


@click.command(short_help="Show how stacks take over deployed resources, and prepare the import.")
@click.argument("config", default=DEFAULT, type=_PATH)
@click.option("--into", "folder", type=_PATH, default="adopt", show_default=True, help="Folder for the prepared files.")
@aws_options
@output_option
def adopt(config: Path, folder: Path, profile: str | None, region: str | None, output: str) -> None:
    """Compare what CONFIG would deploy with what is deployed, and prepare the import into its stacks. Changes nothing.

    For each resource that exists and that a stack would make: its identifier, and whether the first deployment after the
    import replaces it, which refuses it here. Templates and identifiers for CloudFormation's import go to a folder, with a
    mapping for `cdk import` where that command can do it. Exit code: 0 when nothing would be replaced, 3 when something
    would be, or when a call was not answered, 1 for a config with errors.
    """
    from ..core.importing.adoption import adoption
    from ..live.deployed import read
    from ..live.operations.aws import session
    from .diff import synthesized

    platform = _platform(config)
    name = platform.completed_cluster.cluster_name or platform.name
    with in_words():
        found = read(session(profile, region or platform.region), name)
    account = found.cluster["ClusterArn"].split(":")[4]
    made = adoption(synthesized(platform), found, region=platform.region, account=account)
    written = _write(made, folder)
    for problem in found.failures.values():
        click.echo(f"not read: {problem}; fix: {problem.cure}", err=True)
    data = {
        "resources": [
            {
                "stack": takeover.stack,
                "logical_id": takeover.logical_id,
                "type": takeover.kind,
                "identifier": dict(takeover.identifier),
                "replaced": list(takeover.replaced),
                "changed": list(takeover.changed),
            }
            for takeover in made.takeovers
        ],
        "left": made.others,
        "new": made.new,
        "files": [str(file) for file in written],
    }
    emit(data, output, lambda: _text(made, folder, config))
    raise SystemExit(3 if made.refused or found.failures else 0)


def _platform(config: Path) -> Platform:
    from ..core.config import load
    from ..core.findings import errors
    from ..core.rendering import text

    loaded = load(config)
    if loaded.platform is None or not loaded.ok:
        click.echo(text(errors(loaded.findings)), err=True)
        raise SystemExit(1)
    return loaded.platform


def _write(made: Adoption, folder: Path) -> list[Path]:
    """The prepared files; those of an earlier run are replaced."""
    written = []
    for stack in made.stacks():
        files: dict[str, Any] = {
            f"{stack}.import.json": made.template(stack),
            f"{stack}.resources.json": made.resources(stack),
            f"{stack}.mapping.json": made.mapping(stack),
        }
        for name, content in files.items():
            if content is None:
                (folder / name).unlink(missing_ok=True)
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            except OSError as problem:
                raise click.ClickException(f"{folder / name} cannot be written: {problem.strerror}") from problem
            written.append(folder / name)
    return written


def _text(made: Adoption, folder: Path, config: Path) -> str:
    from ..core.terminal import readable

    lines = []
    for takeover in made.takeovers:
        outcome = "WOULD BE REPLACED, not taken over" if takeover.replaced else "taken over"
        lines.append(f"{takeover.stack}: {takeover.name}: {outcome}")
        lines += [f"    replaces it: {text}" for text in takeover.replaced]
        lines += [f"    changed by the first deployment: {text}" for text in takeover.changed]
    lines += [f"left: {text}" for text in made.others]
    lines += [
        f"{stack}: {number} further resources are created by the first deployment" for stack, number in made.new.items()
    ]
    if not made.takeovers:
        return "\n".join([*map(readable, lines), "no deployed resource matches the stacks of this config"])
    lines += ["", "in this order:"]
    steps = []
    if made.owner:
        steps.append(
            f"set DeletionPolicy: Retain on the resources to take over in {made.owner}, deploy, then remove them "
            "from the template and deploy again: a resource can belong to only one stack"
        )
    for stack in made.stacks():
        path = folder / stack
        steps += [
            f"aws cloudformation create-change-set --stack-name {stack} --change-set-name adopt --change-set-type IMPORT "
            f"--template-body file://{path}.import.json --resources-to-import file://{path}.resources.json",
            f"aws cloudformation wait change-set-create-complete --stack-name {stack} --change-set-name adopt",
            f"aws cloudformation execute-change-set --stack-name {stack} --change-set-name adopt",
            f"aws cloudformation wait stack-import-complete --stack-name {stack}",
        ]
        if made.mapping(stack) is not None:
            steps.append(f"(or, instead of the last four: cdk import {stack} --resource-mapping {path}.mapping.json)")
    steps.append(
        f"hyperpod adopt {config}: check that nothing is replaced; then hyperpod preflight {config} and cdk deploy"
    )
    return "\n".join(map(readable, [*lines, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]))
