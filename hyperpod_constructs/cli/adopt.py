"""`hyperpod adopt`: how stacks adopt a deployed cluster."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from ..core.plural import count
from .live import aws_options, emit, output_option, request_errors
from .validate import DEFAULT

if TYPE_CHECKING:
    from ..assembly.rehearsal.adopting import Proof
    from ..core.importing.adoption import Adoption
    from ..core.spec.platform import Platform

_PATH = click.Path(path_type=Path)


@click.command(short_help="Show how stacks adopt deployed resources, and prepare the import.")
@click.argument("config", default=DEFAULT, type=_PATH)
@click.option("--into", "folder", type=_PATH, default="adopt", show_default=True, help="Folder for the prepared files.")
@aws_options
@output_option
def adopt(config: Path, folder: Path, profile: str | None, region: str | None, output: str) -> None:
    """Compare CONFIG with the deployed resources, and prepare the import into its stacks. Makes no changes in AWS.

    Prints the identifier of each existing resource that a stack would create, and whether the first deployment after
    the import replaces it, in which case it cannot be adopted. Templates and identifiers for CloudFormation's import
    are written to a folder, with a mapping for `cdk import` if that command supports it. The import and the deployment
    after it are simulated as in `hyperpod rehearse`, which requires the `rehearse` extra. Exit code: 0 if nothing would
    be replaced and the deployment succeeds, 3 otherwise or if a request failed, 1 for a config with errors.
    """
    from ..assembly.rehearsal.adopting import prove
    from ..assembly.rehearsal.schemas import NoSchemas, schema
    from ..core.importing.adoption import adoption
    from ..core.stack_names import PLATFORM_TAG
    from ..live.deployed import read
    from ..live.operations.aws import session
    from .diff import _templates
    from .rehearse import _assembly

    platform = _platform(config)
    try:
        schema("AWS::EKS::Cluster", platform.region)
    except NoSchemas as missing:
        raise click.ClickException(str(missing)) from missing
    name = platform.completed_cluster.cluster_name or platform.name
    with request_errors():
        found = read(session(profile, region or platform.region), name)
    account = found.cluster["ClusterArn"].split(":")[4]
    with TemporaryDirectory() as scratch:
        app = _assembly(config, Path(scratch) / "app")
        templates = _templates(app)
        if found.stack in templates and PLATFORM_TAG in found.tags:
            click.echo(
                f"{name} was deployed by stack {found.stack} of this config: there is nothing to adopt. "
                "`hyperpod diff --deployed` compares its templates with the config"
            )
            return
        prepared = adoption(templates, found, region=platform.region, account=account)
        proof = prove(app, prepared, found, region=platform.region, account=account)
    written = _write(prepared, folder)
    for problem in found.failures.values():
        click.echo(f"not read: {problem}; fix: {problem.cure}", err=True)
    data = {
        "resources": [
            {
                "stack": takeover.stack,
                "logical_id": takeover.logical_id,
                "type": takeover.kind,
                "identifier": dict(takeover.identifier),
                "replaced": list(takeover.replaced),
                "changed": list(takeover.changed),
            }
            for takeover in prepared.takeovers
        ],
        "left": prepared.others,
        "new": prepared.new,
        "files": [str(file) for file in written],
        "rehearsal": {
            "ok": proof.ok,
            "stacks": {outcome.stack: outcome.status for outcome in proof.outcomes},
            "updated": proof.updated,
            "unchanged": proof.unchanged,
            "findings": [finding.as_dict() for finding in proof.findings],
        },
    }
    emit(data, output, lambda: _text(prepared, proof, folder, config))
    raise SystemExit(3 if prepared.refused or found.failures or not proof.ok else 0)


def _platform(config: Path) -> Platform:
    from ..core.config import load
    from ..core.findings import errors
    from ..core.rendering import text

    loaded = load(config)
    if loaded.platform is None or not loaded.ok:
        click.echo(text(errors(loaded.findings)), err=True)
        raise SystemExit(1)
    return loaded.platform


def _write(prepared: Adoption, folder: Path) -> list[Path]:
    """Writes the prepared files, and replaces those of an earlier run."""
    written = []
    for stack in prepared.stacks():
        files: dict[str, Any] = {
            f"{stack}.import.json": prepared.template(stack),
            f"{stack}.resources.json": prepared.resources(stack),
            f"{stack}.mapping.json": prepared.mapping(stack),
        }
        for name, content in files.items():
            if content is None:
                (folder / name).unlink(missing_ok=True)
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            except OSError as problem:
                raise click.ClickException(f"{folder / name} cannot be written: {problem.strerror}") from problem
            written.append(folder / name)
    return written


def _text(prepared: Adoption, proof: Proof, folder: Path, config: Path) -> str:
    from ..core.terminal import readable

    lines = []
    for takeover in prepared.takeovers:
        outcome = "WOULD BE REPLACED, not adopted" if takeover.replaced else "adopted"
        lines.append(f"{takeover.stack}: {takeover.name}: {outcome}")
        lines += [f"    replaced because of {text}" for text in takeover.replaced]
        lines += [f"    changed by the first deployment: {text}" for text in takeover.changed]
    lines += [f"not changed: {text}" for text in prepared.others]
    lines += [
        f"{stack}: the first deployment creates {count(number, 'other resource')}"
        for stack, number in prepared.new.items()
    ]
    if not prepared.takeovers:
        return "\n".join([*map(readable, lines), "no deployed resource matches a resource of this config's stacks"])
    lines += ["", *_proof_lines(proof), "", "run in this order:"]
    steps = []
    if prepared.owner and prepared.owner not in prepared.stacks():
        steps.append(
            f"set DeletionPolicy: Retain on the resources to adopt in {prepared.owner}, deploy, then remove them "
            "from the template and deploy again: a resource can belong to only one stack"
        )
    for stack in prepared.stacks():
        if stack == prepared.owner:  # already imported
            continue
        path, name = folder / stack, quote(stack)
        steps += [
            f"aws cloudformation create-change-set --stack-name {name} --change-set-name adopt --change-set-type IMPORT "
            f"--template-body {quote(f'file://{path}.import.json')} "
            f"--resources-to-import {quote(f'file://{path}.resources.json')}",
            f"aws cloudformation wait change-set-create-complete --stack-name {name} --change-set-name adopt",
            f"aws cloudformation execute-change-set --stack-name {name} --change-set-name adopt",
            f"aws cloudformation wait stack-import-complete --stack-name {name}",
        ]
        if prepared.mapping(stack) is not None:
            mapping = quote(f"{path}.mapping.json")
            steps.append(f"(or, instead of the last four steps: cdk import {name} --resource-mapping {mapping})")
    file = quote(str(config))
    steps.append(
        f"hyperpod adopt {file}: check that nothing is replaced; then hyperpod preflight {file} and cdk deploy"
    )
    return "\n".join(map(readable, [*lines, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]))


def _proof_lines(proof: Proof) -> list[str]:
    from ..core.findings import ordered
    from ..core.rendering import text

    result = "nothing is replaced or deleted" if proof.ok else "NOT safe"
    lines = [f"simulated: the import, then the deployment of {count(len(proof.outcomes), 'stack')}: {result}"]
    lines += [f"    {path}: not changed" for path in proof.unchanged]
    for path, found in proof.updated.items():
        names = dict.fromkeys(sentence.partition(":")[0] for sentence in found)
        lines.append(f"    {path}: updated in place: {', '.join(names)}")
    return [*lines, *(text(ordered(proof.findings)).splitlines() if proof.findings else [])]
