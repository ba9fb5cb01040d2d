"""Merges templates: each distinct resource once, so that a linter checks it once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Template = dict[str, Any]
Resources = dict[str, Any]


def merged(templates: Iterable[Mapping[str, Any]]) -> Template:
    """One template with every distinct resource of many.

    References keep their type: each leads to the first resource of the type that it led to, which comes before. Dependencies
    are left out; that they lead somewhere is the order proof's business.
    """
    merged: Resources = {}
    known: dict[str, str] = {}
    sections: dict[str, dict[str, Any]] = {"Mappings": {}, "Conditions": {}}
    for template in templates:
        for section, content in sections.items():
            content.update(template.get(section, {}))
        merged_names: set[str] = set()
        for name in template["Resources"]:
            _add(name, template["Resources"], merged_names, merged, known)
    return {**{name: content for name, content in sections.items() if content}, "Resources": merged}


def _add(name: str, resources: Mapping[str, Any], visited: set[str], merged: Resources, known: dict[str, str]) -> str:
    """Adds a resource after its references; returns the name of the first resource of its type."""
    kind = re.sub(r"\W", "", resources[name]["Type"])
    if name not in visited:
        visited.add(name)

        def rename(other: str) -> str:
            return _add(other, resources, visited, merged, known) if other in resources else other

        content = {k: v for k, v in resources[name].items() if k not in ("Metadata", "DependsOn")}
        content = _renamed(content, rename)
        text = json.dumps(content, sort_keys=True)
        if text not in known:
            known[text] = kind if kind not in merged else f"{kind}{len(merged)}"
            merged[known[text]] = content
    return kind


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, rename) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"}:
        return {"Ref": rename(value["Ref"])}
    if value.keys() == {"Fn::GetAtt"} and isinstance(value["Fn::GetAtt"], list):
        name, attribute = value["Fn::GetAtt"]
        return {"Fn::GetAtt": [rename(name), attribute]}
    return {key: _renamed(item, rename) for key, item in value.items()}
