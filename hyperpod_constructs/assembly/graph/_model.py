"""The happens-before graph of a set of stacks.

A resource is a node; an edge says that CloudFormation (or `cdk deploy`, between stacks) completes one node before it
starts the other, and on deletion in the reverse order. A stack adds two nodes, its start and its completion, so that
"stack B depends on stack A" and "the resources of a nested stack follow the dependencies of the nested stack" are
single edges. Only certain dependencies are edges: a reference inside one branch of `Fn::If` counts only if its target
exists in exactly that branch, and a conditional resource orders only resources that exist together with it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hyperpod_constructs.assembly.graph._assembly import Source, Stack, load
from hyperpod_constructs.assembly.graph._references import Reference, references

START, COMPLETE = " (start)", " (complete)"
_WITHIN = "within the stack"


@dataclass(frozen=True, eq=False, slots=True)
class Resource:
    """One resource of one stack. `id` is `stack.LogicalId`, unique in the set."""

    id: str
    logical_id: str
    stack: Stack
    type: str
    properties: Mapping[str, Any]
    conditions: frozenset[str]

    @property
    def path(self) -> str:
        """The construct path if it is known, otherwise the logical id."""
        body = self.stack.resources[self.logical_id]
        return str(
            self.stack.paths.get(self.logical_id) or body.get("Metadata", {}).get("aws:cdk:path") or self.logical_id
        )


@dataclass(frozen=True, slots=True)
class Edge:
    """`first` is complete before `then` starts. `reason` names the cause, such as `DependsOn`."""

    first: str
    then: str
    reason: str

    @property
    def inherent(self) -> bool:
        """True for edges that no template can change: a resource is inside its stack."""
        return self.reason == _WITHIN


class CycleError(ValueError):
    """The templates cannot be deployed: `cycle` lists the nodes, the first again at the end."""

    def __init__(self, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        super().__init__("dependency cycle: " + " -> ".join(cycle))


class Graph:
    """The order of resources; `Graph.of(templates)` creates it."""

    def __init__(self, stacks: Iterable[Stack]) -> None:
        self.stacks = tuple(stacks)
        self.resources: dict[str, Resource] = {}
        self.unresolved: dict[str, None] = {}
        """Exports and stack outputs that no stack of the set provides; the proof omits dependencies through them."""
        self._nodes: dict[str, int] = {}
        self._names: list[str] = []
        self._before: list[dict[int, str]] = []
        self._conditions: list[frozenset[str]] = []
        self._parents: dict[str, tuple[Stack, str]] = {}
        self._all_stacks: dict[str, Stack] = {}
        for stack in self.stacks:
            self._add_stack(stack, frozenset())
        self._exports = self._index_exports()
        self._outputs = self._index_outputs()
        for resource in self.resources.values():
            self._connect(resource)
        for stack in self.stacks:
            for other in stack.depends_on:
                if other in self._all_stacks:
                    self._edge(other + COMPLETE, stack.name + START, "stack dependency")

    @classmethod
    def of(cls, source: Source) -> Graph:
        """Returns the graph of any source that `load` accepts."""
        return cls(load(source))

    # Building

    def _node(self, name: str, conditions: frozenset[str]) -> None:
        self._nodes[name] = len(self._names)
        self._names.append(name)
        self._before.append({})
        self._conditions.append(conditions)

    def _edge(self, first: str, then: str, reason: str) -> None:
        self._before[self._nodes[then]].setdefault(self._nodes[first], reason)

    def _add_stack(self, stack: Stack, conditions: frozenset[str]) -> None:
        if stack.name in self._all_stacks:
            raise ValueError(f"two stacks are named {stack.name!r}; stack names must be unique")
        self._all_stacks[stack.name] = stack
        self._node(stack.name + START, conditions)
        self._node(stack.name + COMPLETE, conditions)
        self._edge(stack.name + START, stack.name + COMPLETE, _WITHIN)
        for logical_id, body in stack.resources.items():
            condition = body.get("Condition")
            conditions_here = conditions | {f"{stack.name}.{condition}"} if condition else conditions
            identity = f"{stack.name}.{logical_id}"
            self.resources[identity] = Resource(
                identity, logical_id, stack, str(body.get("Type", "")), body.get("Properties") or {}, conditions_here
            )
            self._node(identity, conditions_here)
            self._edge(stack.name + START, identity, _WITHIN)
            self._edge(identity, stack.name + COMPLETE, _WITHIN)
            if logical_id in stack.nested:
                inner = stack.nested[logical_id]
                self._parents[inner.name] = (stack, logical_id)
                self._add_stack(inner, conditions_here)
                self._edge(inner.name + COMPLETE, identity, _WITHIN)
                self._edge(stack.name + START, inner.name + START, _WITHIN)

    def _connect(self, resource: Resource) -> None:
        inner = resource.stack.nested.get(resource.logical_id)
        then = inner.name + START if inner else resource.id
        for reference in references(resource.properties):
            for first in self.targets(resource.stack, reference):
                if first != resource.id:
                    self._edge(first, then, reference.kind)
        depends_on = resource.stack.resources[resource.logical_id].get("DependsOn") or ()
        for logical_id in [depends_on] if isinstance(depends_on, str) else depends_on:
            if logical_id in resource.stack.resources:
                self._edge(f"{resource.stack.name}.{logical_id}", then, "DependsOn")

    # References

    def targets(self, stack: Stack, reference: Reference) -> Iterator[str]:
        """Returns the ids of the resources that a reference depends on, through exports and stack outputs."""
        if reference.kind in ("Ref", "Fn::GetAtt"):
            body = stack.resources.get(reference.target) if isinstance(reference.target, str) else None
            if body is not None and reference.guard <= {body.get("Condition")}:
                yield f"{stack.name}.{reference.target}"
            return
        if reference.guard:
            return
        exporter = self.exporter(stack, reference)
        if exporter:
            for inner in references(exporter[1]):
                yield from self.targets(exporter[0], inner)

    def exporter(self, stack: Stack, reference: Reference) -> tuple[Stack, Any] | None:
        """Returns the stack and the value of `Fn::ImportValue` or `Fn::GetStackOutput`; None for one outside the set."""
        found: tuple[Stack, Any] | None = None
        if reference.kind == "Fn::ImportValue":
            name = static_text(reference.target, stack)
            found = self._exports.get((stack.environment, name or "")) or self._exports.get(("", name or ""))
        elif isinstance(reference.target, dict):
            name = static_text(reference.target.get("StackName"), stack)
            output = static_text(reference.target.get("OutputName"), stack)
            region = static_text(reference.target.get("Region"), stack) or _region(stack)
            found = self._outputs.get((name or "", output or "", region)) or self._outputs.get(
                (name or "", output or "", "")
            )
        if found is None:
            self.unresolved[f"{stack.name}: {reference.kind} {reference.target}"] = None
        return found

    def parameter(self, stack: Stack, name: str) -> tuple[Stack, Any] | None:
        """The stack and the value bound to a nested stack's parameter."""
        parent = self._parents.get(stack.name)
        if parent is None:
            return None
        properties = parent[0].resources[parent[1]].get("Properties") or {}
        bound = properties.get("Parameters") or {}
        return (parent[0], bound[name]) if name in bound else None

    def _index_exports(self) -> dict[tuple[str, str], tuple[Stack, Any]]:
        found: dict[tuple[str, str], tuple[Stack, Any]] = {}
        for stack in self._all_stacks.values():
            for output in (stack.template.get("Outputs") or {}).values():
                name = static_text((output.get("Export") or {}).get("Name"), stack)
                if name:
                    found.setdefault((stack.environment, name), (stack, output.get("Value")))
        return found

    def _index_outputs(self) -> dict[tuple[str, str, str], tuple[Stack, Any]]:
        return {
            (stack.deployed_name, key, _region(stack)): (stack, output.get("Value"))
            for stack in self.stacks
            for key, output in (stack.template.get("Outputs") or {}).items()
        }

    # Queries

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Returns node numbers in an order in which CloudFormation may create them. Raises `CycleError`."""
        waiting = [len(before) for before in self._before]
        after = self._after
        ready = deque(node for node, count in enumerate(waiting) if count == 0)
        order: list[int] = []
        while ready:
            node = ready.popleft()
            order.append(node)
            for follower in after[node]:
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    ready.append(follower)
        if len(order) < len(self._names):
            raise CycleError(self._find_cycle({node for node, count in enumerate(waiting) if count}))
        return tuple(order)

    @cached_property
    def _after(self) -> list[list[int]]:
        after: list[list[int]] = [[] for _ in self._names]
        for node, before in enumerate(self._before):
            for first in before:
                after[first].append(node)
        return after

    def _find_cycle(self, candidates: set[int]) -> tuple[str, ...]:
        """Finds a cycle: each node that never became ready has such a predecessor, so following them repeats a node."""
        trail: list[int] = []
        position: dict[int, int] = {}
        node = min(candidates)
        while node not in position:
            position[node] = len(trail)
            trail.append(node)
            node = next(first for first in self._before[node] if first in candidates)
        loop = trail[position[node] :][::-1]
        return tuple(self._names[n] for n in (*loop, loop[0]))

    @cached_property
    def _ancestors(self) -> list[int]:
        """Returns, for each node, the set of nodes before it, as the bits of an integer."""
        ancestors = [0] * len(self._names)
        for node in self.order:
            bits = 0
            for first in self._before[node]:
                bits |= 1 << first
                if self._conditions[first] <= self._conditions[node]:
                    bits |= ancestors[first]
            ancestors[node] = bits
        return ancestors

    def before(self, first: str, then: str) -> bool:
        """True when `first` is always complete before `then` starts. Raises `CycleError`, `KeyError` for unknown ids."""
        start, two = self._nodes[first], self._nodes[then]
        if self._ancestors[two] >> start & 1:
            return True
        return bool(self._has_conditions and self.path(first, then))

    @cached_property
    def _has_conditions(self) -> bool:
        return any(self._conditions)

    def path(self, first: str, then: str, without: Container[tuple[str, str]] = ()) -> tuple[Edge, ...]:
        """Returns a shortest chain of edges from `first` to `then` that are not in `without`; empty if there is none."""
        start, two = self._nodes[first], self._nodes[then]
        allowed = self._conditions[start] | self._conditions[two]
        next_of: dict[int, int] = {two: two}
        queue = deque([two])
        while queue and start not in next_of:
            node = queue.popleft()
            for before in self._before[node]:
                if (self._names[before], self._names[node]) in without:
                    continue
                if before not in next_of and (before == start or self._conditions[before] <= allowed):
                    next_of[before] = node
                    queue.append(before)
        if start not in next_of or start == two:
            return ()
        edges: list[Edge] = []
        while start != two:
            edges.append(self._describe(start, next_of[start]))
            start = next_of[start]
        return tuple(edges)

    def critical_edges(self, first: str, then: str) -> tuple[Edge, ...]:
        """Returns the removable edges on every path from `first` to `then`: removing any of them breaks the order."""
        start, two = self._nodes[first], self._nodes[then]
        allowed = self._conditions[start] | self._conditions[two]
        from_first, to_then = [0] * len(self._names), [0] * len(self._names)
        from_first[start] = to_then[two] = 1

        def passable(node: int) -> bool:
            return node in (start, two) or self._conditions[node] <= allowed

        for node in self.order:
            if node != start and passable(node):
                from_first[node] = sum(from_first[before] for before in self._before[node])
        for node in reversed(self.order):
            if node != two and passable(node):
                to_then[node] = sum(to_then[after] for after in self._after[node])
        total = from_first[two]
        found = [
            self._describe(before, node)
            for node in self.order
            for before in self._before[node]
            if total and from_first[before] * to_then[node] == total
        ]
        return tuple(edge for edge in found if not edge.inherent)

    def cut_set(self, first: str, then: str) -> tuple[Edge, ...]:
        """Returns edges whose removal leaves no path from `first` to `then`.

        Raises `ValueError` if the order results from nested stacks only, which no template change can break.
        """
        removed: set[tuple[str, str]] = set()
        cuts: list[Edge] = []
        while path := self.path(first, then, removed):
            edge = next((edge for edge in reversed(path) if not edge.inherent), None)
            if edge is None:
                raise ValueError(f"{then} follows {first} by nesting only")
            removed.add((edge.first, edge.then))
            cuts.append(edge)
        return tuple(cuts)

    def edges(self) -> Iterator[Edge]:
        """Every edge."""
        for node, before in enumerate(self._before):
            for first in before:
                yield self._describe(first, node)

    def _describe(self, first: int, then: int) -> Edge:
        return Edge(self._names[first], self._names[then], self._before[then][first])

    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Returns resource ids by the earliest step at which they can be created: wave n waits only for waves before n."""
        step = [0] * len(self._names)
        for node in self.order:
            for first in self._before[node]:
                weight = 1 if self._names[first] in self.resources else 0
                step[node] = max(step[node], step[first] + weight)
        waves: dict[int, list[str]] = {}
        for identity in self.resources:
            waves.setdefault(step[self._nodes[identity]], []).append(identity)
        return tuple(tuple(waves[key]) for key in sorted(waves))


def _region(stack: Stack) -> str:
    return stack.environment.rpartition("/")[2]


_PSEUDO = re.compile(r"\$\{(AWS::(?:StackName|Region|AccountId))\}")


def static_text(value: object, stack: Stack) -> str | None:
    """Returns the text of a value that depends only on the stack's own name and environment; None otherwise."""
    account, _, region = stack.environment.removeprefix("aws://").partition("/")
    known = {"AWS::StackName": stack.deployed_name, "AWS::Region": region, "AWS::AccountId": account}
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        return None
    (key, argument), *_ = value.items()
    if key == "Ref" and argument in known:
        return known[argument]
    if key == "Fn::Sub" and isinstance(argument, str):
        text = _PSEUDO.sub(lambda found: known[found.group(1)], argument)
        return None if "${" in text else text
    if key == "Fn::Join" and isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], list):
        parts = [static_text(part, stack) for part in argument[1]]
        return None if None in parts else str(argument[0]).join(part for part in parts if part is not None)
    return None
