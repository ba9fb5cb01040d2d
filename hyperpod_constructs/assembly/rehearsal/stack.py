"""One stack: CloudFormation's record of it, and the order of its resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..graph import Stack
from ..graph._references import references
from .resources import Live
from .schemas import as_text
from .values import Scope


@dataclass
class Deployed:
    """CloudFormation's record of one stack."""

    name: str
    id: str
    source: Stack
    live: dict[str, Live] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    status: str = "CREATE_IN_PROGRESS"

    @property
    def in_progress(self) -> bool:
        """Whether CloudFormation is working on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


INTERRUPTED = "INTERRUPTED"
"""Status of a stack that the CDK CLI no longer waits for; CloudFormation continues with it."""
_KNOWN_REASONS = (
    (r"Export .+ cannot be (deleted|updated) as it is in use by", "HP970"),
    (r"Update of resource type is not permitted|Modifying service token is not allowed", "HP972"),
)
"""CloudFormation's error message to the rule with which `hyperpod diff` reports it from the templates alone."""


@dataclass(frozen=True)
class Outcome:
    """The result of an operation on a stack."""

    stack: str
    status: str
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the operation succeeded."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "UNCHANGED")

    @property
    def rule(self) -> str:
        """The rule that it violates, if it failed."""
        return next((rule for pattern, rule in _KNOWN_REASONS if re.search(pattern, self.reason)), "HPR01")


def wanted_of(stack: Stack, scope: Scope) -> dict[str, Mapping[str, Any]]:
    """Returns the resources whose conditions hold."""
    return {
        name: body
        for name, body in stack.resources.items()
        if "Condition" not in body or scope.condition(body["Condition"])
    }


def dependencies(stack: Stack, names: Iterable[str]) -> dict[str, set[str]]:
    """Returns the dependencies of each resource, among `names`."""
    known = set(names)
    return {name: set(_needs(stack.resources.get(name, {}))) & known - {name} for name in known}


def _needs(body: Mapping[str, Any]) -> Iterator[str]:
    depends_on = body.get("DependsOn") or ()
    yield from [depends_on] if isinstance(depends_on, str) else depends_on
    for reference in references(body.get("Properties")):
        if reference.kind in ("Ref", "Fn::GetAtt") and isinstance(reference.target, str):
            yield reference.target


def not_after(name: str, names: list[str], needs: Mapping[str, set[str]]) -> set[str]:
    """Returns the resources that do not depend on `name`, directly or indirectly."""
    after = {name}
    grown = True
    while grown:
        more = {name for name in names if name not in after and needs[name] & after}
        grown = bool(more)
        after |= more
    return set(names) - after


def same(old: Any, new: Any) -> bool:
    """Whether two values are equal for CloudFormation."""
    return bool(as_text(old) == as_text(new))
