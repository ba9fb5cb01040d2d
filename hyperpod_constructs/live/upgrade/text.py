"""Formats an upgrade plan as text."""

from __future__ import annotations

from collections.abc import Iterator

from .plan import Plan, Step


def render(plan: Plan) -> str:
    """Returns the plan as text, in the order of execution."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    count = len(plan.steps)
    if not count:
        yield f"{plan.platform} has Kubernetes {plan.source}: no upgrade required. ({plan.facts})"
    else:
        steps = f"{count} step{'' if count == 1 else 's'}"
        way = f"from Kubernetes {plan.source} to {plan.target}"
        yield f"Upgrade of {plan.platform} {way}: {steps}, {plan.state}. ({plan.facts})"
    for number, step in enumerate(plan.steps, 1):
        yield ""
        yield from _step(number, step)
    yield ""
    yield f"If you stay on {plan.source}:"
    yield from (f"  {sentence}" for sentence in plan.staying)


def _step(number: int, step: Step) -> Iterator[str]:
    yield f"Step {number}: {step.source} to {step.target}: {step.state}"
    yield "  Gates:"
    width = max(len(gate.name) for gate in step.gates)
    for gate in step.gates:
        yield f"    {gate.state:8} {gate.name:{width}}  {gate.detail}"
        if gate.meanwhile:
            yield f"    {'':8} {'':{width}}  meanwhile: {gate.meanwhile}"
    if step.state == "blocked":
        names = ", ".join(gate.name for gate in step.blocked_by)
        yield f"  Blocked by {names}; do not start this step."
        return
    if step.change:
        yield "  Change in the config:"
        yield from (f"    {path}: {value}" for path, value in step.change.items())
    yield "  Actions, in this order:"
    for index, action in enumerate(step.actions, 1):
        yield f"    {index}. {action.part}: {action.what}"
        yield from (f"         $ {command}" for command in action.commands)
        yield f"         rollback: {action.undo}"
    yield "  Cannot be reverted, or only in this order:"
    yield from (f"    {sentence}" for sentence in step.final)
