"""`hyperpod jobs`: training jobs. Each sub-command's module is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("jobs_init", "Write a commented job file."),
    "render": ("jobs_render", "Print exactly what would be applied."),
}
"""Sub-command to (module under `hyperpod_constructs.cli`, one-line help). The module has a click command of that name."""


class LazyJobs(click.Group):
    """Lists the sub-commands from `COMMANDS`, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(import_module(f"{__package__}.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=LazyJobs)
def jobs() -> None:
    """Training jobs: write, render, submit and follow them."""
