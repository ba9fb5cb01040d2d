"""The input of a rehearsal (order, durations and faults) and its record (steps and findings)."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from ...core.catalog import Duration
from ...core.findings import Finding, Severity


@dataclass(frozen=True)
class Fault:
    """A fault that occurs once.

    Attributes:
        resource: `Stack.LogicalId`, or its end; empty for any.
        action: `create`, `update` or `delete`; empty for the first of creation and update.
        how: `fails` (after creation), `refused` (before creation), `lost` (the function's response never arrives; custom
            resources only) or `interrupted` (the CDK CLI ends during this operation, like a canceled CI job or an expired
            session: CloudFormation continues with the stack, and no further stack is deployed).
    """

    resource: str
    action: str = "create"
    how: str = "fails"

    def hits(self, stack: str, logical_id: str, action: str) -> bool:
        """Whether it applies to this resource and action."""
        wanted = (self.action,) if self.action else ("create", "update")
        return action in wanted and f"{stack}.{logical_id}".endswith(self.resource)


@dataclass
class Timing:
    """Durations, and the order among those that CloudFormation allows.

    Without a seed, every operation has its typical duration and starts as early as possible. With a seed, each start is
    delayed and each duration is random, so each seed results in a different allowed order.

    Attributes:
        seed: number of the order.
        late: `Stack.LogicalId` of resources that start only after all others.
        no_nodes: instance groups whose nodes never join.
        slow: name of a wait (`addon_ready`, `node`) to the factor of its duration.
    """

    seed: int | None = None
    late: Container[str] = ()
    no_nodes: Container[str] = ()
    slow: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def seconds(self, duration: Duration, name: str = "") -> float:
        """Returns a duration in seconds."""
        drawn = duration.typical if self.seed is None else self._random.uniform(duration.minimum, duration.maximum)
        return drawn * self.slow.get(name, 1.0)

    def delay(self) -> float:
        """Returns the seconds until CloudFormation starts an operation that can start."""
        return 0.0 if self.seed is None else self._random.expovariate(1 / 60)

    def shuffled(self, items: list[str]) -> list[str]:
        """Returns items in an order of this seed; unchanged without one."""
        return items if self.seed is None else self._random.sample(items, len(items))


@dataclass(frozen=True)
class Step:
    """One line of the timeline: an operation of CloudFormation on one resource, in seconds since the start.

    `after` is the last step that it waited for, as `(stack, logical_id)`; None if it waited for nothing.
    """

    stack: str
    logical_id: str
    kind: str
    action: str
    start: float
    end: float
    after: tuple[str, str] | None = None
    failed: str = ""

    @property
    def name(self) -> str:
        """`Stack.LogicalId`."""
        return f"{self.stack}.{self.logical_id}"


@dataclass
class Record:
    """The record of a rehearsal."""

    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    replaced: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """Path of a resource that an update replaces, to the changed create-only properties with old and new values."""
    not_run: dict[str, None] = field(default_factory=dict)
    """Parts of the app that a rehearsal replaces with a list or a constant; each report lists them."""

    def find(self, rule: str, path: str, message: str, cure: str = "", consequence: str = "") -> None:
        """Adds a finding, unless it is already recorded."""
        from ...core.checks.registry import find

        known = find(rule)
        severity = known.severity if known else Severity.ERROR
        finding = Finding(
            rule=rule,
            severity=severity,
            path=path,
            message=message,
            cure=cure or (known.cure if known else ""),
            consequence=consequence or (known.why if known else ""),
        )
        if finding not in self.findings:
            self.findings.append(finding)

    def of(self, rule: str) -> list[Finding]:
        """The findings of a rule."""
        return [finding for finding in self.findings if finding.rule == rule]
