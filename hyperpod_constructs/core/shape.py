"""Validates plain data against the spec models: problems become findings, and the valid parts can still be used.

Pydantic validates the data, but its messages are not shown to the user.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from .documents import Document, join
from .findings import Finding, Severity
from .plural import count
from .unknown_keys import fix_of_unknown_key, models_at

Path = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), "a mapping"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"), "a list"),
    "none_required": "empty",
}
"""Pydantic's error type to the expected type."""
_BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "greater_than_equal": ("ge", "is out of range: the minimum is {}", "Use at least {}."),
    "greater_than": ("gt", "is out of range: it must be greater than {}", "Use a number greater than {}."),
    "less_than_equal": ("le", "is out of range: the maximum is {}", "Use at most {}."),
    "less_than": ("lt", "is out of range: it must be less than {}", "Use a number less than {}."),
    "multiple_of": ("multiple_of", "is not a multiple of {}", "Use a multiple of {}."),
    "string_too_short": ("min_length", "has {size}: the minimum length is {}", "Use {} or more characters."),
    "string_too_long": ("max_length", "has {size}: the maximum length is {}", "Use {} characters at most."),
    "too_short": ("min_length", "has {size}: the minimum is {}", "Specify {} or more."),
    "too_long": ("max_length", "has {size}: the maximum is {}", "Specify {} or fewer."),
    "string_pattern_mismatch": ("pattern", "does not match the pattern {}", "Use a text that matches the pattern."),
}
"""Pydantic's error type to the key of its bound, the problem, and the fix."""
_PLAIN_WORD = re.compile(r"[A-Za-z/.-][-A-Za-z0-9_/.=]*")
MAX_FINDINGS = 100
"""Maximum number of structural problems that are listed: a file of another type can have one on every line."""
_YES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(eq=False, repr=False)
class Shape(Generic[Model]):
    """The result of validating data.

    Attributes:
        value: the model, if everything is valid.
        parts: its valid fields, by name, with defaults; invalid fields are omitted.
        findings: the problems.
        cut: the paths that were removed from `parts`, so that their defaults are not reported.
        removed: path of a list to the positions, in order, of its entries that were removed from `parts`.
    """

    value: Model | None
    parts: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    removed: dict[str, list[int]] = field(default_factory=dict)

    def original(self, path: str) -> str:
        """The path in the data of a path in `parts`.

        >>> Shape(None, {}, removed={"jobs": [0, 2]}).original("jobs[1].image")
        'jobs[3].image'
        """
        for around in sorted(self.removed, key=len):
            entry = re.match(rf"{re.escape(around)}\[(\d+)\]", path)
            if entry is not None:
                index = int(entry[1])
                for position in self.removed[around]:
                    if position > index:
                        break
                    index += 1
                path = f"{join(around, index)}{path[entry.end() :]}"
        return path


def shaped(model: type[Model], data: Any, document: Document, *, prefix: str = "") -> Shape[Model]:
    """Validates data against a model.

    `prefix` is the config path of the data in the document.

    >>> from hyperpod_constructs.core.documents import parse
    >>> from hyperpod_constructs.core.spec import Network
    >>> document = parse("vpc_cdir: 10.0.0.0/16")
    >>> [finding.cure for finding in shaped(Network, document.value, document).findings]
    ["Did you mean 'vpc_cidr'?"]
    """
    if not isinstance(data, dict):
        message = f"must be a mapping, not {_kind(data)}"
        finding = _finding("HP012", prefix, message, "Start with a key, such as `name: research`.")
        return Shape(None, {}, [document.located(finding)], [prefix])
    try:
        value = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as problem:
        return _broken(model, data, document, prefix, problem)
    return Shape(value, {name: getattr(value, name) for name in model.model_fields})


def _broken(
    model: type[Model], data: dict[str, Any], document: Document, prefix: str, problem: ValidationError
) -> Shape[Model]:
    shape: Shape[Model] = Shape(None, {})
    remaining = json.loads(json.dumps(data))
    discarded: set[str] = set()
    removed: dict[str, set[int]] = {}
    more = 0
    for path, problems in _by_place(data, problem):
        unknown = problems[0]["type"] == "extra_forbidden"
        if len(shape.findings) < MAX_FINDINGS:
            finding = _translated(model, path, problems, document, _text_of(prefix, path))
            key = finding.rule in ("HP010", "HP011")
            shape.findings.append(document.located(finding, key=key))
        else:
            more += 1
        cut = _cut(model, remaining, path)
        if len(cut) == 1 and unknown:  # no part of the model is affected
            continue
        shape.cut.append(_text_of(prefix, cut))
        if len(cut) == 1:
            discarded.add(str(cut[0]))
        elif isinstance(cut[-1], int):
            removed.setdefault(_text_of(prefix, cut[:-1]), set()).add(cut[-1])
    if more:
        message = f"{more:,} additional structural errors are not listed"
        shape.findings.append(document.located(_finding("HP012", prefix, message, "Fix the listed errors first.")))
    shape.removed = {path: sorted(positions) for path, positions in removed.items()}
    remaining = _without_removed(remaining)
    for name, info in model.model_fields.items():
        if name in discarded:
            continue
        if name not in remaining:
            if not info.is_required():
                shape.parts[name] = info.get_default(call_default_factory=True)
            continue
        try:
            shape.parts[name] = _adapter(model, name).validate_json(json.dumps(remaining[name]), strict=True)
        except ValidationError:  # reported above; the rest of this part cannot be used
            shape.cut.append(_text_of(prefix, (name,)))
    return shape


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Validates one field of a model separately."""
    return TypeAdapter(model.model_fields[name].rebuild_annotation())


def _by_place(data: Any, problem: ValidationError) -> Iterator[tuple[Path, list[Mapping[str, Any]]]]:
    """The problems by their position in the data, without those about other members of a union."""
    grouped: dict[Path, list[Mapping[str, Any]]] = {}
    for error in problem.errors(include_url=False):
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue  # pydantic counts only valid entries; the invalid ones are reported separately
        grouped.setdefault(_in_data(data, error["loc"], missing=error["type"] == "missing"), []).append(error)
    around = {path[:length] for path in grouped for length in range(len(path))}
    for path, errors in grouped.items():
        if not (path in around and all(error["type"] in _WORDS for error in errors)):
            yield path, errors


def _in_data(data: Any, place: Sequence[str | int], *, missing: bool) -> Path:
    """A position as pydantic reports it, without the names of union members."""
    if len(place) == 1 and place[0] in data:  # each unknown key in a file of another type
        return (place[0],)
    path: list[str | int] = []
    current = data
    for index, part in enumerate(place):
        known = part in current if isinstance(current, dict) else isinstance(current, list) and isinstance(part, int)
        if known:
            path.append(part)
            current = _member(current, part)
        elif missing and index == len(place) - 1:
            path.append(part)
    return tuple(path)


def _cut(model: type[BaseModel], data: dict[str, Any], path: Path) -> Path:
    """Removes the smallest part around a position that leaves valid data, and returns its path."""
    for length in range(len(path), 1, -1):
        around, last = path[: length - 1], path[length - 1]
        current: Any = data
        for part in around:
            current = _member(current, part)
        if isinstance(current, list) and isinstance(last, int) and isinstance(current[last], dict | _Removed):
            current[last] = _Removed()
            return path[:length]
        if not isinstance(current, dict) or not isinstance(last, str):
            continue
        fields = [each.model_fields.get(last) for each in models_at(model, around)]
        if not any(info is not None and info.is_required() for info in fields):
            current.pop(last, None)
            return path[:length]
    if path:
        data.pop(str(path[0]), None)
    return path[:1]


class _Removed:
    """Placeholder for a removed list entry, so that the positions in the paths of other problems remain valid."""


def _without_removed(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_removed(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_without_removed(value) for value in data if not isinstance(value, _Removed)]
    return data


def _member(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _translated(
    model: type[BaseModel], path: Path, problems: Sequence[Mapping[str, Any]], document: Document, text: str
) -> Finding:
    kind, value = problems[0]["type"], problems[0]["input"]
    if kind == "extra_forbidden":
        return _finding("HP010", text, f"unknown key {path[-1]!r}", fix_of_unknown_key(model, path, value))
    if kind == "missing":
        return _missing(model, path, text)
    unit, amount = _amount(path, value)
    if amount is not None:
        message = f"must be a number in {unit} without a unit, not the text {_shown(value)}"
        return _finding("HP012", text, message, f"Write {amount}.")
    number = isinstance(value, int | float)
    written = document.written.get(text)
    texts = [p["type"] in ("string_type", "value_error") for p in problems]
    others = [p["type"] in _WORDS for p in problems]
    if number and written is not None and any(texts) and all(map(any, zip(texts, others, strict=True))):
        read_as = str(value).lower() if isinstance(value, bool) else value
        what = "true or false" if isinstance(value, bool) else "a number"
        message = f"{written} without quotes is read as {what} ({read_as}), but text is required"
        return _finding("HP014", text, message, f'Put quotes around it: "{written}".')
    if all(p["type"] in _WORDS for p in problems):
        wanted = " or ".join(dict.fromkeys(_WORDS[p["type"]] for p in problems))
        word = str(value).lower() if isinstance(value, bool | str) else ""
        cure = _corrected(wanted, value)
        flags = {**_YES, "true": "true", "false": "false"}
        if word in flags and any("enabled" in each.model_fields for each in models_at(model, path)):
            on = flags[word] == "true"
            cure = (
                "Write `{}` to enable it with its defaults." if on else "Write `{enabled: false}`, or remove the key."
            )
        return _finding("HP012", text, f"must be {wanted}, not {_kind(value)}", cure)
    problem = next(p for p in problems if p["type"] not in _WORDS)
    words = dict.fromkeys(_WORDS[p["type"]] for p in problems if p["type"] in _WORDS)
    if words and problem["type"] == "literal_error":  # a number or a keyword
        wanted = " or ".join([*words, problem["ctx"]["expected"]])
        return _finding("HP012", text, f"must be {wanted}, not {_kind(value)}", _corrected(wanted, value))
    return _out_of_bounds(problem, text)


_UNITS = {"gib": ("GiB", 2**30), "mib": ("MiB", 2**20), "vcpu": ("vCPUs", 1)}
"""Suffix of a key to the unit of its number."""


def _amount(path: Path, value: Any) -> tuple[str, str | None]:
    """Unit of a key, and the number for a text with a unit: `16Gi` for `memory_gib` is 16, `500m` for `vcpu` is 0.5."""
    from .jobs.quantities import amount

    unit, size = _UNITS.get(str(path[-1]).removesuffix("_limit").rpartition("_")[2], ("", 0))
    if not size or not isinstance(value, str):
        return unit, None
    text = value.replace(" ", "").removesuffix("B")
    if text.isdecimal():  # in quotes
        return unit, text if unit == "vCPUs" else None
    found = amount(text)
    return unit, None if found is None else f"{round(found / size, 3):f}".rstrip("0").rstrip(".")


def _out_of_bounds(problem: Mapping[str, Any], text: str) -> Finding:
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind in ("literal_error", "enum"):
        from .catalog import suggest

        allowed = str(context["expected"])
        words = allowed.replace(" or ", ", ").replace("'", "").split(", ")
        # a word with a different first letter is not a misspelling: "one" is not "none"
        near = (
            suggest(value, [word for word in words if word[:1].lower() == value[:1].lower()])
            if isinstance(value, str)
            else None
        )
        cure = f"Did you mean {near!r}?" if near else f"Write {allowed}."
        return _finding("HP013", text, f"{_shown(value)} is not one of {allowed}", cure)
    if kind in _BOUNDS:
        key, message, cure = _BOUNDS[kind]
        bound = f"{context[key]:g}" if isinstance(context[key], float) else context[key]
        if kind in ("too_short", "too_long"):
            message = message.format(bound, size=count(len(value), "entry", "entries"))
        else:
            size = count(len(value), "character") if isinstance(value, str) else ""
            message = f"{_shown(value)} {message.format(bound, size=size)}"
        return _finding("HP013", text, message, cure.format(bound))
    if kind == "finite_number" or (isinstance(value, float) and not math.isfinite(value)):
        return _finding("HP013", text, f"{value} is out of range: it must be a finite number", "Write a number.")
    message = str(context["error"]) if "error" in context else f"{_shown(value)} is not valid here"
    return _finding("HP013", text, message, "")


def _missing(model: type[BaseModel], path: Path, text: str) -> Finding:
    key = str(path[-1])
    helps = (each.model_fields[key].description for each in models_at(model, path[:-1]) if key in each.model_fields)
    help_ = next((text for text in helps if text), "")
    cure = f"Add `{key}:`" + (f" ({help_.rstrip('.')})." if help_ else ".")
    return _finding("HP011", text, f"the key {key!r} is missing", cure)


def _corrected(wanted: str, value: Any) -> str:
    if wanted == "true or false" and isinstance(value, str) and value.lower() in _YES:
        return f"Write {_YES[value.lower()]}."
    if wanted == "a list" and isinstance(value, str | int | float):
        words = _words(str(value))
        each = ", one word for each entry" if len(words) > 1 else ""
        return f"Write it in brackets{each}: [{', '.join(words)}]."
    if value is None:
        return "Remove the key, or set a value."
    if wanted.startswith(("a whole number", "a number")) and isinstance(value, str) and value.isdecimal():
        return f"Remove the quotes: {value}."
    return f"Write {wanted}."


def _words(text: str) -> list[str]:
    """The words of a command line, or of a list with commas, as list entries."""
    try:
        words = shlex.split(text)
    except ValueError:  # an unclosed quote
        words = text.split()
    if all(word.endswith(",") for word in words[:-1]):
        words = [word.removesuffix(",") for word in words]
    return [word if _PLAIN_WORD.fullmatch(word) else json.dumps(word) for word in words]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shown(value)}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    short = text if len(text) <= 64 else text[:60] + "..."
    return repr(short) if isinstance(value, str) else short


def _text_of(prefix: str, path: Path) -> str:
    for part in path:
        prefix = join(prefix, part)
    return prefix


def _finding(rule: str, path: str, message: str, cure: str) -> Finding:
    return Finding(rule=rule, severity=Severity.ERROR, path=path, message=message, cure=cure)
