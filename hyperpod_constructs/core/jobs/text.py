"""Formats manifests as YAML and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from ..documents import plain


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes scripts as block scalars, and quotes strings that a YAML parser may read as a number or a boolean."""

    def ignore_aliases(self, data: object) -> bool:
        """Returns True: repeated values are written in full, because aliases are hard to review."""
        return True


def _text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value:
        style = "|"
    elif not isinstance(plain(value), str):  # YAML 1.2 reads 1e3 as a number, PyYAML's 1.1 does not
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(manifests: Sequence[dict[str, Any]]) -> str:
    r"""Formats manifests as YAML documents that parse to equal data.

    >>> print(to_yaml([{"name": "1e3", "script": "a\nb\n"}]), end="")
    name: "1e3"
    script: |
      a
      b
    """
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def inline(value: Any) -> str:
    """Formats a value on one line that parses to equal data.

    >>> inline({"name": "1e3", "zones": ["a"]})
    '{name: "1e3", zones: [a]}'
    """
    text: str = yaml.dump(
        [value], Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=2**31 - 1
    )
    return text.rstrip("\n")[1:-1]


def to_json(manifests: Sequence[dict[str, Any]]) -> str:
    """Formats manifests as JSON: a single object, or a List of several objects."""
    content = manifests[0] if len(manifests) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    return json.dumps(content, indent=2) + "\n"
