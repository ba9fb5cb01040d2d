"""The lifecycle scripts and settings of each instance group in the templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3
from platform_parts import SYSTEM, Synthesized, make_cluster, synthesize

from hyperpod_constructs.assembly.nag import as_list
from hyperpod_constructs.constructs.cluster import HyperPodCluster
from hyperpod_constructs.constructs.imported_eks import EksClusterAttributes
from hyperpod_constructs.core.cluster_properties import lifecycle_settings
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Lifecycle, LustreEfaClient, Volume

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKERS = InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=2)
VOLUME = Volume(size_gib=500)


def sources(cluster: Cluster) -> dict[str, Any]:
    """Group name to the key of its scripts, and the settings that were uploaded."""

    def build(stack: Stack) -> None:
        make_cluster(stack, cluster)

    synthesized = synthesize(build)
    groups = synthesized.only("AWS::SageMaker::Cluster")["InstanceGroups"]
    return {
        group["InstanceGroupName"]: json.dumps(group["LifeCycleConfig"]["SourceS3Uri"]).rpartition("lifecycle/")[2][:16]
        for group in groups
    } | {"uploads": len(synthesized.of("Custom::HyperPodLifecycleScripts"))}


def test_groups_with_other_settings_have_scripts_at_another_address():
    found = sources(
        Cluster(
            instance_groups=(
                SYSTEM,
                WORKERS.model_copy(update={"volume": VOLUME}),
                WORKERS.model_copy(update={"name": "more", "volume": VOLUME}),
                WORKERS.model_copy(update={"name": "root", "volume": VOLUME, "container_data": "root-volume"}),
            )
        )
    )
    assert found["uploads"] == 2
    assert found["workers"] == found["more"]
    assert found["system"] == found["root"] != found["workers"]


def test_scripts_of_the_user_get_no_settings(tmp_path: Any):
    (tmp_path / "on_create.sh").write_text("true\n")
    lifecycle = Lifecycle(source=str(tmp_path))
    found = sources(
        Cluster(instance_groups=(SYSTEM, WORKERS.model_copy(update={"volume": VOLUME})), lifecycle=lifecycle)
    )
    assert found["uploads"] == 1


def test_the_lustre_client_is_for_groups_with_efa():
    digest = "0" * 64
    client = LustreEfaClient(package_url="https://example.com/client.zip", package_sha256=digest)
    cluster = Cluster(lustre_efa_client=client)
    assert lifecycle_settings(cluster, SYSTEM) == {}
    assert lifecycle_settings(cluster, WORKERS) == {
        "LUSTRE_EFA_CLIENT": "https://example.com/client.zip",
        "LUSTRE_EFA_CLIENT_SHA256": digest,
    }


def test_nvme_is_the_local_storage():
    group = WORKERS.model_copy(update={"container_data": "nvme", "volume": VOLUME})
    assert lifecycle_settings(Cluster(), group) == {"CONTAINER_DATA": "/opt/dlami/nvme"}


def test_a_file_system_with_efa_configures_the_client():
    platform = load(EXAMPLES / "lustre.yaml").platform
    with_efa = platform.storage.lustre[0].model_copy(update={"efa": True})
    storage = platform.storage.model_copy(update={"lustre": (with_efa,)})
    assert platform.model_copy(update={"storage": storage}).completed_cluster.lustre_efa_client == LustreEfaClient()
    without = platform.storage.model_copy(update={"lustre": (with_efa.model_copy(update={"efa": False}),)})
    assert platform.model_copy(update={"storage": without}).completed_cluster.lustre_efa_client is None


def copied(**options: Any) -> Synthesized:
    """A cluster whose scripts are copied into a bucket of `options`."""

    def build(stack: Stack) -> None:
        bucket = options["bucket"](stack) if options else None
        eks = EksClusterAttributes(cluster_name="mine")
        vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
        HyperPodCluster(stack, "HyperPod", vpc=vpc, eks_cluster=eks, instance_groups=[SYSTEM], lifecycle_bucket=bucket)

    return synthesize(build)


def test_the_function_that_copies_scripts_reads_one_asset_and_writes_below_one_prefix():
    synthesized = copied()
    scripts = synthesized.only("Custom::HyperPodLifecycleScripts")
    (read,) = synthesized.allows("LifecycleScriptsCopierRole", "s3:GetObject")
    (write,) = synthesized.allows("LifecycleScriptsCopierRole", "s3:PutObject")
    assert json.dumps(read["Resource"]).endswith(f'/{scripts["Source"]["Key"]}"]]}}')
    assert "*" not in json.dumps(read)
    assert json.dumps(write["Resource"]).endswith('"Arn"]}, "/lifecycle/*"]]}')
    actions = {
        action
        for statement in synthesized.statements("LifecycleScriptsCopierRole")
        for action in as_list(statement["Action"])
    }
    assert not [action for action in actions if "Delete" in action]


def test_a_bucket_with_a_key_is_written_with_the_key():
    synthesized = copied(bucket=lambda stack: s3.Bucket(stack, "Mine", encryption=s3.BucketEncryption.KMS))
    assert synthesized.allows("LifecycleScriptsCopierRole", "kms:GenerateDataKey*")
    (name,) = (name for name in synthesized.of("AWS::S3::Bucket") if name.startswith("Mine"))
    assert synthesized.only("Custom::HyperPodLifecycleScripts")["Bucket"] == {"Ref": name}


def test_scripts_are_copied_after_the_permissions_and_before_the_cluster():
    resources = copied().template["Resources"]
    ((scripts, copy),) = (
        (id_, resource) for id_, resource in resources.items() if resource["Type"] == "Custom::HyperPodLifecycleScripts"
    )
    assert any("CopierRoleDefaultPolicy" in name for name in copy["DependsOn"])
    (cluster,) = (resource for resource in resources.values() if resource["Type"] == "AWS::SageMaker::Cluster")
    assert scripts in cluster["DependsOn"]
