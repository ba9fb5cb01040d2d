"""Findings: one per problem.

A finding has a location (config path, with file, line and column if it was read from YAML), the problem with the actual
value, its impact, how to fix it, and the source of the rule. Validation, preflight, synth and the constructs all report
user errors only as findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """The certainty of a problem.

    ERROR: certainly rejected or broken. WARNING: likely a problem. NOTE: information.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem.

    >>> f = Finding(rule="HP301", severity=Severity.ERROR, path="cluster.instance_groups[0].instance_type",
    ...             message="'ml.p5.48xlage' is not a HyperPod instance type", consequence="CreateCluster rejects it.",
    ...             cure="did you mean 'ml.p5.48xlarge'?")
    >>> print(f)
    error HP301 cluster.instance_groups[0].instance_type: 'ml.p5.48xlage' is not a HyperPod instance type
      impact: CreateCluster rejects it.
      fix: did you mean 'ml.p5.48xlarge'?
    """

    rule: str
    """Stable ID of the rule, such as `HP301`; `hyperpod explain HP301` prints its documentation."""
    severity: Severity
    path: str
    """Path in the config, such as `cluster.instance_groups[1].availability_zone_id`."""
    message: str
    """The problem, with the actual values."""
    consequence: str = ""
    """The impact at deploy time or run time if the problem is not fixed."""
    cure: str = ""
    """How to fix it."""
    source: str = ""
    """Source of the rule."""
    file: str | None = None
    line: int | None = None
    """1-based line in `file`."""
    column: int | None = None
    """1-based column in `file`."""
    acknowledged: str | None = None
    """The reason in the config for acknowledging this finding."""

    @property
    def place(self) -> str:
        """`file:line:column` if the finding is about a file, otherwise an empty string."""
        if self.file is None:
            return ""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def located(self, *, file: str | None, line: int | None, column: int | None) -> Finding:
        """The same finding with its position in a file."""
        return replace(self, file=file, line=line, column=column)

    def as_dict(self) -> dict[str, Any]:
        """Plain data with stable keys, for JSON output."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        lines = [f"{place}{self.severity} {f'{self.rule} {self.path}'.strip()}: {self.message}"]
        if self.consequence:
            lines.append(f"  impact: {self.consequence}")
        if self.cure:
            lines.append(f"  fix: {self.cure}")
        if self.acknowledged:
            lines.append(f"  acknowledged: {self.acknowledged}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that a rule found. Omitted texts default to those of the rule."""

    path: str
    message: str
    cure: str | None = None
    consequence: str | None = None
    severity: Severity | None = None


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; by location within a severity. Acknowledged findings are last."""
    return sorted(
        findings,
        key=lambda f: (f.acknowledged is not None, _ORDER[f.severity], f.file or "", f.line or 0, f.path, f.rule),
    )


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that prevent a synth."""
    return [f for f in findings if f.severity is Severity.ERROR and f.acknowledged is None]


def summary(findings: Sequence[Finding]) -> str:
    """One line for the end of a report.

    >>> summary([])
    'no findings'
    """
    if not findings:
        return "no findings"
    parts = []
    for severity in Severity:
        count = sum(f.severity is severity and f.acknowledged is None for f in findings)
        if count:
            parts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    acknowledged = sum(f.acknowledged is not None for f in findings)
    if acknowledged:
        parts.append(f"{acknowledged} acknowledged")
    return ", ".join(parts)


class InvalidSpec(ValueError):
    """Raised if a spec with errors is used; its text lists the findings."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = ordered(findings)
        super().__init__("\n".join(str(f) for f in self.findings))
