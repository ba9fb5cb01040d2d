"""The stacks of an app from their templates: exports, imports, references, and the order of deployment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .stack_names import DEPLOY_ORDER

Template = Mapping[str, Any]
Stacks = Mapping[str, Template]
"""Templates by the name of their stack."""
Place = tuple[str, str]
"""Stack and logical id of a resource."""

_SUB = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")


@dataclass(frozen=True)
class Assembly:
    """The stacks of one app and the references between them."""

    stacks: Stacks
    exports: Mapping[str, Mapping[str, Any]] = field(init=False)
    """Export name to its value, by stack."""
    imports: Mapping[str, frozenset[str]] = field(init=False)
    """Names of the exports that each stack imports."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "exports", {name: exports_of(template) for name, template in self.stacks.items()})
        object.__setattr__(self, "imports", {name: imports_of(template) for name, template in self.stacks.items()})

    @cached_property
    def _exporters(self) -> Mapping[str, tuple[str, Any]]:
        return {name: (stack, value) for stack, values in self.exports.items() for name, value in values.items()}

    def references(self, stack: str, value: Any) -> Iterator[Place]:
        """The resources that a value refers to, in its own stack or through exports and outputs of others."""
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from self._function(stack, key, inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from self.references(stack, inner)

    def _function(self, stack: str, key: str, inner: Any) -> Iterator[Place]:
        if key == "Ref" and isinstance(inner, str):
            yield stack, inner
        elif key == "Fn::GetAtt":
            yield stack, inner[0] if isinstance(inner, list) else str(inner).partition(".")[0]
        elif key == "Fn::ImportValue" and isinstance(inner, str):
            if inner in self._exporters:
                yield from self.references(*self._exporters[inner])
        elif key == "Fn::GetStackOutput" and isinstance(inner, Mapping):
            yield from self._output(inner)
        else:
            if key == "Fn::Sub":
                text = inner[0] if isinstance(inner, list) else inner
                yield from ((stack, name) for name in _SUB.findall(str(text)))
            yield from self.references(stack, inner)

    def _output(self, inner: Mapping[str, Any]) -> Iterator[Place]:
        name = str(inner.get("OutputName"))
        named = [str(inner.get("StackName")), *self.stacks]
        found = next((s for s in named if s in self.stacks and name in self.stacks[s].get("Outputs", {})), None)
        if found is not None:
            yield from self.references(found, self.stacks[found]["Outputs"][name].get("Value"))

    @cached_property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """The stacks whose exports or outputs each stack reads."""
        found = {}
        for stack, names in self.imports.items():
            read = {self._exporters[name][0] for name in names if name in self._exporters}
            found[stack] = frozenset((read | {name for name, _ in outputs_read(self.stacks[stack])}) - {stack})
        return found


def deploy_order(assembly: Assembly, deployed: Assembly) -> Sequence[str]:
    """The stacks of an app in the order of deployment: each stack follows those that it reads, or reads as deployed.

    Otherwise, the suffixes of the names determine the order (`DEPLOY_ORDER`).
    """
    done: dict[str, None] = {}

    def place(stack: str, above: frozenset[str]) -> None:
        if stack in done or stack in above:
            return
        before = assembly.needs[stack] | deployed.needs.get(stack, frozenset())
        for need in sorted(before & assembly.stacks.keys(), key=lambda name: (rank(name), name)):
            place(need, above | {stack})
        done[stack] = None

    for stack in sorted(assembly.stacks, key=lambda name: (rank(name), name)):
        place(stack, frozenset())
    return list(done)


def rank(stack: str) -> int:
    """Position of a stack in the order of deployment, by the suffix of its name; other stacks are last."""
    end = stack.rpartition("-")[2].rstrip("0123456789")
    return DEPLOY_ORDER.index(end) if end in DEPLOY_ORDER else len(DEPLOY_ORDER)


def exports_of(template: Template) -> dict[str, Any]:
    """Export name to value.

    >>> exports_of({"Outputs": {"A": {"Value": {"Ref": "Vpc"}, "Export": {"Name": "net:Vpc"}}}})
    {'net:Vpc': {'Ref': 'Vpc'}}
    """
    outputs = template.get("Outputs", {}).values()
    return {
        str(output["Export"]["Name"]): output.get("Value")
        for output in outputs
        if isinstance(output, Mapping) and "Export" in output
    }


def imports_of(content: Any) -> frozenset[str]:
    """Names of the exports that a template imports.

    >>> sorted(imports_of({"Resources": {"A": {"Properties": {"Vpc": {"Fn::ImportValue": "net:Vpc"}}}}}))
    ['net:Vpc']
    """
    if isinstance(content, Mapping):
        imports = frozenset(str(value) for key, value in content.items() if key == "Fn::ImportValue")
        return imports.union(*map(imports_of, content.values()))
    if isinstance(content, list | tuple):
        return frozenset().union(*map(imports_of, content))
    return frozenset()


def outputs_read(content: Any) -> frozenset[tuple[str, str]]:
    """The outputs of other stacks that a template reads: stack name and output name.

    >>> sorted(outputs_read({"A": {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "Vpc"}}}))
    [('net', 'Vpc')]
    """
    if isinstance(content, Mapping):
        inner = content.get("Fn::GetStackOutput")
        found = {(str(inner.get("StackName")), str(inner.get("OutputName")))} if isinstance(inner, Mapping) else set()
        return frozenset(found).union(*map(outputs_read, content.values()))
    if isinstance(content, list | tuple):
        return frozenset().union(*map(outputs_read, content))
    return frozenset()


def resources(template: Template) -> Mapping[str, Mapping[str, Any]]:
    """Resources by logical ID, without CDK's metadata resource."""
    found = template.get("Resources", {}).items()
    return {
        name: resource
        for name, resource in found
        if isinstance(resource, Mapping) and resource.get("Type") != "AWS::CDK::Metadata"
    }


def same(old: Any, other: Any) -> bool:
    """Whether two values of templates are equal as JSON."""
    return json.dumps(old, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def matched(old: Stacks, new: Stacks) -> dict[str, Template]:
    """The old templates by the names of the new stacks, if files were renamed.

    A template is matched by name, otherwise by most resources in common, otherwise if it is the only one on both sides.
    """
    taken = {name for name in old if name in new}
    result: dict[str, Template] = {}
    for name, template in old.items():
        match = name
        if name not in new:
            own_resources = {(id_, str(resource.get("Type"))) for id_, resource in resources(template).items()}
            shared = {
                other: len(
                    own_resources & {(id_, str(resource.get("Type"))) for id_, resource in resources(content).items()}
                )
                for other, content in new.items()
                if other not in taken
            }
            best = max(shared, key=lambda other: shared[other], default=None)
            if best is not None and (shared[best] or len(old) == len(new) == 1):
                match = best
                taken.add(best)
        result[match] = template
    return result
