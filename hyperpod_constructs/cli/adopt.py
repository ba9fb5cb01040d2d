"""`hyperpod adopt`: how stacks adopt a deployed cluster."""

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


@click.command(short_help="Show how stacks adopt deployed resources, and prepare the import.")
@click.argument("config", default=DEFAULT, type=_PATH)
@click.option("--into", "folder", type=_PATH, default="adopt", show_default=True, help="Folder for the prepared files.")
@aws_options
@output_option
def adopt(config: Path, folder: Path, profile: str | None, region: str | None, output: str) -> None:
    """Compare CONFIG with the deployed resources, and prepare the import into its stacks. Changes nothing.

    For each existing resource that a stack would create: its identifier, and whether the first deployment after the
    import replaces it, in which case it cannot be adopted. Templates and identifiers for CloudFormation's import are
    written to a folder, with a mapping for `cdk import` if that command supports it. Exit code: 0 if nothing would be
    replaced, 3 if something would be replaced or a request was not answered, 1 for a config with errors.
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
                "stack": one.stack,
                "logical_id": one.logical_id,
                "type": one.kind,
                "identifier": dict(one.identifier),
                "replaced": list(one.replaced),
                "changed": list(one.changed),
            }
            for one in made.takeovers
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
    """Writes the prepared files; those of an earlier run are replaced."""
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
    for one in made.takeovers:
        lines.append(f"{one.stack}: {one.name}: {'WOULD BE REPLACED, not adopted' if one.replaced else 'adopted'}")
        lines += [f"    replaced because of {text}" for text in one.replaced]
        lines += [f"    changed by the first deployment: {text}" for text in one.changed]
    lines += [f"not changed: {text}" for text in made.others]
    lines += [
        f"{stack}: {number} other resources are created by the first deployment" for stack, number in made.new.items()
    ]
    if not made.takeovers:
        return "\n".join([*map(readable, lines), "no deployed resource matches the stacks of this config"])
    lines += ["", "in this order:"]
    steps = []
    if made.owner:
        steps.append(
            f"set DeletionPolicy: Retain on the resources to adopt in {made.owner}, deploy, then remove them "
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
            steps.append(
                f"(or, instead of the last four steps: cdk import {stack} --resource-mapping {path}.mapping.json)"
            )
    steps.append(
        f"hyperpod adopt {config}: check that nothing is replaced; then hyperpod preflight {config} and cdk deploy"
    )
    return "\n".join(map(readable, [*lines, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]))
