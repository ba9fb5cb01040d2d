"""Findings of a rehearsal (`hyperpod rehearse`), found by simulating the deployment."""

from __future__ import annotations

from ..findings import Severity
from .registry import describe

_SOURCE = "docs/rehearsal.md"

describe(
    "HPR01",
    title="Every stack can be created, updated and deleted.",
    severity=Severity.ERROR,
    why="The deployment fails, and CloudFormation rolls it back.",
    cure="The reason specifies the resource; change the config, or deploy in the steps that it describes.",
    source=_SOURCE,
)
describe(
    "HPR02",
    title="A resource starts after everything that it depends on.",
    severity=Severity.ERROR,
    why="It works only if the other resource is ready first by chance.",
    cure="Add a dependency (`node.add_dependency`) on the required resource.",
    source=_SOURCE,
)
describe(
    "HPR03",
    title="No resource is left behind without a stack.",
    severity=Severity.ERROR,
    why="It is billed or blocks a name, and is not deleted automatically.",
    cure="Delete it manually; if it is retained on purpose, set a deletion policy on the resource.",
    source=_SOURCE,
)
describe(
    "HPR04",
    title="An edit does not interrupt running work.",
    severity=Severity.ERROR,
    why="Jobs, nodes and keys that are deleted with a resource cannot be restored by a rollback.",
    cure="Revert the edit, or wait until the work has finished, or move it first.",
    source=_SOURCE,
)
describe(
    "HPR05",
    title="The rehearsal models every resource of the app.",
    severity=Severity.NOTE,
    why="The rehearsal assumes that it succeeds; AWS may behave differently.",
    cure="Check this part manually, or in a test account.",
    source=_SOURCE,
)
describe(
    "HPR06",
    title="A failed deployment can be repeated.",
    severity=Severity.ERROR,
    why="CloudFormation accepts no further update of the stack until it is repaired.",
    cure="Remove the cause and run `aws cloudformation continue-update-rollback`; after a failed creation, "
    "delete the stack.",
    source=_SOURCE,
)
describe(
    "HPR07",
    title="An adopted resource is not replaced.",
    severity=Severity.ERROR,
    why="CloudFormation creates a new resource and deletes the deployed one, with everything that runs on it. A change of "
    "what an instance group cannot change is rejected.",
    cure="Change the config to the deployed value, or do not import the resource.",
    source="docs/import.md",
)
