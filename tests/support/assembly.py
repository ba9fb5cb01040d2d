"""A synthesized app, for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
UNCOPIED = {"aws:cdk:disable-asset-staging": True, "aws:cdk:disable-creation-stack-traces": True}
"""CDK context of apps of which only the templates are tested: without copies of their assets, 20 MB for each app."""


@dataclass(frozen=True)
class Assembly:
    """A synthesized app."""

    folder: Path
    templates: dict[str, dict[str, Any]]
    """Stack name to template."""

    def resources(self, type_: str | None = None) -> dict[str, dict[str, Any]]:
        """Return resources of all stacks by logical id, optionally of one type."""
        return {
            name: resource
            for template in self.templates.values()
            for name, resource in template.get("Resources", {}).items()
            if type_ is None or resource["Type"] == type_
        }

    def only(self, type_: str) -> dict[str, Any]:
        """Return the properties of the only resource of a type."""
        found = list(self.resources(type_).values())
        assert len(found) == 1, f"{len(found)} resources of type {type_}"
        return dict(found[0]["Properties"])


def warnings_in(folder: str | Path) -> list[str]:
    """The warnings of a synthesized app. They are in its files: asking each construct takes thousands of calls of jsii."""
    files = [json.loads(file.read_text()) for file in sorted(Path(folder).rglob("*.metadata.json"))]
    entries = [entry for file in files for construct in file.values() for entry in construct]
    return [str(entry["data"]) for entry in entries if entry["type"].endswith("warning")]


def read_assembly(folder: Path) -> Assembly:
    """Return the templates below a cloud assembly folder."""
    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.rglob("*.template.json"))
    }
    return Assembly(folder=folder, templates=templates)
