"""`hyperpod adopt`: what an import describes is taken over without a replacement, or refused with both values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner, Result
from deployed_platforms import deploy
from fake_aws import FakeAws

from hyperpod_constructs.assembly.rehearsal.schemas import schema
from hyperpod_constructs.cli import main
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Platform

ARN = "arn:aws:sagemaker:us-west-2:111122223333:cluster/abcdefghijkl"


def platform_of(example: str) -> Platform:
    platform = load(ROOT / "examples" / f"{example}.yaml").platform
    assert platform is not None
    return platform


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def config(aws: FakeAws, tmp_path: Path) -> Path:
    """The config that an import wrote of somebody else's cluster."""
    deploy(aws, platform_of("teams"), ours=False)
    file = tmp_path / "hyperpod.yaml"
    assert run("import", "live", "--cluster-name", "shared", "-o", file).exit_code == 0
    return file


def adopted(config: Path) -> tuple[Result, dict[str, dict]]:
    result = run("adopt", config, "--into", config.parent / "adopt", "-o", "json")
    assert result.stdout, result.stderr
    data = json.loads(result.stdout)
    return result, {one["type"]: one for one in data["resources"]}


def test_what_an_import_describes_is_taken_over_and_nothing_is_replaced(config: Path, aws: FakeAws):
    result, resources = adopted(config)
    assert result.exit_code == 0, result.output
    cluster = resources["AWS::SageMaker::Cluster"]
    assert cluster["identifier"] == {"ClusterArn": ARN}
    assert (cluster["replaced"], cluster["changed"]) == ([], [])
    assert resources["AWS::EKS::Addon"]["identifier"]["ClusterName"] == "shared"
    assert all(one["replaced"] == [] for one in resources.values())
    assert {call.operation[:4] for call in aws.calls} <= {"Desc", "List"}

    folder = config.parent / "adopt"
    template = json.loads((folder / "shared-HyperPod.import.json").read_text())
    (resource,) = template["Resources"].values()
    assert resource["DeletionPolicy"] == "Retain"
    assert [group["InstanceCount"] for group in resource["Properties"]["InstanceGroups"]] == [2, 16]
    assert json.loads((folder / "shared-HyperPod.resources.json").read_text()) == [
        {
            "ResourceType": "AWS::SageMaker::Cluster",
            "LogicalResourceId": next(iter(template["Resources"])),
            "ResourceIdentifier": {"ClusterArn": ARN},
        }
    ]
    assert not (folder / "shared-HyperPod.mapping.json").exists()  # it depends on resources that are not deployed


def test_import_templates_satisfy_the_schemas_and_identifiers_are_those_of_the_schemas(config: Path):
    _, resources = adopted(config)
    for file in (config.parent / "adopt").glob("*.import.json"):
        for resource in json.loads(file.read_text())["Resources"].values():
            found = schema(resource["Type"], "us-west-2")
            assert found is not None
            assert found.problems(resource["Properties"]) == []
    facts = catalog.load("importing")["identifiers"]
    for kind, entry in facts.items():
        found = schema(kind, "us-east-1")
        assert found is not None
        assert [path.rpartition("/")[2] for path in found.document["primaryIdentifier"]] == entry["identifier"]
        assert "read" in found.document["handlers"]
    for kind, one in resources.items():
        assert sorted(one["identifier"]) == sorted(facts[kind]["identifier"])


def test_a_property_that_replaces_is_refused_with_both_values(config: Path):
    data = yaml.safe_load(config.read_text())
    data["network"]["existing"]["security_group_id"] = "sg-0123456789abcdef5"
    data["cluster"]["instance_groups"][0]["execution_role_arn"] = "arn:aws:iam::111122223333:role/Other"
    data["cluster"]["instance_groups"][1]["count"] = 20
    config.write_text(yaml.safe_dump(data))
    result, resources = adopted(config)
    cluster = resources["AWS::SageMaker::Cluster"]
    assert result.exit_code == 3
    assert cluster["replaced"][0].startswith("VpcConfig: currently {'SecurityGroupIds': ['sg-0123456789abcdef0']")
    assert (
        "InstanceGroups[system].ExecutionRole: currently arn:aws:iam::111122223333:role/TheirNodes, "
        "arn:aws:iam::111122223333:role/Other in the config"
    ) in cluster["replaced"]
    assert cluster["changed"] == ["InstanceGroups[workers].InstanceCount: currently 16, 20 in the config"]
    assert not (config.parent / "adopt" / "shared-HyperPod.import.json").exists()


@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1), (0, 1, 2)])
def test_the_networks_order_is_that_of_the_cluster_which_cannot_change(
    order: tuple[int, ...], aws: FakeAws, tmp_path: Path
):
    platform = platform_of("teams")
    zones = ("usw2-az1", "usw2-az2", "usw2-az3")
    network = platform.network.model_copy(update={"availability_zone_ids": zones})
    answer = deploy(aws, platform.model_copy(update={"network": network}), ours=False)
    answer["VpcConfig"]["Subnets"] = [f"subnet-0123456789abcdef{index}" for index in order]
    file = tmp_path / "hyperpod.yaml"
    run("import", "live", "--cluster-name", "shared", "-o", file)
    named = yaml.safe_load(file.read_text())["network"].get("control_plane_zone_ids")
    assert named == ([zones[index] for index in order] if len(order) > 2 else None)
    result, resources = adopted(file)
    assert (result.exit_code, resources["AWS::SageMaker::Cluster"]["replaced"]) == (0, [])


def test_a_vpc_config_that_cannot_be_written_is_told_and_refused(aws: FakeAws, tmp_path: Path):
    answer = deploy(aws, platform_of("teams"), ours=False)
    answer["VpcConfig"]["Subnets"] = answer["VpcConfig"]["Subnets"][:1]
    file = tmp_path / "hyperpod.yaml"
    told = run("import", "live", "--cluster-name", "shared", "-o", file)
    assert told.exit_code == 3
    assert (
        "not kept: VpcConfig (subnet-0123456789abcdef0, sg-0123456789abcdef0): this config sets a subnet" in told.stderr
    )
    zone = yaml.safe_load(file.read_text())
    zone["network"]["existing"]["node_subnets"].append(
        {"subnet_id": "subnet-0123456789abcdef8", "availability_zone_id": "usw2-az2"}
    )
    file.write_text(yaml.safe_dump(zone))
    result, resources = adopted(file)
    assert result.exit_code == 3
    assert resources["AWS::SageMaker::Cluster"]["replaced"][0].startswith("VpcConfig: ")


def test_a_new_eks_cluster_in_place_of_the_one_that_exists_is_refused(config: Path):
    data = yaml.safe_load(config.read_text())
    data["eks"] = {"kubernetes_version": "1.35", "admins": data["eks"]["admins"]}
    config.write_text(yaml.safe_dump(data))
    result, resources = adopted(config)
    assert result.exit_code == 3
    assert any(text.startswith("RoleArn: currently nothing, ") for text in resources["AWS::EKS::Cluster"]["replaced"])


def test_the_text_names_the_order_and_the_stack_that_must_let_go(config: Path, aws: FakeAws):
    stack = {
        "StackName": "their-stack",
        "LogicalResourceId": "Cluster",
        "ResourceType": "AWS::SageMaker::Cluster",
        "Timestamp": "2026-11-26T00:00:00Z",
        "ResourceStatus": "CREATE_COMPLETE",
    }
    aws.on("cloudformation", "DescribeStackResources", {"StackResources": [stack]})
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert f"shared-HyperPod: AWS::SageMaker::Cluster {ARN}: taken over" in lines
    steps = lines[lines.index("in this order:") + 1 :]
    assert steps[0].startswith("  1. set DeletionPolicy: Retain on the resources to take over in their-stack")
    assert steps[1].startswith("  2. aws cloudformation create-change-set --stack-name shared-Eks")
    assert "--change-set-type IMPORT" in steps[1]
    assert steps[-1].endswith(f"hyperpod preflight {config} and cdk deploy")


def test_a_denied_call_is_told_and_a_config_with_errors_is_not_compared(config: Path, aws: FakeAws):
    aws.fail("eks", "ListAddons", "AccessDeniedException", "no", status=403)
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 3
    assert (
        "not read: access denied: eks:ListAddons: AccessDeniedException: no; fix: allow eks:ListAddons" in result.stderr
    )
    config.write_text("name: a\n")
    assert run("adopt", config).exit_code == 1
