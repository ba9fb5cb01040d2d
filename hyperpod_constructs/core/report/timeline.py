"""The order of the deployment as a timeline, with the critical path."""

from __future__ import annotations

from collections.abc import Sequence

from ..plural import count
from .canvas import Canvas
from .model import Block, Content, Drawing, Notice, Paragraph, Section, code, table
from .subject import Bar, Subject
from .words import Words

_NAME, _WIDTH, _ROW = 330.0, 980.0, 22.0
_CHECKS = " Deep health checks take another 60 to 90 minutes after the deployment."
_SHORTEST = 45.0
"""Minimum duration in seconds for which a resource outside the critical path has its own line."""
_MAX_ROWS = 60
"""Maximum number of lines of a timeline."""


def section(subject: Subject, words: Words | None) -> Section:
    """Returns the section; without a rehearsal, the reason why the timeline is omitted."""
    if not subject.bars or words is None:
        note = subject.left_out or "The config does not deploy any resources."
        return Section("order", "Order of deployment", (Notice(f"The timeline is omitted. {note}"),))
    bars = sorted(subject.bars, key=lambda bar: (bar.start, bar.end))
    begin, end = bars[0].start, max(bar.end for bar in bars)
    minutes = (end - begin) / 60
    path = [bar for bar in bars if bar.critical]
    rows: list[tuple[Content, ...]] = [
        (
            str(number),
            code(f"{bar.stack}: {words.name(bar.stack, bar.logical_id)}"),
            bar.kind,
            f"{(bar.start - begin) / 60:.1f}",
            f"{(bar.end - bar.start) / 60:.1f}",
        )
        for number, bar in enumerate(path, 1)
    ]
    stacks = [
        (
            code(stack),
            f"{(min(bar.start for bar in members) - begin) / 60:.0f}",
            f"{(max(bar.end for bar in members) - begin) / 60:.0f}",
            str(len(members)),
        )
        for stack in dict.fromkeys(bar.stack for bar in bars)
        if (members := [bar for bar in bars if bar.stack == stack])
    ]
    blocks: list[Block] = [
        Paragraph(
            f"A first deployment takes about {minutes:.0f} minutes, simulated with typical durations, which "
            "AWS does not "
            f"guarantee.{_CHECKS if any(g.deep_health_checks for g in subject.platform.cluster.groups) else ''}"
        ),
        _drawing(bars, begin, end, words),
        *table(
            "Stacks in order",
            ("Stack", "Start (minute)", "End (minute)", "Resources"),
            stacks,
            numbers=[1, 2, 3],
        ),
        *table(
            "Critical path: the resources that determine the duration, in sequence",
            ("Step", "Resource", "Type", "Start (minute)", "Minutes"),
            rows,
            numbers=[3, 4],
            folded=True,
        ),
    ]
    return Section("order", "Order of deployment", tuple(blocks))


def _drawing(bars: Sequence[Bar], begin: float, end: float, words: Words) -> Drawing:
    shown = [bar for bar in bars if (bar.critical and bar.end - bar.start >= 10) or bar.end - bar.start >= _SHORTEST]
    for longest in (60.0, 120.0, 300.0):
        if len(shown) > _MAX_ROWS:
            shown = [bar for bar in shown if bar.critical or bar.end - bar.start >= longest]
    canvas, scale = Canvas(), (_WIDTH - _NAME - 70) / max(1.0, end - begin)
    step = next((minutes for minutes in (1, 2, 5, 10, 20, 30, 60) if (end - begin) / 60 / minutes <= 12), 120)
    height = 30 + len(shown) * _ROW + 22 * len(dict.fromkeys(bar.stack for bar in shown)) + 8
    for tick in range(0, int((end - begin) / 60) + 1, step):
        x = _NAME + tick * 60 * scale
        canvas.line((x, 22), (x, height - 8), kind="tick")
        canvas.text(x - 4, 16, f"{tick} min" if tick == 0 else str(tick), "small")
    y, stack = 26.0, ""
    for bar in sorted(shown, key=lambda bar: (min(b.start for b in bars if b.stack == bar.stack), bar.start, bar.end)):
        if bar.stack != stack:
            stack = bar.stack
            others = sum(bar.stack == stack for bar in bars) - sum(bar.stack == stack for bar in shown)
            canvas.text(4, y + 15, f"stack {stack}", "zone", width=_NAME)
            canvas.text(_NAME + 4, y + 15, f"and {count(others, 'shorter resource')}" if others else "", "small")
            canvas.describe(
                0, f"stack {stack}" + (f" (not shown: {count(others, 'shorter resource')})" if others else "")
            )
            y += 22
        y = _row(canvas, bar, y, begin, scale, words)
    critical = sum(bar.critical for bar in shown)
    desc = (
        f"{count(len(bars), 'resource')} in {(end - begin) / 60:.0f} minutes; {len(shown)} of them are shown as a "
        f"line, {critical} are on the critical path."
    )
    return canvas.drawing(
        "drawing",
        "Diagram of the order of deployment",
        desc,
        _WIDTH,
        height,
        [("bar critical", "critical path"), ("bar", "not critical")],
    )


def _row(canvas: Canvas, bar: Bar, y: float, begin: float, scale: float, words: Words) -> float:
    x, width = _NAME + (bar.start - begin) * scale, max(2.0, (bar.end - bar.start) * scale)
    minutes = (bar.end - bar.start) / 60
    name = words.name(bar.stack, bar.logical_id)
    title = f"{name} ({bar.kind}): minute {(bar.start - begin) / 60:.1f} to {(bar.end - begin) / 60:.1f}"
    canvas.text(14, y + 15, name, "small strong" if bar.critical else "small", width=_NAME - 24)
    canvas.box(x, y + 4, width, _ROW - 8, "bar critical" if bar.critical else "bar", title)
    duration = f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    label_x = x + width + 6
    canvas.text(label_x if label_x < _WIDTH - 52 else x - 52, y + 15, duration, "small")
    canvas.describe(1, f"{title}{', on the critical path' if bar.critical else ''}")
    return y + _ROW
