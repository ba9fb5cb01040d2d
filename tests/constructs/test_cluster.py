"""The HyperPod cluster: roles, grants, autoscaling, control of the counts, and the guard against replacement."""

from __future__ import annotations

import json

import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from platform_parts import KEY, SYSTEM, Synthesized, make_cluster, synthesize
from proving import proved
from waiting import Waiting

from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.core.placement import system_group
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Lifecycle, RestrictedInstanceGroup, Volume
from hyperpod_constructs.core.spec.cluster import Autoscaling

pytestmark = pytest.mark.slow

WORKERS = InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=4, availability_zone_id="usw2-az1")
SCALED = InstanceGroup(name="scaled", instance_type="ml.g5.8xlarge", count=0, max_count=8, capacity="spot")


@pytest.fixture(scope="module")
def granted() -> Synthesized:
    """A shared role with several grants, and a group that is added after them."""

    def build(stack):
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM,), execution_roles="shared"))
        s3.Bucket(stack, "Data").grant_read(cluster)
        ecr.Repository(stack, "Images").grant_pull(cluster)
        key = kms.Key(stack, "Key")
        key.grant_encrypt_decrypt(cluster)
        cluster.grant_volume_key(kms.Key(stack, "VolumeKey"))
        cluster.add_instance_group(WORKERS)

    return synthesize(build)


@pytest.fixture(scope="module")
def per_group() -> Synthesized:
    """A role per group, a grant to all of them, and a group added after it."""

    def build(stack):
        encrypted = SYSTEM.model_copy(update={"volume": Volume(size_gib=500, kms_key_arn=KEY)})
        cluster = make_cluster(stack, Cluster(instance_groups=(encrypted,), execution_roles="per-group"))
        s3.Bucket(stack, "Data").grant_read(cluster)
        cluster.add_instance_group(WORKERS)
        s3.Bucket(stack, "Checkpoints").grant_write(cluster.execution_role_of("workers"))
        with pytest.raises(ValueError, match="per-group"):
            _ = cluster.execution_role

    return synthesize(build)


@pytest.fixture(scope="module")
def scaled() -> Synthesized:
    """Karpenter scales one group and controls its count."""

    def build(stack):
        volumes = SCALED.model_copy(update={"volume": Volume(size_gib=500, kms_key_arn=KEY)})
        make_cluster(
            stack,
            Cluster(instance_groups=(SYSTEM, volumes), autoscaling=Autoscaling(), counts="autoscaler"),
        )

    return synthesize(build)


# ---- roles and grants ----


def test_grants_to_the_cluster_reach_its_execution_role(granted: Synthesized):
    for action in ("s3:GetObject*", "ecr:BatchGetImage", "kms:Decrypt", "kms:DescribeKey"):
        assert granted.allows("ExecutionRolesShared", action), action
    (grant,) = granted.allows("ExecutionRolesShared", "kms:CreateGrant")
    assert grant["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert "VolumeKey" in json.dumps(grant["Resource"])


def test_an_added_group_is_in_the_template_and_keeps_the_shared_role(granted: Synthesized):
    groups = granted.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert [group["InstanceGroupName"] for group in groups] == ["system", "workers"]
    assert groups[0]["ExecutionRole"] == groups[1]["ExecutionRole"]


def test_per_group_roles_are_restricted_to_their_subnet(per_group: Synthesized):
    groups = per_group.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert groups[0]["ExecutionRole"] != groups[1]["ExecutionRole"]
    (workers,) = per_group.allows("ExecutionRolesworkers", "ec2:CreateNetworkInterface")
    assert json.dumps(workers["Resource"]).count(":subnet/") == 1
    assert groups[1]["OverrideVpcConfig"]["Subnets"][0]["Ref"] in json.dumps(workers["Resource"])


def test_a_grant_to_the_cluster_reaches_every_role_also_of_groups_added_later(per_group: Synthesized):
    for role in ("ExecutionRolessystem", "ExecutionRolesworkers"):
        assert per_group.allows(role, "s3:GetObject*"), role


def test_a_grant_to_one_groups_role_stays_there(per_group: Synthesized):
    assert per_group.allows("ExecutionRolesworkers", "s3:PutObject")
    assert not per_group.allows("ExecutionRolessystem", "s3:PutObject")


def test_only_the_group_with_encrypted_volumes_may_use_the_key(per_group: Synthesized):
    (grant,) = per_group.allows("ExecutionRolessystem", "kms:CreateGrant")
    assert grant["Resource"] == KEY
    assert not per_group.allows("ExecutionRolesworkers", "kms:CreateGrant")


@pytest.mark.parametrize("template", ["granted", "per_group", "scaled"])
def test_the_order_holds(template: str, request: pytest.FixtureRequest):
    proved({"Test": request.getfixturevalue(template).template}, "role-policies-before-clusters")


def test_restricted_groups_may_use_their_buckets_and_reward_functions():
    group = RestrictedInstanceGroup(
        name="nova",
        instance_type="ml.p5.48xlarge",
        count=2,
        lustre_size_gib=1200,
        lustre_throughput=125,
        volume=Volume(size_gib=500),
        input_bucket_arns=("arn:aws:s3:::inputs",),
        output_bucket_arns=("arn:aws:s3:::outputs",),
        reward_functions=True,
    )
    template = synthesize(
        lambda stack: (
            make_cluster(stack, Cluster(instance_groups=(SYSTEM,), restricted_instance_groups=(group,))) and None
        )
    )
    (restricted,) = template.only("AWS::SageMaker::Cluster")["RestrictedInstanceGroups"]
    assert restricted["InstanceStorageConfigs"] == [{"EbsVolumeConfig": {"VolumeSizeInGB": 500}}]
    assert restricted["EnvironmentConfig"] == {"FSxLustreConfig": {"SizeInGiB": 1200, "PerUnitStorageThroughput": 125}}
    assert [s["Resource"] for s in template.allows("ExecutionRoles", "s3:PutObject")] == ["arn:aws:s3:::outputs/*"]
    assert template.allows("ExecutionRoles", "lambda:InvokeFunction")


# ---- autoscaling ----


def test_karpenter_gets_a_separate_role_and_continuous_provisioning(scaled: Synthesized):
    cluster = scaled.only("AWS::SageMaker::Cluster")
    assert cluster["AutoScaling"] == {"Mode": "Enable", "AutoScalerType": "Karpenter"}
    assert (cluster["NodeProvisioningMode"], cluster["NodeRecovery"]) == ("Continuous", "Automatic")
    name = cluster["ClusterRole"]["Fn::GetAtt"][0]
    (trust,) = scaled.template["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "hyperpod.sagemaker.amazonaws.com"}


def test_karpenters_role_may_scale_and_use_the_volume_keys_and_nothing_else(scaled: Synthesized):
    actions = {a for s in scaled.statements("HyperPodClusterRole") for a in [s["Action"]] for a in _flat(a)}
    assert actions == {
        "sagemaker:BatchAddClusterNodes",
        "sagemaker:BatchDeleteClusterNodes",
        "kms:CreateGrant",
        "kms:DescribeKey",
    }
    (scaling,) = scaled.allows("HyperPodClusterRole", "sagemaker:BatchAddClusterNodes")
    assert scaling["Condition"] == {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}


def _flat(action: str | list[str]) -> list[str]:
    return [action] if isinstance(action, str) else action


def test_a_node_pool_lists_the_groups_and_is_deleted_before_the_cluster(scaled: Synthesized):
    manifests = [json.loads(p["Manifest"])[0] for p in scaled.of("Custom::HyperPodKubernetesObjects").values()]
    node_class = next(manifest for manifest in manifests if manifest["kind"] == "HyperpodNodeClass")
    assert node_class == {
        "apiVersion": "karpenter.sagemaker.amazonaws.com/v1",
        "kind": "HyperpodNodeClass",
        "metadata": {"name": "hyperpod-scaled"},
        "spec": {"instanceGroups": ["scaled"]},
    }
    pool = next(manifest for manifest in manifests if manifest["kind"] == "NodePool")
    assert pool["spec"]["template"]["spec"]["nodeClassRef"]["name"] == node_class["metadata"]["name"]
    waiting = Waiting({"Test": scaled.template})
    assert waiting.after("HyperPodNodePool", "HyperPodNodePoolNodeClass")
    assert waiting.after("HyperPodNodePoolNodeClass", "HyperPodNodePoolKindEstablished")
    assert waiting.after("HyperPodNodePoolKindEstablished", "HyperPodNodesReady")
    assert waiting.after("HyperPodNodePoolKindEstablished", "HyperPod")


def test_the_autoscaler_keeps_the_counts_of_its_groups_and_the_config_the_others(scaled: Synthesized):
    system, filled = scaled.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert system["InstanceCount"] == 2
    guard = next(iter(scaled.of("Custom::HyperPodClusterGuard")))
    assert filled["InstanceCount"] == {"Fn::GetAtt": [guard, "Count0"]}
    assert scaled.only("Custom::HyperPodClusterGuard")["Groups"] == [{"Name": "scaled", "Count": 0}]


def test_every_update_of_the_cluster_reads_the_counts_again(scaled: Synthesized):
    guard, cluster = scaled.only("Custom::HyperPodClusterGuard"), scaled.only("AWS::SageMaker::Cluster")
    assert guard["Watches"] == {k: v for k, v in cluster.items() if k != "InstanceGroups"}
    for watched, group in zip(guard["WatchedGroups"], cluster["InstanceGroups"], strict=True):
        assert watched == {k: v for k, v in group.items() if k != "InstanceCount"}


# ---- the guard ----


def test_the_guard_gets_what_would_replace_the_cluster_and_runs_first(granted: Synthesized):
    (name,) = granted.of("AWS::SageMaker::Cluster")
    guard = granted.only("Custom::HyperPodClusterGuard")
    cluster = granted.only("AWS::SageMaker::Cluster")
    assert guard["LogicalId"] == name
    assert guard["Subnets"] == cluster["VpcConfig"]["Subnets"]
    assert guard["SecurityGroupIds"] == cluster["VpcConfig"]["SecurityGroupIds"]
    assert guard["EksClusterArn"] == cluster["Orchestrator"]["Eks"]["ClusterArn"]
    assert guard["AllowReplacement"] == "false"
    assert "Groups" not in guard
    (guard_name,) = granted.of("Custom::HyperPodClusterGuard")
    assert guard_name in granted.template["Resources"][name]["DependsOn"]


def test_the_guard_only_reads(granted: Synthesized):
    actions = {a for s in granted.statements("GuardRole") for a in _flat(s["Action"])}
    assert {a for a in actions if not a.startswith("logs:")} == {
        "cloudformation:DescribeStackResource",
        "sagemaker:DescribeCluster",
    }


def test_a_replacement_that_is_meant_is_allowed():
    template = synthesize(lambda stack: make_cluster(stack, allow_replacement=True) and None)
    assert template.only("Custom::HyperPodClusterGuard")["AllowReplacement"] == "true"


def test_without_karpenter_the_autoscaler_owns_every_count():
    spec = Cluster(instance_groups=(SYSTEM, WORKERS), counts="autoscaler")
    assert spec.scaled_groups == ("system", "workers")
    template = synthesize(lambda stack: make_cluster(stack, spec) and None)
    counts = [group["InstanceCount"] for group in template.only("AWS::SageMaker::Cluster")["InstanceGroups"]]
    assert [count["Fn::GetAtt"][1] for count in counts] == ["Count0", "Count1"]


def test_a_group_with_a_separate_role_is_included_in_grants():
    group = WORKERS.model_copy(update={"execution_role_arn": "arn:aws:iam::111122223333:role/Workers"})

    def build(stack):
        cluster = make_cluster(stack, Cluster(instance_groups=(SYSTEM, group)))
        s3.Bucket(stack, "Data").grant_read(cluster)
        with pytest.raises(KeyError, match="nobody"):
            cluster.execution_role_of("nobody")

    template = synthesize(build, account="111122223333")
    policies = template.of("AWS::IAM::Policy").values()
    assert any(policy["Roles"] == ["Workers"] and "Data" in json.dumps(policy) for policy in policies)
    groups = template.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert groups[1]["ExecutionRole"] == "arn:aws:iam::111122223333:role/Workers"


# ---- nodes that are waited for ----


def group(name: str, **options: object) -> InstanceGroup:
    return InstanceGroup.model_validate({"name": name, "instance_type": "ml.p5.48xlarge", "count": 2, **options})


TAINT = [{"key": "a", "effect": "NoSchedule"}]
CHECKED = ["InstanceStress"]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([group("gpu", count=8), SYSTEM], "system"),
        ([group("few", count=1), group("many", count=4)], "many"),
        ([group("checked", count=8, deep_health_checks=CHECKED), group("gpu")], "gpu"),
        ([group("tainted", count=8, taints=TAINT), group("gpu")], "gpu"),
        ([group("soft", taints=[{"key": "a", "effect": "PreferNoSchedule"}])], "soft"),
        ([group("tainted", taints=TAINT), group("checked", deep_health_checks=CHECKED)], None),
    ],
)
def test_the_group_that_is_waited_for(groups: list[InstanceGroup], expected: str | None):
    found = system_group(Cluster(instance_groups=tuple(groups)))
    assert (found.name if found else None) == expected


def test_accelerated_nodes_are_waited_for_if_all_nodes_are_accelerated():
    template = synthesize(lambda stack: make_cluster(stack, Cluster(instance_groups=(group("gpu"),))) and None)
    assert "ml.p5.48xlarge" in json.dumps(template.only("Custom::HyperPodKubernetesWait"))


# ---- lifecycle scripts that lie in a bucket, security groups, images ----


def test_only_the_scripts_in_a_bucket_can_be_read():
    spec = Cluster(instance_groups=(SYSTEM,), lifecycle=Lifecycle(source="s3://my-scripts/nodes/v3/"))
    template = synthesize(lambda stack: make_cluster(stack, spec) and None)
    (group,) = template.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    assert group["LifeCycleConfig"]["SourceS3Uri"] == "s3://my-scripts/nodes/v3/"
    (read,) = template.allows("ExecutionRoles", "s3:GetObject")
    (listing,) = template.allows("ExecutionRoles", "s3:ListBucket")
    assert read["Resource"] == "arn:aws:s3:::my-scripts/nodes/v3/*"
    assert listing["Resource"] == "arn:aws:s3:::my-scripts"
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "nodes/v3/*"}}


@pytest.mark.parametrize(
    ("lifecycle", "buckets"),
    [
        (Lifecycle(), 1),
        (Lifecycle(mode="bootstrap"), 0),
        (Lifecycle(source="s3://my-scripts/nodes"), 0),
    ],
)
def test_a_bucket_for_scripts_is_created_where_some_are_uploaded(lifecycle: Lifecycle, buckets: int):
    spec = Cluster(instance_groups=(SYSTEM,), lifecycle=lifecycle)
    template = synthesize(lambda stack: make_cluster(stack, spec) and None)
    assert len(template.of("AWS::S3::Bucket")) == buckets


def test_security_groups_of_a_group_are_added_to_that_of_the_nodes():
    system = SYSTEM.model_copy(update={"security_group_ids": ("sg-0123456789abcdef9",)})
    template = synthesize(lambda stack: make_cluster(stack, Cluster(instance_groups=(system,))) and None)
    cluster = template.only("AWS::SageMaker::Cluster")
    (group,) = cluster["InstanceGroups"]
    nodes = cluster["VpcConfig"]["SecurityGroupIds"]
    assert group["OverrideVpcConfig"]["SecurityGroupIds"] == ["sg-0123456789abcdef9", *nodes]
    attach = json.dumps(template.allows("ExecutionRoles", "ec2:CreateNetworkInterface"))
    assert "sg-0123456789abcdef9" in attach
    assert json.dumps(nodes[0]) in attach


def test_images_of_any_region_are_allowed(per_group: Synthesized):
    (pull,) = per_group.allows("ExecutionRolessystem", "ecr:BatchGetImage")
    assert pull["Resource"] == "arn:aws:ecr:*:*:repository/*"


# ---- logs of CDK's own functions ----


def test_functions_of_cdk_log_to_the_stacks_log_groups_and_leave_nothing():
    def build(stack):
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        eks = EksClusterAttributes(cluster_name="mine")
        HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM, WORKERS])

    template = synthesize(build)
    assert template.of("Custom::AWS")
    assert template.of("Custom::S3AutoDeleteObjects")
    functions = {n: f for n, f in template.of("AWS::Lambda::Function").items() if "LoggingConfig" not in f}
    assert not [name for name in functions if "Vpc" not in name]  # the VPC is not part of the app
    groups = [r for r in template.template["Resources"].values() if r["Type"] == "AWS::Logs::LogGroup"]
    assert not [resource for resource in groups if "LogGroupName" in resource["Properties"]]
    assert {item["DeletionPolicy"] for item in groups} == {"Delete"}
