"""Requirements for every data file."""

import subprocess
import sys
from datetime import date

import pytest
from proving import every

from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.catalog import _files
from hyperpod_constructs.live.facts.refresh import FILES

HAND_WRITTEN = sorted({*FILES, "endpoints", "iam", "images", "labels"})


@pytest.mark.parametrize("name", _files.names())
def test_every_file_states_the_source_of_its_facts(name: str) -> None:
    content = _files.load(name)
    assert content["source"]
    assert date(2026, 1, 1) < date.fromisoformat(content["date"]) <= catalog.today()
    assert content["notes"]
    assert every(isinstance(note, str) and note for note in content["notes"])


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_every_file_is_in_the_format_that_a_refresh_writes(name: str) -> None:
    # Otherwise the first refresh would rewrite the complete file, and its diff would be useless.
    assert (_files.DATA / f"{name}.json").read_text() == _files.dumps(_files.load(name))


def test_instance_types_stay_small() -> None:
    assert (_files.DATA / "instance_types.json").stat().st_size < 110_000


def test_a_look_up_imports_no_large_module_and_reads_files_on_demand() -> None:
    script = """
import sys
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.catalog import _files
assert _files.load.cache_info().currsize == 0, "read a file on import"
catalog.instance_type("ml.p5.48xlarge"), catalog.region("us-west-2"), catalog.addon("cert-manager"), catalog.limit("tags")
catalog.default_kubernetes_version(), catalog.endpoints_for(["fsx"]), catalog.role("execution"), catalog.service_images()
heavy = {"aws_cdk", "jsii", "cdk8s", "constructs", "boto3", "botocore", "cfnlint", "kubernetes", "pydantic", "difflib"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


FIELDS = {
    "instance types": (catalog.instance_types(), catalog.InstanceType),
    "regions": (catalog.regions(), catalog.Region),
    "kubernetes": (catalog.kubernetes_versions(), catalog.KubernetesVersion),
    "addons": (catalog.addons(), catalog.Addon),
    "endpoints": (catalog.endpoints(), catalog.Endpoint),
    "quotas": (catalog.quotas(), catalog.Quota),
    "limits": (catalog.limits(), catalog.Limit),
    "roles": (catalog.roles(), catalog.Role),
    "labels": (catalog.labels(), catalog.Label),
    "service images": (catalog.service_images(), catalog.ServiceImage),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_a_mark_of_uncertainty_names_a_field_and_a_reason(kind: str) -> None:
    entries, cls = FIELDS[kind]
    for name, entry in entries.items():
        for field, reason in entry.uncertain.items():
            first = field.partition(".")[0]
            assert hasattr(cls, first), f"{name}: no field {field}"
            assert reason.endswith("."), f"{name}: {field}: not a sentence: {reason}"


def test_entries_are_immutable_and_hashable() -> None:
    p5 = catalog.instance_type("ml.p5.48xlarge")
    assert hash(p5) == hash(catalog.instance_type("ml.p5.48xlarge"))
    with pytest.raises(AttributeError):
        p5.vcpu = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalog.instance_types()["ml.p9.48xlarge"] = p5  # type: ignore[index]
    with pytest.raises(TypeError):
        p5.uncertain["vcpu"] = "no"  # type: ignore[index]


# Each row is one place where the sources disagree, or where a value was inferred.
UNCERTAIN = [
    ("instance_type", "ml.p6e-gb200.36xlarge", "efa_interfaces"),
    ("instance_type", "ml.p6e-gb200.36xlarge", "network_cards"),
    ("instance_type", "ml.p6e-gb200.36xlarge", "ipv4_per_interface"),
    ("instance_type", "ml.p6e-gb200.36xlarge", "max_pods"),
    ("instance_type", "ml.p6e-gb200.36xlarge", "nvme_gb"),
    ("instance_type", "ml.p6e-gb200.36xlarge", "regions"),
    ("instance_type", "ml.p5e.48xlarge", "regions"),
    ("instance_type", "ml.p6-b300.48xlarge", "mig_profiles"),
    ("instance_type", "ml.c5n.large", "memory_gib"),
    ("instance_type", "ml.trn2.48xlarge", "accelerator.memory_gib_each"),
    ("instance_type", "ml.g5.xlarge", "threads_per_core"),
    *(("instance_type", f"ml.g7e.{size}xlarge", "max_pods") for size in (2, 4, 8, 12, 24, 48)),
    *(("instance_type", f"ml.g7.{size}xlarge", "deep_health_checks") for size in (2, 4, 8, 12, 24, 48)),
    *(("instance_type", f"ml.g4dn.{size}", "deep_health_checks") for size in ("xlarge", "12xlarge")),
    *(
        ("instance_type", f"ml.{value}", "max_pods")
        for value in ("p5.4xlarge", "p5en.48xlarge", "trn2.3xlarge", "c8a.16xlarge")
    ),
    ("region", "ca-central-1", "hyperpod"),
    ("region", "ca-central-1", "amp"),
    ("region", "ap-northeast-2", "amg"),
    ("region", "ap-south-2", "health_monitoring_agent_account"),
    ("region", "ap-northeast-2", "health_monitoring_agent_account"),
    ("region", "us-west-2", "scheduler_config_cfn"),
    ("region", "ap-northeast-1", "compute_quota_cfn"),
    ("region", "eu-central-2", "hyperpod"),
    ("kubernetes_version", "1.30", "released"),
    *(("kubernetes_version", version, "released") for version in ("1.32", "1.33", "1.34", "1.35", "1.37")),
    ("kubernetes_version", "1.36", "hyperpod_documented"),
    ("kubernetes_version", "1.37", "end_of_standard_support"),
    ("addon", "vpc-cni", "requires"),
    ("addon", "coredns", "needs_nodes"),
    ("addon", "amazon-sagemaker-hyperpod-training-operator", "standalone_association"),
    ("addon", "amazon-sagemaker-spaces", "service_accounts"),
    ("addon", "amazon-cloudwatch-observability", "managed_policies"),
    ("addon", "prometheus-node-exporter", "requires"),
    *(("endpoint", service, "features") for service in ("eks", "sagemaker.api", "fsx", "kms", "elasticloadbalancing")),
    *(("quota", key, "code") for key in ("vpcs", "internet_gateways", "elastic_ips")),
    ("limit", "instance_groups_per_cluster", "value"),
    ("limit", "instance_groups_per_cluster_documented", "value"),
    ("limit", "tiered_storage_memory_percentage", "minimum"),
    ("limit", "kubernetes_node_minor_skew", "value"),
    ("limit", "vpc_ipv4_cidr_blocks", "value"),
    ("limit", "eks_control_plane_subnet_free_ips", "value"),
    ("limit", "instance_connectivity_min_nodes", "value"),
    ("role", "training_operator", "principals"),
    ("role", "execution", "managed_policies"),
    ("label", "fault_types", "key"),
    ("label", "instance_group_name", "key"),
    ("label", "compute_type", "values"),
    ("service_image", "health-monitoring-agent", "tag"),
]


@pytest.mark.parametrize(("look_up", "name", "field"), UNCERTAIN)
def test_facts_with_disagreeing_sources_are_marked(look_up: str, name: str, field: str) -> None:
    assert field in getattr(catalog, look_up)(name).uncertain


def test_every_pod_count_of_an_addon_is_marked_as_an_estimate() -> None:
    for addon in catalog.addons().values():
        for field in ("pods_per_node", "pods_total"):
            assert not getattr(addon, field) or field in addon.uncertain, f"{addon.name}: {field}"
