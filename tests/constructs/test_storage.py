"""File systems, buckets and claims: defaults, every option, permissions, retention, and order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assembly import Assembly
from proving import every, proved
from storage_platforms import FSX, KEY, LINK, OBJECTS, Synth, bucket_of, only_named, synthesizer
from waiting import Waiting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    return synthesizer(tmp_path_factory)


@pytest.fixture(scope="module")
def linked(synth: Synth) -> Assembly:
    """A file system with all options, linked to a bucket of the platform, claimed by a team whose job uses it."""
    return synth(
        {
            "buckets": [{"name": "datasets", "kms_key_arn": KEY}],
            "lustre": [
                {
                    "name": "data",
                    "size_gib": 9600,
                    "throughput": 500,
                    "efa": True,
                    "compression": "LZ4",
                    "kms_key_arn": KEY,
                    "data_repositories": [
                        {"bucket": "datasets", "path": "/data"},
                        {"bucket": "s3://elsewhere/raw", "path": "/raw", "auto_export": False},
                    ],
                    "namespaces": ["vision", "default"],
                }
            ],
        },
        jobs=[
            {
                "name": "resnet",
                "image": "registry/train:v1",
                "instance_type": "ml.p5.48xlarge",
                "team": "vision",
                "volumes": [{"name": "data", "claim": "data", "mount_path": "/data"}],
            }
        ],
    )


@pytest.fixture(scope="module")
def systems(synth: Synth) -> Assembly:
    """File systems with one option each."""
    existing = {
        "name": "theirs",
        "existing_id": "fs-0123456789abcdef0",
        "existing_dns_name": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com",
        "existing_mount_name": "abcdefgh",
    }
    return synth(
        {
            "lustre": [
                {"name": "plain"},
                {"name": "scratch", "deployment_type": "SCRATCH_2"},
                {"name": "placed", "availability_zone_id": "usw2-az2"},
                existing,
            ]
        }
    )


ACCESS = {
    "none": set(),
    "read": {"s3:GetObject*", "s3:GetBucket*", "s3:List*"},
    "read-write": {"s3:GetObject*", "s3:GetBucket*", "s3:List*", "s3:DeleteObject*", "s3:PutObject"}
    | {"s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"}
    | {"s3:Abort*"},
}
"""What each access allows."""


@pytest.fixture(scope="module")
def buckets(synth: Synth) -> Assembly:
    """Buckets of each access for nodes and for pods, one for the pods of two namespaces, and one that is mounted."""
    configs = [{"name": f"{access}-nodes", "access": access, "nodes": True} for access in ACCESS]
    configs += [{"name": f"{access}-pods", "access": access, "used_by": ["vision"]} for access in ACCESS]
    shared = {"name": "results", "used_by": ["vision", "default"], "expire_days": 30}
    return synth({"buckets": [*configs, shared, {"name": "mounted", "access": "read", "namespaces": ["vision"]}]})


def manifests(assembly: Assembly) -> list[dict[str, Any]]:
    found = []
    for resource in assembly.resources(OBJECTS).values():
        text = resource["Properties"]["Manifest"]
        if not isinstance(text, str):
            text = "".join(part if isinstance(part, str) else "TOKEN" for part in text["Fn::Join"][1])
        found += json.loads(text)
    return found


def test_nothing_billed_is_created_by_default(synth: Synth) -> None:
    assembly = synth({})
    assert not assembly.resources(FSX)
    assert not [name for name in assembly.resources("AWS::S3::Bucket") if "Storage" in name]


def test_defaults_of_a_file_system(systems: Assembly) -> None:
    _, resource = only_named(systems, FSX, "plain")
    properties = resource["Properties"]
    assert properties["FileSystemType"] == "LUSTRE"
    assert properties["StorageCapacity"] == 1200
    assert properties["FileSystemTypeVersion"] == "2.15"
    assert properties["LustreConfiguration"] == {
        "DataCompressionType": "NONE",
        "DeploymentType": "PERSISTENT_2",
        "PerUnitStorageThroughput": 250,
    }
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert len(properties["SecurityGroupIds"]) == len(properties["SubnetIds"]) == 1


def test_it_is_in_the_zone_of_the_accelerated_group(linked: Assembly) -> None:
    (system,) = linked.resources(FSX).values()
    cluster = linked.only("AWS::SageMaker::Cluster")
    workers = cluster["InstanceGroups"][1]
    assert workers["InstanceGroupName"] == "workers"
    assert system["Properties"]["SubnetIds"] == workers["OverrideVpcConfig"]["Subnets"]
    assert system["Properties"]["SecurityGroupIds"] == workers["OverrideVpcConfig"]["SecurityGroupIds"]


def test_the_guard_keeps_it_where_it_is_unless_it_names_its_zone(systems: Assembly) -> None:
    (guard,) = systems.resources("Custom::HyperPodClusterGuard")
    following = [(name, *only_named(systems, FSX, name)) for name in ("plain", "scratch")]
    assert systems.only("Custom::HyperPodClusterGuard")["FileSystems"] == [
        {"Name": name, "LogicalId": id_, "SubnetId": resource["Properties"]["SubnetIds"][0]}
        for name, id_, resource in following
    ]
    assert every(guard in resource["DependsOn"] for _, _, resource in following)
    assert guard not in only_named(systems, FSX, "placed")[1].get("DependsOn", [])


def test_every_option_of_a_file_system(linked: Assembly) -> None:
    properties = linked.only(FSX)
    assert properties["KmsKeyId"] == KEY
    assert properties["StorageCapacity"] == 9600
    assert properties["LustreConfiguration"] == {
        "DataCompressionType": "LZ4",
        "DeploymentType": "PERSISTENT_2",
        "EfaEnabled": True,
        "MetadataConfiguration": {"Mode": "AUTOMATIC"},
        "PerUnitStorageThroughput": 500,
    }


def test_links_to_s3(linked: Assembly) -> None:
    links = {resource["Properties"]["FileSystemPath"]: resource for resource in linked.resources(LINK).values()}
    events = {"Events": ["NEW", "CHANGED", "DELETED"]}
    properties = links["/data"]["Properties"]
    assert properties["S3"] == {"AutoExportPolicy": events, "AutoImportPolicy": events}
    assert properties["DataRepositoryPath"]["Fn::Join"][1][0] == "s3://"
    assert properties["BatchImportMetaDataOnCreate"] is True
    assert links["/raw"]["Properties"]["DataRepositoryPath"] == "s3://elsewhere/raw"
    assert links["/raw"]["Properties"]["S3"] == {"AutoImportPolicy": events}
    assert {link["DeletionPolicy"] for link in links.values()} == {"RetainExceptOnCreate"}


def test_a_scratch_file_system_has_no_throughput(systems: Assembly) -> None:
    properties = only_named(systems, FSX, "scratch")[1]["Properties"]
    assert properties["LustreConfiguration"] == {"DataCompressionType": "NONE", "DeploymentType": "SCRATCH_2"}


def test_an_existing_file_system_is_only_claimed(systems: Assembly) -> None:
    assert len(systems.resources(FSX)) == 3
    (volume,) = [
        item
        for item in manifests(systems)
        if item["kind"] == "PersistentVolume" and item["metadata"]["name"].startswith("theirs")
    ]
    assert volume["spec"]["csi"]["volumeHandle"] == "fs-0123456789abcdef0"
    assert volume["spec"]["csi"]["volumeAttributes"] == {
        "dnsname": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com",
        "mountname": "abcdefgh",
    }


def test_a_claim_in_each_namespace_and_a_job_that_uses_it(linked: Assembly) -> None:
    items = manifests(linked)
    claims = [item for item in items if item["kind"] == "PersistentVolumeClaim"]
    assert [(claim["metadata"]["namespace"], claim["metadata"]["name"]) for claim in claims] == [
        ("hyperpod-ns-vision", "data"),
        ("default", "data"),
    ]
    assert [claim["spec"]["volumeName"] for claim in claims] == ["data-hyperpod-ns-vision", "data-default"]
    (job,) = [item for item in items if item["kind"] == "HyperPodPyTorchJob"]
    assert job["metadata"]["namespace"] == "hyperpod-ns-vision"
    pod = job["spec"]["replicaSpecs"][0]["template"]["spec"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data"}} in pod["volumes"]


def test_order_of_volumes_claims_driver_and_jobs(linked: Assembly) -> None:
    proof = proved(
        str(linked.folder),
        "csi-driver-before-volumes",
        "parts-before-jobs",
        "quotas-before-jobs",
        "quotas-before-contents",
    )
    claims = [name for name in linked.resources(OBJECTS) if "Claims" in name]
    driver = next(name for name, addon in linked.resources("AWS::EKS::Addon").items() if "FsxCsi" in name)
    for claim in claims:
        assert proof.path(f"research-Addons.{driver}", f"research-Addons.{claim}"), (
            "claims are deleted before their driver"
        )
    rights = next(name for name in linked.resources(OBJECTS) if "Rights" in name)
    team_claim = next(name for name in claims if "vision" in name)
    assert proof.path(f"research-Addons.{rights}", f"research-Addons.{team_claim}"), "the namespace exists"


def test_the_driver_may_only_look(linked: Assembly) -> None:
    (policy,) = [
        resource for name, resource in linked.resources("AWS::IAM::Policy").items() if name.startswith("FsxCsi")
    ]
    assert policy["Properties"]["PolicyDocument"]["Statement"] == [
        {"Action": "fsx:DescribeFileSystems", "Effect": "Allow", "Resource": "*"}
    ]
    (role,) = [resource for name, resource in linked.resources("AWS::IAM::Role").items() if name.startswith("FsxCsi")]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert trust["Condition"].keys() == {"StringEquals", "ArnEquals"}
    found = [
        (association["Properties"]["Namespace"], association["Properties"]["ServiceAccount"])
        for association in linked.resources("AWS::EKS::PodIdentityAssociation").values()
    ]
    assert ("kube-system", "fsx-csi-controller-sa") in found


# ---- buckets ----


def test_a_bucket_is_private_versioned_encrypted_and_retained(buckets: Assembly) -> None:
    name, resource = bucket_of(buckets, "results")
    properties = resource["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rules == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert properties["LifecycleConfiguration"]["Rules"] == [
        {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "ExpirationInDays": 30,
            "Id": "tidy",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            "Status": "Enabled",
        }
    ]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    (policy,) = [
        item["Properties"]["PolicyDocument"]["Statement"]
        for item in buckets.resources("AWS::S3::BucketPolicy").values()
        if item["Properties"]["Bucket"] == {"Ref": name}
    ]
    denied = [statement["Condition"] for statement in policy if statement["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied


def test_a_bucket_with_a_key(linked: Assembly) -> None:
    _, resource = bucket_of(linked)
    (rule,) = resource["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"] == {"KMSMasterKeyID": KEY, "SSEAlgorithm": "aws:kms"}


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize(("who", "role"), [("nodes", "ExecutionRoles"), ("pods", "StoragePods")])
def test_the_permissions_of_its_users(buckets: Assembly, access: str, who: str, role: str) -> None:
    granted = grants_on_bucket(buckets, f"{access}-{who}")
    assert {action for _, action in granted} == ACCESS[access]
    assert [policy for policy, _ in granted if role not in policy] == []


def grants_on_bucket(assembly: Assembly, bucket: str) -> set[tuple[str, str]]:
    """Policy and action of everything that a policy of IAM allows on the bucket."""
    name, _ = bucket_of(assembly, bucket)
    return {
        (policy, action)
        for policy, resource in assembly.resources("AWS::IAM::Policy").items()
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        if name in json.dumps(statement["Resource"])
        for action in statement["Action"]
    }


def test_no_node_may_use_a_bucket_by_default(buckets: Assembly) -> None:
    granted = grants_on_bucket(buckets, "results")
    assert granted
    assert not [policy for policy, _ in granted if "ExecutionRoles" in policy]


def test_the_pods_of_a_team_get_one_role_by_pod_identity(buckets: Assembly) -> None:
    found = {
        association["Properties"]["Namespace"]: association["Properties"]
        for association in buckets.resources("AWS::EKS::PodIdentityAssociation").values()
        if association["Properties"]["ServiceAccount"] == "default"
    }
    assert set(found) == {"hyperpod-ns-vision", "default"}
    (role,) = [
        resource["Properties"]
        for name, resource in buckets.resources("AWS::IAM::Role").items()
        if name == found["default"]["RoleArn"]["Fn::GetAtt"][0]
    ]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert set(trust["Condition"]) == {"StringEquals", "ArnEquals"}
    waiting = Waiting(str(buckets.folder))
    for name, item in buckets.resources("AWS::EKS::PodIdentityAssociation").items():
        if item["Properties"]["ServiceAccount"] == "default":  # credentials without permissions would be useless
            (policy,) = [
                policy
                for policy, resource in buckets.resources("AWS::IAM::Policy").items()
                if item["Properties"]["RoleArn"]["Fn::GetAtt"][0] in json.dumps(resource["Properties"]["Roles"])
            ]
            assert waiting.after(name, policy)
            assert waiting.after(name, "EksPodIdentityAgent")


def test_a_bucket_mounted_by_mountpoint(buckets: Assembly) -> None:
    volume, claim = [item for item in manifests(buckets) if item["kind"].startswith("PersistentVolume")]
    assert volume["spec"]["csi"]["driver"] == "s3.csi.aws.com"
    assert volume["spec"]["mountOptions"] == ["region us-west-2"]
    assert volume["spec"]["accessModes"] == ["ReadOnlyMany"]
    assert claim["metadata"] == {"name": "mounted", "namespace": "hyperpod-ns-vision"}
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
