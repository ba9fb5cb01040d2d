"""The ordinary edits that a config allows: common changes of a running platform."""

from __future__ import annotations

import copy
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from assembly import ROOT

Config = dict[str, Any]
RELEASED = ROOT / "tests" / "data" / "released" / "5809d46"
"""Version 0.1.0: the configs of the repository as they were, and the templates that it synthesized from them."""
RECORDED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    lzma.decompress((RELEASED / "templates.json.xz").read_bytes())
)
"""Config to the name of its stacks to their templates."""


def content(name: str, folder: Path = ROOT) -> Config:
    """Return a config with absolute paths of the files that it names."""
    file = folder / name
    config: Config = yaml.safe_load(file.read_text())
    config["jobs"] = [str(file.parent / job) if isinstance(job, str) else job for job in config.get("jobs", [])]
    for lifecycle in (
        config["cluster"].get("lifecycle"),
        *(g.get("lifecycle") for g in config["cluster"]["instance_groups"]),
    ):
        if lifecycle and "source" in lifecycle:
            lifecycle["source"] = str(file.parent / lifecycle["source"])
    if not config["jobs"]:
        del config["jobs"]
    return config


def ordinary(config: Config) -> Iterator[tuple[str, Config]]:
    """The ordinary edits that a config allows, by name."""

    def edit() -> Config:
        return copy.deepcopy(config)

    groups = config["cluster"].get("instance_groups") or []
    system = groups[0] if groups else None
    if config.get("jobs"):
        yield "all jobs removed", {key: value for key, value in edit().items() if key != "jobs"}
    if system:
        new = edit()
        new["cluster"]["instance_groups"].append({**system, "name": "added-group", "count": 1})
        yield "group added", new
        new = edit()
        new["cluster"]["instance_groups"][0]["count"] = system["count"] + 1
        yield "group resized", new
    addons = config.get("addons") or {}
    free = {"metrics_server", "ebs_csi", "cloudwatch_observability"} - set(addons)
    for name in sorted(free)[:2]:
        new = edit()
        new["addons"] = {**addons, name: {}}
        yield f"{name} added", new
    needed = {"training_operator": "jobs", "task_governance": "governance", "fsx_csi": "storage",
              "mountpoint_s3_csi": "storage"}  # fmt: skip
    for name in addons:
        new = edit()
        del new["addons"][name]
        part = needed.get(name)
        if part:
            for team in (new.pop(part, None) or {}).get("teams", ()) if part == "governance" else ():
                _remove_team_references(new, team["name"])
            new.pop(part, None)
            new.pop("jobs", None)
        yield f"{name} removed", new
    if config.get("governance", {}).get("teams"):
        new = edit()
        team_name = new["governance"]["teams"].pop()["name"]
        _remove_team_references(new, team_name)
        yield "team removed", new
        new = {key: value for key, value in edit().items() if key not in ("governance", "jobs")}
        for team in config["governance"]["teams"]:
            _remove_team_references(new, team["name"])
        yield "governance removed", new
    if config.get("storage"):
        yield "storage removed", {key: value for key, value in edit().items() if key not in ("storage", "jobs")}
    zones = config["network"].get("availability_zone_ids")
    if zones and not config["network"].get("node_cidrs"):
        new = edit()
        prefix = zones[0].rpartition("-")[0]
        free_zone = next(f"{prefix}-az{n}" for n in (1, 2, 4, 5, 6) if f"{prefix}-az{n}" not in zones)
        new["network"]["availability_zone_ids"] = [*zones, free_zone]
        yield "zone added", new
    new = edit()
    new["dependencies"] = {**(config.get("dependencies") or {}), "mpi_operator": False}
    yield "chart values changed", new
    new = edit()
    new["tags"] = {**(config.get("tags") or {}), "edited": "yes"}
    yield "tag added", new


def _remove_team_references(config: Config, name: str) -> None:
    """Remove claims and jobs that name a team."""
    for kind in ("lustre", "buckets"):
        for item in config.get("storage", {}).get(kind, []):
            if name in item.get("namespaces", []):
                item["namespaces"] = [space for space in item["namespaces"] if space != name]
    config.pop("jobs", None)
