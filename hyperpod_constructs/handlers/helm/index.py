"""`Custom::HyperPodHelmRelease`: Create, Update and Delete of one Helm release in an EKS cluster.

The framework of `custom_resources.Provider` calls `handler`, responds to CloudFormation, and reports an exception as
the reason of a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..kubernetes.eks import reach
from ..kubernetes.errors import ApiError
from ..shared.eks import ClusterAccess, ClusterGone, cluster_access
from ..shared.ownership import Foreign, owner
from .binary import LAYER_BINARY, Helm, HelmError
from .cluster import ClusterHelm
from .errors import ChartError
from .records import Event
from .release import Release, Runner
from .retries import ReleaseChanged, is_unauthorized, with_retries
from .secrets import redactor
from .source import obtain, pull_subchart
from .subcharts import drop_duplicates, resolve
from .yaml_by_helm import reader

_MAX_MESSAGE = 1400  # bytes; CloudFormation accepts 4 KB for the whole response, and shows about a third of it
_RESPONSE_SECONDS = 20.0  # reserved for the function's response


class ReleaseFailed(Exception):
    """The failure reason that CloudFormation shows."""


@dataclass(frozen=True)
class Properties:
    """The resource's properties. CloudFormation converts every value to a string."""

    cluster: str
    release: str
    namespace: str
    chart: Mapping[str, Any]
    subchart_digests: Mapping[str, str]
    allow_unpinned_subcharts: bool
    values: Mapping[str, Any]
    values_files: Sequence[str]
    insertions: Sequence[Mapping[str, str]]
    skip_crds: bool
    create_namespace: bool
    wait: bool
    timeout_seconds: int
    adopt: bool | None
    """None: a version of this library that did not mark releases created the resource."""

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Properties:
        """Reads the properties of an event."""

        def switch(name: str) -> bool:
            return str(properties.get(name, "false")).lower() == "true"

        return cls(
            cluster=properties["ClusterName"],
            release=properties["Release"],
            namespace=properties["Namespace"],
            chart=properties["Chart"],
            subchart_digests=properties.get("SubchartDigests") or {},
            allow_unpinned_subcharts=switch("AllowUnpinnedSubcharts"),
            values=json.loads(properties.get("Values") or "{}"),
            values_files=properties.get("ValuesFiles") or [],
            insertions=properties.get("Insertions") or [],
            skip_crds=switch("SkipCrds"),
            create_namespace=switch("CreateNamespace"),
            wait=switch("Wait"),
            timeout_seconds=int(properties.get("TimeoutSeconds") or 300),
            adopt=switch("Adopt") if "Adopt" in properties else None,
        )

    def is_same(self, other: Properties) -> bool:
        """Whether both refer to the same release."""
        return self.physical_id == other.physical_id

    @property
    def physical_id(self) -> str:
        """Cluster, namespace and release: a change of any of them is a replacement, and the former release is deleted."""
        return f"{self.cluster}/{self.namespace}/{self.release}"


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    print(f"{event['RequestType']} {event.get('LogicalResourceId', '')} {event.get('PhysicalResourceId', '')}".strip())
    end = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _RESPONSE_SECONDS
    return handle(event, seconds_left=lambda: end - time.monotonic())


def handle(
    event: Mapping[str, Any],
    *,
    seconds_left: Callable[[], float],
    access: Callable[[str], ClusterAccess] = cluster_access,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
    executable: str | None = None,
) -> dict[str, Any]:
    """Executes the event.

    Raises:
        ReleaseFailed: with the release, the operation, and the error of helm or of the chart's source.
    """
    wanted = Properties.of(event["ResourceProperties"])
    work = Path(tempfile.mkdtemp(prefix="helm-"))  # readable by this process only
    former = event.get("OldResourceProperties")
    redact = redactor({"new": wanted.values, "old": Properties.of(former).values if former else {}})
    binary = executable or os.environ.get("HELM", LAYER_BINARY)
    helm = Helm(work, executable=binary, seconds_left=seconds_left, redact=redact)
    run = Run(event, work, helm, access, sleep, now)
    try:
        return run.delete(wanted) if event["RequestType"] == "Delete" else run.apply(wanted)
    except (ChartError, HelmError, ApiError, ReleaseChanged, Foreign, ClusterGone, BotoCoreError, ClientError) as error:
        done = {"Create": "installed", "Update": "upgraded", "Delete": "uninstalled"}[event["RequestType"]]
        raise ReleaseFailed(
            _short(
                f"Helm release {wanted.release} in namespace {wanted.namespace} of cluster {wanted.cluster} was not "
                f"{done}: {redact(str(error)) if isinstance(error, ApiError) else error}{_fix(error)}"
            )
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class Run:
    """One event and its dependencies."""

    event: Mapping[str, Any]
    work: Path
    helm: Helm
    access: Callable[[str], ClusterAccess]
    sleep: Callable[[float], None]
    now: Callable[[], float]

    def apply(self, wanted: Properties) -> dict[str, Any]:
        """Handles Create and Update."""
        chart, values = self.prepared(wanted)
        revision = self._release(wanted).install(
            chart,
            values,
            skip_crds=wanted.skip_crds,
            create_namespace=wanted.create_namespace,
            wait=wanted.wait,
            timeout_seconds=wanted.timeout_seconds,
        )
        before = self.event.get("OldResourceProperties")
        if before:
            self._release_former(Properties.of(before), wanted)
        return {"PhysicalResourceId": wanted.physical_id, "Data": {"Revision": str(revision)}}

    def prepared(self, wanted: Properties) -> tuple[Path, list[Path]]:
        """Returns the chart, verified and complete, and the values files."""
        chart = obtain(wanted.chart, self.work, self.helm, sleep=self.sleep)
        return chart, prepare(chart, wanted, self.work, self.helm, self.sleep)

    def runner(self, wanted: Properties) -> Runner:
        """Returns helm with the connection to the cluster. Raises `ClusterGone`."""
        connect = partial(reach, partial(self.access, wanted.cluster))
        access = with_retries(connect, seconds_left=self.helm.seconds_left, sleep=self.sleep)
        return ClusterHelm(self.helm, access, self.work)

    def delete(self, wanted: Properties) -> dict[str, Any]:
        """Handles Delete; returns the given physical id, which CloudFormation may have generated."""
        try:
            self._release(wanted).uninstall(wait=wanted.wait, timeout_seconds=wanted.timeout_seconds)
        except ClusterGone as error:
            print(f"{error}: the release was deleted with it")
        return {"PhysicalResourceId": self.event.get("PhysicalResourceId") or wanted.physical_id}

    def _release_former(self, before: Properties, wanted: Properties) -> None:
        """Uninstalls or restores the release of an Update whose response was lost: no Delete follows for it."""
        if self.event.get("PhysicalResourceId") not in (None, before.physical_id) and not before.is_same(wanted):
            print(f"{before.physical_id} was created by an update whose response CloudFormation did not receive")
            self.delete(before)

    def _release(self, wanted: Properties) -> Release:
        event = Event(
            me=owner(self.event.get("StackId", ""), self.event.get("LogicalResourceId", ""), wanted.physical_id),
            request=self.event.get("RequestId", ""),
            adopt=bool(wanted.adopt),
            former=self._is_former(wanted),
        )
        helm = self.runner(wanted)
        return Release(wanted.release, wanted.namespace, helm, event, sleep=self.sleep, now=self.now)

    def _is_former(self, wanted: Properties) -> bool:
        """Whether the version without marks installed this release for this resource.

        Its properties lack `Adopt`, and it returned the release as the physical id, which CloudFormation includes in events.
        """
        known = Properties.of(self.event.get("OldResourceProperties") or self.event["ResourceProperties"])
        physical_id = self.event.get("PhysicalResourceId")
        return known.adopt is None and physical_id == known.physical_id and known.is_same(wanted)


def _fix(error: Exception) -> str:
    """Returns the fix if the function has lost access to the cluster."""
    if not is_unauthorized(error):
        return ""
    return (
        ". If the access entry of the function's role was deleted before this resource, recreate it (aws eks "
        "create-access-entry, with the policy AmazonEKSClusterAdminPolicy) and retry the operation"
    )


def prepare(chart: Path, wanted: Properties, work: Path, helm: Helm, sleep: Callable[[float], None]) -> list[Path]:
    """Completes a verified chart with its sub-charts, and writes the values; later values files take precedence."""
    for insertion in wanted.insertions:
        try:
            insert_line(chart, insertion["Path"], after=insertion["After"], line=insertion["Line"])
        except ChartError as error:
            if str(insertion.get("Optional", "")).lower() != "true":
                raise
            print(f"skipped: {error}")
    files = [_inside(chart, name) for name in wanted.values_files]
    missing = [name for name, file in zip(wanted.values_files, files, strict=True) if not file.is_file()]
    if missing:
        raise ChartError(f"the chart has no file {', '.join(map(repr, missing))}")
    # one call, because helm starts slowly; the packages that are removed are not read
    read_yaml = reader(chart, helm, work)
    for name in drop_duplicates(chart, read_yaml=read_yaml):
        print(f"skipped {name}: charts/ contains the same chart as a folder")

    resolve(
        chart,
        wanted.values,
        read_yaml=read_yaml,
        pull=lambda dependency, into: pull_subchart(dependency, into, helm, sleep=sleep),
        digests=wanted.subchart_digests,
        allow_unpinned=wanted.allow_unpinned_subcharts,
    )
    values_file = work / "values.json"
    values_file.touch(mode=0o600)  # values may be secret
    values_file.write_text(json.dumps(wanted.values))
    return [*files, values_file]


def insert_line(chart: Path, name: str, *, after: str, line: str) -> None:
    """Adds a line to a list in a template that no chart value can set; an existing line is accepted.

    Raises:
        ChartError: the chart lacks the file, or its text differs from the expected one.
    """
    file = _inside(chart, name)
    if not file.is_file():
        raise ChartError(f"the chart has no file {name!r}, to which {line.strip()!r} must be added")
    lines = file.read_text().split("\n")
    if line in lines:
        return
    if lines.count(after) != 1:
        raise ChartError(
            f"{name!r} of the chart does not contain exactly one line {after.strip()!r}, after "
            f"which {line.strip()!r} must be added"
        )
    lines.insert(lines.index(after) + 1, line)
    file.write_text("\n".join(lines))


def _inside(chart: Path, name: str) -> Path:
    file = (chart / name).resolve()
    if not file.is_relative_to(chart.resolve()):
        raise ChartError(f"{name!r} is not inside the chart")
    return file


def _short(message: str) -> str:
    text = message.encode()
    if len(text) <= _MAX_MESSAGE:
        return message
    return text[:300].decode(errors="ignore") + " ... " + text[300 - _MAX_MESSAGE :].decode(errors="ignore")
