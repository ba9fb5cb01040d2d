"""Configs of a given size, based on the shipped one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from _run import ROOT


def shipped() -> dict[str, Any]:
    """Returns the shipped config, with absolute paths of its job files."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "hyperpod.yaml").read_text(encoding="utf-8"))
    config["jobs"] = [str(ROOT / job) if isinstance(job, str) else job for job in config.get("jobs", [])]
    return config


def with_groups(count: int) -> dict[str, Any]:
    """Returns a config with `count` instance groups: the shipped ones, then small ones of the first group's type."""
    config = shipped()
    groups = config["cluster"]["instance_groups"]
    more = [{**groups[0], "name": f"more-{number}", "count": 1} for number in range(count - len(groups))]
    config["cluster"]["instance_groups"] = (groups + more)[:count]
    if count < len(groups):
        config["jobs"] = []
    return config


def with_jobs(count: int) -> dict[str, Any]:
    """Returns a config with `count` jobs on the shipped cluster."""
    config = shipped()
    workers = config["cluster"]["instance_groups"][-1]
    config["jobs"] = [
        {
            "name": f"job-{number}",
            "image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/train:v1",
            "nodes": workers["count"],
            "instance_type": workers["instance_type"],
            "command": ["torchrun", "train.py", "--seed", str(number)],
        }
        for number in range(count)
    ]
    return config


def fleet(clusters: int, groups: int = 2) -> list[dict[str, Any]]:
    """Returns `clusters` configs with `groups` instance groups each."""
    return [{**with_groups(groups), "name": f"{shipped()['name']}-{number}"} for number in range(clusters)]


def write(folder: Path, name: str, *configs: dict[str, Any]) -> str:
    """Writes the configs and returns the value of `-c config=`."""
    paths = []
    for number, config in enumerate(configs):
        path = folder / f"{name}-{number}.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        paths.append(str(path))
    return ",".join(paths)
