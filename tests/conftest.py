"""Shared set-up and the synthesized configs that many tests look at.

It runs before anything imports aws_cdk: Node comes from our own requirements, and CDK's validator is off (it is 70 % of the
time of a synth; tests/test_gate.py switches it on). There is one jsii process; each config is synthesized once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperpod_constructs.synth import build, cdk_context, use_packaged_node

ROOT = Path(__file__).parent.parent

os.environ["CDK_VALIDATION"] = "false"
os.environ.pop("CDK_CONTEXT_JSON", None)
use_packaged_node()


@dataclass(frozen=True)
class Assembly:
    """A synthesized app."""

    folder: Path
    templates: dict[str, dict[str, Any]]
    """Stack name to template."""

    def resources(self, type_: str | None = None) -> dict[str, dict[str, Any]]:
        """Resources of all stacks by logical id, of one type if asked for."""
        return {
            name: resource
            for template in self.templates.values()
            for name, resource in template.get("Resources", {}).items()
            if type_ is None or resource["Type"] == type_
        }

    def one(self, type_: str) -> dict[str, Any]:
        """Properties of the only resource of a type."""
        found = list(self.resources(type_).values())
        assert len(found) == 1, f"{len(found)} resources of type {type_}"
        return found[0]["Properties"]


def read_assembly(folder: Path) -> Assembly:
    """The templates below a cloud assembly folder."""
    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(folder.rglob("*.template.json"))
    }
    return Assembly(folder=folder, templates=templates)


@pytest.fixture(scope="session")
def assemble(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | Path], Assembly]:
    """Synthesize a config file (path from the root), once a session."""
    from hyperpod_constructs.config import load

    done: dict[Path, Assembly] = {}

    def assemble_(config: str | Path) -> Assembly:
        path = ROOT / config
        if path not in done:
            loaded = load(path)
            assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
            folder = tmp_path_factory.mktemp("assembly") / "cdk.out"
            build([loaded.platform], context=cdk_context(), outdir=str(folder)).synth()
            done[path] = read_assembly(folder)
        return done[path]

    return assemble_


@pytest.fixture(scope="session")
def default(assemble: Callable[[str], Assembly]) -> Assembly:
    """The shipped hyperpod.yaml."""
    return assemble("hyperpod.yaml")
