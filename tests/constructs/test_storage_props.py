"""Props of file systems and buckets as in CDK's classes: sizes, keys, connections and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import CfnParameter, Size, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from platform_parts import KEY, SYSTEM, Synthesized, existing_cluster, make_cluster, synthesize
from proving import every

from hyperpod_constructs import (
    Bucket,
    FsxCsiAddon,
    HyperPodBucket,
    HyperPodFileSystem,
    HyperPodStorage,
    InstanceGroup,
    LustreFileSystem,
    Storage,
)
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.checks import Context, check

pytestmark = pytest.mark.slow

GPU = InstanceGroup(name="gpu", instance_type="ml.p5.48xlarge", count=2, availability_zone_id="usw2-az1")
TOKEN = -1.8881545897087626e289


def number(stack: Stack) -> float:
    return CfnParameter(stack, "Capacity", type="Number").value_as_number


def of_file_system(props: Callable[[Stack], dict[str, Any]]) -> Synthesized:
    def build(stack: Stack) -> None:
        system = LustreFileSystem(name="data", throughput=500)
        HyperPodFileSystem(
            stack, "Data", cluster=existing_cluster(stack, SYSTEM, GPU), file_system=system, **props(stack)
        )

    return synthesize(build)


def test_the_capacity_argument_of_a_file_system_overrides_the_spec() -> None:
    system = of_file_system(lambda stack: {"storage_capacity": Size.gibibytes(4800)}).only("AWS::FSx::FileSystem")
    assert system["StorageCapacity"] == 4800
    assert system["LustreConfiguration"]["PerUnitStorageThroughput"] == 500, "the other fields of the spec apply"


@pytest.mark.parametrize("by_size", [True, False])
def test_the_capacity_is_a_parameter(by_size: bool) -> None:
    def build(stack: Stack) -> None:
        capacity = number(stack)
        spec = LustreFileSystem(name="data") if by_size else LustreFileSystem(name="data", size_gib=capacity)
        options = {"storage_capacity": Size.gibibytes(capacity)} if by_size else {}
        HyperPodFileSystem(stack, "Data", cluster=existing_cluster(stack, SYSTEM, GPU), file_system=spec, **options)

    assert synthesize(build).only("AWS::FSx::FileSystem")["StorageCapacity"] == {"Ref": "Capacity"}


def test_the_claims_have_the_parameter_too() -> None:
    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack, SYSTEM, GPU)
        FsxCsiAddon(stack, "Csi", cluster=cluster)
        spec = Storage(lustre=[LustreFileSystem(name="data", size_gib=number(stack))])
        HyperPodStorage(stack, "Storage", cluster=cluster, storage=spec).claims(stack)

    (manifest,) = (
        properties["Manifest"]
        for name, properties in synthesize(build).of("Custom::HyperPodKubernetesObjects").items()
        if "Claims" in name
    )
    parts = manifest["Fn::Join"][1]
    place = parts.index({"Ref": "Capacity"})
    assert parts[place - 1].endswith('"storage":"')
    assert parts[place + 1].startswith("Gi")


def test_rules_about_capacity_report_only_what_is_true_for_every_capacity() -> None:
    def rules(**values) -> set[str]:
        storage = Storage(lustre=[LustreFileSystem(name="data", **values)])
        return {finding.rule for finding in check(Context(storage=storage))}

    assert "HP801" in rules(size_gib=1000)
    assert "HP801" not in rules(size_gib=TOKEN)
    assert {"HP801", "HP802"} & rules(size_gib=TOKEN, throughput=333) == {"HP802"}
    assert rules(size_gib=TOKEN, efa=True) == rules(size_gib=38400, efa=True)


def test_the_key_of_a_file_system_is_a_key() -> None:
    system = of_file_system(lambda stack: {"encryption_key": kms.Key.from_key_arn(stack, "Key", KEY)})
    assert system.only("AWS::FSx::FileSystem")["KmsKeyId"] == KEY


def test_grants_on_a_bucket_include_its_key() -> None:
    def build(stack: Stack) -> None:
        cluster = make_cluster(stack)
        spec = Bucket(name="datasets", access="read", nodes=True)
        HyperPodBucket(stack, "Datasets", bucket=spec, cluster=cluster, encryption_key=kms.Key(stack, "Mine"))

    found = synthesize(build)
    (key,) = found.of("AWS::KMS::Key")
    (bucket,) = (b for b in found.of("AWS::S3::Bucket").values() if "aws:kms" in json.dumps(b))
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": [key, "Arn"]}
    decrypts = [s for s in found.statements("ExecutionRole") if "kms:Decrypt" in json.dumps(s["Action"])]
    assert decrypts
    assert decrypts[0]["Resource"] == {"Fn::GetAtt": [key, "Arn"]}


def test_connections_of_a_file_system_open_the_ports_of_lustre() -> None:
    def build(stack: Stack) -> None:
        cluster = make_cluster(stack)
        system = HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
        client = ec2.SecurityGroup(stack, "Client", vpc=cluster._vpc)
        system.connections.allow_default_port_from(client, "Head node")

    found = [
        rule
        for rule in synthesize(build).of("AWS::EC2::SecurityGroupIngress").values()
        if rule["Description"] == "Head node"
    ]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in found] == [("tcp", 988, 1023)]


def test_allowed_clients_get_only_the_ports_of_lustre() -> None:
    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack, SYSTEM, GPU)
        system = HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=LustreFileSystem(name="data"))
        system.admit(ec2.Peer.ipv4("192.0.2.0/24"))

    rules = synthesize(build).of("AWS::EC2::SecurityGroupIngress").values()
    found = [rule for rule in rules if rule["Description"] == "Lustre"]
    assert [(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in found] == [
        ("192.0.2.0/24", first, last) for first, last in catalog.ports("lustre")
    ]


def test_connections_of_an_existing_file_system_need_its_security_group() -> None:
    file_system_id = "fs-0123456789abcdef0"
    address = f"{file_system_id}.fsx.us-west-2.amazonaws.com"
    spec = LustreFileSystem(
        name="data", existing_id=file_system_id, existing_dns_name=address, existing_mount_name="abcdefgh"
    )

    def build(stack: Stack) -> None:
        cluster = existing_cluster(stack, SYSTEM, GPU)
        system = HyperPodFileSystem(stack, "Data", cluster=cluster, file_system=spec)
        with pytest.raises(ValueError) as error:
            _ = system.connections
        assert str(error.value) == (
            f"Test/Data: the security group of the existing file system {file_system_id} is unknown; set security_group"
        )
        existing = ec2.SecurityGroup.from_security_group_id(stack, "Theirs", "sg-0123456789abcdef0")
        known = HyperPodFileSystem(
            stack,
            "Known",
            cluster=cluster,
            file_system=spec.model_copy(update={"name": "more"}),
            security_group=existing,
        )
        known.connections.allow_default_port_from(cluster, "Nodes")

    rules = synthesize(build).of("AWS::EC2::SecurityGroupIngress").values()
    assert [rule["GroupId"] for rule in rules if rule["Description"] == "Nodes"] == ["sg-0123456789abcdef0"]


def test_metrics_of_a_file_system() -> None:
    def build(stack: Stack) -> None:
        system = HyperPodFileSystem(
            stack, "Data", cluster=existing_cluster(stack, SYSTEM, GPU), file_system=LustreFileSystem(name="data")
        )
        for metric, threshold in (
            (system.metric_free_data_storage_capacity(statistic="Minimum"), 1e9),
            (system.metric_data_read_bytes(), 1),
            (system.metric_data_write_bytes(), 1),
            (system.metric("MetadataOperations", statistic="Sum"), 1),
        ):
            metric.create_alarm(stack, f"{metric.metric_name}Alarm", threshold=threshold, evaluation_periods=1)

    found = synthesize(build)
    (system,) = found.of("AWS::FSx::FileSystem")
    alarms = found.of("AWS::CloudWatch::Alarm").values()
    assert {(alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) for alarm in alarms} == {
        ("AWS/FSx", "FreeDataStorageCapacity", "Minimum"),
        ("AWS/FSx", "DataReadBytes", "Sum"),
        ("AWS/FSx", "DataWriteBytes", "Sum"),
        ("AWS/FSx", "MetadataOperations", "Sum"),
    }
    assert every(alarm["Dimensions"] == [{"Name": "FileSystemId", "Value": {"Ref": system}}] for alarm in alarms)
