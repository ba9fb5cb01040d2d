"""HP70x: names, kinds, environment and labels of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..catalog import label, matches
from ..documents import join
from ..findings import Severity
from ..jobs.manifest import manifest_of
from ..jobs.names import HASH_LENGTH, LONGEST_NAME, is_label
from ..jobs.pod_rules import KEY_FORM
from ..plural import either
from ..spec.base import is_token
from ..spec.jobs import Job
from ..spec.jobs_replica import PodFields
from .job_rule import KUBERNETES, example, opaque, pods
from .registry import Problem, rule


@rule(
    "HP700",
    title="A job's image is a valid image reference.",
    why="The pods stay in InvalidImageName and do not start.",
    cure="Use registry/repository:tag, with the repository in lowercase and without spaces.",
    source="The distribution project: grammar of image references",
    wrong="jobs:\n  - {name: train, image: 'registry/Train:v1'}\n",
    right="jobs:\n  - {name: train, image: 'registry/train:v1'}\n",
)
def image(job: Job) -> Iterator[Problem]:
    for prefix, pod in pods(job):
        for place, value in [(f"{prefix}image", pod.image), *_containers(prefix, pod, "image")]:
            if not opaque(value) and not matches("image_reference", str(value)):
                yield Problem(place, f"{value!r} is not a valid image reference")


def _containers(prefix: str, pod: PodFields, field: str) -> Iterator[tuple[str, Any]]:
    """A field of each sidecar and init container, with its path."""
    for kind in ("sidecars", "init_containers"):
        for index, container in enumerate(getattr(pod, kind)):
            yield f"{prefix}{kind}[{index}].{field}", getattr(container, field)


@rule(
    "HP701",
    title="A job's name is a DNS label, short enough for the suffixes that are added to it.",
    why="Kubernetes rejects the object, or the operator cannot name the pods.",
    cure="Use lowercase letters, digits and hyphens, beginning and ending with a letter or digit.",
    source=f"{KUBERNETES}: names are DNS labels of 63 characters; the hash and pod suffixes are added to them",
    wrong="jobs:\n  - {name: My_Job, image: registry/train:v1}\n",
    right="jobs:\n  - {name: my-job, image: registry/train:v1}\n",
)
def names(job: Job) -> Iterator[Problem]:
    if is_token(job.name):
        return
    if not matches("dns_label", job.name):
        yield Problem("name", f"{job.name!r} is not a valid Kubernetes name")
        return
    if job.kind == "PyTorchJob" and job.name[0].isdecimal():
        message = f"{job.name!r} begins with a digit, but the name of a PyTorchJob is a DNS-1035 label"
        yield Problem("name", message, f"Begin it with a letter, such as {f'job-{job.name}'!r}.")
    added = {"hash": HASH_LENGTH + len("-")} if job.on_change == "new-object" else {}
    if job.kind == "PyTorchJob":
        added["pod suffix"] = len(f"-worker-{max(job.count - 2, 0)}")
    room = LONGEST_NAME - sum(added.values())
    if len(job.name) > room:
        extra = " and ".join(f"{count} for its {what}" for what, count in added.items())
        also = f"; with {extra}, it exceeds {LONGEST_NAME}" if extra else f"; the limit is {LONGEST_NAME}"
        yield Problem("name", f"{job.name!r} has {len(job.name)} characters{also}", f"Use {room} characters at most.")


@rule(
    "HP702",
    title="Namespace, queue, service account and similar fields are valid Kubernetes names.",
    why="Kubernetes rejects the object.",
    cure="Use lowercase letters, digits and hyphens.",
    source=KUBERNETES,
    wrong=example("namespace: Team_A"),
    right=example("namespace: team-a"),
)
def references(job: Job) -> Iterator[Problem]:
    named: list[tuple[str, Any]] = [
        (field, getattr(job, field)) for field in ("namespace", "queue", "team", "workload_priority_class", "priority")
    ]
    for prefix, pod in pods(job):
        named += [(f"{prefix}{field}", getattr(pod, field)) for field in ("service_account", "container_name")]
        named += [(f"{prefix}pull_secrets[{index}]", name) for index, name in enumerate(pod.pull_secrets)]
        named += _containers(prefix, pod, "name")
    for path, value in named:
        dotted = re.search(r"(workload_priority_class|service_account|pull_secrets\[\d+\])$", path)
        if not opaque(value) and not all(map(is_label, value.split(".") if dotted else [value])):
            yield Problem(path, f"{value!r} is not a valid Kubernetes name")
    if job.kind == "PyTorchJob":
        for prefix, pod in pods(job):
            if pod.container_name not in (None, "pytorch"):
                cure = "Remove container_name."
                yield Problem(f"{prefix}container_name", "a PyTorchJob's main container is always named pytorch", cure)


@rule(
    "HP703",
    title="A team's job runs in the team's namespace and queue.",
    why="Kueue has no LocalQueue of the team in another namespace, and the job does not start.",
    cure="Set only `team`, or `namespace` and `queue` without it.",
    source="AWS documentation of task governance: namespace hyperpod-ns-<team>, queue hyperpod-ns-<team>-localqueue",
    wrong=example("team: vision, namespace: default"),
    right=example("team: vision"),
)
def team(job: Job) -> Iterator[Problem]:
    if not opaque(job.team):
        expected = {"namespace": f"hyperpod-ns-{job.team}", "queue": f"hyperpod-ns-{job.team}-localqueue"}
        for field, needed in expected.items():
            stated = getattr(job, field)
            if not opaque(stated) and stated != needed:
                yield Problem(field, f"{stated!r} conflicts with the team {job.team!r}, whose {field} is {needed!r}")
    if job.priority and job.workload_priority_class:
        why = "Both set the priority class of the workload."
        yield Problem("priority", "conflicts with workload_priority_class", "Remove one of the two.", why)
    metadata = manifest_of(job)["metadata"] if _states_labels(job) else {}
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    for field, key, value in (
        ("queue", label("queue_name").key, job.effective_queue),
        ("priority", label("priority_class").key, job.effective_priority),
    ):
        final = labels.get(key) if isinstance(labels, Mapping) else None
        if labels is not None and value is not None and not opaque(value) and final != value:
            where = next((name for name in ("labels", "job_labels") if key in getattr(job, name)), "job_patch")
            change = f"sets {key} to {final!r}" if final is not None else f"removes {key}"
            path = f'{where}["{key}"]' if where != "job_patch" else where
            owner = f"team {job.team!r} requires {value!r}" if job.team else f"the job's {field} is {value!r}"
            yield Problem(path, f"{change}, but {owner}", f"Remove it, or set `{field}` instead.", _LABELS[field])


_LABELS = {
    "queue": "Kueue uses the label: the job is in another queue, or in none.",
    "priority": "Kueue uses the label: the job has another priority, or none.",
}
"""Impact of changing a label of Kueue."""


def _states_labels(job: Job) -> bool:
    return bool(job.labels or job.job_labels or job.job_patch)


_ONLY: Mapping[str, tuple[str, ...]] = {
    "HyperPodPyTorchJob": (
        "spares",
        *(f"elastic.{name}" for name in ("step", "discrete_values", "scaling_timeout_seconds")),
        *(f"elastic.{name}" for name in ("graceful_shutdown_seconds", "faulty_scale_down_seconds")),
        *(f"run_policy.{name}" for name in ("startup_deadline_seconds", "fault_deadline_seconds", "workload_mode")),
        *("run_policy.restart", "run_policy.log_rules"),
    ),
    "PyTorchJob": (
        *("auto_resume", "auto_resume_retries", "run_policy.gang", "run_policy.managed_by"),
        *(f"elastic.rdzv_{name}" for name in ("backend", "host", "port", "id", "conf")),
        *(f"elastic.{name}" for name in ("max_restarts", "standalone", "processes_per_node", "metrics")),
    ),
}
"""Fields that only one kind supports, by kind."""


@rule(
    "HP704",
    title="A job uses fields of its kind only.",
    why="The kind has no such field, and the setting would be lost.",
    cure="Remove it, or use a kind with the field.",
    source="The kinds' schemas: HyperPodPyTorchJob, kubeflow.org/v1 PyTorchJob, batch/v1 Job",
    wrong=example("kind: PyTorchJob, nodes: 2, spares: 1"),
    right=example("nodes: 2, spares: 1"),
)
def kinds(job: Job) -> Iterator[Problem]:
    for kind, fields in _ONLY.items():
        if job.kind == kind:
            continue
        for path in fields:
            value: Any = job
            for name in path.split("."):
                value = getattr(value, name, None)
            if value:
                message = f"a field of {kind} only, but the job is a {job.kind}"
                yield Problem(path, message, f"Remove it, or use `kind: {kind}`.")
    if job.kind == "Job":
        for path in ("processes_per_node", "run_policy.clean_pods", "elastic", "replica_specs"):
            holder, _, name = path.rpartition(".")
            if getattr(job.run_policy if holder else job, name):
                cure = "Remove it, or use `kind: HyperPodPyTorchJob` or `kind: PyTorchJob`."
                yield Problem(path, "a field of the PyTorch kinds, but the job is a Job", cure)
    clean = {"HyperPodPyTorchJob": ("All", "OnlyComplete", "None"), "PyTorchJob": ("All", "Running", "None")}
    if job.run_policy.clean_pods and job.run_policy.clean_pods not in clean.get(job.kind, (job.run_policy.clean_pods,)):
        message = f"{job.run_policy.clean_pods} is not a valid value for {job.kind}"
        yield Problem("run_policy.clean_pods", message, f"Use {either(clean[job.kind])}.", _REJECTED)
    policies = {"Job": ("Never", "OnFailure"), "HyperPodPyTorchJob": ("Never", "OnFailure", "Always")}
    allowed = policies.get(job.kind)
    for prefix, pod in pods(job):
        if pod.restart_pods and allowed and pod.restart_pods not in allowed:
            message = f"{pod.restart_pods} is not a valid value for {job.kind}"
            yield Problem(f"{prefix}restart_pods", message, f"Use {either(allowed)}.", _REJECTED)
    if job.kind != "HyperPodPyTorchJob" and job.run_policy.ttl_seconds == -1:
        message = f"-1 is not supported by {job.kind}"
        yield Problem("run_policy.ttl_seconds", message, "Remove it to keep the job.", _REJECTED)
    processes = job.processes_per_node
    if not opaque(processes) and not matches("processes_per_node", str(processes)):
        message = f"{processes!r} is not a valid number of processes"
        yield Problem("processes_per_node", message, "Use auto, cpu, gpu or a number in quotes.", _REJECTED)


_REJECTED = "Kubernetes or the operator rejects the job."


@rule(
    "HP705",
    title="Environment variables and labels have valid names and one source each.",
    why="Kubernetes rejects the object.",
    cure="Specify one secret or config map with its key, or one field of the pod.",
    source=KUBERNETES,
    wrong=example('env: {"1ST": "x"}'),
    right=example('env: {FIRST: "x"}'),
)
def environment(job: Job) -> Iterator[Problem]:
    from ..spec.jobs_pod import EnvSource

    places: list[tuple[str, Any]] = []
    for prefix, pod in pods(job):
        places.append((prefix, pod))
        for kind in ("sidecars", "init_containers"):
            places += [(f"{prefix}{kind}[{index}].", container) for index, container in enumerate(getattr(pod, kind))]
        for field in ("node_selector", "pod_labels"):
            yield from _labels(f"{prefix}{field}", getattr(pod, field))
    for prefix, holder in places:
        for name, value in holder.env.items():
            path = join(f"{prefix}env", name)
            if not is_token(name) and not matches("environment_variable", name):
                cure = "Use letters, digits, '_', '-' and '.', not beginning with a digit."
                yield Problem(path, f"{name!r} is not a valid name of an environment variable", cure)
            if isinstance(value, EnvSource):
                yield from _env_source(path, value)
        for index, source in enumerate(holder.env_from):
            if (source.secret is None) == (source.config_map is None):
                has = "none" if source.secret is None else "both"
                message = f"requires exactly one of secret and config_map, but has {has}"
                yield Problem(f"{prefix}env_from[{index}]", message, "Set secret or config_map.")
    for field in ("labels", "job_labels"):
        yield from _labels(field, getattr(job, field))


def _labels(path: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    for key, value in labels.items():
        if not is_token(key) and not matches("pod_label_key", key):
            yield Problem(
                f'{path}["{key}"]',
                f"{key!r} is not a valid label key",
                KEY_FORM,
            )
        if not is_token(value) and not matches("pod_label_value", value):
            cure = "Use 63 characters at most: letters, digits, '-', '_' and '.'."
            yield Problem(f'{path}["{key}"]', f"{value!r} is not a valid label value", cure)


def _env_source(path: str, source: Any) -> Iterator[Problem]:
    stated = [name for name in ("secret", "config_map", "pod_field") if getattr(source, name) is not None]
    if len(stated) != 1:
        yield Problem(path, f"requires exactly one source, but has {' and '.join(stated) or 'none'}")
    elif (stated[0] == "pod_field") != (source.key is None):
        if source.key is None:
            yield Problem(path, f"{stated[0]} requires a key", "Set key, the entry of the secret or config map.")
        else:
            yield Problem(path, "a pod field has no key", "Remove key.")
    name = source.secret or source.config_map
    if not opaque(name) and not matches("dns_subdomain", str(name)):
        yield Problem(path, f"{name!r} is not a valid Kubernetes name", "Use lowercase letters, digits and hyphens.")


@rule(
    "HP707",
    title="A job requests one topology, by a label that nodes have.",
    severity=Severity.WARNING,
    why="Pods stay pending unless a node has the label.",
    cure="Keep preferred_topology or required_topology, with one of the topology.k8s.aws labels.",
    source="AWS documentation of task governance; Kueue: topology aware scheduling",
    wrong=example("preferred_topology: topology.k8s.aws/rack"),
    right=example("preferred_topology: topology.k8s.aws/network-node-layer-2"),
    certain=True,
)
def topology(job: Job) -> Iterator[Problem]:
    if job.preferred_topology and job.required_topology:
        message = f"preferred ({job.preferred_topology}) and required ({job.required_topology}) are both set"
        impact = "Kueue rejects a job with both."
        yield Problem("required_topology", message, "Remove one of them.", impact, Severity.ERROR)
    from ..catalog._files import load

    known: list[str] = load("jobs")["topology_labels"]
    for field in ("preferred_topology", "required_topology"):
        value = getattr(job, field)
        if not opaque(value) and value not in known and value != "kubernetes.io/hostname":
            yield Problem(field, f"unknown topology label {value!r}", f"Use one of {', '.join(known)}.")


@rule(
    "HP709",
    title="Credentials are stored in secrets.",
    severity=Severity.WARNING,
    why="The value is readable in the template, in the CloudFormation console and in the job's object.",
    cure="Store it in a Kubernetes secret and refer to it: {secret: NAME, key: KEY}.",
    source="AWS documentation: security of templates; Kubernetes documentation: secrets",
    wrong=example('env: {HF_TOKEN: "hf_abc"}'),
    right=example("env: {HF_TOKEN: {secret: hub, key: token}}"),
)
def credentials(job: Job) -> Iterator[Problem]:
    for prefix, pod in pods(job):
        for name, value in pod.env.items():
            if isinstance(value, str) and value and not is_token(value) and matches("credential_variable", name):
                yield Problem(f"{prefix}env.{name}", "the name suggests a credential, but the value is plain text")
