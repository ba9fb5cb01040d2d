"""Existing resources of a config other than its network: EKS clusters, roles, buckets, keys, images, file systems."""

from __future__ import annotations

import json

import pytest
from accounts import (
    ACCOUNT,
    EKS_ARN,
    KEY,
    NOW,
    REGION,
    ROLE,
    denying,
    eks,
    finding_of,
    has_clusters,
    has_stacks,
    hyperpod,
    ids,
    installed,
    look,
    role,
    stack,
)
from fake_aws import AwsFault
from preflight_platforms import existing_platform, new, workers


@pytest.mark.parametrize(
    ("rule", "changes", "text"),
    [
        ("HP940", {"status": "CREATING"}, "EKS cluster shared is CREATING"),
        ("HP941", {"accessConfig": {"authenticationMode": "CONFIG_MAP"}}, "has authentication mode CONFIG_MAP"),
        ("HP942", {"version": "1.29"}, "Kubernetes 1.29, which HyperPod does not document"),
        ("HP942", {"version": "1.36"}, "Kubernetes 1.36, which HyperPod does not document"),
        ("HP943", {"resourcesVpcConfig": {"vpcId": "vpc-1", "endpointPrivateAccess": False}}, "private endpoint"),
        (
            "HP944",
            {"resourcesVpcConfig": {"vpcId": "vpc-9", "endpointPrivateAccess": True}},
            "is in vpc-9, not in vpc-1",
        ),
    ],
)
def test_eks_cluster(aws, rule, changes, text):
    aws.on("eks", "DescribeCluster", eks(**changes))
    assert text in finding_of(look(aws, existing_platform()), rule).message


def test_the_fix_of_the_authentication_mode_is_the_guides_command(aws):
    aws.on("eks", "DescribeCluster", eks(accessConfig={"authenticationMode": "CONFIG_MAP"}))
    assert finding_of(look(aws, existing_platform()), "HP941").cure == (
        "aws eks update-cluster-config --name shared "
        "--access-config authenticationMode=API_AND_CONFIG_MAP --region us-west-2"
    )


def test_an_eks_cluster_that_does_not_exist(aws):
    aws.fail("eks", "DescribeCluster", "ResourceNotFoundException", status=404)
    assert "EKS cluster 'shared' does not exist" in finding_of(look(aws, existing_platform()), "HP940").message


def test_a_version_that_is_not_the_configs(aws):
    platform = existing_platform(eks={"existing": {"cluster_name": "shared"}, "kubernetes_version": "1.34"})
    assert "has Kubernetes 1.35, not 1.34" in finding_of(look(aws, platform), "HP942").message


def test_an_eks_cluster_in_use_by_another_hyperpod_cluster(aws):
    has_clusters(aws, hyperpod("other", [], Orchestrator={"Eks": {"ClusterArn": EKS_ARN}}))
    assert (
        "HyperPod cluster other already uses EKS cluster shared"
        in finding_of(look(aws, existing_platform()), "HP948").message
    )


def test_an_eks_cluster_in_another_network_than_a_new_one(aws):
    platform = existing_platform(network={"availability_zone_ids": ["usw2-az1", "usw2-az2"]})
    assert "is in vpc-1, but the config creates a new VPC" in finding_of(look(aws, platform), "HP944").message


OPERATOR = "amazon-sagemaker-hyperpod-training-operator"


def test_an_addon_that_is_installed_already(aws):
    installed(aws, {"vpc-cni": "v1.20.0", "kube-proxy": "v1", "coredns": "v1", OPERATOR: "v1.2.1-eksbuild.1"})
    finding = finding_of(look(aws, existing_platform()), "HP945")
    assert finding.path == "addons.training_operator"
    assert f"{OPERATOR} v1.2.1-eksbuild.1 is already installed" in finding.message
    has_stacks(aws, stack("research-Addons"), resources={"research-Addons": {f"shared|{OPERATOR}": "AWS::EKS::Addon"}})
    assert "HP945" not in ids(look(aws, existing_platform()))


def test_a_core_addon_that_is_too_old_or_missing_or_broken(aws):
    installed(aws, {"vpc-cni": "v1.12.0-eksbuild.1", "coredns": "v1"}, coredns={"status": "DEGRADED"})
    found = {f.path: f for f in look(aws, existing_platform()) if f.rule == "HP945"}
    assert "vpc-cni v1.12.0-eksbuild.1 is older than v1.18.3" in found["addons.vpc_cni"].message
    assert found["addons.kube_proxy"].severity == "warning"
    assert found["addons.coredns"].message == "coredns is DEGRADED"


def test_a_principal_with_an_access_entry(aws):
    admin = f"arn:aws:iam::{ACCOUNT}:role/Admin"
    platform = existing_platform(eks={"existing": {"cluster_name": "shared"}, "admins": [admin]})
    assert ids(look(aws, platform)) == ["HP947"]
    aws.on("eks", "ListAccessEntries", {"accessEntries": [admin]})
    finding = finding_of(look(aws, platform), "HP946")
    assert finding.path == "eks.admins[0]"


OWN_ROLE = {**workers(), "execution_role_arn": ROLE}


def test_roles(aws):
    assert ids(look(aws, new(cluster=OWN_ROLE))) == []
    aws.on("iam", "GetRole", role(ROLE, trusted="ec2.amazonaws.com"))
    finding = finding_of(look(aws, new(cluster=OWN_ROLE)), "HP951")
    assert finding.path == "cluster.execution_role_arn"
    assert "does not allow sts:AssumeRole for sagemaker.amazonaws.com" in finding.message
    aws.fail("iam", "GetRole", "NoSuchEntity", status=404)
    assert finding_of(look(aws, new(cluster=OWN_ROLE)), "HP950").message == f"{ROLE} does not exist"


def test_a_role_for_pods_needs_session_tags(aws):
    operator = f"arn:aws:iam::{ACCOUNT}:role/Operator"
    aws.on("iam", "GetRole", role(operator, trusted="pods.eks.amazonaws.com"))
    platform = new(addons={"training_operator": {"role_arn": operator}})
    assert ids(look(aws, platform)) == []


def test_users_and_roles_of_access_entries(aws):
    user = f"arn:aws:iam::{ACCOUNT}:user/ann"
    aws.fail("iam", "GetUser", "NoSuchEntity", status=404)
    finding = finding_of(look(aws, new(eks={"kubernetes_version": "1.35", "admins": [user]})), "HP950")
    assert finding.path == "eks.admins[0]"


def test_lifecycle_bucket(aws):
    platform = new(cluster={**OWN_ROLE, "lifecycle_bucket_name": "scripts"})
    aws.on("s3", "HeadBucket", {"BucketRegion": REGION})
    assert ids(look(aws, platform)) == []
    aws.on("iam", "SimulatePrincipalPolicy", denying("s3:GetObject"))
    assert f"{ROLE} lacks s3:GetObject for bucket scripts" in finding_of(look(aws, platform), "HP952").message
    aws.on("s3", "HeadBucket", {"BucketRegion": "us-east-1"})
    assert (
        finding_of(look(aws, platform), "HP953").message
        == "bucket scripts is in the region us-east-1; the platform is in us-west-2"
    )
    aws.fail("s3", "HeadBucket", "404", status=404)
    assert finding_of(look(aws, platform), "HP953").message == "bucket scripts does not exist"


def key_policy(*who: str) -> dict[str, str]:
    statement = {"Effect": "Allow", "Principal": {"AWS": list(who)}, "Action": "kms:*", "Resource": "*"}
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


@pytest.mark.parametrize(
    ("key", "who", "text"),
    [
        ({"KeyState": "Enabled"}, f"arn:aws:iam::{ACCOUNT}:root", ""),
        ({"KeyState": "Enabled"}, ROLE, ""),
        ({"KeyState": "PendingDeletion"}, f"arn:aws:iam::{ACCOUNT}:root", f"KMS key {KEY} is PendingDeletion"),
        (
            {"KeySpec": "RSA_2048"},
            f"arn:aws:iam::{ACCOUNT}:root",
            "is RSA_2048; volumes and secrets require a symmetric key",
        ),
        (
            {"KeyState": "Enabled"},
            f"arn:aws:iam::{ACCOUNT}:role/Other",
            "does not allow access through IAM policies of the account",
        ),
    ],
)
def test_keys(aws, key, who, text):
    platform = new(cluster={**workers(volume={"size_gib": 100, "kms_key_arn": KEY}), "execution_role_arn": ROLE})
    aws.on("kms", "DescribeKey", {"KeyMetadata": {"KeyId": "0e1a", **key}})
    aws.on("kms", "GetKeyPolicy", key_policy(who))
    found = [f for f in look(aws, platform) if f.rule == "HP954"]
    assert [text in f.message for f in found] == ([True] if text else [])


def test_a_key_that_does_not_exist(aws):
    aws.fail("kms", "DescribeKey", "NotFoundException")
    aws.fail("kms", "GetKeyPolicy", "NotFoundException")
    platform = new(eks={"kubernetes_version": "1.35", "secrets_key_arn": KEY})
    assert "does not exist in us-west-2" in finding_of(look(aws, platform), "HP954").message


@pytest.mark.parametrize(
    ("images", "text"),
    [
        ([{"ImageId": "ami-0123456789", "OwnerId": ACCOUNT, "State": "available", "Architecture": "x86_64"}], ""),
        ([], "ami-0123456789 does not exist in us-west-2"),
        ([{"ImageId": "ami-0123456789", "OwnerId": ACCOUNT, "State": "pending"}], "ami-0123456789 is pending"),
        ([{"ImageId": "ami-0123456789", "OwnerId": "999999999999"}], "belongs to 999999999999, not to this account"),
        (
            [{"ImageId": "ami-0123456789", "OwnerId": ACCOUNT, "Architecture": "arm64"}],
            "is built for arm64, but ml.p5.48xlarge is x86",
        ),
    ],
)
def test_images(aws, images, text):
    aws.on("ec2", "DescribeImages", {"Images": images})
    found = [f for f in look(aws, new(cluster=workers(image_id="ami-0123456789"))) if f.rule == "HP955"]
    assert [text in f.message for f in found] == ([True] if text else [])


@pytest.mark.parametrize(
    ("systems", "text"),
    [
        ([{"FileSystemType": "LUSTRE", "Lifecycle": "AVAILABLE"}], ""),
        ([{"FileSystemType": "LUSTRE", "Lifecycle": "FAILED"}], "file system fs-0123456789 is FAILED"),
        ([{"FileSystemType": "OPENZFS", "Lifecycle": "AVAILABLE"}], "of type OPENZFS, not LUSTRE"),
        ([], "file system fs-0123456789 does not exist"),
    ],
)
def test_file_systems(aws, systems, text):
    aws.on("fsx", "DescribeFileSystems", {"FileSystems": [{"CreationTime": NOW, **system} for system in systems]})
    storage = {"lustre": [{"name": "data", "existing_id": "fs-0123456789"}]}
    found = [f for f in look(aws, new(storage=storage)) if f.rule == "HP959"]
    assert [text in f.message for f in found] == ([True] if text else [])


def test_a_workspace_that_does_not_exist(aws):
    def absent(_):
        raise AwsFault("ResourceNotFoundException", status=404)

    aws.on("amp", "DescribeWorkspace", absent)
    arn = f"arn:aws:aps:{REGION}:{ACCOUNT}:workspace/ws-1"
    platform = new(addons={"training_operator": {}, "observability": {"workspace_arn": arn}})
    assert finding_of(look(aws, platform), "HP959").path == "addons.observability.workspace_arn"
