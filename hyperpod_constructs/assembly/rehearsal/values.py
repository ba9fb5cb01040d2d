"""Values of a template: intrinsic functions, conditions and parameters, resolved as CloudFormation does."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Unresolved(Exception):
    """Raised for a value that CloudFormation would reject, or a function that is not modeled."""


class NoValue:
    """`AWS::NoValue`: the property is omitted."""


@dataclass
class Scope:
    """The values that a stack can refer to.

    `ref` and `get_att` read the stack's own resources, `imported` the exports of other stacks, `output` their outputs.
    """

    pseudo: Mapping[str, Any]
    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    mappings: Mapping[str, Any]
    ref: Callable[[str], Any]
    get_att: Callable[[str, str], Any]
    imported: Callable[[str], Any]
    output: Callable[[str, str], Any]
    zones: Callable[[], list[str]] = list
    _known: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        if name not in self._known:
            if name not in self.conditions:
                raise Unresolved(f"the template has no condition {name!r}")
            self._known[name] = bool(self.resolve(self.conditions[name]))
        return self._known[name]

    def resolve(self, value: Any) -> Any:
        """Returns the value with all intrinsic functions resolved. Raises `Unresolved`."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NoValue]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name.startswith("Fn::"):
                function = _FUNCTIONS.get(name)
                if function is None:
                    raise Unresolved(f"{name} is not modeled")
                return function(self, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NoValue}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NoValue
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.ref(name)

    def _sub(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})

        def replace(found: re.Match[str]) -> str:
            name = found.group(1).strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in given:
                return _text(self.resolve(given[name]))
            logical_id, dot, attribute = name.partition(".")
            return _text(self.get_att(logical_id, attribute) if dot else self._ref(name))

        return _VARIABLE.sub(replace, text)

    def _if(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])

    def _select(self, argument: list[Any]) -> Any:
        index, items = int(self.resolve(argument[0])), self.resolve(argument[1])
        try:
            return items[index]
        except IndexError:
            raise Unresolved(f"Fn::Select: item {index} of {len(items)} does not exist") from None

    def _get_att(self, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        return self.get_att(parts[0], self.resolve(parts[1]))

    def _stack_output(self, argument: Mapping[str, Any]) -> Any:
        given = self.resolve(argument)
        return self.output(given["StackName"], given["OutputName"])

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, top, second = (self.resolve(part) for part in argument[:3])
        try:
            return self.mappings[name][top][second]
        except KeyError:
            if len(argument) > 3:
                return self.resolve(argument[3]["DefaultValue"])
            raise Unresolved(f"Fn::FindInMap: {name}.{top}.{second} does not exist") from None


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Fn::GetAtt": Scope._get_att,
    "Fn::Sub": Scope._sub,
    "Fn::If": Scope._if,
    "Fn::Select": Scope._select,
    "Fn::FindInMap": Scope._find_in_map,
    "Fn::GetStackOutput": Scope._stack_output,
    "Fn::ImportValue": lambda scope, name: scope.imported(scope.resolve(name)),
    "Fn::Join": lambda scope, parts: _text(parts[0]).join(map(_text, scope.resolve(parts[1]))),
    "Fn::Split": lambda scope, parts: scope.resolve(parts[1]).split(parts[0]),
    "Fn::Base64": lambda scope, text: base64.b64encode(scope.resolve(text).encode()).decode(),
    "Fn::GetAZs": lambda scope, _: scope.zones(),
    "Fn::Equals": lambda scope, pair: _text(scope.resolve(pair[0])) == _text(scope.resolve(pair[1])),
    "Fn::Not": lambda scope, items: not scope.resolve(items[0]),
    "Fn::And": lambda scope, items: all(map(scope.resolve, items)),
    "Fn::Or": lambda scope, items: any(map(scope.resolve, items)),
    "Fn::Contains": lambda scope, pair: scope.resolve(pair[1]) in scope.resolve(pair[0]),
    "Fn::Length": lambda scope, items: len(scope.resolve(items)),
    "Fn::ToJsonString": lambda scope, value: json.dumps(scope.resolve(value)),
}
