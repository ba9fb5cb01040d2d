"""Templates: replaces `${NAME}` and `$NAME` in a file with given values or environment variables.

A name that occurs outside commands, arguments and scripts is a template variable. A name that occurs only inside them
is not replaced, because the shell in the container reads it, unless a value is given for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...documents import parse_all

_NAME = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<bare>[A-Za-z_][A-Za-z0-9_]*))", re.ASCII)
_SCRIPTS = frozenset({"command", "args", "data", "stringData", "binaryData", "pre_script", "post_script"})
"""Keys whose values a shell in the container reads."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled template.

    Attributes:
        text: the text with values inserted.
        values: inserted values by name.
        missing: names of template variables without a value.
        left: names that are not replaced, for the shell in the container.
    """

    text: str
    values: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def fill(text: str, stated: Mapping[str, str], environment: Mapping[str, str]) -> Filled:
    r"""Fills a template; given values take precedence over the environment.

    >>> text = "image: ${IMAGE}\ncommand: [bash, -c, 'echo $HOME $IMAGE']\n"
    >>> filled = fill(text, {}, {"IMAGE": "a:1", "HOME": "/root"})
    >>> print(filled.text, filled.left)
    image: a:1
    command: [bash, -c, 'echo $HOME a:1']
     ('HOME',)
    """
    outside, everywhere = _names(text)
    names = outside | (everywhere & stated.keys())
    values = {
        name: stated[name] if name in stated else environment[name]
        for name in sorted(names)
        if name in stated or name in environment
    }

    def value(found: re.Match[str]) -> str:
        return values.get(found["braced"] or found["bare"], found[0])

    return Filled(
        text=_NAME.sub(value, text),
        values=values,
        missing=tuple(sorted(outside - values.keys())),
        left=tuple(sorted(everywhere - outside - values.keys())),
    )


def _names(text: str) -> tuple[set[str], set[str]]:
    """Returns the names outside scripts, and all names; in a text that is not valid YAML, all are template variables."""
    everywhere = {found["braced"] or found["bare"] for found in _NAME.finditer(text)}
    documents = parse_all(text)
    if any(document.value is None and document.findings for document in documents):
        return everywhere, everywhere
    outside = {name for document in documents for name in _outside(document.value)}
    inside = {name for document in documents for name in _outside(document.value, scripts=True)}
    return outside, outside | inside


def _outside(value: Any, *, scripts: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        for found in _NAME.finditer(value):
            yield found["braced"] or found["bare"]
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _outside(key)
            if scripts or key not in _SCRIPTS:
                yield from _outside(item, scripts=scripts)
    elif isinstance(value, list):
        for item in value:
            yield from _outside(item, scripts=scripts)
