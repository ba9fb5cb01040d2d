"""Configs of the official CLI: both styles, both schemas, every field, notes about differences, paths of findings."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from job_oracles import assert_valid, main_container
from job_texts import parse_job

from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import Severity, errors
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.files import read_job
from hyperpod_constructs.core.jobs.hyp import job_from_mapping

CONTENT = """job_name: demo
image: registry/train:v1
namespace: team-a
instance_type: ml.p5.48xlarge
accelerators: 4
max_retry: 2
"""
HEADS = {
    "comments": "# template: hyp-pytorch-job\n# version: {version}\n\n",
    "keys": "template: hyp-pytorch-job\nversion: {version}\n",
    "neither": "",
}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("style", HEADS)
def test_both_styles_and_versions_give_one_job(style: str, version: str, tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(HEADS[style].format(version=version) + CONTENT)
    loaded = read_job(file)
    assert errors(loaded.findings) == []
    assert loaded.job == parse_job(CONTENT).job
    assert_valid(compile_job(loaded.job))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("# version: 3.0\n", "'3.0' is not a known schema version"),
        ("template: hyp-jumpstart-endpoint\n", "'hyp-jumpstart-endpoint' is not a training job template"),
    ],
)
def test_other_templates_and_versions_are_rejected(head: str, message: str, tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(head + CONTENT)
    (finding,) = errors(read_job(file).findings)
    assert (finding.rule, finding.message) == ("HP791", message)


def test_differences_on_purpose_are_notes_at_their_lines():
    found = parse_job(CONTENT, file="config.yaml").findings
    assert {finding.severity for finding in found} == {Severity.NOTE}
    assert sorted((finding.line, finding.message.split(":")[0].split(";")[0]) for finding in found) == [
        (1, "the object's name ends with a hash of its content"),
        (5, "the default of efa is the accelerators' share of the EFA interfaces"),
        (
            5,
            "the default of vcpu and memory is the accelerators' share of the resources that pods can use on the node",
        ),
        (6, "ttlSecondsAfterFinished is not set (operator's default)"),
    ]


def test_no_note_where_everything_is_stated():
    text = CONTENT.replace("max_retry: 2", "vcpu: 8\nmemory: 64\nefa: 0\non_change: replace")
    assert parse_job(text).findings == []


FIELDS = {
    "job_name": "demo",
    "image": "registry/train:v1",
    "namespace": "team-a",
    "command": ["python", "train.py"],
    "args": ["--lr", "1"],
    "environment": {"A": "b"},
    "pull_policy": "Always",
    "instance_type": "ml.p5.48xlarge",
    "replica_count": 2,
    "tasks_per_node": 8,
    "label_selector": {"a": "b"},
    "deep_health_check_passed_nodes_only": True,
    "scheduler_type": "mine",
    "queue_name": "q",
    "priority": "urgent",
    "accelerators": 4,
    "accelerators_limit": 4,
    "vcpu": 8,
    "vcpu_limit": 16,
    "memory": 64,
    "memory_limit": 128,
    "efa": 2,
    "efa_limit": 2,
    "max_retry": 3,
    "volume": [{"name": "d", "type": "hostPath", "mount_path": "/d", "path": "/h"}],
    "service_account_name": "sa",
    "preferred_topology": "topology.k8s.aws/network-node-layer-1",
    "max_replica_count": 4,
    "elastic_replica_increment_step": 1,
    "elastic_graceful_shutdown_timeout_in_seconds": 5,
    "elastic_scaling_timeout_in_seconds": 6,
    "elastic_scale_up_snooze_time_in_seconds": 7,
}
OTHERS = {
    "node_count": {"node_count": 3},
    "max_node_count": {"node_count": 3, "max_node_count": 4},
    "required_topology": {"required_topology": "topology.k8s.aws/ultraserver-id"},
    "elastic_replica_discrete_values": {"elastic_replica_discrete_values": [1, 2]},
    "accelerator_partition": {
        "instance_type": "ml.p5.48xlarge",
        "accelerator_partition_type": "mig-1g.10gb",
        "accelerator_partition_count": 2,
        "accelerator_partition_limit": 2,
    },
}


def test_every_field_of_the_official_schema_is_known():
    package = importlib.util.find_spec("hyperpod_pytorch_job_template")
    schema = json.loads((Path(package.origin).parent / "v1_1" / "schema.json").read_text())
    tested = set(FIELDS) | {key for fields in OTHERS.values() for key in fields}
    assert set(schema["properties"]) - tested == set()


def test_every_field_works():
    converted = job_from_mapping(FIELDS)
    assert errors(converted.findings) == []
    manifest = compile_job(Job(**converted.data))
    assert_valid(manifest)
    container = main_container(manifest)
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": 4, "vpc.amazonaws.com/efa": 2},
        "limits": {"nvidia.com/gpu": 4, "vpc.amazonaws.com/efa": 2, "memory": "128Gi", "cpu": "16"},
    }
    assert manifest["spec"]["replicaSpecs"][0]["replicas"] == 2
    assert manifest["spec"]["nprocPerNode"] == "8"


@pytest.mark.parametrize("name", OTHERS)
def test_alternative_fields_work(name: str):
    converted = job_from_mapping({"job_name": "demo", "image": "a", **OTHERS[name]})
    assert errors(converted.findings) == []
    assert_valid(compile_job(Job(**converted.data)))


def test_each_field_changes_the_manifest():
    base = compile_job(Job(**job_from_mapping(FIELDS).data))
    silent = {"accelerators_limit", "efa_limit", "accelerators", "efa"}  # one of the two equal values is sufficient
    needed = {"job_name", "image", "instance_type", "max_replica_count", "vcpu", "memory"}  # by others of this config
    for key in FIELDS.keys() - silent - needed:
        fewer = {name: value for name, value in FIELDS.items() if name != key}
        assert compile_job(Job(**job_from_mapping(fewer).data)) != base, key


CONFIG = """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: workers, instance_type: ml.p5.48xlarge, count: 2, availability_zone_id: usw2-az1}
addons: {training_operator: {}}
jobs:
  - config.yaml
  - {job_name: inline, image: a, instance_type: ml.g5.8xlarge, node_count: 1}
"""


def test_as_jobs_of_a_platform(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(CONTENT.replace("accelerators: 4", "accelerators: 9"))
    (tmp_path / "hyperpod.yaml").write_text(CONFIG)
    loaded = load(tmp_path / "hyperpod.yaml")
    found = {(finding.rule, Path(finding.file).name, finding.line) for finding in errors(loaded.findings)}
    assert ("HP713", "config.yaml", 5) in found
    assert ("HP740", "hyperpod.yaml", 12) in found
