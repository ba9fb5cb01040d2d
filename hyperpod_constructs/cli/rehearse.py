"""`hyperpod rehearse`: simulates a deployment on this machine."""

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
    from ..assembly.rehearsal import Fault, RealKubernetes, Rehearsal
    from ..assembly.rehearsal.report import Report

_PATH = click.Path(path_type=Path)


@click.command(short_help="Simulate a deployment on this machine, without AWS.")
@click.argument("config", default=DEFAULT, type=_PATH)
@click.option("--from", "old", type=_PATH, help="Config or cdk.out that is deployed first; CONFIG then updates it.")
@click.option(
    "--then",
    "following",
    type=_PATH,
    multiple=True,
    help="An edited config or cdk.out, deployed afterward. Repeatable.",
)
@click.option("--delete", is_flag=True, help="Delete all stacks at the end.")
@click.option(
    "--fail",
    "fails",
    multiple=True,
    metavar="RESOURCE",
    help="Make this resource (Stack.LogicalId) fail once. Repeatable.",
)
@click.option("--fail-each", is_flag=True, help="Make each resource fail in turn, with rollback, and deploy again.")
@click.option(
    "--lose", "loses", multiple=True, metavar="RESOURCE", help="Lose the response of this custom resource once."
)
@click.option(
    "--interrupt",
    "interrupts",
    multiple=True,
    metavar="RESOURCE",
    help="Stop the CDK CLI during the deployment of this resource, as a canceled CI job does, and deploy again.",
)
@click.option(
    "--no-nodes", multiple=True, metavar="GROUP", help="Prevent nodes of this instance group from joining the cluster."
)
@click.option(
    "--slow",
    multiple=True,
    metavar="STEP=FACTOR",
    help="Slow down a step: `addon_ready=5` for webhooks, `node=2` for nodes.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use the API server of this kubeconfig's current context, a disposable one, instead of the simulated one.",
)
@click.option("--seed", type=int, help="Seed that selects another valid order and other durations.")
@click.option("-o", "--output", "form", type=click.Choice([*FORMATS, "html"]), default="text", show_default=True)
def rehearse(
    config: Path,
    old: Path | None,
    following: tuple[Path, ...],
    delete: bool,
    fails: tuple[str, ...],
    fail_each: bool,
    loses: tuple[str, ...],
    interrupts: tuple[str, ...],
    no_nodes: tuple[str, ...],
    slow: tuple[str, ...],
    kubeconfig: Path | None,
    seed: int | None,
    form: str,
) -> None:
    """Simulate the deployment of CONFIG (default: hyperpod.yaml; or a cdk.out folder) with the real Lambda functions.

    Runs in virtual time, without requests to AWS. CloudFormation, EKS, HyperPod and IAM are models (see
    docs/rehearsal.md); behavior that is not modeled is reported. Exit code: 0 if nothing is rejected, lost or left
    behind, 1 otherwise, 2 for incorrect usage.
    """
    from ..assembly.rehearsal import Fault, Rehearsal, Timing
    from ..assembly.rehearsal.schemas import NoSchemas

    given = {"fails": fails, "lost": loses, "interrupted": interrupts}
    faults = [Fault(name, action="", how=how) for how, names in given.items() for name in names]
    timing = Timing(seed, no_nodes=no_nodes, slow=dict(map(_factor, slow)))
    rehearsal = Rehearsal(timing, kubernetes=_real(kubeconfig) if kubeconfig is not None else None)
    try:
        report = _play(config, old, following, delete, faults, fail_each, rehearsal)
    except NoSchemas as missing:
        raise click.ClickException(str(missing)) from missing
    except OSError as error:
        if kubeconfig is None:
            raise
        raise click.ClickException(str(error)) from error
    finally:
        rehearsal.close()
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
    rehearsal: Rehearsal,
) -> Report:
    from ..assembly.graph import load
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
        for index, app in enumerate(apps):
            started, first = rehearsal.world.now, len(rehearsal.steps)
            title = "creation" if index == 0 else "update"
            outcomes = rehearsal.deploy(app)
            report.add(title, rehearsal, started, first, outcomes)
            rehearsal.settle()
        for fault in faults:
            fresh = rehearsal.another()
            for app in apps[: 1 if old else 0]:
                fresh.deploy(app)
                fresh.settle()
            report.drills.append(drill(list(load(apps[1 if old else 0])), fault, fresh))
        if fail_each:
            report.drills += [outcome for outcome, _ in each(list(load(apps[0])), rehearsal)]
        report.imposed = minutes(imposed_chain(apps[0], report.acts[0].steps))
        if delete:
            started, first = rehearsal.world.now, len(rehearsal.steps)
            report.add("deletion", rehearsal, started, first, rehearsal.destroy())
            for remainder in rehearsal.left():
                if remainder.why == "left behind":
                    rehearsal.record.find("HPR03", remainder.path, f"{remainder.kind} {remainder.id} is left behind")
        report.close(rehearsal)
    return report


def _real(kubeconfig: Path) -> RealKubernetes:
    """The API server of a kubeconfig. Raises `click.ClickException` if it is not reachable or not disposable."""
    from ..assembly.rehearsal.real_server import NotDisposable, RealKubernetes
    from ..live.operations.kubernetes import KubernetesError, endpoint_of

    try:
        real = RealKubernetes(endpoint_of(str(kubeconfig)))
        real.check_disposable()
    except (KubernetesError, NotDisposable, OSError) as error:
        raise click.ClickException(str(error)) from error
    return real


def _check_names(faults: list[Fault], stacks: tuple[Stack, ...]) -> None:
    for fault in faults:
        if not any(fault.hits(stack.deployed_name, name, "create") for stack in stacks for name in stack.resources):
            raise click.UsageError(f"the app has no resource {fault.resource}; specify it as Stack.LogicalId")


def _assembly(path: Path, folder: Path) -> Path:
    """The cloud assembly of a config, or an existing one in a folder."""
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
        raise click.BadParameter(f"{text!r} is not of the form STEP=FACTOR, such as addon_ready=5") from None
