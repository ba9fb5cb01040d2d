"""The 30 bugs of the official CLI 3.12.0 on the way of a job, each with a test that ours does right (see docs/jobs.md)."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from job_oracles import assert_valid, main_container, pod_templates
from job_texts import parse_job
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.checks.jobs import check_job
from hyperpod_constructs.core.findings import InvalidSpec, errors
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.files import read_job
from hyperpod_constructs.core.jobs.hyp import job_from_mapping

ROOT = Path(__file__).parents[2]
BASE = {"job_name": "demo", "image": "registry/train:v1", "namespace": "default"}
P5 = "ml.p5.48xlarge"


def compiled(**config: object) -> dict:
    """The manifest of an official config, valid by the CRD's shape and the Kubernetes schemas."""
    converted = job_from_mapping({**BASE, **config})
    assert errors(converted.findings) == []
    manifest = compile_job(Job(**converted.data))
    assert_valid(manifest)
    return manifest


def rejections(**config: object) -> str:
    """The messages about an official config with errors."""
    converted = job_from_mapping({**BASE, **config})
    found = errors(converted.findings)
    if not found:
        try:
            found = errors(check_job(Job(**converted.data)))
        except ValueError as problem:
            return str(problem)
    assert found
    return "\n".join(map(str, found))


def requests(manifest: dict) -> dict:
    return main_container(manifest)["resources"]["requests"]


def limits(manifest: dict) -> dict:
    return main_container(manifest)["resources"]["limits"]


def test_bug_01_accelerators_need_no_limit():
    manifest = compiled(instance_type="ml.g5.48xlarge", accelerators=4)
    assert requests(manifest)["nvidia.com/gpu"] == limits(manifest)["nvidia.com/gpu"] == 4


def test_bug_02_elastic_fields_arrive():
    manifest = compiled(
        instance_type=P5,
        replica_count=2,
        max_replica_count=8,
        elastic_replica_increment_step=2,
        elastic_scaling_timeout_in_seconds=600,
        elastic_graceful_shutdown_timeout_in_seconds=180,
        elastic_scale_up_snooze_time_in_seconds=300,
    )
    assert manifest["spec"]["elasticPolicy"] == {
        "minReplicas": 2,
        "maxReplicas": 8,
        "replicaIncrementStep": 2,
        "scalingTimeoutInSeconds": 600,
        "gracefulShutdownTimeoutInSeconds": 180,
    }
    assert manifest["spec"]["replicaSpecs"][0]["maxReplicas"] == 8
    assert manifest["spec"]["runPolicy"]["restartPolicy"] == {
        "evalPeriodSeconds": 3600,
        "scaleUpSnoozeTimeInSeconds": 300,
    }


@pytest.mark.parametrize("read_only", [True, "true"])
def test_bug_03_a_read_only_claim_is_mounted_read_only(read_only: object):
    volume = {"name": "d", "type": "pvc", "mount_path": "/d", "claim_name": "c", "read_only": read_only}
    manifest = compiled(volume=[volume])
    spec = pod_templates(manifest)[0]["spec"]
    assert spec["volumes"] == [{"name": "d", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "d", "mountPath": "/d", "readOnly": True}]


def rendered(manifest: dict) -> dict:
    from hyperpod_constructs.core.jobs.text import to_yaml

    return yaml.safe_load(to_yaml([manifest]))


def test_bug_04_quotes_in_values_survive():
    value = "say \"hi\", 'there' \\ {x: 1} # no comment\n\ttab"
    manifest = compiled(environment={"GREETING": value})
    assert main_container(rendered(manifest))["env"] == [{"name": "GREETING", "value": value}]


@pytest.mark.parametrize(("value", "text"), [("true", "true"), ("12", "12"), ('"true"', "true"), ("1.30", "1.30")])
def test_bug_05_label_values_that_look_like_something_else_are_text(value: str, text: str):
    loaded = parse_job(f"job_name: demo\nimage: a\nlabel_selector:\n  tier: {value}\n")
    assert pod_templates(rendered(compile_job(loaded.job)))[0]["spec"]["nodeSelector"] == {"tier": text}


def test_bug_06_no_retries_are_sent():
    assert compiled(max_retry=0)["spec"]["runPolicy"] == {"cleanPodPolicy": "None", "jobMaxRetryCount": 0}


def test_bug_07_fractions_of_a_vcpu_work():
    manifest = compiled(instance_type="ml.c5.4xlarge", vcpu=0.5, memory=1.5)
    assert requests(manifest) == {"cpu": "0.5", "memory": "1.5Gi"}


@pytest.mark.parametrize("field", ["queue_name", "priority"])
def test_bug_08_queue_and_priority_are_independent(field: str):
    labels = compiled(version="1.0", **{field: "urgent"})["metadata"]["labels"]
    assert list(labels.values()) == ["urgent"]


def test_bug_09_an_empty_namespace_is_the_default():
    assert compile_job(parse_job("job_name: a\nimage: b\nnamespace:\n").job)["metadata"]["namespace"] == "default"


@pytest.mark.parametrize("name", ["123", "012", "1e3"])
def test_bug_10_names_of_digits_are_names(name: str):
    manifest = rendered(compile_job(parse_job(f"job_name: {name}\nimage: b\non_change: replace\n").job))
    assert manifest["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("config", "numbers"),
    [({"vcpu": 300}, ("300", "192 vCPU")), ({"memory": 4000}, ("4000", "2048 GiB"))],
)
def test_bug_11_over_capacity_is_rejected_not_trimmed(config: dict, numbers: tuple[str, str]):
    message = rejections(instance_type=P5, **config)
    assert every(number in message for number in numbers)


def test_bug_12_limits_below_requests_are_rejected():
    message = rejections(instance_type="ml.g5.8xlarge", memory_limit=64, vcpu_limit=8)
    assert "64 is less than the request of 104" in message
    assert "8 is less than the request of 29" in message
    assert "9000" in rejections(instance_type="ml.g5.8xlarge", memory_limit=9000)


def test_bug_13_accelerators_on_a_cpu_type_are_rejected():
    assert "4 accelerators, but ml.c5.4xlarge has none" in rejections(instance_type="ml.c5.4xlarge", accelerators=4)


@pytest.mark.parametrize("config", [{"accelerators": -1}, {"vcpu": -4}, {"accelerators": 0}])
def test_bug_14_negative_numbers_are_no_whole_node(config: dict):
    assert "greater than" in rejections(instance_type=P5, **config)


def test_bug_15_accelerators_without_a_type_are_requested():
    assert requests(compiled(accelerators=4)) == limits(compiled(accelerators=4)) == {"nvidia.com/gpu": 4}


def test_bug_16_efa_is_a_share_and_can_be_disabled_or_stated():
    assert requests(compiled(instance_type=P5, accelerators=4))["vpc.amazonaws.com/efa"] == 16
    assert "vpc.amazonaws.com/efa" not in requests(compiled(instance_type=P5, replica_count=2, efa=0))
    container = compiled(instance_type=P5, replica_count=2, efa=8)
    assert requests(container)["vpc.amazonaws.com/efa"] == limits(container)["vpc.amazonaws.com/efa"] == 8


def test_bug_17_partitions_are_counted_equal_bounded_and_may_have_replicas():
    mig = {"instance_type": P5, "accelerator_partition_type": "mig-1g.10gb"}
    assert "requires mig_count" in rejections(**mig)
    assert "Kubernetes requires them to be equal" in rejections(
        **mig, accelerator_partition_count=2, accelerator_partition_limit=4
    )
    assert "500 partitions, but a node of ml.p5.48xlarge has at most 56" in rejections(
        **mig, accelerator_partition_count=500
    )
    manifest = compiled(**mig, accelerator_partition_count=2, replica_count=3)
    assert manifest["spec"]["replicaSpecs"][0]["replicas"] == 3
    assert limits(manifest)["nvidia.com/mig-1g.10gb"] == 2
    assert "nvidia.com/gpu" not in limits(manifest)


def test_bug_18_impossible_bounds_and_two_topologies_are_rejected():
    assert "2 is less than the minimum of 4 replicas" in rejections(
        instance_type=P5, replica_count=4, max_replica_count=2
    )
    layer = "topology.k8s.aws/network-node-layer-1"
    assert "are both set" in rejections(preferred_topology=layer, required_topology=layer)


def test_bug_19_enumerations_are_checked():
    assert "pull_policy" in rejections(pull_policy="Sometimes")
    assert "is not a valid Kubernetes name" in rejections(priority="very high!")


def test_bug_20_lists_are_never_split():
    script = "import torch, os\nprint('a,b', \"c\")\n"
    arguments = ["jobs", "render", "--name", "demo", "--image", "a", "--command", "python3", "--command", "-c"]
    result = CliRunner().invoke(main, [*arguments, "--command", script])
    assert main_container(yaml.safe_load(result.stdout))["command"] == ["python3", "-c", script]


def test_bug_21_writing_a_job_file_keeps_it_readable(tmp_path: Path):
    file = tmp_path / "job.yaml"
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/a:1.0"
    result = CliRunner().invoke(main, ["jobs", "init", str(file), "--name", "yes", "--image", image, "--vcpu", "0.5"])
    assert result.exit_code == 0, result.output
    job = read_job(file).job
    assert (job.name, job.image, job.vcpu) == ("yes", image, 0.5)
    assert "#" in file.read_text()


def test_bug_22_the_version_named_is_the_version_used():
    found = job_from_mapping({**BASE, "version": 1.0}).findings + job_from_mapping({**BASE, "version": "1.1"}).findings
    assert errors(found) == []
    assert "'2.0' is not a known schema version" in rejections(version="2.0")


def test_bug_23_rendering_writes_nothing_and_claims_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["jobs", "render", "--name", "demo", "--image", "a"])
    assert result.exit_code == 0
    assert "ubmitted" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_bug_24_what_is_shown_is_what_is_applied():
    result = CliRunner().invoke(main, ["jobs", "render", str(ROOT / "jobs" / "neuron-hello.yaml")])
    assert yaml.safe_load(result.stdout) == compile_job(read_job(ROOT / "jobs" / "neuron-hello.yaml").job)
    # tests/jobs/test_job_outputs.py compares with the chart and the custom resource


@pytest.mark.parametrize("value", ["512Mi", "16Gi", "16 GB"])
def test_bug_25_a_unit_is_never_ignored(value: str):
    assert "memory_gib" in rejections(instance_type=P5, memory=value)


def test_bug_26_nothing_is_swallowed():
    import hyperpod_constructs.core.checks as checks
    import hyperpod_constructs.core.jobs as jobs

    for package in (jobs, checks):
        for file in Path(package.__file__).parent.glob("*job*.py" if package is checks else "*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ExceptHandler):
                    assert node.type is not None
                    assert ast.unparse(node.type) not in ("Exception", "BaseException")
                    assert not all(isinstance(item, ast.Pass) for item in node.body)


def test_bug_27_no_request_is_sent(monkeypatch: pytest.MonkeyPatch):
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a job command opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert CliRunner().invoke(main, ["jobs", "render", "--name", "demo", "--image", "a"]).exit_code == 0


def test_bug_28_every_command_of_the_docs_exists():
    text = (ROOT / "docs" / "jobs.md").read_text()
    for line in text.splitlines():
        if line.startswith("hyperpod "):
            arguments = line.split()[1:]
            command = main
            while arguments and hasattr(command, "get_command"):
                found = command.get_command(None, arguments[0])
                assert found is not None, line
                command, arguments = found, arguments[1:]


def test_bug_29_the_exported_schema_is_json_schema():
    import jsonschema

    schema = Job.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    job = json.loads(Job(name="a", image="b", nodes=1).model_dump_json(exclude_unset=True))
    jsonschema.validate(job, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**job, "nodes": "many"}, schema)


def test_bug_30_messages_refer_to_fields_and_flags_have_no_value():
    message = rejections(instance_type=P5, node_count=2, accelerators=4)
    assert "nodes: 2" in message
    assert "node_count" not in message
    arguments = ["jobs", "render", "--name", "demo", "--image", "a", "--deep-health-check-passed-only"]
    result = CliRunner().invoke(main, arguments)
    selector = pod_templates(yaml.safe_load(result.stdout))[0]["spec"]["nodeSelector"]
    assert selector == {"sagemaker.amazonaws.com/deep-health-check-status": "Passed"}


def test_a_bad_job_is_never_compiled():
    with pytest.raises(InvalidSpec):
        compile_job(Job(name="a", image="b", instance_type="ml.c5.large", accelerators=1))
