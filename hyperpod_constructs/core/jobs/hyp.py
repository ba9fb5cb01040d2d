"""Reads the official CLI's job configs: `config.yaml` of `hyp-pytorch-job`, schema 1.0 or 1.1.

A config is detected by its key `job_name`. Template and version can be in comments, as `hyp init` writes them, or in keys.
All fields are supported, including fields that the CLI ignores or converts incorrectly; intentional differences are
reported as notes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..findings import Finding, Severity
from ..spec.jobs import RESOURCE_FIELDS

TEMPLATE = "hyp-pytorch-job"
VERSIONS = ("1.0", "1.1")
_COMMENT = re.compile(r"^#\s*(template|version)\s*:\s*(\S+)", re.MULTILINE)

_SAME = (
    *("image", "namespace", "command", "args", "pull_policy", "instance_type", "vcpu", "vcpu_limit"),
    *("preferred_topology", "required_topology"),
)
_RENAMED: Mapping[str, str] = {
    "job_name": "name",
    "environment": "env",
    "tasks_per_node": "processes_per_node",
    "label_selector": "node_selector",
    "deep_health_check_passed_nodes_only": "deep_health_check_passed_only",
    "scheduler_type": "scheduler_name",
    "queue_name": "queue",
    "priority": "workload_priority_class",
    "memory": "memory_gib",
    "memory_limit": "memory_limit_gib",
    "service_account_name": "service_account",
    "accelerators": "accelerators",
    "efa": "efa",
    "accelerator_partition_type": "mig_profile",
    "accelerator_partition_count": "mig_count",
}
_LIMITS: Mapping[str, str] = {
    "accelerators_limit": "accelerators",
    "efa_limit": "efa",
    "accelerator_partition_limit": "accelerator_partition_count",
}
"""Device limits, which Kubernetes requires to be equal to the request."""
_TEXTS = ("job_name", "image", "namespace", "queue_name", "priority", "service_account_name", "scheduler_type")
_NUMBERS = frozenset(
    {
        *("accelerators", "vcpu", "memory", "vcpu_limit", "memory_limit", "efa", "accelerator_partition_count"),
        *("node_count", "replica_count", "max_retry", "max_node_count", "max_replica_count", *_LIMITS),
        *("elastic_replica_increment_step", "elastic_graceful_shutdown_timeout_in_seconds"),
        *("elastic_scaling_timeout_in_seconds", "elastic_scale_up_snooze_time_in_seconds"),
    }
)
_ELASTIC: Mapping[str, str] = {
    "elastic_replica_increment_step": "step",
    "elastic_replica_discrete_values": "discrete_values",
    "elastic_scaling_timeout_in_seconds": "scaling_timeout_seconds",
    "elastic_graceful_shutdown_timeout_in_seconds": "graceful_shutdown_seconds",
}
_HANDLED = frozenset(
    {
        *(*_SAME, *_RENAMED, *_LIMITS, *_ELASTIC, *_NUMBERS, *_TEXTS),
        *("template", "version", "volume"),
    }
)


class Converted(NamedTuple):
    """The result of converting a config to the data of a `Job`.

    Attributes:
        data: the data of the `Job`.
        findings: notes on intentional differences from the official CLI, and errors.
        keys: the config's key by this library's top-level key, so that findings refer to keys of the file.
    """

    data: dict[str, Any]
    findings: list[Finding]
    keys: Mapping[str, str]


def job_from_mapping(
    data: Mapping[str, Any], *, comments: str | None = None, written: Mapping[str, str] | None = None
) -> Converted:
    """Converts the official CLI's config to the data of a `Job`.

    Args:
        data: the config's content.
        comments: the file's text, to read template and version from its comments.
        written: numbers and booleans by key, as written in the file, so that numeric names keep all their digits.

    >>> job_from_mapping({"job_name": "a", "image": "b", "node_count": 2, "instance_type": "ml.g5.8xlarge"}).data
    {'image': 'b', 'instance_type': 'ml.g5.8xlarge', 'name': 'a', 'nodes': 2}
    """
    # `hyp init` writes all keys, most of them without a value
    given = {key: value for key, value in data.items() if value is not None}
    identified = dict(_COMMENT.findall(comments or "")) | {
        key: given[key] for key in ("template", "version") if key in given
    }
    conversion = _Conversion(given, written or {})
    conversion.check_template(str(identified.get("template", TEMPLATE)), str(identified.get("version", VERSIONS[-1])))
    return conversion.converted()


class _Conversion:
    def __init__(self, given: Mapping[str, Any], written: Mapping[str, str]) -> None:
        self.written = written
        self.given = {key: self._plain(key, value) for key, value in given.items()}
        self.data: dict[str, Any] = {}
        self.keys: dict[str, str] = {}
        self.findings: list[Finding] = []

    def check_template(self, template: str, version: str) -> None:
        if template != TEMPLATE:
            self._error("template", f"{template!r} is not a training job template", f"Use {TEMPLATE!r}.")
        if version not in VERSIONS:
            self._error("version", f"{version!r} is not a known schema version", f"Use {' or '.join(VERSIONS)}.")

    def converted(self) -> Converted:
        self._equal_limits()
        for key in _SAME:
            self._copy(key, key)
        for source_key, spec_key in _RENAMED.items():
            self._copy(source_key, spec_key)
        self._scheduler()
        if "memory_gib" in self.data:  # in the CLI, the limit equals the request
            self.data.setdefault("memory_limit_gib", self.data["memory_gib"])
        self._count()
        self._policies()
        self._volumes()
        # this library's fields are allowed in a config; unknown keys are rejected later
        for key, value in self.given.items():
            if key not in _HANDLED:
                self.data.setdefault(key, value)
        self._notes()
        return Converted(self.data, self.findings, self.keys)

    def _plain(self, key: str, value: Any) -> Any:
        """Converts a value as the CLI does: quoted numbers to numbers, numeric names and label values to strings."""
        if key in _NUMBERS and isinstance(value, str):
            number = float(value) if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value) else None
            return value if number is None else int(number) if number.is_integer() else number
        if key in _TEXTS or key == "tasks_per_node":
            return self._text(key, value)
        if key == "label_selector" and isinstance(value, Mapping):
            return {name: self._text(f"{key}.{name}", text) for name, text in value.items()}
        if key == "deep_health_check_passed_nodes_only" and isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower(), value)
        return value

    def _text(self, path: str, value: Any) -> Any:
        if isinstance(value, bool):
            return self.written.get(path, str(value).lower())
        return self.written.get(path, str(value)) if isinstance(value, int | float) else value

    def _copy(self, source_key: str, spec_key: str) -> None:
        if source_key in self.given:
            self.data[spec_key] = self.given[source_key]
            self.keys[spec_key] = source_key

    def _scheduler(self) -> None:
        """Removes scheduler types that refer to Kueue: the CLI's README lists them, but the queue selects Kueue."""
        scheduler = str(self.data.get("scheduler_name", "")).lower()
        if scheduler in ("kueue", "none", "sagemaker"):
            del self.data["scheduler_name"], self.keys["scheduler_name"]
            if scheduler != "none":
                message = "refers to Kueue, which is selected by the queue, not by a scheduler name"
                cure = "Set queue_name." if "queue_name" not in self.given else "Remove it."
                self._note("scheduler_type", message, cure)

    def _equal_limits(self) -> None:
        for limit, request in _LIMITS.items():
            if limit not in self.given:
                continue
            requested = self.given.setdefault(request, self.given[limit])
            if requested != self.given[limit]:
                message = f"{request} is {requested} but {limit} is {self.given[limit]}"
                self._error(limit, message, "Set only one of them: Kubernetes requires them to be equal.")

    def _count(self) -> None:
        partial = any(name in self.data for name in RESOURCE_FIELDS)
        if "node_count" in self.given:
            self._copy("node_count", "nodes")
        if "replica_count" in self.given:
            self._copy("replica_count", "replicas" if partial or "node_count" in self.given else "nodes")

    def _policies(self) -> None:
        run_policy: dict[str, Any] = {}
        if "max_retry" in self.given:
            run_policy["max_retries"] = self.given["max_retry"]
        snooze = self.given.get("elastic_scale_up_snooze_time_in_seconds")
        if snooze is not None:
            run_policy["restart"] = {"evaluation_seconds": 3600, "scale_up_snooze_seconds": snooze}
        if run_policy:
            self.data["run_policy"] = {"clean_pods": "None", **run_policy}
            self.keys["run_policy"] = (
                "max_retry" if "max_retry" in self.given else "elastic_scale_up_snooze_time_in_seconds"
            )
        elastic = {
            spec_key: self.given[source_key] for source_key, spec_key in _ELASTIC.items() if source_key in self.given
        }
        max_replicas = self.given.get("max_replica_count", self.given.get("max_node_count"))
        if {"max_replica_count", "max_node_count"} <= self.given.keys():
            self._error(
                "max_node_count", "conflicts with max_replica_count, which has the same meaning", "Remove one of them."
            )
        if elastic or max_replicas is not None:
            if max_replicas is None and elastic.get("discrete_values"):
                max_replicas = max(elastic["discrete_values"])
            if max_replicas is None:
                self._error(
                    "max_replica_count", "is missing: an elastic job requires a maximum number of replicas", "Set it."
                )
            self.data["elastic"] = {"max_replicas": max_replicas or 1, **elastic}
            self.keys["elastic"] = next(key for key in self.given if key.startswith(("elastic_", "max_")))

    def _volumes(self) -> None:
        volumes = self.given.get("volume") or []
        if not isinstance(volumes, list):
            self._error("volume", "must be a list of volumes", "Start each with `- name: ...`.")
            return
        for index, volume in enumerate(volumes):
            self._volume(f"volume[{index}]", volume)
        if volumes:
            self.keys["volumes"] = "volume"

    def _volume(self, path: str, volume: Any) -> None:
        if not isinstance(volume, Mapping):
            self._error(path, "must be a mapping", "Set name, type and mount_path.")
            return
        source = {"hostPath": ("path", "host_path"), "pvc": ("claim_name", "claim")}.get(str(volume.get("type")))
        if source is None:
            self._error(f"{path}.type", f"{volume.get('type')!r} is not a valid volume type", "Use hostPath or pvc.")
            return
        source_key, spec_key = source
        if not volume.get(source_key):
            self._error(path, f"a volume of type {volume['type']} requires {source_key}", f"Add {source_key}.")
            return
        read_only = volume.get("read_only")
        if isinstance(read_only, str):
            read_only = {"true": True, "false": False}.get(read_only.lower(), read_only)
        common = {key: volume[key] for key in ("name", "mount_path") if volume.get(key) is not None}
        extra = {
            key: volume[key] for key in volume if key not in ("name", "mount_path", "type", "read_only", source_key)
        }
        stated = {} if read_only is None else {"read_only": read_only}
        self.data.setdefault("volumes", []).append({**common, spec_key: volume[source_key], **stated, **extra})

    def _notes(self) -> None:
        if "on_change" not in self.data:
            self._note(
                "job_name",
                "the object's name ends with a hash of its content",
                "Set `on_change: replace` for a name without the hash.",
            )
        if self.data.get("accelerators") and "instance_type" in self.data:
            derived = [key for key in ("vcpu", "memory") if key not in self.given]
            if derived:
                message = (
                    f"the default of {' and '.join(derived)} is the accelerators' share of the resources that pods "
                    "can use on the node; the CLI uses the node's total resources, so that two replicas with half "
                    "of the accelerators do not fit on one node"
                )
                self._note("accelerators", message, "Set them to override these values.")
            if "efa" not in self.given:
                message = (
                    "the default of efa is the accelerators' share of the EFA interfaces; the CLI requests all of them"
                )
                self._note("accelerators", message, "Set `efa` to override this value.")
        if "max_retry" in self.given:
            message = "ttlSecondsAfterFinished is not set (operator's default); the CLI sets 0"
            self._note("max_retry", message, "Set `run_policy.ttl_seconds` to override this value.")

    def _error(self, path: str, message: str, cure: str) -> None:
        self.findings.append(Finding(rule="HP791", severity=Severity.ERROR, path=path, message=message, cure=cure))

    def _note(self, path: str, message: str, cure: str) -> None:
        self.findings.append(Finding(rule="HP790", severity=Severity.NOTE, path=path, message=message, cure=cure))
