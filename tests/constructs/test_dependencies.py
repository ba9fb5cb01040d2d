"""The dependency chart as a resource: its pin, its values, and what follows from the instance types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from assembly import UNCOPIED

from hyperpod_constructs.constructs.dependencies import HyperPodDependencies
from hyperpod_constructs.constructs.kubernetes import KubernetesProvider
from hyperpod_constructs.core.chart import patching_node_permissions
from hyperpod_constructs.core.spec.dependencies import DependencyChart, FolderChart

pytestmark = pytest.mark.slow


class ChartStack:
    def __init__(self, outdir: Path) -> None:
        self.app = cdk.App(outdir=str(outdir), context=UNCOPIED)
        self.stack = cdk.Stack(self.app, "Test", env=cdk.Environment(account="111122223333", region="us-west-2"))
        arn = "arn:aws:eks:us-west-2:111122223333:cluster/research"
        self.kubernetes = KubernetesProvider(self.stack, "Kubernetes", cluster_name="research", cluster_arn=arn)

    def dependencies(self, *instance_types: str, **options: Any) -> HyperPodDependencies:
        props = {
            "kubernetes": self.kubernetes,
            "region": self.stack.region,
            "instance_types": instance_types,
            **options,
        }
        return HyperPodDependencies(self.stack, "Dependencies", **props)

    @property
    def properties(self) -> dict[str, Any]:
        resources = self.app.synth().get_stack_by_name("Test").template["Resources"].values()
        (found,) = [r["Properties"] for r in resources if r["Type"] == "Custom::HyperPodHelmRelease"]
        return dict(found)

    @property
    def values(self) -> dict[str, Any]:
        return dict(json.loads(self.properties["Values"]))


@pytest.fixture
def chart_stack(tmp_path: Path) -> ChartStack:
    return ChartStack(tmp_path / "out")


def test_the_pinned_chart(chart_stack: ChartStack) -> None:
    chart_stack.dependencies("ml.trn1.32xlarge", "ml.m5.4xlarge")
    found = chart_stack.properties
    assert found["Chart"] == {
        "Kind": "git",
        "ArchiveUrl": (
            "https://codeload.github.com/aws/sagemaker-hyperpod-cli/tar.gz/011ca927123e02b35a399935bbb3ab1905fe33c7"
        ),
        "Path": "helm_chart/HyperPodHelmChart",
        "Digest": "sha256:d4bef34e665877995a82614fde96124cc148f674a775e427dd24887c527255f5",
    }
    assert (found["Release"], found["Namespace"]) == ("hyperpod-dependencies", "kube-system")
    assert (found["Wait"], found["SkipCrds"]) == (False, False)
    assert set(found["SubchartDigests"]) == {"nvidia-device-plugin 0.16.1", "aws-efa-k8s-device-plugin 0.5.20"}
    assert found["Insertions"] == [
        {
            "Path": "charts/deep-health-check/templates/aws-hyperpod-namespace.yaml",
            "After": "metadata:",
            "Line": "  annotations: {helm.sh/resource-policy: keep}",
            "Optional": "true",
        }
    ], "the training operator also runs in this namespace"
    assert "ValuesFiles" not in found


def test_the_region_is_always_set(chart_stack: ChartStack) -> None:
    chart_stack.dependencies()
    assert chart_stack.values["global"] == {"region": "us-west-2"}
    assert chart_stack.values["health-monitoring-agent"] == {"enabled": True, "region": "us-west-2"}


def test_instance_types_that_the_chart_lacks(chart_stack: ChartStack) -> None:
    chart_stack.dependencies("ml.g4dn.12xlarge", "ml.p5.48xlarge", "ml.trn2.3xlarge")
    affinity = chart_stack.values["nvidia-device-plugin"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    (expression,) = term["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("node.kubernetes.io/instance-type", "In")
    efa = chart_stack.values["aws-efa-k8s-device-plugin"]["supportedInstanceLabels"]["values"]
    for listed in (expression["values"], efa):
        assert listed[-1] == "ml.g4dn.12xlarge"
        assert "ml.p5.48xlarge" in listed
        assert len(listed) == len(set(listed))
    insertion, _ = chart_stack.properties["Insertions"]
    assert insertion["Line"].strip() == "- ml.trn2.3xlarge"
    assert insertion["Path"].startswith("charts/neuron-device-plugin/templates/")


def test_types_of_groups_that_are_added_later(chart_stack: ChartStack) -> None:
    dependencies = chart_stack.dependencies("ml.m5.4xlarge")
    dependencies.add_instance_types(["ml.g4dn.xlarge"])
    assert "affinity" in chart_stack.values["nvidia-device-plugin"]


def test_switches(chart_stack: ChartStack) -> None:
    chart_stack.dependencies(
        components={
            "mpi_operator": False,
            "gpu_operator": True,
            "allow_unpinned_subcharts": True,
            "cluster_role_and_bindings": True,
        }
    )
    values = chart_stack.values
    assert values["mpi-operator"] == {"enabled": False}
    assert values["gpu-operator"] == {"enabled": True}
    assert values["nvidia-device-plugin"] == {"devicePlugin": {"enabled": False}}
    assert values["cluster-role-and-bindings"] == {"enabled": True}
    assert values["cert-manager"] == {"enabled": False}
    assert chart_stack.properties["ValuesFiles"] == ["regional-values/values-us-west-2.yaml"]


def test_values_are_merged_last(chart_stack: ChartStack) -> None:
    spec = DependencyChart(values={"mpi-operator": {"a": 1, "b": 1}, "health-monitoring-agent": {"imageTag": "x"}})
    chart_stack.dependencies(components=spec, values={"mpi-operator": {"b": 2}, "storage": {"enabled": True}})
    values = chart_stack.values
    assert values["mpi-operator"] == {"enabled": True, "a": 1, "b": 2}
    assert values["health-monitoring-agent"] == {"enabled": True, "region": "us-west-2", "imageTag": "x"}
    assert values["storage"] == {"enabled": True}


def test_values_with_tokens(chart_stack: ChartStack) -> None:
    role = cdk.CfnResource(chart_stack.stack, "Role", type="AWS::IAM::Role")
    chart_stack.dependencies(region=cdk.Aws.REGION, values={"mlflow": {"role": role.get_att("Arn")}})
    text = json.dumps(chart_stack.properties["Values"])
    assert '{"Fn::GetAtt": ["Role", "Arn"]}' in text
    assert '{"Ref": "AWS::Region"}' in text
    assert "Token[" not in text


@pytest.mark.parametrize("path", ["argument", "components"])
def test_a_vendored_chart(chart_stack: ChartStack, tmp_path: Path, path: str) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("x")
    folder = FolderChart(path=str(tmp_path / "chart"))
    chart_stack.dependencies(
        **({"chart": folder} if path == "argument" else {"components": DependencyChart(chart=folder)})
    )
    assert chart_stack.properties["Chart"]["Kind"] == "asset"


def test_two_syntheses_are_identical(tmp_path: Path) -> None:
    texts = []
    for name, types in (("one", ["ml.g7.2xlarge", "ml.g4dn.xlarge"]), ("two", ["ml.g4dn.xlarge", "ml.g7.2xlarge"])):
        result = ChartStack(tmp_path / name)
        result.dependencies(*types)
        result.app.synth()
        texts.append((tmp_path / name / "Test.template.json").read_bytes())
    assert texts[0] == texts[1]


def test_patching_may_do_with_nodes_what_the_charts_role_lacks():
    """Pull request 423 of sagemaker-hyperpod-cli; whether the service uses it is uncertain."""
    role, binding = patching_node_permissions()
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "hyperpod-service-linked-role"}
    ]
