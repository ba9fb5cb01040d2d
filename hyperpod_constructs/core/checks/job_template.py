"""HP721 and HP722: patches, and the object as it is applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..documents import parent, within
from ..findings import Severity
from ..jobs.manifest import API_VERSIONS, manifest_of, pod_templates
from ..jobs.pod_rules import template_flaws
from ..jobs.pods import pod_template
from ..jobs.schema import Flaw, flaws
from ..spec.base import defaults
from ..spec.jobs import Job, ReplicaSpec
from ..spec.jobs_policy import RunPolicy
from .job_rule import KUBERNETES, example, pods
from .registry import Problem, rule


@rule(
    "HP721",
    title="A patch does not change resources.",
    severity=Severity.WARNING,
    why="The requests of the job then differ from those that are checked.",
    cure="Set accelerators, vcpu, memory_gib or efa instead.",
    source="This project: the compiler's numbers are applied unchanged",
    wrong=example("container_patch: {resources: {limits: {cpu: 4}}}"),
    right=example("container_patch: {tty: true}"),
)
def patched(job: Job) -> Iterator[Problem]:
    for prefix, pod in pods(job):
        spec = pod.patch.get("spec")
        containers = spec.get("containers") if isinstance(spec, Mapping) else None
        for index, container in enumerate(containers if isinstance(containers, list | tuple) else ()):
            if isinstance(container, Mapping) and "resources" in container:
                message = "changes the resources of a container"
                yield Problem(f"{prefix}patch.spec.containers[{index}].resources", message)
        if "resources" in pod.container_patch:
            yield Problem(f"{prefix}container_patch.resources", "changes the resources of a container")


@rule(
    "HP722",
    title="The object is valid after all patches.",
    why="The API server rejects the object, or drops the misspelled key and its setting.",
    cure="Correct the key or the value.",
    source=f"{KUBERNETES}: published OpenAPI and validation; CRDs of the training operators",
    wrong=example("affinity: {nodeAfinity: {}}"),
    right=example(
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms:"
        " [{matchExpressions: [{key: zone, operator: Exists}]}]}}}"
    ),
)
def final_object(job: Job) -> Iterator[Problem]:
    found: dict[Problem, None] = {}
    for index, part in enumerate(job.parts):
        spec = job.replica_specs[index] if job.replica_specs else None
        for flaw in template_flaws(pod_template(job, part)):
            if flaw.kind in ("duplicate-mount", "above-limit"):
                continue  # reported by HP706 and HP715 on the fields of the job
            path = _in_part(part, flaw.path)
            if path is not None:
                stated = spec is not None and re.split(r"[.\[]", path, maxsplit=1)[0] in spec.model_fields_set
                found[_problem(f"replica_specs[{index}].{path}" if stated else path, flaw)] = None
    if not found:
        for flaw in _object(job):
            found[_problem(_in_job(job, flaw.path), flaw)] = None
    yield from found


def _object(job: Job) -> Iterator[Flaw]:
    """Problems of the object after the job's own patch: outside and inside its pod templates."""
    if not job.job_patch:
        yield from _numbers(job)
        return
    manifest = manifest_of(job)
    found = [*_identity(job, manifest), *flaws(manifest, job.kind)]
    yield from found
    for place, template in [] if found else pod_templates(manifest):
        for flaw in template_flaws(template):
            yield Flaw(f"{place}.{flaw.path}", flaw.message, flaw.cure)


def _identity(job: Job, manifest: Mapping[str, Any]) -> Iterator[Flaw]:
    """The identity of the object, which the job's own fields set."""
    metadata = manifest.get("metadata")
    if manifest.get("kind") != job.kind or manifest.get("apiVersion") != API_VERSIONS[job.kind]:
        yield Flaw(
            "kind" if manifest.get("kind") != job.kind else "apiVersion",
            "changes the kind of the object",
            "Set `kind`.",
            "identity",
        )
    for key, expected in (("name", job.name), ("namespace", job.effective_namespace)):
        if isinstance(metadata, Mapping) and metadata.get(key) != expected:
            yield Flaw(f"metadata.{key}", f"changes the {key} of the object", f"Set `{key}`.", "identity")


def _numbers(job: Job) -> Iterator[Flaw]:
    """Returns numbers of the policies that exceed Kubernetes' integers; rules about the fields report other problems."""
    if job.elastic is None and job.run_policy == _NO_POLICY:
        return
    for flaw in flaws(manifest_of(job), job.kind):
        if flaw.kind == "size":
            yield flaw


_NO_POLICY = defaults(RunPolicy)


def _problem(path: str, flaw: Flaw) -> Problem:
    last = flaw.path.rpartition(".")[2] or "the pod template"
    shown = "" if path.endswith(last) else f"{flaw.path}: "
    why = "The deployment cannot find the object that the patch renames." if flaw.kind == "identity" else None
    return Problem(path, f"{shown}{flaw.message}", flaw.cure or None, why)


_COVERED = ("env", "envFrom", "image", "name")
"""Parts of a container that rules about typed fields check."""


def _in_part(part: ReplicaSpec, path: str) -> str | None:
    """Returns the path in the job of a path in the pod template; None if another rule reports it."""
    if (patched := _deepest(part.patch, path)) is not None:
        return f"patch.{patched}"
    for manifest_path, ours in (
        ("spec.affinity", "affinity"),
        ("spec.tolerations", "tolerations"),
        ("spec.topologySpreadConstraints", "topology_spread"),
        ("spec.containers[0].ports", "ports"),
    ):
        if within(path, manifest_path):
            deeper = path.removeprefix(manifest_path)
            entry = re.match(r"\[\d+\]", deeper)
            return ours + (deeper if ours == "affinity" else entry[0] if entry else "")
    found = re.match(r"spec\.(containers|initContainers)\[(\d+)\]\.?(.*)", path)
    if found is None and path.startswith("spec.volumes"):
        return None if path.endswith(".name") and path.count(".") == 2 else "volumes"
    if found is None:
        return None if path.startswith(("spec.nodeSelector", "metadata.labels")) else ""
    kind, number, inside = found[1], int(found[2]), found[3]
    first = re.split(r"[.\[]", inside, maxsplit=1)[0]
    if kind == "containers" and number == 0:
        if first in part.container_patch:
            return f"container_patch.{_deepest(part.container_patch, inside) or first}"
        return None if first in _COVERED else "volumes" if first == "volumeMounts" else ""
    around = f"init_containers[{number}]" if kind == "initContainers" else f"sidecars[{number - 1}]"
    sequence: Sequence[Any] = part.init_containers if kind == "initContainers" else part.sidecars
    position = number if kind == "initContainers" else number - 1
    if position < len(sequence) and first in sequence[position].patch:
        return f"{around}.patch.{first}"
    return None if first in _COVERED else f"{around}.ports" if first == "ports" else around


def _in_job(job: Job, path: str) -> str:
    deepest = _deepest(job.job_patch, path)
    return f"job_patch.{deepest}" if deepest is not None else ""


def _deepest(patch: Mapping[str, Any], path: str) -> str | None:
    """Returns the deepest part of a path that a patch sets; None if it does not set any part.

    >>> _deepest({"spec": {"containers": [{"name": "a", "tty": 1}]}}, "spec.containers[1].tty")
    'spec.containers'
    >>> _deepest({"spec": {"hostPID": 1}}, "spec.hostIPC") is None
    True
    """
    place = path
    while place:
        value: Any = patch
        for part in re.findall(r'[^.\[\]"]+', place):
            value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is not _MISSING and (place == path or not isinstance(value, Mapping) or not value):
            return place
        place = parent(place)
    return None


_MISSING = object()
