"""`hyperpod import`: writes a hyperpod.yaml from another tool's config, or from deployed resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .live import aws_options, request_errors
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..core.importing.draft import Draft
    from ..core.importing.parameters import Stated
    from ..core.importing.result import Imported

Function = TypeVar("Function", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


@click.group("import")
def import_() -> None:
    """Write a hyperpod.yaml from another tool's config, or from deployed resources.

    Parts that could not be imported are printed on standard error and listed at the top of the file; values that the
    source does not set are reported as findings. Exit code: 0 if everything was imported and the file has no errors, 3
    if you should review it first, 1 if nothing could be imported.
    """


def written_options(function: Function) -> Function:
    """Adds the options of the output file."""
    function = click.option("--force", is_flag=True, help="Overwrite an existing file.")(function)
    option = click.option(
        "-o",
        "--output",
        type=_PATH,
        default=DEFAULT,
        show_default=True,
        help="File to write; - for standard output.",
    )
    return option(function)


def _stated_options(function: Function) -> Function:
    """Adds options for values that source files do not contain."""
    for option in (
        click.option(
            "--admin",
            "admins",
            multiple=True,
            metavar="ARN",
            help="ARN of an IAM role or user with cluster-admin access; repeatable.",
        ),
        click.option(
            "--zone",
            "zones",
            multiple=True,
            metavar="ID",
            help="Zone ID of the network, or of each existing subnet in order; repeatable.",
        ),
        click.option("--account", help="AWS account ID. Default: the account of the credentials at deployment."),
        click.option("--region", help="AWS region. Default: the source's."),
    ):
        function = option(function)
    return function


@import_.command("cluster-stack")
@click.argument("config", type=_PATH)
@_stated_options
@written_options
def cluster_stack(config: Path, output: Path, force: bool, **stated: Any) -> None:
    """Import a cluster config of the official CLI (`hyp init cluster-stack`), of any version."""
    from ..core.importing.sources import cluster_stack as draft

    _import(lambda: draft(config, _stated(stated)), f"{config}, a cluster-stack config", output, force)


@import_.command("stack")
@click.argument("folder", type=_PATH)
@_stated_options
@written_options
def stack(folder: Path, output: Path, force: bool, **stated: Any) -> None:
    """Import parameter files of the official CloudFormation templates. FOLDER can also be one file.

    The formats of the AWS CLI, of `aws cloudformation deploy`, of CodePipeline and of `hyp create` are supported.
    """
    from ..core.importing.sources import stack as draft

    _exists(folder)
    _import(lambda: draft(folder, _stated(stated)), f"{folder}, CloudFormation parameters", output, force)


@import_.command("tfvars")
@click.argument("files", nargs=-1, required=True, type=_PATH)
@_stated_options
@written_options
def tfvars(files: tuple[Path, ...], output: Path, force: bool, **stated: Any) -> None:
    """Import variables of the Terraform module of awsome-distributed-training.

    Later FILES override earlier ones, as with -var-file. Requires the `import` extra of this package, which parses
    Terraform's language.
    """
    from ..core.importing.sources import variables

    origin = f"{', '.join(map(str, files))}, Terraform variables"
    _import(
        lambda: variables([(str(file), _variables(file)) for file in files], _stated(stated)), origin, output, force
    )


@import_.command("live")
@click.option("--cluster-name", required=True, help="Name of the HyperPod cluster.")
@aws_options
@written_options
def live(cluster_name: str, profile: str | None, region: str | None, output: Path, force: bool) -> None:
    """Import a deployed HyperPod cluster, with its EKS cluster, network, add-ons, teams and quotas.

    Read-only. Denied requests are reported, and the import continues without their data. Resources that this library
    deployed are imported as managed, others as existing; `hyperpod adopt` shows how stacks adopt them.
    """
    from ..core.importing.deployed import describe
    from ..core.importing.result import finished
    from ..core.terminal import readable
    from ..live.deployed import read
    from ..live.operations.aws import session

    refuse_to_replace(output, force)
    with request_errors():
        try:
            found = read(session(profile, region), cluster_name)
        except ValueError as wrong:
            raise click.ClickException(readable(str(wrong))) from wrong
    draft = describe(found)
    for problem in found.failures.values():
        draft.losses.append(f"{problem}; fix: {problem.cure}")
    file = DEFAULT if str(output) == "-" else str(output)
    write_out(finished(draft, origin=f"the HyperPod cluster {cluster_name}", file=file), output)


def _variables(file: Path) -> Mapping[str, Any]:
    """The variables of a file as plain data."""
    from ..core.importing.sources import not_hcl, variables_of_json

    _exists(file)
    if file.suffix in (".json", ".yaml", ".yml"):
        return variables_of_json(file)
    try:
        import hcl2
        from lark.exceptions import LarkError
    except ImportError as missing:
        cure = "pip install 'hyperpod-constructs[import]'"
        raise click.ClickException(
            f"the `import` extra is required to parse Terraform's language\n  fix: {cure}"
        ) from missing
    options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
    try:
        text = file.read_text(encoding="utf-8-sig")
        content: dict[str, Any] = hcl2.loads(text + "\n", serialization_options=options)
    except LarkError as problem:
        message = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise not_hcl(file, getattr(problem, "line", None), message) from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise not_hcl(file, None, str(problem)) from problem
    return content


def _exists(path: Path) -> None:
    if not path.exists():
        raise click.ClickException(f"{path}: no such file or folder")


def _stated(options: Mapping[str, Any]) -> Stated:
    from ..core.importing.parameters import Stated

    return Stated(**options)


def _import(make: Callable[[], Draft], origin: str, output: Path, force: bool) -> None:
    from ..core.findings import InvalidSpec
    from ..core.importing.result import finished

    refuse_to_replace(output, force)
    try:
        draft = make()
    except InvalidSpec as invalid:
        for finding in invalid.findings:
            click.echo(str(finding), err=True)
        raise SystemExit(1) from None
    write_out(finished(draft, origin=origin, file=DEFAULT if str(output) == "-" else str(output)), output)


def refuse_to_replace(output: Path, force: bool) -> None:
    """Raises an error if the file exists, before requests are sent to AWS."""
    if str(output) != "-" and output.exists() and not force:
        raise click.ClickException(f"{output} already exists; use --force to overwrite it")


def write_out(imported: Imported, output: Path) -> None:
    """Writes the file, prints losses and missing values, and exits with the exit code."""
    from ..core.findings import errors, ordered
    from ..core.terminal import readable

    if str(output) == "-":
        click.echo(imported.text, nl=False)
    else:
        try:
            output.write_text(imported.text, encoding="utf-8")
        except OSError as problem:
            raise click.ClickException(f"{output} cannot be written: {problem.strerror}") from problem
        click.echo(f"wrote {output}", err=True)
    for text in imported.messages:
        click.echo(readable(f"note: {text}"), err=True)
    for loss in imported.losses:
        click.echo(readable(f"not imported: {loss}"), err=True)
    for finding in ordered(imported.findings):
        click.echo(str(finding), err=True)
    raise SystemExit(3 if imported.losses or errors(imported.findings) else 0)
