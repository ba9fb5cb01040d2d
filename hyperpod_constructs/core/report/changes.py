"""Changes from the previous state, most disruptive first, with the cost before and after."""

from __future__ import annotations

from collections import Counter

from ..changes import REPLACING, WORST_FIRST, Edit
from .cost import before_and_after
from .model import Block, Cell, Content, Notice, Section, Tone, code, table
from .subject import WORDS, Before, Subject


def section(subject: Subject, before: Before) -> Section:
    """Returns the section."""
    edits = everything(before)
    counts = Counter(WORDS[edit.change][0] for edit in edits)
    replacing = [edit for edit in edits if edit.change in REPLACING]
    summary = ", ".join(f"{word}: {number}" for word, number in counts.items()) or "no differences"
    tone: Tone = "bad" if replacing else "warn" if any(WORDS[edit.change][1] == "warn" for edit in edits) else "good"
    head = ("Severity", "Path", "Change", "Impact", "Alternative")
    rows: list[tuple[Content, ...]] = [
        (
            Cell(*WORDS[edit.change]),
            code(f"{edit.stack}: {edit.path}" if edit.stack else edit.path),
            edit.message,
            edit.impact,
            edit.advice,
        )
        for edit in edits
    ]
    blocks: list[Block] = [
        Notice(f"Compared with {before.name}: {summary}.", tone),
        *table(f"Changes ({len(rows)})", head, rows),
        *before_and_after(subject),
        *_steps(before),
    ]
    return Section("changes", "Changes", tuple(blocks))


def everything(before: Before) -> list[Edit]:
    """Returns the edits of the config, and edits that only the templates show, most disruptive first."""
    found = list(before.edits)
    template_edits = before.deployment.edits if before.deployment else ()
    reported = {(edit.change, edit.message) for edit in found}
    additional = [
        edit
        for edit in template_edits
        if (not found or edit.change in REPLACING) and (edit.change, edit.message) not in reported
    ]
    return sorted([*found, *additional], key=lambda edit: WORST_FIRST.index(edit.change))


def _steps(before: Before) -> tuple[Block, ...]:
    if before.deployment is None:
        return ()
    rows: list[tuple[Content, ...]] = [
        (str(number), code(step.stack), step.action, *(str(getattr(step, word)) for word in _COUNTS))
        for number, step in enumerate(before.deployment.steps, 1)
    ]
    head = ("Order", "Stack", "Action", "Added", "Changed", "Replaced", "Deleted", "Retained")
    return table("CloudFormation operations by stack", head, rows, numbers=[3, 4, 5, 6, 7])


_COUNTS = ("added", "changed", "replaced", "deleted", "retained")
