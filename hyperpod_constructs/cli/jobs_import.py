"""`hyperpod jobs import` and `hyperpod jobs diff`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.findings import Finding, errors, ordered
from ..core.plural import count
from .live import emit, output_option

if TYPE_CHECKING:
    from ..core.jobs.importing import Difference, Imported
    from ..core.jobs.importing.importer import ImportedJob

_FILE = click.Path(path_type=Path)
_set = click.option(
    "--set",
    "stated",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of ${NAME} in a template; repeatable.",
)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "-o", "--output", type=_FILE, help="Folder to write to: one file per job, and one for its companion objects."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@_set
def import_(files: tuple[Path, ...], output: Path | None, force: bool, stated: tuple[str, ...]) -> None:
    """Convert FILES to job files: job manifests, and configs of `hyp` and of the former `start-job` command.

    Template variables get their values from --set and from the environment. Variables that occur only in commands are
    not replaced, so that the shell in the container expands them, unless --set sets them. Parts that could not be
    imported are listed on standard error, with exit code 1.
    """
    equal = True
    texts: list[tuple[str, str]] = []
    for file in files:
        imported = _imported(file, stated)
        for job in imported.jobs:
            texts.append((f"{job.name}.yaml", job.text))
            equal = _report(file, job) and equal
        if imported.companions:
            names = ", ".join(
                f"{companion['kind']} {(companion.get('metadata') or {}).get('name')}"
                for companion in imported.companions
            )
            where = f"{file.stem}-companions.yaml"
            if output is None:
                click.echo(f"{file}: {names}: not jobs; use --output to write them to {where}", err=True)
            else:
                from ..core.jobs.text import to_yaml

                texts.append((where, to_yaml(imported.companions)))
                click.echo(
                    f"{file}: {names}: written to {where} unchanged; list it in the config under `manifests`", err=True
                )
    if output is None:
        click.echo("---\n".join(text for _, text in texts), nl=False)
    else:
        _write(output, texts, force)
    sys.exit(0 if equal else 1)


@click.command()
@click.argument("manifest", type=_FILE)
@click.argument("jobfile", type=_FILE)
@_set
@output_option
def diff(manifest: Path, jobfile: Path, stated: tuple[str, ...], output: str) -> None:
    """Show the differences in meaning between the jobs of JOBFILE and of MANIFEST, field by field.

    Exit code: 0 if they are equivalent, 1 if not. Values that this library adds to every job (the hash in the name, the
    label `app`, the queue of the pods) are listed but do not count as differences.
    """
    from ..core.jobs.files import read_jobs
    from ..core.jobs.importing import compare
    from ..core.jobs.manifest import manifest_of

    ours = read_jobs(jobfile)
    _print_findings([finding for loaded in ours for finding in loaded.findings if loaded.job is None])
    rendered = [manifest_of(loaded.job) for loaded in ours if loaded.job is not None]
    source_jobs = _manifests(manifest, stated)
    if len(source_jobs) != len(rendered):
        raise click.ClickException(f"{manifest} has {count(len(source_jobs), 'job')}, {jobfile} has {len(rendered)}")
    differences: list[Difference] = []
    for before, after in zip(source_jobs, rendered, strict=True):
        differences += compare(before, after)
    found = [difference for difference in differences if not difference.expected]

    def text() -> str:
        return "\n".join(
            f"{'  ' if difference.expected else ''}{difference}{'  (expected)' if difference.expected else ''}"
            for difference in differences
        )

    if differences or output != "text":
        emit(
            [{"difference": str(difference), "expected": difference.expected} for difference in differences],
            output,
            text,
        )
    if not found:
        click.echo("equivalent", err=True)
    sys.exit(1 if found else 0)


def _manifests(file: Path, stated: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The manifests of the jobs in a file; for a config of the official CLI, the rendered manifests."""
    from ..core.jobs.manifest import manifest_of

    jobs = _imported(file, stated).jobs
    manifests = [job.manifest or (manifest_of(job.job) if job.job is not None else None) for job in jobs]
    return [manifest for manifest in manifests if manifest is not None]


def _imported(file: Path, stated: tuple[str, ...]) -> Imported:
    from ..core.jobs.importing import import_text

    imported = import_text(_text(file), file=str(file), stated=_pairs(stated), environment=os.environ)
    assert imported.filled is not None
    if imported.filled.missing:
        names = imported.filled.missing
        options = " ".join(f"--set {name}=..." for name in names)
        raise click.ClickException(f"{file} is a template without a value for {', '.join(names)}\n  fix: {options}")
    _print_findings(imported.findings)
    if imported.filled.left:
        left = ", ".join(f"${name}" for name in imported.filled.left)
        click.echo(f"{file}: not replaced (expanded by the shell in the container): {left}", err=True)
    return imported


def _text(file: Path) -> str:
    from ..core.documents import read_all

    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        _print_findings([finding for document in read_all(file) for finding in document.findings])
        raise


def _pairs(stated: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in stated:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--set {text!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _print_findings(found: list[Finding]) -> None:
    for finding in ordered(found):
        click.echo(str(finding), err=True)
    if errors(found):
        sys.exit(1)


def _report(file: Path, job: ImportedJob) -> bool:
    """Prints the result of an import; returns whether the job is equivalent."""
    for finding in ordered(job.findings):
        click.echo(f"{file}: {finding}", err=True)
    for loss in job.losses:
        click.echo(f"{file}: {job.name}: not imported: {loss}", err=True)
    for difference in job.differences:
        if difference.expected:
            click.echo(f"{file}: {job.name}: {difference}", err=True)
    if job.is_equal:
        click.echo(f"{file}: {job.name}: equivalent", err=True)
    return job.is_equal


def _write(folder: Path, texts: list[tuple[str, str]], force: bool) -> None:
    existing_files = [folder / name for name, _ in texts if (folder / name).exists()]
    if existing_files and not force:
        raise click.ClickException(f"{', '.join(map(str, existing_files))} already exists; use --force to overwrite it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts:
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.ClickException(f"{folder} cannot be written: {problem.strerror}") from problem
    for name, _ in texts:
        click.echo(f"wrote {folder / name}", err=True)
