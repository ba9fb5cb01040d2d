"""Faults, one at a time: a deployment fails at a resource, is rolled back, and is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..graph import Stack
from .plan import Fault
from .play import Rehearsal
from .resources import Leftover
from .stack import INTERRUPTED, Outcome

_TODO = {
    "ROLLBACK_COMPLETE": "deploy again: the CDK CLI deletes the rolled-back stack first",
    "UPDATE_ROLLBACK_COMPLETE": "deploy again: the stack is as it was before the update",
    "ROLLBACK_FAILED": "delete the stack, delete the remaining resources manually, and deploy again",
    "UPDATE_ROLLBACK_FAILED": "run `aws cloudformation continue-update-rollback`, then deploy again",
    "DELETE_FAILED": "fix the cause, and delete the stack again",
    INTERRUPTED: (
        "wait until CloudFormation has finished with the stack (until then it rejects updates), and deploy again"
    ),
    "REFUSED": "nothing was changed: fix the app, and deploy again",
}
"""Status of a stack to the action that a user must take."""


@dataclass(frozen=True)
class Drill:
    """The consequences of one fault.

    Attributes:
        fault: the fault.
        failed: the stack's outcome, None if the fault did not stop the deployment.
        left: resources that remain after the rollback and belong to no stack.
        paying: resources that are billed after the rollback.
        again: outcomes of the next deployment, without the fault.
    """

    fault: Fault
    failed: Outcome | None
    left: tuple[Leftover, ...]
    paying: tuple[str, ...]
    again: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no resource was left behind, and the next deployment succeeded."""
        return all(outcome.ok for outcome in self.again) and not self.left_behind

    @property
    def left_behind(self) -> list[Leftover]:
        """Resources without an owner after the rollback, including those that a deletion policy retains."""
        return [
            remainder
            for remainder in self.left
            if remainder.why == "left behind" or remainder.why.startswith("creation rolled back")
        ]

    @property
    def todo(self) -> str:
        """The action that the user must take."""
        return _TODO.get(self.failed.status, "") if self.failed is not None else "nothing"


def drill(stacks: list[Stack], fault: Fault, start: Rehearsal, *, again: bool = True) -> Drill:
    """Deploys with a fault, records the remaining resources, and deploys again if `again` is true."""
    rehearsal = start
    rehearsal.faults_left.append(fault)
    outcomes = rehearsal.deploy(stacks)
    failed = next((outcome for outcome in outcomes if not outcome.ok), None)
    left, paying = tuple(rehearsal.left()), tuple(rehearsal.paying())
    rehearsal.faults_left.clear()
    rehearsal.stabilize()
    then = tuple(rehearsal.deploy(stacks)) if failed is not None and again else ()
    return Drill(fault, failed, left, paying, then)


def fail_each(stacks: list[Stack], like: Rehearsal, how: str = "fails") -> Iterator[tuple[Drill, Rehearsal]]:
    """Makes the creation of each resource of an app fail in turn; yields the drill and its rehearsal."""
    for stack in stacks:
        for name in stack.resources:
            rehearsal = like.another()
            yield drill(stacks, Fault(f"{stack.deployed_name}.{name}", "create", how), rehearsal), rehearsal
