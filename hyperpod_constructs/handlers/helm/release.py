"""One Helm release: installed, upgraded and uninstalled, whatever state an earlier attempt has left it in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ..kubernetes.client import ApiClient
from ..kubernetes.errors import ApiError
from .binary import HelmError
from .leftovers import aggregated_roles, refusing_role, remove_remade

T = TypeVar("T")

HISTORY = 5
"""Revisions that are kept of a release."""

_RESERVE_SECONDS = 60.0  # kept at the end, to clean up and to answer
_AUTHORIZATION_SECONDS = 120.0  # EKS says access entries are there at once, but the API server learns of them later
_MAX_PAUSE = 30.0

_PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
_ONCE_DEPLOYED = ("deployed", "superseded")
_UNAUTHORIZED = ("unauthorized", "asked for the client to provide credentials", "is forbidden")
_TRANSIENT = (
    "an error on the server",
    "another operation (install/upgrade/rollback) is in progress",
    "cluster unreachable",
    "connection refused",
    "connection reset",
    "connection timed out",
    "etcdserver",
    "failed calling webhook",
    "http2: ",
    "i/o timeout",
    "internal error occurred",
    "no such host",
    "service unavailable",
    "the server is currently unable to handle the request",
    "tls handshake timeout",
    "too many requests",
    "unexpected eof",
    " with body length 0",  # the answer broke off: "ContentLength=N with Body length 0"
)
_BROKEN_OFF = re.compile(r": eof\b")

_SERVER_SIDE = ("--server-side=true", "--force-conflicts", "--cleanup-on-fail")
"""How objects are changed. A release owns the fields that its chart sets: without force, a field that a controller or a
person has changed since (the rules of an aggregated ClusterRole, always) refuses every later change. Objects that a
failed change has created go again: the way back compares with the last deployed revision, which lacks them. Releases of
Helm 3 become server-side ones."""
_LEFTOVERS = 50  # most roles of one release that may refuse its install, one after the other


class Runner(Protocol):
    """Runs helm against the cluster."""

    @property
    def api(self) -> ApiClient:
        """Requests to the cluster's API server."""
        ...

    def run(self, arguments: Sequence[str], /) -> str:
        """What helm printed; raises HelmError."""
        ...

    @property
    def seconds_left(self) -> Callable[[], float]:
        """How long the function may still take."""
        ...


@dataclass(frozen=True)
class Revision:
    """One revision of a release's history."""

    number: int
    status: str


class Release:
    """One release in one namespace.

    Args:
        name: the release.
        namespace: its namespace.
        helm: runs helm; it has the way to the cluster.
        sleep: pauses between attempts.
    """

    def __init__(self, name: str, namespace: str, helm: Runner, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self.namespace = namespace
        self._helm = helm
        self._sleep = sleep

    def history(self) -> list[Revision]:
        """The release's revisions, oldest first; none when there is no such release."""
        try:
            output = self._run("history", self.name, "--output", "json")
        except HelmError as error:
            if _not_found(error):
                return []
            raise
        entries = json.loads(output[output.index("[") :]) if "[" in output else []
        return sorted((Revision(entry["revision"], entry["status"]) for entry in entries), key=lambda r: r.number)

    def install(
        self,
        chart: Path,
        values: Sequence[Path],
        *,
        skip_crds: bool,
        create_namespace: bool,
        wait: bool,
        timeout_seconds: int,
    ) -> int:
        """Install the release, or upgrade it to exactly this chart and these values. The revision that is deployed then.

        A first install that fails is removed again, since nobody else will: CloudFormation never deletes what it could
        not create. A failed upgrade is left to CloudFormation, which rolls back with the former properties.

        Raises:
            HelmError: what helm said last.
        """
        options = [
            *("--install", "--reset-values", f"--history-max={HISTORY}", "--output=json", *_SERVER_SIDE),
            *(f"--values={file}" for file in values),
            *(["--skip-crds"] if skip_crds else []),
            *(["--create-namespace"] if create_namespace else []),
            *(["--wait"] if wait else []),
        ]

        def attempt() -> int:
            self._recover()
            seconds = max(1, min(timeout_seconds, int(self._helm.seconds_left() - _RESERVE_SECONDS)))
            output = self._upgrade(str(chart), *options, f"--timeout={seconds}s")
            deployed, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])
            return int(deployed["version"])

        try:
            return self._with_retries(attempt)
        except HelmError as error:
            self._remove_failed_install(error)
            raise

    def uninstall(self, *, wait: bool, timeout_seconds: int) -> None:
        """Remove the release; one that is not there is fine.

        Raises:
            HelmError: what helm said last; the release or some of its objects may still be there.
        """

        def attempt() -> None:
            seconds = max(1, min(timeout_seconds, int(self._helm.seconds_left() - _RESERVE_SECONDS)))
            waiting = ["--wait"] if wait else []
            self._uninstall(*waiting, f"--timeout={seconds}s")

        self._with_retries(attempt)

    def _upgrade(self, *arguments: str) -> str:
        """Upgrade; roles that are left over from this or another release, and refuse it, are removed first."""
        for _ in range(_LEFTOVERS):
            try:
                return self._run("upgrade", self.name, *arguments)
            except HelmError as error:
                role = refusing_role(error.output)
                if role is None or not remove_remade(self._helm.api, role):
                    raise
        raise HelmError(f"more than {_LEFTOVERS} ClusterRoles refused the install")

    def _uninstall(self, *options: str) -> None:
        roles = aggregated_roles(self._helm.api, self.name, self.namespace)
        # Without --debug helm does not say why it could not delete an object.
        self._run("uninstall", self.name, "--ignore-not-found", "--debug", *options)
        for role in roles:
            remove_remade(self._helm.api, role)

    def _recover(self) -> None:
        """Bring a release that an interrupted attempt has left half-way into a state that helm upgrades from."""
        history = self.history()
        if not history or history[-1].status in ("deployed", "uninstalled"):
            return
        deployed = [revision for revision in history if revision.status in _ONCE_DEPLOYED]
        last = history[-1].status
        if not deployed or last == "uninstalling":
            print(f"release {self.name} is {last} and was never deployed, or half removed: it is uninstalled first")
            self._uninstall()
        elif last in _PENDING:
            back = max(deployed, key=lambda revision: (revision.status == "deployed", revision.number))
            print(f"release {self.name} is {last}: it is rolled back to revision {back.number} first")
            self._run("rollback", self.name, str(back.number), f"--history-max={HISTORY}", *_SERVER_SIDE)

    def _remove_failed_install(self, cause: HelmError) -> None:
        try:
            history = self.history()
            if history and not any(revision.status in _ONCE_DEPLOYED for revision in history):
                self._uninstall()
        except (HelmError, ApiError) as error:
            # Helm's own words come first: they are why the install failed.
            raise HelmError(f"{cause}\nand what was installed of it could not be removed: {error}") from cause

    def _with_retries(self, attempt: Callable[[], T]) -> T:
        """Try again what may pass by itself: an API server out of reach, and access that is not known there yet."""
        pause, denied = 2.0, 0.0
        while True:
            try:
                return attempt()
            except (HelmError, ApiError) as error:
                unauthorized = _is_unauthorized(error)
                if not unauthorized and not _is_transient(error):
                    raise
                if unauthorized and denied >= _AUTHORIZATION_SECONDS:
                    raise
                if self._helm.seconds_left() < pause + _RESERVE_SECONDS:
                    raise
                print(f"tried again in {pause:.0f} s: {error}")
            self._sleep(pause)
            denied += pause if unauthorized else 0.0
            pause = min(pause * 2, _MAX_PAUSE)

    def _run(self, *arguments: str) -> str:
        return self._helm.run([*arguments, "--namespace", self.namespace])


def _not_found(error: HelmError) -> bool:
    return "release: not found" in error.output.lower()


def _is_unauthorized(error: HelmError | ApiError) -> bool:
    if isinstance(error, ApiError):
        return error.status in (401, 403)
    return any(mark in error.output.lower() for mark in _UNAUTHORIZED)


def _is_transient(error: HelmError | ApiError) -> bool:
    """Whether the same may succeed later.

    >>> _is_transient(HelmError('Error: Get "https://x.eks.amazonaws.com/version": EOF'))
    True
    >>> _is_transient(HelmError("Error: values don't meet the specifications of the schema"))
    False
    """
    if isinstance(error, ApiError):
        return error.is_transient(0.0)
    reason = error.output.lower()
    return any(mark in reason for mark in _TRANSIENT) or _BROKEN_OFF.search(reason) is not None
