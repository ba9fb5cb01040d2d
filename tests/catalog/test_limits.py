"""Limits, quotas, endpoints, roles, labels and images."""

import re

import pytest
from proving import every

from hyperpod_constructs.core import catalog


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("cluster_name_length", 1, 63),
        ("instance_groups_per_cluster", 1, 100),
        ("instance_count", 0, 6758),
        ("subnets_per_vpc_config", 1, 16),
        ("security_groups_per_vpc_config", 1, 5),
        ("ebs_volume_size_gb", 1, 16384),
        ("kubernetes_label_key_length", 1, 317),
        ("deep_health_checks_per_group", 1, 3),
        ("rig_fsx_size_gib", 1200, 100800),
        ("idle_wait_window_seconds", 3600, 2160000),
        ("priority_classes", 0, 10),
        ("compute_quota_resources", 0, 15),
        ("cloudformation_cluster_timeout_minutes", 0, 720),
        ("eks_cluster_name_length", 1, 100),
    ],
)
def test_limits(name: str, low: int, high: int) -> None:
    found = catalog.limit(name)
    assert (found.minimum, found.value) == (low, high)
    assert found.source
    assert found.allows(low)
    assert found.allows(high)
    assert not found.allows(high + 1)
    assert not found.allows(low - 1)


def test_every_limit_pattern_and_list_has_a_source() -> None:
    from hyperpod_constructs.core.catalog._files import load

    for section in ("limits", "patterns", "allowed", "ports"):
        assert every(catalog.source_of(section, name) for name in load("limits")[section])


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("cluster_name", "research-1", "research_1"),
        ("instance_group_name", "workers", "-workers"),
        ("team_name", "nlp-team", "NLP"),
        ("image_id", "ami-0123456789abcdef0", "ami-xyz"),
        ("lifecycle_source_uri", "s3://sagemaker-scripts/base", "sagemaker-scripts/base"),
        ("kubernetes_label_key", "example.com/pool", "Example.com/pool"),
        ("training_plan_arn", "arn:aws:sagemaker:us-west-2:111122223333:training-plan/mine", "mine"),
    ],
)
def test_patterns(name: str, right: str, wrong: str) -> None:
    assert re.fullmatch(catalog.pattern(name), right)
    assert not re.fullmatch(catalog.pattern(name), wrong)


def test_properties_that_cloudformation_does_not_have_yet() -> None:
    def missing(name: str) -> set[str]:
        return set(catalog.allowed(name)) - set(catalog.allowed(f"{name}_cfn"))

    assert missing("deep_health_checks") == {"MultiNodeTrainingValidation"}
    assert missing("patching_strategy") == {"DrainFirst"}
    assert missing("auto_patch_properties") == {"IdleWaitWindowInSeconds", "DrainPolicy"}
    assert missing("restricted_instance_group_properties") == {"ScheduledUpdateConfig"}
    assert missing("instance_group_properties") == set()
    assert set(catalog.allowed("cluster_replacement_properties_cfn")) == {
        *("/properties/ClusterName", "/properties/VpcConfig", "/properties/Orchestrator/Eks"),
    }


def test_unknown_names_are_lookup_errors_with_a_suggestion() -> None:
    for look_up, near in (
        (catalog.limit, "cluster_name_lenght"),
        (catalog.pattern, "cluster_nam"),
        (catalog.allowed, "taint_efect"),
        (catalog.ports, "lustr"),
        (catalog.quota, "instances_per_clusters"),
        (catalog.endpoint, "ecr-api"),
        (catalog.role, "executions"),
        (catalog.label, "queue-name"),
        (catalog.service_image, "health-monitor-agent"),
    ):
        with pytest.raises(catalog.UnknownName, match="did you mean"):
            look_up(near)


def test_endpoints_of_a_closed_network() -> None:
    base = {endpoint.service for endpoint in catalog.endpoints_for([])}
    assert base == {
        *("s3", "ec2", "ecr.api", "ecr.dkr", "sts", "eks-auth", "logs", "monitoring", "ssm", "ssmmessages"),
        *("ec2messages", "eks", "sagemaker.api"),
    }
    services = {
        endpoint.service for endpoint in catalog.endpoints_for(["observability", "inference", "rig", "kms"])
    } - base
    assert services == {
        "aps-workspaces",
        "grafana-workspace",
        "elasticloadbalancing",
        "acm",
        "secretsmanager",
        "lambda",
        "sqs",
        "kms",
    }
    assert [item.service for item in catalog.endpoints().values() if item.type == "Gateway"] == ["s3"]


def test_quotas() -> None:
    assert catalog.quota("instances_per_cluster").name == (
        "Maximum number instances allowed per SageMaker HyperPod cluster"
    )
    assert (catalog.quota("network_interfaces").service, catalog.quota("network_interfaces").code) == (
        "vpc",
        "L-DF5E4CA3",
    )
    assert catalog.instance_quota("cluster", "ml.p5.48xlarge").code == "L-8762A75F"
    assert catalog.instance_quota("cluster", "ml.m5.large").code is None, "no source: matched by name"
    assert catalog.quota_name("spot", "ml.p5.48xlarge") == "ml.p5.48xlarge for cluster spot instance usage"
    with pytest.raises(catalog.UnknownName, match="unknown kind of quota 'clusters'; did you mean 'cluster'"):
        catalog.quota_name("clusters", "ml.m5.large")  # type: ignore[arg-type]


def test_roles() -> None:
    execution = catalog.role("execution")
    assert execution.principals == ("sagemaker.amazonaws.com",)
    assert execution.managed_policies == ("AmazonSageMakerClusterInstanceRolePolicy",)
    assert catalog.role("cluster").principals == ("hyperpod.sagemaker.amazonaws.com",)
    assert catalog.role("inference_operator").name_prefix == "SageMakerHyperPodInference"


def test_actions_are_real() -> None:
    import botocore.loaders

    loader = botocore.loaders.Loader()
    names = {
        "logs": "logs",
        "eks": "eks",
        "sagemaker": "sagemaker",
        "ec2": "ec2",
        "ecr": "ecr",
        "kms": "kms",
        "fsx": "fsx",
    }
    for role in catalog.roles().values():
        for action in (action for actions in role.actions.values() for action in actions):
            service, _, operation = action.partition(":")
            if service in names:
                operations = loader.load_service_model(names[service], "service-2")["operations"]
                assert operation in operations, f"{role.name}: {action}"


def test_labels() -> None:
    assert catalog.label("node_health_status").values == (
        *("Schedulable", "Unschedulable", "UnschedulablePendingReplacement", "UnschedulablePendingReboot"),
    )
    assert catalog.label("team_local_queue").key.format(team="nlp") == "hyperpod-ns-nlp-localqueue"
    longest = catalog.label("team_namespace").key.format(team="x" * catalog.limit("team_name_length").value)
    assert len(longest) <= catalog.limit("kubernetes_name_length").value


def test_images() -> None:
    agent = catalog.service_image("health-monitoring-agent")
    assert agent.reference("eu-west-1") == (
        "533267293120.dkr.ecr.eu-west-1.amazonaws.com/hyperpod-health-monitoring-agent:1.0.1892.0_1.0.424.0"
    )
    assert agent.reference("ap-northeast-2") is None
    with pytest.raises(catalog.UnknownName, match="unknown region"):
        agent.reference("nowhere-1")
    assert {
        mirror_image.image for mirror_image in catalog.mirror_images().values() if "base" in mirror_image.needed_for
    } == {
        *("mpioperator/mpi-operator:0.5", "kubeflow/training-operator:v1-855e096", "alpine:3.10"),
    }
