"""Type checkers accept what a consumer writes: every example of the pages, the apps of consumers, what `init` writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from assembly import ROOT
from sweep import only_in_full

from hyperpod_constructs.cli.project import APP

pytestmark = pytest.mark.slow


def blocks(text: str) -> list[str]:
    """The Python examples of a page, without interactive sessions (`>>>`)."""
    return [item for item in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if not item.startswith(">>>")]


def write_programs(folder: Path) -> list[Path]:
    """Each example as a program; examples of constructs follow the common code of their index."""
    (before,) = blocks((ROOT / "docs" / "constructs" / "README.md").read_text())
    programs = {}
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        for index, block in enumerate(blocks(page.read_text())):
            is_construct = page.parent.name == "constructs" and page.stem != "README"
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts)
            programs[f"{name}_{index}".replace("-", "_")] = before * is_construct + block
    programs["init_app"] = APP["app.py"].read_text()
    programs["init_test"] = APP["tests/test_platform.py"].read_text()
    written = []
    for name, text in programs.items():
        written.append(folder / f"{name}.py")
        written[-1].write_text(text)
    return written


EKS_OF_CDK = """
from aws_cdk import App, Stack, aws_ec2, aws_eks, aws_eks_v2
from aws_cdk.lambda_layer_kubectl_v35 import KubectlV35Layer

from hyperpod_constructs import HyperPodCluster, HyperPodEks, InstanceGroup

stack = Stack(App(), "Types")
vpc = aws_ec2.Vpc(stack, "Vpc")
version, layer = aws_eks.KubernetesVersion.of("1.35"), KubectlV35Layer(stack, "Kubectl")
groups = [InstanceGroup(name="system", instance_type="ml.m5.4xlarge", count=2)]
HyperPodCluster(
    stack,
    "Stable",
    vpc=vpc,
    eks_cluster=aws_eks.Cluster(stack, "StableEks", version=version, vpc=vpc, kubectl_layer=layer),
    instance_groups=groups,
)
HyperPodCluster(
    stack,
    "Second",
    vpc=vpc,
    eks_cluster=aws_eks_v2.Cluster(stack, "SecondEks", version=aws_eks_v2.KubernetesVersion.of("1.35"), vpc=vpc),
    instance_groups=groups,
)
HyperPodCluster.from_attributes(
    stack,
    "There",
    eks_cluster=aws_eks_v2.Cluster.from_cluster_attributes(stack, "ThereEks", cluster_name="mine"),
    cluster_arn="arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl",
)
HyperPodEks.from_cluster(
    stack,
    "Imported",
    cluster=aws_eks.FargateCluster(stack, "FargateEks", version=version, vpc=vpc, kubectl_layer=layer),
)
"""
"""Clusters of CDK's own classes, without a cast."""


SUPPORT = [ROOT / "tests" / "support" / name for name in ("assembly.py", "proving.py")]
"""What the apps in tests/apps import."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The examples of the pages and, in a subfolder, the apps of consumers, and clusters of CDK's classes."""
    written = write_programs(tmp_path_factory.mktemp("programs"))
    folder = written[0].parent / "apps"
    folder.mkdir()
    for path in [ROOT / "app.py", *sorted((ROOT / "tests" / "apps").glob("*.py")), *SUPPORT]:
        shutil.copy(path, folder / path.name)
        written.append(folder / path.name)
    written.append(folder / "eks_of_cdk.py")
    written[-1].write_text(EKS_OF_CDK)
    assert len(written) > 50
    return written


def test_mypy_strict_finds_nothing(programs: list[Path]) -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file",
        str(ROOT / "pyproject.toml"),
    ]
    completed = subprocess.run([*command, *map(str, programs)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.stdout == ""
    assert completed.returncode == 0, completed.stderr


PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"
OF_CDK = {
    ("aws_iam.AccountRootPrincipal", "aws_iam.IPrincipal"): 1,
    ("aws_kms.Key", "aws_kms.IKey"): 1,
}
"""CDK's classes that its own stubs do not accept as their interface, since names of parameters differ, and how often
programs meet one; `OF_CDK_ALONE` shows each without this library."""
OF_CDK_ALONE = "from aws_cdk import aws_iam, aws_kms\n" + "".join(
    f"\n\ndef case{index}(given: {made}) -> {interface}:\n    return given\n"
    for index, (made, interface) in enumerate(OF_CDK)
)
INCOMPATIBLE = re.compile(r'"(\w+)" is incompatible with protocol "(\w+)"')


@only_in_full  # mypy always checks the same programs
@pytest.mark.skipif(not PYRIGHT.exists(), reason="npm ci installs pyright")
def test_pyright_finds_nothing(programs: list[Path]) -> None:
    folder = programs[0].parent
    (folder / "of_cdk_alone.py").write_text(OF_CDK_ALONE)
    settings = {"pythonVersion": "3.11", "typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "exclude": []}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    node = Path(sys.executable).with_name("node")
    command = [str(node), str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(completed.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(programs)
    found, own_errors = [], []
    for finding in report["generalDiagnostics"]:
        of_cdk = Path(finding["file"]).name == "of_cdk_alone.py"
        known = INCOMPATIBLE.search(finding["message"])
        pair = known.groups() if known else None
        (own_errors if of_cdk else found).append(pair or f"{finding['file']}: {finding['message']}")
    names = {tuple(name.partition(".")[2] for name in pair): count for pair, count in OF_CDK.items()}
    assert sorted(map(str, own_errors)) == sorted(map(str, names)), "CDK's stubs now accept one of these"
    assert Counter(found) == names  # in an app
