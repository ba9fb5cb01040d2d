"""Exact paths, cuts, cycles and waves of the graph, also across stacks and regions."""

from __future__ import annotations

from typing import Any

import pytest
from order_cases import att, ref, resource, template

from hyperpod_constructs.assembly.graph import (
    CycleError,
    Edge,
    Graph,
    OrderRule,
    Selector,
    Stack,
    prove,
    without_edge,
)


def plain(*depends: str, **overrides: Any) -> dict[str, Any]:
    return {"Type": "T", "DependsOn": list(depends), **overrides}


def chain(edges: tuple[Edge, ...]) -> list[tuple[str, str, str]]:
    return [(edge.first, edge.then, edge.reason) for edge in edges]


# Paths


def test_a_path_through_a_nested_stack_and_a_stack_without_resources() -> None:
    nested = Stack("B.Nested", template(Queue=resource("T")))
    stacks = [
        Stack("A", template(X=resource("T"))),
        Stack("Empty", template(), depends_on=("A", "Unknown")),
        Stack("B", template(Nested=resource("N")), depends_on=("Empty",), nested={"Nested": nested}),
    ]
    graph = Graph(stacks)
    assert chain(graph.path("A.X", "B.Nested.Queue")) == [
        ("A.X", "A (complete)", "within the stack"),
        ("A (complete)", "Empty (start)", "stack dependency"),
        ("Empty (start)", "Empty (complete)", "within the stack"),
        ("Empty (complete)", "B (start)", "stack dependency"),
        ("B (start)", "B.Nested (start)", "within the stack"),
        ("B.Nested (start)", "B.Nested.Queue", "within the stack"),
    ]
    assert graph.before("A.X", "B.Nested.Queue")
    assert graph.path("A.X", "A.X") == ()
    with pytest.raises(KeyError):
        graph.before("A.X", "A.Y")


def test_stacks_that_do_not_depend_on_each_other_have_no_order() -> None:
    graph = Graph([Stack("A", template(X=resource("T"))), Stack("B", template(Y=resource("T")))])
    assert not graph.before("A (start)", "B.Y")
    assert graph.before("A (start)", "A.X")


def test_conditions_of_resources_and_of_nested_stacks() -> None:
    nested = Stack("S.Nested", template(Queue=plain(Condition="Small")))
    graph = Graph([Stack("S", template(Nested=plain(Condition="Big"), One=plain()), nested={"Nested": nested})])
    found = {name: resource.conditions for name, resource in graph.resources.items()}
    assert found == {
        "S.Nested": frozenset({"S.Big"}),
        "S.Nested.Queue": frozenset({"S.Big", "S.Nested.Small"}),
        "S.One": frozenset(),
    }


def test_a_conditional_resource_is_on_no_path_between_others() -> None:
    graph = Graph.of({"S": template(A=plain(), Maybe=plain("A", Condition="C"), B=plain("A", "Maybe"))})
    assert chain(graph.critical_edges("S.A", "S.B")) == [("S.A", "S.B", "DependsOn")]
    assert chain(graph.critical_edges("S.A", "S.Maybe")) == [("S.A", "S.Maybe", "DependsOn")]


def test_critical_edges_and_a_cut_of_two_ways() -> None:
    graph = Graph.of({"S": template(A=plain(), B=plain("A"), C=plain("B", "A"), D=plain("C"))})
    assert chain(graph.critical_edges("S.A", "S.D")) == [("S.C", "S.D", "DependsOn")]
    assert chain(graph.critical_edges("S.A", "S.B")) == [("S.A", "S.B", "DependsOn")]
    assert graph.critical_edges("S.A", "S.C") == ()
    assert chain(graph.cut_set("S.A", "S.C")) == [("S.A", "S.C", "DependsOn"), ("S.B", "S.C", "DependsOn")]
    assert graph.critical_edges("S.B", "S.A") == graph.cut_set("S.B", "S.A") == ()


def test_an_order_by_nesting_only_cannot_be_cut() -> None:
    nested = Stack("S.Nested", template(Queue=resource("T")))
    graph = Graph([Stack("S", template(Nested=resource("N")), nested={"Nested": nested})])
    with pytest.raises(ValueError, match=r"^S\.Nested follows S\.Nested\.Queue by nesting only$"):
        graph.cut_set("S.Nested.Queue", "S.Nested")


def test_the_message_of_a_cycle() -> None:
    graph = Graph.of({"S": template(A=plain("C"), B=plain("A"), C=plain("B"), D=plain("C"), Z=plain())})
    with pytest.raises(CycleError, match=r"^dependency cycle: S\.B -> S\.C -> S\.A -> S\.B$") as error:
        graph.waves()
    assert error.value.cycle == ("S.B", "S.C", "S.A", "S.B")


def test_waves() -> None:
    stacks = [
        Stack("A", template(X=plain(), Y=plain("X"))),
        Stack("B", template(One=plain(), Two=plain()), depends_on=("A",)),
        Stack("C", template(P=plain(), Q=plain("P"), R=plain("Q"), S=plain("R"))),
    ]
    assert Graph(stacks).waves() == (("A.X", "C.P"), ("A.Y", "C.Q"), ("B.One", "B.Two", "C.R"), ("C.S",))


# Other stacks and regions

OUT = {"Outputs": {"Id": {"Value": ref("Vpc"), "Export": {"Name": "vpc"}}}, "Resources": {"Vpc": resource("T")}}
OUTPUT = {"StackName": "Net", "OutputName": "Id"}


@pytest.mark.parametrize(
    ("producer", "consumer", "value", "ordered"),
    [
        ("", "", {"Fn::ImportValue": "vpc"}, True),
        ("", "aws://1/us-west-2", {"Fn::ImportValue": "vpc"}, True),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::ImportValue": "vpc"}, True),
        ("aws://2/us-west-2", "aws://1/us-west-2", {"Fn::ImportValue": "vpc"}, False),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::ImportValue": ref("Name")}, False),
        ("", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT}, True),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT}, True),
        ("aws://1/eu-west-1", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT}, False),
        ("aws://1/eu-west-1", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT | {"Region": "eu-west-1"}}, True),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT | {"StackName": ref("N")}}, False),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::GetStackOutput": OUTPUT | {"OutputName": "No"}}, False),
        ("aws://1/us-west-2", "aws://1/us-west-2", {"Fn::GetStackOutput": "Net.Id"}, False),
    ],
    ids=str,
)
def test_exports_and_outputs_by_account_and_region(producer: str, consumer: str, value: Any, ordered: bool) -> None:
    stacks = [
        Stack("Net", OUT, environment=producer),
        Stack("App", template(User=resource("T", Of=value)), environment=consumer),
    ]
    graph = Graph(stacks)
    assert graph.before("Net.Vpc", "App.User") is ordered
    ((kind, target),) = value.items()
    assert list(graph.unresolved) == ([] if ordered else [f"App: {kind} {target}"])


def test_stacks_of_one_name() -> None:
    with pytest.raises(ValueError, match=r"^two stacks are named 'S'; stack names must be unique$"):
        Graph([Stack("S", template()), Stack("S", template())])


# Cutting


def test_only_the_edge_that_is_named_is_cut() -> None:
    """Not the same logical id in another stack, and not another stack that a stack depends on."""
    other = {"Resources": {"B": plain(Properties={"Of": {"Fn::ImportValue": "a"}})}}
    stacks = (
        Stack(
            "S", template(A=plain(), B=plain("A")) | {"Outputs": {"A": {"Value": ref("A"), "Export": {"Name": "a"}}}}
        ),
        Stack("T", other),
        Stack("U", template(C=plain()), depends_on=("S", "T")),
    )
    (edge,) = Graph(stacks).critical_edges("S.A", "S.B")
    first, *others = without_edge(stacks, edge)
    assert first.resources == {"A": plain(), "B": plain()}
    assert others == list(stacks[1:])
    dependency = Edge("T (complete)", "U (start)", "stack dependency")
    assert [stack.depends_on for stack in without_edge(stacks, dependency)] == [(), (), ("S",)]
    assert without_edge(stacks) == stacks


def test_an_edge_inside_a_nested_stack_is_cut() -> None:
    nested = Stack("S.Nested", template(A=plain(), B=plain("A")))
    stacks = (Stack("S", template(Nested=resource("N"), One=plain()), nested={"Nested": nested}),)
    (edge,) = Graph(stacks).critical_edges("S.Nested.A", "S.Nested.B")
    (found,) = without_edge(stacks, edge)
    assert found.nested["Nested"].resources == {"A": plain(), "B": plain()}
    assert found.resources == stacks[0].resources


@pytest.mark.parametrize("first", ["S (start)", "S.B"])
def test_what_no_template_can_lose(first: str) -> None:
    edge = Edge(first, "S.A", "within the stack" if "start" in first else "DependsOn")
    with pytest.raises(ValueError) as error:
        without_edge({"S": template(A=plain(), B=plain())}, edge)
    assert str(error.value) == f"{first} -> S.A is not an edge that can be removed from these templates"


# Cuts of a proof


def rule(**fields: Any) -> OrderRule:
    texts = {"id": "a-before-b", "why": "it reads it", "on_deletion": "it writes to it", "per_cluster": False}
    return OrderRule(first=Selector("a", ("A",)), then=Selector("b", ("B",)), **{**texts, **fields})


GATED = rule(gate=Selector("w", ("Wait",)), per_cluster=True)


@pytest.mark.parametrize(
    ("order", "resources", "cuts"),
    [
        (rule(), {"A": {"Type": "A"}, "B": {"Type": "B", "DependsOn": "A"}}, [["A B"]]),
        (rule(), {"A": {"Type": "A"}, "B": {"Type": "B"}}, []),
        (  # two paths, which are lost together
            rule(),
            {"A": {"Type": "A"}, "M": plain("A"), "B": {"Type": "B", "DependsOn": ["A", "M"]}},
            [["A B", "M B"]],
        ),
        (
            GATED,
            {"A": {"Type": "A"}, "W": {"Type": "Wait", "DependsOn": "A"}, "B": {"Type": "B", "DependsOn": "W"}},
            [["A W"], ["W B"]],
        ),
        (  # out of order, although a path around the gate exists
            GATED,
            {"A": {"Type": "A"}, "W": {"Type": "Wait"}, "B": {"Type": "B", "DependsOn": ["A", "W"]}},
            [],
        ),
    ],
    ids=str,
)
def test_the_cuts_of_a_pair(order: OrderRule, resources: dict[str, Any], cuts: list[list[str]]) -> None:
    found = prove({"S": {"Resources": resources}}, [order]).cuts()
    names = [[f"{edge.first} {edge.then}".replace("S.", "") for edge in edges] for _, edges in found]
    assert names == cuts


def test_pairs_that_rely_on_one_edge_are_cut_once_and_pairs_by_nesting_never() -> None:
    nested = Stack("Two.N", template(A={"Type": "A"}))
    stacks = [
        Stack("One", template(A={"Type": "A"}, More={"Type": "A"})),
        Stack("Two", template(N={"Type": "B"}), depends_on=("One",), nested={"N": nested}),
    ]
    proof = prove(stacks, [rule()])
    assert [(pair.first, pair.then) for pair in proof.pairs] == [
        ("One.A", "Two.N"),
        ("One.More", "Two.N"),
        ("Two.N.A", "Two.N"),
    ]
    assert [(pair.first, chain(edges)) for pair, edges in proof.cuts()] == [
        ("One.A", [("One (complete)", "Two (start)", "stack dependency")])
    ]


def test_stacks_that_wait_for_each_other_in_the_report() -> None:
    stacks = [Stack("A", template(), depends_on=("B",)), Stack("B", template(X=att("X")), depends_on=("A",))]
    assert prove(stacks).cycle == ("A (complete)", "B (start)", "B (complete)", "A (start)", "A (complete)")
