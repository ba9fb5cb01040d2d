"""Converts a job's manifest to the data of a job file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...catalog import label
from ...spec.jobs_replica import RESOURCE_FIELDS
from .amounts import Data
from .pod import Pod, read_pod

SHARE = (
    *(*RESOURCE_FIELDS, "replicas", "instance_type", "vcpu_limit", "memory_limit_gib", "efa", "hugepages_2mi_mib"),
    *("neuron_resource", "accelerator_resource", "ephemeral_storage_gib", "ephemeral_storage_limit_gib"),
)
"""Resource fields that are set together: if replica specs differ in one of them, each sets all of them."""


@dataclass(slots=True)
class Read:
    """The result of converting a manifest: data of a job, decisions by field, and parts that cannot be converted."""

    data: Data
    notes: dict[str, str] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)


def read_manifest(manifest: Mapping[str, Any], kind: str) -> Read:
    """Converts a manifest to the data of a job."""
    rest: Data = copy.deepcopy(dict(manifest))
    metadata, spec = rest.pop("metadata", None) or {}, rest.pop("spec", None) or {}
    read = Read({})
    _name(metadata, read)
    read.data["kind"] = kind
    read.data["_elastic"] = isinstance(spec.get("elasticPolicy"), dict)
    roles = _ROLES[kind](spec, read)
    pods = [(name, count, extra, read_pod(template or {}, kind)) for name, count, extra, template in roles]
    _labels(metadata, [pod for *_, pod in pods], read, kind)
    _pods(pods, read, kind)
    _policy(spec, read, kind)
    _leftovers(rest, metadata, spec, read)
    return read


def _name(metadata: Data, read: Read) -> None:
    name = metadata.pop("name", None)
    generated = metadata.pop("generateName", None)
    if name is None and generated:
        name = str(generated).rstrip("-")
        read.notes["name"] = f"from generateName {generated!r}; a hash of the content makes the name unique"
    elif name is not None:
        read.data["on_change"] = "refuse"
        read.notes["on_change"] = (
            "the name is fixed, and edits of a deployed job are rejected; without this line, an edit "
            "creates a new object whose name ends with a hash"
        )
    read.data["name"] = str(name) if name is not None else "job"
    namespace = metadata.pop("namespace", None)
    if namespace and namespace != "default":
        read.data["namespace"] = namespace


# ----- replicas by kind: (name, count, fields, template)

Role = tuple[str, int, Data, Any]


def _hyperpod(spec: Data, read: Read) -> list[Role]:
    roles = []
    elastic = spec.get("elasticPolicy") or {}
    for index, replica_spec in enumerate(spec.pop("replicaSpecs", None) or ()):
        extra = {}
        if replica_spec.get("spares"):
            extra["spares"] = replica_spec["spares"]
        largest = replica_spec.get("maxReplicas")
        if largest is not None and (index or largest != elastic.get("maxReplicas")):
            read.losses.append(
                f"spec.replicaSpecs[{index}].maxReplicas: {largest} differs from elasticPolicy.maxReplicas"
            )
        roles.append(
            (str(replica_spec.get("name")), replica_spec.get("replicas") or 0, extra, replica_spec.get("template"))
        )
    return roles


def _kubeflow(spec: Data, _: Read) -> list[Role]:
    roles = []
    for role, replica_spec in (spec.pop("pytorchReplicaSpecs", None) or {}).items():
        restart = {"restart_pods": replica_spec["restartPolicy"]} if replica_spec.get("restartPolicy") else {}
        roles.append((str(role).lower(), replica_spec.get("replicas", 1), restart, replica_spec.get("template")))
    return roles


def _batch(spec: Data, _: Read) -> list[Role]:
    count = spec.get("parallelism", 1)
    completions = spec.get("completions", 1 if count == 1 else None)
    if completions == count:
        spec.pop("completions", None)
    if count > 1 and spec.get("completionMode") == "Indexed":
        del spec["completionMode"]
    elif count > 1:
        spec.setdefault("completionMode", "NonIndexed")
    spec.pop("parallelism", None)
    return [("pod", count, {}, spec.pop("template", None))]


_ROLES = {"HyperPodPyTorchJob": _hyperpod, "PyTorchJob": _kubeflow, "Job": _batch}


# ----- labels and annotations


def _labels(metadata: Data, pods: list[Pod], read: Read, kind: str) -> None:
    data = read.data
    labels = {str(key): str(value) for key, value in (metadata.pop("labels", None) or {}).items()}
    annotations = {str(key): str(value) for key, value in (metadata.pop("annotations", None) or {}).items()}
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    queue, priority = label("queue_name").key, label("priority_class").key
    if queue in labels:
        _queue(labels.pop(queue), data)
        for pod in pods if kind == "HyperPodPyTorchJob" else ():
            if pod.labels.get(queue) == (data.get("queue") or f"{data.get('namespace')}-localqueue"):
                del pod.labels[queue]
    if priority in labels:
        named = labels.pop(priority)
        for pod in pods if kind == "HyperPodPyTorchJob" else ():
            if pod.labels.get(priority) == named:
                del pod.labels[priority]
        if named.endswith("-priority") and not named.endswith("-priority-priority"):
            data["priority"] = named.removesuffix("-priority")
        else:
            data["workload_priority_class"] = named
    if data.pop("_team", None):
        data["team"] = data.pop("namespace").removeprefix("hyperpod-ns-")
    for which in ("preferred", "required"):
        key = label(f"podset_{which}_topology").key
        stated = {annotations.pop(key, None), *(pod.annotations.pop(key, None) for pod in pods)} - {None}
        if stated:
            data[f"{which}_topology"] = stated.pop()
    if kind == "PyTorchJob" and annotations.get(label("auto_resume").key) == "true":
        del annotations[label("auto_resume").key]
        data["auto_resume"] = True
        retries = annotations.pop(label("job_max_retry_count").key, None)
        if retries is not None:
            data["auto_resume_retries"] = int(retries) if retries.isdecimal() else retries
    for pod in pods:
        if pod.labels.get("app") == data["name"]:
            del pod.labels["app"]
    _shared(labels, [pod.labels for pod in pods], data, "labels")
    _shared(annotations, [pod.annotations for pod in pods], data, "annotations")
    for pod in pods:
        if pod.labels:
            pod.fields["pod_labels"] = pod.labels
        if pod.annotations:
            pod.fields["pod_annotations"] = pod.annotations


def _queue(queue: str, data: Data) -> None:
    namespace = str(data.get("namespace", ""))
    if namespace.startswith("hyperpod-ns-") and queue == f"{namespace}-localqueue":
        data["_team"] = True
    else:
        data["queue"] = queue


def _shared(labels: dict[str, str], pods: list[dict[str, str]], data: Data, name: str) -> None:
    """Sets the labels or annotations that the job and all its pods share, and those of the job object only."""
    shared = {key: value for key, value in labels.items() if pods and all(pod.get(key) == value for pod in pods)}
    if shared:
        data[name] = shared
    job_only = {key: value for key, value in labels.items() if key not in shared}
    if job_only:
        data[f"job_{name}"] = job_only
    for pod in pods:
        for key in shared:
            del pod[key]


# ----- pods


def _pods(pods: list[tuple[str, int, Data, Pod]], read: Read, kind: str) -> None:
    parts = []
    for name, count, extra, pod in pods:
        fields = {**({"replicas": count} if count != 1 else {}), **extra, **pod.fields}
        if "image" not in fields:
            fields["image"] = "image:missing"
            read.notes["image"] = "the manifest does not set an image: set it here"
            read.losses.append(f"{name}: the manifest does not set an image")
        read.notes.update(pod.notes)
        parts.append((name, fields))
    if not parts:
        read.losses.append("the manifest has no replica specs")
        return
    default_names = {
        "HyperPodPyTorchJob": "pod",
        "Job": "pod",
        "PyTorchJob": "worker" if read.data.get("_elastic") else "master",
    }
    if len(parts) == 1 and parts[0][0] == default_names[kind]:
        read.data.update(parts[0][1])
    elif kind == "PyTorchJob" and _has_equal_pods(parts) and not read.data.get("_elastic"):
        fields = dict(parts[0][1] if parts[0][0] == "worker" else parts[1][1])
        fields["replicas"] = fields.get("replicas", 1) + 1
        read.data.update(fields)
    else:
        _split(parts, read)


def _has_equal_pods(parts: list[tuple[str, Data]]) -> bool:
    """Whether a job has one master whose pods are equal to those of the workers."""
    by_name = dict(parts)
    if set(by_name) != {"master", "worker"} or by_name["master"].get("replicas", 1) != 1:
        return False
    return {k: v for k, v in by_name["master"].items() if k != "replicas"} == {
        k: v for k, v in by_name["worker"].items() if k != "replicas"
    }


def _split(parts: list[tuple[str, Data]], read: Read) -> None:
    """Sets the fields that all replica specs share on the job, and the others on each; resources are set together."""
    fields = [part for _, part in parts]
    names = dict.fromkeys(name for part in fields for name in part)
    common = {
        name: fields[0][name]
        for name in names
        if all(name in part and part[name] == fields[0][name] for part in fields)
    }
    if any(part.get(name) != fields[0].get(name) for part in fields for name in SHARE):
        common = {name: value for name, value in common.items() if name not in SHARE}
    read.data.update(common)
    read.data["replica_specs"] = [
        {"name": name, **{key: value for key, value in part.items() if key not in common}} for name, part in parts
    ]
    if "image" not in read.data:
        read.data["image"] = fields[0]["image"]


# ----- policies


def _take(source: Data, names: Mapping[str, str]) -> Data:
    """Moves the values of a part of the manifest to fields."""
    return {name: source.pop(key) for key, name in names.items() if source.get(key) is not None}


_RUN = {
    "cleanPodPolicy": "clean_pods",
    "activeDeadlineSeconds": "active_deadline_seconds",
    "ttlSecondsAfterFinished": "ttl_seconds",
}
_RUN_OF_KIND: Mapping[str, Mapping[str, str]] = {
    "HyperPodPyTorchJob": {
        **_RUN,
        "jobMaxRetryCount": "max_retries",
        "startupDeadlineSeconds": "startup_deadline_seconds",
        "faultDeadlineSeconds": "fault_deadline_seconds",
        "workloadMode": "workload_mode",
    },
    "PyTorchJob": {**_RUN, "backoffLimit": "max_retries", "managedBy": "managed_by"},
    "Job": {**_RUN, "backoffLimit": "max_retries"},
}
_RESTART = {
    "evalPeriodSeconds": "evaluation_seconds",
    "numRestartBeforeFullJobRestart": "restarts_before_full_restart",
    "maxFullJobRestarts": "max_full_restarts",
    "maxNumRepeatOffendersToAvoid": "max_repeat_offenders",
    "scaleUpSnoozeTimeInSeconds": "scale_up_snooze_seconds",
}
_RULE = {
    "name": "name",
    "logPattern": "pattern",
    "expectedStartCutOffInSeconds": "starts_within_seconds",
    "expectedRecurringFrequencyInSeconds": "recurs_within_seconds",
    "metricThreshold": "threshold",
    "operator": "operator",
    "metricEvaluationDataPoints": "data_points",
    "stopPattern": "stop_pattern",
    "faultOnMatch": "fault_on_match",
}
_ELASTIC = {
    "minReplicas": "min_replicas",
    "maxReplicas": "max_replicas",
    "replicaIncrementStep": "step",
    "replicaDiscreteValues": "discrete_values",
    "scalingTimeoutInSeconds": "scaling_timeout_seconds",
    "gracefulShutdownTimeoutInSeconds": "graceful_shutdown_seconds",
    "faultyScaleDownTimeoutInSeconds": "faulty_scale_down_seconds",
    "rdzvBackend": "rdzv_backend",
    "rdzvHost": "rdzv_host",
    "rdzvPort": "rdzv_port",
    "rdzvId": "rdzv_id",
    "maxRestarts": "max_restarts",
    "standalone": "standalone",
    "nProcPerNode": "processes_per_node",
    "metrics": "metrics",
}
_GANG = {
    "minAvailable": "min_available",
    "queue": "queue",
    "priorityClass": "priority_class",
    "minResources": "min_resources",
    "scheduleTimeoutSeconds": "schedule_timeout_seconds",
}


def _policy(spec: Data, read: Read, kind: str) -> None:
    source = spec if kind == "Job" else spec.get("runPolicy") or {}
    policy = _take(source, _RUN_OF_KIND[kind])
    if source.pop("suspend", None):
        read.data["suspend"] = True
    if kind == "HyperPodPyTorchJob":
        restart = _take(source.get("restartPolicy") or {}, _RESTART)
        if restart:
            policy["restart"] = restart
        rules = [_take(rule, _RULE) for rule in source.get("logMonitoringConfiguration") or ()]
        if rules:
            policy["log_rules"] = rules
    if kind == "PyTorchJob" and source.get("schedulingPolicy"):
        policy["gang"] = _take(source["schedulingPolicy"], _GANG)
        resources = policy["gang"].get("min_resources")
        if resources:
            policy["gang"]["min_resources"] = {key: str(value) for key, value in resources.items()}
    if policy:
        read.data["run_policy"] = policy
    elastic = spec.get("elasticPolicy")
    if isinstance(elastic, dict):
        found = _take(elastic, _ELASTIC)
        configuration = elastic.pop("rdzvConf", None)
        if configuration:
            found["rdzv_conf"] = {str(item.get("key")): str(item.get("value")) for item in configuration}
        read.data["elastic"] = found
    processes = spec.pop("nprocPerNode", None)
    if processes is not None and str(processes) != "auto":
        read.data["processes_per_node"] = str(processes)


def _leftovers(rest: Data, metadata: Data, spec: Data, read: Read) -> None:
    """Keeps parts without a field in the job's patch, except fields that the API server sets."""
    for key in ("creationTimestamp", "uid", "resourceVersion", "generation", "managedFields", "selfLink"):
        metadata.pop(key, None)
    left = {name: value for name, value in (("metadata", _stripped(metadata)), ("spec", _stripped(spec))) if value}
    if left:
        read.data["job_patch"] = left
        read.notes["job_patch"] = "parts of the manifest that have no field"
    for key in rest:
        if key not in ("apiVersion", "kind", "status"):
            read.losses.append(f"{key}: unknown field of a Kubernetes job")
    read.data.pop("_elastic", None)


def _stripped(value: Any) -> Any:
    """Returns a value without empty values in it."""
    if isinstance(value, dict):
        inner = {key: _stripped(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in (None, [], {}, False)}
    if isinstance(value, list):
        return [item for item in map(_stripped, value) if item not in (None, [], {})]
    return value
