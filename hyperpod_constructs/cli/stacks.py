"""`hyperpod stacks`: the CloudFormation stacks of platforms."""

from __future__ import annotations

import shlex
import time
from typing import Any

import click

from ..core.plural import count
from ..core.terminal import paragraph, readable
from .limit import SECONDS, Unavailable
from .live import aws_options, emit, facts, output_option, request_errors, table


def _cloudformation(profile: str | None, region: str | None) -> Any:
    from ..live.operations.aws import client

    return client("cloudformation", profile, region)


@click.group()
def stacks() -> None:
    """List, describe and delete the stacks of platforms, which are identified by their tag."""


@stacks.command("list")
@click.option("--all", "everything", is_flag=True, help="Include stacks of other tools.")
@click.option("--status", multiple=True, help="Only stacks in this status; repeatable.")
@aws_options
@output_option
def list_(everything: bool, status: tuple[str, ...], profile: str | None, region: str | None, output: str) -> None:
    """List the stacks of this library's platforms in the region."""
    from ..live.operations.stacks import stacks as asked
    from ..live.operations.stacks import summary

    with request_errors():
        found = [summary(stack) for stack in asked(_cloudformation(profile, region), everything=everything)]
    found = [stack for stack in found if not status or stack["status"] in status]
    head = ["NAME", "PLATFORM", "STATUS", "CREATED", "UPDATED"]
    rows = [[stack[key] for key in ("name", "platform", "status", "created", "updated")] for stack in found]
    empty = (
        "no stacks" if everything else "no stacks of hyperpod-constructs in this region; use --all to list all stacks"
    )
    emit(found, output, lambda: table(head, rows, empty=empty))


@stacks.command()
@click.argument("name")
@aws_options
@output_option
def describe(name: str, profile: str | None, region: str | None, output: str) -> None:
    """Describe a stack: its status, outputs, resources, and failures."""
    from ..live.operations.stacks import described

    with request_errors():
        found = described(_cloudformation(profile, region), name)

    def text() -> str:
        first = facts({key: found[key] for key in ("name", "platform", "status", "reason", "created", "updated")})
        parts = [first]
        if found["outputs"]:
            parts.append(table(["OUTPUT", "VALUE"], list(found["outputs"].items())))
        rows = [[resource["type"], resource["status"], resource["id"]] for resource in found["resources"]]
        parts.append(table(["RESOURCE", "STATUS", "ID"], rows, empty="no resources"))
        return "\n\n".join([*parts, *map(readable, found["failures"])])

    emit(found, output, text)


@stacks.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--retain",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Retain this resource of a stack whose deletion failed ([STACK/]LOGICAL_ID); repeatable.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Allow NAME to be a stack that hyperpod-constructs did not create."
)
@click.option("--timeout", type=SECONDS, default=7200, show_default=True, help="Seconds to wait for each stack.")
@aws_options
def delete(
    name: str,
    yes: bool,
    retain: tuple[str, ...],
    everything: bool,
    timeout: int,
    profile: str | None,
    region: str | None,
) -> None:
    """Delete the stacks of platform NAME, or the stack NAME.

    Stacks are deleted in the order that CloudFormation requires: jobs, add-ons, HyperPod, EKS, network. Resources that
    are retained (by their deletion policy) are shown first. Exit code 3 on timeout.
    """
    from ..live.operations.stacks import DeletionFailed, planned_deletions, resources_to_retain, stacks
    from ..live.operations.stacks import delete as run

    with request_errors():
        client = _cloudformation(profile, region)
        found = stacks(client, platform=name)
        if not found:
            found = [stack for stack in stacks(client, everything=everything) if stack["StackName"] == name]
        if any(stack.get("ParentId") for stack in found):
            raise click.ClickException(f"{name} is nested in another stack; delete that stack")
        if not found:
            hint = "" if everything else "; use --all to include stacks of other tools"
            raise click.ClickException(f"no platform or stack of hyperpod-constructs has the name {name!r}{hint}")
        plan = planned_deletions(client, found)
        _show(plan)
        protected = [stack.name for stack in plan if stack.protected]
        if protected:
            command = "aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name"
            raise click.ClickException(
                f"{', '.join(protected)} has termination protection; disable it with {command} "
                f"{shlex.quote(protected[0])}"
            )
        try:
            kept = resources_to_retain(plan, retain)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        if not yes:
            click.confirm(f"Delete {count(len(plan), 'stack')} in this order?", abort=True, err=True)
        for stack in plan:
            click.echo(f"{stack.name}: deleting", err=True)
            last, until = "", time.monotonic() + timeout
            try:
                for status in run(client, stack, sleep=time.sleep, retain=kept.get(stack.name, ())):
                    if status != last:
                        click.echo(readable(f"{stack.name}: {status}"), err=True)
                    last = status
                    if time.monotonic() >= until:
                        raise Unavailable(
                            f"{stack.name} is {status} after {timeout} seconds; the deletion continues; run the same "
                            "command to keep waiting"
                        )
            except DeletionFailed as error:
                cure = "fix the cause and try again, or retain the resource with --retain LOGICAL_ID"
                raise click.ClickException(paragraph(f"{error}\n  fix: {cure}")) from error
            click.echo(f"{stack.name}: deleted")


def _show(plan: list[Any]) -> None:
    rows = []
    for number, stack in enumerate(plan, 1):
        rows.append([number, stack.name, f"{len(stack.retained)} retained" if stack.retained else ""])
        rows += [["", f"  {id_}", f"{type_} is retained"] for type_, id_ in stack.retained]
    click.echo(table(["", "STACK", ""], [[cell or " " for cell in row] for row in rows]), err=True)
