"""`hyperpod rehearse`: a deployment played on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from .live import FORMATS, emit
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..assembly.graph import Stack
    from ..assembly.rehearsal import Fault, Timing
    from ..assembly.rehearsal.report import Report

_PATH = click.Path(path_type=Path)


@click.command(short_help="Play a deployment on this machine, before AWS sees it.")
@click.argument("config", default=DEFAULT, type=_PATH)
@click.option("--from", "old", type=_PATH, help="What is deployed: a config or a cdk.out; CONFIG then updates it.")
@click.option(
    "--then", "following", type=_PATH, multiple=True, help="An edited config or cdk.out, deployed after it. Repeatable."
)
@click.option("--delete", is_flag=True, help="Delete everything in the end.")
@click.option(
    "--fail",
    "fails",
    multiple=True,
    metavar="RESOURCE",
    help="Let this resource (Stack.LogicalId) fail once. Repeatable.",
)
@click.option("--fail-each", is_flag=True, help="Let each resource fail in turn, with rollback, and deploy again.")
@click.option(
    "--lose", "loses", multiple=True, metavar="RESOURCE", help="Lose the answer of this custom resource once."
)
@click.option("--no-nodes", multiple=True, metavar="GROUP", help="Nodes of this instance group never come.")
@click.option(
    "--slow", multiple=True, metavar="WHAT=FACTOR", help="`addon_ready=5`: webhooks are slow; `node=2`: nodes are."
)
@click.option("--seed", type=int, help="Another legal order, with other durations.")
@click.option("-o", "--output", "form", type=click.Choice([*FORMATS, "html"]), default="text", show_default=True)
def rehearse(
    config: Path,
    old: Path | None,
    following: tuple[Path, ...],
    delete: bool,
    fails: tuple[str, ...],
    fail_each: bool,
    loses: tuple[str, ...],
    no_nodes: tuple[str, ...],
    slow: tuple[str, ...],
    seed: int | None,
    form: str,
) -> None:
    """Play the deployment of CONFIG (default: hyperpod.yaml; or a cdk.out folder) in virtual time, with our real functions.

    Nothing reaches AWS. CloudFormation, EKS, HyperPod and IAM are models (docs/rehearsal.md says of what); what is not
    modelled is told. Exit code: 0 when nothing is refused, lost or left behind, 1 otherwise, 2 for wrong use.
    """
    from ..assembly.rehearsal import Fault, Timing
    from ..assembly.rehearsal.schemas import NoSchemas

    faults = [*(Fault(one) for one in fails), *(Fault(one, how="lost") for one in loses)]
    timing = Timing(seed, no_nodes=no_nodes, slow=dict(_factor(one) for one in slow))
    try:
        report = _play(config, old, following, delete, faults, fail_each, timing)
    except NoSchemas as missing:
        raise click.ClickException(str(missing)) from missing
    if form == "html":
        click.echo(report.as_html())
    else:
        emit(json.loads(report.as_json()), form, report.as_text)
    raise SystemExit(0 if report.ok else 1)


def _play(
    config: Path,
    old: Path | None,
    following: tuple[Path, ...],
    delete: bool,
    faults: list[Fault],
    fail_each: bool,
    timing: Timing,
) -> Report:
    from ..assembly.graph import load
    from ..assembly.rehearsal import Rehearsal
    from ..assembly.rehearsal.chains import imposed_chain, minutes
    from ..assembly.rehearsal.drills import drill
    from ..assembly.rehearsal.drills import fail_each as each
    from ..assembly.rehearsal.report import Report

    report = Report(str(config))
    with TemporaryDirectory() as scratch:
        apps = [
            _assembly(path, Path(scratch) / str(index))
            for index, path in enumerate([*([old] if old else []), config, *following])
        ]
        _check_names(faults, load(apps[1 if old else 0]))
        rehearsal = Rehearsal(timing)
        for index, app in enumerate(apps):
            begun, first = rehearsal.world.now, len(rehearsal.steps)
            title = "creation" if index == 0 else "update"
            if faults and index == (1 if old else 0):
                rehearsal.publish(app)
                for fault in faults:
                    report.drills.append(drill(list(load(app)), fault, rehearsal))
                    rehearsal.record.findings.clear()
            outcomes = rehearsal.deploy(app)
            report.add(title, rehearsal, begun, first, outcomes)
            rehearsal.settle()
        if fail_each:
            rehearsed = Rehearsal(timing)
            rehearsed.publish(apps[0])
            report.drills += [one for one, _ in each(list(load(apps[0])), rehearsed)]
        report.imposed = minutes(imposed_chain(apps[0], report.acts[0].steps))
        if delete:
            begun, first = rehearsal.world.now, len(rehearsal.steps)
            report.add("deletion", rehearsal, begun, first, rehearsal.destroy())
            for one in rehearsal.left():
                if one.why == "left behind":
                    rehearsal.record.find("HPR03", one.path, f"{one.kind} {one.id} is left behind")
        report.close(rehearsal)
    return report


def _check_names(faults: list[Fault], stacks: tuple[Stack, ...]) -> None:
    for fault in faults:
        if not any(fault.hits(one.deployed_name, name, fault.action) for one in stacks for name in one.resources):
            raise click.UsageError(f"the app has no resource {fault.resource}; name it as Stack.LogicalId")


def _assembly(path: Path, folder: Path) -> Path:
    """The cloud assembly of a config, or the folder that is one already."""
    if path.is_dir():
        return path
    from ..assembly.synth import build, cdk_context
    from ..core.packaged_node import use_packaged_node
    from .diff import _platform

    use_packaged_node()
    context = {**cdk_context(), "aws:cdk:disable-asset-staging": True}
    build([_platform(path)], context=context, outdir=str(folder), validate=False).synth()
    return folder


def _factor(text: str) -> tuple[str, float]:
    name, _, factor = text.partition("=")
    try:
        return name, float(factor)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not of the form WHAT=FACTOR, such as addon_ready=5") from None
