"""Options that no other test of constructs covers: each sets its property, which the default does not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from assembly import UNCOPIED
from aws_cdk import App, Stack, assertions
from aws_cdk import aws_iam as iam
from platform_parts import EXISTING_ARN, SYSTEM, Synthesized, existing_cluster, make_cluster, synthesize

from hyperpod_constructs import HyperPodBucket, HyperPodFileSystem
from hyperpod_constructs.assembly.stacks import platform_stacks
from hyperpod_constructs.assembly.synth import cdk_context
from hyperpod_constructs.constructs.addons import (
    EbsCsiAddon,
    FsxCsiAddon,
    InferenceOperatorAddon,
    KueueAddon,
    MountpointS3CsiAddon,
    TrainingOperatorAddon,
)
from hyperpod_constructs.constructs.platform import HyperPodPlatform
from hyperpod_constructs.core.checks import Context, check
from hyperpod_constructs.core.spec import (
    ADDON_NAMES,
    Addons,
    Bucket,
    Cluster,
    InstanceGroup,
    LustreFileSystem,
    Platform,
    RestrictedInstanceGroup,
)
from hyperpod_constructs.core.spec.addons import InferenceOperator, Kueue, MountpointS3, TrainingOperator
from hyperpod_constructs.core.spec.cluster import Autoscaling
from hyperpod_constructs.core.spec.dependencies import OciChart

pytestmark = pytest.mark.slow

ROLE_ARN = "arn:aws:iam::111122223333:role/Mine"
SCALED = InstanceGroup(name="scaled", instance_type="ml.g5.8xlarge", count=0)


def added(construct: Any, cluster: Any = existing_cluster, **options: Any) -> Synthesized:
    """An existing cluster with one add-on, which uses an existing role if `role` is its ARN."""

    def build(stack: Stack) -> None:
        if "role" in options:
            options["role"] = iam.Role.from_role_arn(stack, "Mine", options["role"])
        construct(stack, "Added", cluster=cluster(stack), **options)

    return synthesize(build, account="111122223333")


def of_cluster(spec: Cluster, **options: Any) -> Synthesized:
    return synthesize(lambda stack: make_cluster(stack, spec, **options) and None)


@cache
def default_cluster() -> Synthesized:
    return of_cluster(Cluster(instance_groups=(SYSTEM,)))


# ---- add-ons ----


def test_the_training_operators_minimal_permissions_are_the_guides_three_on_this_cluster():
    template = added(TrainingOperatorAddon, settings=TrainingOperator(permissions="minimal"))
    (statement,) = template.statements("AddedRole")
    assert statement["Action"] == [
        "sagemaker:DescribeCluster",
        "sagemaker:DescribeClusterNode",
        "sagemaker:ListClusterNodes",
    ]
    assert statement["Resource"] == EXISTING_ARN
    (role,) = [item for name, item in template.of("AWS::IAM::Role").items() if name.startswith("AddedRole")]
    assert "ManagedPolicyArns" not in role


def test_the_training_operators_default_is_the_managed_policy():
    template = added(TrainingOperatorAddon)
    (role,) = [item for name, item in template.of("AWS::IAM::Role").items() if name.startswith("AddedRole")]
    assert "AmazonSageMakerHyperPodTrainingOperatorAccess" in json.dumps(role["ManagedPolicyArns"])
    assert template.statements("AddedRole") == []


def test_the_training_operators_controller_has_the_specified_nodes_and_resources():
    settings = TrainingOperator.model_validate(
        {
            "resources": {"requests": {"cpu": "1", "memory": "2Gi"}},
            "node_selector": {"pool": "system"},
            "configuration": {"hpTrainingControllerManager": {"nodeSelector": {"more": "b"}}},
        }
    )
    template = added(TrainingOperatorAddon, settings=settings)
    name = ADDON_NAMES["training_operator"]
    (operator,) = [addon for addon in template.of("AWS::EKS::Addon").values() if addon["AddonName"] == name]
    assert json.loads(operator["ConfigurationValues"]) == {
        "hpTrainingControllerManager": {
            "manager": {"resources": {"requests": {"cpu": "1", "memory": "2Gi"}}},
            "nodeSelector": {"pool": "system", "more": "b"},
        }
    }
    plain = added(TrainingOperatorAddon)
    (operator,) = [addon for addon in plain.of("AWS::EKS::Addon").values() if addon["AddonName"] == name]
    assert "ConfigurationValues" not in operator


@pytest.mark.parametrize(
    ("construct", "options"),
    [
        (TrainingOperatorAddon, {"settings": TrainingOperator(role_arn=ROLE_ARN)}),
        (TrainingOperatorAddon, {"role": ROLE_ARN}),
        (EbsCsiAddon, {"role": ROLE_ARN}),
        (FsxCsiAddon, {"role": ROLE_ARN}),
    ],
)
def test_an_existing_role_is_used_for_pods(construct: Any, options: dict[str, Any]):
    template = added(construct, **options)
    (association,) = template.of("AWS::EKS::PodIdentityAssociation").values()
    assert association["RoleArn"] == ROLE_ARN
    assert not [name for name in template.of("AWS::IAM::Role") if name.startswith("AddedRole")]


def test_an_existing_role_is_used_for_mountpoint():
    template = added(MountpointS3CsiAddon, cluster=make_cluster, settings=MountpointS3(role_arn=ROLE_ARN))
    (driver,) = [
        o for o in template.of("AWS::EKS::Addon").values() if o["AddonName"] == ADDON_NAMES["mountpoint_s3_csi"]
    ]
    assert driver["ServiceAccountRoleArn"] == ROLE_ARN
    assert not template.of("AWS::IAM::OIDCProvider")


@pytest.mark.parametrize(("dynamic", "policy"), [(True, "AmazonFSxFullAccess"), (False, None)])
def test_only_dynamic_provisioning_allows_the_fsx_driver_to_create_file_systems(dynamic: bool, policy: str | None):
    template = added(FsxCsiAddon, dynamic_provisioning=dynamic)
    (role,) = [item for name, item in template.of("AWS::IAM::Role").items() if name.startswith("AddedRole")]
    if policy:
        assert policy in json.dumps(role["ManagedPolicyArns"])
    else:
        assert [s["Action"] for s in template.statements("AddedRole")] == ["fsx:DescribeFileSystems"]


def test_kueues_chart_can_be_the_users():
    digest = f"sha256:{'ab' * 32}"
    chart = OciChart(
        reference="oci://111122223333.dkr.ecr.us-west-2.amazonaws.com/kueue", version="0.19.2", digest=digest
    )
    for options in ({"settings": Kueue(chart=chart)}, {"chart": chart}):
        release = added(KueueAddon, **options).only("Custom::HyperPodHelmRelease")
        assert release["Chart"]["Kind"] == "oci"
        assert release["Chart"]["Reference"] == chart.reference


def test_the_inference_operators_defaults_make_a_bucket_and_three_roles():
    template = added(InferenceOperatorAddon)
    assert [name for name in template.of("AWS::S3::Bucket") if "Tls" in name]
    roles = {name for name in template.of("AWS::IAM::Role") if name.startswith("Added")}
    assert len(roles) == 3
    minimal = added(InferenceOperatorAddon, settings=InferenceOperator(load_balancer=False, keda=False))
    assert len([name for name in minimal.of("AWS::IAM::Role") if name.startswith("Added")]) == 1


def test_a_disabled_addon_is_not_installed_as_a_prerequisite():
    off = Addons(training_operator={}, cert_manager={"enabled": False}, kube_proxy={"enabled": False})
    assert set(off.effective()) == {"vpc_cni", "coredns", "pod_identity_agent", "training_operator"}
    template = synthesize(lambda stack: make_cluster(stack, addons=off) and None)
    addon_names = {addon["AddonName"] for addon in template.of("AWS::EKS::Addon").values()}
    assert addon_names == {"vpc-cni", "eks-pod-identity-agent"}


def test_settings_of_core_addons_arrive():
    addons = Addons(vpc_cni={"version": "v1.20.0-eksbuild.1", "configuration": {"env": {"WARM_ENI_TARGET": "0"}}})
    template = synthesize(lambda stack: make_cluster(stack, addons=addons) and None)
    (cni,) = [addon for addon in template.of("AWS::EKS::Addon").values() if addon["AddonName"] == "vpc-cni"]
    assert cni["AddonVersion"] == "v1.20.0-eksbuild.1"
    assert json.loads(cni["ConfigurationValues"])["env"] == {"WARM_ENI_TARGET": "0"}


# ---- the cluster ----


def test_no_node_pool_is_created_if_disabled():
    synthesized = of_cluster(Cluster(instance_groups=(SYSTEM, SCALED), autoscaling=Autoscaling(node_pool=False)))
    assert synthesized.only("AWS::SageMaker::Cluster")["AutoScaling"]["Mode"] == "Enable"
    assert not synthesized.of("Custom::HyperPodKubernetesObjects")


def test_a_disabled_karpenter_scales_nothing_and_keeps_its_role_and_nodes():
    off = Cluster(instance_groups=(SYSTEM, SCALED), autoscaling=Autoscaling(enabled=False), counts="autoscaler")
    synthesized = of_cluster(off)
    cluster = synthesized.only("AWS::SageMaker::Cluster")
    assert cluster["AutoScaling"]["Mode"] == "Disable"
    assert cluster["ClusterRole"]
    assert cluster["InstanceGroups"][1]["InstanceCount"]["Fn::GetAtt"][1] == "Count0"
    assert not synthesized.of("Custom::HyperPodKubernetesObjects")
    assert [finding.rule for finding in check(Context(cluster=off)) if finding.rule.startswith("HP38")] == []


def test_karpenter_scales_the_specified_groups():
    other = SCALED.model_copy(update={"name": "other"})
    synthesized = of_cluster(
        Cluster(instance_groups=(SYSTEM, SCALED, other), autoscaling=Autoscaling(groups=("other",)))
    )
    manifests = [
        json.loads(resource["Manifest"])[0] for resource in synthesized.of("Custom::HyperPodKubernetesObjects").values()
    ]
    (node_class,) = [manifest for manifest in manifests if manifest["kind"] == "HyperpodNodeClass"]
    assert node_class["spec"] == {"instanceGroups": ["other"]}


def test_karpenters_role_may_exist():
    synthesized = of_cluster(
        Cluster(instance_groups=(SYSTEM, SCALED), autoscaling=Autoscaling(cluster_role_arn=ROLE_ARN))
    )
    assert synthesized.only("AWS::SageMaker::Cluster")["ClusterRole"] == ROLE_ARN
    assert not [name for name in synthesized.of("AWS::IAM::Role") if "HyperPodClusterRole" in name]


def test_scripts_can_be_uploaded_to_an_existing_bucket():
    synthesized = of_cluster(Cluster(instance_groups=(SYSTEM,), lifecycle_bucket_name="sagemaker-scripts"))
    assert not synthesized.of("AWS::S3::Bucket")
    (group,) = synthesized.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert group["LifeCycleConfig"]["SourceS3Uri"].startswith("s3://sagemaker-scripts/lifecycle/")
    assert synthesized.only("Custom::HyperPodLifecycleScripts")["Bucket"] == "sagemaker-scripts"
    assert synthesized.allows("ExecutionRolessystem", "s3:GetObject*")


def test_nodes_are_waited_for_until_the_timeout():
    wait = default_cluster().only("Custom::HyperPodKubernetesWait")
    assert int(wait["TimeoutSeconds"]) == 40 * 60


def test_a_cluster_has_a_physical_name_only_if_it_is_set():
    assert "ClusterName" not in default_cluster().only("AWS::SageMaker::Cluster")
    template = of_cluster(Cluster(cluster_name="mine", instance_groups=(SYSTEM,), nodes_ready_minutes=55))
    assert template.only("AWS::SageMaker::Cluster")["ClusterName"] == "mine"
    assert template.only("Custom::HyperPodClusterGuard")["ClusterName"] == "mine"
    assert int(template.only("Custom::HyperPodKubernetesWait")["TimeoutSeconds"]) == 55 * 60


MOUNT = {"dns_name": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com", "mount_name": "abcdefgh"}
ALARMED = {"schedule": "cron(0 3 ? * SUN *)", "deployment": {"alarms": ["unhealthy"]}}


NEEDS: dict[str, tuple[dict[str, Any], str]] = {
    "lustre": ({"lustre": MOUNT}, "fsx:DescribeFileSystems"),
    "zfs": ({"open_zfs": {"dns_name": MOUNT["dns_name"]}}, "fsx:DescribeFileSystems"),
    "scheduled": ({"scheduled_update": ALARMED}, "cloudwatch:DescribeAlarms"),
    "patched": ({"auto_patch": {"deployment": ALARMED["deployment"]}}, "cloudwatch:DescribeAlarms"),
}
"""Groups with an option, and what only these need to be allowed."""


@cache
def cluster_of_needs() -> Synthesized:
    needs = (
        InstanceGroup.model_validate({"name": name, "instance_type": "ml.p5.48xlarge", "count": 1, **fields})
        for name, (fields, _) in NEEDS.items()
    )
    return of_cluster(Cluster(instance_groups=(SYSTEM, *needs), execution_roles="per-group"))


@pytest.mark.parametrize("needs", NEEDS)
def test_only_the_group_that_needs_it_is_allowed_it(needs: str):
    action = NEEDS[needs][1]
    assert cluster_of_needs().allows(f"ExecutionRoles{needs}", action)
    assert not cluster_of_needs().allows("ExecutionRolessystem", action)
    others = [name for name, (_, other) in NEEDS.items() if other != action]
    assert [name for name in others if cluster_of_needs().allows(f"ExecutionRoles{name}", action)] == []


def test_reward_functions_and_queues_of_restricted_groups_are_those_of_sagemakers_prefix():
    def synthesized(*, enabled: bool) -> Synthesized:
        group = RestrictedInstanceGroup(
            name="nova", instance_type="ml.p5.48xlarge", count=1, lustre_size_gib=1200, lustre_throughput=125,
            reward_functions=enabled,
        )  # fmt: skip
        return of_cluster(Cluster(instance_groups=(SYSTEM,), restricted_instance_groups=(group,)))

    allowing = synthesized(enabled=True)
    (call,) = allowing.allows("ExecutionRoles", "lambda:InvokeFunction")
    (send,) = allowing.allows("ExecutionRoles", "sqs:SendMessage")
    assert json.dumps(call["Resource"]).endswith(':function:*SageMaker*"]]}')
    assert json.dumps(send["Resource"]).endswith(':*SageMaker*"]]}')
    assert not synthesized(enabled=False).allows("ExecutionRoles", "lambda:InvokeFunction")


# ---- storage ----


def test_options_of_a_bucket():
    def build(stack: Stack) -> None:
        HyperPodBucket(stack, "Plain", bucket=Bucket(name="plain"))
        HyperPodBucket(stack, "Told", bucket=Bucket(name="told", noncurrent_days=7, log_bucket_name="logs"))

    buckets = synthesize(build).of("AWS::S3::Bucket")
    (plain,) = [bucket for name, bucket in buckets.items() if name.startswith("Plain")]
    (configured,) = [bucket for name, bucket in buckets.items() if name.startswith("Told")]
    assert "LoggingConfiguration" not in plain
    assert configured["LoggingConfiguration"] == {"DestinationBucketName": "logs", "LogFilePrefix": "told/"}
    days = [
        b["LifecycleConfiguration"]["Rules"][0]["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for b in (plain, configured)
    ]
    assert days == [90, 7]


def test_options_of_a_file_system():
    spec = LustreFileSystem.model_validate(
        {
            "name": "data",
            "lustre_version": "2.12",
            "data_repositories": [{"bucket": "s3://mine/raw", "path": "/raw", "auto_import": False}],
        }
    )
    template = synthesize(
        lambda stack: HyperPodFileSystem(stack, "Data", cluster=existing_cluster(stack), file_system=spec) and None
    )
    assert template.only("AWS::FSx::FileSystem")["FileSystemTypeVersion"] == "2.12"
    link = template.only("AWS::FSx::DataRepositoryAssociation")
    assert set(link["S3"]) == {"AutoExportPolicy"}


# ---- a whole platform ----


def test_a_permissions_boundary_and_tags_are_on_everything():
    boundary = "arn:aws:iam::111122223333:policy/Boundary"
    platform = Platform.model_validate(
        {
            "name": "a",
            "region": "us-west-2",
            "permissions_boundary_arn": boundary,
            "tags": {"cost": "research"},
            "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
            "eks": {"kubernetes_version": "1.35", "admins": [ROLE_ARN]},
            "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
            "addons": {"task_governance": {}},
            "governance": {"teams": [{"name": "a", "quota": [{"instance_type": "ml.m5.4xlarge", "count": 1}]}]},
        }
    )
    app = App(context=cdk_context() | UNCOPIED, analytics_reporting=False)
    platform_stacks(app, platform)
    templates = [
        Synthesized(assertions.Template.from_stack(child).to_json())
        for child in app.node.children
        if isinstance(child, Stack)
    ]
    roles = {name: role for template in templates for name, role in template.of("AWS::IAM::Role").items()}
    assert len(roles) > 10
    assert [name for name, role in roles.items() if role.get("PermissionsBoundary") != boundary] == []
    for kind in ("AWS::SageMaker::Cluster", "AWS::SageMaker::ComputeQuota", "AWS::EC2::VPC", "AWS::EKS::Cluster"):
        (resource,) = [item for template in templates for item in template.of(kind).values()]
        assert "research" in json.dumps(resource["Tags"]), kind


def test_an_existing_networks_control_plane_subnets_and_the_existing_clusters_oidc_provider():
    subnets = ["subnet-0123456789abcdefa", "subnet-0123456789abcdefb"]
    platform = {
        "name": "a",
        "region": "us-west-2",
        "network": {
            "availability_zone_ids": ["usw2-az1", "usw2-az2"],
            "existing": {
                "vpc_id": "vpc-0123456789abcdef0",
                "vpc_cidrs": ["10.20.0.0/16"],
                "node_subnets": [{"subnet_id": "subnet-0123456789abcdef0", "availability_zone_id": "usw2-az1"}],
                "control_plane_subnet_ids": subnets,
            },
        },
        "eks": {"kubernetes_version": "1.35", "admins": [ROLE_ARN]},
        "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
    }
    synthesized = synthesize(
        lambda stack: HyperPodPlatform(stack, "Platform", platform=Platform.model_validate(platform)) and None
    )
    assert synthesized.only("AWS::EKS::Cluster")["ResourcesVpcConfig"]["SubnetIds"] == subnets
    provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"
    existing = {"cluster_name": "mine", "oidc_provider_arn": provider, "security_group_id": "sg-0123456789abcdef1"}
    network = {
        **platform,
        "eks": {"kubernetes_version": "1.35", "existing": existing},
        "addons": {"mountpoint_s3_csi": {"bucket_arns": ["arn:aws:s3:::data"]}},
    }
    synthesized = synthesize(
        lambda stack: HyperPodPlatform(stack, "Platform", platform=Platform.model_validate(network)) and None
    )
    trusts = [r["AssumeRolePolicyDocument"] for r in synthesized.of("AWS::IAM::Role").values()]
    assert [t["Fn::Sub"][1]["Provider"] for t in trusts if "Fn::Sub" in t] == [provider]
    assert not synthesized.of("AWS::IAM::OIDCProvider")
