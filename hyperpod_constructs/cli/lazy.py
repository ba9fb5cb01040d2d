"""Command groups whose modules are imported when a command runs, so that start-up and `--help` are fast."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

Commands = Mapping[str, tuple[str, str]]
"""Command name to (module in `hyperpod_constructs.cli`, one-line help). The module has a click command of that name."""


class LazyGroup(click.Group):
    """A group that lists its commands from a table and imports a command's module when it is called."""

    def __init__(self, *args: Any, lazy: Commands, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns the command; `--help` of the group does not use it."""
        if cmd_name not in self.lazy:
            return None
        module = import_module(f"{__package__}.{self.lazy[cmd_name][0]}")
        name = cmd_name.replace("-", "_")
        # `list_`, because `list` is a built-in
        command: Any = getattr(module, name, None) or getattr(module, f"{name}_")
        return command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in self.lazy.items()])
