"""The data files of the catalog: one reader, and the one format they are written in.

Every file is a JSON object with `source`, `date` (ISO, when its facts were collected) and `notes`, then its sections.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@cache
def load(name: str) -> dict[str, Any]:
    """The content of `data/<name>.json`, read once per process. Do not change it.

    >>> load("kubernetes")["date"]
    '2026-11-23'
    """
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_bytes())
    return content


def names() -> tuple[str, ...]:
    """The data files there are, without their suffix."""
    return tuple(sorted(path.stem for path in DATA.glob("*.json")))


def dumps(content: dict[str, Any]) -> str:
    """A data file's text: compact, but one entry of a section a line, so that a diff reads as a list of changed facts.

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
