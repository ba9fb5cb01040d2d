"""Options, tables and error messages of the commands that send requests to AWS and Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeVar

import click

from ..core.terminal import paragraph, readable
from .click_types import Choice
from .faults import InvalidUsage
from .limit import limited

Function = TypeVar("Function", bound=Callable[..., Any])

FORMATS = ("text", "json", "yaml", "markdown")

_COLORS = {
    **dict.fromkeys(("InService", "Running", "ACTIVE", "Ready", "Succeeded", "Complete", "standard", "yes"), "green"),
    **dict.fromkeys(("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "ready"), "green"),
    **dict.fromkeys(("Failed", "Failure", "FAILED", "ended", "no", "blocked", "ROLLBACK_COMPLETE"), "red"),
    **dict.fromkeys(("CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED", "EndOfLife"), "red"),
    **dict.fromkeys(
        ("Creating", "Updating", "Pending", "SystemUpdating", "extended", "Suspended", "unknown"), "yellow"
    ),
    **dict.fromkeys(("DeepHealthCheckInProgress", "Degraded", "UpdateAvailable", "SecurityUpdateRequired"), "yellow"),
}


def aws_options(function: Function) -> Function:
    """Adds `--profile` and `--region` to a command that sends requests to AWS within a time limit."""
    function = limited(function)
    function = click.option("--region", help="AWS region. Default: the region of your AWS configuration.")(function)
    return click.option("--profile", help="Profile of your AWS configuration.")(function)


class Format(Choice):
    """Output formats; `table` is the same as `text`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Parses an output format."""
        return super().convert("text" if value == "table" else value, param, ctx)


def output_option(function: Function) -> Function:
    """Adds `-o text|json|yaml|markdown`."""
    option = click.option("-o", "--output", type=Format(FORMATS), default="text", show_default=True, help="Format.")
    return option(function)


@contextmanager
def request_errors() -> Iterator[None]:
    """Converts failed AWS requests to a message with a fix and exit code 1; other exceptions pass through."""
    from ..live.operations.aws import FailureCause, failure

    try:
        yield
    except click.exceptions.ClickException:
        raise
    except Exception as error:
        what = failure(error, getattr(error, "operation_name", ""))
        if what is None:
            raise
        kind = InvalidUsage if what.cause is FailureCause.NO_REGION else click.ClickException
        raise kind(paragraph(f"{what}\n  fix: {what.cure}")) from error


def emit(data: Any, form: str, text: Callable[[], str]) -> None:
    """Prints data as JSON or YAML, or the result of `text`."""
    if form == "json":
        import json

        click.echo(json.dumps(plain(data), indent=2))
    elif form == "yaml":
        import yaml

        click.echo(yaml.safe_dump(plain(data), sort_keys=False, default_flow_style=False), nl=False)
    elif form == "markdown":
        click.echo(markdown(plain(data)))
    else:
        click.echo(text())


def markdown(data: Any) -> str:
    r"""Formats data as Markdown: a list of records as a table, a record as a list of its values, nested data below.

    >>> print(markdown([{"name": "a", "nodes": 2}, {"name": "b|c", "nodes": None}]))
    | name | nodes |
    | --- | --- |
    | a | 2 |
    | b\|c | - |
    """
    if isinstance(data, list):
        if not data:
            return "nothing found"
        if not all(isinstance(each, dict) for each in data):
            return "\n".join(f"- {_md(each)}" for each in data)
        keys = list(dict.fromkeys(key for each in data for key in each))
        rows = [[_md(each.get(key)) for key in keys] for each in data]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [keys, ["---"] * len(keys), *rows])
    if not isinstance(data, dict):
        return _md(data)
    flat = [f"- **{key}**: {_md(value)}" for key, value in data.items() if not _nested(value)]
    parts = ["\n".join(flat)] if flat else []
    parts += [f"**{key}**\n\n{markdown(value)}" for key, value in data.items() if _nested(value)]
    return "\n\n".join(parts)


def _nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _md(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_md, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_md(each)}" for key, each in value.items()) or "-"
    return readable(_cell(value)).replace("|", "\\|").replace("\n", " ")


def plain(value: Any) -> Any:
    """Converts data to JSON types: dates in ISO format, tuples as lists, objects as mappings of their fields.

    >>> plain({"day": date(2026, 11, 23), "names": ("a",)})
    {'day': '2026-11-23', 'names': ['a']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items() if key != "ResponseMetadata"}
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list | tuple):
        named = getattr(value, "_asdict", None)
        return [plain(inner) for inner in value] if named is None else plain(named())
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date | datetime) else value


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "nothing found") -> str:
    """Formats columns as wide as their content, with known states in color; colors are removed without a terminal.

    >>> print(table(["NAME", "NODES"], [["a", 2], ["long", None]]))
    NAME  NODES
    a     2
    long  -
    """
    if not rows:
        return empty
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    lines = ["  ".join(title.ljust(width) for title, width in zip(head, widths, strict=True)).rstrip()]
    for row in texts:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        colored = [_colored(cell) for cell in (*cells[:-1], cells[-1].rstrip())]
        lines.append("  ".join(colored).rstrip())
    return "\n".join(lines)


def facts(pairs: Mapping[str, Any]) -> str:
    """Formats names and values, one per line; None is omitted.

    >>> print(facts({"name": "a", "version": None, "status": "x"}))
    name    a
    status  x
    """
    shown = {name: value for name, value in pairs.items() if value is not None}
    width = max(map(len, shown), default=0)
    return "\n".join(f"{name.ljust(width)}  {_colored(_cell(value))}" for name, value in shown.items())


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "yes" if value is True else "no" if value is False else readable(str(value))


def _colored(cell: str) -> str:
    color = _COLORS.get(cell.strip())
    return click.style(cell, fg=color) if color else cell
