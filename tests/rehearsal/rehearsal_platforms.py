"""Cloud assemblies of configs and of edits of them, each synthesized once per session, without copies of their assets.

With `HYPERPOD_REHEARSE_CACHE=FOLDER` they are kept from one session to the next, for as long as the sources are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from assemblies import synthesized
from assembly import ROOT, UNCOPIED
from ordinary_edits import content as content_of
from sweep import sample

from hyperpod_constructs.assembly.rehearsal import Rehearsal
from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.spec import Platform

EXAMPLES = ["hyperpod.yaml", *sorted(f"examples/{path.name}" for path in (ROOT / "examples").glob("*.yaml"))]
EXAMPLES.remove("examples/closed-network.yaml")  # a placeholder for its vendored chart, which a command creates:
EXAMPLES.append("tests/configs/closed-control-plane.yaml")


ALL = os.environ.get("HYPERPOD_REHEARSE") == "all"
"""Whether everything is played, and not the subset."""
PLAYED = EXAMPLES if ALL else sample(EXAMPLES, 4)
"""Examples of which each order and each fault is played."""
PROTECTED = "examples/training-plan-custom-ami.yaml"
HOLDS = {
    "examples/lustre.yaml": r"still used by FileSystem fs-\w+ \(fed-HyperPod.StorageLustredata",
    PROTECTED: "has deletion protection",
}
"""Examples whose deletion stops on purpose: at data that is kept, and at a protected cluster."""
CACHE = os.environ.get("HYPERPOD_REHEARSE_CACHE", "")


class Platforms:
    """Config file to the folder of its assembly."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, Path] = {}

    def __call__(self, config: str) -> Path:
        return self._synthesize(config, ROOT / config)

    def edited(self, config: str, edit: dict[str, Any]) -> Path:
        """The assembly of a config with other top-level keys (None removes one)."""
        content = content_of(config)
        for key, value in edit.items():
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
        return self.of(content)

    def of(self, content: dict[str, Any]) -> Path:
        """The assembly of a config's content."""
        key = json.dumps(content, sort_keys=True)
        file = self._folder / f"{len(self._done)}.yaml"
        file.write_text(yaml.safe_dump(content))
        return self._synthesize(key, file)

    def _synthesize(self, key: str, file: Path) -> Path:
        if key not in self._done:
            loaded = load(file)
            if loaded.platform is None:
                raise Invalid([str(finding) for finding in errors(loaded.findings)])
            self._done[key] = cached(key, loaded.platform) if CACHE else synthesized(loaded.platform)[1]
        return self._done[key]


def cached(key: str, platform: Platform) -> Path:
    """The assembly in the cache of sessions."""
    folder = Path(CACHE) / hashlib.sha256(f"{key}{sources()}".encode()).hexdigest()
    if not (folder / "manifest.json").exists():
        shutil.rmtree(folder, ignore_errors=True)  # one that was not finished
        build([platform], context={**cdk_context(), **UNCOPIED}, outdir=str(folder)).synth()
    return folder


class Invalid(Exception):
    """The checks reject a config before the deployment."""

    @property
    def rules(self) -> list[str]:
        """Ids of the rules that report it."""
        return sorted({text.split()[1] for text in self.args[0]})


@cache
def sources() -> str:
    """A digest of all inputs of an assembly."""
    digest = hashlib.sha256()
    for top in ("hyperpod_constructs", "examples", "jobs", "tests/configs"):
        for file in sorted(path for path in (ROOT / top).rglob("*") if path.is_file()):
            if "__pycache__" not in file.parts and "rehearsal" not in file.parts:
                digest.update(file.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    return Platforms(tmp_path_factory.mktemp("platforms"))


def deleted(rehearsal: Rehearsal, config: str, holds: str = "") -> None:
    """Deletes everything: only resources with a deletion policy may remain. `holds` is the reason of a stopped deletion."""
    holds = holds or HOLDS.get(config, "")
    rejected = [outcome for outcome in rehearsal.destroy() if not outcome.ok]
    if holds:
        assert len(rejected) == 1
        assert re.search(holds, rejected[0].reason)
    else:
        assert rejected == []
        assert list(rehearsal.stacks()) == []
    assert [item for item in rehearsal.left() if item.why == "left behind"] == []
