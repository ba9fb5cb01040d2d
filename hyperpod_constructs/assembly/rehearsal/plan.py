"""What a rehearsal is told: order, durations and faults; and what it writes down: steps and findings."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from ...core.catalog import Duration
from ...core.findings import Finding, Severity


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong once.

    Attributes:
        resource: `Stack.LogicalId`, or its end; empty for any.
        action: `create`, `update` or `delete`; empty for whichever of the first two happens.
        how: `fails` (when it was made), `refused` (before anything was made), `lost` (the function's answer never arrives;
            custom resources only) or `interrupted` (the CDK CLI ends while this is worked on, as a canceled CI job or an
            expired session ends it: CloudFormation goes on with the stack, and no further stack is deployed).
    """

    resource: str
    action: str = "create"
    how: str = "fails"

    def hits(self, stack: str, logical_id: str, action: str) -> bool:
        """Whether it is about this resource and action."""
        wanted = (self.action,) if self.action else ("create", "update")
        return action in wanted and f"{stack}.{logical_id}".endswith(self.resource)


@dataclass
class Timing:
    """How long things take, and in which of the legal orders they run.

    Without a seed everything takes its typical time and starts as soon as it may. With one, each start is delayed and each
    duration drawn, so that each seed is another legal order.

    Attributes:
        seed: the order's number.
        late: `Stack.LogicalId` of resources that start only when nothing else is left to do.
        no_nodes: instance groups whose nodes never come.
        slow: name of a wait (`addon_ready`, `node`) to the factor by which it takes longer.
    """

    seed: int | None = None
    late: Container[str] = ()
    no_nodes: Container[str] = ()
    slow: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def seconds(self, duration: Duration, name: str = "") -> float:
        """The seconds that something takes this time."""
        drawn = duration.typical if self.seed is None else self._random.uniform(duration.minimum, duration.maximum)
        return drawn * self.slow.get(name, 1.0)

    def delay(self) -> float:
        """Seconds until CloudFormation starts what it may start."""
        return 0.0 if self.seed is None else self._random.expovariate(1 / 60)

    def shuffled(self, items: list[str]) -> list[str]:
        """Items in an order of this seed; as given without one."""
        return items if self.seed is None else self._random.sample(items, len(items))


@dataclass(frozen=True)
class Step:
    """One line of the timeline: what CloudFormation did with one resource, in seconds since the beginning.

    `after` is the step that it waited for last, as `(stack, logical_id)`; None where it waited for nothing.
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
    """What a rehearsal writes down."""

    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    replaced: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """Path of a resource that an update replaces, to the create-only properties that differ, and the old and new ones."""
    not_run: dict[str, None] = field(default_factory=dict)
    """What the app needs and a rehearsal replaces by a list or a constant: told in each report."""

    def find(self, rule: str, path: str, message: str, cure: str = "", consequence: str = "") -> None:
        """Add a finding, once."""
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
