"""The `hyperpod` command. Sub-commands are imported when they are used, so that start-up stays quick."""

from __future__ import annotations

import atexit
import gc
import os
from importlib import import_module
from typing import Any

import click

# pydantic searches every installed package for plugins; we use none, and the search takes longer than our own modules
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

# making classes allocates much that stays: looking for garbage in it, also at the end, is a twentieth of a command's time
gc.set_threshold(100_000)
atexit.register(gc.disable)

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("project", "Write a commented hyperpod.yaml."),
    "validate": ("validate", "Check configs; every problem at once."),
    "explain": ("explain", "Print a rule, a job's numbers or the cost."),
    "show": ("show", "Print the effective config: subnets, versions, roles, groups."),
    "schema": ("validate", "Print the JSON Schema of the config."),
    "diff": ("diff", "Say in words what an edit does to a live cluster."),
    "report": ("report", "Draw and describe a config for reviewers, as one page."),
    "rehearse": ("rehearse", "Play a deployment on this machine, before AWS sees it."),
    "catalog": ("catalog", "Show and refresh the facts."),
    "preflight": ("preflight", "Ask the live account whether a config can be deployed."),
    "versions": ("versions", "Kubernetes versions: support, dates, days left."),
    "addons": ("versions", "Which add-on versions fit which Kubernetes version."),
    "upgrade-plan": ("versions", "The way to another Kubernetes version, step by step."),
    "chart": ("chart", "Vendor the dependency chart; tell a chart's digest."),
    "mirror": ("mirror", "What a closed network needs copied, and what points outside."),
    "jobs": ("jobs", "Render, submit and follow training jobs."),
    "clusters": ("clusters", "List and describe clusters and their nodes."),
    "context": ("context", "Point kubectl at a cluster."),
    "stacks": ("stacks", "List, describe and delete the stacks of platforms."),
    "nodes": ("nodes", "Reboot and replace nodes."),
    "software": ("nodes", "Update the software of nodes."),
}
"""Command name to (module under `hyperpod_constructs.cli`, one-line help). The module has a click command of that name."""


class LazyGroup(click.Group):
    """A group that imports a sub-command's module when it is called, and lists the others from `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; `--help` of the top level needs none of them."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(import_module(f"{__name__}.{COMMANDS[cmd_name][0]}"), cmd_name.replace("-", "_"))
        return command  # type: ignore[no-any-return]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line. What no command handles is told in a sentence; HYPERPOD_DEBUG=1 shows the traceback."""
        try:
            return super().main(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("HYPERPOD_DEBUG"):
                raise
            from .faults import told

            message, code = told(error)
            click.echo(f"Error: {message}", err=True)
            raise SystemExit(code) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperpod-constructs")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Amazon SageMaker HyperPod clusters on Amazon EKS: check, explain, render, operate.

    Exit codes: 0 done, 1 errors or a failure, 2 wrong use, 3 the answer is that you should look (a difference that replaces,
    a question that AWS did not answer, a time that ran out), 70 a bug.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False  # also on a terminal, see no-color.org
