"""Waits for a job to start or to finish: HyperPodPyTorchJob, Kubeflow PyTorchJob and Kubernetes Job.

========================  =====================================================================================
Type                      arguments of the property ``Condition``
========================  =====================================================================================
JobStarted, JobFinished   ApiVersion, Kind, Namespace, Name
========================  =====================================================================================

The three kinds have ``status.conditions`` with different types. The types of HyperPod's operator are not documented, so
the types of all three kinds are mapped here by their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conditions import Sources, State, find, selected
from .diagnosis import Item, as_text, conditions, last_condition, pods_and_events
from .errors import HandlerError
from .objects import ObjectRef

_SUCCEEDED = {"Succeeded", "Complete", "Completed"}
_RUNNING = {"Running", "PodsRunning"}
_FAILED = {"Failed"}


@dataclass(frozen=True)
class JobState:
    """A job has started (its pods run, or it is complete) or finished (successfully); if the job fails, the wait fails."""

    ref: ObjectRef
    finished: bool

    @classmethod
    def started_of(cls, given: Mapping[str, Any]) -> JobState:
        """Returns the condition of the type JobStarted."""
        return cls(_ref(given), finished=False)

    @classmethod
    def finished_of(cls, given: Mapping[str, Any]) -> JobState:
        """Returns the condition of the type JobFinished."""
        return cls(_ref(given), finished=True)

    def check(self, sources: Sources) -> State:
        """Checks the conditions of the job; for a Kubernetes Job, also the number of ready pods."""
        job = find(sources.client, self.ref)
        if job is None:
            return State(False, f"{self.ref} does not exist")
        true = {c["type"]: c for c in conditions(job) if c.get("status") == "True"}
        for kind in _FAILED & true.keys():
            raise HandlerError(f"{self.ref} failed: {as_text(true[kind])}; {self.explain(sources)}", limit=2000)
        if _SUCCEEDED & true.keys():
            return State(True, f"{self.ref} finished")
        if not self.finished and (_RUNNING & true.keys() or _counts_ready(job)):
            return State(True, f"{self.ref} is running")
        return State(False, f"{self.ref} has not {'finished' if self.finished else 'started'}")

    def explain(self, sources: Sources) -> str:
        """Returns the job's last condition and the states of its pods."""
        job = find(sources.client, self.ref)
        if job is None:
            return "the job does not exist"
        name, namespace = self.ref.name, self.ref.namespace or "default"
        pods = pods_and_events(sources.client, namespace, name, lambda pod: selected(pod, name), None)
        return f"{last_condition(job)}; {pods}"


def _counts_ready(job: Item) -> bool:
    return bool((job.get("status") or {}).get("ready"))


def _ref(given: Mapping[str, Any]) -> ObjectRef:
    named = {"name": given["Name"], "namespace": given.get("Namespace", "")}
    return ObjectRef.of({"apiVersion": given["ApiVersion"], "kind": given["Kind"], "metadata": named})
