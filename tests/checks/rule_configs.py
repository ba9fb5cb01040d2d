"""The config that the rules' examples are merged into, and functions that load a text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hyperpod_constructs.core.catalog import use_clock
from hyperpod_constructs.core.config import Loaded, load
from hyperpod_constructs.core.documents import parse
from hyperpod_constructs.core.findings import Finding

TODAY = date(2026, 11, 23)
BASE: dict[str, Any] = {
    "name": "research",
    "region": "us-west-2",
    "defaults": 2,
    "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
    "eks": {"kubernetes_version": "1.35", "admins": ["arn:aws:iam::111122223333:role/Admin"]},
    "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 2}]},
}


def merged(base: Any, overlay: Any) -> Any:
    """Mappings merged key by key, everything else replaced."""
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        return {**base, **{key: merged(base.get(key), value) for key, value in overlay.items()}}
    return overlay


@cache
def folder() -> Path:
    """The folder of the configs, with the local folders that examples name."""
    directory = Path(tempfile.mkdtemp(prefix="rules-", dir=os.environ["TMPDIR"]))
    for local in ("scripts/on_create.sh", "vendor/chart/Chart.yaml", "charts/grafana/Chart.yaml"):
        (directory / local).parent.mkdir(parents=True, exist_ok=True)
        (directory / local).touch()
    return directory


def load_text(text: str) -> Loaded:
    """The text loaded as a config file, on the catalog's day."""
    file = folder() / "hyperpod.yaml"
    file.write_text(text)
    with use_clock(TODAY):
        return load(file)


@cache
def findings_in(text: str) -> tuple[Finding, ...]:
    """The findings in a config, cached because several tests use those of the rules' examples."""
    return tuple(load_text(text).findings)


def over_base(fragment: str) -> str:
    """A rule's fragment merged into the base, as YAML text."""
    overlay = parse(fragment).value
    return dumped(merged(BASE, overlay)) if isinstance(overlay, dict) else fragment


class _Dumper(yaml.CSafeDumper):
    """Writes nothing for None, so that a key without a value is preserved."""


_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))


def dumped(content: Any) -> str:
    """A config as YAML text."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=10_000)
