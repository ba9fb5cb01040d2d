"""The examples of a shared cluster: checked, synthesized, linted for their region, in order, and documented."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import ROOT, UNCOPIED, Assembly
from proving import proved
from sweep import sample

from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import Severity

pytestmark = pytest.mark.slow

EXAMPLES = ["teams", "lustre", "observability-none", "observability-managed", "observability-self-hosted"]
Assemble = Callable[[str], Assembly]


def config(name: str) -> str:
    return f"examples/{name}.yaml"


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_has_no_errors_and_no_warnings(name: str) -> None:
    loaded = load(ROOT / config(name))
    assert [str(f) for f in loaded.findings if f.severity is not Severity.NOTE and f.acknowledged is None] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_in_order(assemble: Assemble, name: str) -> None:
    proved(str(assemble(config(name)).folder))


@pytest.mark.parametrize("name", sample(EXAMPLES, 2))
def test_it_fits_into_one_stack_of_another_app(name: str, tmp_path: Path) -> None:
    platform = load(ROOT / config(name)).platform
    assert platform is not None
    app = cdk.App(outdir=str(tmp_path), context=UNCOPIED, analytics_reporting=False)
    HyperPodPlatform(cdk.Stack(app, "One", env=cdk.Environment(region=platform.region)), "Platform", platform=platform)
    app.synth()
    proved(str(tmp_path))


def test_cfn_lint_finds_no_errors(assemble: Assemble) -> None:
    # the stacks that only these examples have; network and control plane are the same in every config
    templates = [
        str(path)
        for name in EXAMPLES
        for path in sorted(assemble(config(name)).folder.rglob("*.template.json"))
        if path.name.endswith("-Addons.template.json") or path.name == "fed-HyperPod.template.json"
    ]
    assert len(templates) == len(EXAMPLES) + 1
    templates = sample(templates, 3)
    command = [Path(sys.executable).parent / "cfn-lint", "--regions", "us-west-2", "--ignore-checks", "W", "--"]
    # E3644 uses a list of instance types from prices, which lacks types that HyperPod supports
    completed = subprocess.run([*command[:-1], "E3644", "--", *templates], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout[:4000]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_describes_it(name: str) -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    assert f"examples/{name}.yaml" in pages or f"examples/{name.rpartition('-')[0]}-" in pages


def objects(assembly: Assembly) -> list[dict[str, Any]]:
    found = []
    for resource in assembly.resources("Custom::HyperPodKubernetesObjects").values():
        text = resource["Properties"]["Manifest"]
        if not isinstance(text, str):
            text = "".join(part if isinstance(part, str) else "TOKEN" for part in text["Fn::Join"][1])
        found += json.loads(text)
    return found


def test_teams_share_sixteen_nodes(assemble: Assemble) -> None:
    assembly = assemble(config("teams"))
    quotas = [quota["Properties"] for quota in assembly.resources("AWS::SageMaker::ComputeQuota").values()]
    assert {quota["ComputeQuotaTarget"]["TeamName"] for quota in quotas} == {"vision", "speech", "interns"}
    owned = 0.0
    for item in quotas:
        (resource,) = item["ComputeQuotaConfig"]["ComputeQuotaResources"]
        owned += resource.get("Count", 0) + resource.get("Accelerators", 0) / 8
    assert owned == 16
    strategies = {quota["ComputeQuotaConfig"]["ResourceSharingConfig"]["Strategy"] for quota in quotas}
    assert strategies == {"LendAndBorrow", "Lend"}
    (job,) = [manifest for manifest in objects(assembly) if manifest["kind"] == "HyperPodPyTorchJob"]
    assert job["metadata"]["namespace"] == "hyperpod-ns-vision"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "hyperpod-ns-vision-localqueue"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "production-priority"


def test_the_job_of_the_lustre_example_reads_the_claim(assemble: Assemble) -> None:
    assembly = assemble(config("lustre"))
    items = objects(assembly)
    (claim,) = [manifest for manifest in items if manifest["kind"] == "PersistentVolumeClaim"]
    (job,) = [manifest for manifest in items if manifest["kind"] == "HyperPodPyTorchJob"]
    assert claim["metadata"]["namespace"] == job["metadata"]["namespace"]
    volumes = job["spec"]["replicaSpecs"][0]["template"]["spec"]["volumes"]
    assert {"claimName": claim["metadata"]["name"]} in [volume.get("persistentVolumeClaim") for volume in volumes]
    workers = assembly.only("AWS::SageMaker::Cluster")["InstanceGroups"][1]
    assert assembly.only("AWS::FSx::FileSystem")["SubnetIds"] == workers["OverrideVpcConfig"]["Subnets"]


def test_each_grafana_example_has_its_kind(assemble: Assemble) -> None:
    kinds = {
        name: (
            len(assemble(config(name)).resources("AWS::Grafana::Workspace")),
            sum(
                release["Properties"]["Release"] == "grafana"
                for release in assemble(config(name)).resources("Custom::HyperPodHelmRelease").values()
            ),
        )
        for name in EXAMPLES[2:]
    }
    assert kinds == {
        "observability-none": (0, 0),
        "observability-managed": (1, 0),
        "observability-self-hosted": (0, 1),
    }
