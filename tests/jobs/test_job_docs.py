"""docs/jobs.md: every example runs, and the guide's three inputs have the documented results."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk.assertions import Template
from click.testing import CliRunner
from constructs import DependencyGroup
from job_oracles import assert_valid, main_container, pod_templates
from job_texts import parse_job

from hyperpod_constructs.cli import main
from hyperpod_constructs.constructs.kubernetes import KubernetesProvider
from hyperpod_constructs.core.jobs import compile_job
from hyperpod_constructs.core.jobs.files import read_job
from hyperpod_constructs.core.spec import Cluster, InstanceGroup

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "jobs.md").read_text()
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training-neuronx:2.1.2"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with this repository's files and those of the page."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    shutil.copy(ROOT / "hyperpod.yaml", tmp_path)
    for block in blocks("yaml"):
        name = re.match(r"# (\S+\.yaml)\n", block)
        assert name, "a YAML example begins with its file name"
        (tmp_path / name[1]).write_text(block)
    return tmp_path


COMMANDS = [line for block in blocks("bash") for line in block.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.split("\n", 1)[0][:60])
def test_commands(block: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    for line in block.splitlines():
        run(line)


def run(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "python":
        completed = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stderr
    else:
        assert program == "hyperpod"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output


JOB_FILES = [block for block in blocks("yaml") if "apiVersion:" not in block]


@pytest.mark.parametrize("block", JOB_FILES, ids=lambda block: block.split("\n", 1)[0])
def test_job_files(block: str):
    loaded = parse_job(block)
    assert loaded.job is not None, loaded.findings
    assert_valid(compile_job(loaded.job))


def test_the_imported_job_matches_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    values = ["--set", "NUM_NODES=4", "--set", "IMAGE_URI=registry/fsdp:v1"]
    result = CliRunner().invoke(main, ["jobs", "import", "fsdp.yaml", *values])
    assert result.exit_code == 0, result.output
    assert "not replaced (expanded by the shell in the container): $OUTPUT" in result.stderr
    assert "memory_gib: requests 31.25 GiB without a limit" in result.stderr
    data = yaml.safe_load(result.stdout)
    assert (data["replicas"], data["accelerators"], data["on_change"]) == (4, 8, "refuse")


def test_the_python_example():
    (code,) = blocks("python")
    names: dict = {}
    exec(compile(code, "docs/jobs.md", "exec"), names)
    app = App()
    base = Stack(app, "Base")
    operator = CfnResource(base, "Operator", type="AWS::EKS::Addon")

    class FakeCluster:
        kubernetes = KubernetesProvider(
            base, "Kubernetes", cluster_name="eks", cluster_arn="arn:aws:eks:us-east-1:111122223333:cluster/eks"
        )
        spec = Cluster(instance_groups=[InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=4)])
        jobs_ready = DependencyGroup(operator)

    stack = names["Research"](app, "Research", cluster=FakeCluster, repository=ecr.Repository(base, "Repository"))
    assert len(Template.from_stack(stack).find_resources("Custom::HyperPodKubernetesObjects")) == 4


def test_the_guides_config_file_gives_the_guides_job():
    manifest = compile_job(parse_job(JOB_FILES[0]).job)
    container = main_container(manifest)
    assert container["command"][:2] == ["python3", "-c"]
    assert container["command"][2].endswith("# Your training code here\n")
    device = "aws.amazon.com/neurondevice"
    assert container["resources"]["requests"] == {"cpu": "4", "memory": "16Gi", device: 1}
    assert container["resources"]["limits"] == {device: 1, "memory": "16Gi", "cpu": "4"}
    assert pod_templates(manifest)[0]["spec"]["nodeSelector"] == {
        "node.kubernetes.io/instance-type": "ml.trn1.32xlarge"
    }


def test_the_repositorys_job_is_the_guides():
    compiled = compile_job(read_job(ROOT / "jobs" / "neuron-hello.yaml").job)
    guides = compile_job(parse_job(JOB_FILES[0]).job)
    for manifest in (compiled, guides):
        manifest["metadata"]["name"] = manifest["metadata"]["name"].rpartition("-")[0]
        container = main_container(manifest)
        container["image"] = container["image"].replace("us-west-2", "us-east-1")
    assert compiled == guides


def test_the_guides_command_gives_two_whole_nodes():
    line = next(line for line in COMMANDS if "my-training " in line)
    manifest = yaml.safe_load(CliRunner().invoke(main, shlex.split(line)[1:]).stdout)
    assert manifest["spec"]["replicaSpecs"][0]["replicas"] == 2
    assert main_container(manifest)["command"] == ["python", "train.py"]
    assert main_container(manifest)["image"] == IMAGE
    assert main_container(manifest)["resources"]["requests"] == {
        "cpu": "119",
        "memory": "461Gi",
        "aws.amazon.com/neurondevice": 16,
        "vpc.amazonaws.com/efa": 8,
    }


def test_the_guides_pytorch_job():
    line = next(line for line in COMMANDS if "--kind PyTorchJob" in line)
    manifest = yaml.safe_load(
        CliRunner()
        .invoke(main, ["jobs", "render", str(ROOT / "jobs" / "neuron-hello.yaml"), *shlex.split(line)[4:]])
        .stdout
    )
    assert (manifest["apiVersion"], manifest["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    assert list(manifest["spec"]["pytorchReplicaSpecs"]) == ["Master"]
    container = main_container(manifest)
    assert container["name"] == "pytorch"
    resources = container["resources"]
    assert resources["requests"]["aws.amazon.com/neuron"] == resources["limits"]["aws.amazon.com/neuron"] == 1
    assert pod_templates(manifest)[0]["metadata"]["labels"]["app"] == "my-training-job"
    assert pod_templates(manifest)[0]["spec"]["nodeSelector"] == {
        "node.kubernetes.io/instance-type": "ml.trn1.32xlarge"
    }
