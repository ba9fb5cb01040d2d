"""`hyperpod context`: configure kubectl for a cluster."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..core.terminal import paragraph, readable
from .live import aws_options, emit, facts, output_option, request_errors


@click.group()
def context() -> None:
    """Configure the cluster that kubectl, helm and the job commands use."""


@context.command("set")
@click.argument("cluster")
@click.option("--eks", "is_eks", is_flag=True, help="CLUSTER is the name of an EKS cluster.")
@click.option("--namespace", help="Namespace of the context.")
@click.option("--alias", help="Name of the context. Default: the EKS cluster's ARN.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="File to write. Default: KUBECONFIG or ~/.kube/config."
)
@aws_options
def set_(
    cluster: str,
    is_eks: bool,
    namespace: str | None,
    alias: str | None,
    kubeconfig: Path | None,
    profile: str | None,
    region: str | None,
) -> None:
    """Add the HyperPod cluster CLUSTER to the kubeconfig and make it the current context.

    The context requests tokens with `aws eks get-token`, like contexts of `aws eks update-kubeconfig`. Other contexts
    are not changed, and a context with the same name for another cluster is not overwritten.
    """
    from ..live.operations import kubeconfig as files

    with request_errors():
        found, where = eks_cluster(cluster, is_eks, profile, region)
    if not found.get("endpoint"):
        raise click.ClickException(
            readable(f"EKS cluster {found['name']} is {found['status']} and has no endpoint yet")
        )
    new = files.entries(found, region=where, profile=profile, namespace=namespace, alias=alias)
    file = kubeconfig or files.path()
    try:
        files.write(file, files.merged(files.read(file), new))
    except files.NameTaken as error:
        cure = "choose another --alias, or delete that context with kubectl config delete-context"
        raise click.ClickException(paragraph(f"{file}: {error}\n  fix: {cure}")) from error
    except files.UnusableKubeconfig as error:
        raise click.ClickException(paragraph(str(error))) from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
    click.echo(readable(f"kubectl now uses {found['name']} (context {new['current-context']} in {file})."))


@context.command()
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="File to read. Default: KUBECONFIG or ~/.kube/config."
)
@output_option
def show(kubeconfig: Path | None, output: str) -> None:
    """Show the current context. Exit code 1 if there is none."""
    from ..live.operations import kubeconfig as files

    file = kubeconfig or files.path()
    try:
        current = files.current(files.read(file))
    except files.UnusableKubeconfig as error:
        raise click.ClickException(str(error)) from error
    if current is None:
        raise click.ClickException(f"{file} has no current context; set one with `hyperpod context set CLUSTER`")
    data = asdict(current)
    emit(data, output, lambda: facts({**data, "file": file}))


def eks_cluster(name: str, is_eks: bool, profile: str | None, region: str | None) -> tuple[dict[str, Any], str]:
    """Returns the EKS cluster of a HyperPod cluster, or the EKS cluster of that name, and its region."""
    from ..live.operations.aws import config, session
    from ..live.operations.clusters import eks_name

    live = session(profile, region)
    if not is_eks:
        found = live.client("sagemaker", config=config()).describe_cluster(ClusterName=name)
        orchestrator = eks_name(found)
        if orchestrator is None:
            raise click.ClickException(f"{name} is orchestrated by Slurm: this command requires EKS orchestration")
        name = orchestrator
    eks = live.client("eks", config=config())
    return eks.describe_cluster(name=name)["cluster"], eks.meta.region_name
