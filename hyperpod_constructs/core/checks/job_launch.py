"""HP733 to HP735: requirements of a job that no API enforces: shared memory, a launcher, available memory."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ..catalog import matches
from ..findings import Severity
from ..jobs.resources import share
from ..jobs.room import exact, quantity
from ..spec.cluster import Cluster
from ..spec.jobs import Job, ReplicaSpec
from .job_rule import example, parts
from .registry import Problem, rule

_P5 = "instance_type: ml.p5.48xlarge"


@rule(
    "HP733",
    title="Jobs with several accelerators have more than 64 MiB of shared memory.",
    severity=Severity.NOTE,
    why="Data loaders and NCCL exchange data in /dev/shm. The container runtime's default is 64 MiB, and the "
    "job fails with 'Bus error' or 'No space left on device'.",
    cure="Set shared_memory_gib: auto (half of the container's memory), or mount a volume at /dev/shm.",
    source="PyTorch documentation, DataLoader (shared memory); NCCL documentation, troubleshooting",
    wrong=example(f"{_P5}, nodes: 1"),
    right=example(f"{_P5}, nodes: 1, shared_memory_gib: auto"),
)
def shared_memory(job: Job) -> Iterator[Problem]:
    for prefix, part, _ in parts(job):
        mounted = any(volume.mount_path == "/dev/shm" for volume in part.volumes)
        if part.shared_memory_gib is not None or mounted or job.efa_preset:
            continue
        count = share(part, job).accelerators
        if count > 1:
            message = f"not set: {quantity(count)} accelerators share a /dev/shm of 64 MiB"
            yield Problem(f"{prefix}shared_memory_gib", message)


@rule(
    "HP734",
    title="A HyperPodPyTorchJob with several pods starts a launcher.",
    severity=Severity.WARNING,
    why="The HyperPod training operator requires the elastic agent in the image: without hyperpodrun or "
    "another launcher the pods have no rendezvous, and each trains alone or fails.",
    cure="Start hyperpodrun (pip package hyperpod-elastic-agent), torchrun or another launcher, or use `kind: "
    "PyTorchJob`, whose operator sets MASTER_ADDR and WORLD_SIZE.",
    source="documentation page sagemaker-eks-operator-usage (hyperpodrun and the elastic agent); the guide's samples",
    wrong=example(f"{_P5}, nodes: 2, command: [python, train.py]"),
    right=example(f"{_P5}, nodes: 2, command: [hyperpodrun, --nnodes=2, --nproc-per-node=8, train.py]"),
)
def launcher(job: Job) -> Iterator[Problem]:
    if job.kind != "HyperPodPyTorchJob":
        return
    for prefix, part, _ in parts(job):
        words = [str(word) for word in (*part.command, *part.args)]
        text = " ".join(words)
        # an image's default command or a script may start a launcher, which cannot be checked
        if not words or matches("launcher", text) or matches("shell_script", text) or "${Token[" in text:
            continue
        pods = _pods(part)
        if pods > 1:
            yield Problem(f"{prefix}command", f"no launcher is started in {pods} pods")


@rule(
    "HP735",
    title="Jobs leave the memory that tiered storage reserves.",
    severity=Severity.WARNING,
    why="Checkpoints in memory use a share of each node that Kubernetes does not subtract from allocatable "
    "memory. Together with the job's pods it exceeds the node's memory, and pods are killed.",
    cure="Use replicas with all accelerators and memory_gib instead of nodes, or reduce "
    "cluster.tiered_storage.memory_percent.",
    source="documentation page managed-tier-checkpointing; service model of sagemaker: InstanceMemoryAllocationPercentage; "
    "uncertain: whether the service reserves the memory for the kubelet",
    wrong=example(f"{_P5}, nodes: 2", "cluster: {tiered_storage: {memory_percent: 20}}\n"),
    right=example(
        f"{_P5}, replicas: 2, accelerators: 8, memory_gib: 1500", "cluster: {tiered_storage: {memory_percent: 20}}\n"
    ),
)
def tiered_memory(job: Job, cluster: Cluster) -> Iterator[Problem]:
    tiered = cluster.tiered_storage
    if tiered is None or not tiered.enabled:
        return
    for prefix, part, instance_type in parts(job):
        sized = share(part, job)
        if instance_type is None or instance_type.memory_gib is None or sized.memory_gib is None:
            continue
        reserved = exact(instance_type.memory_gib) * tiered.memory_percent / 100
        left = exact(instance_type.memory_gib) - reserved
        requested = sized.memory_gib * Decimal(1 if part.nodes else sized.per_node or 1)
        if requested > left:
            yield Problem(
                f"{prefix}memory_gib",
                f"pods request {quantity(requested)} GiB of the node's {instance_type.memory_gib} GiB; tiered storage "
                f"reserves {reserved:.0f} GiB ({tiered.memory_percent} percent), which leaves {left:.0f} GiB",
                None
                if part.nodes
                else f"Set memory_gib to at most {left // (requested / sized.memory_gib)}, or reduce "
                "cluster.tiered_storage.memory_percent.",
            )


def _pods(part: ReplicaSpec) -> int:
    return int(part.nodes or part.replicas or 1)
