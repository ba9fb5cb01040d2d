"""One difference between the deployed and the new config, with its effect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..documents import join
from ..spec.base import Change, SpecModel

WORST_FIRST = (
    *(Change.LOSES_DATA, Change.REPLACES_CLUSTER, Change.LEAVES_BEHIND, Change.REFUSED, Change.REPLACES_GROUP),
    *(Change.REPLACES, Change.DRAINS, Change.IN_PLACE, Change.NONE),
)
REPLACING = frozenset(WORST_FIRST[:6])
"""Changes that replace or delete something, or that are rejected."""

MEANING: Mapping[Change, str] = {
    Change.LOSES_DATA: "the resource is deleted or replaced, and its data is lost",
    Change.REPLACES_CLUSTER: "CloudFormation replaces the HyperPod or the EKS cluster, with all nodes and workloads",
    Change.LEAVES_BEHIND: (
        "the deployed resources are unchanged, keep running and are billed; they are no longer managed"
    ),
    Change.REFUSED: "the deployment fails: CloudFormation or the service rejects the change",
    Change.REPLACES_GROUP: "an instance group cannot be changed this way: its nodes are removed and new ones are created",
    Change.REPLACES: "CloudFormation replaces only this resource",
    Change.DRAINS: "nodes or pods are restarted, drained or removed; running work is interrupted",
    Change.IN_PLACE: "changed in place; running work continues",
    Change.NONE: "no change to deployed resources",
}
"""Change policy to its effect on running work."""

ADVICE: Mapping[Change, str] = {
    Change.LOSES_DATA: "copy the data first, or create a second one and move to it",
    Change.REPLACES_CLUSTER: "deploy a second platform, move the work, then delete the first one",
    Change.LEAVES_BEHIND: "to keep the deployed platform, restore the value; to move, delete the old one with "
    "`hyperpod stacks delete` afterward",
    Change.REFUSED: "restore the value, or deploy a second platform",
    Change.REPLACES_GROUP: "add a group with a new name, move the work, then remove the old group",
    Change.REPLACES: "check that nothing uses the old one during the replacement",
    Change.DRAINS: "deploy when no job runs, or after a checkpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One difference and its effect.

    Attributes:
        path: config path, or logical ID and property of a template.
        change: change policy.
        before: the old value, None if there was none.
        after: the new value, None if there is none.
        message: description of the difference.
        impact: effect on running work.
        advice: what to do instead, or first; empty if nothing is required.
        rule: rule ID, if found by comparing templates.
        stack: name of the stack, if found by comparing templates.
    """

    path: str
    change: Change
    before: Any
    after: Any
    message: str
    impact: str
    advice: str = ""
    rule: str = ""
    stack: str = ""

    def __str__(self) -> str:
        where = f"{self.stack}: {self.path}" if self.stack else self.path
        head = f"{self.change}{f' {self.rule}' if self.rule else ''}: {where}: {self.message}"
        return "\n".join([head, f"  impact: {self.impact}", *([f"  advice: {self.advice}"] if self.advice else [])])

    def as_dict(self) -> dict[str, str]:
        """Returns plain data with stable keys."""
        return {
            "change": str(self.change),
            "path": self.path,
            "stack": self.stack,
            "rule": self.rule,
            "message": self.message,
            "impact": self.impact,
            "advice": self.advice,
        }


def edit(
    path: str,
    change: Change,
    before: Any,
    after: Any,
    message: str = "",
    *,
    impact: str = "",
    advice: str | None = None,
    rule: str = "",
    stack: str = "",
) -> Edit:
    """Creates an edit; texts that are not given are the defaults of its change policy."""
    return Edit(
        path=path,
        change=change,
        before=before,
        after=after,
        message=message or difference(before, after),
        impact=impact or MEANING[change],
        advice=ADVICE.get(change, "") if advice is None else advice,
        rule=rule,
        stack=stack,
    )


def ordered(found: Iterable[Edit]) -> list[Edit]:
    """Sorts edits, most disruptive first."""
    return sorted(found, key=lambda edit: (WORST_FIRST.index(edit.change), edit.stack, edit.path))


def replaces(found: Iterable[Edit]) -> bool:
    """Whether something is replaced, rejected or lost."""
    return any(edit.change in REPLACING for edit in found)


_LONGEST = 80
"""Maximum length of a value that is shown in full, in characters."""


def difference(before: Any, after: Any) -> str:
    """Formats a difference; for large values, only the parts that differ.

    >>> rest = {str(number): "x" * 20 for number in range(5)}
    >>> difference({**rest, "b": [{"c": 1}]}, {**rest, "b": [{"c": 2}]})
    'b[0].c: 1 becomes 2'
    >>> difference("single", None)
    '"single" becomes not set'
    """
    if max(len(text(before)), len(text(after))) <= _LONGEST:
        return f"{text(before)} becomes {text(after)}"
    parts = list(_parts("", before, after))
    shown = [f"{f'{path}: ' if path else ''}{_around(old, other)}" for path, old, other in parts[:3]]
    return "; ".join([*shown, f"and {len(parts) - 3} more"] if len(parts) > 3 else shown)


def text(value: Any) -> str:
    """Formats a value on one line: JSON; for models, only fields that are set.

    >>> from ..spec import Taint
    >>> text(Taint(key="a", effect="NoExecute")), text(("x", None)), text(None)
    ('{"key": "a", "effect": "NoExecute"}', '["x", null]', 'not set')
    """
    return "not set" if value is None else json.dumps(_plain(value), default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, SpecModel):
        return {
            name: _plain(getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _parts(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Returns the smallest parts of two values that differ, with their paths."""
    before, after = _plain(before), _plain(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _parts(join(path, str(key)), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, other) in enumerate(zip(before, after, strict=True)):
            yield from _parts(join(path, index), old, other)
    elif before != after:
        yield path, before, after


def _around(before: Any, after: Any) -> str:
    """Formats two values, shortened around the first difference if they are long."""
    old, other = text(before), text(after)
    same = next((i for i, (a, b) in enumerate(zip(old, other, strict=False)) if a != b), min(len(old), len(other)))
    start = max(0, same - 20) if max(len(old), len(other)) > _LONGEST else 0
    return f"{_cut(old, start)} becomes {_cut(other, start)}"


def _cut(value: str, start: int) -> str:
    """Returns the part of a text from a position, or the whole text if it is short."""
    if not start and len(value) <= _LONGEST:
        return value
    window = value[start : start + _LONGEST - 4]
    return ("..." if start else "") + window + ("..." if start + len(window) < len(value) else "")
