"""CloudFormation's resource schemas, as cfn-lint ships them: allowed properties, and the effect of changing them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT_REGION = "us-east-1"


class NoSchemas(Exception):
    """cfn-lint or jsonschema is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "a rehearsal requires CloudFormation's resource schemas from cfn-lint, which is not installed; "
            "run: pip install 'hyperpod-constructs[rehearse]'"
        )


@dataclass(frozen=True)
class Schema:
    """The schema of one resource type in one region."""

    kind: str
    document: Mapping[str, Any]

    def problems(self, properties: Mapping[str, Any]) -> list[str]:
        """Returns the problems for which CloudFormation would reject resolved properties, with paths."""
        text = f"{id(self.document)} {json.dumps(properties, sort_keys=True)}"
        if text not in _PROBLEMS:
            _PROBLEMS[text] = [
                f"{'.'.join(map(str, error.absolute_path)) or 'Properties'}: {_short(error.message)}"
                for error in _validator(self).iter_errors(dict(properties))
            ]
        return _PROBLEMS[text]

    def replacing(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """Returns the changed properties that cannot be changed in place."""
        return [
            ".".join(path)
            for path in self._paths("createOnlyProperties")
            if list(_values(old, path)) != list(_values(new, path))
        ]

    def has_attribute(self, name: str) -> bool:
        """Whether `Fn::GetAtt` supports an attribute."""
        inner: Any = self.document
        for part in name.split("."):
            inner = _followed(self.document, inner).get("properties", {}).get(part)
            if inner is None:
                return False
        return True

    @property
    def read_only(self) -> list[str]:
        """Returns attributes that the service sets."""
        return [".".join(path) for path in self._paths("readOnlyProperties")]

    def _paths(self, name: str) -> list[list[str]]:
        return [path.removeprefix("/properties/").split("/") for path in self.document.get(name, ())]


@cache
def schema(kind: str, region: str) -> Schema | None:
    """Returns the schema of a kind; None if CloudFormation does not have the kind in that region. Raises `NoSchemas`."""
    names = _names(region)
    if kind not in names:
        return None
    document = json.loads((_folder() / "resources" / f"{names[kind]}.json").read_bytes())
    return Schema(kind, document)


@cache
def _names(region: str) -> dict[str, str]:
    providers = _folder() / "providers"
    file = providers / f"{region}.json"
    found: dict[str, str] = json.loads((file if file.is_file() else providers / f"{DEFAULT_REGION}.json").read_bytes())
    return found


@cache
def _folder() -> Path:
    found = importlib.util.find_spec("cfnlint")
    if found is None or found.origin is None or importlib.util.find_spec("jsonschema") is None:
        raise NoSchemas
    return Path(found.origin).parent / "data" / "schemas"


@cache
def _validator_class() -> Any:
    from jsonschema import Draft7Validator, validators

    def number(_: Any, value: Any) -> bool:
        return isinstance(value, (int, float)) or (
            isinstance(value, str) and value.lstrip("-").replace(".", "").isdigit()
        )

    # CloudFormation converts between strings and other plain values.
    checker = Draft7Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": number,
            "number": number,
            "boolean": lambda _, value: isinstance(value, bool) or value in ("true", "false"),
            "string": lambda _, value: isinstance(value, (str, int, float, bool)),
            "object": lambda _, value: isinstance(value, dict) or (isinstance(value, str) and value.startswith("{")),
        }
    )
    return validators.extend(
        Draft7Validator, {"format": None, "pattern": _pattern, "enum": _enum}, type_checker=checker
    )


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    import re

    from jsonschema import ValidationError

    try:
        found = not isinstance(value, str) or re.search(pattern, value)
    except re.error:  # a regular expression of another dialect
        return
    if not found:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _enum(_: Any, allowed: list[Any], value: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if value not in allowed and str(value) not in map(str, allowed):
        yield ValidationError(f"{value!r} is not one of {allowed}")


_VALIDATORS: dict[int, Any] = {}
_PROBLEMS: dict[str, list[str]] = {}
"""Problems of properties that were already checked: rehearsals of one app often check the same ones."""


def _validator(of: Schema) -> Any:
    key = id(of.document)
    if key not in _VALIDATORS:
        _VALIDATORS[key] = _validator_class()(of.document)
    return _VALIDATORS[key]


def _followed(document: Mapping[str, Any], inner: Any) -> Mapping[str, Any]:
    while isinstance(inner, Mapping) and "$ref" in inner:
        target: Any = document
        for part in inner["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        inner = target
    return inner if isinstance(inner, Mapping) else {}


def _values(properties: Any, path: list[str]) -> Iterator[Any]:
    """Returns the values at a path of a schema; `*` matches every item of a list."""
    if not path:
        yield as_text(properties)
    elif path[0] == "*" and isinstance(properties, list):
        for item in properties:
            yield from _values(item, path[1:])
    elif isinstance(properties, Mapping) and path[0] in properties:
        yield from _values(properties[path[0]], path[1:])


def as_text(value: Any) -> Any:
    """Returns a value as CloudFormation compares it: scalars as text."""
    if isinstance(value, Mapping):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(message: str) -> str:
    return message if len(message) <= 300 else message[:297] + "..."
