"""HP70x: names, kinds, environment and volumes of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Severity
from ..spec.base import is_token
from ..spec.jobs import Job
from .job_rule import KUBERNETES, example, opaque
from .registry import Problem, rule

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_ENV = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_CREDENTIAL = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY)$", re.IGNORECASE)
_IMAGE = re.compile(
    r"((localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(?=:))(:[0-9]+)?/)?"  # registry
    r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"  # repository
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?",  # tag and digest
    re.ASCII,
)
LONGEST_NAME = 63


@rule(
    "HP700",
    title="A job's image is an image reference",
    why="The pods stay in InvalidImageName and never start.",
    cure="write registry/repository:tag, the repository in lower case, without spaces",
    source="The distribution project: grammar of image references",
    wrong="jobs:\n  - {name: train, image: 'registry/Train:v1'}\n",
    right="jobs:\n  - {name: train, image: 'registry/train:v1'}\n",
)
def image(job: Job) -> Iterator[Problem]:
    if not opaque(job.image) and not _IMAGE.fullmatch(job.image):
        yield Problem("image", f"{job.image!r} is no image reference")


@rule(
    "HP701",
    title="A job's name is a DNS label that leaves room for what is added to it",
    why="Kubernetes refuses the object, or the operator cannot name the pods.",
    cure="use lower case letters, digits and hyphens, starting and ending with a letter or digit",
    source=f"{KUBERNETES}: names are DNS labels of 63 characters; the hash and pod suffixes are added to them",
    wrong="jobs:\n  - {name: My_Job, image: registry/train:v1}\n",
    right="jobs:\n  - {name: my-job, image: registry/train:v1}\n",
)
def names(job: Job) -> Iterator[Problem]:
    if is_token(job.name):
        return
    if not _LABEL.fullmatch(job.name):
        yield Problem("name", f"{job.name!r} is no DNS label")
        return
    added = {"hash": 9} if job.on_change == "new-object" else {}
    if job.kind == "PyTorchJob":
        added["pod suffix"] = len(f"-worker-{max(job.count - 2, 0)}")
    room = LONGEST_NAME - sum(added.values())
    if len(job.name) > room:
        extra = " and ".join(f"{count} of its {what}" for what, count in added.items())
        also = f", with {extra} more than {LONGEST_NAME}" if extra else f", the most is {LONGEST_NAME}"
        yield Problem("name", f"{job.name!r} has {len(job.name)} characters{also}", f"use {room} at most")


@rule(
    "HP702",
    title="Namespace, queue, service account and the like are Kubernetes names",
    why="Kubernetes refuses the object.",
    cure="use lower case letters, digits and hyphens",
    source=KUBERNETES,
    wrong=example("namespace: Team_A"),
    right=example("namespace: team-a"),
)
def references(job: Job) -> Iterator[Problem]:
    for field in ("namespace", "queue", "team", "workload_priority_class", "priority", "service_account"):
        value = getattr(job, field)
        dotted = field in ("workload_priority_class", "service_account")
        if not opaque(value) and not all(_LABEL.fullmatch(part) for part in (value.split(".") if dotted else [value])):
            yield Problem(field, f"{value!r} is no Kubernetes name")


@rule(
    "HP703",
    title="A team's job runs in the team's namespace and queue",
    why="Kueue finds no LocalQueue of the team in another namespace, and the job never starts.",
    cure="give `team` alone, or `namespace` and `queue` without it",
    source="AWS documentation of task governance: namespace hyperpod-ns-<team>, queue hyperpod-ns-<team>-localqueue",
    wrong=example("team: vision, namespace: default"),
    right=example("team: vision"),
)
def team(job: Job) -> Iterator[Problem]:
    if not opaque(job.team):
        expected = {"namespace": f"hyperpod-ns-{job.team}", "queue": f"hyperpod-ns-{job.team}-localqueue"}
        for field, value in expected.items():
            stated = getattr(job, field)
            if not opaque(stated) and stated != value:
                yield Problem(field, f"is {stated!r}, but team {job.team!r} has {value!r}")
    if job.priority and job.workload_priority_class:
        yield Problem("priority", "stands beside workload_priority_class", "keep one of the two")


_ONLY: Mapping[str, tuple[str, ...]] = {
    "HyperPodPyTorchJob": (
        *("replica_specs", "spares", "elastic", "run_policy.startup_deadline_seconds"),
        *(
            "run_policy.fault_deadline_seconds",
            "run_policy.workload_mode",
            "run_policy.restart",
            "run_policy.log_rules",
        ),
    ),
    "PyTorchJob": ("auto_resume",),
}
"""Kind to the fields that only it has."""


@rule(
    "HP704",
    title="A job uses only what its kind has",
    why="The kind has no such field, so what it asks for would be lost.",
    cure="remove it, or choose the other kind",
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
                value = getattr(value, name)
            if value:
                yield Problem(path, f"is a field of {kind} only, and the job is a {job.kind}")
    if job.kind == "Job" and job.processes_per_node:
        yield Problem("processes_per_node", "is a field of the PyTorch kinds, and the job is a Job")
    if job.kind == "Job" and job.run_policy.clean_pods:
        yield Problem("run_policy.clean_pods", "is a field of the PyTorch kinds, and the job is a Job")
    policies = {"Job": ("Never", "OnFailure"), "HyperPodPyTorchJob": ("Never", "OnFailure", "Always")}
    allowed = policies.get(job.kind)
    if job.restart_pods and allowed and job.restart_pods not in allowed:
        yield Problem("restart_pods", f"{job.restart_pods} is not known to {job.kind}", f"write {' or '.join(allowed)}")
    if job.kind != "HyperPodPyTorchJob" and job.run_policy.ttl_seconds == -1:
        yield Problem("run_policy.ttl_seconds", f"-1 is not known to {job.kind}", "leave it out to keep the job")
    processes = job.processes_per_node
    if not opaque(processes) and not re.fullmatch(r"auto|cpu|gpu|[0-9]+", str(processes)):
        yield Problem("processes_per_node", f"{processes!r} is no number", "write auto, cpu, gpu or a number in quotes")


@rule(
    "HP705",
    title="Environment variables and labels have valid names and one source each",
    why="Kubernetes refuses the object.",
    cure="name one secret or config map with its key, or one field of the pod",
    source=KUBERNETES,
    wrong=example('env: {"1ST": "x"}'),
    right=example('env: {FIRST: "x"}'),
)
def environment(job: Job) -> Iterator[Problem]:
    from ..spec.jobs_pod import EnvSource

    places: list[tuple[str, Any]] = [("", job)]
    for kind in ("sidecars", "init_containers"):
        places += [(f"{kind}[{index}].", one) for index, one in enumerate(getattr(job, kind))]
    for prefix, holder in places:
        for name, value in holder.env.items():
            path = f"{prefix}env.{name}"
            if not is_token(name) and not _ENV.fullmatch(name):
                cure = "use letters, digits, '_', '-' and '.', not starting with a digit"
                yield Problem(path, f"{name!r} is no name of an environment variable", cure)
            if isinstance(value, EnvSource):
                yield from _env_source(path, value)
        for index, source in enumerate(holder.env_from):
            if (source.secret is None) == (source.config_map is None):
                yield Problem(f"{prefix}env_from[{index}]", "needs exactly one of secret and config_map")
    for field in ("labels", "node_selector"):
        for key, value in getattr(job, field).items():
            if not is_token(key) and not _LABEL_KEY.fullmatch(key):
                yield Problem(f'{field}["{key}"]', f"{key!r} is no label key", "use prefix/name")
            if not is_token(value) and not _LABEL_VALUE.fullmatch(value):
                cure = "use 63 characters at most: letters, digits, '-', '_' and '.'"
                yield Problem(f'{field}["{key}"]', f"{value!r} is no label value", cure)


def _env_source(path: str, source: Any) -> Iterator[Problem]:
    stated = [name for name in ("secret", "config_map", "pod_field") if getattr(source, name) is not None]
    if len(stated) != 1:
        yield Problem(path, f"needs exactly one source, has {' and '.join(stated) or 'none'}")
    elif (stated[0] == "pod_field") != (source.key is None):
        yield Problem(path, "a secret or config map needs a key, a pod field has none")


@rule(
    "HP706",
    title="Each volume has one source, a name and a mount path of its own",
    why="Kubernetes refuses the pods.",
    cure="give one of host_path, claim, fsx, empty_dir, secret and config_map",
    source=KUBERNETES,
    wrong=example("volumes: [{name: data, mount_path: /data}]"),
    right=example("volumes: [{name: data, mount_path: /data, claim: data}]"),
)
def volumes(job: Job) -> Iterator[Problem]:
    seen: dict[str, str] = {"/dev/shm": "shared_memory_gib"} if job.shared_memory_gib is not None else {}
    names: set[str] = set()
    for index, volume in enumerate(job.volumes):
        path = f"volumes[{index}]"
        if len(volume.sources) != 1:
            yield Problem(path, f"needs exactly one source, has {' and '.join(volume.sources) or 'none'}")
        if not is_token(volume.name) and not _LABEL.fullmatch(volume.name):
            yield Problem(
                f"{path}.name", f"{volume.name!r} is no Kubernetes name", "use lower case letters and hyphens"
            )
        if volume.name in names or volume.name == "shared-memory":
            yield Problem(f"{path}.name", f"{volume.name!r} is taken", "choose another name")
        names.add(volume.name)
        for field in ("mount_path", "host_path"):
            value = getattr(volume, field)
            if not opaque(value) and not value.startswith("/"):
                yield Problem(f"{path}.{field}", f"{value!r} is not absolute", "start it with /")
        if volume.mount_path in seen:
            also = f"{volume.mount_path!r} is mounted twice, first by {seen[volume.mount_path]}"
            yield Problem(f"{path}.mount_path", also, "choose another path")
        seen[volume.mount_path] = path
    taken: set[str] = set()
    for kind in ("sidecars", "init_containers"):
        for index, one in enumerate(getattr(job, kind)):
            if one.name in taken:
                yield Problem(f"{kind}[{index}].name", f"{one.name!r} is taken", "choose another name")
            taken.add(one.name)
            for missing in set(one.volumes) - names:
                cure = f"known are {', '.join(sorted(names)) or 'none'}"
                yield Problem(f"{kind}[{index}].volumes", f"the job has no volume {missing!r}", cure)


@rule(
    "HP707",
    title="A job asks for one topology, by a label that nodes have",
    severity=Severity.WARNING,
    why="Kueue refuses both together, and a label that no node has keeps the job waiting for ever.",
    cure="keep preferred_topology or required_topology, with one of the topology.k8s.aws labels",
    source="AWS documentation of task governance; Kueue: topology aware scheduling",
    wrong=example("preferred_topology: topology.k8s.aws/rack"),
    right=example("preferred_topology: topology.k8s.aws/network-node-layer-2"),
    certain=True,
)
def topology(job: Job) -> Iterator[Problem]:
    if job.preferred_topology and job.required_topology:
        message = f"preferred ({job.preferred_topology}) and required ({job.required_topology}) are both given"
        yield Problem("required_topology", message, "keep one of the two", severity=Severity.ERROR)
    from ..catalog._files import load

    known: list[str] = load("jobs")["topology_labels"]
    for field in ("preferred_topology", "required_topology"):
        value = getattr(job, field)
        if not opaque(value) and value not in known and value != "kubernetes.io/hostname":
            yield Problem(field, f"{value!r} is no known topology label", f"known are {', '.join(known)}")


@rule(
    "HP708",
    title="An elastic job's numbers fit together",
    why="The operator refuses the job or never scales it.",
    cure="let min_replicas <= nodes or replicas <= max_replicas",
    source="HyperPodPyTorchJob schema; AWS documentation of elastic training",
    wrong=example("nodes: 4, elastic: {max_replicas: 2}"),
    right=example("nodes: 2, elastic: {max_replicas: 4, step: 2}"),
)
def elastic(job: Job) -> Iterator[Problem]:
    if job.elastic is None:
        return
    count = job.parts[0].count
    least, most = job.elastic.min_replicas or count, job.elastic.max_replicas
    if most < least:
        yield Problem("elastic.max_replicas", f"is {most}, below the least of {least} replicas")
    elif not least <= count <= most:
        yield Problem("elastic", f"the job starts with {count} replicas, outside {least} to {most}")
    values = job.elastic.discrete_values
    if values and job.elastic.step:
        yield Problem("elastic.discrete_values", "stands beside step", "keep one of the two")
    outside = [value for value in values if not least <= value <= most]
    if outside:
        yield Problem("elastic.discrete_values", f"{outside} are outside {least} to {most}")


@rule(
    "HP709",
    title="Credentials come from secrets",
    severity=Severity.WARNING,
    why="The value is readable in the template, in CloudFormation's console and in the job's object.",
    cure="put it into a Kubernetes secret and name it: {secret: NAME, key: KEY}",
    source="AWS documentation: security of templates; Kubernetes documentation: secrets",
    wrong=example('env: {HF_TOKEN: "hf_abc"}'),
    right=example("env: {HF_TOKEN: {secret: hub, key: token}}"),
)
def credentials(job: Job) -> Iterator[Problem]:
    for name, value in job.env.items():
        if isinstance(value, str) and value and not is_token(value) and _CREDENTIAL.search(name):
            yield Problem(f"env.{name}", "has a plain value, and is named like a credential")
