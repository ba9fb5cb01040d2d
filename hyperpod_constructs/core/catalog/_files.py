"""The data files of the catalog: format and reader.

Every file is a JSON object with `source`, `date` (the ISO date on which its facts were collected) and `notes`, followed
by its sections.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

DATA = Path(__file__).parent / "data"


class _Cache(Protocol):
    def cache_clear(self) -> None: ...


Cached = TypeVar("Cached", bound=_Cache)
_caches: list[_Cache] = []
_stated: dict[str, Any] = {}


def follows_facts(cached: Cached) -> Cached:
    """Decorates a function like `functools.cache`; the cache is cleared when the facts change."""
    _caches.append(cached)
    return cached


def state(contents: Mapping[str, Any]) -> None:
    """Overrides packaged facts in this process: data files by name, with the entries that differ.

    Each call replaces the facts of the previous one.
    """
    if contents != _stated:
        _stated.clear()
        _stated.update(contents)
        for cached in _caches:
            cached.cache_clear()


def stated() -> Mapping[str, Any]:
    """The facts that override the packaged facts: data files by name."""
    return _stated


def merged(base: Any, over: Any) -> Any:
    """Merges mappings recursively; other values are replaced.

    >>> merged({"a": {"x": 1, "y": [2]}}, {"a": {"y": [3]}, "b": 4})
    {'a': {'x': 1, 'y': [3]}, 'b': 4}
    """
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
    return over


@follows_facts
@cache
def load(name: str) -> dict[str, Any]:
    """The content of `data/<name>.json`, overridden by stated facts. It is cached; do not modify it.

    >>> load("kubernetes")["date"]
    '2026-11-23'
    """
    content: dict[str, Any] = shipped(name)
    return merged(content, _stated[name]) if name in _stated else content


def shipped(name: str) -> dict[str, Any]:
    """The content of `data/<name>.json` as packaged."""
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_bytes())
    return content


def names() -> tuple[str, ...]:
    """The names of the data files, without suffix."""
    return tuple(sorted(path.stem for path in DATA.glob("*.json")))


def dumps(content: dict[str, Any]) -> str:
    """Formats a data file: compact, with one line per entry of a section, so that a diff lists changed facts.

    >>> print(dumps({"date": "2026-01-01", "sizes": {"a": {"x": 1}, "b": {"x": 2}}}), end="")
    {
     "date": "2026-01-01",
     "sizes": {
      "a": {"x":1},
      "b": {"x":2}
     }
    }
    """
    return "{\n" + ",\n".join(f" {_compact(key)}: {_section(value)}" for key, value in content.items()) + "\n}\n"


def _section(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {_compact(key)}: {_compact(entry)}" for key, entry in value.items()) + "\n }"
    if isinstance(value, list) and value and not all(isinstance(entry, str) and len(entry) < 30 for entry in value):
        return "[\n" + ",\n".join(f"  {_compact(entry)}" for entry in value) + "\n ]"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
