"""Formats values in templates as text: references by resource name, and parts of policy statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..stack_templates import Assembly, Stacks, resources

_PSEUDO = {
    "AWS::AccountId": "ACCOUNT",
    "AWS::Partition": "aws",
    "AWS::Region": "REGION",
    "AWS::StackName": "STACK",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": "STACK-ID",
}
_SUB = re.compile(r"\$\{([A-Za-z0-9:]+)(?:\.([A-Za-z]+))?\}")
_TAILS = ("Resource", "Default", "CustomResource")


@dataclass(frozen=True)
class Words:
    """Names of the resources in templates."""

    assembly: Assembly
    names: dict[tuple[str, str], str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "names",
            {
                (stack, name): display_name(stack, name, resource)
                for stack, template in self.assembly.stacks.items()
                for name, resource in resources(template).items()
            },
        )

    def name(self, stack: str, logical_id: str) -> str:
        """Returns the path of a resource in the construct tree, without the stack."""
        return self.names.get((stack, logical_id), logical_id)

    def text(self, stack: str, value: Any) -> str:
        """Returns a value as text; values that are known only at deploy time are in angle brackets."""
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return ", ".join(self.text(stack, item) for item in value)
        if not isinstance(value, Mapping) or len(value) != 1:
            return json.dumps(value, default=str)
        (function, inner), *_ = value.items()
        if function == "Ref":
            return _PSEUDO.get(inner) or f"<{self.name(stack, str(inner))}>"
        if function == "Fn::GetAtt":
            name, attribute = inner if isinstance(inner, list) else str(inner).split(".", 1)
            suffix = "" if attribute in ("Arn", "GroupId", "Id") else f" {attribute}"
            return f"<{self.name(stack, name)}{suffix}>"
        if function == "Fn::Join":
            parts = inner[1] if isinstance(inner[1], list) else [inner[1]]
            return str(inner[0]).join(self.text(stack, part) for part in parts)
        if function == "Fn::Sub":
            text = inner[0] if isinstance(inner, list) else inner
            return _SUB.sub(lambda match: _PSEUDO.get(match[1]) or f"<{self.name(stack, match[1])}>", str(text))
        found = [self.name(*place) for place in self.assembly.references(stack, value)]
        return ", ".join(f"<{name}>" for name in dict.fromkeys(found)) or f"<{function}>"

    def all(self, *kinds: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yields stack, logical ID and properties of the resources of these types."""
        for stack, template in self.assembly.stacks.items():
            for name, resource in resources(template).items():
                if resource.get("Type") in kinds:
                    yield stack, name, resource.get("Properties", {})


def words_of(stacks: Stacks) -> Words:
    """Returns the names of the resources in templates."""
    return Words(Assembly(stacks))


def display_name(stack: str, logical_id: str, resource: Mapping[str, Any]) -> str:
    """Returns the path of a resource in the construct tree, without its stack and the L1 construct's ID.

    >>> display_name("a-Eks", "EksRoleD1", {"Metadata": {"aws:cdk:path": "a-Eks/Eks/Cluster/Role/Resource"}})
    'Eks/Cluster/Role'
    """
    path = str(resource.get("Metadata", {}).get("aws:cdk:path", ""))
    parts = [part for part in path.split("/") if part]
    if stack in parts:
        parts = parts[parts.index(stack) + 1 :]
    elif len(parts) > 1:
        parts = parts[1:]
    while len(parts) > 1 and parts[-1] in _TAILS:
        parts.pop()
    return "/".join(parts) or logical_id


def as_list(value: Any) -> list[Any]:
    """Returns a value as a list; a single value is the only item."""
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def conditions(words: Words, stack: str, statement: Mapping[str, Any]) -> str:
    """Returns the conditions of a statement as text; empty if it has none."""
    found = []
    for test, pairs in (statement.get("Condition") or {}).items():
        if not isinstance(pairs, Mapping):
            found.append(f"{test} {words.text(stack, pairs)}")
            continue
        for key, value in pairs.items():
            found.append(
                f"{key} {_TESTS.get(test, test)} {' or '.join(words.text(stack, item) for item in as_list(value))}"
            )
    return "; ".join(found)


_TESTS = {
    "StringEquals": "is",
    "ArnEquals": "is",
    "ArnLike": "matches",
    "StringLike": "matches",
    "Bool": "is",
    "StringNotEquals": "is not",
    "ForAnyValue:StringEquals": "contains one of",
    "ForAllValues:StringEquals": "contains only",
}


def principal(words: Words, stack: str, value: Any) -> str:
    """Returns the principals of a statement as text.

    >>> principal(words_of({}), "a", {"Service": "eks.amazonaws.com"})
    'the service eks.amazonaws.com'
    """
    if value == "*":
        return "any principal"
    kinds = {"Service": "the service", "AWS": "", "Federated": "identities of"}
    found = []
    for kind, names in value.items() if isinstance(value, Mapping) else ():
        for name in as_list(names):
            text = words.text(stack, name)
            found.append("any principal" if text == "*" else f"{kinds.get(kind, kind)} {text}".strip())
    return ", ".join(found)


def statements(document: Any) -> Sequence[Mapping[str, Any]]:
    """Returns the statements of a policy document."""
    return [statement for statement in as_list((document or {}).get("Statement")) if isinstance(statement, Mapping)]
