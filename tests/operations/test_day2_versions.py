"""`hyperpod versions`, `addons`, `upgrade-plan` and `preflight` as a user runs them."""

from __future__ import annotations

import json
from datetime import date

import pytest
from accounts import ADDONS, addon_versions, calendar, eks, healthy, installed, service_quotas
from preflight_platforms import new
from proving import every

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.live.upgrade.plan import NoUpgradePath, plan
from hyperpod_constructs.live.upgrade.versions import matrix

OPERATOR = "amazon-sagemaker-hyperpod-training-operator"
GOVERNANCE = "amazon-sagemaker-hyperpod-taskgovernance"
OBSERVABILITY = "amazon-sagemaker-hyperpod-observability"


@pytest.fixture(autouse=True)
def today():
    with use_clock(date(2026, 11, 23)):
        yield


CONFIG = """
name: research
region: us-west-2
network: {availability_zone_ids: [usw2-az1, usw2-az2]}
eks: {kubernetes_version: "1.33", cluster_name: control}
cluster:
  instance_groups:
    - {name: system, instance_type: ml.m5.4xlarge, count: 2}
    - {name: workers, instance_type: ml.p5.48xlarge, count: 4, availability_zone_id: usw2-az2}
addons: {training_operator: {}, observability: {}}
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG)
    return file


def test_versions_from_the_catalog(run):
    found = {load["version"]: load for load in json.loads(run("versions", "-o", "json").stdout)}
    assert (found["1.34"]["status"], found["1.34"]["days_left"]) == ("standard", 9)
    assert found["1.35"]["hyperpod"] is True
    assert "1.30" not in found
    assert "1.30" in run("versions", "--all").stdout
    assert run("versions").stdout.splitlines()[0].split()[:2] == ["VERSION", "SUPPORT"]


def test_versions_live(aws, run):
    aws.on("eks", "DescribeClusterVersions", calendar())
    aws.page_size = 2
    found = json.loads(run("versions", "--live", "-o", "json").stdout)
    assert [item["version"] for item in found] == ["1.36", "1.35", "1.34", "1.33", "1.31"]
    assert [item["version"] for item in found if item["default"]] == ["1.35"]
    assert aws.received("eks", "DescribeClusterVersions")[0]["includeAll"] is True


def test_addons_from_the_catalog(run):
    found = {load["addon"]: load["versions"] for load in json.loads(run("addons", "-o", "json").stdout)}
    assert found[OBSERVABILITY]["1.31"] is None
    assert found[OBSERVABILITY]["1.35"] == "v1.2.0-eksbuild.3"
    assert "vpc-cni" not in found
    assert "vpc-cni" in run("addons", "--all").stdout


def test_addons_live(aws, run):
    aws.on("eks", "DescribeAddonVersions", addon_versions({**ADDONS, "amazon-sagemaker-spaces": {}}))
    result = run("addons", "--live", "--kubernetes", "1.31", "--kubernetes", "1.35", "-o", "json")
    found = {load["addon"]: load for load in json.loads(result.stdout)}
    assert found[GOVERNANCE]["versions"] == {"1.31": "v1.6.1-eksbuild.1", "1.35": "v1.6.1-eksbuild.1"}
    assert found[GOVERNANCE]["defaults"]["1.35"] == "v1.6.1-eksbuild.1"
    assert found[OBSERVABILITY]["versions"]["1.31"] is None
    assert found["amazon-sagemaker-spaces"]["versions"]["1.35"] is None


def test_addons_live_without_permission(aws, run):
    aws.fail("eks", "DescribeAddonVersions", "AccessDeniedException", status=403)
    result = run("addons", "--live")
    assert result.exit_code == 1
    assert "access denied" in result.output


def test_the_plan_has_a_step_for_each_minor_version(run, config):
    result = run("upgrade-plan", config, "--to", "1.35", "-o", "json")
    assert result.exit_code == 0, result.output
    upgrade_plan = json.loads(result.stdout)
    assert (upgrade_plan["platform"], upgrade_plan["source"], upgrade_plan["target"], upgrade_plan["state"]) == (
        "research",
        "1.33",
        "1.35",
        "ready",
    )
    assert [(step["source"], step["target"]) for step in upgrade_plan["steps"]] == [("1.33", "1.34"), ("1.34", "1.35")]
    step = upgrade_plan["steps"][0]
    assert step["change"] == {"eks.kubernetes_version": '"1.34"'}
    order = ["control plane", "core add-ons", "HyperPod add-ons", "dependency chart", "node software"]
    assert [action["part"] for action in step["actions"]] == order
    assert every(action["commands"] and action["undo"] for action in step["actions"])
    undo = step["actions"][0]["undo"]
    assert "within 7 days" in undo
    assert "aws eks update-cluster-version --name control --kubernetes-version 1.33 --region us-west-2" in undo
    gates = {gate["name"]: gate["state"] for gate in step["gates"]}
    assert gates[OPERATOR] == "ready"
    assert {"EKS", "node images", "kubectl layer", "dependency chart", "vpc-cni"} <= set(gates)


def test_the_plan_as_text(run, config):
    text = run("upgrade-plan", config, "--to", "1.34").stdout
    first = text.splitlines()[0]
    assert first == "Upgrade of research from Kubernetes 1.33 to 1.34: 1 step, ready. (catalog of 2026-11-23)"
    for part in (
        f"$ npx cdk deploy --context config={config} research-Eks",
        'eks.kubernetes_version: "1.34"',
        "hyperpod software update",
        "If you stay on 1.33:",
    ):
        assert part in text


def test_the_cost_of_staying():
    def cost_of(version, **overrides):
        return plan(new(eks={"kubernetes_version": version, **overrides}), "1.36").staying

    assert "0.60 instead of 0.10 USD per hour, about 365 USD per month more" in cost_of("1.33")[0]
    assert "1.34 is in standard support until 2026-12-02, 9 days from now" in cost_of("1.34")[0]
    assert "EKS then upgrades the control plane automatically" in cost_of("1.34")[1]
    assert "After that, extended support of the control plane costs 0.60" in cost_of("1.34", support="EXTENDED")[1]
    assert cost_of("1.30") == ("1.30 has been out of support since 2026-07-23.",)


def test_a_version_that_hyperpod_does_not_document_blocks(run, config):
    result = run("upgrade-plan", config, "--from", "1.35", "--to", "1.36", "-o", "json")
    assert result.exit_code == 1
    [step] = json.loads(result.stdout)["steps"]
    assert (step["state"], step["blocked_by"]) == ("blocked", ["node images"])
    gate = next(gate for gate in step["gates"] if gate["name"] == "node images")
    assert gate["meanwhile"] == "stay on 1.35 until it is documented"


def test_an_addon_without_a_version_blocks_the_upgrade_and_has_an_alternative():
    platform = new(eks={"kubernetes_version": "1.34"}, addons={"task_governance": {}, "observability": {}})
    lagging = [
        *matrix([GOVERNANCE], ["1.34", "1.35"]),
    ]
    lagging = [
        item.__class__(name=item.name, versions={"1.34": "v1", "1.35": None}, defaults={}, every={}) for item in lagging
    ]
    [step] = plan(platform, "1.35", supports=lagging).steps
    assert [gate.name for gate in step.blocked_by] == [GOVERNANCE]
    assert step.blocked_by[0].meanwhile.startswith("stay on 1.34; or remove it and use Kueue installed by Helm")


def test_a_version_that_is_out_of_support_blocks():
    [step, *_] = plan(new(eks={"kubernetes_version": "1.28"}), "1.29").steps
    assert "EKS" in [gate.name for gate in step.blocked_by]


def test_pinned_addon_versions_are_part_of_the_change(aws, run, tmp_path):
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG.replace("training_operator: {}", "training_operator: {version: v1.2.0-eksbuild.1}"))
    compatible = {"v1.2.0-eksbuild.1": ["1.33"], "v1.3.0-eksbuild.1": ["1.33", "1.34"]}
    aws.on("eks", "DescribeClusterVersions", calendar())
    aws.on("eks", "DescribeAddonVersions", addon_versions({OPERATOR: compatible}))
    aws.on("eks", "DescribeCluster", eks("control", version="1.33"))
    aws.on("eks", "ListInsights", {"insights": []})
    installed(aws, {})
    result = run("upgrade-plan", file, "--to", "1.34", "--live", "-o", "json")
    upgrade_plan = json.loads(result.stdout)
    assert upgrade_plan["facts"] == "EKS in us-west-2, now"
    [step] = upgrade_plan["steps"]
    assert step["change"]["addons.training_operator.version"] == "v1.3.0-eksbuild.1"
    gate = next(gate for gate in step["gates"] if gate["name"] == OPERATOR)
    assert gate["state"] == "ready"
    assert "v1.2.0-eksbuild.1 does not support 1.34" in gate["detail"]


@pytest.fixture
def live(aws):
    aws.on("eks", "DescribeClusterVersions", calendar())
    aws.on("eks", "DescribeAddonVersions", addon_versions(ADDONS))
    aws.on("eks", "DescribeCluster", eks("control", version="1.34"))
    aws.on("eks", "ListInsights", {"insights": []})
    installed(aws, {})
    return aws


def insight(version, status):
    state = {"status": status, "reason": "flowcontrol/v1beta3 is in use"}
    return {"name": "Deprecated APIs", "kubernetesVersion": version, "insightStatus": state}


@pytest.mark.parametrize(("status", "state"), [("PASSING", "ready"), ("WARNING", "unknown"), ("ERROR", "blocked")])
def test_live_the_insights_of_eks_are_gates(live, run, config, status, state):
    live.on("eks", "ListInsights", {"insights": [insight("1.35", status), insight("1.36", "ERROR")]})
    upgrade_plan = json.loads(run("upgrade-plan", config, "--to", "1.35", "--live", "-o", "json").stdout)
    gates = [gate for gate in upgrade_plan["steps"][0]["gates"] if gate["name"] == "EKS insight: Deprecated APIs"]
    assert [(gate["state"], gate["detail"]) for gate in gates] == [(state, "flowcontrol/v1beta3 is in use")]
    assert upgrade_plan["state"] == state
    assert live.received("eks", "ListInsights")[0]["filter"] == {"categories": ["UPGRADE_READINESS"]}


@pytest.mark.parametrize(
    ("versions", "state", "text"),
    [
        ({"v1": ["1.34", "1.35"]}, "ready", "v1 is installed but not managed by this config; it supports 1.35"),
        ({"v1": ["1.34"], "v2": ["1.35"]}, "ready", "update it to v2 for 1.35"),
        ({"v1": ["1.34"]}, "blocked", "no version for 1.35"),
    ],
)
def test_live_what_others_installed_counts(live, run, config, versions, state, text):
    installed(live, {"aws-guardduty-agent": "v1"})
    live.on("eks", "DescribeAddonVersions", addon_versions({**ADDONS, "aws-guardduty-agent": versions}))
    upgrade_plan = json.loads(run("upgrade-plan", config, "--to", "1.35", "--live", "-o", "json").stdout)
    gate = next(gate for gate in upgrade_plan["steps"][0]["gates"] if gate["name"] == "aws-guardduty-agent")
    assert (gate["state"], text in gate["detail"]) == (state, True)


def test_live_the_version_is_the_clusters(live, run, config):
    upgrade_plan = json.loads(run("upgrade-plan", config, "--to", "1.35", "--live", "-o", "json").stdout)
    assert (upgrade_plan["source"], upgrade_plan["state"]) == ("1.34", "ready")


def test_an_existing_cluster_is_upgraded_by_the_aws_cli():
    platform = new(eks={"existing": {"cluster_name": "shared"}})
    [step] = plan(platform, "1.35", source="1.34").steps
    assert step.change == {}
    assert step.actions[0].commands == (
        "aws eks update-cluster-version --name shared --kubernetes-version 1.35 --region us-west-2",
        "aws eks wait cluster-active --name shared --region us-west-2",
    )
    assert "core add-ons" not in [action.part for action in step.actions]


def test_nothing_to_do(run, config):
    result = run("upgrade-plan", config, "--to", "1.33")
    assert (result.exit_code, "no upgrade required" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("1.35", "1.33", "EKS can roll back one minor version, within 7 days of an upgrade"),
        ("1.35", "latest", "'latest' is not a valid Kubernetes version"),
        ("1.35", "2.1", "no upgrade path is known from 1.35 to 2.1"),
        (
            "1.35",
            "1.99",
            "Kubernetes 1.99 is not a known EKS version; known versions: 1.29, 1.30, 1.31, 1.32, 1.33, 1.34, 1.35, 1.36, "
            "1.37",
        ),
    ],
)
def test_a_target_without_an_upgrade_path_is_rejected(run, config, source, target, text):
    with pytest.raises(NoUpgradePath):
        plan(new(), target, source=source)
    result = run("upgrade-plan", config, "--from", source, "--to", target)
    assert result.exit_code == 2
    assert text in result.output


def test_preflight_without_findings(aws, run, tmp_path):
    healthy(aws)
    aws.fail("eks", "DescribeCluster", "ResourceNotFoundException", status=404)
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG.replace('"1.33"', '"1.35"'))
    result = run("preflight", file)
    assert result.exit_code == 0, result.output
    assert result.stdout == "no findings\n"
    assert "facts of 2026-11-23; checked in us-west-2" in result.stderr


def test_preflight_findings_have_their_place_in_the_file(aws, run, tmp_path):
    healthy(aws)
    aws.fail("eks", "DescribeCluster", "ResourceNotFoundException", status=404)
    service_quotas(aws, sagemaker={"ml.p5.48xlarge for cluster usage": 1})
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG.replace('"1.33"', '"1.35"'))
    result = run("preflight", file, "--format", "json", "--profile", "me")
    assert result.exit_code == 1
    [finding] = json.loads(result.stdout)["findings"]
    assert (finding["rule"], finding["path"], finding["line"]) == ("HP910", "cluster.instance_groups[1]", 9)
    assert aws.profiles == ["me"]
    assert f"{file}:9" in run("preflight", file).stdout
    assert "::error file=" in run("preflight", file, "--format", "github").stdout


def test_a_preflight_without_responses_fails(aws, run, tmp_path):
    """With exit code 0, a pipeline would continue without the checks."""
    healthy(aws)
    aws.fail("eks", "DescribeCluster", "ResourceNotFoundException", status=404)
    aws.fail("ec2", "DescribeAvailabilityZones", "UnauthorizedOperation", status=403)
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG.replace('"1.33"', '"1.35"'))
    result = run("preflight", file)
    assert result.exit_code == 3, result.output
    assert "HP903" in result.stdout
    assert "some checks could not be completed" in result.stderr
    file.write_text(file.read_text() + "acknowledge: [{rule: HP903, reason: our role may not}]\n")
    assert run("preflight", file).exit_code == 0
    for seconds in ("0", "-1", "nan", "soon"):
        assert run("preflight", file, "--timeout", seconds).exit_code == 2


def test_preflight_of_an_invalid_config_sends_no_request(aws, run, tmp_path):
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG.replace("ml.p5.48xlarge", "ml.p5.48xlage"))
    result = run("preflight", file)
    assert result.exit_code == 1
    assert "HP301" in result.stdout
    assert "the account was not checked" in result.stderr
    assert aws.calls == []


def test_preflight_with_an_unknown_profile(run, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    file = tmp_path / "hyperpod.yaml"
    file.write_text(CONFIG)
    result = run("preflight", file, "--profile", "nobody")
    assert result.exit_code == 1
    assert "no credentials: The config profile (nobody) could not be found" in result.output
