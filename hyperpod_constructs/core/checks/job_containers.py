"""HP706, HP728 and HP73x: volumes, mounts, containers and their commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog._files import load
from ..documents import join
from ..findings import Severity
from ..jobs.names import is_label
from ..jobs.pods import SHARED_MEMORY, main_container
from ..spec.base import is_token
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_pod import Container
from ..spec.jobs_replica import PodFields
from .job_rule import KUBERNETES, example, opaque, parts, pods
from .registry import Problem, rule


@rule(
    "HP706",
    title="Each volume has one source, and a unique name and mount path.",
    why="Kubernetes rejects the pods.",
    cure="Set exactly one of host_path, claim, fsx, empty_dir, secret, config_map or nfs.",
    source=KUBERNETES,
    wrong=example("volumes: [{name: data, mount_path: /data}]"),
    right=example("volumes: [{name: data, mount_path: /data, claim: data}]"),
)
def volumes(job: Job) -> Iterator[Problem]:
    found: dict[Problem, None] = {}
    for index, (_, part, _) in enumerate(parts(job)):
        spec = job.replica_specs[index] if job.replica_specs else None

        def at(field: str, spec: ReplicaSpec | None = spec, index: int = index) -> str:
            """Returns the path of a field: in the replica spec if the replica spec sets the field."""
            stated = spec is not None and field in spec.model_fields_set
            return f"replica_specs[{index}].{field}" if stated else field

        found |= dict.fromkeys(_volumes(part, at("volumes")))
        found |= dict.fromkeys(_names(job, part, at("sidecars"), at("init_containers")))
    yield from found


def _volumes(part: ReplicaSpec, around: str) -> Iterator[Problem]:
    seen: dict[str, str] = {"/dev/shm": "shared_memory_gib"} if part.shared_memory_gib is not None else {}
    by_name: dict[str, int] = {}
    for index, volume in enumerate(part.volumes):
        path = f"{around}[{index}]"
        if len(volume.sources) != 1:
            yield Problem(path, f"requires exactly one source, but has {' and '.join(volume.sources) or 'none'}")
        if not is_token(volume.name) and not is_label(volume.name):
            message = f"{volume.name!r} is not a valid volume name"
            yield Problem(f"{path}.name", message, "Use lowercase letters, digits and hyphens.")
        first = by_name.setdefault(volume.name, index)
        if volume.name == SHARED_MEMORY or (first != index and not volume.is_same_volume(part.volumes[first])):
            cure = "Use another name, or repeat the same source for another mount of the same volume."
            yield Problem(f"{path}.name", f"{volume.name!r} is already used", cure)
        for field, value in (("mount_path", volume.mount_path), ("host_path", volume.host_path)):
            if not opaque(value) and value is not None and not value.startswith("/"):
                yield Problem(f"{path}.{field}", f"{value!r} is not an absolute path", "Begin it with /.")
        if (volume.file_mode is not None or volume.files) and volume.secret is None and volume.config_map is None:
            field = "file_mode" if volume.file_mode is not None else "files"
            yield Problem(f"{path}.{field}", "applies to a secret or config map only", "Remove it.")
        if volume.mount_path in seen:
            also = f"{volume.mount_path!r} is mounted twice, first by {seen[volume.mount_path]}"
            yield Problem(f"{path}.mount_path", also, "Use another path.")
        if volume.mount_path is not None:
            seen[volume.mount_path] = path


def _names(job: Job, part: ReplicaSpec, sidecars: str, init_containers: str) -> Iterator[Problem]:
    main = main_container(job, part)
    used_names = {main: "the main container"}
    known = {volume.name for volume in part.volumes} | (
        {SHARED_MEMORY} if part.shared_memory_gib is not None else set()
    )
    for around, containers in ((sidecars, part.sidecars), (init_containers, part.init_containers)):
        for index, container in enumerate(containers):
            path = f"{around}[{index}]"
            if container.name in used_names:
                message = f"{container.name!r} is already the name of {used_names[container.name]}"
                yield Problem(f"{path}.name", message, "Use another name.")
            used_names.setdefault(container.name, path)
            yield from _mounts(container, path, known)


def _mounts(container: Container, path: str, known: set[str]) -> Iterator[Problem]:
    cure = f"Use one of: {', '.join(sorted(known))}." if known else "Define the volume in the job's volumes."
    for missing in sorted(set(container.volumes) - known):
        yield Problem(f"{path}.volumes", f"the job has no volume {missing!r}", cure)
    for index, mount in enumerate(container.mounts):
        place = f"{path}.mounts[{index}]"
        if mount.volume not in known and not is_token(mount.volume):
            yield Problem(f"{place}.volume", f"the job has no volume {mount.volume!r}", cure)
        if not is_token(mount.path) and not mount.path.startswith("/"):
            yield Problem(f"{place}.path", f"{mount.path!r} is not an absolute path", "Begin it with /.")


@rule(
    "HP728",
    title="Each argument and variable is within the limit of Linux.",
    why="The container cannot start: `argument list too long`.",
    cure="Store the text in a config map and mount it: volumes: [{name: script, config_map: NAME, mount_path: /script}].",
    source="Linux: execve(2), MAX_ARG_STRLEN for each argument and each variable with its name, no NUL characters",
    wrong=example(r'command: [bash, -c, "echo \0"]'),
    right=example("command: [bash, /script/train.sh], volumes: [{name: s, config_map: s, mount_path: /script}]"),
)
def argument_length(job: Job) -> Iterator[Problem]:
    for prefix, holder in _texts(job):
        for field in ("command", "args"):
            for index, text in enumerate(getattr(holder, field)):
                yield from _length(f"{prefix}{field}[{index}]", text)
        for name, value in holder.env.items():
            if isinstance(value, str):
                yield from _length(join(f"{prefix}env", name), f"{name}={value}")


def _texts(job: Job) -> Iterator[tuple[str, PodFields | Container]]:
    for prefix, pod in pods(job):
        yield prefix, pod
        for kind in ("sidecars", "init_containers"):
            for index, container in enumerate(getattr(pod, kind)):
                yield f"{prefix}{kind}[{index}].", container


def _length(path: str, text: str) -> Iterator[Problem]:
    maximum: int = load("jobs")["longest_argument_bytes"]
    size = len(text.encode()) + 1  # including the terminating byte
    if size > maximum:
        yield Problem(path, f"{size:,} bytes; the limit of Linux for one argument or variable is {maximum:,}")
    elif "\0" in text:
        yield Problem(
            path, "contains a NUL character, which ends an argument", "Remove it.", "The container cannot start."
        )


_SUFFIXES = {"PyTorchJob": ("master", "worker"), "HyperPodPyTorchJob": (), "Job": ()}


@rule(
    "HP729",
    title="A job that refers to its own pods has a fixed name.",
    severity=Severity.WARNING,
    why="The hash depends on the content of the job, so no pod has this name, and the connection fails.",
    cure="Set `on_change: replace` or `refuse` for a fixed name.",
    source="Kubeflow training operator: pods are named <job>-<role>-<index>; this project: names of `new-object` jobs",
    wrong=example("kind: PyTorchJob, nodes: 2, args: ['--endpoint=train-master-0:29500']"),
    right=example("kind: PyTorchJob, nodes: 2, on_change: replace, args: ['--endpoint=train-master-0:29500']"),
)
def own_pods(job: Job) -> Iterator[Problem]:
    if job.on_change != "new-object" or is_token(job.name):
        return
    roles = [*_SUFFIXES[job.kind], *(part.name for part in job.parts)]
    pod_name = re.compile(
        rf"(?<![-a-z0-9]){re.escape(job.name)}-({'|'.join(map(re.escape, dict.fromkeys(roles)))})(?![a-z])"
    )
    source = f"metadata.labels['{load('jobs')['name_labels'][job.kind]}']"
    cure = (
        f"Set `on_change: replace` or `refuse`, or read the name from the pod: env: {{JOB_NAME: {{pod_field: "
        f'"{source}"}}}}, then ${{JOB_NAME}} in the command.'
    )
    for prefix, holder in _texts(job):
        texts = [(f"{prefix}{f}[{i}]", t) for f in ("command", "args") for i, t in enumerate(getattr(holder, f))]
        texts += [(join(f"{prefix}env", name), text) for name, text in holder.env.items() if isinstance(text, str)]
        for path, text in texts:
            if found := pod_name.search(text):
                yield Problem(path, f"refers to the pod {found[0]!r}..., but the job's name includes a hash", cure)


@rule(
    "HP730",
    title="A job contains no dynamic references of CloudFormation.",
    why="The reference is not resolved when the job is rendered or submitted, and secrets are never resolved "
    "in a custom resource: the container gets the text of the reference. A changed value would not "
    "change the job's name.",
    cure="Store the value in a Kubernetes secret and refer to it: {secret: NAME, key: KEY}. In CDK, a "
    "template parameter (StringParameter.value_for_string_parameter) is resolved before the job is "
    "applied.",
    source="AWS CloudFormation User Guide: dynamic references for secure values are not supported in custom resources",
    wrong=example('env: {TOKEN_FILE: "{{resolve:secretsmanager:hub:SecretString:token}}"}'),
    right=example("env: {TOKEN_FILE: {secret: hub, key: token}}"),
)
def dynamicreferences(job: Job) -> Iterator[Problem]:
    yield from references(job.model_dump(mode="python", exclude_unset=True), "")


def references(value: object, path: str) -> Iterator[Problem]:
    """Dynamic references in the strings of plain data, with their paths."""
    if isinstance(value, str):
        if found := re.search(r"\{\{resolve:[^}]*\}\}", value):
            yield Problem(path, f"contains the dynamic reference {found[0]!r}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(item, join(path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references(item, join(path, index))
