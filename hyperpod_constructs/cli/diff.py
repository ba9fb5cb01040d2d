"""`hyperpod diff`: what a config change does to a deployed platform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..core.plural import count
from .live import emit, output_option

if TYPE_CHECKING:
    from ..core.changes import Deployment, Edit
    from ..core.spec.platform import Platform

_FILE = click.Path(path_type=Path)
_SHOWN = 15
"""Number of CloudFormation changes that are shown; the others are counted."""


@click.command(short_help="Show what a config change does to a deployed platform.")
@click.argument("old", required=False, type=_FILE)
@click.argument("new", required=False, type=_FILE)
@click.option(
    "--deployed",
    multiple=True,
    type=_FILE,
    help="A deployed template (JSON), or a folder of templates, instead of OLD; NEW is synthesized. Repeatable.",
)
@click.option(
    "--configs-only",
    is_flag=True,
    help="Compare only the configs, without synthesizing them: faster, but omits changes to CloudFormation resources.",
)
@output_option
def diff(old: Path | None, new: Path | None, deployed: tuple[Path, ...], configs_only: bool, output: str) -> None:
    """Compare two configs, OLD and NEW; with --deployed, compare deployed templates with NEW.

    With --deployed, NEW can also be a template or a folder of templates. Configs are synthesized, and templates are
    compared as CloudFormation does. The output lists rejected, replaced, deleted and retained resources by stack, in
    the order of deployment.

    The most disruptive changes are first, with alternatives. Exit code: 0 if nothing is replaced, 3 if something is
    replaced, rejected, lost or left behind, 1 for a config with errors, 2 for incorrect usage.
    """
    if deployed:
        if old is None or new is not None or configs_only:
            raise click.UsageError("with --deployed, specify one config: hyperpod diff --deployed TEMPLATE NEW")
        found, allowed = _against_deployed(deployed, old)
        _report([], found, output, allowed=allowed)
    elif old is None or new is None:
        raise click.UsageError("specify two configs: hyperpod diff OLD NEW")
    else:
        _between(_platform(old, strict=False), _platform(new), output, configs_only=configs_only)


def _between(old: Platform, new: Platform, output: str, *, configs_only: bool) -> None:
    from ..core.changes import Deployment, deployment, edits
    from ..core.findings import InvalidSpec, errors
    from ..core.spec.base import Change

    found = edits(old, new)
    elsewhere = [edit for edit in found if edit.change is Change.LEAVES_BEHIND]
    nothing = Deployment(steps=(), edits=())
    # the new stacks have other names, and no resources in common with the deployed ones
    if elsewhere or configs_only or old == new:
        _report(elsewhere or found, nothing, output)
    try:
        deployed = synthesized(old)
    except InvalidSpec as problem:  # deployed with an earlier version or on an earlier day
        click.echo(f"OLD cannot be synthesized ({count(len(errors(problem.findings)), 'error')} from the current "
        "rules); only the configs are compared. To compare with the deployed templates, use "
        "--deployed", err=True)  # fmt: skip
        _report(found, nothing, output)
    planned = deployment(deployed, synthesized(new))
    if planned.changes_nothing:  # such as an explicit default
        _report([edit for edit in found if edit.change is Change.NONE], nothing, output)
    _report(found, planned, output)


def _report(found: Sequence[Edit], planned: Deployment, output: str, *, allowed: bool = False) -> NoReturn:
    """Prints the differences and exits with the exit code."""
    from ..core.changes import REPLACING
    from ..core.spec.base import Change

    ours = [edit for edit in planned.edits if not found or edit.change in REPLACING]
    everything = [*found, *ours]
    stopping = [edit for edit in everything if edit.change in REPLACING]
    if allowed:
        stopping = [edit for edit in stopping if edit.change is not Change.REPLACES_CLUSTER]
    steps = [
        {"stack": step.stack, "action": step.action, "added": step.added, "changed": step.changed, "replaced": step.replaced,
         "deleted": step.deleted, "retained": step.retained} for step in planned.steps
    ]  # fmt: skip

    def text() -> str:
        nothing = not everything and planned.changes_nothing
        drains = any(edit.change is Change.DRAINS for edit in everything)
        total = len(found) or len(ours)
        last = "no differences" if nothing else _summary(total, stops=bool(stopping), drains=drains)
        return "\n".join([*_lines(found, ours, planned), last])

    emit({"edits": [edit.as_dict() for edit in everything], "deployment": steps}, output, text)
    raise SystemExit(3 if stopping else 0)


def _lines(found: Sequence[Edit], ours: Sequence[Edit], planned: Deployment) -> list[str]:
    from ..core.terminal import paragraph

    lines = [paragraph(str(edit)) for edit in found]
    if not found and not ours and not planned.changes_nothing:
        lines.append(
            "no differences between the configs with their defaults; the deployment updates resources in place"
        )
    if found and ours:
        lines += ["", "CloudFormation:"]
    lines += [paragraph(str(edit)) for edit in ours[:_SHOWN]]
    if len(ours) > _SHOWN:
        lines.append(f"... and {len(ours) - _SHOWN} more (use -o json to show all)")
    if not planned.changes_nothing:
        lines += ["", "deployment, in this order:", *(f"  {n}. {step}" for n, step in enumerate(planned.steps, 1)), ""]
    return lines


def _summary(total: int, *, stops: bool, drains: bool) -> str:
    """Returns the last line.

    >>> _summary(1, stops=False, drains=True)
    '1 difference; running work is interrupted; nothing is replaced, lost, rejected or left behind'
    """
    parts = [f"{total} difference{'' if total == 1 else 's'}"] if total else []
    parts += ["running work is interrupted"] if drains else []
    parts.append(f"{'something' if stops else 'nothing'} is replaced, lost, rejected or left behind")
    return "; ".join(parts)


def _platform(path: Path, *, strict: bool = True) -> Platform:
    """The platform of a config; structural errors end the command. A deployed config may have other errors."""
    from ..core.config import load
    from ..core.findings import errors
    from ..core.rendering import text

    loaded = load(path)
    if loaded.platform is None or (strict and not loaded.ok):
        click.echo(text(errors(loaded.findings)), err=True)
        raise SystemExit(1)
    return loaded.platform


def _against_deployed(deployed: tuple[Path, ...], new: Path) -> tuple[Deployment, bool]:
    from ..core.changes import deployment, matched

    before = {name: content for path in deployed for name, content in _templates(path).items()}
    if not any(template.get("Resources") for template in before.values()):
        raise click.UsageError("the deployed templates contain no resources")
    allowed = False
    if new.is_dir() or new.suffix == ".json":
        after = _templates(new)
    else:
        platform = _platform(new)
        after, allowed = synthesized(platform), platform.allow_cluster_replacement
    return deployment(matched(before, after), after), allowed


def synthesized(platform: Platform) -> dict[str, dict[str, Any]]:
    """The templates of a platform by stack. Only this function of the command starts CDK."""
    from tempfile import TemporaryDirectory

    from ..assembly.synth import build, cdk_context
    from ..core.packaged_node import use_packaged_node

    use_packaged_node()
    with TemporaryDirectory() as folder:
        context = {**cdk_context(), "aws:cdk:disable-asset-staging": True}  # templates only, without copies of assets
        build([platform], context=context, outdir=folder, validate=False).synth()
        return _templates(Path(folder))


def _templates(path: Path) -> dict[str, dict[str, Any]]:
    """The templates in a file or a folder, by the name of their stack."""
    files = sorted(path.rglob("*.template.json")) if path.is_dir() else [path]
    if not files:
        raise click.UsageError(f"{path} contains no *.template.json")
    return {file.name.removesuffix(".json").removesuffix(".template"): _template(file) for file in files}


def _template(file: Path) -> dict[str, Any]:
    if file.exists() and not file.is_file():  # reading a pipe could block indefinitely
        raise click.UsageError(f"{file} is not a regular file")
    try:
        content = json.loads(file.read_bytes())
    except OSError as problem:
        raise click.UsageError(f"{file} cannot be read: {problem.strerror}") from problem
    except ValueError as problem:  # JSONDecodeError and UnicodeDecodeError
        raise click.UsageError(f"{file} is not a JSON template: {problem}") from problem
    if not isinstance(content, dict) or not isinstance(content.get("Resources", {}), dict):
        raise click.UsageError(f"{file} is not a CloudFormation template")
    return content
