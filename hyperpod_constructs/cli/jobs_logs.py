"""`hyperpod jobs logs`."""

from __future__ import annotations

import queue
import shlex
import threading
from collections.abc import Iterator

import click

from ..core.terminal import readable
from .jobs_live import cluster_options, connected, job_named, job_options


@click.command()
@click.argument("name")
@click.option("--replica", help="Pods of this replica, such as worker or worker-1. Default: the first pod.")
@click.option("--pod", help="One pod by name.")
@click.option("--all", "everything", is_flag=True, help="All pods.")
@click.option("-f", "--follow", is_flag=True, help="Follow the log output.")
@click.option("--tail", type=click.IntRange(0), help="Print only this many of the last lines of each pod.")
@click.option("--since", type=click.IntRange(1), metavar="SECONDS", help="Print only the entries of the last SECONDS.")
@click.option("-p", "--previous", is_flag=True, help="Print the logs of the container before its last restart.")
@click.option("-c", "--container", help="Container. Default: the first.")
@job_options
@cluster_options
def logs(
    name: str,
    replica: str | None,
    pod: str | None,
    everything: bool,
    follow: bool,
    tail: int | None,
    since: int | None,
    previous: bool,
    container: str | None,
    namespace: str | None,
    kind: str | None,
    **where: str | None,
) -> None:
    """Print the logs of job NAME: of its first pod, a replica, one pod, or all pods, with pod names."""
    from ..live.operations.jobs import logs as log_lines
    from ..live.operations.jobs import pods

    if sum(map(bool, (replica, pod, everything))) > 1:
        raise click.UsageError("--replica, --pod and --all are mutually exclusive")
    with connected(**where) as api:
        found = pods(api, job_named(api, name, namespace, kind), replica=replica)
        if pod:
            found = [item for item in found if item["metadata"]["name"] == pod]
        if not found:
            what = pod or (f"pod of replica {replica}" if replica else "pod")
            listing = shlex.join(["hyperpod", "jobs", "pods", name])
            raise click.ClickException(f"job {name} has no {what}; `{listing}` lists its pods")
        if not everything and not replica:
            found = found[:1]
        options = {"tail": tail, "previous": previous, "container": container, "since_seconds": since}
        streams = [(pod["metadata"]["name"], log_lines(api, pod, follow=follow, **options)) for pod in found]  # type: ignore[arg-type]
        lines = (
            _interleaved(streams)
            if follow and len(streams) > 1
            else ((p, line) for p, stream in streams for line in stream)
        )
        for name_of_pod, line in lines:
            shown = readable(line, keep="\t")
            click.echo(f"[{readable(name_of_pod)}] {shown}" if len(streams) > 1 else shown)


def _interleaved(streams: list[tuple[str, Iterator[str]]]) -> Iterator[tuple[str, str]]:
    """Yields the lines of several streams as they arrive. A stream that fails ends the others."""
    arrived: queue.SimpleQueue[tuple[str, str | Exception | None]] = queue.SimpleQueue()

    def read(name: str, lines: Iterator[str]) -> None:
        try:
            for line in lines:
                arrived.put((name, line))
            arrived.put((name, None))
        except Exception as error:  # noqa: BLE001 - raised again by the reader
            arrived.put((name, error))

    for name, lines in streams:
        threading.Thread(target=read, args=(name, lines), daemon=True).start()
    open_streams = len(streams)
    while open_streams:
        name, line = arrived.get()
        if isinstance(line, Exception):
            raise line
        if line is None:
            open_streams -= 1
        else:
            yield name, line
