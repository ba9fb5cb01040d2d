"""`hyperpod jobs import` and `hyperpod jobs diff`: templates, companions, other tools' files, losses, the shortest form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from job_oracles import assert_valid
from job_texts import parse_job

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.jobs.importing import import_text
from hyperpod_constructs.core.jobs.importing.importer import ImportedJob

ELASTIC = """
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: tune, namespace: research}
spec:
  elasticPolicy: {rdzvBackend: c10d, minReplicas: 1, maxReplicas: 8, maxRestarts: 20}
  pytorchReplicaSpecs:
    Worker:
      replicas: 2
      restartPolicy: ExitCode
      template:
        spec:
          nodeSelector: {node.kubernetes.io/instance-type: ml.p5.48xlarge}
          containers:
            - name: pytorch
              image: registry/tune:v2
              command: [torchrun, --nproc_per_node=8, tune.py]
              resources:
                requests: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 32, memory: 32000Mi}
                limits: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 32}
"""


def imported_job(text: str, **options: Any) -> ImportedJob:
    (job,) = import_text(text, **options).jobs
    return job


def hyperpod(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["jobs", *map(str, arguments)], env=env)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.yaml"
    path.write_text(ELASTIC)
    return path


def test_a_manifest_is_converted_to_the_shortest_job_file():
    job = imported_job(ELASTIC)
    assert job.is_equal
    assert job.data == {
        "name": "tune",
        "kind": "PyTorchJob",
        "on_change": "refuse",
        "namespace": "research",
        "image": "registry/tune:v2",
        "instance_type": "ml.p5.48xlarge",
        "replicas": 2,
        "accelerators": 8,
        "vcpu": "none",
        "memory_gib": 31.25,
        "command": ["torchrun", "--nproc_per_node=8", "tune.py"],
        "restart_pods": "ExitCode",
        "elastic": {"min_replicas": 1, "max_replicas": 8, "rdzv_backend": "c10d", "max_restarts": 20},
    }
    assert_valid(compile_job(job.job))


def test_whole_nodes_are_reported_as_nodes():
    job = Job(name="a", image="b", instance_type="ml.trn1.32xlarge", nodes=3, on_change="refuse")
    assert imported_job(yaml.safe_dump(compile_job(job))).data == {
        "name": "a",
        "on_change": "refuse",
        "image": "b",
        "instance_type": "ml.trn1.32xlarge",
        "nodes": 3,
    }


def test_the_command_writes_the_file_tells_what_it_did_and_diff_agrees(file: Path, tmp_path: Path):
    result = hyperpod("import", file)
    assert result.exit_code == 0, result.output
    assert "tune: equivalent" in result.stderr
    assert "# the name is fixed" in result.stdout
    job_file = tmp_path / "job.yaml"
    job_file.write_text(result.stdout)
    assert hyperpod("render", job_file).exit_code == 0
    same = hyperpod("diff", file, job_file)
    assert (same.exit_code, same.stderr) == (0, "equivalent\n")
    assert same.stdout == '  spec.pytorchReplicaSpecs.Worker.template.metadata.labels.app: added: "tune"  (expected)\n'
    job_file.write_text(result.stdout.replace("max_restarts: 20", "max_restarts: 2").replace("on_change: refuse\n", ""))
    other = hyperpod("diff", file, job_file)
    assert other.exit_code == 1
    assert "spec.elasticPolicy.maxRestarts: changed: 20 -> 2\n" in other.stdout


def test_rendering_a_manifest_refers_to_the_import(file: Path):
    for command in (["jobs", "render", str(file)], ["validate", str(file)]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert "this is a Kubernetes manifest of kind PyTorchJob, not a job file or config" in result.output
        assert f"Convert it to a job file with `hyperpod jobs import {file}`" in result.output


TEMPLATE = """
apiVersion: sagemaker.amazonaws.com/v1
kind: HyperPodPytorchJob
metadata: {name: $NAME}
spec:
  nprocPerNode: "${GPUS}"
  replicaSpecs:
    - name: pods
      replicas: ${NODES}
      template:
        spec:
          containers:
            - name: trainer
              image: ${IMAGE}
              command: [bash, -c, 'echo $HOME $GPUS ${RUN_ID}; train']
              resources: {limits: {nvidia.com/gpu: $GPUS}}
"""
VALUES = {"NAME": "from-template", "GPUS": "8", "NODES": "4", "IMAGE": "registry/train:v1"}


def test_templates_are_filled_where_they_are_templates():
    job = imported_job(TEMPLATE, stated={"RUN_ID": "7"}, environment={**VALUES, "HOME": "/root"})
    assert job.data["command"] == ["bash", "-c", "echo $HOME 8 7; train"]  # HOME is the container's
    assert job.data["replica_specs"] == [{"name": "pods"}]
    assert (job.data["replicas"], job.data["accelerators"], job.data["processes_per_node"]) == (4, 8, "8")
    assert job.head == [
        "Imported.",
        "The manifest's kind is HyperPodPytorchJob; the API server uses HyperPodPyTorchJob.",
    ]


def test_missing_values_are_prompted_for(tmp_path: Path):
    file = tmp_path / "job.yaml-template"
    file.write_text(TEMPLATE)
    stated = [f"--set={name}={VALUES[name]}" for name in ("NAME", "GPUS")]
    result = hyperpod("import", file, *stated, env={"NODES": "", "IMAGE": "a"} | dict.fromkeys(("NODES",)))
    assert result.exit_code == 1
    assert f"{file} is a template without a value for NODES\n  fix: --set NODES=...\n" in result.output
    result = hyperpod("import", file, *stated, "--set", "NODES=2", env={"IMAGE": "registry/a:v1"})
    assert result.exit_code == 0, result.output
    assert "not replaced (expanded by the shell in the container): $HOME, $RUN_ID" in result.stderr
    assert hyperpod("import", file, "--set", "NODES").exit_code == 2


COMPANIONS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: script}
data: {run.sh: "echo $HOSTNAME"}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: master}, spec: {clusterIP: None, selector: {app: a}}}
  - apiVersion: batch/v1
    kind: Job
    metadata: {name: smoke}
    spec:
      parallelism: 2
      completions: 2
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: registry/smoke:v1, volumeMounts: [{name: run, mountPath: /run/it}]}]
          volumes: [{name: run, configMap: {name: script, defaultMode: 0755}}]
"""


def test_companions_stay_what_they_are(tmp_path: Path):
    file = tmp_path / "all.yaml"
    file.write_text(COMPANIONS)
    outcome = hyperpod("import", file)
    assert (
        "ConfigMap script, Service master: not jobs; use --output to write them to all-companions.yaml"
        in outcome.stderr
    )
    result = hyperpod("import", file, "-o", tmp_path / "jobs")
    assert result.exit_code == 0, result.output
    companions = list(yaml.safe_load_all((tmp_path / "jobs" / "all-companions.yaml").read_text()))
    assert [(companion["kind"], companion["metadata"]["name"]) for companion in companions] == [
        ("ConfigMap", "script"),
        ("Service", "master"),
    ]
    loaded = parse_job((tmp_path / "jobs" / "smoke.yaml").read_text())
    assert loaded.job is not None
    assert loaded.job.volumes[0].file_mode == "0755"  # octal, as Kubernetes' tools read it
    assert loaded.job.job_patch == {"spec": {"completionMode": "NonIndexed"}}
    second = hyperpod("import", file, "-o", tmp_path / "jobs")
    assert second.exit_code == 1
    assert "already exists; use --force to overwrite it" in second.output
    assert hyperpod("import", file, "-o", tmp_path / "jobs", "--force").exit_code == 0


def test_losses_are_reported_with_exit_code_1(tmp_path: Path):
    file = tmp_path / "lost.yaml"
    file.write_text(
        ELASTIC.replace("              image: registry/tune:v2\n", "").replace("spec:\n", "oops: 1\nspec:\n", 1)
    )
    result = hyperpod("import", file)
    assert result.exit_code == 1
    assert "tune: not imported: oops: unknown field of a Kubernetes job" in result.stderr
    assert "tune: not imported: worker: the manifest does not set an image" in result.stderr
    assert "# Not imported: worker: the manifest does not set an image\n" in result.stdout
    assert "# the manifest does not set an image: set it here\nimage: image:missing\n" in result.stdout


def pod(**spec: Any) -> str:
    """A HyperPodPyTorchJob with these fields in its pod."""
    main = {"name": "pytorch-job-container", "image": "registry/a:v1", **spec.pop("main", {})}
    template = {"spec": {"containers": [main], **spec}}
    body = {"replicaSpecs": [{"name": "pod", "replicas": 1, "template": template}]}
    api = {"apiVersion": "sagemaker.amazonaws.com/v1", "kind": "HyperPodPyTorchJob"}
    return yaml.safe_dump({**api, "metadata": {"name": "a"}, "spec": body}, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (pod(runtimeClassName="nvidia"), "patch", {"spec": {"runtimeClassName": "nvidia"}}),
        (pod(main={"tty": True}), "container_patch", {"tty": True}),
        (pod(main={"name": "trainer"}), "container_name", "trainer"),
        (
            pod(main={"resources": {"limits": {"memory": "1G"}}}),
            "container_patch",
            {"resources": {"limits": {"memory": "1G"}}},
        ),
        (pod(hostNetwork=True), "dns_policy", "ClusterFirst"),
        (pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), "host_network", True),
        (
            pod(main={"env": [{"name": "B", "value": "1"}, {"name": "A", "value": "$(B)"}]}),
            "env",
            {"B": "1", "A": "$(B)"},
        ),
        (
            pod(
                volumes=[{"name": "v", "csi": {"driver": "x"}}],
                main={"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            ),
            "patch",
            {"spec": {"volumes": [{"name": "v", "csi": {"driver": "x"}}]}},
        ),
        (
            pod(
                volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}],
                main={
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/w", "subPath": "w"}]
                },
            ),
            "volumes",
            [
                {"name": "v", "mount_path": "/v", "claim": "c", "read_only": True},
                {"name": "v", "mount_path": "/w", "claim": "c", "sub_path": "w", "read_only": True},
            ],
        ),
    ],
)
def test_settings_without_a_field_are_kept_in_patches(text: str, field: str, value: Any):
    job = imported_job(text)
    assert job.data[field] == value
    assert job.is_equal, job.losses


def test_a_team_is_recognized_by_its_namespace_and_queue():
    labels = {
        "kueue.x-k8s.io/queue-name": "hyperpod-ns-vision-localqueue",
        "kueue.x-k8s.io/priority-class": "high-priority",
    }
    manifest = yaml.safe_load(pod())
    manifest["metadata"] |= {"namespace": "hyperpod-ns-vision", "labels": labels}
    job = imported_job(yaml.safe_dump(manifest))
    assert (job.data["team"], job.data["priority"]) == ("vision", "high")
    assert not {"namespace", "queue", "labels"} & job.data.keys()
    assert job.is_equal


def test_a_config_of_the_official_cli_is_converted_to_a_job_file(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "# template: hyp-pytorch-job\n# version: 1.1\njob_name: demo\nimage: registry/a:v1\n"
        "node_count: 2\ninstance_type: ml.p5.48xlarge\n"
    )
    result = hyperpod("import", config)
    assert result.exit_code == 0, result.output
    job_file = tmp_path / "job.yaml"
    job_file.write_text(result.stdout)
    assert yaml.safe_load(result.stdout) == {
        "name": "demo",
        "image": "registry/a:v1",
        "instance_type": "ml.p5.48xlarge",
        "nodes": 2,
    }
    assert hyperpod("diff", config, job_file).exit_code == 0


START_JOB = """
defaults: [override hydra/job_logging: stdout]
training_cfg:
  entry_script: /opt/train.py
  script_args: [{--max_steps: 100}, {--bf16: null}]
  run: {name: old-job, nodes: 2, ntasks_per_node: 8}
cluster:
  cluster_type: k8s
  instance_type: ml.p5.48xlarge
  cluster_config:
    namespace: kubeflow
    pullPolicy: IfNotPresent
    restartPolicy: OnFailure
    persistent_volume_claims: [{claimName: fsx, mountPath: /data}]
    label_selector: {required: {zone: [a]}, preferred: {rack: [r1, r2]}, weights: [50]}
    annotations: {sagemaker.amazonaws.com/enable-job-auto-resume: "true", sagemaker.amazonaws.com/job-max-retry-count: "2"}
base_results_dir: ./result
container: registry/old:v1
env_vars: {NCCL_DEBUG: INFO}
git: {repo_url: https://example.com/code.git}
"""


def test_a_config_of_start_job_is_converted_to_a_job_file_with_its_losses():
    job = imported_job(START_JOB)
    assert job.losses == ["git: no equivalent"]
    assert job.job is not None
    assert job.data["command"] == ["torchrun", "/opt/train.py", "--max_steps", "100", "--bf16"]
    assert (job.data["nodes"], job.data["kind"], job.data["auto_resume_retries"]) == (2, "PyTorchJob", 2)
    assert job.data["node_selector"] == {"zone": "a"}
    assert_valid(compile_job(job.job))


@pytest.mark.parametrize(
    ("text", "message", "cure"),
    [
        ("template: hyp-recipe-job\nname: a\n", "this is a recipe; the official launcher", "official launcher"),
        ("run: {name: a}\ntrainer: {num_nodes: 2}\n", "this is a recipe; the official launcher", "official launcher"),
        (
            "resource_name_prefix: a\nhyperpod_cluster_name: b\n",
            "this is a file with the cluster-stack config of the official CLI",
            "hyperpod import cluster-stack",
        ),
        ("kind: PyTorchJob\nspec: {{ .Values.spec }}\n", "this is a Helm or Jinja template", "helm template"),
        ("a: 1\n", "is not a manifest of a job", "Specify a file of one of these types."),
        ("a: [1\n", "not valid YAML", "Check for a tab, or a missing quote"),
    ],
)
def test_files_without_a_job_are_reported(text: str, message: str, cure: str, tmp_path: Path):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    result = hyperpod("import", file)
    assert result.exit_code == 1
    assert message in result.output
    assert cure in result.output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "metadata: {name: tune, namespace: research}",
            "metadata: tune",
            "metadata: must be a mapping, not the text 'tune'",
        ),
        (
            "replicas: 2",
            'replicas: "2"',
            "spec.pytorchReplicaSpecs.Worker.replicas: must be a whole number, not the text '2'",
        ),
        (
            "            - name: pytorch\n",
            "            - volumeMounts: [{name: a}]\n              name: pytorch\n",
            "volumeMounts[0]: the required key 'mountPath' is missing",
        ),
    ],
)
def test_an_unreadable_manifest_is_reported_at_its_path(old: str, new: str, message: str, tmp_path: Path):
    file = tmp_path / "broken.yaml"
    assert old in ELASTIC
    file.write_text(ELASTIC.replace(old, new))
    result = hyperpod("import", file)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in result.output
    assert f"{file}:" in result.output
