"""One Helm release and its owners: install, upgrade, restore and uninstall, from any state after earlier attempts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ..kubernetes.client import ApiClient
from ..kubernetes.errors import ApiError
from ..shared import ownership
from ..shared.ownership import Claim, seems_to_be
from .binary import HelmError
from .leftovers import aggregated_roles, conflicting_role, delete_recreated
from .records import AT, BY, EXISTED_LABEL, ONCE_DEPLOYED, PENDING, Event, Records, Revision
from .retries import RESERVE_SECONDS, ReleaseChanged, with_retries

T = TypeVar("T")

HISTORY = 10
"""Number of revisions of a release that are retained: helm's default. They contain the content of previous owners."""

LONGEST_SECONDS = 900.0
"""Longest time of an operation: Lambda terminates the function after 14 minutes. A more recent pending operation may
still be running, unless it remains from an earlier event of the same resource."""

_RESPONSE_SECONDS = 10.0  # reserved at the end of the rollback of a failed event
_LEFTOVERS = 50  # maximum number of ClusterRoles that are deleted for one install

_SERVER_SIDE = ("--server-side=true", "--force-conflicts", "--cleanup-on-fail")
"""Flags for changes of objects. A release owns the fields that its chart sets: without force, a field that another
client has changed in the meantime (always the case for the rules of an aggregated ClusterRole) blocks every later change.
Objects that a failed change created are deleted, because the rollback compares with the last deployed revision, which does
not contain them. Releases of Helm 3 are converted to server-side apply."""

_FIX = (
    "To manage it here and keep it when this resource is deleted, set adopt to true; otherwise uninstall "
    "it, or use another release name. If an earlier version of this library installed it, deploy this "
    "version once without renaming or moving the construct; the release is then recognized"
)


class Runner(Protocol):
    """Runs helm for the cluster."""

    @property
    def api(self) -> ApiClient:
        """Client of the cluster's API server."""
        ...

    def run(self, arguments: Sequence[str], /) -> str:
        """Returns helm's output; raises HelmError."""
        ...

    @property
    def seconds_left(self) -> Callable[[], float]:
        """Function that returns the remaining seconds."""
        ...


class Release:
    """One release in one namespace, for one event.

    Args:
        name: the release.
        namespace: its namespace.
        helm: runs helm, with the connection to the cluster.
        event: the event, with the owner that installs or releases the release.
        sleep: waits between attempts.
        now: returns seconds since the epoch, as in the API server's timestamps.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        helm: Runner,
        event: Event,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.namespace = namespace
        self._helm = helm
        self._event = event
        self._sleep = sleep
        self._now = now
        self._records = Records(helm.api, name, namespace)

    def history(self) -> list[Revision]:
        """Returns the release's revisions, oldest first; none if the release does not exist. Raises `ApiError`."""
        return self._records.history()

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
        """Installs the release, or upgrades it to exactly this chart and these values; returns the deployed revision.

        If an event of a resource that did not own the release before fails, the release is restored: a first
        installation is removed, and a release of other owners gets its previous content and marks. After a failed upgrade
        of a release that is already ours, CloudFormation rolls back with the former properties.

        Raises:
            Foreign: the release exists, is not ours, and must not be adopted.
            HelmError: the last error of helm.
            ApiError: the last error of the API server.
        """
        options = [
            *("--install", "--reset-values", f"--history-max={HISTORY}", "--output=json", *_SERVER_SIDE),
            *(f"--values={file}" for file in values),
            *(["--skip-crds"] if skip_crds else []),
            *(["--create-namespace"] if create_namespace else []),
            *(["--wait"] if wait else []),
        ]

        started = False

        def attempt() -> int:
            nonlocal started
            history = self._settled()
            marks = self._claimed(history)
            started = True
            history = self._recovered(history)
            at = self._event.at(history[-1].number + 1 if history else 1)
            labels = {**marks, BY: self._event.me.digest, AT: at}
            owned = ",".join(f"{key}={value}" for key, value in labels.items())
            seconds = max(1, min(timeout_seconds, int(self._helm.seconds_left() - RESERVE_SECONDS)))
            output = self._upgrade(str(chart), *options, f"--labels={owned}", f"--timeout={seconds}s")
            deployed, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])
            return int(deployed["version"])

        try:
            return self._with_retries(attempt)
        except (HelmError, ApiError, ReleaseChanged) as error:
            if started:
                self._undo(error)
            raise

    def uninstall(self, *, wait: bool, timeout_seconds: int) -> None:
        """Uninstalls the release if it has no other owner, otherwise restores it. A missing release is not an error.

        Raises:
            HelmError: the last error of helm; the release or some of its objects may still exist.
            ApiError: the last error of the API server.
        """

        def attempt() -> None:
            history = self._settled()
            if not history or history[-1].status == "uninstalled":
                print(f"release {self.name} does not exist")
                return
            last, me = history[-1], self._event.me
            marked = last.owners or ({me} if self._event.former else set())
            decision = ownership.release(marked=marked, me=[me], existed_before=last.existed)
            print(f"release {self.name}: {decision.value}")
            if decision is ownership.Release.UNMARK:
                self._restore(history)
            elif decision is ownership.Release.DELETE:
                seconds = max(1, min(timeout_seconds, int(self._helm.seconds_left() - RESERVE_SECONDS)))
                self._uninstall(*(["--wait"] if wait else []), f"--timeout={seconds}s")

        self._with_retries(attempt)

    # Ownership.

    def _claimed(self, history: Sequence[Revision]) -> dict[str, str]:
        """Returns the marks of the release including ours. Raises `Foreign`."""
        event = self._event
        last = history[-1] if history and history[-1].status != "uninstalled" else None
        marks = last.marks if last else {}
        claim = ownership.claim(
            f"Helm release {self.name} in namespace {self.namespace}",
            exists=last is not None,
            marked={event.me} if last and event.former and not last.owners else last.owners if last else (),
            me=event.me,
            adopt=event.adopt,
            seems=seems_to_be(managers=[last.manager]) if last and last.manager else "",
            fix=_FIX,
        )
        if claim is Claim.ADOPT:
            marks[EXISTED_LABEL] = "true"
        return {**marks, event.me.key: event.me.label_value}

    def _restore(self, history: Sequence[Revision]) -> None:
        """Removes our mark from a release that is retained, and our content if the history has the content of another owner.

        A release that existed before and now has no owner gets its previous content only if no event other than the
        adopting one has changed it: after other changes, its previous content is outdated.
        """
        last, me = history[-1], self._event.me
        marks: dict[str, str | None] = {**last.marks, me.key: None}
        remaining = {mark.digest for mark in last.owners - {me}}
        if not remaining:
            marks |= {EXISTED_LABEL: None, BY: None, AT: None}
        if last.by == me.digest:
            kept = [r for r in history if r.status in ONCE_DEPLOYED and (r.by in remaining if remaining else not r.by)]
            since = {r.event for r in history if kept and r.number > kept[-1].number}
            if kept and (remaining or len(since) == 1):
                print(f"release {self.name} is rolled back to revision {kept[-1].number}, which {me.name} had changed")
                self._rollback(kept[-1], last, marks)
                last = self.history()[-1]
        self._records.label(last.number, marks)

    def _undo(self, cause: Exception) -> None:
        """Undoes the changes of this event to a release that was not ours before.

        Nothing is changed if an earlier delivery of the event has succeeded, or our mark existed before.
        """

        def attempt() -> None:
            history = self.history()
            before = [revision for revision in history if revision.event != self._event.id]
            done = [revision for revision in history if revision.event == self._event.id]
            if not done or any(r.status in ONCE_DEPLOYED and self._event.me in r.owners for r in done):
                return
            if not before or before[-1].status == "uninstalled":
                self._uninstall()
                return
            former = before[-1]
            if self._event.me in former.owners or (self._event.former and not former.owners):
                return
            deployed = [revision for revision in before if revision.status in ONCE_DEPLOYED]
            marks: dict[str, str | None] = {**dict.fromkeys(done[-1].marks), **former.marks}
            if deployed:
                self._rollback(deployed[-1], done[-1], marks)
            by = {} if former.owners else {BY: None}
            self._records.label(self.history()[-1].number, {**marks, **by, AT: None})

        try:
            self._with_retries(attempt, reserve=_RESPONSE_SECONDS)
        except (HelmError, ApiError, ReleaseChanged) as error:
            # Helm's error is first, because it explains the failure.
            raise HelmError(f"{cause}\nand its changes could not be undone: {error}") from cause

    # The state after an earlier attempt.

    def _settled(self) -> list[Revision]:
        """Waits until no other operation on the release is running, and returns the history."""
        while True:
            history = self.history()
            last = history[-1] if history else None
            if last is None or last.status not in PENDING:
                return history
            age = self._now() - last.created
            mine = last.event.partition(".")[0] == self._event.me.digest and last.event != self._event.id
            if mine or age > LONGEST_SECONDS:
                return history
            pause = min(15.0, LONGEST_SECONDS - age + 1)
            if self._helm.seconds_left() < pause + RESERVE_SECONDS:
                raise HelmError(
                    f"Error: release {self.name} has been {last.status} for {max(0.0, age):.0f} s, and that "
                    "operation may still be running. Retry after it ends, or "
                    f"{LONGEST_SECONDS / 60:.0f} minutes after it started"
                )
            print(f"release {self.name} is {last.status}, possibly by a running operation: waiting")
            self._sleep(pause)

    def _recovered(self, history: list[Revision]) -> list[Revision]:
        """Restores a release after an interrupted attempt to a state from which helm can upgrade."""
        if not history or history[-1].status in ("deployed", "uninstalled"):
            return history
        deployed = [revision for revision in history if revision.status in ONCE_DEPLOYED]
        last = history[-1]
        if not deployed or last.status == "uninstalling":
            print(
                f"release {self.name} is {last.status} and was never deployed, or is partially removed: it "
                "is uninstalled first"
            )
            self._uninstall()
        elif last.status in PENDING:
            back = max(deployed, key=lambda revision: (revision.status == "deployed", revision.number))
            print(f"release {self.name} is {last.status}: it is rolled back to revision {back.number} first")
            me = self._event.me
            others = {key: value for key, value in last.marks.items() if key != me.key or me in back.owners}
            self._rollback(back, last, others)
        return self.history()

    # Helm commands.

    def _upgrade(self, *arguments: str) -> str:
        """Upgrades the release; recreated ClusterRoles of this or another release that block the upgrade are deleted."""
        for _ in range(_LEFTOVERS):
            try:
                return self._run("upgrade", self.name, *arguments)
            except HelmError as error:
                role = conflicting_role(error.output)
                if role is None or not delete_recreated(self._helm.api, role):
                    raise
        raise HelmError(f"more than {_LEFTOVERS} ClusterRoles blocked the install")

    def _rollback(self, target: Revision, last: Revision, marks: Mapping[str, str | None]) -> None:
        """Rolls back to a revision. Helm copies its labels, so they are updated first: the owners may have changed."""
        labels = {**dict.fromkeys(target.marks), **marks, BY: target.by or None, AT: self._event.at(last.number + 1)}
        self._records.label(target.number, labels)
        self._run("rollback", self.name, str(target.number), f"--history-max={HISTORY}", *_SERVER_SIDE)

    def _uninstall(self, *options: str) -> None:
        roles = aggregated_roles(self._helm.api, self.name, self.namespace)
        try:
            # Without --debug, helm does not print why the deletion of an object failed.
            self._run("uninstall", self.name, "--debug", *options)
        except HelmError as error:
            if "release: not found" not in error.output.lower():
                raise
        for role in roles:
            delete_recreated(self._helm.api, role)
        if any(revision.status != "uninstalled" for revision in self.history()):
            raise ReleaseChanged(f"release {self.name} exists again after it was uninstalled")

    def _run(self, *arguments: str) -> str:
        return self._helm.run([*arguments, "--namespace", self.namespace])

    def _with_retries(self, attempt: Callable[[], T], *, reserve: float = RESERVE_SECONDS) -> T:
        return with_retries(attempt, seconds_left=self._helm.seconds_left, sleep=self._sleep, reserve=reserve)
