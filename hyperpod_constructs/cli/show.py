"""`hyperpod show`: the effective config."""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import click

from .live import emit, facts, output_option, table
from .validate import DEFAULT

WIDTH = 80
"""Maximum width of the output in characters."""


@click.command(short_help="Print the effective config: subnets, versions, roles, groups.")
@click.argument("config", default=DEFAULT, type=click.Path(path_type=Path))
@output_option
def show(config: Path, output: str) -> None:
    """Print CONFIG (default: hyperpod.yaml) with all defaults.

    Includes the subnet plan with its CIDRs, the selected versions, roles, groups, add-ons and storage. Exit code: 0, or
    1 for a config with errors, whose findings are printed to stderr.
    """
    from ..core.config import load
    from ..core.effective import effective
    from ..core.findings import errors
    from ..core.rendering import text

    loaded = load(config)
    if loaded.platform is None or not loaded.ok:
        click.echo(text(errors(loaded.findings)), err=True)
        raise SystemExit(1)
    found = effective(loaded.platform)
    emit(found, output, lambda: _text(found))


def _text(found: dict[str, Any]) -> str:
    """Names and values, and a table for each list."""
    plain = {key: value for key, value in found.items() if not isinstance(value, dict | list)}
    parts = [facts(plain)]
    for key, value in found.items():
        title = key.replace("_", " ")
        if isinstance(value, dict):
            parts.append(f"{title}\n{_facts({name: each for name, each in value.items() if name != 'subnets'})}")
            if value.get("subnets"):
                parts.append(f"subnets\n{_rows(value['subnets'])}")
        elif isinstance(value, list) and value:
            parts.append(f"{title}\n{_rows(value)}")
    return "\n\n".join(parts)


def _rows(records: list[dict[str, Any]]) -> str:
    """A table without empty columns, or one block for each record if the table is too wide."""
    names = list(dict.fromkeys(name for record in records for name in record))
    names = [name for name in names if any(record.get(name) not in (None, False, []) for record in records)]
    rows = [[_cell(record.get(name)) for name in names] for record in records]
    formatted = table([name.replace("_", " ").upper() for name in names], rows)
    if max(map(len, formatted.splitlines())) <= WIDTH:
        return formatted
    return "\n\n".join(_facts({name: record.get(name) for name in names}) for record in records)


def _facts(record: dict[str, Any]) -> str:
    """Names and values, with long values on several lines."""
    shown = {name: _cell(value) for name, value in record.items() if value is not None}
    indent = " " * (max(map(len, shown), default=0) + 2)
    lines = facts(shown).splitlines()
    wrap = partial(textwrap.wrap, width=WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(part for line in lines for part in (wrap(line) if len(line) > WIDTH else [line]))


def _cell(value: Any) -> Any:
    if value == []:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else value
