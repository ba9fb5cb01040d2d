"""`hyperpod import`: a hyperpod.yaml from another tool's config, or from what is deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .live import aws_options, in_words
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..core.importing.draft import Draft
    from ..core.importing.parameters import Stated
    from ..core.importing.result import Imported

Function = TypeVar("Function", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


@click.group("import")
def import_() -> None:
    """Write a hyperpod.yaml from another tool's config, or from what is deployed.

    What could not be kept is told on standard error and stands at the top of the file; what the source does not say is told
    as findings. Exit code: 0 when everything was kept and the file has no errors, 3 when you should look first, 1 when
    nothing could be imported.
    """


def written_options(function: Function) -> Function:
    """Where the file goes."""
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
    """What foreign files do not say."""
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
            help="Zone id of the network, or of each existing subnet in order; repeatable.",
        ),
        click.option("--account", help="AWS account id; default: that of the credentials at deployment."),
        click.option("--region", help="AWS region; default: what the source says."),
    ):
        function = option(function)
    return function


@import_.command("cluster-stack")
@click.argument("config", type=_PATH)
@_stated_options
@written_options
def cluster_stack(config: Path, output: Path, force: bool, **stated: Any) -> None:
    """The official CLI's cluster config (`hyp init cluster-stack`), of any of its versions."""
    from ..core.importing.sources import cluster_stack as draft

    _import(lambda: draft(config, _stated(stated)), f"{config}, a cluster-stack config", output, force)


@import_.command("stack")
@click.argument("folder", type=_PATH)
@_stated_options
@written_options
def stack(folder: Path, output: Path, force: bool, **stated: Any) -> None:
    """Parameter files of the official CloudFormation templates, in FOLDER or one file.

    The forms of the AWS CLI, of `aws cloudformation deploy`, of CodePipeline and of `hyp create` are read.
    """
    from ..core.importing.sources import stack as draft

    _exists(folder)
    _import(lambda: draft(folder, _stated(stated)), f"{folder}, CloudFormation parameters", output, force)


@import_.command("tfvars")
@click.argument("files", nargs=-1, required=True, type=_PATH)
@_stated_options
@written_options
def tfvars(files: tuple[Path, ...], output: Path, force: bool, **stated: Any) -> None:
    """Variables of the Terraform module of awsome-distributed-training. Later FILES win, as with -var-file.

    Needs the extra `import` of this package, which reads Terraform's language.
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
    """A HyperPod cluster that is deployed, with its EKS cluster, network, add-ons, teams and quotas.

    Only reads. A call that is not allowed is told, and the rest is read all the same. What a platform of this project made
    is described as such, the rest as existing; `hyperpod adopt` says how stacks take it over.
    """
    from ..core.importing.deployed import describe
    from ..core.importing.result import finished
    from ..core.terminal import readable
    from ..live.deployed import read
    from ..live.operations.aws import session

    refuse_to_replace(output, force)
    with in_words():
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
        raise click.ClickException(f"the extra `import` reads Terraform's language\n  fix: {cure}") from missing
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
    """Stop before anything is asked when the file is there."""
    if str(output) != "-" and output.exists() and not force:
        raise click.ClickException(f"{output} already exists; use --force to overwrite it")


def write_out(imported: Imported, output: Path) -> None:
    """Write the file, tell what was not kept and what is missing, and end with the exit code."""
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
        click.echo(readable(f"not kept: {loss}"), err=True)
    for finding in ordered(imported.findings):
        click.echo(str(finding), err=True)
    raise SystemExit(3 if imported.losses or errors(imported.findings) else 0)
