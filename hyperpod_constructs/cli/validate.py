"""`hyperpod validate` and `hyperpod schema`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from ..core.rendering import FORMATS, Format, render

DEFAULT = "hyperpod.yaml"
Function = TypeVar("Function", bound=Callable[..., Any])


def findings_option(function: Function) -> Function:
    """Adds `-o text|json|yaml|markdown|sarif|github` to commands that print findings; `--format` is the same."""
    option = click.option(
        "-o",
        "--output",
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="Output format.",
    )
    return option(function)


@click.command(short_help="Validate configs and report all problems at once.")
@click.argument("configs", nargs=-1, metavar="[CONFIG]...", type=click.Path(path_type=Path))
@findings_option
def validate(configs: tuple[Path, ...], form: str) -> None:
    """Validate one or more configs, by default hyperpod.yaml. All problems are reported at once.

    Exit code: 0 without errors, 1 with errors, 2 for incorrect usage.
    """
    from ..core.config import load_all
    from ..core.findings import errors

    findings = load_all(configs or (Path(DEFAULT),)).findings
    click.echo(render(findings, cast(Format, form)))
    raise SystemExit(1 if errors(findings) else 0)


@click.command(short_help="Print the JSON Schema of the config.")
def schema() -> None:
    """Print the JSON Schema of the config, which editors use for completion and descriptions."""
    import json

    click.echo(json.dumps(json_schema(), indent=1))


def json_schema() -> dict[str, object]:
    """The JSON Schema of a config file: the platform's schema, in which a job can also be the path of a file."""
    from ..core.spec import Platform

    content = Platform.model_json_schema()
    jobs = content["properties"]["jobs"]
    jobs["items"] = {"anyOf": [{"type": "string", "description": "Path of a job file."}, {"type": "object"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **content}
