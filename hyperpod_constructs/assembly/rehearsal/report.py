"""The report of a rehearsal: timeline, critical path, remaining and billed resources, and findings."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...core.findings import Finding, errors, ordered, summary
from ...core.plural import count
from ...core.rendering import text as findings_text
from .chains import critical_path
from .drills import Drill
from .plan import Step
from .play import Rehearsal
from .resources import Leftover


@dataclass
class Act:
    """One part of a rehearsal: a creation, an update, a deletion or a drill."""

    title: str
    minutes: float
    outcomes: list[tuple[str, str, str]]
    steps: list[Step]


@dataclass
class Report:
    """The content of a report. `imposed` is the longest chain that AWS requires, in minutes."""

    app: str
    acts: list[Act] = field(default_factory=list)
    drills: list[Drill] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left: list[Leftover] = field(default_factory=list)
    paying: list[str] = field(default_factory=list)
    imposed: float = 0.0
    not_run: list[str] = field(default_factory=list)

    def add(self, title: str, rehearsal: Rehearsal, started: float, first: int, outcomes: Sequence[Any]) -> None:
        """Records the steps and the time since `started` (in seconds) and since the step `first`."""
        minutes = (rehearsal.world.now - started) / 60
        outcome_rows = [(outcome.stack, outcome.status, outcome.reason) for outcome in outcomes]
        self.acts.append(Act(title, minutes, outcome_rows, rehearsal.steps[first:]))

    def close(self, rehearsal: Rehearsal) -> None:
        """Records findings and the final state."""
        self.findings = ordered([*self.findings, *rehearsal.record.findings])
        self.left, self.paying = rehearsal.left(), rehearsal.paying()
        self.not_run = list(rehearsal.record.not_run)

    @property
    def ok(self) -> bool:
        """Whether nothing was rejected, lost or left behind."""
        return not errors(self.findings) and all(drill.ok for drill in self.drills)

    # Text

    def as_text(self) -> str:
        """Returns text for a terminal."""
        lines = [f"{self.app}: rehearsed on this machine with typical durations, which AWS does not guarantee"]
        for act in self.acts:
            lines += ["", f"{act.title}: {count(round(act.minutes), 'minute')}, {count(len(act.steps), 'resource')}"]
            lines += [
                f"  {stack:<40} {status}{f': {reason}' if reason and status != 'UNCHANGED' else ''}"
                for stack, status, reason in act.outcomes
            ]
            if act is self.acts[0] and act.steps:
                lines += self._path(act)
        if self.drills:
            lines += ["", *self._drill_lines()]
        if self.left:
            lines += ["", "resources that belong to no stack at the end:"]
            lines += [
                f"  {remainder.kind} {remainder.id} ({remainder.path}): {remainder.why}" for remainder in self.left
            ]
        lines += ["", f"billed by the hour at the end: {', '.join(self.paying) or 'nothing'}"]
        if self.not_run:
            lines += ["", "not modeled, but assumed to succeed:", *(f"  {name}" for name in self.not_run)]
        lines.append("")
        lines.append(findings_text(self.findings))
        return "\n".join(lines)

    def _path(self, act: Act) -> list[str]:
        path = critical_path(act.steps)
        lines = ["  critical path (the steps that the deployment waits for, in sequence):"]
        for step in path:
            took = (step.end - step.start) / 60
            if took >= 0.25:
                lines.append(
                    f"    {step.start / 60:6.1f} min  {took:5.1f} min  {step.stack}.{step.logical_id} ({step.kind})"
                )
        if self.imposed:
            lines.append(f"  {self._distance(act)}")
        return lines

    def _distance(self, act: Act) -> str:
        return (
            f"the longest chain that AWS requires takes {self.imposed:.0f} minutes; this deployment takes "
            f"{act.minutes / self.imposed:.2f} times as long"
        )

    def _drill_lines(self) -> list[str]:
        bad = [drill for drill in self.drills if not drill.ok]
        lines = [
            f"{count(len(self.drills), 'fault')}: after {len(self.drills) - len(bad)} of them the next deployment succeeds"
        ]
        shown = self.drills if len(self.drills) <= 5 else bad
        for drill in shown:
            status = (
                drill.failed.status if drill.failed else "nothing fails, because this deployment does not change it"
            )
            lines.append(f"  {drill.fault.resource} {drill.fault.how}: {status}; to do: {drill.todo}")
            if drill.failed:
                lines.append(f"    reason: {drill.failed.reason}")
            lines.append(f"    billed in the meantime: {', '.join(drill.paying) or 'nothing'}")
            lines += [
                f"    left: {remainder.kind} {remainder.id} ({remainder.path}): {remainder.why}"
                for remainder in drill.left
            ]
            lines += [
                f"    next deployment: {step.stack} {step.status}: {step.reason}" for step in drill.again if not step.ok
            ]
        return lines

    # JSON

    def as_json(self) -> str:
        """Returns one JSON object."""
        acts = [
            {
                "title": act.title,
                "minutes": round(act.minutes, 2),
                "outcomes": [
                    dict(zip(("stack", "status", "reason"), outcome_rows, strict=True)) for outcome_rows in act.outcomes
                ],
                "steps": [asdict(step) for step in act.steps],
                "critical_path": [step.name for step in critical_path(act.steps)],
            }
            for act in self.acts
        ]
        drills = [
            {
                "resource": drill.fault.resource,
                "how": drill.fault.how,
                "ok": drill.ok,
                "status": drill.failed.status if drill.failed else None,
                "reason": drill.failed.reason if drill.failed else "",
                "todo": drill.todo,
                "left": [asdict(remainder) for remainder in drill.left],
                "paying": list(drill.paying),
                "again": [asdict(step) for step in drill.again],
            }
            for drill in self.drills
        ]
        return json.dumps(
            {
                "app": self.app,
                "ok": self.ok,
                "acts": acts,
                "imposed_minutes": round(self.imposed, 2),
                "drills": drills,
                "left": [asdict(remainder) for remainder in self.left],
                "paying": self.paying,
                "not_modelled": self.not_run,
                "findings": [finding.as_dict() for finding in self.findings],
            }
        )

    def as_html(self) -> str:
        """Returns one self-contained page: bars over time, the critical path in another color."""
        parts = [_HEAD.format(title=html.escape(self.app))]
        for act in self.acts:
            size = f"{count(round(act.minutes), 'minute')}, {count(len(act.steps), 'resource')}"
            parts.append(f"<h2>{html.escape(act.title)}: {size}</h2>")
            outcome_rows = "\n".join(" ".join(outcome) for outcome in act.outcomes)
            parts.append(f"<pre>{html.escape(outcome_rows)}</pre>")
            if act is self.acts[0] and self.imposed:
                parts.append(f"<p>{html.escape(self._distance(act))}</p>")
            parts.append(_bars(act.steps))
        if self.drills:
            parts.append(f"<h2>Faults</h2><pre>{html.escape(chr(10).join(self._drill_lines()))}</pre>")
        left = (
            "\n".join(f"{remainder.kind} {remainder.id} ({remainder.path}): {remainder.why}" for remainder in self.left)
            or "nothing"
        )
        parts.append(f"<h2>Left at the end</h2><pre>{html.escape(left)}</pre>")
        if self.not_run:
            outcome_rows = html.escape("\n".join(self.not_run))
            parts.append(f"<h2>Not modeled, but assumed to succeed</h2><pre>{outcome_rows}</pre>")
        parts.append(f"<h2>Findings: {html.escape(summary(self.findings))}</h2>")
        parts += [f"<pre>{html.escape(str(finding))}</pre>" for finding in self.findings]
        return "\n".join([*parts, "</body></html>"])


_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:14px sans-serif;margin:2em}} .row{{position:relative;height:18px;white-space:nowrap}}
.bar{{position:absolute;height:14px;background:#7aa6da;min-width:2px}} .on{{background:#d9534f}} .bad{{background:#333}}
.name{{position:absolute;font-size:11px}} pre{{white-space:pre-wrap}}
.axis{{position:relative;height:18px;border-bottom:1px solid #999;font-size:11px}} .axis span{{position:absolute}}
</style></head><body><h1>{title}</h1>
<p>Rehearsed with typical durations, which AWS does not guarantee. Red: the critical path. Black: failed.</p>"""


def _bars(steps: list[Step]) -> str:
    if not steps:
        return ""
    first, last = min(step.start for step in steps), max(step.end for step in steps)
    scale = 100.0 / max(1.0, last - first)
    on = {(step.name, step.start) for step in critical_path(steps)}
    interval = next(minutes for minutes in (1, 2, 5, 10, 20, 60, 24 * 60) if (last - first) / 60 / minutes <= 12)
    ticks = range(0, int((last - first) / 60) + 1, interval)
    marks = "".join(f'<span style="left:{minute * 60 * scale:.2f}%">{minute} min</span>' for minute in ticks)
    rows = [f'<section class="axis">{marks}</section>']
    for step in sorted(steps, key=lambda step: (step.start, step.end)):
        left, width = (step.start - first) * scale, (step.end - step.start) * scale
        css = "bad" if step.failed else "on" if (step.name, step.start) in on else ""
        label = html.escape(f"{step.action} {step.name} {(step.end - step.start) / 60:.1f} min {step.failed}")
        end = left + width  # names are next to the bars, on the side with more room
        position = f"left:{end + 0.5:.2f}%" if end < 55 else f"right:{100.5 - left:.2f}%"
        rows.append(
            f'<div class="row"><span class="bar {css}" style="left:{left:.2f}%;width:{width:.2f}%"></span>'
            f'<span class="name" style="{position}">{label}</span></div>'
        )
    return "\n".join(rows)
