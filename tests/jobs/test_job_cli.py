"""`hyperpod jobs` and `hyperpod explain job`: input, flags, findings and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from job_oracles import main_container, pod_templates
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.explain_job import explain_job
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.files import read_job

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["jobs", *arguments])


def rendered(*arguments: str) -> dict:
    result = run("render", *arguments)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text("name: train\nimage: a\ninstance_type: ml.g5.8xlarge\nnodes: 2\nrun_policy: {max_retries: 1}\n")
    return path


def test_flags_without_a_file_are_a_job():
    flags = ["--name", "my-training", "--image", "a", "--command", "python", "--command", "train.py"]
    manifest = rendered(*flags, "--instance-type", "ml.trn1.32xlarge", "--nodes", "2")
    job = Job(name="my-training", image="a", command=["python", "train.py"], instance_type="ml.trn1.32xlarge", nodes=2)
    assert manifest == compile_job(job)


def test_flags_override_a_file(file: Path):
    manifest = rendered(str(file), "--nodes", "3", "--run-policy.clean-pods", "None", "--on-change", "replace")
    assert manifest["spec"]["replicaSpecs"][0]["replicas"] == 3
    assert manifest["spec"]["runPolicy"] == {"cleanPodPolicy": "None", "jobMaxRetryCount": 1}
    assert manifest["metadata"]["name"] == "train"


def test_flags_of_every_shape():
    manifest = rendered(
        *("--name", "a", "--image", "b", "--vcpu", "0.5", "--memory-gib", "1"),
        *("--env", "A=1=2,3", "--env", "B=", "--env", "T={secret: s, key: k}", "--env", "J={x: 1}"),
        *("--volumes", "{name: d, mount_path: /d, claim: c}", "--volumes", "{name: e, mount_path: /e, empty_dir: {}}"),
        *("--label" + "s", "team=x", "--elastic.max-replicas", "4", "--elastic.discrete-values", "1"),
        *("--elastic.discrete-values", "4", "--shared-memory-gib", "0.5", "--suspend"),
        *("--patch", "{spec: {runtimeClassName: nvidia}}", "--processes-per-node", "8"),
    )
    container = main_container(manifest)
    assert container["env"] == [
        {"name": "A", "value": "1=2,3"},
        {"name": "B", "value": ""},
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "J", "value": "{x: 1}"},
    ]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/d", "/e", "/dev/shm"]
    assert manifest["metadata"]["labels"] == {"team": "x"}
    assert manifest["spec"]["elasticPolicy"]["replicaDiscreteValues"] == [1, 4]
    assert manifest["spec"]["runPolicy"] == {"suspend": True}
    assert pod_templates(manifest)[0]["spec"]["runtimeClassName"] == "nvidia"
    assert manifest["spec"]["nprocPerNode"] == "8"


def test_every_field_is_a_flag():
    from hyperpod_constructs.cli.jobs_render import render

    flags = {option for parameter in render.params for option in parameter.opts}
    for name, info in Job.model_fields.items():
        flag = "--" + name.replace("_", "-")
        assert flag in flags or any(item.startswith(f"{flag}.") for item in flags), name
        assert info.description


def test_several_files_are_several_documents(file: Path):
    result = run("render", str(file), str(ROOT / "jobs" / "neuron-hello.yaml"))
    assert [manifest["kind"] for manifest in yaml.safe_load_all(result.stdout)] == ["HyperPodPyTorchJob"] * 2
    as_list = json.loads(run("render", str(file), str(file), "-o", "json").stdout)
    assert (as_list["kind"], len(as_list["items"])) == ("List", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nimage: b\nmig_count: 9\n", "bad.yaml:3:12: error HP716 mig_count"),
        ("name: a\nimage: b\nnodse: 2\n", "Did you mean 'nodes'?"),
        ("name: a\nnodes: 0\n", "bad.yaml:2:8: error HP013 nodes: 0 is out of range"),
        ("job_name: a\nimage: b\naccelerators: 4\naccelerators_limit: 8\n", "bad.yaml:4:21: error HP791"),
        (
            "job_name: a\nimage: b\ninstance_type: ml.p5.48xlarge\nmemory: 4000\n",
            "bad.yaml:4:9: error HP714 memory_gib",
        ),
        ("a: [\n", "not valid YAML"),
        ("- a\n", "must be a mapping"),
        ("", "must be a mapping"),
    ],
)
def test_wrong_input_is_findings_with_their_place_and_exit_1(tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    result = run("render", str(path))
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--nodes", "two"],
        ["--kind", "MPIJob"],
        ["--env", "A"],
        ["--volumes", "{"],
        ["--no-such-flag"],
    ],
)
def test_wrong_use_is_exit_2(arguments: list[str]):
    assert run("render", *arguments).exit_code == 2


def test_a_missing_file_is_a_finding():
    result = run("render", "no/such.yaml")
    assert result.exit_code == 1
    assert "no/such.yaml: error HP002: file not found" in result.stderr


CONFIG = """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: workers, instance_type: ml.g5.8xlarge, count: 4}
addons: {training_operator: {}, task_governance: {}}
governance:
  scheduler: {priority_classes: [{name: low, weight: 10}]}
  teams: [{name: vision, priority: low}]
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "hyperpod.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_against_a_cluster(file: Path, config: str):
    manifest = rendered(str(file), "--cluster", config, "--team", "vision")
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "low-priority"  # the team's default
    result = run("render", str(file), "--cluster", config, "--instance-type", "ml.p5.48xlarge")
    assert result.exit_code == 1
    assert "train.yaml:3:16: error HP740 instance_type: the cluster has no nodes of ml.p5.48xlarge" in result.stderr
    assert "Use one of: ml.g5.8xlarge, ml.m5.4xlarge" in result.stderr


def test_a_cluster_config_that_cannot_be_read(file: Path):
    result = run("render", str(file), "--cluster", "no/such.yaml")
    assert result.exit_code == 1
    assert "no/such.yaml" in result.stderr


def test_init_writes_what_renders(tmp_path: Path):
    path = tmp_path / "job.yaml"
    result = run("init", str(path), "--name", "mine", "--accelerators", "1", "--env", "A=on")
    assert result.exit_code == 0
    assert read_job(path).findings == []
    job = read_job(path).job
    assert (job.name, job.nodes, job.accelerators, job.env) == ("mine", None, 1, {"A": "on"})
    text = path.read_text()
    assert every(f"{name}:" in text for name in Job.model_fields)  # every field is there, most in comments
    second = run("init", str(path))
    assert second.exit_code == 1
    assert "already exists; use --force to overwrite it" in second.stderr
    assert path.read_text() == text


def test_explain_gives_every_number_and_what_the_groups_hold(file: Path, config: str):
    result = CliRunner().invoke(explain_job, [str(file), "--cluster", config])
    assert result.exit_code == 0
    for expected in (
        "2 replicas, each a whole node of ml.g5.8xlarge, requesting",
        "29  ml.g5.8xlarge has 32 vCPU, 2.43 reserved, 29.57 for pods; rounded down",
        "104Gi  ml.g5.8xlarge has 128 GiB, 23.34 reserved, 104.66 for pods; rounded down",
        "nvidia.com/gpu",
        "whole node: all 1; limit equal",
        "total: 58 vCPU, 208Gi memory, 2 accelerators, 2 EFA",
        "1 replica per node",
        "group workers (4 nodes) can run 4 replicas",
    ):
        assert expected in result.stdout


def test_explain_names_the_trainium_resource():
    result = CliRunner().invoke(explain_job, [str(ROOT / "jobs" / "neuron-hello.yaml")])
    assert "aws.amazon.com/neurondevice" in result.stdout
    assert "16 replicas per node, which use 16 of its accelerators" in result.stdout
