"""`hyperpod show`: the effective config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .live import emit, facts, output_option, table
from .validate import DEFAULT


@click.command(short_help="Print the effective config: subnets, versions, roles, groups.")
@click.argument("config", default=DEFAULT, type=click.Path(path_type=Path))
@output_option
def show(config: Path, output: str) -> None:
    """Print CONFIG (default: hyperpod.yaml) with all defaults.

    The subnet plan with its CIDRs, the selected versions, roles, groups, add-ons and storage. Exit code: 0, or 1 for a
    config with errors, whose findings are printed to stderr.
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
            inner = {
                name: ", ".join(each) if isinstance(each, list) else each
                for name, each in value.items()
                if name != "subnets"
            }
            parts.append(f"{title}\n{facts(inner)}")
            if value.get("subnets"):
                parts.append(f"subnets\n{_rows(value['subnets'])}")
        elif isinstance(value, list) and value:
            parts.append(f"{title}\n{_rows(value)}")
    return "\n\n".join(parts)


def _rows(records: list[dict[str, Any]]) -> str:
    rows = [[", ".join(cell) if isinstance(cell, list) else cell for cell in record.values()] for record in records]
    return table([name.replace("_", " ").upper() for name in records[0]], rows)
