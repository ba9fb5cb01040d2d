"""Options of the job commands that connect to a cluster: cluster, namespace and job."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.terminal import paragraph, readable
from .limit import limited
from .live import request_errors

if TYPE_CHECKING:
    from ..live.operations.kubernetes import Kubernetes

Function = TypeVar("Function", bound=Callable[..., Any])

GOAL = click.Choice(["started", "finished"])
KINDS = ("HyperPodPyTorchJob", "PyTorchJob", "Job")


def cluster_options(function: Function) -> Function:
    """Adds `--cluster-name`, `--context`, `--profile` and `--region`, passed to the function as `where`.

    The duration of the command is limited (`limit.limited`).
    """
    function = limited(function)
    for option in (
        click.option("--region", help="AWS region, with --cluster-name."),
        click.option("--profile", help="Profile of your AWS configuration, with --cluster-name."),
        click.option("--context", help="Context of the kubeconfig. Default: the current one."),
        click.option(
            "--cluster-name",
            "cluster",
            metavar="NAME",
            help="HyperPod cluster to use, without a kubeconfig.",
        ),
    ):
        function = option(function)
    return function


def job_options(function: Function) -> Function:
    """Adds `--namespace` and `--kind`."""
    function = click.option("--kind", type=click.Choice(KINDS), help="Kind of job. Default: any.")(function)
    return click.option("-n", "--namespace", help="Namespace. Default: all.")(function)


@contextmanager
def connected(
    cluster: str | None, context: str | None, profile: str | None, region: str | None
) -> Iterator[Kubernetes]:
    """The connection to the cluster; its errors become messages with exit code 1."""
    from ..live.operations.jobs import NoSuchJob
    from ..live.operations.kubernetes import KubernetesError, by_eks, by_kubeconfig

    if cluster and context:
        raise click.UsageError("--cluster-name and --context are mutually exclusive")
    if not cluster and (profile or region):
        raise click.UsageError("--profile and --region require --cluster-name")
    try:
        if not cluster:
            yield by_kubeconfig(context)
            return
        from ..live.operations.aws import session
        from .context import eks_cluster

        with request_errors():
            found, where = eks_cluster(cluster, False, profile, region)
        yield by_eks(found, session(profile, where))
    except NoSuchJob as error:
        raise click.ClickException(paragraph(str(error))) from error
    except KubernetesError as error:
        cure = f"\n  fix: {error.cure}" if error.cure else ""
        raise click.ClickException(paragraph(f"{error.reason}: {error}{cure}")) from error


def job_named(api: Kubernetes, name: str, namespace: str | None, kind: str | None) -> dict[str, Any]:
    """The job with a name, optionally of one namespace or kind."""
    from ..live.operations.jobs import KINDS as ALL
    from ..live.operations.jobs import find

    return find(api, name, namespace=namespace, kind=ALL[kind] if kind else None)


def follow(api: Any, job: dict[str, Any], goal: str, timeout: float) -> None:
    """Prints each state of a job until it reaches the goal; exits with 1 if the job fails, with 3 on timeout."""
    from ..live.operations.jobs import JobFailed, TimedOut
    from ..live.operations.jobs import wait as run

    name = job["metadata"]["name"]
    try:
        for state in run(api, job, goal, timeout_seconds=timeout, now=time.monotonic, sleep=time.sleep):  # type: ignore[arg-type]
            click.echo(readable(f"{name}: {state}"), err=True)
    except JobFailed as error:
        command = shlex.join(["hyperpod", "jobs", "logs", name])
        raise click.ClickException(paragraph(f"{name} failed: {error}\n  fix: {command}")) from error
    except TimedOut as error:
        click.echo(readable(f"Error: {error}"), err=True)
        raise SystemExit(3) from error
