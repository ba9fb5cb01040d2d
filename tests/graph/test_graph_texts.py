"""Exact texts of the order proof, and files that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from order_cases import CASES, att, from_existing, k8s_object, ref, resource, template
from test_order_rules import TABLE_BEFORE_FUNCTION, case, violated

from hyperpod_constructs.assembly.graph import Stack, order_table, prove
from hyperpod_constructs.assembly.graph.__main__ import main
from hyperpod_constructs.assembly.graph._model import static_text

TABLE, FUNCTION = resource("AWS::DynamoDB::Table"), resource("AWS::Lambda::Function")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.json",
            "",
            "{path} is not a CloudFormation template in JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        ("a.json", "[]", "{path} is not a CloudFormation template: it has no Resources"),
        ("a.json", '{"Resources": []}', "{path} is not a CloudFormation template: it has no Resources"),
        ("a.yaml", "Outputs: {}", "{path} is not a CloudFormation template: it has no Resources"),
    ],
)
def test_a_file_that_is_not_a_template(
    name: str, content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main([str(path)]) == 2
    assert capsys.readouterr().err == message.format(path=path) + "\n"


def test_the_help_and_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert " ".join(capsys.readouterr().out.split()) == (
        "usage: python -m hyperpod_constructs.assembly.graph [-h] [--json] [--table] [templates ...] Prove the deployment "
        "order. positional arguments: templates a cdk.out folder or template files options: -h, --help show this help "
        "message and exit --json print JSON --table print the rules as a Markdown table and exit"
    )
    assert main(["--table"]) == 0
    assert capsys.readouterr().out == order_table()


def test_the_folder_of_cdk_is_read_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cdk.out").mkdir()
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "cdk.out is not a cloud assembly: it has no manifest.json (run `cdk synth` first)\n"
    )
    Path("cdk.out/manifest.json").write_text('{"artifacts": {}}')
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("deploy order: 0 pairs of 0 resources checked, all in order\n")


def test_the_short_forms_of_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "Resources:\n"
        "  A: {Type: T}\n"
        "  B: {Type: T, Properties: {P: !Ref A}}\n"
        "  C: {Type: T, Properties: {P: !GetAtt B.Arn}}\n"
        "  D: {Type: T, Properties: {P: !Join ['', [!Ref C]]}}\n"
        "  E: {Type: T, Properties: {P: !Sub '${D}'}}\n"
        "  F: {Type: T, Properties: {P: !Select [0, [!GetAtt [E, Arn]]]}}\n"
    )
    graph = prove(str(path)).graph
    assert [graph.before(f"a.{earlier}", f"a.{later}") for earlier, later in zip("ABCDE", "BCDEF", strict=True)] == [
        True
    ] * 5


def test_the_report_of_a_violation() -> None:
    proof = prove({"S": template(Table=TABLE, Fn=FUNCTION)}, [TABLE_BEFORE_FUNCTION])
    assert proof.render() == (
        "deploy order: 1 pair of 2 resources checked, 1 out of order\n"
        "  table-before-function 1\n"
        "table-before-function: Fn (AWS::Lambda::Function, stack S) does not depend on Table (AWS::DynamoDB::Table, "
        "stack S)\n"
        "  why:      it reads the table when it starts\n"
        "  deletion: it writes when it ends\n"
        "  fix:      Fn.node.add_dependency(Table)"
    )
    assert proof.as_json() == json.dumps(proof.as_dict(), indent=2)
    assert proof.as_dict() == {
        "holds": False,
        "resources": 2,
        "checked": {"table-before-function": 1},
        "cycle": [],
        "violations": [
            {
                "rule": "table-before-function",
                "first": "S.Table",
                "then": "S.Fn",
                "missing": ["S.Table", "S.Fn"],
                "explanation": "Fn (AWS::Lambda::Function, stack S) does not depend on Table "
                "(AWS::DynamoDB::Table, stack S)",
                "why": "it reads the table when it starts",
                "deletion": "it writes when it ends",
                "fix": "Fn.node.add_dependency(Table)",
            }
        ],
        "not_followed": [],
    }
    finding = proof.violations[0].finding()
    assert (finding.severity, finding.path) == ("error", "S.Fn")
    assert finding.consequence == "it reads the table when it starts; on deletion: it writes when it ends."
    assert (finding.cure, finding.source) == ("Fn.node.add_dependency(Table)", "docs/order.md")


def test_the_report_of_a_proved_order_and_of_a_cycle() -> None:
    function = {**FUNCTION, "DependsOn": ["Table"]}
    assert prove({"S": template(Table=TABLE, Fn=function)}, [TABLE_BEFORE_FUNCTION]).render() == (
        "deploy order: 1 pair of 2 resources checked, all in order\n  table-before-function 1"
    )
    assert prove({"S": template(Fn=FUNCTION)}, [TABLE_BEFORE_FUNCTION]).render() == (
        "deploy order: 0 pairs of 1 resource checked, all in order\n  table-before-function - nothing to check"
    )
    circle = prove({"S": template(Table={**TABLE, "DependsOn": "Fn"}, Fn=function)}, [TABLE_BEFORE_FUNCTION])
    lines = circle.render().splitlines()
    assert len(lines) == 4
    assert [line.split(".")[0] for line in lines[1:]] == ["  S", "  -> S", "  -> S"]
    assert (circle.checked, circle.pairs, circle.holds) == ({"table-before-function": 0}, (), False)


WAIT = "Ready (Custom::HyperPodKubernetesWait, stack Platform)"
DNS, NODES = "Dns (AWS::EKS::Addon, stack Platform)", "HyperPod (AWS::SageMaker::Cluster, stack Platform)"


@pytest.mark.parametrize(
    ("missing_gate", "depends", "message", "missing", "fix"),
    [
        (
            False,
            [("Ready", "HyperPod")],
            f"{DNS} does not depend on the nodes-ready wait, {WAIT}",
            ("Platform.Ready", "Platform.Dns"),
            "Dns.node.add_dependency(Ready)",
        ),
        (
            False,
            [("Dns", "HyperPod")],
            f"the nodes-ready wait, {WAIT}, does not depend on {NODES}",
            ("Platform.HyperPod", "Platform.Ready"),
            "Ready.node.add_dependency(HyperPod)",
        ),
        (
            True,
            [("Dns", "HyperPod")],
            f"no nodes-ready wait exists between {NODES} and {DNS}",
            ("Platform.HyperPod", "Platform.Dns"),
            "add a nodes-ready wait that depends on HyperPod, and call Dns.node.add_dependency() with it",
        ),
    ],
)
def test_a_gate(
    missing_gate: bool, depends: list[tuple[str, str]], message: str, missing: tuple[str, str], fix: str
) -> None:
    templates = case("nodes-before-addons", *depends)
    if missing_gate:
        del templates["Platform"]["Resources"]["Ready"]
    (found,) = [violation for violation in prove(templates).violations if violation.rule.id == "nodes-before-addons"]
    assert (found.explanation, found.missing, found.fix) == (message, missing, fix)


def test_a_gate_of_another_cluster_is_none() -> None:
    templates = case("nodes-before-addons", ("Ready", "HyperPod"), ("Dns", "Ready"))
    templates["Platform"]["Resources"]["Ready"]["Properties"]["ClusterName"] = "another"
    assert [violation.rule.id for violation in prove(templates).violations if violation.then.endswith("Dns")] == [
        "nodes-before-addons"
    ]


@pytest.mark.parametrize(
    ("block", "subnet", "holds"),
    [
        ("10.1.0.0/16", "10.1.0.0/17", True),
        ("10.1.0.0/16", "10.1.0.0/16", True),
        ("10.1.2.3/16", "10.1.2.3/17", True),
        ("10.1.0.0/17", "10.1.0.0/16", False),
        ("10.1.0.0/16", 167837696, False),
        ("10.1.0.0/16", "10.2.0.0/17", False),
        ("10.1.0.0/16", "fd00::/64", False),
        ("10.1.0.0/16", {"Ref": "Block"}, False),
        ("10.1", "10.1.0.0/17", False),
        (att("Ipam", "Cidr"), "10.1.0.0/17", False),
    ],
)
def test_the_blocks_around_a_subnet(block: Any, subnet: Any, holds: bool) -> None:
    templates = case("address-block-before-subnets")
    resources = templates["Platform"]["Resources"]
    resources["Block"]["Properties"]["CidrBlock"], resources["Subnet"]["Properties"]["CidrBlock"] = block, subnet
    earlier, later = (f"Platform.{name}" for name in CASES["address-block-before-subnets"][1:3])
    assert ((earlier, later) in violated(templates, "address-block-before-subnets")) is holds


def test_fields_of_an_object_are_set_when_it_is_there() -> None:
    templates = case("originals-before-copies")
    fields = from_existing(k8s_object("Deployment", "coredns", "kube-system"), FieldsOnly="true")
    templates["Platform"]["Resources"]["Servers"] = fields
    assert violated(templates, "originals-before-copies") == [("Platform.Dns", "Platform.Servers")]
    del fields["Properties"]["FieldsOnly"]
    assert violated(templates, "originals-before-copies") == []


def test_unresolved_references_are_reported() -> None:
    rule = resource("AWS::Events::Rule", Name={"Fn::ImportValue": "net-vpc"})
    assert prove({"App": template(Rule=rule)}).render().endswith("\nnot followed: App: Fn::ImportValue net-vpc")


@pytest.mark.parametrize("name", ["A", "B"])
def test_an_add_on_of_a_nested_stack_belongs_to_the_cluster_that_its_parameter_names(name: str) -> None:
    clusters = {f"Eks{value}": resource("AWS::EKS::Cluster") for value in "AB"} | {
        f"Hp{value}": resource("AWS::SageMaker::Cluster", Orchestrator={"Eks": {"ClusterArn": att(f"Eks{value}")}})
        for value in "AB"
    }
    inner = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"Cni": resource("AWS::EKS::Addon", AddonName="vpc-cni", ClusterName=ref("Name"))},
    }
    nested = resource("AWS::CloudFormation::Stack", Parameters={"Name": ref(f"Eks{name}")})
    stack = Stack("S", template(**clusters, Nested=nested), nested={"Nested": Stack("S.Nested", inner)})
    assert violated([stack], "core-addons-before-cluster") == [("S.Nested.Cni", f"S.Hp{name}")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ({"Ref": "AWS::AccountId"}, "111122223333"),
        ({"Ref": "AWS::Region"}, "us-west-2"),
        ({"Ref": "AWS::StackName"}, "deployed"),
        ({"Ref": "Other"}, None),
        ({"Fn::Sub": "${AWS::StackName}-${AWS::Region}-${AWS::AccountId}"}, "deployed-us-west-2-111122223333"),
        ({"Fn::Sub": "${Other}"}, None),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]}, "a-us-west-2"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Other"}]]}, None),
        ({"Fn::Join": ["-", {"Ref": "Other"}]}, None),
        ({"Fn::Join": ["-"]}, None),
        ({"Fn::GetAtt": ["A", "B"]}, None),
        ({"Ref": "AWS::Region", "Fn::Sub": "a"}, None),
        (1, None),
    ],
)
def test_texts_that_are_known_without_a_deployment(value: object, text: str | None) -> None:
    stack = Stack("S", template(), stack_name="deployed", environment="aws://111122223333/us-west-2")
    assert static_text(value, stack) == text


def test_the_metrics_permission_of_restricted_nodes_is_not_required_at_boot() -> None:
    templates = case("role-policies-before-clusters")
    resources = templates["Platform"]["Resources"]
    resources["NodesRestrictedMetrics1"] = resources.pop("Policy")
    assert violated(templates, "role-policies-before-clusters") == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Platform/Chart/Resource/Default", "Platform/Chart"),
        ("Platform/Chart/Default", "Platform/Chart"),
        ("Platform/Chart", "Platform/Chart"),
    ],
)
def test_a_fix_names_the_construct_of_a_resource(path: str, name: str) -> None:
    templates = case("chart-before-cluster")
    templates["Platform"]["Resources"]["Chart"]["Metadata"] = {"aws:cdk:path": path}
    (found,) = [violation for violation in prove(templates).violations if violation.rule.id == "chart-before-cluster"]
    assert found.fix == f"HyperPod.node.add_dependency({name})"


@pytest.mark.parametrize("name", ["JobChartAccess1", "JobManifestAccess1"])
def test_a_policy_for_one_chart_or_manifest_concerns_no_other_resource(name: str) -> None:
    templates = case("handler-policies-before-custom-resources")
    resources = templates["Platform"]["Resources"]
    assert violated(templates, "handler-policies-before-custom-resources") == [("Platform.FnPolicy", "Platform.Job")]
    resources[name] = resources.pop("FnPolicy")
    assert violated(templates, "handler-policies-before-custom-resources") == []
