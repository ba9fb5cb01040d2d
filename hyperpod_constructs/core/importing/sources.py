"""Reads files or folders of a source format: detects the format, merges files, and returns a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..documents import Document, read
from ..findings import Finding, InvalidSpec, Severity, errors
from .cluster_stack import import_cluster_stack
from .documents import FORMATS, format_of
from .draft import Draft
from .parameters import Stated
from .stack import import_stack, parameters_in
from .terraform import import_variables

_SUFFIXES = {".json", ".yaml", ".yml"}


def cluster_stack(file: Path, stated: Stated | None = None) -> Draft:
    """Imports a cluster-stack config.

    Raises:
        InvalidSpec: the file cannot be read, or has another format.
    """
    document = _read(file)
    if not isinstance(document.value, dict):
        raise InvalidSpec([_other(file, document.value, "cluster-stack")])
    comments = file.read_text(encoding="utf-8-sig")
    kind = format_of(document.value, comments)
    if kind != "cluster-stack" and not _few_keys(document.value):
        raise InvalidSpec([_other(file, document.value, "cluster-stack", comments)])
    return import_cluster_stack(document.value, stated, written=document.written)


def _few_keys(data: Mapping[str, Any]) -> bool:
    """Whether all keys belong to a cluster-stack config, for files with too few keys to detect the format."""
    from ..catalog import load

    entries = load("importing")["parameters"].values()
    return bool(data) and all(key in {entry.get("cli") for entry in entries} for key in data)


def stack(path: Path, stated: Stated | None = None) -> Draft:
    """Imports the parameters in a file, or in the files of a folder.

    Raises:
        InvalidSpec: there are no parameters, or two files set different values.
    """
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    found: dict[str, tuple[Any, Path]] = {}
    used: list[Path] = []
    problems: list[Finding] = []
    for file in files:
        document = _read(file)
        given = _parameters(document.value)
        if given is None:
            if not path.is_dir():
                raise InvalidSpec([_other(file, document.value, "stack")])
            continue
        used.append(file)
        for name, value in given.items():
            first_value, first_file = found.setdefault(name, (value, file))
            if first_value != value:
                message = f"{name} is {value!r} here, but {first_value!r} in {first_file}"
                problems.append(_finding(str(file), message, "Specify one file: hyperpod import stack FILE."))
    if problems:
        raise InvalidSpec(problems)
    if not used:
        message = "no file with parameters of the official CloudFormation templates"
        raise InvalidSpec(
            [_finding(str(path), message, "Specify the folder or file that is passed to `aws cloudformation`.")]
        )
    draft = import_stack({name: value for name, (value, _) in found.items()}, stated)
    draft.messages += [f"read: {', '.join(map(str, used))}"] if path.is_dir() else []
    return draft


def _parameters(content: Any) -> dict[str, Any] | None:
    """Returns the parameters in a parameter file, or the defaults in a template that `hyp create` wrote."""
    given = parameters_in(content)
    if given is None and isinstance(content, dict) and isinstance(content.get("Parameters"), dict):
        given = {
            name: entry["Default"]
            for name, entry in content["Parameters"].items()
            if isinstance(entry, dict) and "Default" in entry
        }
    return given if given is not None and format_of(given) == "stack" else None


def variables(texts: Sequence[tuple[str, Mapping[str, Any]]], stated: Stated | None = None) -> Draft:
    """Imports variables from several files; later files override earlier files, as in Terraform.

    Raises:
        InvalidSpec: a file has another format.
    """
    merged: dict[str, Any] = {}
    for name, content in texts:
        if format_of(content) not in (None, "tfvars"):
            raise InvalidSpec([_other(Path(name), content, "tfvars")])
        merged |= content
    draft = import_variables(merged, stated)
    unknown = [loss for loss in draft.losses if "not a name of this format" in loss]
    if not merged or len(unknown) == len(merged):
        raise InvalidSpec([_other(Path(texts[0][0]), merged, "tfvars")])
    return draft


def variables_of_json(file: Path) -> Mapping[str, Any]:
    """Reads a `.tfvars.json` file.

    Raises:
        InvalidSpec: the file cannot be read.
    """
    document = _read(file)
    if not isinstance(document.value, dict):
        raise InvalidSpec([_other(file, document.value, "tfvars")])
    return document.value


def not_hcl(file: Path, line: int | None, message: str) -> InvalidSpec:
    """Returns an error about a file that is not valid in Terraform's language."""
    finding = _finding(
        str(file), f"not a valid file of Terraform variables: {message}", "Run `terraform fmt` to find the line."
    )
    return InvalidSpec([finding.located(file=str(file), line=line, column=None)])


def _read(file: Path) -> Document:
    if file.suffix == ".tfvars":
        raise InvalidSpec([_other(file, None, "")])
    document = read(file)
    if errors(document.findings):
        raise InvalidSpec(document.findings)
    return document


def _other(file: Path, content: Any, source_format: str, comments: str | None = None) -> Finding:
    """Returns a finding about a file of another format, with the command that reads it."""
    from ..jobs.foreign import foreign

    found = foreign(content, file=str(file), comments=comments)
    if found is not None and f"`hyperpod import {source_format} " not in found.cure:
        return found.located(file=str(file), line=None, column=None)
    cure = "Run `hyperpod import -h` for the supported formats, or `hyperpod init` to write a new config."
    return _finding(str(file), f"does not contain {FORMATS[source_format]}", cure)


def _finding(file: str, message: str, cure: str) -> Finding:
    finding = Finding(rule="HP792", severity=Severity.ERROR, path="", message=message, cure=cure)
    return finding.located(file=file, line=None, column=None)
