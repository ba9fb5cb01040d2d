"""`hyperpod import live`: a platform of this project results in its config; other resources are imported as existing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner, Result
from deployed_platforms import deploy
from fake_aws import FakeAws
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.importing.deployed import describe
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.live.deployed import CALLS, Deployed, read

PAGE = (ROOT / "docs" / "import.md").read_text()
OURS = [
    *("quick-start", "gpu-multi-zone-efa", "everything", "karpenter-spot", "teams", "trainium", "restricted-groups"),
    *("training-plan-custom-ami", "observability-none"),
]
NOT_READ = {
    "network": {"flow_logs", "interface_endpoints", "mode", "control_plane_zone_ids"},
    "cluster": {
        "counts",
        "lifecycle",
        "lifecycle_bucket_name",
        "nodes_ready_minutes",
        "properties",
        "lustre_efa_client",
    },
    "groups": {"container_data", "max_count", "image_id", "image_release_version", "lifecycle", "properties"}
    | {"input_bucket_arns", "output_bucket_arns", "reward_functions", "gated_recipes", "execution_role_arn"},
    "teams": {"isolation", "priority"},
}
"""What no call tells, or only in part."""


def platform_of(example: str) -> Platform:
    platform = load(ROOT / "examples" / f"{example}.yaml").platform
    assert platform is not None
    return platform


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["import", "live", *map(str, arguments)])


def imported(aws: FakeAws, platform: Platform) -> Platform:
    draft = describe(read(aws.session(platform.region), platform.completed_cluster.cluster_name or platform.name))
    return Platform.model_validate(draft.data)


@pytest.mark.parametrize("example", OURS)
def test_an_import_of_a_deployed_platform_results_in_its_config(example: str, aws: FakeAws):
    platform = platform_of(example)
    deploy(aws, platform)
    result = imported(aws, platform)
    assert (result.name, result.region) == (platform.name, platform.region)
    network = NOT_READ["network"] | {"availability_zone_ids"}
    assert result.network.model_dump(exclude=network) == platform.network.model_dump(exclude=network)
    zones = result.network.availability_zone_ids
    assert zones == platform.network.availability_zone_ids[: len(zones)]
    assert result.completed_eks.model_dump(
        exclude={"kubernetes_version", "access"}
    ) == platform.completed_eks.model_dump(exclude={"kubernetes_version", "access"})
    assert result.eks.version == platform.eks.version
    cluster = NOT_READ["cluster"] | {"instance_groups", "restricted_instance_groups", "tags", "autoscaling"}
    assert result.completed_cluster.model_dump(exclude=cluster) == platform.completed_cluster.model_dump(
        exclude=cluster
    )
    assert (result.cluster.scaling is None) == (platform.cluster.scaling is None)
    first = platform.network.availability_zone_ids[0]
    for before, after in zip(platform.cluster.groups, result.cluster.groups, strict=True):
        expected = before.model_copy(update={"availability_zone_id": before.availability_zone_id or first})
        assert after.model_dump(exclude=NOT_READ["groups"]) == expected.model_dump(exclude=NOT_READ["groups"])
    addons = {key for key, addon in platform.addons.effective().items() if key != "kueue"}
    assert set(result.addons.effective()) == addons
    before_teams, after_teams = (value.governance.teams if value.governance else () for value in (platform, result))
    assert [team.model_dump(exclude=NOT_READ["teams"]) for team in after_teams] == [
        team.model_dump(exclude=NOT_READ["teams"]) for team in before_teams
    ]


def test_resources_of_others_are_described_as_existing(aws: FakeAws, tmp_path: Path):
    platform = platform_of("teams")
    answer = deploy(aws, platform, own=False)
    result = run("--cluster-name", answer["ClusterName"], "-o", tmp_path / "hyperpod.yaml", "--region", platform.region)
    assert result.exit_code == 0, result.output
    data = yaml.safe_load((tmp_path / "hyperpod.yaml").read_text())
    assert data["network"]["existing"]["vpc_id"] == "vpc-0123456789abcdef0"
    assert data["network"]["existing"]["security_group_id"] == "sg-0123456789abcdef0"
    assert [node_subnet["route_table_id"] for node_subnet in data["network"]["existing"]["node_subnets"]] == [
        "rtb-0123456789abcdef1",
        "rtb-0123456789abcdef0",
    ]
    assert data["eks"]["existing"]["cluster_name"] == platform.completed_eks.cluster_name
    assert data["eks"]["existing"]["admin_entries"] is False
    assert data["dependencies"] == {"enabled": False}
    assert data["cluster"]["execution_role_arn"] == "arn:aws:iam::111122223333:role/TheirNodes"
    assert data["cluster"]["lifecycle"] == {"source": "s3://scripts-of-theirs/nodes"}
    assert data["governance"]["adopt"] is True
    assert {team["name"] for team in data["governance"]["teams"]} == {team.name for team in platform.governance.teams}
    assert errors(load(tmp_path / "hyperpod.yaml").findings) == []
    assert "to manage it with this config, remove `eks.existing`" in result.stderr


def test_every_call_is_in_the_list_and_only_reads(aws: FakeAws):
    deploy(aws, platform_of("teams"))
    aws.page_size = 1
    found = read(aws.session(), "teams")
    operations = {f"{call.service}:{call.operation}" for call in aws.calls}
    assert operations == set(CALLS)
    assert every(re.match(r"\w+:(Describe|List)", action) for action in CALLS)
    assert found.failures == {}
    assert len(found.quotas) == len(platform_of("teams").governance.teams)  # of several pages


def test_the_page_lists_every_call():
    messages = set(re.findall(r"^\| `(\w+:\w+)` \|", PAGE, re.M))
    assert messages == set(CALLS)


@pytest.mark.slow
@pytest.mark.parametrize("action", [action for action in CALLS if action != "sagemaker:DescribeCluster"])
def test_a_denied_call_is_reported_and_the_other_checks_run(action: str, aws: FakeAws, tmp_path: Path):
    platform = platform_of("teams")
    answer = deploy(aws, platform)
    service, _, operation = action.partition(":")
    aws.fail(service, operation, "AccessDeniedException", "not allowed", status=403)
    result = run("--cluster-name", answer["ClusterName"], "-o", tmp_path / "hyperpod.yaml", "--region", platform.region)
    assert result.exit_code == 3, result.output
    assert (
        f"not imported: access denied: {action}: AccessDeniedException: not allowed; fix: Allow {action}"
        in result.stderr
    )
    data = yaml.safe_load((tmp_path / "hyperpod.yaml").read_text())
    assert [group["name"] for group in data["cluster"]["instance_groups"]] == [
        group.name for group in platform.cluster.instance_groups
    ]


def test_a_cluster_that_does_not_exist_and_one_of_slurm(aws: FakeAws, tmp_path: Path):
    aws.fail("sagemaker", "DescribeCluster", "ResourceNotFound", "no such cluster")
    result = run("--cluster-name", "none", "-o", tmp_path / "hyperpod.yaml")
    assert (result.exit_code, (tmp_path / "hyperpod.yaml").exists()) == (1, False)
    assert "not found: DescribeCluster: ResourceNotFound: no such cluster" in result.output
    deployed: dict[str, Any] = {
        "ClusterArn": "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl",
        "ClusterStatus": "InService",
        "InstanceGroups": [],
    }
    aws.on("sagemaker", "DescribeCluster", deployed)
    result = run("--cluster-name", "slurm", "-o", tmp_path / "hyperpod.yaml")
    assert result.exit_code == 1
    assert "slurm is orchestrated by Slurm; this project supports EKS orchestration only" in result.output


def test_a_file_system_of_the_vpc_is_described(aws: FakeAws):
    platform = platform_of("quick-start")
    deploy(aws, platform, own=False)
    system = {
        "FileSystemId": "fs-0123456789abcdef0",
        "FileSystemType": "LUSTRE",
        "VpcId": "vpc-0123456789abcdef0",
        "StorageCapacity": 2400,
        "DNSName": "fs-0123456789abcdef0.fsx.us-west-2.amazonaws.com",
        "LustreConfiguration": {"MountName": "abcdef12"},
        "Tags": [{"Key": "Name", "Value": "Training Data"}],
    }
    aws.on("fsx", "DescribeFileSystems", {"FileSystems": [system, {**system, "VpcId": "vpc-0123456789abcdef7"}]})
    (lustre,) = imported(aws, platform).storage.lustre
    assert (lustre.name, lustre.existing_id, lustre.existing_mount_name) == (
        "training-data",
        "fs-0123456789abcdef0",
        "abcdef12",
    )


def test_the_data_that_is_read_is_what_the_pure_part_requires():
    assert set(Deployed.__dataclass_fields__) == {
        *("cluster", "tags", "eks", "addons", "entries", "subnets", "tables", "vpc", "nat_gateways", "quotas"),
        *("scheduler", "file_systems", "oidc_provider_arn", "stack", "failures"),
    }
