"""The happens-before graph: references, conditions, stacks, files, and its properties on random templates."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_cases import att, ref, resource, template
from proving import every

from hyperpod_constructs.assembly.graph import Graph, Stack, load, prove, without_edge


def two(value: Any) -> Graph:
    return Graph.of({"S": template(One=resource("T"), Two=resource("T", Value=value))})


# References


@pytest.mark.parametrize(
    "value",
    [
        ref("One"),
        att("One"),
        {"Fn::GetAtt": "One.Arn"},
        {"Fn::GetAtt": ["One", "Nested.Attribute"]},
        {"Fn::Sub": "x-${One}"},
        {"Fn::Sub": "x-${ One.Arn }"},
        {"Fn::Sub": ["x-${One}-${v}", {"v": "literal"}]},
        {"Fn::Sub": ["x-${v}", {"v": ref("One")}]},
        {"Fn::Join": ["", ["arn:", {"Fn::Select": [0, {"Fn::Split": ["/", ref("One")]}]}]]},
        {"Fn::If": ["C", ref("One"), att("One")]},
        [{"Deep": [{"Er": ref("One")}]}],
    ],
    ids=str,
)
def test_each_form_of_reference_orders(value: Any) -> None:
    assert two(value).before("S.One", "S.Two")
    assert not two(value).before("S.Two", "S.One")


@pytest.mark.parametrize(
    "value",
    [
        "One",
        {"Fn::Sub": "x-${!One}"},
        {"Fn::Sub": ["x-${One}", {"One": "a variable of its own"}]},
        {"Fn::If": ["C", ref("One"), ref("AWS::NoValue")]},
        {"Ref": "AWS::Region"},
        {"One": "a key, not a reference", "Other": 1},
    ],
    ids=str,
)
def test_conditional_dependencies_do_not_order(value: Any) -> None:
    assert not two(value).before("S.One", "S.Two")


def test_depends_on_as_text_and_as_list() -> None:
    graph = Graph.of(
        {"S": template(A=resource("T"), B={"Type": "T", "DependsOn": "A"}, C={"Type": "T", "DependsOn": ["B"]})}
    )
    assert graph.before("S.A", "S.C")
    assert [edge.reason for edge in graph.path("S.A", "S.C")] == ["DependsOn", "DependsOn"]
    assert graph.waves() == (("S.A",), ("S.B",), ("S.C",))


def test_depends_on_something_outside_the_template_orders_nothing() -> None:
    graph = Graph.of({"S": template(A=resource("T"), B={"Type": "T", "DependsOn": ["Elsewhere", "A"]})})
    assert graph.waves() == (("S.A",), ("S.B",))


def test_a_conditional_resource_carries_order_only_between_resources_that_exist_with_it() -> None:
    resources = {
        "First": {"Type": "T"},
        "Middle": {"Type": "T", "Condition": "Big", "DependsOn": "First"},
        "Then": {"Type": "T", "DependsOn": "Middle"},
        "BigThen": {"Type": "T", "Condition": "Big", "DependsOn": "Middle"},
        "After": {"Type": "T", "Condition": "Big", "DependsOn": "Then"},
    }
    graph = Graph.of({"S": {"Resources": resources}})
    assert graph.before("S.Middle", "S.Then")
    assert not graph.before("S.First", "S.Then")
    assert graph.before("S.First", "S.BigThen")
    assert graph.before("S.First", "S.After")


def test_a_reference_in_one_branch_counts_when_its_target_exists_in_that_branch() -> None:
    conditional = {"Type": "T", "Condition": "C"}
    value = {"Fn::If": ["C", ref("One"), "none"]}
    assert Graph.of({"S": template(One=conditional, Two=resource("T", V=value))}).before("S.One", "S.Two")
    other = {"Fn::If": ["C", "none", ref("One")]}
    assert not Graph.of({"S": template(One=conditional, Two=resource("T", V=other))}).before("S.One", "S.Two")


def test_a_reference_to_what_the_template_does_not_have_orders_nothing() -> None:
    graph = Graph.of({"S": template(Two=resource("T", A=ref("Nothing"), B=ref("AWS::Region"), C=att("Parameter")))})
    assert graph.waves() == (("S.Two",),)
    assert list(graph.edges()) == [edge for edge in graph.edges() if edge.inherent]
    assert not graph.unresolved


# Stacks

PRODUCER = {
    "Resources": {"Vpc": {"Type": "AWS::EC2::VPC"}, "Other": {"Type": "T"}},
    "Outputs": {"Out": {"Value": ref("Vpc"), "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-vpc"}}}},
}


def consumer(value: Any) -> dict[str, Any]:
    return template(User=resource("T", Vpc=value))


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::ImportValue": "net-vpc"},
        {"Fn::ImportValue": {"Fn::Join": ["-", ["net", "vpc"]]}},
        {"Fn::Sub": ["${v}", {"v": {"Fn::ImportValue": "net-vpc"}}]},
        {"Fn::GetStackOutput": {"StackName": "net", "Region": "us-west-2", "OutputName": "Out"}},
        {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Out"}},
    ],
    ids=str,
)
def test_references_between_stacks(value: Any) -> None:
    environment = "aws://111122223333/us-west-2"
    stacks = [
        Stack("Network", PRODUCER, stack_name="net", environment=environment),
        Stack("App", consumer(value), environment=environment),
    ]
    graph = Graph(stacks)
    assert graph.before("Network.Vpc", "App.User")
    assert not graph.before("Network.Other", "App.User")
    assert not graph.unresolved


def test_exports_of_another_region_are_ignored_and_reported() -> None:
    stacks = [
        Stack("Network", PRODUCER, stack_name="net", environment="aws://1/eu-west-1"),
        Stack("App", consumer({"Fn::ImportValue": "net-vpc"}), environment="aws://1/us-west-2"),
    ]
    assert not Graph(stacks).before("Network.Vpc", "App.User")
    assert "App: Fn::ImportValue net-vpc" in prove(stacks).notes


def test_a_stack_dependency_orders_everything() -> None:
    stacks = [Stack("A", template(X=resource("T"))), Stack("B", template(Y=resource("T")), depends_on=("A",))]
    graph = Graph(stacks)
    assert graph.before("A.X", "B.Y")
    assert not graph.before("B.Y", "A.X")
    assert [edge.reason for edge in graph.critical_edges("A.X", "B.Y")] == ["stack dependency"]


def nested_pair() -> Stack:
    inner = {
        "Resources": {"Queue": resource("T", Of=ref("Given")), "Free": {"Type": "T"}},
        "Parameters": {"Given": {"Type": "String"}},
        "Outputs": {"QueueArn": {"Value": att("Queue")}},
    }
    outer = template(
        Topic=resource("T"),
        Nested=resource("AWS::CloudFormation::Stack", Parameters={"Given": ref("Topic")}),
        After=resource("T", Of=att("Nested", "Outputs.QueueArn")),
        Beside=resource("T"),
    )
    return Stack("Outer", outer, nested={"Nested": Stack("Outer.Nested", inner)})


def test_a_nested_stack_starts_after_what_it_is_given_and_is_complete_with_all_it_holds() -> None:
    graph = Graph([nested_pair()])
    assert graph.before("Outer.Topic", "Outer.Nested.Queue")
    assert graph.before("Outer.Topic", "Outer.Nested.Free")
    assert graph.before("Outer.Nested.Free", "Outer.After")
    assert graph.before("Outer.Nested.Free", "Outer.Nested")
    assert not graph.before("Outer.Beside", "Outer.Nested.Queue")


def test_an_edge_into_a_nested_stack_can_be_cut() -> None:
    stacks = load(nested_pair())
    (edge,) = Graph(stacks).critical_edges("Outer.Topic", "Outer.Nested.Queue")
    assert not Graph(without_edge(stacks, edge)).before("Outer.Topic", "Outer.Nested.Queue")


def test_a_cycle_is_reported() -> None:
    proof = prove(
        {"S": template(A=resource("T", B=ref("B")), B=resource("T", C=ref("C")), C=resource("T", A=ref("A")))}
    )
    assert not proof.holds
    assert len(proof.cycle) == 4
    assert proof.cycle[0] == proof.cycle[-1]
    assert set(proof.cycle) == {"S.A", "S.B", "S.C"}
    assert "S.B\n  -> S." in proof.render() or "S.A\n  -> S." in proof.render()


def test_stacks_that_depend_on_each_other_are_a_cycle() -> None:
    stacks = [
        Stack("A", template(X=resource("T")), depends_on=("B",)),
        Stack("B", template(Y=resource("T")), depends_on=("A",)),
    ]
    assert "A (start)" in prove(stacks).cycle


def test_two_stacks_of_one_name_are_rejected() -> None:
    with pytest.raises(ValueError, match="two stacks are named 'S'"):
        Graph([Stack("S", template()), Stack("S", template())])


# Reading

YAML = """
Resources:
  Role: {Type: AWS::IAM::Role}
  Policy: {Type: AWS::IAM::Policy, Properties: {Roles: [!Ref Role]}}
  User: {Type: T, Properties: {A: !GetAtt Policy.Id, B: !Sub "${Role}"}}
"""


def test_template_files_in_json_and_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.template.json").write_text(json.dumps(template(A=resource("T"))))
    (tmp_path / "b.yaml").write_text(YAML)
    stacks = load([tmp_path / "a.template.json", str(tmp_path / "b.yaml")])
    assert [stack.name for stack in stacks] == ["a", "b"]
    assert Graph(stacks).before("b.Role", "b.User")


@pytest.mark.parametrize(("text", "message"), [("{", "not a CloudFormation template in JSON"), ("[]", "no Resources")])
def test_a_file_that_is_not_a_template_is_reported(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "x.json")


def test_a_folder_that_is_not_an_assembly_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run `cdk synth` first"):
        load(tmp_path)


APP = """
import sys
import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm, aws_sqs as sqs

weak = {"@aws-cdk/core:defaultCrossStackReferences": sys.argv[2]}
app = cdk.App(outdir=sys.argv[1], context=weak)
env = cdk.Environment(account="111122223333", region="us-west-2")
stage = cdk.Stage(app, "Prod", env=env)
one, two, three = cdk.Stack(stage, "One"), cdk.Stack(stage, "Two", stack_name="second"), cdk.Stack(stage, "Three")
queue = sqs.Queue(one, "Queue")
nested = cdk.NestedStack(two, "Nested")
inner = sqs.Queue(nested, "Inner", queue_name="i")
ssm.StringParameter(nested, "Inside", string_value=queue.queue_arn)
ssm.StringParameter(two, "Outside", string_value=inner.queue_arn)
three.add_dependency(two)
sqs.Queue(three, "Last")
app.synth()
"""


@pytest.mark.slow
@pytest.mark.parametrize("strength", ["weak", "strong"])
def test_a_cloud_assembly_with_stages_nested_stacks_and_dependencies(tmp_path: Path, strength: str) -> None:
    subprocess.run([sys.executable, "-c", APP, str(tmp_path), strength], check=True, capture_output=True)
    stacks = load(tmp_path)
    assert [stack.name for stack in stacks] == ["Prod/One", "Prod/Two", "Prod/Three"]
    assert [stack.deployed_name for stack in stacks] == ["Prod-One", "second", "Prod-Three"]
    assert {stack.stage for stack in stacks} == {"Prod"}
    graph = Graph(stacks)
    ids = {found.path.split("/")[-2]: found.id for found in graph.resources.values() if "/" in found.path}
    assert graph.before(ids["Queue"], ids["Last"])
    nested_name = next(name for name in graph.resources if "Inside" in name)
    outside = next(name for name in graph.resources if "Outside" in name)
    assert graph.before(ids["Queue"], nested_name)
    assert graph.before(nested_name, outside)
    assert not graph.unresolved
    without_stacks = [Stack(s.name, s.template, s.stack_name, s.environment, nested=s.nested) for s in stacks]
    assert Graph(without_stacks).before(ids["Queue"], nested_name), "by the reference only"
    assert not Graph(without_stacks).before(ids["Queue"], ids["Last"])


# The graph itself, on random templates


@st.composite
def dags(draw: st.DrawFn) -> tuple[int, frozenset[tuple[int, int]]]:
    size = draw(st.integers(2, 9))
    pairs = [(a, b) for b in range(size) for a in range(b)]
    return size, frozenset(draw(st.lists(st.sampled_from(pairs), unique=True, max_size=16)))


def as_templates(size: int, edges: frozenset[tuple[int, int]]) -> dict[str, Any]:
    forms = (lambda n: ref(f"R{n}"), lambda n: att(f"R{n}"), lambda n: {"Fn::Sub": f"${{R{n}}}"})
    resources = {f"R{n}": resource("T", Uses=[]) for n in range(size)}
    for a, b in sorted(edges):
        kind = (a + b) % 4
        if kind == 3:
            resources[f"R{b}"].setdefault("DependsOn", []).append(f"R{a}")
        else:
            resources[f"R{b}"]["Properties"]["Uses"].append(forms[kind](a))
    return {"S": {"Resources": resources}}


def closure(size: int, edges: frozenset[tuple[int, int]]) -> set[tuple[int, int]]:
    reach = set(edges)
    for middle in range(size):
        reach |= {(a, b) for a in range(size) for b in range(size) if (a, middle) in reach and (middle, b) in reach}
    return reach


@given(dags())
@settings(max_examples=60, deadline=None)
def test_reachability_equals_the_transitive_closure(dag: tuple[int, frozenset[tuple[int, int]]]) -> None:
    size, edges = dag
    graph = Graph.of(as_templates(size, edges))
    reach = closure(size, edges)
    for a in range(size):
        for b in range(size):
            if a != b:
                assert graph.before(f"S.R{a}", f"S.R{b}") == ((a, b) in reach)
                assert bool(graph.path(f"S.R{a}", f"S.R{b}")) == ((a, b) in reach)
    waves = {name: number for number, wave in enumerate(graph.waves()) for name in wave}
    assert [(a, b) for a, b in edges if waves[f"S.R{a}"] >= waves[f"S.R{b}"]] == []


@given(dags(), st.data())
@settings(max_examples=60, deadline=None)
def test_cutting_an_edge_is_noticed_exactly_when_it_is_critical(
    dag: tuple[int, frozenset[tuple[int, int]]], data: st.DataObject
) -> None:
    size, edges = dag
    if not edges:
        return
    a, b = data.draw(st.sampled_from(sorted(closure(size, edges))))
    templates = as_templates(size, edges)
    graph = Graph.of(templates)
    earlier, later = f"S.R{a}", f"S.R{b}"
    critical = {(edge.first, edge.then) for edge in graph.critical_edges(earlier, later)}
    for edge in graph.edges():
        if not edge.inherent:
            after = Graph.of(without_edge(templates, edge)).before(earlier, later)
            assert after != ((edge.first, edge.then) in critical)
    assert not Graph.of(without_edge(templates, *graph.cut_set(earlier, later))).before(earlier, later)


@given(dags(), st.data())
@settings(max_examples=40, deadline=None)
def test_an_edge_backwards_is_a_cycle(dag: tuple[int, frozenset[tuple[int, int]]], data: st.DataObject) -> None:
    size, edges = dag
    reach = closure(size, edges)
    if not reach:
        return
    a, b = data.draw(st.sampled_from(sorted(reach)))
    templates = as_templates(size, edges)
    templates["S"]["Resources"][f"R{a}"].setdefault("DependsOn", []).append(f"R{b}")
    cycle = prove(templates).cycle
    assert cycle[0] == cycle[-1]
    known = {(f"S.R{x}", f"S.R{y}") for x, y in edges} | {(f"S.R{b}", f"S.R{a}")}
    assert every(step in known for step in pairwise(cycle))
