"""The dependency chart as data: gaps of its lists, values and digests."""

from __future__ import annotations

from typing import Any

import pytest
from proving import every

from hyperpod_constructs.core import chart, spec
from hyperpod_constructs.core.catalog import instance_types
from hyperpod_constructs.core.catalog._files import load
from hyperpod_constructs.core.chart import chart_values, gaps
from hyperpod_constructs.core.chart_lines import insertions
from hyperpod_constructs.core.closed import image_copies
from hyperpod_constructs.core.spec import Cluster, InstanceGroup
from hyperpod_constructs.core.spec.dependencies import DependencyChart

COMPONENTS = load("chart")["components"]


def value_at(values: dict[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found


def test_every_component_is_a_switch_with_the_charts_default() -> None:
    switches = {name: field.default for name, field in DependencyChart.model_fields.items() if name in COMPONENTS}
    switches["nvidia_device_plugin"] = DependencyChart().has_nvidia_device_plugin
    others = DependencyChart.model_fields.keys() - COMPONENTS
    assert others == {
        *("enabled", "chart", "values", "image_registry", "pytorch_init_image"),
        *("subchart_digests", "allow_unpinned_subcharts", "adopt"),
    }
    assert switches == {name: component["default"] for name, component in COMPONENTS.items()}


@pytest.mark.parametrize("name", sorted(COMPONENTS))
@pytest.mark.parametrize("enabled", [True, False])
def test_a_switch_reaches_the_charts_value(name: str, enabled: bool) -> None:
    values = chart_values(DependencyChart(**{name: enabled}), region="us-west-2", instance_types=[])
    assert value_at(values, COMPONENTS[name]["key"]) is enabled


def test_two_gpu_plugins_are_rejected() -> None:
    with pytest.raises(
        ValueError, match="nvidia_device_plugin conflicts with gpu_operator, which includes its own device plugin"
    ):
        DependencyChart(gpu_operator=True, nvidia_device_plugin=True)
    assert DependencyChart(gpu_operator=True, nvidia_device_plugin=False).has_nvidia_device_plugin is False


def test_every_instance_type_is_served_by_the_plugins_it_needs() -> None:
    names = list(instance_types())
    values = chart_values(DependencyChart(), region="us-west-2", instance_types=names)
    affinity = values["nvidia-device-plugin"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    gpu = set(term["matchExpressions"][0]["values"])
    efa = set(values["aws-efa-k8s-device-plugin"]["supportedInstanceLabels"]["values"])
    added = {
        insertion.line.strip().removeprefix("- ") for insertion in insertions(DependencyChart(), instance_types=names)
    }
    neuron = added | set(load("chart")["instance_types"]["neuron_device_plugin"])
    for name, known in instance_types().items():
        assert name in gpu or not known.is_gpu
        assert name in efa or not known.supports_efa
        assert name in neuron or not known.is_neuron


def test_lists_without_a_gap_are_left_to_the_chart() -> None:
    values = chart_values(DependencyChart(), region="us-west-2", instance_types=["ml.p5.48xlarge", "ml.trn1.32xlarge"])
    assert values["nvidia-device-plugin"] == {"devicePlugin": {"enabled": True}}
    assert "supportedInstanceLabels" not in values["aws-efa-k8s-device-plugin"]


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        ("eu-north-1", "602401143452.dkr.ecr.eu-north-1.amazonaws.com"),
        ("eu-south-2", "455263428931.dkr.ecr.eu-south-2.amazonaws.com"),
    ],
)
def test_the_efa_plugin_is_pulled_from_the_clusters_region(region: str, registry: str) -> None:
    """A closed network can reach only the registry of its region, but the chart specifies another region."""
    values = chart_values(DependencyChart(), region=region, instance_types=[])
    assert values["aws-efa-k8s-device-plugin"]["image"] == {"repository": f"{registry}/eks/aws-efa-k8s-device-plugin"}
    off = chart_values(DependencyChart(efa_device_plugin=False), region=region, instance_types=[])
    assert off["aws-efa-k8s-device-plugin"] == {"devicePlugin": {"enabled": False}}


def test_the_efa_plugin_tolerates_restricted_nodes_and_what_the_chart_tolerates() -> None:
    values = chart_values(DependencyChart(), region="us-east-1", instance_types=[], restricted_nodes=True)
    *others, last = values["aws-efa-k8s-device-plugin"]["tolerations"]
    assert last == {
        "key": "sagemaker.amazonaws.com/RestrictedNode",
        "operator": "Equal",
        "value": "Worker",
        "effect": "NoSchedule",
    }
    assert others == load("restricted_nodes")["efa_tolerations"]
    ordinary = chart_values(DependencyChart(), region="us-east-1", instance_types=[])
    assert "tolerations" not in ordinary["aws-efa-k8s-device-plugin"]


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("ml.m5.4xlarge", set()),
        ("ml.p5.48xlarge", set()),
        ("ml.g7.2xlarge", {"nvidia_device_plugin", "health_monitoring_agent"}),
        ("ml.g4dn.8xlarge", {"nvidia_device_plugin", "efa_device_plugin", "health_monitoring_agent"}),
        ("ml.c6i.32xlarge", {"efa_device_plugin"}),
        ("ml.trn2.3xlarge", {"neuron_device_plugin"}),
        ("ml.not-a-type", set()),
        ("${Token[TOKEN.1]}", set()),
    ],
)
def test_gaps(name: str, lacking: set[str]) -> None:
    assert set(gaps([name])) == lacking


@pytest.mark.parametrize(
    ("off", "values", "without_namespace"),
    [
        ({}, {}, []),
        ({"deep_health_check": False}, {}, ["health_monitoring_agent", "job_auto_restart"]),
        ({"training_operators": False}, {}, []),
        ({"training_operators": False, "mlflow": True}, {}, ["mlflow"]),
        ({"training_operators": False, "namespaced_role_and_bindings": True}, {}, ["namespaced_role_and_bindings"]),
        (
            {"training_operators": False, "namespaced_role_and_bindings": True},
            {"namespaced-role-and-bindings": {"namespace": "mine"}},
            [],
        ),
    ],
)
def test_components_whose_namespace_is_not_created(
    off: dict[str, bool], values: dict[str, Any], without_namespace: list[str]
) -> None:
    assert sorted(chart.without_namespace(DependencyChart(**off, values=values))) == without_namespace
    assert sorted(chart.without_namespace(DependencyChart(**off), values=values)) == without_namespace


def test_nothing_is_inserted_where_the_plugin_is_off() -> None:
    off = DependencyChart(
        neuron_device_plugin=False, deep_health_check=False, job_auto_restart=False, health_monitoring_agent=False
    )
    assert insertions(off, instance_types=["ml.trn2.3xlarge"]) == []


def test_a_null_reaches_helm() -> None:
    """In Helm, null also removes the chart's default."""
    spec = DependencyChart(values={"nvidia-device-plugin": {"tolerations": None}})
    assert chart_values(spec, region="r", instance_types=[])["nvidia-device-plugin"]["tolerations"] is None


def test_the_same_spec_from_yaml() -> None:
    fields = {
        "mpi_operator": False,
        "chart": {
            "repository": "https://github.com/a/b",
            "path": "c",
            "commit": "1" * 40,
            "digest": "sha256:" + "ab" * 32,
        },
    }
    read = DependencyChart.model_validate(fields)
    assert isinstance(read.chart, spec.dependencies.GitChart)
    assert DependencyChart.model_validate(read.model_dump()) == read


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"repository": "https://github.com/a/b", "path": "p", "commit": "main", "digest": "x"},
            "not a valid full commit",
        ),
        ({"pth": "vendor/chart"}, "Extra inputs are not permitted"),
        ({"reference": "quay.io/x", "version": "1", "digest": "x"}, "not a valid OCI reference"),
    ],
)
def test_a_wrong_source_is_explained_by_its_own_kind(source: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        DependencyChart.model_validate({"chart": source})
    assert len({str(error["loc"][1]) for error in raised.value.errors()}) == 1  # type: ignore[attr-defined]


def test_the_pin() -> None:
    pin = chart.pinned_chart()
    assert (pin.commit, pin.digest[:14]) == ("011ca927123e02b35a399935bbb3ab1905fe33c7", "sha256:d4bef34")
    assert every(digest.startswith("sha256:") and len(digest) == 71 for digest in chart.subchart_digests().values())


def test_the_operator_gets_the_image_of_its_init_containers() -> None:
    def lines(**fields: Any) -> list[str]:
        found = insertions(DependencyChart(**fields), instance_types=["ml.p5.48xlarge"])
        return [finding.line.strip() for finding in found if "training-operator" in finding.path]

    assert lines() == []  # the operator's own default
    assert lines(pytorch_init_image="registry/wait:v1") == ["- --pytorch-init-container-image=registry/wait:v1"]
    mirrored = "111122223333.dkr.ecr.us-west-2.amazonaws.com/mirror"
    assert lines(image_registry=mirrored) == [f"- --pytorch-init-container-image={mirrored}/alpine:3.10"]
    assert lines(image_registry=mirrored, training_operators=False) == []
    group = InstanceGroup(name="a", instance_type="ml.m5.4xlarge", count=1)
    chart = DependencyChart(pytorch_init_image="registry/wait:v1")
    copied = [image_copy.component for image_copy in image_copies(chart, Cluster(instance_groups=[group]))]
    assert copied == ["mpi-operator", "training-operator"]


def test_seven_sub_charts_have_no_known_digest_and_are_downloaded_only_on_request() -> None:
    """Their registries were not reachable; if a digest becomes known, it is added to the catalog."""
    subcharts = load("chart")["subcharts"]
    without = {name for name, entry in subcharts.items() if entry["digest"] is None}
    assert len(without) == 7
    listed = {name for component in COMPONENTS.values() for name in component.get("subcharts", ())}
    assert listed == without, "each belongs to a component, so that rule HP413 checks it"
    assert chart.unpinned(DependencyChart()) == {}, "the default downloads none of them"
    all_components = DependencyChart(gpu_operator=True, cert_manager=True, inference_operators=True)
    assert {name.split()[0] for names in chart.unpinned(all_components).values() for name in names} == without


def test_a_digest_that_is_given_is_enough_and_has_to_be_one() -> None:
    key = "gpu-operator v26.3.1"
    with_digest = DependencyChart(gpu_operator=True, subchart_digests={key: "sha256:" + "ab" * 32})
    assert chart.unpinned(with_digest) == {}
    assert chart.subchart_digests(with_digest)["gpu-operator 26.3.1"] == "sha256:" + "ab" * 32
    with pytest.raises(ValueError, match="digest"):
        DependencyChart(subchart_digests={key: "v26.3.1"})
