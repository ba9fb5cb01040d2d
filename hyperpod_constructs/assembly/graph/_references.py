"""References in CloudFormation values: `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::ImportValue`, `Fn::GetStackOutput`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")

CUT = "cut-reference"
"""The literal that `cut` writes in place of a reference."""


class Reference(NamedTuple):
    """One reference. `target` is a logical id, or the expression of an export or stack output.

    `guard` holds the branches of `Fn::If` around it: a condition's name, or the name with `!` for the else branch.
    """

    kind: Literal["Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::GetStackOutput"]
    target: Any
    attribute: str = ""
    guard: frozenset[str] = frozenset()


def references(value: object, guard: frozenset[str] = frozenset()) -> Iterator[Reference]:
    """Every reference in `value`, in order.

    >>> [r.target for r in references({"Fn::Sub": "${Bucket.Arn}/${!literal}/${AWS::Region}"})]
    ['Bucket', 'AWS::Region']
    >>> [r.target for r in references({"Fn::GetAtt": "Role.Arn"})]
    ['Role']
    """
    if isinstance(value, list):
        for item in value:
            yield from references(item, guard)
        return
    if not isinstance(value, dict):
        return
    if len(value) != 1:
        for item in value.values():
            yield from references(item, guard)
        return
    (key, argument), *_ = value.items()
    if key == "Ref" and isinstance(argument, str):
        yield Reference("Ref", argument, guard=guard)
    elif key == "Fn::GetAtt":
        yield _get_att(argument, guard)
        if isinstance(argument, list):
            yield from references(argument[1:], guard)
    elif key == "Fn::Sub":
        yield from _sub(argument, guard)
    elif key == "Fn::ImportValue" or key == "Fn::GetStackOutput":
        yield Reference(key, argument, guard=guard)
        yield from references(argument, guard)
    elif key == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
        yield from _if(argument, guard)
    else:
        yield from references(argument, guard)


def _get_att(argument: object, guard: frozenset[str]) -> Reference:
    parts = (
        argument.split(".", 1) if isinstance(argument, str) else list(argument) if isinstance(argument, list) else []
    )
    attribute = parts[1] if len(parts) > 1 and isinstance(parts[1], str) else ""
    return Reference("Fn::GetAtt", parts[0] if parts else "", attribute, guard)


def _sub(argument: object, guard: frozenset[str]) -> Iterator[Reference]:
    text, variables = _sub_parts(argument)
    for name in _VARIABLE.findall(text):
        name = name.strip()
        if name in variables:
            continue
        logical_id, dot, attribute = name.partition(".")
        yield Reference("Fn::GetAtt" if dot else "Ref", logical_id, attribute, guard)
    yield from references(list(variables.values()), guard)


def _sub_parts(argument: object) -> tuple[str, dict[str, Any]]:
    parts = argument if isinstance(argument, list) else [argument]
    text = parts[0] if parts and isinstance(parts[0], str) else ""
    return text, parts[1] if len(parts) > 1 and isinstance(parts[1], dict) else {}


def _if(argument: list[Any], guard: frozenset[str]) -> Iterator[Reference]:
    """Only references in both branches are certain; others apply only if their branch is selected."""
    condition = str(argument[0])
    yes = list(references(argument[1], guard | {condition}))
    no = list(references(argument[2], guard | {f"!{condition}"}))
    both = {_what(reference) for reference in yes} & {_what(reference) for reference in no}
    for reference in (*yes, *no):
        yield reference._replace(guard=guard) if _what(reference) in both else reference


def _what(reference: Reference) -> tuple[str, str]:
    kind = "local" if reference.kind in ("Ref", "Fn::GetAtt") else reference.kind
    return kind, repr(reference.target)


def cut(value: Any, matches: Callable[[Reference], bool]) -> Any:
    """Returns `value` with every matching reference replaced by a literal; everything else is unchanged.

    >>> cut({"Fn::Sub": "${A}-${B}"}, lambda r: r.target == "A")
    {'Fn::Sub': 'cut-reference-${B}'}
    """
    if isinstance(value, list):
        return [cut(item, matches) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, argument), *_ = value.items()
        if key == "Fn::Sub":
            return {key: _cut_sub(argument, matches)}
        if key in ("Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::GetStackOutput"):
            return CUT if any(matches(reference) for reference in references(value)) else value
    return {key: cut(item, matches) for key, item in value.items()}


def _cut_sub(argument: Any, matches: Callable[[Reference], bool]) -> Any:
    text, variables = _sub_parts(argument)

    def replace(found: re.Match[str]) -> str:
        name = found.group(1).strip()
        whole = {"Fn::Sub": found.group(0)}
        return CUT if name not in variables and any(map(matches, references(whole))) else found.group(0)

    text = _VARIABLE.sub(replace, text)
    return [text, cut(variables, matches)] if variables else text
