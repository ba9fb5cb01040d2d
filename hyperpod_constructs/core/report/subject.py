"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..changes import WORST_FIRST, Deployment, Edit
from ..findings import Finding
from ..spec.base import Change
from ..spec.platform import Platform
from ..stack_templates import Stacks
from .model import Tone


@dataclass(frozen=True, slots=True)
class Bar:
    """One resource in the timeline of a deployment, in seconds since its beginning."""

    stack: str
    logical_id: str
    kind: str
    start: float
    end: float
    critical: bool


@dataclass(frozen=True, slots=True)
class Before:
    """What is deployed, or was configured.

    Attributes:
        name: of the config or the folder.
        edits: what is different, worst first.
        deployment: what CloudFormation does, where the templates were compared.
        platform: the former config; None where only templates are known.
        stacks: the former templates; None where only configs were compared.
    """

    name: str
    edits: Sequence[Edit]
    deployment: Deployment | None = None
    platform: Platform | None = None
    stacks: Stacks | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A platform with everything that is known about it.

    Attributes:
        path: of its config.
        platform: the platform.
        findings: of its checks.
        before: what there was, None for a first deployment.
        stacks: its synthesized templates; None where they were left out.
        bars: the rehearsed deployment; empty where it was left out.
        left_out: why templates or the timeline are missing; empty where nothing is.
        own_prices: prices of the reader, as `hyperpod explain cost --price`.
    """

    path: str
    platform: Platform
    findings: Sequence[Finding]
    before: Before | None = None
    stacks: Stacks | None = None
    bars: Sequence[Bar] = ()
    left_out: str = ""
    own_prices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """How something in a drawing differs from what there was."""

    word: str
    kind: str


NEW, GONE = Mark("new", "new"), Mark("removed", "gone")

WORDS: Mapping[Change, tuple[str, Tone]] = {
    Change.LOSES_DATA: ("loses data", "bad"),
    Change.REPLACES_CLUSTER: ("replaces the cluster", "bad"),
    Change.LEAVES_BEHIND: ("leaves behind", "bad"),
    Change.REFUSED: ("cannot be deployed", "bad"),
    Change.REPLACES_GROUP: ("replaces the group", "bad"),
    Change.REPLACES: ("replaces", "bad"),
    Change.DRAINS: ("restarts", "warn"),
    Change.IN_PLACE: ("in place", "good"),
    Change.NONE: ("nothing deployed", "note"),
}
"""Change to how reports call it."""


def worst(edits: Sequence[Edit], *paths: str) -> Mark | None:
    """The mark of the worst edit at or inside one of these config paths, None for no edit."""
    return worst_of(
        [
            edit
            for edit in edits
            if any(edit.path == path or edit.path.startswith((f"{path}.", f"{path}[")) for path in paths)
        ]
    )


def worst_of(edits: Sequence[Edit]) -> Mark | None:
    """The mark of the worst of these edits."""
    if not edits:
        return None
    word, tone = WORDS[min((edit.change for edit in edits), key=WORST_FIRST.index)]
    return Mark(word, {"bad": "bad", "warn": "warn"}.get(tone, "changed"))
