"""`hyperpod catalog`: show and refresh the facts of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hyperpod_constructs.core.catalog import UnknownName, _files

from .limit import limit_seconds, time_limit
from .live import emit, output_option, plain

_KINDS = ["instance-type", "region", "kubernetes", "addon", "endpoint"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def catalog() -> None:
    """Show and refresh the facts: instance types, regions, Kubernetes versions, add-ons, endpoints."""


@catalog.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name")
@output_option
def show(kind: str, name: str, output: str) -> None:
    """Print one entry, for example: show instance-type ml.p5.48xlarge. NAME can also be the config key of an add-on.

    A number in brackets marks an uncertain value; the reason is printed below.
    """
    from hyperpod_constructs.core.catalog._files import load
    from hyperpod_constructs.core.catalog.show import KINDS

    if kind == "addon":
        from hyperpod_constructs.core.spec.addons import ADDON_NAMES

        name = ADDON_NAMES.get(name, name)
    try:
        found = KINDS[kind].find(name)
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
    file = load(KINDS[kind].file)
    data = {**plain(found), "facts": {"date": file["date"], "source": file["source"]}}
    emit(data, output, lambda: KINDS[kind].render(found))


@catalog.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--region", help="Only instance types with a price in this region.")
@output_option
def list_(kind: str, region: str | None, output: str) -> None:
    """Print all entries of a kind in columns, for example: list instance-type --region us-west-2."""
    from hyperpod_constructs.core.catalog.show import entries, render_list

    if region and kind != "instance-type":
        raise click.UsageError("--region is valid only with instance-type")
    try:
        found = entries(kind, region)
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
    emit(found, output, lambda: render_list(kind, found))


@catalog.command()
@click.option("--live", is_flag=True, help="Also query AWS, read-only, with your credentials.")
@click.option("--prices", is_flag=True, help="Query the AWS price list for HyperPod instances, with your credentials.")
@click.option("--region", help="AWS region for --live. Default: the region of your AWS configuration.")
@click.option("--profile", help="Profile of your AWS configuration.")
@click.option("--write", is_flag=True, help="Write the files. Without it, only print the changes.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the differences to this folder instead, for facts.folder of a config; existing files are updated.",
)
@output_option
def refresh(
    live: bool,
    prices: bool,
    region: str | None,
    profile: str | None,
    write: bool,
    into: Path | None,
    output: str,
) -> None:
    """Derive facts from their sources, and print those that differ from the packaged ones.

    Reads botocore's service models and cfn-lint's schemas (install the `refresh` extra). Exit code 0 if nothing differs
    or the files were written, 1 if something differs.
    """
    if not live and (region or (profile and not prices)):
        raise click.UsageError("--region requires --live; --profile requires --live or --prices")
    from hyperpod_constructs.core.facts import InvalidFacts, use_facts
    from hyperpod_constructs.core.spec import Facts
    from hyperpod_constructs.live.facts import refresh as module
    from hyperpod_constructs.live.operations.aws import session as aws_session

    if write and into is None and not _is_checkout():
        raise click.UsageError(
            "--write would change the files of the installed package; use --into FOLDER to write your own"
        )
    if into is not None and any(into.glob("*.json")):
        try:
            use_facts(Facts(folder=str(into)))
        except InvalidFacts as problem:
            raise click.ClickException(str(problem)) from problem
    try:
        session = _session(region, profile) if live else None
        prices_from = aws_session(profile, region) if prices else None
        with time_limit(limit_seconds()):
            outcome = module.refresh(session, session.region_name if session else None, prices_from=prices_from)
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'hyperpod-constructs[refresh]'"
        ) from error
    except Exception as error:
        if type(error).__module__.startswith("botocore."):
            raise click.ClickException(f"the AWS request failed: {error}") from error
        raise
    for remark in outcome.remarks:
        click.echo(f"note: {remark}", err=True)
    must_write = bool(outcome.differences) and (write or into is not None)
    written = [f"{name}.json" for name in module.write(outcome, into)] if must_write else []
    count = len(outcome.differences)

    def text() -> str:
        if not count:
            return "The facts match their sources."
        last = f"{count} fact{'s differ' if count > 1 else ' differs'}. Use --write to update the files."
        if written:
            where = f" into {into}; set facts.folder in the config to it" if into else ""
            last = f"Wrote {', '.join(written)}{where}."
        return f"{module.table(outcome.differences)}\n{last}"

    emit({"differences": outcome.differences, "written": written}, output, text)
    if count and not written:
        raise click.exceptions.Exit(1)


def _is_checkout() -> bool:
    """Whether the data files belong to a repository checkout, not to an installed package."""
    return (_files.DATA.parents[3] / "pyproject.toml").is_file()


def _session(region: str | None, profile: str | None) -> Any:
    from hyperpod_constructs.live.operations.aws import session as aws_session

    session = aws_session(profile, region)
    if session.region_name is None:
        raise click.UsageError("no region: use --region, set AWS_REGION, or set one in your AWS configuration")
    return session
