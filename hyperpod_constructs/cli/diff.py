"""`hyperpod diff`: what an edit does to a live cluster, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..core.changes import Edit
    from ..core.spec.platform import Platform

_FILE = click.Path(path_type=Path)


@click.command(short_help="Say in words what an edit does to a live cluster.")
@click.argument("old", required=False, type=_FILE)
@click.argument("new", required=False, type=_FILE)
@click.option(
    "--deployed",
    multiple=True,
    type=_FILE,
    help="A deployed template (JSON), or a folder of templates, instead of OLD; the new config is synthesized. Repeatable.",
)
def diff(old: Path | None, new: Path | None, deployed: tuple[Path, ...]) -> None:
    """Compare two configs, OLD and NEW, or with --deployed what is deployed with NEW (a config, template or folder).

    Worst first, with what to do instead. Exit code: 0 when nothing is replaced, 3 when something is replaced, refused or
    lost, 1 for a config with errors, 2 for wrong use.
    """
    if deployed:
        if old is None or new is not None:
            raise click.UsageError("with --deployed, name one config: hyperpod diff --deployed TEMPLATE NEW")
        found, allowed = _against_deployed(deployed, old)
        _report(found, allowed=allowed)
    elif old is None or new is None:
        raise click.UsageError("name two configs: hyperpod diff OLD NEW")
    else:
        from ..core.changes import edits

        _report(edits(_platform(old, strict=False), _platform(new)))


def _report(found: list[Edit], *, allowed: bool = False) -> None:
    from ..core.changes import REPLACING
    from ..core.spec.base import Change
    from ..core.terminal import paragraph

    for edit in found:
        click.echo(paragraph(str(edit)))
    stopping = [edit for edit in found if edit.change in REPLACING]
    if allowed:
        stopping = [edit for edit in stopping if edit.change is not Change.REPLACES_CLUSTER]
    if not found:
        click.echo("nothing is different")
    else:
        click.echo(f"{len(found)} differences, {len(stopping)} of them replace, lose or are refused")
    raise SystemExit(3 if stopping else 0)


def _platform(path: Path, *, strict: bool = True) -> Platform:
    """The platform of a config; its errors end the command. What is deployed already may have errors of meaning."""
    from ..core.config import load
    from ..core.findings import errors
    from ..core.rendering import text

    loaded = load(path)
    if loaded.platform is None or (strict and not loaded.ok):
        click.echo(text(errors(loaded.findings)), err=True)
        raise SystemExit(1)
    return loaded.platform


def _against_deployed(deployed: tuple[Path, ...], new: Path) -> tuple[list[Edit], bool]:
    from ..core.changes import resources_of, template_edits

    before = resources_of([template for path in deployed for template in _templates(path)])
    if not before:
        raise click.UsageError("the deployed templates hold no cluster, VPC, subnet or file system")
    if new.is_dir() or new.suffix == ".json":
        return template_edits(before, resources_of(_templates(new))), False
    platform = _platform(new)
    return template_edits(before, resources_of(_synthesized(platform))), platform.allow_cluster_replacement


def _synthesized(platform: Platform) -> list[dict[str, Any]]:
    """The templates of a platform. CDK is started here, and nowhere else in this command."""
    from tempfile import TemporaryDirectory

    from ..assembly.synth import build, cdk_context
    from ..core.packaged_node import use_packaged_node

    use_packaged_node()
    with TemporaryDirectory() as folder:
        build([platform], context=cdk_context(), outdir=folder, validate=False).synth()
        return _templates(Path(folder))


def _templates(path: Path) -> list[dict[str, Any]]:
    """The templates in a file or a folder."""
    files = sorted(path.rglob("*.template.json")) if path.is_dir() else [path]
    if not files:
        raise click.UsageError(f"{path} holds no *.template.json")
    return [_template(file) for file in files]


def _template(file: Path) -> dict[str, Any]:
    if file.exists() and not file.is_file():  # a pipe would be waited for without end
        raise click.UsageError(f"{file} is no regular file")
    try:
        content = json.loads(file.read_bytes())
    except OSError as problem:
        raise click.UsageError(f"{file} cannot be read: {problem.strerror}") from problem
    except ValueError as problem:  # JSONDecodeError and UnicodeDecodeError
        raise click.UsageError(f"{file} is no JSON template: {problem}") from problem
    if not isinstance(content, dict) or not isinstance(content.get("Resources", {}), dict):
        raise click.UsageError(f"{file} is no CloudFormation template")
    return content
