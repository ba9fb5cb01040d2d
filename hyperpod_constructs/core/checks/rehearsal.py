"""What a rehearsal reports (`hyperpod rehearse`): the findings are made by playing the deployment, not by looking at it."""

from __future__ import annotations

from ..findings import Severity
from .registry import describe

_SOURCE = "docs/rehearsal.md"

describe(
    "HPR01",
    title="Every stack can be created, updated or deleted",
    severity=Severity.ERROR,
    why="The deployment fails here, and CloudFormation rolls back what it did.",
    cure="the reason names the resource; change the config, or deploy in the steps that it asks for",
    source=_SOURCE,
)
describe(
    "HPR02",
    title="A resource starts only when everything that it needs is there",
    severity=Severity.ERROR,
    why="It works when the other resource happens to be quicker, and fails when it is not.",
    cure="add a dependency (`node.add_dependency`) from the resource to the one that it needs",
    source=_SOURCE,
)
describe(
    "HPR03",
    title="Nothing is left behind that no stack owns",
    severity=Severity.ERROR,
    why="It costs money or takes a name, and nobody deletes it.",
    cure="delete it by hand; where it is kept on purpose, give the resource a deletion policy that says so",
    source=_SOURCE,
)
describe(
    "HPR04",
    title="An edit ends no running work",
    severity=Severity.ERROR,
    why="Jobs, nodes and keys that are deleted with a resource cannot be restored by a rollback.",
    cure="revert the edit, or let the work end or move it first",
    source=_SOURCE,
)
describe(
    "HPR05",
    title="Everything in the app is modelled",
    severity=Severity.NOTE,
    why="The rehearsal takes it to succeed; AWS may see that differently.",
    cure="check this part by hand, or in a test account",
    source=_SOURCE,
)
describe(
    "HPR06",
    title="A failed deployment can be tried again",
    severity=Severity.ERROR,
    why="CloudFormation accepts no further update of the stack until somebody repairs it.",
    cure="remove the cause and run `aws cloudformation continue-update-rollback`; after a failed creation delete the stack",
    source=_SOURCE,
)
