"""The fix for a key that a model does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from .documents import join
from .plural import either

Path = tuple[str | int, ...]


def models_at(model: type[BaseModel], path: Path) -> tuple[type[BaseModel], ...]:
    """The models that are allowed at a position.

    >>> from hyperpod_constructs.core.spec import Platform
    >>> models_at(Platform, ("cluster", "instance_groups", 0))[0].__name__
    'InstanceGroup'
    """
    found: tuple[type[BaseModel], ...] = (model,)
    for part in path:
        if isinstance(part, int):
            continue
        fields = [each.model_fields[part] for each in found if part in each.model_fields]
        if fields:
            found = tuple(each for info in fields for each in models_in(info.annotation))
    return found


def models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(each for argument in get_args(annotation) for each in models_in(argument))


_PROXY = (
    "Remove it; docs/closed-network.md (Behind an HTTP proxy) describes how nodes use a proxy and what cannot use one."
)
_FIX_BY_FIELD = dict.fromkeys(("http_proxy", "https_proxy", "no_proxy"), _PROXY)
"""Unknown key to its fix, for settings that the documentation covers."""


def fix_of_unknown_key(model: type[BaseModel], path: Path, value: Any) -> str:
    """The fix for an unknown key: the closest key, the position where it belongs, or the valid keys."""
    from difflib import get_close_matches

    key = str(path[-1])
    if key in _FIX_BY_FIELD:
        return _FIX_BY_FIELD[key]
    known = {_plain(name): name for each in models_at(model, path[:-1]) for name in each.model_fields}
    same = [name for name in known.values() if _singular_words(key) == _singular_words(name)]
    near = same or [known[each] for each in get_close_matches(_plain(key), known, n=1, cutoff=0.7)]
    if near:
        return f"Did you mean {near[0]!r}?"
    if isinstance(value, Mapping) and value and value.keys() <= set(known.values()):
        return f"Remove `{key}:` and write its keys one level up: {', '.join(map(str, value))}."
    related = [name for name in known.values() if _singular_words(key) <= _singular_words(name)]
    if 0 < len(related) <= 3:
        return f"Did you mean {either(map(repr, related))}?"
    elsewhere = _places(model).get(key, [])
    if len(elsewhere) == 1:
        return f"Move it to `{elsewhere[0]}`."
    return f"Remove it; valid keys: {', '.join(known.values())}." if known else "Remove it."


@cache
def _places(model: type[BaseModel]) -> dict[str, list[str]]:
    """Key to the paths at which the model and its nested models have it, up to three levels down."""
    found: dict[str, list[str]] = {}
    for name, place in _keys_below(model, "", 3):
        found.setdefault(name, []).append(place)
    return found


def _keys_below(model: type[BaseModel], path: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, info in model.model_fields.items():
        place = join(path, name)
        yield name, place
        inner = models_in(info.annotation)
        if inner and depth:
            many = "tuple" in str(info.annotation)
            yield from _keys_below(inner[0], place + ("[...]" if many else ""), depth - 1)


def _singular_words(key: str) -> set[str]:
    return {word.removesuffix("s") for word in key.lower().replace("-", "_").split("_")}


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")
