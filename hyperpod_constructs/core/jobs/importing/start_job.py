"""Converts configs of `hyperpod start-job`, the official CLI before version 3, to a PyTorchJob."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .manifest import Read

_KNOWN = frozenset({"defaults", "hydra", "training_cfg", "cluster", "container", "env_vars", "base_results_dir"})
_KNOWN_CLUSTER = frozenset(
    {
        *("service_account_name", "volumes", "persistent_volume_claims", "namespace", "custom_labels", "annotations"),
        *("priority_class_name", "label_selector", "cleanPodPolicy", "restartPolicy", "pullPolicy"),
        *("cluster_type", "instance_type", "scheduler_type", "queue_name", "priority"),
    }
)


def read_start_job(config: Mapping[str, Any]) -> Read:
    """Converts a config to the data of a job; torchrun reads nodes and processes from variables that the operator sets."""
    training, cluster = _map(config.get("training_cfg")), _map(config.get("cluster"))
    settings = {**cluster, **_map(cluster.get("cluster_config"))}
    settings.pop("cluster_config", None)
    run = _map(training.get("run"))
    read = Read({"name": str(run.get("name") or "job"), "kind": "PyTorchJob"})
    data = read.data
    if config.get("container"):
        data["image"] = str(config["container"])
    else:
        data["image"] = "image:missing"
        read.notes["image"] = "the config does not set a container: set it here"
        read.losses.append("container: not set in the config")
    for key, name in (
        ("instance_type", "instance_type"),
        ("namespace", "namespace"),
        ("service_account_name", "service_account"),
    ):
        if settings.get(key):
            data[name] = settings[key]
    data["nodes"] = int(run.get("nodes") or 1)
    if run.get("ntasks_per_node"):
        data["processes_per_node"] = str(run["ntasks_per_node"])
    data["command"] = ["torchrun", str(training.get("entry_script") or ""), *_arguments(training.get("script_args"))]
    read.notes["command"] = (
        "replaces the script of the launcher: torchrun reads nodes and processes from PET_ variables"
    )
    if env := _map(config.get("env_vars")):
        data["env"] = {str(key): str(value) for key, value in env.items() if value is not None}
    _volumes(settings, data)
    _policies(settings, read)
    _selector(_map(settings.get("label_selector")), data)
    read.losses += [
        f"{key}: no equivalent" for key in config if key not in _KNOWN and config[key] not in (None, {}, [])
    ]
    read.losses += [
        f"cluster.cluster_config.{key}: no equivalent"
        for key in settings
        if key not in _KNOWN_CLUSTER and settings[key]
    ]
    return read


def _map(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _arguments(arguments: Any) -> list[str]:
    """Returns arguments as a list of words; they can be words, or mappings from a flag to its value."""
    words: list[str] = []
    for argument in arguments if isinstance(arguments, list) else [arguments] if arguments else []:
        if isinstance(argument, Mapping):
            for key, value in argument.items():
                words += [str(key)] if value in (None, "") else [str(key), str(value)]
        else:
            words += str(argument).split()
    return words


def _volumes(settings: Mapping[str, Any], data: dict[str, Any]) -> None:
    volumes = [
        {"name": volume.get("volumeName"), "mount_path": volume.get("mountPath"), "host_path": volume.get("hostPath")}
        for volume in settings.get("volumes") or ()
    ]
    volumes += [
        {"name": claim.get("claimName"), "mount_path": claim.get("mountPath"), "claim": claim.get("claimName")}
        for claim in settings.get("persistent_volume_claims") or ()
    ]
    if volumes:
        data["volumes"] = volumes


def _policies(settings: Mapping[str, Any], read: Read) -> None:
    data = read.data
    if settings.get("cleanPodPolicy"):
        data["run_policy"] = {"clean_pods": settings["cleanPodPolicy"]}
    if settings.get("restartPolicy"):
        data["restart_pods"] = settings["restartPolicy"]
    if settings.get("pullPolicy"):
        data["pull_policy"] = settings["pullPolicy"]
    if settings.get("priority_class_name"):
        data["pod_priority_class"] = settings["priority_class_name"]
    if settings.get("queue_name"):
        data["queue"] = settings["queue_name"]
    if settings.get("priority"):
        data["workload_priority_class"] = settings["priority"]
    if labels := _map(settings.get("custom_labels")):
        data["labels"] = {str(key): str(value) for key, value in labels.items()}
    annotations = {str(key): str(value) for key, value in _map(settings.get("annotations")).items()}
    if annotations.pop("sagemaker.amazonaws.com/enable-job-auto-resume", "").lower() == "true":
        data["auto_resume"] = True
        retries = annotations.pop("sagemaker.amazonaws.com/job-max-retry-count", None)
        if retries is not None:
            data["auto_resume_retries"] = int(retries)
    if annotations:
        data["annotations"] = annotations


def _selector(selector: Mapping[str, Any], data: dict[str, Any]) -> None:
    """Converts required labels with one value to a node selector, and other required and preferred labels to affinity."""
    required = {str(key): _list(value) for key, value in _map(selector.get("required")).items()}
    single = {key: values[0] for key, values in required.items() if len(values) == 1}
    if single:
        data["node_selector"] = single
    terms = [_expression(key, values) for key, values in required.items() if len(values) != 1]
    node: dict[str, Any] = {}
    if terms:
        node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    weights = _list(selector.get("weights"))
    preferred = list(_map(selector.get("preferred")).items())
    if preferred:
        node["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {
                "weight": int(weights[index]) if index < len(weights) else 100,
                "preference": {"matchExpressions": [_expression(str(key), _list(value))]},
            }
            for index, (key, value) in enumerate(preferred)
        ]
    if node:
        data["affinity"] = {"nodeAffinity": node}


def _list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _expression(key: str, values: list[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": values}
