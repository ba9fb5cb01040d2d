"""Writes a config: in its shortest form, in the order of the spec, with decisions as comments above the values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from ..documents import join
from ..jobs.importing.writing import comment
from ..jobs.text import inline, to_yaml
from ..spec import Platform

_WIDTH = 118


def config_text(data: Mapping[str, Any], notes: Mapping[str, str] | None = None, head: Sequence[str] = ()) -> str:
    """Returns the text of a config.

    >>> print(config_text({"eks": {"admins": ["a"]}, "name": "lab"}, {"eks.admins": "guessed"}, ["From x."]), end="")
    # From x.
    name: lab
    eks:
      # guessed
      admins: [a]
    """
    order = ("name", "region", "account", "defaults", *Platform.model_fields)
    ordered = {key: data[key] for key in order if key in data}
    lines = [comment(line) for line in head]
    lines += [f"{line}\n" for line in _block({**ordered, **data}, "", notes or {})]
    return "".join(lines)


def _block(data: Mapping[str, Any], path: str, notes: Mapping[str, str]) -> Iterator[str]:
    for key, value in data.items():
        place = join(path, key)
        if place in notes:
            yield from comment(notes[place]).splitlines()
        has_notes = any(noted.startswith((f"{place}.", f"{place}[")) for noted in notes)
        if isinstance(value, dict) and value and (has_notes or _nested(value) or not path):
            yield f"{key}:"
            yield from (f"  {line}" for line in _block(value, place, notes))
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield f"{key}:"
            for index, item in enumerate(value):
                yield from (f"  {line}" for line in _item(item, join(place, index), notes))
        elif isinstance(value, dict | list):
            yield f"{inline(key)}: {inline(value)}"
        else:
            yield from to_yaml([{key: value}]).splitlines()


def _item(item: Mapping[str, Any], path: str, notes: Mapping[str, str]) -> Iterator[str]:
    short = f"- {inline(item)}"
    if len(short) <= _WIDTH - 4 and not any(noted.startswith(f"{path}.") for noted in notes):
        if path in notes:
            yield from comment(notes[path]).splitlines()
        yield short
        return
    lines = list(_block(item, path, notes))
    yield f"- {lines[0]}"
    yield from (f"  {line}" for line in lines[1:])


def _nested(value: Mapping[str, Any]) -> bool:
    return len(inline(value)) > 80 or any(isinstance(inner, dict | list) and inner for inner in value.values())


def shortened(data: Mapping[str, Any], model: type[BaseModel] = Platform) -> dict[str, Any]:
    """Returns the data without values that equal the default of their field.

    >>> shortened({"name": "lab", "network": {"vpc_cidr": "10.192.0.0/16", "nat": "none"}})
    {'name': 'lab', 'network': {'nat': 'none'}}
    """
    found: dict[str, Any] = {}
    for key, value in data.items():
        info = model.model_fields.get(key)
        if info is None:
            found[key] = value
            continue
        inner = _models(info.annotation)
        if len(inner) == 1 and isinstance(value, dict):
            value = shortened(value, inner[0]) if value else value
            if not value and data[key] and not info.is_required() and info.get_default() is not None:
                continue  # the part exists by default
        elif len(inner) == 1 and isinstance(value, list):
            value = [shortened(item, inner[0]) if isinstance(item, dict) else item for item in value]
        default = info.get_default(call_default_factory=True)
        if not info.is_required() and (list(default) if isinstance(default, tuple) else default) == value:
            continue
        found[key] = value
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
