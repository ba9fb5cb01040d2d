"""`hyperpod rehearse`: output, exit codes, incorrect usage."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rehearsal_platforms import Platforms

from hyperpod_constructs.assembly.graph import load
from hyperpod_constructs.assembly.rehearsal import schemas
from hyperpod_constructs.cli import main


@pytest.fixture(scope="module")
def app(platforms: Platforms) -> Path:
    return platforms("hyperpod.yaml")


def rehearse(*arguments: Any) -> Result:
    result = CliRunner().invoke(main, ["rehearse", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def count(app: Path) -> int:
    return sum(len(stack.resources) for stack in load(app))


def test_text_tells_the_timeline_and_what_it_costs(app: Path, count: int):
    result = rehearse(app, "--delete")
    assert result.exit_code == 0, result.output
    assert re.search(rf"^creation: [34]\d minutes, {count} resources$", result.output, re.M)
    assert re.search(rf"^deletion: [23]\d minutes, {count} resources$", result.output, re.M)
    chain = r"^  the longest chain that AWS requires takes 3\d minutes; this deployment takes 1\.1\d times as long$"
    assert re.search(chain, result.output, re.M)
    for line in (
        "  research-Jobs                            CREATE_COMPLETE",
        "critical path (the steps that the deployment waits for, in sequence):",
        "research-HyperPod.HyperPodNodesReady345B42B8 (Custom::HyperPodKubernetesWait)",
        "billed by the hour at the end: nothing",
        "no findings",
    ):
        assert line in result.output, result.output


def test_json_is_the_whole_rehearsal(app: Path, count: int):
    report = json.loads(rehearse(app, "-o", "json").output)
    assert report["ok"] is True
    (act,) = report["acts"]
    assert [outcome["status"] for outcome in act["outcomes"]] == ["CREATE_COMPLETE"] * 5
    assert len(act["steps"]) == count
    assert act["critical_path"][-1].startswith("research-Jobs.")
    assert "1 AWS::EKS::Cluster" in report["paying"]
    assert report["findings"] == []


def test_html_has_no_external_resources(app: Path, count: int):
    page = rehearse(app, "-o", "html").output
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            found.append(tag)
            assert not {"src", "href"} & {name for name, _ in attributes}

    Tags().feed(page)
    assert found.count("div") == count
    assert "research-HyperPod.HyperPodED6AB1C4 8.0 min" in page


def test_an_edit_after_the_creation(app: Path, platforms: Platforms):
    after = platforms.edited("hyperpod.yaml", {"tags": {"owner": "ml"}})
    for arguments in ((app, "--then", after), (after, "--from", app)):
        result = rehearse(*arguments, "-o", "json")
        report = json.loads(result.output)
        assert [act["title"] for act in report["acts"]] == ["creation", "update"]
        assert {outcome["status"] for outcome in report["acts"][1]["outcomes"]} <= {"UPDATE_COMPLETE", "UNCHANGED"}
        assert result.exit_code == 0, report["findings"]


def test_a_fault_is_reported_with_its_fix(app: Path):
    result = rehearse(app, "--fail", "research-HyperPod.HyperPodED6AB1C4")
    assert result.exit_code == 0, result.output
    assert "1 fault: after 1 of them the next deployment succeeds" in result.output
    assert (
        "  research-HyperPod.HyperPodED6AB1C4 fails: ROLLBACK_COMPLETE; to do: deploy again: the CDK CLI deletes the "
        "rolled-back stack first"
    ) in result.output


def test_an_interrupted_deployment_is_deployed_again(app: Path):
    result = rehearse(app, "--interrupt", "research-Eks.EksClusterB2BDED5B")
    assert result.exit_code == 0, result.output
    assert (
        "  research-Eks.EksClusterB2BDED5B interrupted: INTERRUPTED; to do: wait until CloudFormation has finished with the "
        "stack (until then it rejects updates), and deploy again"
    ) in result.output
    assert re.search(r"^    billed in the meantime: .*1 AWS::EC2::NatGateway", result.output, re.M)


def test_each_resource_can_fail_in_turn(tmp_path: Path):
    template = {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Data": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        }
    }
    (tmp_path / "net.template.json").write_text(json.dumps(template))
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "net.template.json"}}
    artifact["environment"] = "aws://unknown-account/unknown-region"
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "50.0.0", "artifacts": {"net": artifact}}))
    result = rehearse(tmp_path, "--fail-each", "-o", "json")
    report = json.loads(result.output)
    assert [drill["resource"] for drill in report["drills"]] == ["net.Vpc", "net.Data"]
    # the new bucket remains after the rollback: its deletion policy is Retain, not RetainExceptOnCreate
    assert [drill["left"] != [] for drill in report["drills"]] == [True, True]
    assert result.exit_code == 1


def test_resources_without_a_model_are_reported_in_each_format(app: Path):
    note = "Helm: the release hyperpod-dependencies creates the objects in a list for the chart helm_chart/HyperPodHelmChart"
    assert f"not modeled, but assumed to succeed:\n  {note}" in rehearse(app).output
    assert [item.startswith(note) for item in json.loads(rehearse(app, "-o", "json").output)["not_modelled"]] == [True]
    assert note in rehearse(app, "-o", "html").output


def test_several_faults_are_played_one_by_one_also_on_an_update(app: Path, platforms: Platforms):
    after = platforms.edited("hyperpod.yaml", {"tags": {"owner": "ml"}})
    cluster, vpc = "research-HyperPod.HyperPodED6AB1C4", "research-Network.NetworkVpcFAC8F4A5"
    wait = "research-HyperPod.HyperPodNodesReady345B42B8"
    faults = ("--fail", cluster, "--fail", vpc, "--interrupt", vpc, "--lose", wait)
    report = json.loads(rehearse(after, "--from", app, *faults, "-o", "json").output)
    assert [(drill["resource"], drill["status"]) for drill in report["drills"]] == [
        (cluster, "UPDATE_ROLLBACK_COMPLETE"),
        (vpc, "UPDATE_ROLLBACK_COMPLETE"),
        (wait, None),
        (vpc, "INTERRUPTED"),
    ]
    assert {item["status"] for drill in report["drills"] for item in drill["again"]} == {"UPDATE_COMPLETE", "UNCHANGED"}
    assert [act["title"] for act in report["acts"]] == ["creation", "update"], (
        "the deployment without faults is also simulated"
    )
    text = rehearse(after, "--from", app, "--lose", wait).output
    assert f"  {wait} lost: nothing fails, because this deployment does not change it; to do: nothing" in text


def test_rejected_input_exits_with_1(app: Path):
    result = rehearse(app, "--no-nodes", "system")
    assert result.exit_code == 1
    assert "error HPR01 research-HyperPod: ROLLBACK_COMPLETE" in result.output
    assert "no capacity is available (injected)" in result.output


def test_a_resource_that_does_not_exist_cannot_fail(app: Path):
    result = rehearse(app, "--fail", "research-HyperPod.Nothing")
    assert result.exit_code == 2
    assert "the app has no resource research-HyperPod.Nothing" in result.output


def test_a_factor_has_to_be_a_number(app: Path):
    result = rehearse(app, "--slow", "node")
    assert result.exit_code == 2
    assert "'node' is not of the form STEP=FACTOR" in result.output


def test_without_the_extra_the_package_to_install_is_reported(app: Path, monkeypatch: pytest.MonkeyPatch):
    for cached in (schemas.schema, schemas._names, schemas._folder):
        cached.cache_clear()
    monkeypatch.setattr(schemas.importlib.util, "find_spec", lambda name: None)
    result = rehearse(app)
    monkeypatch.undo()
    schemas._folder.cache_clear()
    assert result.exit_code == 1
    assert "pip install 'hyperpod-constructs[rehearse]'" in result.output
