"""Kubernetes objects that jobs require, in the templates of a config."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assembly import ROOT, UNCOPIED, Assembly, read_assembly

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.config import load

COMPANIONS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: scripts}
data: {run.sh: echo}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab}
---
apiVersion: v1
kind: Service
metadata: {name: data, namespace: lab}
spec: {selector: {app: data}, ports: [{port: 80}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: scratch}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"""


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "companions.yaml").write_text(COMPANIONS)
    job = (ROOT / "jobs" / "neuron-hello.yaml").as_posix()
    text = (ROOT / "hyperpod.yaml").read_text()
    text = text[: text.index("\njobs:")] if "\njobs:" in text else text
    (folder / "hyperpod.yaml").write_text(f"{text}\njobs: [{job}]\nmanifests: [companions.yaml]\n")
    loaded = load(folder / "hyperpod.yaml")
    assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
    build([loaded.platform], context={**cdk_context(), **UNCOPIED}, outdir=str(folder / "cdk.out")).synth()
    return read_assembly(folder / "cdk.out")


def groups(found: Assembly) -> dict[str, dict[str, Any]]:
    """The groups of objects by the names of their objects."""
    resources_by_id = found.templates["research-Addons"]["Resources"]
    return {
        " ".join(item["metadata"]["name"] for item in json.loads(resource["Properties"]["Manifest"])): resource
        for resource in resources_by_id.values()
        if resource["Type"] == "Custom::HyperPodKubernetesObjects"
    }


def test_objects_are_applied_by_namespace(assembly: Assembly) -> None:
    found = groups(assembly)
    assert {"scripts", "lab", "data", "scratch"} <= found.keys()
    (scripts,) = json.loads(found["scripts"]["Properties"]["Manifest"])
    assert scripts["metadata"] == {"name": "scripts", "namespace": "default"}


def test_cluster_wide_objects_are_created_before_namespaced_ones(assembly: Assembly) -> None:
    resources_by_id = assembly.templates["research-Addons"]["Resources"]
    (namespace,) = [name for name, resource in resources_by_id.items() if resource is groups(assembly)["lab"]]
    assert namespace in groups(assembly)["data"]["DependsOn"]


def test_claims_are_retained(assembly: Assembly) -> None:
    assert groups(assembly)["scratch"]["Properties"]["DeletionPolicy"] == "Retain"
    assert "DeletionPolicy" not in groups(assembly)["scripts"]["Properties"]


def test_jobs_are_created_after_the_stack_of_the_objects(assembly: Assembly) -> None:
    manifest = json.loads((assembly.folder / "manifest.json").read_text())
    assert "research-Addons" in manifest["artifacts"]["research-Jobs"]["dependencies"]
