"""`hyperpod adopt`: imported resources are adopted without a replacement, or rejected with both values."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner, Result
from deployed_platforms import deploy
from fake_aws import FakeAws
from proving import every

from hyperpod_constructs.assembly.rehearsal.adopting import prove
from hyperpod_constructs.assembly.rehearsal.schemas import schema
from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.diff import _templates
from hyperpod_constructs.cli.rehearse import _assembly
from hyperpod_constructs.core import catalog
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.importing.adoption import adoption
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.live.deployed import read

pytestmark = pytest.mark.slow

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


@cache
def imported() -> str:
    """The config that an import writes for the deployed cluster."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hyperpod.yaml"
        assert run("import", "live", "--cluster-name", "shared", "-o", file).exit_code == 0
        return file.read_text()


@pytest.fixture
def config(aws: FakeAws, tmp_path: Path) -> Path:
    """The config that an import wrote for a cluster of another project."""
    deploy(aws, platform_of("teams"), own=False)
    file = tmp_path / "hyperpod.yaml"
    file.write_text(imported())
    aws.calls.clear()
    return file


def adopted(config: Path) -> tuple[Result, dict[str, dict]]:
    result = run("adopt", config, "--into", config.parent / "adopt", "-o", "json")
    assert result.stdout, result.stderr
    data = json.loads(result.stdout)
    return result, {resource["type"]: resource for resource in data["resources"]}


def test_imported_resources_are_adopted_and_nothing_is_replaced(config: Path, aws: FakeAws):
    result, resources = adopted(config)
    assert result.exit_code == 0, result.output
    cluster = resources["AWS::SageMaker::Cluster"]
    assert cluster["identifier"] == {"ClusterArn": ARN}
    assert (cluster["replaced"], cluster["changed"]) == ([], [])
    assert resources["AWS::EKS::Addon"]["identifier"]["ClusterName"] == "shared"
    assert every(item["replaced"] == [] for item in resources.values())
    rehearsed = json.loads(result.stdout)["rehearsal"]
    assert (rehearsed["ok"], rehearsed["findings"]) == (True, [])
    assert rehearsed["stacks"] == {
        "shared-Eks": "UPDATE_COMPLETE",
        "shared-HyperPod": "UPDATE_COMPLETE",
        "shared-Addons": "UPDATE_COMPLETE",
        "shared-Jobs": "CREATE_COMPLETE",
    }
    assert rehearsed["updated"]["shared-HyperPod.HyperPodED6AB1C4"] == ["Tags: as in the config"]
    assert len(rehearsed["updated"]) == len(json.loads(result.stdout)["resources"])
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
    for kind, item in resources.items():
        assert sorted(item["identifier"]) == sorted(facts[kind]["identifier"])


def test_a_property_that_replaces_is_rejected_with_both_values(config: Path):
    data = yaml.safe_load(config.read_text())
    data["network"]["existing"]["security_group_id"] = "sg-0123456789abcdef5"
    data["cluster"]["instance_groups"][0]["execution_role_arn"] = "arn:aws:iam::111122223333:role/Other"
    data["cluster"]["instance_groups"][1]["count"] = 20
    config.write_text(yaml.safe_dump(data))
    result, resources = adopted(config)
    cluster = resources["AWS::SageMaker::Cluster"]
    assert result.exit_code == 3
    assert cluster["replaced"][0].startswith('VpcConfig: {"SecurityGroupIds": ["sg-0123456789abcdef0"]')
    assert (
        "InstanceGroups[system].ExecutionRole: arn:aws:iam::111122223333:role/TheirNodes now, "
        "arn:aws:iam::111122223333:role/Other in the config"
    ) in cluster["replaced"]
    assert cluster["changed"] == ["InstanceGroups[workers].InstanceCount: 16 now, 20 in the config"]
    assert not (config.parent / "adopt" / "shared-HyperPod.import.json").exists()


def _one_more(groups: list[dict[str, Any]]) -> None:
    groups.append({**groups[-1], "InstanceGroupName": "more", "TargetCount": 3})


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "network": (
        lambda live: live["VpcConfig"].update(SecurityGroupIds=["sg-0fedcba9876543210"]),
        r'VpcConfig: .*"sg-0fedcba9876543210".* now, .*"sg-0123456789abcdef0".* in the config',
    ),
    "execution role": (
        lambda live: live["InstanceGroups"][0].update(ExecutionRole="arn:aws:iam::111122223333:role/Another"),
        r"InstanceGroups\[system\]\.ExecutionRole: \S+:role/Another now, \S+:role/TheirNodes in the config",
    ),
    "instance type": (
        lambda live: live["InstanceGroups"][1].update(InstanceType="ml.g5.8xlarge"),
        r"InstanceGroups\[workers\]\.InstanceType: ml\.g5\.8xlarge now, ml\.p5\.48xlarge in the config",
    ),
    "another group": (
        lambda live: _one_more(live["InstanceGroups"]),
        r"InstanceGroups\[more\]: 3 instances now, not set in the config",
    ),
}
"""What was changed since the import, to what the proof says about it."""


@pytest.mark.parametrize("change", TAMPERED)
def test_the_proof_fails_with_the_property_and_both_values(change: str, config: Path, aws: FakeAws):
    live = deploy(aws, platform_of("teams"), own=False)
    tamper, expected = TAMPERED[change]
    tamper(live)
    aws.on("sagemaker", "DescribeCluster", live)
    result, _ = adopted(config)
    assert result.exit_code == 3
    rehearsed = json.loads(result.stdout)["rehearsal"]
    assert not rehearsed["ok"]
    (finding,) = (item for item in rehearsed["findings"] if item["rule"] == "HPR07")
    assert finding["path"] == "shared-HyperPod.HyperPodED6AB1C4"
    assert re.search(expected, finding["message"]), finding["message"]
    assert "shared-HyperPod.HyperPodED6AB1C4" not in rehearsed["updated"]


def test_the_simulated_deployment_itself_shows_a_replacement(aws: FakeAws, config: Path, tmp_path: Path):
    """An access entry of another type: the comparison reports nothing, and CloudFormation replaces it."""
    environment = {"region": "us-west-2", "account": "111122223333"}
    found = read(aws.session("us-west-2"), "shared")
    app = _assembly(config, tmp_path / "app")
    plan = adoption(_templates(app), found, **environment)
    assert prove(app, plan, found, **environment).ok
    entry = next(takeover for takeover in plan.takeovers if takeover.kind == "AWS::EKS::AccessEntry")
    other = replace(entry, properties={**entry.properties, "Type": "EC2_LINUX"})
    plan.takeovers = [other if takeover is entry else takeover for takeover in plan.takeovers]
    proof = prove(app, plan, found, **environment)
    findings = [finding for finding in proof.findings if finding.rule == "HPR07"]
    assert [finding.path for finding in findings] == [f"{entry.stack}.{entry.logical_id}"]
    assert "Type: EC2_LINUX now, not set in the config" in findings[0].message


def owned_by(aws: FakeAws, stack: str) -> None:
    resource = {
        "StackName": stack,
        "LogicalResourceId": "Cluster",
        "ResourceType": "AWS::SageMaker::Cluster",
        "Timestamp": "2026-11-26T00:00:00Z",
        "ResourceStatus": "CREATE_COMPLETE",
    }
    aws.on("cloudformation", "DescribeStackResources", {"StackResources": [resource]})


def test_a_cluster_that_this_config_deployed_is_not_adopted(config: Path, aws: FakeAws):
    deploy(aws, platform_of("teams"))
    owned_by(aws, "shared-HyperPod")
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 0
    assert result.stdout.startswith("shared was deployed by stack shared-HyperPod of this config: there is nothing to ")
    assert not (config.parent / "adopt").exists()


def test_after_the_import_it_is_compared_again_and_no_stack_must_give_it_up(config: Path, aws: FakeAws):
    owned_by(aws, "shared-HyperPod")
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 0
    steps = result.stdout.partition("in this order:")[2]
    assert "DeletionPolicy" not in steps
    assert "--stack-name shared-HyperPod" not in steps
    assert "--stack-name shared-Eks" in steps


@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1), (0, 1, 2)])
def test_the_networks_order_is_that_of_the_cluster_which_cannot_change(
    order: tuple[int, ...], aws: FakeAws, tmp_path: Path
):
    platform = platform_of("teams")
    zones = ("usw2-az1", "usw2-az2", "usw2-az3")
    network = platform.network.model_copy(update={"availability_zone_ids": zones})
    answer = deploy(aws, platform.model_copy(update={"network": network}), own=False)
    answer["VpcConfig"]["Subnets"] = [f"subnet-0123456789abcdef{index}" for index in order]
    file = tmp_path / "hyperpod.yaml"
    run("import", "live", "--cluster-name", "shared", "-o", file)
    zone_ids = yaml.safe_load(file.read_text())["network"].get("control_plane_zone_ids")
    assert zone_ids == ([zones[index] for index in order] if len(order) > 2 else None)
    result, resources = adopted(file)
    assert (result.exit_code, resources["AWS::SageMaker::Cluster"]["replaced"]) == (0, [])


def test_a_vpc_config_that_cannot_be_written_is_reported_and_rejected(aws: FakeAws, tmp_path: Path):
    answer = deploy(aws, platform_of("teams"), own=False)
    answer["VpcConfig"]["Subnets"] = answer["VpcConfig"]["Subnets"][:1]
    file = tmp_path / "hyperpod.yaml"
    messages = run("import", "live", "--cluster-name", "shared", "-o", file)
    assert messages.exit_code == 3
    assert (
        "not imported: VpcConfig (subnet-0123456789abcdef0, sg-0123456789abcdef0): the config supports only one subnet"
        in messages.stderr
    )
    zone = yaml.safe_load(file.read_text())
    zone["network"]["existing"]["node_subnets"].append(
        {"subnet_id": "subnet-0123456789abcdef8", "availability_zone_id": "usw2-az2"}
    )
    file.write_text(yaml.safe_dump(zone))
    result, resources = adopted(file)
    assert result.exit_code == 3
    assert resources["AWS::SageMaker::Cluster"]["replaced"][0].startswith("VpcConfig: ")


def test_a_new_eks_cluster_in_place_of_the_one_that_exists_is_rejected(config: Path):
    data = yaml.safe_load(config.read_text())
    data["eks"] = {"kubernetes_version": "1.35", "admins": data["eks"]["admins"]}
    config.write_text(yaml.safe_dump(data))
    result, resources = adopted(config)
    assert result.exit_code == 3
    assert any(text.startswith("RoleArn: not set now, ") for text in resources["AWS::EKS::Cluster"]["replaced"])


def test_the_text_states_the_order_and_the_stack_that_must_stop_importing(config: Path, aws: FakeAws):
    owned_by(aws, "their-stack")
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert f"shared-HyperPod: AWS::SageMaker::Cluster {ARN}: adopted" in lines
    simulated = lines.index("simulated: the import, then the deployment of 4 stacks: nothing is replaced or deleted")
    assert "    shared-HyperPod.HyperPodED6AB1C4: updated in place: Tags" in lines[simulated:]
    steps = lines[lines.index("run in this order:") + 1 :]
    assert steps[0].startswith("  1. set DeletionPolicy: Retain on the resources to adopt in their-stack")
    assert steps[1].startswith("  2. aws cloudformation create-change-set --stack-name shared-Eks")
    assert "--change-set-type IMPORT" in steps[1]
    assert steps[-1].endswith(f"hyperpod preflight {config} and cdk deploy")


def test_a_denied_call_is_reported_and_a_config_with_errors_is_not_compared(config: Path, aws: FakeAws):
    aws.fail("eks", "ListAddons", "AccessDeniedException", "no", status=403)
    result = run("adopt", config, "--into", config.parent / "adopt")
    assert result.exit_code == 3
    assert (
        "not read: access denied: eks:ListAddons: AccessDeniedException: no; fix: Allow eks:ListAddons" in result.stderr
    )
    config.write_text("name: a\n")
    assert run("adopt", config).exit_code == 1
