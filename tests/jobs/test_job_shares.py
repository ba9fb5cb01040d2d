"""What each share of a node requests, and how each number came about, word for word (`share_texts.txt`).

HYPERPOD_WRITE_DOCS=1 writes the file anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hyperpod_constructs.core.jobs import Job, compile_job, share

P5, P4, TRN, CPU = "ml.p5.48xlarge", "ml.p4d.24xlarge", "ml.trn1.32xlarge", "ml.m5.4xlarge"
SIDECAR = {"name": "logs", "image": "logs", "vcpu": 1.5, "memory_gib": 2}
CASES: dict[str, dict[str, Any]] = {
    "a whole node": {"instance_type": P5, "nodes": 2},
    "half a node": {"instance_type": P5, "accelerators": 4},
    "half a node beside a sidecar": {"instance_type": P5, "accelerators": 4, "sidecars": [SIDECAR]},
    "an accelerator with less than its share": {"instance_type": P5, "accelerators": 1, "vcpu": 4, "memory_gib": 8},
    "no EFA": {"instance_type": P5, "accelerators": 8, "efa": 0},
    "fewer interfaces": {"instance_type": P5, "accelerators": 4, "efa": 2},
    "partitions of a GPU": {"instance_type": P4, "mig_profile": "mig-1g.5gb", "mig_count": 3},
    "NeuronCores": {"instance_type": TRN, "accelerators": 4, "neuron_resource": "neuroncore"},
    "a whole Trainium node": {"instance_type": TRN, "nodes": 1},
    "CPU alone": {"instance_type": CPU, "vcpu": 2},
    "memory alone": {"instance_type": CPU, "memory_gib": 4},
    "memory alone on a node with accelerators": {"instance_type": P5, "memory_gib": 4},
    "a sidecar that takes half of the memory": {
        "instance_type": CPU, "vcpu": 1, "memory_gib": 10, "sidecars": [{**SIDECAR, "vcpu": 0.5, "memory_gib": 10}],
    },
    "a whole CPU node": {"instance_type": CPU, "nodes": 1},
    "disks and huge pages": {
        "instance_type": P5, "nodes": 1, "ephemeral_storage_gib": 10, "ephemeral_storage_limit_gib": 20,
        "hugepages_2mi_mib": 512,
    },
    "limits": {"instance_type": P5, "accelerators": 1, "vcpu_limit": 30, "memory_limit_gib": 300},
    "no instance type": {"accelerators": 2, "efa": 1, "vcpu": 1, "memory_gib": 2},
    "no instance type, partitions": {"mig_profile": "mig-1g.5gb", "mig_count": 2, "vcpu": 1},
    "the EFA preset": {"instance_type": P5, "nodes": 2, "efa_preset": True},
}  # fmt: skip
TEXTS = Path(__file__).parent / "share_texts.txt"


def reported_findings(fields: dict[str, Any]) -> str:
    job = Job.model_validate({"name": "train", "image": "registry/train:v1", **fields})
    found = share(job, job)
    lines = [
        f"requests: {dict(found.requests)}",
        f"limits: {dict(found.limits)}",
        f"accelerators {found.accelerators.normalize():f}, efa {found.efa}, per node {found.per_node}",
        *(f"{step.name} {step.value}: {step.how}" for step in found.steps),
    ]
    return "".join(f"{line}\n" for line in lines)


def test_each_share_and_its_explanation() -> None:
    texts = "\n".join(f"--- {title}\n{reported_findings(fields)}" for title, fields in CASES.items())
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        TEXTS.write_text(texts)
    assert texts == TEXTS.read_text()


def test_partitions_run_on_nodes_that_are_partitioned() -> None:
    job = Job.model_validate({"name": "train", "image": "registry/train:v1", **CASES["partitions of a GPU"]})
    assert "'nvidia.com/mig.config.state': 'success'" in str(compile_job(job))
