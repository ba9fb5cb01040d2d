"""Checks the order rules on a set of templates, and reports proved pairs, violations, and their fixes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hyperpod_constructs.assembly.graph._assembly import Source
from hyperpod_constructs.assembly.graph._model import CycleError, Edge, Graph, Resource
from hyperpod_constructs.assembly.graph._recognize import Templates
from hyperpod_constructs.assembly.graph._rules import ORDER_RULES, OrderRule
from hyperpod_constructs.core.findings import Finding, Severity
from hyperpod_constructs.core.plural import count


@dataclass(frozen=True, slots=True)
class Pair:
    """Two resources that a rule orders, by id; `gates` are the gates between them, if the rule requires one."""

    rule: OrderRule
    first: str
    then: str
    gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A pair that the templates do not order.

    `missing` is the edge, as ids, that would order it; `explanation` says what can happen; `fix` is a line of CDK.
    """

    rule: OrderRule
    first: str
    then: str
    missing: tuple[str, str]
    explanation: str
    fix: str

    def finding(self) -> Finding:
        """Returns the violation as a finding, for reports."""
        return Finding(
            rule=self.rule.id,
            severity=Severity.ERROR,
            path=self.then,
            message=self.explanation,
            consequence=f"{self.rule.why}; on deletion: {self.rule.on_deletion}.",
            cure=self.fix,
            source="docs/order.md",
        )

    def __str__(self) -> str:
        reasons = f"  why:      {self.rule.why}\n  deletion: {self.rule.on_deletion}"
        return f"{self.rule.id}: {self.explanation}\n{reasons}\n  fix:      {self.fix}"


@dataclass(frozen=True)
class OrderProof:
    """The result of a proof. `checked` counts pairs by rule id, so that a rule without pairs is visible."""

    graph: Graph
    pairs: tuple[Pair, ...]
    violations: tuple[Violation, ...]
    checked: dict[str, int]
    cycle: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True if the templates can be deployed, and only in the right order."""
        return not self.violations and not self.cycle

    def path(self, first: str, then: str) -> tuple[Edge, ...]:
        """Returns a shortest chain that orders two resources, by id; empty if there is none."""
        return self.graph.path(first, then)

    def cuts(self) -> Iterator[tuple[Pair, tuple[Edge, ...]]]:
        """Returns sets of edges whose removal breaks each proved pair: each edge on every path, otherwise a cut set.

        A pair that is ordered by nesting only has no set. Duplicate sets of a rule are omitted.
        """
        broken = {(violation.rule.id, violation.first, violation.then) for violation in self.violations}
        seen: set[tuple[str, frozenset[Edge]]] = set()
        for pair in self.pairs:
            if (pair.rule.id, pair.first, pair.then) in broken:
                continue
            for edges in self._cuts_of(pair):
                key = (pair.rule.id, frozenset(edges))
                if edges and key not in seen:
                    seen.add(key)
                    yield pair, edges

    def _cuts_of(self, pair: Pair) -> Iterator[tuple[Edge, ...]]:
        if len(pair.gates) > 1:
            yield tuple({edge: None for gate in pair.gates for edge in self._cut(gate, pair.then)})
            return
        stops = (pair.first, *pair.gates, pair.then)
        for first, then in pairwise(stops):
            critical = self.graph.critical_edges(first, then)
            if critical:
                yield from ((edge,) for edge in critical)
            else:
                yield self._cut(first, then)

    def _cut(self, first: str, then: str) -> tuple[Edge, ...]:
        try:
            return self.graph.cut_set(first, then)
        except ValueError:
            return ()

    def render(self) -> str:
        """Returns the result as text: what was checked, then each violation with its fix."""
        if self.cycle:
            return "the templates cannot be deployed, because they have a circular dependency:\n  " + "\n  -> ".join(
                self.cycle
            )
        total = sum(self.checked.values())
        head = f"deploy order: {count(total, 'pair')} of {count(len(self.graph.resources), 'resource')} checked"
        lines = [f"{head}, {len(self.violations)} out of order" if self.violations else f"{head}, all in order"]
        width = max((len(name) for name in self.checked), default=0)
        lines += [f"  {name:{width}} {count or '- nothing to check'}" for name, count in self.checked.items()]
        lines += [str(violation) for violation in self.violations]
        lines += [f"not followed: {note}" for note in self.notes]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Returns the result as plain data with stable keys."""
        return {
            "holds": self.holds,
            "resources": len(self.graph.resources),
            "checked": self.checked,
            "cycle": list(self.cycle),
            "violations": [
                {
                    "rule": violation.rule.id,
                    "first": violation.first,
                    "then": violation.then,
                    "missing": list(violation.missing),
                    "explanation": violation.explanation,
                    "why": violation.rule.why,
                    "deletion": violation.rule.on_deletion,
                    "fix": violation.fix,
                }
                for violation in self.violations
            ],
            "not_followed": list(self.notes),
        }

    def as_json(self) -> str:
        """Returns the result as JSON text."""
        return json.dumps(self.as_dict(), indent=2)


def prove(source: Source, rules: Iterable[OrderRule] = ORDER_RULES) -> OrderProof:
    """Checks `rules` on every pair of resources of `source` (see `load`) that they apply to.

    A cycle is reported instead of a proof. Raises `FileNotFoundError` and `ValueError` for input that cannot be read.
    """
    graph = Graph.of(source)
    rules = tuple(rules)
    try:
        graph.order  # noqa: B018 - the first use finds a cycle
    except CycleError as error:
        return OrderProof(graph, (), (), {rule.id: 0 for rule in rules}, error.cycle)
    templates = Templates(graph)
    pairs: list[Pair] = []
    violations: list[Violation] = []
    checked: dict[str, int] = {}
    for rule in rules:
        gates = rule.gate.of(templates) if rule.gate else []
        found = [_check(templates, rule, first, then, gates) for first, then in rule.pairs(templates)]
        checked[rule.id] = len(found)
        pairs += [pair for pair, _ in found]
        violations += [violation for _, violation in found if violation]
    return OrderProof(graph, tuple(pairs), tuple(violations), checked, notes=tuple(graph.unresolved))


def _check(
    templates: Templates, rule: OrderRule, first: Resource, then: Resource, gates: list[Resource]
) -> tuple[Pair, Violation | None]:
    before = templates.graph.before
    if rule.gate is None:
        pair = Pair(rule, first.id, then.id)
        return pair, None if before(first.id, then.id) else _violation(rule, first, then)
    clusters = templates.clusters(first) & templates.clusters(then)
    gates = [gate for gate in gates if gate is not then and templates.clusters(gate) & clusters]
    between = tuple(gate.id for gate in gates if before(first.id, gate.id) and before(gate.id, then.id))
    pair = Pair(rule, first.id, then.id, between)
    return pair, None if between else _ungated(templates.graph, rule, rule.gate.title, first, then, gates)


def _violation(rule: OrderRule, first: Resource, then: Resource) -> Violation:
    explanation = f"{_place(then)} does not depend on {_place(first)}"
    return Violation(rule, first.id, then.id, (first.id, then.id), explanation, _fix(first, then))


def _ungated(
    graph: Graph, rule: OrderRule, title: str, first: Resource, then: Resource, gates: list[Resource]
) -> Violation:
    after_first = [gate for gate in gates if graph.before(first.id, gate.id)]
    if after_first:
        gate = after_first[0]
        explanation = f"{_place(then)} does not depend on the {title}, {_place(gate)}"
        return Violation(rule, first.id, then.id, (gate.id, then.id), explanation, _fix(gate, then))
    if gates:
        gate = gates[0]
        explanation = f"the {title}, {_place(gate)}, does not depend on {_place(first)}"
        return Violation(rule, first.id, then.id, (first.id, gate.id), explanation, _fix(first, gate))
    explanation = f"no {title} exists between {_place(first)} and {_place(then)}"
    fix = f"add a {title} that depends on {first.path}, and call {_name(then)}.node.add_dependency() with it"
    return Violation(rule, first.id, then.id, (first.id, then.id), explanation, fix)


def _place(resource: Resource) -> str:
    return f"{resource.logical_id} ({resource.type}, stack {resource.stack.name})"


def _name(resource: Resource) -> str:
    return resource.path.removesuffix("/Default").removesuffix("/Resource")


def _fix(first: Resource, then: Resource) -> str:
    return f"{_name(then)}.node.add_dependency({_name(first)})"


def order_table(rules: Iterable[OrderRule] = ORDER_RULES) -> str:
    """Returns the rules as a Markdown table."""
    lines = ["| rule | first | then | why | on deletion |", "|---|---|---|---|---|"]
    for rule in rules:
        between = f" → {rule.gate.title}" if rule.gate else ""
        lines.append(
            f"| `{rule.id}` | {rule.first.title}{between} | {rule.then.title} | {rule.why} | {rule.on_deletion} |"
        )
    return "\n".join(lines) + "\n"
