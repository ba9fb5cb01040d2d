"""The rules for edits whose effect depends on more than the field, by config path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...spec.platform import Platform
from ..edit import Edit


@dataclass(frozen=True)
class Versions:
    """The deployed platform and the new one, both with their defaults filled in."""

    old: Platform
    new: Platform


Special = Callable[[Versions, str, Any, Any], Iterator[Edit]]
_SPECIAL: dict[str, Special] = {}
_INDEX = re.compile(r"\[\d+\]")


def special(versions: Versions, path: str, before: Any, after: Any) -> list[Edit] | None:
    """Returns the edits of a field that has its own rule; None if its change policy is sufficient."""
    found = _SPECIAL.get(_INDEX.sub("[]", path))
    return None if found is None else list(found(versions, path, before, after))


def on(*paths: str) -> Callable[[Special], Special]:
    """Registers the rule of config paths; `[]` matches any index."""

    def register(function: Special) -> Special:
        _SPECIAL.update(dict.fromkeys(paths, function))
        return function

    return register
