"""Public training jobs are imported, rendered and compared: the score is printed, and may only rise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from job_oracles import assert_valid
from job_texts import parse_job
from public_jobs import features, manifest

from hyperpod_constructs.core.documents import Document
from hyperpod_constructs.core.jobs import compile_job
from hyperpod_constructs.core.jobs.importing import compare, import_documents
from hyperpod_constructs.core.jobs.importing.importer import ImportedJob
from hyperpod_constructs.core.jobs.manifest import manifest_of

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "public_jobs.json").read_text())
EQUAL = 63
"""Jobs whose import means the same. Raise it when it rises; it may not fall."""
LOSSES = {
    "stable-diffusion/multi-node/3.stable-diffusion-eks.yaml-template": [
        'spec.pytorchReplicaSpecs.Worker.template.spec.containers.pytorch.resources.limits["nvidia.com/gpu"]: added: "8"'
    ],  # a device with a request and no limit, which Kubernetes rejects
    "pointworld/kubernetes/pointworld-pretrain.yaml": [
        "error HP702 container_name: a PyTorchJob's main container is always named pytorch"
    ],  # which Kubeflow's operator rejects
    "vjepa2.1/kubernetes/vjepa2-1-benchmark.yaml": [
        "error HP702 container_name: a PyTorchJob's main container is always named pytorch"
    ],
}
"""The end of a source to what is not kept."""


def imported(row: dict[str, Any]) -> ImportedJob:
    document = Document(file=None)
    document.value = manifest(row)
    (job,) = import_documents([document]).jobs
    return job


IMPORTED = [(row, imported(row)) for row in ROWS]


def losses(job: ImportedJob) -> list[str]:
    found = [
        f"{finding.severity} {finding.rule} {finding.path}: {finding.message}"
        for finding in job.findings
        if finding.severity == "error"
    ]
    return [*job.losses, *found]


def uses_patches(job: ImportedJob) -> bool:
    parts = [job.data, *job.data.get("replica_specs", ())]
    return any(key in part for part in parts for key in ("patch", "container_patch", "job_patch"))


def test_the_score(capsys: pytest.CaptureFixture[str]):
    equal = [job for _, job in IMPORTED if job.is_equal]
    with capsys.disabled():
        patched = len([job for job in equal if uses_patches(job)])
        print(f"\npublic jobs: {len(equal)} of {len(ROWS)} equal in meaning, {patched} of them with a patch")
    assert len(ROWS) >= 60
    assert len(equal) >= EQUAL
    assert len(equal) / len(ROWS) >= 0.9


def test_each_loss_is_listed():
    found = {row["source"]: losses(job) for row, job in IMPORTED if not job.is_equal}
    assert {next(end for end in LOSSES if source.endswith(end)): loss for source, loss in found.items()} == LOSSES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["source"][-50:])
def test_a_generated_manifest_has_the_features_of_its_row(row: dict[str, Any]):
    stated = {key: row[key] for key in ("kind", "object", "pods")}
    assert features(manifest(row)) == stated


@pytest.mark.parametrize(
    ("row", "job"), [pair for pair in IMPORTED if pair[1].is_equal], ids=lambda value: getattr(value, "name", None)
)
def test_the_file_reads_back_and_renders_the_same_valid_object(row: dict[str, Any], job: ImportedJob):
    loaded = parse_job(job.text)
    assert loaded.job == job.job
    assert loaded.job is not None
    assert_valid(compile_job(loaded.job))
    assert [str(item) for item in compare(manifest(row), manifest_of(loaded.job)) if not item.expected] == []
