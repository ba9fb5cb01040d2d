"""Validates Kubernetes objects against their schema: keys, types and allowed values, from the catalog.

A type is `str`, `bool`, `int32`, `int64`, `num`, `quantity`, `intstr`, `any`, the name of an object type, `[type]` for
a list or `{type}` for a mapping with arbitrary keys; a trailing `!` marks a required field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ..catalog._files import load
from ..documents import join
from ..spec.base import is_token
from .quantities import amount

_INTEGERS = {"int32": 2**31, "int64": 2**63}
_WORDS = {"str": "text", "bool": "true or false", "num": "a number", "intstr": "a whole number or text"}


class Flaw(NamedTuple):
    """A part of an object that Kubernetes rejects: its path, the problem, and the fix."""

    path: str
    message: str
    cure: str = ""
    kind: str = ""
    """`type`, `missing`, `unknown-key`, `size`, `duplicate-mount`, `above-limit` or `identity`; empty for others."""


def type_of(kind: str) -> str | None:
    """Returns the type of an object by its kind; None for kinds whose schema is unknown.

    >>> type_of("PyTorchJob"), type_of("Ingress")
    ('PyTorchJob', None)
    """
    return kind if kind in load("kubernetes_schema")["kinds"] else None


def flaws(value: Any, type_: str = "PodTemplateSpec", path: str = "") -> Iterator[Flaw]:
    """Validates a value against the schema of a type, and yields the parts that Kubernetes rejects.

    >>> [flaw.message for flaw in flaws({"spec": {"containers": [{"name": "main", "comand": ["train"]}]}})]
    ["unknown key 'comand'"]
    """
    if is_token(value) or type_ == "any":
        return
    if type_[0] == "[":
        if not isinstance(value, list | tuple):
            yield Flaw(path, f"must be a list, not {_kind(value)}", kind="type")
            return
        for index, item in enumerate(value):
            yield from flaws(item, type_[1:-1], join(path, index))
    elif type_[0] == "{":
        if not isinstance(value, Mapping):
            yield Flaw(path, f"must be a mapping, not {_kind(value)}", kind="type")
            return
        for key, item in value.items():
            yield from flaws(item, type_[1:-1], join(path, str(key)))
    elif type_ in _INTEGERS or type_ in _WORDS or type_ == "quantity":
        yield from _scalar(value, type_, path)
    else:
        yield from _object(value, type_, path)


@cache
def _fields(type_: str) -> tuple[Mapping[str, str], tuple[str, ...], Mapping[str, Sequence[str]]]:
    """Returns the fields of an object type with their types, the required fields, and allowed values by field."""
    facts = load("kubernetes_schema")
    fields: Mapping[str, str] = facts["types"][type_]
    limited = {key: facts["values"][f"{type_}.{key}"] for key in fields if f"{type_}.{key}" in facts["values"]}
    required = tuple(key for key, inner in fields.items() if inner.endswith("!"))
    return {key: inner.removesuffix("!") for key, inner in fields.items()}, required, limited


def _object(value: Any, type_: str, path: str) -> Iterator[Flaw]:
    if not isinstance(value, Mapping):
        yield Flaw(path, f"must be a mapping, not {_kind(value)}", kind="type")
        return
    fields, required, limited = _fields(type_)
    for key, item in value.items():
        inner = fields.get(key)
        if item is None and inner is not None:
            continue  # the API server treats null as absent
        if type(item) is str and inner == "str" and key not in limited:
            continue  # most fields are strings
        place = join(path, str(key))
        if inner is None:
            near = _near(str(key), fields, 0.7)
            cure = f"Did you mean {near[0]!r}?" if near else f"Remove it; valid keys of {type_}: {', '.join(fields)}."
            yield Flaw(place, f"unknown key {key!r}", cure, "unknown-key")
            continue
        found = list(flaws(item, inner, place))
        yield from found
        values = limited.get(key)
        if not found and values and item not in values and not is_token(item):
            near = _near(str(item), values, 0.6)
            cure = f"Did you mean {near[0]!r}?" if near else f"Use {' or '.join(values)}."
            yield Flaw(place, f"{item!r} is not one of {', '.join(values)}", cure)
    for key in required:
        if value.get(key) is None:
            yield Flaw(path, f"the required key {key!r} is missing", f"Add {key}.", "missing")


def _scalar(value: Any, type_: str, path: str) -> Iterator[Flaw]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ in _INTEGERS:
        whole = number and (isinstance(value, int) or value.is_integer())
        if not whole:
            yield Flaw(path, f"must be a whole number, not {_kind(value)}", kind="type")
        elif not -_INTEGERS[type_] <= value < _INTEGERS[type_]:
            yield Flaw(path, f"{value} exceeds {type_[3:]} bits", f"Use at most {_INTEGERS[type_] - 1}.", "size")
    elif type_ == "quantity":
        if amount(value) is None:
            cure = "Use a number with a suffix such as Mi or Gi, or m for thousandths."
            yield Flaw(path, f"{value!r} is not a Kubernetes quantity", cure)
    elif not (
        (type_ == "str" and isinstance(value, str))
        or (type_ == "bool" and isinstance(value, bool))
        or (type_ == "num" and number)
        or (type_ == "intstr" and (isinstance(value, str) or (number and isinstance(value, int))))
    ):
        cure = f'Put quotes around it: "{str(value).lower() if isinstance(value, bool) else value}".'
        yield Flaw(path, f"must be {_WORDS[type_]}, not {_kind(value)}", cure if type_ == "str" else "", "type")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:60]!r}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _near(name: str, names: Iterable[str], cutoff: float) -> list[str]:
    """Returns the closest valid name, if any."""
    from difflib import get_close_matches  # imported only for errors: the import takes longer than the validation

    return get_close_matches(name, names, n=1, cutoff=cutoff)
