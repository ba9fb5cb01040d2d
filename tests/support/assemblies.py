"""Platforms that many tests use: each is synthesized once in a process; the same config gives the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembly import ROOT, UNCOPIED

from hyperpod_constructs.assembly.synth import build, cdk_context
from hyperpod_constructs.cli import diff
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.spec import Platform

if TYPE_CHECKING:
    from aws_cdk import App

_DONE: dict[str, tuple[App, Path]] = {}


def platform_of(config: Path) -> Platform:
    """The platform of a config file that has no errors."""
    loaded = load(ROOT / config)
    assert loaded.platform is not None, [str(finding) for finding in loaded.findings]
    return loaded.platform


def synthesized(platform: Platform, *, assets: bool = False) -> tuple[App, Path]:
    """The app of a platform and its cloud assembly, with copies of the assets (60 MB) only if requested."""
    context = cdk_context()
    # `cluster_name: null` is not the default; the templates contain the paths of assets
    key = json.dumps([platform.model_dump_json(exclude_unset=True), context, assets])
    if key not in _DONE:
        folder = Path(tempfile.mkdtemp(prefix="assembly-", dir=os.environ["TMPDIR"])) / "cdk.out"
        app = build([platform], context=context if assets else context | UNCOPIED, outdir=str(folder))
        app.synth()
        _DONE[key] = app, folder
    return _DONE[key]


def assembly_of(path: Path, folder: Path) -> Path:
    """The cloud assembly of a config, or of an existing assembly folder; it replaces a synthesis into `folder`."""
    return path if path.is_dir() else synthesized(diff._platform(path))[1]


def assembly_in(platform: Platform, folder: Path) -> dict[str, dict[str, Any]]:
    """The templates by stack, and a copy of the cloud assembly in `folder`."""
    shutil.copytree(synthesized(platform)[1], folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("asset.*"))
    return templates(platform)


def templates(platform: Platform) -> dict[str, dict[str, Any]]:
    """The templates of a platform by stack, for the caller to change."""
    _, folder = synthesized(platform)
    return {
        file.name.removesuffix(".template.json"): json.loads(file.read_bytes())
        for file in sorted(folder.rglob("*.template.json"))
    }
