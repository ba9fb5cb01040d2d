"""Removes edges from a set of templates, to show that a proof detects the missing order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyperpod_constructs.assembly.graph._assembly import Source, Stack, load
from hyperpod_constructs.assembly.graph._model import COMPLETE, START, Edge, Graph
from hyperpod_constructs.assembly.graph._references import CUT, Reference, cut, references


def without_edge(source: Source, *edges: Edge) -> tuple[Stack, ...]:
    """Returns the same stacks without these edges: no `DependsOn`, and literals in place of references.

    Raises `ValueError` for an edge that does not exist, or that cannot be removed (between a resource and its stack).

    >>> templates = {"A": {"Resources": {"One": {"Type": "T"}, "Two": {"Type": "T", "DependsOn": "One"}}}}
    >>> edge, = Graph.of(templates).path("A.One", "A.Two")
    >>> Graph.of(without_edge(templates, edge)).before("A.One", "A.Two")
    False
    """
    stacks = load(source)
    for edge in edges:
        graph = Graph(stacks)
        if edge.inherent or not any(edge.first == link.first and edge.then == link.then for link in graph.edges()):
            raise ValueError(f"{edge.first} -> {edge.then} is not an edge that can be removed from these templates")
        stacks = tuple(_cut_stack(graph, stack, edge) for stack in stacks)
    return stacks


def _cut_stack(graph: Graph, stack: Stack, edge: Edge) -> Stack:
    if edge.then == stack.name + START:
        kept = tuple(name for name in stack.depends_on if name + COMPLETE != edge.first)
        if kept != stack.depends_on:
            return replace(stack, depends_on=kept)
    then = edge.then.removesuffix(START)  # the dependencies of a nested stack are those of its resource
    owner, _, logical_id = then.rpartition(".")
    if owner == stack.name and logical_id in stack.resources:
        body = _cut_resource(graph, stack, dict(stack.resources[logical_id]), edge)
        return replace(stack, template={**stack.template, "Resources": {**stack.resources, logical_id: body}})
    if not then.startswith(stack.name + "."):
        return stack
    return replace(stack, nested={key: _cut_stack(graph, inner, edge) for key, inner in stack.nested.items()})


def _cut_resource(graph: Graph, stack: Stack, body: dict[str, Any], edge: Edge) -> dict[str, Any]:
    def matches(reference: Reference) -> bool:
        return edge.first in graph.targets(stack, reference)

    depends_on = body.get("DependsOn") or []
    names = [depends_on] if isinstance(depends_on, str) else depends_on
    body["DependsOn"] = [name for name in names if f"{stack.name}.{name}" != edge.first]
    if any(matches(reference) for reference in references(body.get("Properties"))):
        body["Properties"] = cut(body["Properties"], matches)
    return body


__all__ = ["CUT", "without_edge"]
