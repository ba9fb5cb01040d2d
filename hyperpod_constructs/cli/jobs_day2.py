"""`hyperpod jobs list|describe|pods|wait|suspend|resume|delete`: jobs in a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from ..core.terminal import readable
from .jobs_live import GOAL, KINDS, cluster_options, connected, follow, job_named, job_options
from .limit import SECONDS
from .live import emit, facts, output_option, table


def _age(created: str | None) -> str | None:
    from ..live.operations.jobs import age

    return age(created, datetime.now(UTC))


def _row(data: dict[str, Any], last: str) -> list[Any]:
    return [data["namespace"], data["name"], data["kind"], data[last]]


@click.command("list")
@click.option("-n", "--namespace", help="Namespace. Default: all.")
@click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces, which is the default.")
@click.option("--kind", type=click.Choice(KINDS), help="Kind of job. Default: all kinds except Kubernetes Jobs.")
@click.option("--state", help="Only jobs in this state, such as Running.")
@output_option
@cluster_options
def list_(
    namespace: str | None,
    all_namespaces: bool,
    kind: str | None,
    state: str | None,
    output: str,
    cluster: str | None,
    context: str | None,
    profile: str | None,
    region: str | None,
) -> None:
    """List HyperPodPyTorchJobs and PyTorchJobs, by default in all namespaces."""
    from ..live.operations.jobs import KINDS as ALL
    from ..live.operations.jobs import find_all, summary

    if namespace and all_namespaces:
        raise click.UsageError("--namespace and --all-namespaces are mutually exclusive")
    kinds = [ALL[kind]] if kind else [ALL["HyperPodPyTorchJob"], ALL["PyTorchJob"]]
    with connected(cluster, context, profile, region) as api:
        found = [summary(job) for job in find_all(api, namespace=namespace, kinds=kinds)]
    found = [job for job in found if state is None or job["state"] == state]
    head = ["NAMESPACE", "NAME", "KIND", "STATE", "REPLICAS", "QUEUE", "AGE"]
    rows = [[*_row(job, "state"), job["replicas"], job["queue"], _age(job["created"])] for job in found]
    emit(found, output, lambda: table(head, rows, empty="no training jobs"))


@click.command()
@click.argument("name")
@job_options
@output_option
@cluster_options
def describe(name: str, namespace: str | None, kind: str | None, output: str, **where: str | None) -> None:
    """Describe job NAME: its state, conditions, pods and events."""
    from ..live.operations.jobs import described

    with connected(**where) as api:
        found = described(api, job_named(api, name, namespace, kind))

    def text() -> str:
        shown = {key: value for key, value in found.items() if not isinstance(value, list)}
        parts = [facts(shown)]
        rows = [
            [condition["type"], condition["status"], condition["reason"], condition["message"]]
            for condition in found["conditions"]
        ]
        parts.append(table(["CONDITION", "STATUS", "REASON", "MESSAGE"], rows, empty="no conditions yet"))
        parts.append(_pods_table(found["pods"]))
        if found["events"]:
            rows = [[event["type"], event["reason"], event["count"], event["message"]] for event in found["events"]]
            parts.append(table(["EVENT", "REASON", "COUNT", "MESSAGE"], rows))
        return "\n\n".join(parts)

    emit(found, output, text)


@click.command()
@click.argument("name", required=False)
@click.option("--replica", help="Only pods of this replica, such as worker or worker-1.")
@job_options
@output_option
@cluster_options
def pods(
    name: str | None, replica: str | None, namespace: str | None, kind: str | None, output: str, **where: str | None
) -> None:
    """List the pods of job NAME; without a name, every pod of the cluster or namespace."""
    from ..live.operations.jobs import all_pods, pod_summary
    from ..live.operations.jobs import pods as pods_of

    if name is None and (replica or kind):
        raise click.UsageError("--replica and --kind require the name of a job")
    with connected(**where) as api:
        if name is None:
            listed = all_pods(api, namespace=namespace)
        else:
            listed = pods_of(api, job_named(api, name, namespace, kind), replica=replica)
        found = [pod_summary(pod) for pod in listed]
    emit(found, output, lambda: _pods_table(found))


def _pods_table(found: list[dict[str, Any]]) -> str:
    keys = ("namespace", "name", "state", "ready", "restarts", "node")
    rows = [[pod[key] for key in keys] + [_age(pod["created"])] for pod in found]
    return table(["NAMESPACE", "POD", "STATE", "READY", "RESTARTS", "NODE", "AGE"], rows, empty="no pods")


@click.command()
@click.argument("name")
@click.option("--for", "goal", type=GOAL, default="finished", show_default=True, help="State to wait for.")
@click.option("--timeout", type=SECONDS, default=3600, show_default=True, help="Seconds to wait.")
@job_options
@cluster_options
def wait(name: str, goal: str, timeout: float, namespace: str | None, kind: str | None, **where: str | None) -> None:
    """Wait until job NAME has started or finished. Exit code: 0 success, 1 the job failed, 3 timeout."""
    with connected(**where) as api:
        follow(api, job_named(api, name, namespace, kind), goal, timeout)


@click.command()
@click.argument("name")
@job_options
@cluster_options
def suspend(name: str, namespace: str | None, kind: str | None, **where: str | None) -> None:
    """Suspend job NAME: its pods are deleted, the job is retained. The workload of a queued job is deactivated."""
    _suspend(name, namespace, kind, where, suspended=True)


@click.command()
@click.argument("name")
@job_options
@cluster_options
def resume(name: str, namespace: str | None, kind: str | None, **where: str | None) -> None:
    """Resume the suspended job NAME; it continues from its last checkpoint."""
    _suspend(name, namespace, kind, where, suspended=False)


def _suspend(name: str, namespace: str | None, kind: str | None, where: dict[str, Any], *, suspended: bool) -> None:
    from ..live.operations.jobs import suspend as run

    with connected(**where) as api:
        job = job_named(api, name, namespace, kind)
        field = run(api, job, suspended=suspended)
    click.echo(readable(f"{job['metadata']['name']}: {'suspended' if suspended else 'resumed'} ({field})"))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@job_options
@cluster_options
def delete(names: tuple[str, ...], yes: bool, namespace: str | None, kind: str | None, **where: str | None) -> None:
    """Delete jobs with their pods."""
    from ..live.operations.jobs import delete as run
    from ..live.operations.jobs import state

    with connected(**where) as api:
        found = [job_named(api, name, namespace, kind) for name in names]
        titles = [f"{job['kind']} {job['metadata']['namespace']}/{job['metadata']['name']}" for job in found]
        if not yes:
            listed = ", ".join(f"{title} ({state(job)})" for title, job in zip(titles, found, strict=True))
            click.confirm(readable(f"Delete {listed}?"), abort=True, err=True)
        for title, job in zip(titles, found, strict=True):
            run(api, job)
            click.echo(readable(f"{title}: deleted"))
