"""Shared memory, launchers, memory of tiered storage, and the settings of the EFA preset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperpod_constructs.core.checks import Context
from hyperpod_constructs.core.checks.jobs import check_job, check_jobs
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.jobs import Job, compile_job
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, TieredStorage

ROOT = Path(__file__).parents[2]
BASE = {"name": "train", "image": "registry/train:v1", "instance_type": "ml.p5.48xlarge", "nodes": 2}
GROUP = InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=4)


def found(rule: str, **fields: Any) -> list[str]:
    job = Job(**{**BASE, **fields})
    return [
        f"{finding.severity} {finding.path}: {finding.message}" for finding in check_job(job) if finding.rule == rule
    ]


def test_several_accelerators_without_shared_memory():
    assert found("HP733") == ["note shared_memory_gib: not set: 8 accelerators share a /dev/shm of 64 MiB"]
    assert found("HP733", nodes=None, accelerators=1) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"shared_memory_gib": "auto"},
        {"shared_memory_gib": 16},
        {"efa_preset": True},
        {"volumes": [{"name": "shm", "mount_path": "/dev/shm", "host_path": "/dev/shm"}]},
    ],
)
def test_shared_memory_that_exists(fields: dict[str, Any]):
    assert found("HP733", **fields) == []


@pytest.mark.parametrize("command", [["python", "train.py"], ["bash", "-c", "python3 train.py --lr 1"]])
def test_a_job_over_pods_without_a_launcher(command: list[str]):
    assert found("HP734", command=command) == ["warning command: no launcher is started in 2 pods"]
    assert found("HP734", command=command, kind="PyTorchJob") == []
    assert found("HP734", command=command, nodes=1) == []


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["hyperpodrun", "--nproc-per-node=8", "train.py"],
        ["bash", "-c", "exec torchrun --nnodes 2 train.py"],
        ["python", "-m", "torch.distributed.run", "train.py"],
        ["accelerate", "launch", "train.py"],
        ["/opt/start.sh"],
    ],
)
def test_commands_that_may_start_a_launcher(command: list[str]):
    assert found("HP734", command=command) == []


def test_tiered_storage_is_reported_with_both_numbers():
    cluster = Cluster(instance_groups=(GROUP,), tiered_storage=TieredStorage(memory_percent=20))

    def findings(**fields: Any) -> list[str]:
        job = Job(**{**BASE, **fields})
        reported = check_jobs(Context(cluster=cluster, jobs=(job,)))
        return [finding.message for finding in reported if finding.rule == "HP735"]

    assert findings() == [
        "pods request 1890 GiB of the node's 2048 GiB; tiered storage reserves 410 GiB (20 percent), which "
        "leaves 1638 GiB"
    ]
    assert findings(nodes=None, replicas=2, accelerators=8, memory_gib=1500) == []


def test_the_preset_for_efa_locks_memory():
    (replica,) = compile_job(Job(**BASE, efa_preset=True))["spec"]["replicaSpecs"]
    (container,) = replica["template"]["spec"]["containers"]
    assert container["securityContext"] == {"capabilities": {"add": ["IPC_LOCK"]}}
    stated = Job(**BASE, efa_preset=True, security={"add_capabilities": ["SYS_PTRACE", "IPC_LOCK"]})
    (replica,) = compile_job(stated)["spec"]["replicaSpecs"]
    (container,) = replica["template"]["spec"]["containers"]
    assert container["securityContext"] == {"capabilities": {"add": ["IPC_LOCK", "SYS_PTRACE"]}}


def test_host_network_sets_the_clusters_dns():
    (replica,) = compile_job(Job(**BASE, host_network=True))["spec"]["replicaSpecs"]
    assert replica["template"]["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_over_several_nodes_use_a_launcher(example: Path):
    assert [finding for finding in load(example).findings if finding.rule == "HP734"] == []
