"""`hyperpod nodes` and `hyperpod software`: reboot, replace and update nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from ..core.plural import count
from ..core.terminal import paragraph, readable
from .clusters import sagemaker
from .limit import SECONDS, Unavailable
from .live import aws_options, emit, output_option, request_errors

_yes = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


@click.group()
def nodes() -> None:
    """Reboot and replace nodes of a cluster."""


@nodes.command()
@click.argument("cluster")
@click.argument("node_ids", nargs=-1, required=True, metavar="NODE...")
@_yes
@aws_options
@output_option
def reboot(
    cluster: str, node_ids: tuple[str, ...], yes: bool, profile: str | None, region: str | None, output: str
) -> None:
    """Reboot nodes by their instance IDs. Exit code 1 if a node could not be rebooted."""
    from ..live.operations.clusters import reboot as run

    _batch(run, "Reboot", "Pods on them are interrupted.", cluster, node_ids, yes, profile, region, output)


@nodes.command()
@click.argument("cluster")
@click.argument("node_ids", nargs=-1, required=True, metavar="NODE...")
@_yes
@aws_options
@output_option
def replace(
    cluster: str, node_ids: tuple[str, ...], yes: bool, profile: str | None, region: str | None, output: str
) -> None:
    """Replace nodes by their instance IDs. Exit code 1 if a node could not be replaced."""
    from ..live.operations.clusters import replace as run

    warning = "Pods on them are interrupted and their disks are lost; new nodes require available capacity."
    _batch(run, "Replace", warning, cluster, node_ids, yes, profile, region, output)


def _batch(
    run: Callable[..., Any],
    verb: str,
    warning: str,
    cluster: str,
    ids: tuple[str, ...],
    yes: bool,
    profile: str | None,
    region: str | None,
    output: str,
) -> None:
    if not yes:
        click.confirm(
            f"{verb} {count(len(ids), 'node')} of {cluster}: {', '.join(ids)}? {warning}", abort=True, err=True
        )
    with request_errors():
        outcome = run(sagemaker(profile, region), cluster, ids)

    def text() -> str:
        lines = [readable(f"{id_}  accepted") for id_ in outcome.done]
        return "\n".join([*lines, *(readable(f"{id_}  rejected: {reason}") for id_, reason in outcome.failed)])

    emit(outcome.as_dict(), output, text)
    raise SystemExit(1 if outcome.failed else 0)


@click.group()
def software() -> None:
    """Update the software of nodes: the AMI and the service's agents."""


@software.command()
@click.argument("cluster")
@click.option("--group", "groups", multiple=True, help="Instance group; repeatable. Default: all.")
@click.option("--release", help="Image release to update to, such as 1.2.3; requires --group. Default: the newest.")
@click.option("--batch", help="Instances at a time, as a number or a percentage: 2 or 10%. Default: all at once.")
@click.option("--wait-seconds", type=click.IntRange(0, 3600), help="Seconds to monitor the alarms after each batch.")
@click.option("--alarm", "alarms", multiple=True, help="CloudWatch alarm that rolls back the update; repeatable.")
@click.option("--wait", is_flag=True, help="Wait until the update has finished.")
@click.option("--timeout", type=SECONDS, default=7200, show_default=True, help="Seconds to wait, with --wait.")
@_yes
@aws_options
def update(
    cluster: str,
    groups: tuple[str, ...],
    release: str | None,
    batch: str | None,
    wait_seconds: int | None,
    alarms: tuple[str, ...],
    wait: bool,
    timeout: int,
    yes: bool,
    profile: str | None,
    region: str | None,
) -> None:
    """Update the software of a cluster's nodes, optionally in batches.

    Exit code 1 if the update failed, 3 on timeout.
    """
    from ..live.operations.clusters import states, update_software

    if release and not groups:
        raise click.UsageError("--release requires --group")
    which = ", ".join(groups) if groups else "all groups"
    if not yes:
        how = f"{batch} at a time" if batch else "all nodes at once"
        click.confirm(f"Update {which} of {cluster}, {how}? Running jobs are interrupted.", abort=True, err=True)
    with request_errors():
        client = sagemaker(profile, region)
        try:
            update_software(
                *(client, cluster),
                groups=groups,
                release=release,
                batch=batch,
                wait_seconds=wait_seconds,
                alarms=alarms,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        click.echo(f"The update of {which} of {cluster} has started.")
        if not wait:
            return
        last: dict[str, Any] = {}
        until = time.monotonic() + timeout
        for live in states(client, cluster, time.sleep):
            last = dict(live)
            click.echo(readable(f"{cluster} is {live['ClusterStatus']}"), err=True)
            if time.monotonic() >= until and live["ClusterStatus"] != "InService":
                raise Unavailable(f"{cluster} is {live['ClusterStatus']} after {timeout} seconds; the update continues")
    if last["ClusterStatus"] != "InService":
        raise click.ClickException(paragraph(f"{cluster} is {last['ClusterStatus']}: {last.get('FailureMessage', '')}"))
