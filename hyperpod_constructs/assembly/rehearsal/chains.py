"""The critical path of a deployment, and the longest chain of dependencies that AWS requires."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..graph import ORDER_RULES, Graph, Source, prove
from ..graph._references import references
from .plan import Step


def critical_path(steps: Sequence[Step]) -> list[Step]:
    """Returns the steps that determine the end, first to last: each begins when the previous step is complete."""
    if not steps:
        return []
    by_name = {(step.stack, step.logical_id): step for step in steps}
    path = [max(steps, key=lambda step: step.end)]
    while True:
        now = path[-1]
        before = by_name.get(now.after) if now.after else None
        if before is None:  # the first step of a stack, which waited for another stack
            earlier = [step for step in steps if step.stack != now.stack and step.end <= now.start + 0.001]
            before = max(earlier, key=lambda step: step.end, default=None)
        if before is None or before in path:
            return path[::-1]
        path.append(before)


def imposed_chain(source: Source, steps: Sequence[Step]) -> list[Step]:
    """Returns the longest chain of resources that depend on each other, across stacks.

    A reference requires an order, because its value does not exist earlier, and so does each pair of a deployment order
    rule, including the wait between the two if the rule requires one.
    """
    proof = prove(source, ORDER_RULES)
    graph = proof.graph
    before: dict[str, set[str]] = defaultdict(set)
    for resource in graph.resources.values():
        for reference in references(resource.properties):
            before[resource.id] |= set(graph.targets(resource.stack, reference)) - {resource.id}
    for pair in proof.pairs:
        for gate in pair.gates:
            before[gate].add(pair.first)
            before[pair.then].add(gate)
        if not pair.gates:
            before[pair.then].add(pair.first)
    done = {f"{_name(graph, step)}": step for step in steps if not step.failed}
    best: dict[str, tuple[float, str | None]] = {}
    order = [graph._names[node] for node in graph.order if graph._names[node] in graph.resources]
    for name in order:
        step = done.get(name)
        took = step.end - step.start if step else 0.0
        longest = max(
            ((best[previous][0], previous) for previous in before[name] if previous in best), default=(0.0, None)
        )
        best[name] = (longest[0] + took, longest[1])
    if not best:
        return []
    last: str | None = max(best, key=lambda name: best[name][0])
    chain: list[Step] = []
    while last is not None:
        if last in done:
            chain.append(done[last])
        last = best[last][1]
    return chain[::-1]


def _name(graph: Graph, step: Step) -> str:
    stack = next((stack for stack in graph.stacks if stack.deployed_name == step.stack), None)
    return f"{stack.name if stack else step.stack}.{step.logical_id}"


def minutes(chain: Sequence[Step]) -> float:
    """Returns the duration of a chain in minutes."""
    return sum(step.end - step.start for step in chain) / 60
