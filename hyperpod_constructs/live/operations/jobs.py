"""Training jobs in a cluster: HyperPodPyTorchJob, Kubeflow's PyTorchJob and Kubernetes Job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ...core import catalog
from ...core.jobs.manifest import API_VERSIONS
from .kubernetes import Kubernetes, KubernetesError

Json = Mapping[str, Any]
Goal = Literal["started", "finished"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job.

    Attributes:
        name: Kubernetes kind.
        plural: plural name in paths.
        label: label of its pods, whose value is the job's name.
        suspend: path of the field that suspends it.
    """

    name: str
    plural: str
    label: str
    suspend: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """Path of its API group."""
        return f"/apis/{API_VERSIONS[self.name]}"

    def path(self, namespace: str | None, name: str = "") -> str:
        """Path of one job, of a namespace's jobs, or of all jobs."""
        where = f"{self.prefix}/namespaces/{namespace}" if namespace else self.prefix
        return f"{where}/{self.plural}" + (f"/{name}" if name else "")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("HyperPodPyTorchJob", "hyperpodpytorchjobs", "HPJob", ("spec", "runPolicy", "suspend")),
        Kind("PyTorchJob", "pytorchjobs", "training.kubeflow.org/job-name", ("spec", "runPolicy", "suspend")),
        Kind("Job", "jobs", "batch.kubernetes.io/job-name", ("spec", "suspend")),
    )
}
"""Kinds by name, in search order."""

_DONE = {"Succeeded": "Succeeded", "Complete": "Succeeded", "Completed": "Succeeded", "Failed": "Failed"}
_RUNNING = ("Running", "PodsRunning")


class NoSuchJob(LookupError):
    """Raised if no job or more than one job matches a name; the message contains the namespaces or the jobs."""


class JobFailed(Exception):
    """Raised if the job fails while waiting for it."""


class TimedOut(Exception):
    """Raised if the job does not reach the state in time."""


def find_all(api: Kubernetes, *, namespace: str | None, kinds: Iterable[Kind] = KINDS.values()) -> list[dict[str, Any]]:
    """All jobs of a namespace, or of all namespaces; kinds that the cluster does not have are skipped."""
    found = []
    for kind in kinds:
        try:
            items = api.items(kind.path(namespace))
        except KubernetesError as error:
            if error.status != 404:
                raise
            continue
        found += [{**item, "kind": kind.name, "apiVersion": API_VERSIONS[kind.name]} for item in items]
    return found


def find(api: Kubernetes, name: str, *, namespace: str | None, kind: Kind | None = None) -> dict[str, Any]:
    """Finds a job by its name, or by the name before its content hash.

    Raises:
        NoSuchJob: no job matches, or more than one.
    """
    jobs = find_all(api, namespace=namespace, kinds=[kind] if kind else KINDS.values())
    exact = [job for job in jobs if job["metadata"]["name"] == name]
    hashed = [job for job in jobs if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", job["metadata"]["name"])]
    matches = exact or hashed
    where = f"namespace {namespace}" if namespace else "any namespace"
    if not matches:
        raise NoSuchJob(f"job {name!r} not found in {where}")
    if len(matches) > 1:
        named = ", ".join(f"{job['kind']} {job['metadata']['namespace']}/{job['metadata']['name']}" for job in matches)
        raise NoSuchJob(f"{name!r} matches {named}; use --namespace and --kind, or the full name")
    return matches[0]


def kind_of(job: Json) -> Kind:
    """The kind of a job."""
    return KINDS[job["kind"]]


def path_of(job: Json) -> str:
    """The path of a job."""
    return kind_of(job).path(job["metadata"].get("namespace", "default"), job["metadata"]["name"])


def conditions(job: Json) -> list[Json]:
    """The conditions of a job, oldest first."""
    found: list[Json] = (job.get("status") or {}).get("conditions") or []
    return found


def state(job: Json) -> str:
    """Succeeded, Failed, Suspended, Running, Created (no pod runs yet) or Deleting.

    >>> state({"status": {"conditions": [{"type": "Running", "status": "True"}]}})
    'Running'
    """
    true = [condition["type"] for condition in conditions(job) if condition.get("status") == "True"]
    done = next((_DONE[type_] for type_ in true if type_ in _DONE), None)
    if done:
        return done
    if job.get("metadata", {}).get("deletionTimestamp"):
        return "Deleting"
    if _get(job, ("spec", "suspend")) or _get(job, ("spec", "runPolicy", "suspend")):
        return "Suspended"
    running = any(type_ in _RUNNING for type_ in true) or bool((job.get("status") or {}).get("active"))
    return "Running" if running else "Created"


def replicas(job: Json) -> int:
    """Number of pods that the job requests."""
    spec = job.get("spec") or {}
    if "replicaSpecs" in spec:
        return sum(part.get("replicas", 1) for part in spec["replicaSpecs"])
    if "pytorchReplicaSpecs" in spec:
        return sum(part.get("replicas", 1) for part in spec["pytorchReplicaSpecs"].values())
    return int(spec.get("parallelism", 1))


def summary(job: Json) -> dict[str, Any]:
    """A job as one row."""
    metadata = job["metadata"]
    labels = metadata.get("labels") or {}
    return {
        "namespace": metadata.get("namespace", "default"),
        "name": metadata["name"],
        "kind": job["kind"],
        "state": state(job),
        "replicas": replicas(job),
        "queue": labels.get(catalog.label("queue_name").key),
        "priority": labels.get(catalog.label("priority_class").key),
        "created": metadata.get("creationTimestamp"),
    }


def submit(api: Kubernetes, manifest: Json, *, dry_run: bool = False) -> tuple[dict[str, Any], bool]:
    """Creates a job; returns whether it is new. An existing job with the same content-hashed name is not changed.

    Raises:
        KubernetesError: the API server rejected it.
    """
    kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
    query = {"fieldManager": "hyperpod-constructs", "fieldValidation": "Strict"} | (
        {"dryRun": "All"} if dry_run else {}
    )
    path = kind.path(metadata["namespace"])
    try:
        return api.request("POST", path, query=query, body=manifest), True
    except KubernetesError as error:
        if error.reason != "AlreadyExists":
            raise
    existing = api.get(f"{path}/{metadata['name']}")
    if not re.search(r"-[0-9a-f]{8}$", metadata["name"]):
        name = f"{kind.name} {metadata['namespace']}/{metadata['name']}"
        raise KubernetesError(409, "AlreadyExists", f"{name} already exists; delete it, or rename the new job")
    return existing, False


def pods(api: Kubernetes, job: Json, *, replica: str | None = None) -> list[dict[str, Any]]:
    """The pods of a job, sorted by name; optionally of one replica such as `worker` or `worker-1`."""
    metadata = job["metadata"]
    path = f"/api/v1/namespaces/{metadata.get('namespace', 'default')}/pods"
    found = api.items(path, labelSelector=f"{kind_of(job).label}={metadata['name']}")
    if not found:
        found = [pod for pod in api.items(path) if _owned(pod, metadata)]
    if replica:
        found = [pod for pod in found if _is_replica(pod["metadata"]["name"], metadata["name"], replica)]
    return sorted(found, key=lambda pod: _natural(pod["metadata"]["name"]))


def all_pods(api: Kubernetes, *, namespace: str | None) -> list[dict[str, Any]]:
    """The pods of a namespace, or of all namespaces."""
    return api.items(f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods")


def _owned(pod: Json, job: Json) -> bool:
    """Whether an object belongs to a job, by UID: other kinds or an earlier job may have the same name."""
    owners = pod["metadata"].get("ownerReferences") or ()
    uid = job.get("uid")
    return uid is not None and any(owner.get("uid") == uid for owner in owners)


def _is_replica(pod: str, job: str, replica: str) -> bool:
    """Whether a pod belongs to a replica.

    >>> _is_replica("llama-worker-1", "llama", "worker"), _is_replica("llama-worker-11", "llama", "worker-1")
    (True, False)
    """
    rest = pod.removeprefix(f"{job}-")
    return rest == replica or rest.startswith(f"{replica}-")


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def pod_summary(pod: Json) -> dict[str, Any]:
    """A pod as one row."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(bool(container.get("ready")) for container in containers)
    waiting = [
        _get(container, ("state", "waiting", "reason")) or _get(container, ("state", "terminated", "reason"))
        for container in containers
    ]
    return {
        "namespace": pod["metadata"].get("namespace", "default"),
        "name": pod["metadata"]["name"],
        "state": next((reason for reason in waiting if reason), None) or status.get("phase", "Unknown"),
        "ready": f"{ready}/{len((pod.get('spec') or {}).get('containers') or ())}",
        "restarts": sum(container.get("restartCount", 0) for container in containers),
        "node": (pod.get("spec") or {}).get("nodeName"),
        "created": pod["metadata"].get("creationTimestamp"),
    }


def events(api: Kubernetes, job: Json) -> list[dict[str, Any]]:
    """The events of a job, oldest first."""
    metadata = job["metadata"]
    path = f"/api/v1/namespaces/{metadata.get('namespace', 'default')}/events"
    found = api.items(path, fieldSelector=f"involvedObject.name={metadata['name']}")
    return sorted(found, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")


def described(api: Kubernetes, job: Json) -> dict[str, Any]:
    """A job with its conditions, pods and events."""
    return {
        **summary(job),
        "conditions": [
            {key: condition.get(key) for key in ("type", "status", "reason", "message", "lastTransitionTime")}
            for condition in conditions(job)
        ],
        "pods": [pod_summary(pod) for pod in pods(api, job)],
        "events": [
            {
                "type": event.get("type"),
                "reason": event.get("reason"),
                "message": event.get("message"),
                "count": event.get("count"),
            }
            for event in events(api, job)
        ],
    }


def logs(
    api: Kubernetes,
    pod: Json,
    *,
    follow: bool = False,
    tail: int | None = None,
    previous: bool = False,
    container: str | None = None,
    since_seconds: int | None = None,
) -> Iterator[str]:
    """The log of a pod line by line; by default of its first container."""
    metadata = pod["metadata"]
    containers = [container["name"] for container in (pod.get("spec") or {}).get("containers") or ()]
    query = {
        "container": container or (containers[0] if containers else None),
        "follow": "true" if follow else None,
        "tailLines": None if tail is None else str(tail),
        "previous": "true" if previous else None,
        "sinceSeconds": None if since_seconds is None else str(since_seconds),
    }
    chosen = {key: value for key, value in query.items() if value is not None}
    path = f"/api/v1/namespaces/{metadata.get('namespace', 'default')}/pods/{metadata['name']}/log"
    return api.lines(path, **chosen)


def suspend(api: Kubernetes, job: Json, *, suspended: bool) -> str:
    """Suspends or resumes a job; returns the object and field that was changed.

    A job in a Kueue queue is suspended through its workload, because Kueue would resume the job.
    """
    if (job["metadata"].get("labels") or {}).get(catalog.label("queue_name").key):
        path = _workload(api, job)
        if path is not None:
            api.patch(path, {"spec": {"active": not suspended}})
            return "spec.active of its Kueue workload"
    body: Any = suspended
    for key in reversed(kind_of(job).suspend):
        body = {key: body}
    api.patch(path_of(job), body)
    return f"{'.'.join(kind_of(job).suspend)} of the job"


def _workload(api: Kubernetes, job: Json) -> str | None:
    """Path of the Kueue workload of a job."""
    try:
        group = api.get("/apis/kueue.x-k8s.io")
    except KubernetesError as error:
        if error.status != 404:
            raise
        return None
    version = (group.get("preferredVersion") or group["versions"][0])["groupVersion"]
    path = f"/apis/{version}/namespaces/{job['metadata'].get('namespace', 'default')}/workloads"
    found = next((workload for workload in api.items(path) if _owned(workload, job["metadata"])), None)
    return None if found is None else f"{path}/{found['metadata']['name']}"


def delete(api: Kubernetes, job: Json) -> None:
    """Deletes a job with its pods."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    api.request("DELETE", path_of(job), body=options)


def wait(
    api: Kubernetes,
    job: Json,
    goal: Goal,
    *,
    timeout_seconds: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    every: float = 5.0,
) -> Iterator[str]:
    """Yields each new state of a job until it has started or finished.

    Raises:
        JobFailed: it failed, with the message of its last condition.
        TimedOut: it did not reach the state in time.
        KubernetesError: it was deleted, or the API server rejected the request.
    """
    until, last = now() + timeout_seconds, ""
    while True:
        live = {**api.get(path_of(job)), "kind": job["kind"]}
        current = state(live)
        if current != last:
            yield current
            last = current
        if current == "Failed":
            condition = [c for c in conditions(live) if c["type"] == "Failed"][-1]
            raise JobFailed(f"{condition.get('reason', 'Failed')}: {condition.get('message', 'no message')}")
        if current == "Succeeded" or (goal == "started" and current == "Running"):
            return
        if now() >= until:
            raise TimedOut(f"{job['metadata']['name']} is {current} after {timeout_seconds:g} seconds")
        sleep(min(every, max(0.1, until - now())))


def age(created: str | None, now: datetime) -> str | None:
    """Age in days, hours, minutes or seconds: the largest unit of which it has at least two.

    >>> from datetime import UTC
    >>> age("2026-11-22T10:00:00Z", datetime(2026, 11, 23, 12, tzinfo=UTC))
    '26h'
    """
    if created is None:
        return None
    seconds = int((now - datetime.fromisoformat(created)).total_seconds())
    for unit, size, minimum in (("d", 86400, 2 * 86400), ("h", 3600, 2 * 3600), ("m", 60, 2 * 60)):
        if seconds >= minimum:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


def _get(item: Any, path: Iterable[str]) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item
