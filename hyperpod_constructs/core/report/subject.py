"""The input of a report."""

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
    """A resource in the timeline of a deployment. Times are in seconds from the start of the deployment."""

    stack: str
    logical_id: str
    kind: str
    start: float
    end: float
    critical: bool


@dataclass(frozen=True, slots=True)
class Before:
    """The deployed or previous state.

    Attributes:
        name: name of the config or the folder.
        edits: differences, most disruptive first.
        deployment: the operations of CloudFormation, if templates were compared.
        platform: the previous config; None if only templates are known.
        stacks: the previous templates; None if only configs were compared.
    """

    name: str
    edits: Sequence[Edit]
    deployment: Deployment | None = None
    platform: Platform | None = None
    stacks: Stacks | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A platform and all available information about it.

    Attributes:
        path: path of the config.
        platform: the platform.
        findings: findings about the platform.
        before: the previous state; None for a first deployment.
        stacks: the synthesized templates; None if omitted.
        bars: the rehearsed deployment; empty if omitted.
        left_out: the reason why templates or the timeline are omitted; empty if they are not omitted.
        own_prices: the user's prices, as in `hyperpod explain cost --price`.
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
    """The difference between an element of a diagram and its previous state."""

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
    Change.NONE: ("no deployed resources", "note"),
}
"""Text and tone of each change in reports."""


def worst(edits: Sequence[Edit], *paths: str) -> Mark | None:
    """Returns the mark of the most disruptive edit at or inside one of these config paths, or None without an edit."""
    return worst_of(
        [
            edit
            for edit in edits
            if any(edit.path == path or edit.path.startswith((f"{path}.", f"{path}[")) for path in paths)
        ]
    )


def worst_of(edits: Sequence[Edit]) -> Mark | None:
    """Returns the mark of the most disruptive of these edits, or None without an edit."""
    if not edits:
        return None
    word, tone = WORDS[min((edit.change for edit in edits), key=WORST_FIRST.index)]
    return Mark(word, {"bad": "bad", "warn": "warn"}.get(tone, "changed"))
