"""`hyperpod jobs`: training jobs. Each sub-command's module is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("jobs_init", "Write a commented job file."),
    "render": ("jobs_render", "Print exactly what would be applied."),
    "import": ("jobs_import", "Turn manifests and other tools' files into job files."),
    "diff": ("jobs_import", "Compare a job file with a manifest, field by field."),
    "submit": ("jobs_submit", "Create jobs in a cluster."),
    "list": ("jobs_day2", "List jobs of all kinds."),
    "describe": ("jobs_day2", "A job with its conditions, pods and events."),
    "pods": ("jobs_day2", "List the pods of a job, or all."),
    "logs": ("jobs_logs", "Print the logs of a job's pods."),
    "wait": ("jobs_day2", "Wait until a job has started or finished."),
    "suspend": ("jobs_day2", "Suspend a job."),
    "resume": ("jobs_day2", "Let a suspended job run on."),
    "delete": ("jobs_day2", "Delete jobs."),
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
        module = import_module(f"{__package__}.{COMMANDS[cmd_name][0]}")
        command: Any = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")  # `list_`: not the built-in
        return command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the sub-commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(cls=LazyJobs)
def jobs() -> None:
    """Training jobs: write, render, submit and follow them."""
