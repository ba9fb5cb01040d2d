"""Our reading of the official CLI's configs against the official package itself, where that is right.

Left out, because the package is wrong or silent there: resources (compared by its table of whole nodes instead), read-only
claims (bug 3), and the pod template's name and the zeros that it always sends.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_oracles import assert_valid, official_body

from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.hyp import job_from_mapping

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    str.strip
)
ENVIRONMENT = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), TEXTS, min_size=1, max_size=3
)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}|[a-z]{1,8}", fullmatch=True), NAMES, min_size=1, max_size=3
)
TOPOLOGY = st.sampled_from([f"topology.k8s.aws/network-node-layer-{layer}" for layer in (1, 2, 3)])
SECONDS = st.integers(0, 10_000)


@st.composite
def volumes(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for index, kind in enumerate(draw(st.lists(st.sampled_from(["hostPath", "pvc"]), min_size=1, max_size=3))):
        source = {"path": f"/host/{index}"} if kind == "hostPath" else {"claim_name": draw(NAMES)}
        found.append({"name": f"v{index}", "type": kind, "mount_path": f"/mnt/{index}", **source})
    return found


@st.composite
def elastic(draw: st.DrawFn, replicas: int) -> dict[str, Any]:
    maximum = draw(st.integers(replicas, replicas + 8))
    config: dict[str, Any] = {"max_replica_count": maximum}
    if draw(st.booleans()):
        config["elastic_replica_increment_step"] = draw(st.integers(1, 4))
    elif draw(st.booleans()):
        config["elastic_replica_discrete_values"] = draw(
            st.lists(st.integers(replicas, maximum), min_size=1, max_size=3)
        )
    for field in ("graceful_shutdown_timeout", "scaling_timeout", "scale_up_snooze_time"):
        if draw(st.booleans()):
            config[f"elastic_{field}_in_seconds"] = draw(SECONDS)
    return config


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "namespace": NAMES,
        "command": st.lists(TEXTS, min_size=1, max_size=3),
        "args": st.lists(TEXTS, min_size=1, max_size=3),
        "environment": ENVIRONMENT,
        "pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
        "instance_type": st.sampled_from(["ml.p5.48xlarge", "ml.trn1.32xlarge", "ml.g5.8xlarge", "ml.c5.4xlarge"]),
        "tasks_per_node": st.sampled_from(["auto", "cpu", "gpu", "4", 8]),
        "label_selector": LABELS,
        "deep_health_check_passed_nodes_only": st.booleans(),
        "scheduler_type": NAMES,
        "queue_name": NAMES,
        "priority": NAMES,
        "max_retry": st.integers(0, 10),
        "volume": volumes(),
        "service_account_name": NAMES,
    }
    config = {"job_name": draw(NAMES), "image": draw(NAMES)}
    for name, strategy in fields.items():
        if draw(st.booleans()):
            config[name] = draw(strategy)
    if draw(st.booleans()):
        config[draw(st.sampled_from(["preferred_topology", "required_topology"]))] = draw(TOPOLOGY)
    replicas = draw(st.integers(1, 16))
    config[draw(st.sampled_from(["replica_count", "node_count"]))] = replicas
    if draw(st.booleans()):
        config |= draw(elastic(replicas))
    return config


def compiled_here(config: dict[str, Any]) -> dict[str, Any]:
    converted = job_from_mapping(config)
    assert errors(converted.findings) == []
    manifest = compile_job(Job(**converted.data, on_change="refuse"))
    assert_valid(manifest)
    return manifest


def same_in_both(body: dict[str, Any]) -> dict[str, Any]:
    """The compared object: without resources, read-only flags, our label `app` and the CLI's pod name."""
    spec = body.get("spec", body)  # the CLI's object has the spec's keys next to metadata
    replica = spec["replicaSpecs"][0]
    pod, metadata = replica["template"]["spec"], replica["template"].get("metadata", {})
    container = {key: value for key, value in pod["containers"][0].items() if key != "resources"}
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key != "app"}
    return {
        "name": body["metadata"]["name"],
        "namespace": body["metadata"].get("namespace", "default"),
        "labels": body["metadata"].get("labels", {}),
        "annotations": body["metadata"].get("annotations", {}),
        "pod labels": labels,
        "pod annotations": metadata.get("annotations", {}),
        "processes": spec["nprocPerNode"],
        "replica": {key: replica.get(key) for key in ("name", "replicas", "maxReplicas")},
        "container": container,
        "pod": {key: value for key, value in pod.items() if key not in ("containers", "volumes")},
        "volumes": [_without_read_only(volume) for volume in pod.get("volumes", [])],
        "run policy": spec.get("runPolicy"),
        "elastic policy": spec.get("elasticPolicy"),
    }


def _without_read_only(volume: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {inner: value for inner, value in part.items() if inner != "readOnly"} if isinstance(part, dict) else part
        for key, part in volume.items()
    }


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(configs())
def test_generated_configs_give_the_official_object(config: dict[str, Any]):
    assert same_in_both(compiled_here(config)) == same_in_both(official_body(config))


@pytest.mark.parametrize(
    "config",
    [
        {"elastic_replica_increment_step": 2, "elastic_replica_discrete_values": [2], "max_replica_count": 4},
        {"replica_count": 2, "node_count": 2},
        {"node_count": 2, "accelerators": 2, "instance_type": "ml.p5.48xlarge"},
        {"max_replica_count": 2, "max_node_count": 2},
        {"volume": [{"name": "a", "type": "pvc", "mount_path": "/a"}]},
        {"volume": [{"name": "a", "type": "hostPath", "mount_path": "a", "path": "/a"}]},
        {"volume": [{"name": "a", "type": "nfs", "mount_path": "/a"}]},
        {"tasks_per_node": "many"},
        {"preferred_topology": "rack"},
        {"job_name": "Not_A_Name"},
        {"environment": {"1A": "x"}},
        {"unknown_field": 1},
        {"elastic_replica_discrete_values": [9], "max_replica_count": 4},
    ],
)
def test_values_that_the_package_rejects_are_an_error_or_a_warning(config: dict[str, Any]):
    full = {"job_name": "a", "image": "b", **config}
    with pytest.raises(ValueError):
        official_body(full)
    converted = job_from_mapping(full)
    found = list(errors(converted.findings))
    if not found:
        from hyperpod_constructs.core.checks.jobs import check_job

        try:
            found = [finding for finding in check_job(Job(**converted.data)) if finding.severity != "note"]
        except ValueError as refusal:
            found = [refusal]
    assert found
