"""The `hyperpod` command. Sub-commands are imported when they are used, so that start-up stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("project", "Write a commented hyperpod.yaml."),
    "validate": ("validate", "Check configs; every problem at once."),
    "explain": ("explain", "Print a rule, a job's numbers or the cost."),
    "schema": ("validate", "Print the JSON Schema of the config."),
    "diff": ("diff", "Say in words what an edit does to a live cluster."),
    "catalog": ("catalog", "Show and refresh the facts."),
    "jobs": ("jobs", "Render, submit and follow training jobs."),
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
        command: Any = getattr(import_module(f"{__name__}.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperpod-constructs")
def main() -> None:
    """Amazon SageMaker HyperPod clusters on Amazon EKS: check, explain, render, operate."""
