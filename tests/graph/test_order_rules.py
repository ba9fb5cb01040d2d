"""Each order rule, the conditions for a pair of resources, and the proof of a complete platform."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from order_cases import BASE, CASES, EKS, HYPERPOD, ROUTE, WAIT, att, ref, resource, template
from order_platform import platform
from proving import proved

from hyperpod_constructs.assembly.graph import (
    ORDER_RULES,
    Graph,
    OrderRule,
    Selector,
    Stack,
    order_table,
    prove,
    without_edge,
)
from hyperpod_constructs.assembly.graph.__main__ import main

ROOT = Path(__file__).parents[2]


def test_every_rule_has_a_case_and_a_unique_id() -> None:
    assert [rule.id for rule in ORDER_RULES] == list(CASES)


def case(rule: str, *depends: tuple[str, str]) -> dict[str, Any]:
    resources = deepcopy({**BASE, **CASES[rule][0]})
    for later, first in depends:
        resources[later].setdefault("DependsOn", []).append(first)
    return {"Platform": {"Resources": resources}}


def violated(templates: Any, rule: str) -> list[tuple[str, str]]:
    return [(violation.first, violation.then) for violation in prove(templates).violations if violation.rule.id == rule]


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_fails_without_the_order_and_passes_with_it(rule: str) -> None:
    _, earlier, later, gate = CASES[rule]
    pair = (f"Platform.{earlier}", f"Platform.{later}")
    assert pair in violated(case(rule), rule)
    right = [(gate, earlier), (later, gate)] if gate else [(later, earlier)]
    proof = prove(case(rule, *right))
    assert pair not in [
        (violation.first, violation.then) for violation in proof.violations if violation.rule.id == rule
    ]
    assert pair in [(finding.first, finding.then) for finding in proof.pairs if finding.rule.id == rule]


@pytest.mark.parametrize("rule", [rule for rule, (*_, gate) in CASES.items() if gate])
def test_a_gate_must_be_between_both_resources(rule: str) -> None:
    _, earlier, later, gate = CASES[rule]
    assert gate
    pair = (f"Platform.{earlier}", f"Platform.{later}")
    for wrong in ([(later, earlier)], [(later, earlier), (gate, earlier)], [(later, earlier), (later, gate)]):
        assert pair in violated(case(rule, *wrong), rule), wrong


def test_the_message_names_both_their_stack_and_the_fix() -> None:
    templates = case("chart-before-cluster")
    templates["Platform"]["Resources"]["HyperPod"]["Metadata"] = {"aws:cdk:path": "Platform/HyperPod/Cluster/Resource"}
    (violation,) = [item for item in prove(templates).violations if item.rule.id == "chart-before-cluster"]
    assert violation.explanation == (
        "HyperPod (AWS::SageMaker::Cluster, stack Platform) "
        "does not depend on Chart (Custom::HyperPodHelmRelease, stack Platform)"
    )
    assert violation.fix == "Platform/HyperPod/Cluster.node.add_dependency(Chart)"
    assert violation.missing == ("Platform.Chart", "Platform.HyperPod")
    assert violation.finding().rule == "chart-before-cluster"


@pytest.mark.parametrize(
    ("depends", "message"),
    [
        ((("Dns", "HyperPod"),), "Ready (Custom::HyperPodKubernetesWait, stack Platform), does not depend on"),
        ((("Ready", "HyperPod"),), "Dns (AWS::EKS::Addon, stack Platform) does not depend on the nodes-ready wait"),
    ],
)
def test_a_gate_that_exists_but_not_between_is_reported(depends: tuple[tuple[str, str], ...], message: str) -> None:
    proof = prove(case("nodes-before-addons", *depends))
    (violation,) = [item for item in proof.violations if item.rule.id == "nodes-before-addons"]
    assert message in violation.explanation


def test_a_missing_gate_is_reported() -> None:
    templates = case("nodes-before-addons", ("Dns", "HyperPod"))
    del templates["Platform"]["Resources"]["Ready"]
    (violation,) = [item for item in prove(templates).violations if item.rule.id == "nodes-before-addons"]
    assert violation.explanation.startswith("no nodes-ready wait exists between HyperPod")


def test_an_active_addon_is_not_a_ready_one() -> None:
    templates = case("cert-manager-before-webhooks", ("Ready", "Certs"), ("Operator", "Ready"))
    assert not violated(templates, "cert-manager-before-webhooks")
    templates["Platform"]["Resources"]["Ready"]["Properties"]["Condition"] = {
        "Type": "AddonActive",
        "AddonName": "cert-manager",
    }
    assert violated(templates, "cert-manager-before-webhooks")


def test_a_role_is_not_its_policies() -> None:
    templates = case("role-policies-before-clusters", ("HyperPod", "Role"), ("Policy", "Role"))
    assert violated(templates, "role-policies-before-clusters")


def test_policies_of_every_function_behind_a_custom_resource_count() -> None:
    resources = {
        "Framework": resource("AWS::Lambda::Function", Role=att("R1"), Environment={"On": att("User"), "W": ref("M")}),
        "User": resource("AWS::Lambda::Function", Role=att("R2")),
        "M": resource("AWS::StepFunctions::StateMachine", RoleArn=att("R3"), Definition={"Fn::Sub": "${Done.Arn}"}),
        "Done": resource("AWS::Lambda::Function", Role=att("R4")),
        **{f"R{n}": resource("AWS::IAM::Role") for n in range(1, 6)},
        **{f"P{n}": resource("AWS::IAM::Policy", Roles=[ref(f"R{n}")]) for n in range(1, 6)},
        "Wait": resource(WAIT, ServiceToken=att("Framework")),
    }
    found = violated({"S": {"Resources": resources}}, "handler-policies-before-custom-resources")
    assert found == [(f"S.P{n}", "S.Wait") for n in range(1, 5)]


def test_routes_of_the_nat_gateways_subnet_count_and_those_of_other_subnets_do_not() -> None:
    resources = {
        **BASE,
        "HyperPod": HYPERPOD,
        "Route": ROUTE,
        "Nat": resource("AWS::EC2::NatGateway", SubnetId=ref("Public")),
        "Public": resource("AWS::EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24"),
        "Other": resource("AWS::EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.1.0/24"),
        "Out": resource("AWS::EC2::Route", RouteTableId=ref("PublicTable"), GatewayId="igw-1"),
        "Unused": resource("AWS::EC2::Route", RouteTableId=ref("OtherTable"), GatewayId="igw-1"),
        "PublicTable": resource("AWS::EC2::RouteTable"),
        "OtherTable": resource("AWS::EC2::RouteTable"),
        "PublicLink": resource(
            "AWS::EC2::SubnetRouteTableAssociation", SubnetId=ref("Public"), RouteTableId=ref("PublicTable")
        ),
        "OtherLink": resource(
            "AWS::EC2::SubnetRouteTableAssociation", SubnetId=ref("Other"), RouteTableId=ref("OtherTable")
        ),
    }
    found = {first for first, _ in violated({"S": {"Resources": resources}}, "routes-before-nodes")}
    assert found == {"S.Route", "S.Association", "S.Out", "S.PublicLink"}


def test_pairs_stay_within_one_cluster() -> None:
    def cluster(name: str) -> dict[str, Any]:
        return {
            f"Eks{name}": resource("AWS::EKS::Cluster"),
            f"Cni{name}": resource("AWS::EKS::Addon", AddonName="vpc-cni", ClusterName=ref(f"Eks{name}")),
            f"Hp{name}": resource("AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": att(f"Eks{name}")}}),
        }

    templates = {"S": template(**cluster("A"), **cluster("B"))}
    assert violated(templates, "core-addons-before-cluster") == [("S.CniA", "S.HpA"), ("S.CniB", "S.HpB")]


def test_an_imported_cluster_is_known_by_its_name() -> None:
    def hyperpod(name: str) -> dict[str, Any]:
        return resource(
            "AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": f"arn:aws:eks:r:1:cluster/{name}"}}
        )

    resources = {
        "Cni": resource("AWS::EKS::Addon", AddonName="vpc-cni", ClusterName="mine"),
        "Mine": hyperpod("mine"),
        "Theirs": hyperpod("theirs"),
    }
    assert violated({"S": {"Resources": resources}}, "core-addons-before-cluster") == [("S.Cni", "S.Mine")]


def test_a_resource_that_does_not_tell_its_cluster_belongs_to_those_of_its_stage() -> None:
    chart = resource("Custom::HyperPodHelmRelease", ServiceToken="arn", Release="hyperpod-dependencies")
    cluster = template(Chart=chart, Eks=EKS, HyperPod=HYPERPOD)
    stacks = [Stack("A/All", cluster, stage="A"), Stack("B/All", cluster, stage="B")]
    assert violated(stacks, "chart-before-cluster") == [
        ("A/All.Chart", "A/All.HyperPod"),
        ("B/All.Chart", "B/All.HyperPod"),
    ]


def test_clusters_are_followed_through_exports_and_nested_stacks() -> None:
    inner = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"Cni": resource("AWS::EKS::Addon", AddonName="vpc-cni", ClusterName=ref("Name"))},
    }
    eks = {
        "Resources": {"Eks": resource("AWS::EKS::Cluster"), "Other": resource("AWS::EKS::Cluster")},
        "Outputs": {"Arn": {"Value": att("Eks"), "Export": {"Name": "arn"}}, "N": {"Value": ref("Eks")}},
    }
    app = template(
        HyperPod=resource("AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": {"Fn::ImportValue": "arn"}}}),
        Nested=resource(
            "AWS::CloudFormation::Stack",
            Parameters={"Name": {"Fn::GetStackOutput": {"StackName": "Eks", "OutputName": "N"}}},
        ),
    )
    stacks = [Stack("Eks", eks), Stack("App", app, nested={"Nested": Stack("App.Nested", inner)})]
    assert violated(stacks, "core-addons-before-cluster") == [("App.Nested.Cni", "App.HyperPod")]


def test_a_manifest_with_tokens_is_read() -> None:
    parts = [
        '[{"kind":"HyperPodPyTorchJob","metadata":{"name":"a","namespace":"',
        ref("Namespace"),
        '"},"spec":{"replicas":',
        ref("Count"),
        "}}]",
    ]
    job = resource("Custom::HyperPodKubernetesObjects", ServiceToken="x", Manifest={"Fn::Join": ["", parts]})
    templates = case("parts-before-jobs")
    templates["Platform"]["Resources"]["Job"] = job
    assert violated(templates, "parts-before-jobs") == [("Platform.Claim", "Platform.Job")]


def test_a_manifest_in_an_asset_is_recognized_by_its_list_of_objects() -> None:
    listed = [{"apiVersion": "v1", "kind": "HyperPodPyTorchJob", "namespace": "hyperpod-ns-blue", "name": "a"}]
    job = resource("Custom::HyperPodKubernetesObjects", ManifestAsset={"Bucket": "b", "Key": "k"}, Objects=listed)
    templates = case("parts-before-jobs")
    templates["Platform"]["Resources"]["Job"] = job
    assert violated(templates, "parts-before-jobs") == [("Platform.Claim", "Platform.Job")]


TABLE_BEFORE_FUNCTION = OrderRule(
    id="table-before-function",
    first=Selector("tables", ("AWS::DynamoDB::Table",)),
    then=Selector("functions", ("AWS::Lambda::Function",)),
    why="it reads the table when it starts",
    on_deletion="it writes when it ends",
    per_cluster=False,
)


def test_own_rules_can_be_proved() -> None:
    templates = {"S": template(Table=resource("AWS::DynamoDB::Table"), Fn=resource("AWS::Lambda::Function"))}
    assert prove(templates, [TABLE_BEFORE_FUNCTION]).checked == {"table-before-function": 1}
    assert not prove(templates, [TABLE_BEFORE_FUNCTION]).holds


def test_a_platform_in_order_is_proved() -> None:
    proof = proved(platform())
    assert [rule for rule, count in proof.checked.items() if not count] == []
    assert sum(proof.checked.values()) == len(proof.pairs)
    assert "all in order" in proof.render()


def test_cutting_any_edge_that_a_rule_relies_on_breaks_the_proof() -> None:
    templates = platform()
    cuts = list(prove(templates).cuts())
    assert len(cuts) > 50
    for pair, edges in cuts:
        broken = prove(without_edge(templates, *edges), [pair.rule])
        assert (pair.first, pair.then) in [(violation.first, violation.then) for violation in broken.violations], edges


def test_of_two_gates_both_are_cut() -> None:
    """Either of them ensures the order, so removing one has no effect."""
    rule = "nodes-before-addons"
    _, earlier, later, gate = CASES[rule]
    assert gate
    templates = case(rule, (gate, earlier), (later, gate))
    resources = templates["Platform"]["Resources"]
    resources["Other"] = deepcopy(resources[gate])
    resources[later]["DependsOn"].append("Other")
    (found,) = [
        (pair, edges) for pair, edges in prove(templates).cuts() if pair.rule.id == rule and pair.then.endswith(later)
    ]
    pair, edges = found
    assert set(pair.gates) == {f"Platform.{gate}", "Platform.Other"}
    assert {(edge.first, edge.then) for edge in edges} == {(item, pair.then) for item in pair.gates}
    for edge in edges:
        assert not violated(without_edge(templates, edge), rule)
    assert violated(without_edge(templates, *edges), rule) == [(pair.first, pair.then)]


def test_an_edge_that_does_not_exist_cannot_be_cut() -> None:
    templates = {"S": template(A=resource("T"), B=resource("T", A=ref("A")))}
    (edge,) = Graph.of(templates).path("S.A", "S.B")
    with pytest.raises(ValueError, match="is not an edge that can be removed from these templates"):
        without_edge(without_edge(templates, edge), edge)


def test_the_report_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "platform.json"
    file.write_text(json.dumps(case("chart-before-cluster")["Platform"]))
    assert main([str(file)]) == 1
    text = capsys.readouterr().out
    assert "chart-before-cluster: HyperPod" in text
    assert "quotas-before-jobs                       - nothing to check" in text
    assert main([str(file), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["checked"]["chart-before-cluster"] == 1
    assert report["holds"] is False
    assert main([str(tmp_path / "missing")]) == 2


def test_the_documentation_contains_the_current_table() -> None:
    text = (ROOT / "docs" / "order.md").read_text(encoding="utf-8")
    assert order_table() in text, (
        "run `python -m hyperpod_constructs.assembly.graph --table` and copy the output to docs/order.md"
    )
    assert [line.split("`")[1] for line in order_table().splitlines()[2:]] == [rule.id for rule in ORDER_RULES]
