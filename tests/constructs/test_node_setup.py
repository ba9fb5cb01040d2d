"""What templates give the lifecycle scripts of each instance group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aws_cdk import Stack
from platform_parts import SYSTEM, make_cluster, synthesize

from hyperpod_constructs.core.cluster_properties import lifecycle_settings
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Cluster, InstanceGroup, Lifecycle, LustreEfaClient, Volume

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKERS = InstanceGroup(name="workers", instance_type="ml.p5.48xlarge", count=2)
VOLUME = Volume(size_gib=500)


def sources(cluster: Cluster) -> dict[str, Any]:
    """Group name to the key of its scripts, and the settings that were uploaded."""

    def build(stack: Stack) -> None:
        make_cluster(stack, cluster)

    made = synthesize(build)
    groups = made.one("AWS::SageMaker::Cluster")["InstanceGroups"]
    return {
        group["InstanceGroupName"]: json.dumps(group["LifeCycleConfig"]["SourceS3Uri"]).rpartition("lifecycle/")[2][:16]
        for group in groups
    } | {"uploads": len(made.of("Custom::CDKBucketDeployment"))}


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


def test_a_file_system_with_efa_brings_its_client():
    platform = load(EXAMPLES / "lustre.yaml").platform
    with_efa = platform.storage.lustre[0].model_copy(update={"efa": True})
    storage = platform.storage.model_copy(update={"lustre": (with_efa,)})
    assert platform.model_copy(update={"storage": storage}).completed_cluster.lustre_efa_client == LustreEfaClient()
    without = platform.storage.model_copy(update={"lustre": (with_efa.model_copy(update={"efa": False}),)})
    assert platform.model_copy(update={"storage": without}).completed_cluster.lustre_efa_client is None
