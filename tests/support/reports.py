"""Reports in tests: run the command, read its JSON form, and configs of any number of groups."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from assembly import ROOT
from click.testing import CliRunner, Result

from hyperpod_constructs.cli import main

TYPES = ("ml.p5.48xlarge", "ml.p4d.24xlarge", "ml.trn1.32xlarge", "ml.g5.12xlarge", "ml.c5.18xlarge")
ZONES = ("use1-az4", "use1-az6", "use1-az1")


def report(*arguments: Any, code: int = 0) -> Result:
    """Run `hyperpod report`."""
    result = CliRunner().invoke(main, ["report", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def data(*arguments: Any, code: int = 0) -> dict[str, Any]:
    """The report as plain data, without synthesizing."""
    found: dict[str, Any] = json.loads(report("--configs-only", "--format", "json", *arguments, code=code).stdout)
    return found


def sections(found: dict[str, Any], part: int = 0) -> dict[str, list[dict[str, Any]]]:
    """The blocks of each section."""
    return {section["id"]: section["blocks"] for section in found["parts"][part]["sections"]}


def texts_of(block: Any) -> str:
    """All texts of a block, at any depth."""
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        block = list(block.values())
    return "\n".join(filter(None, map(texts_of, block))) if isinstance(block, list) else ""


def captions(blocks: list[dict[str, Any]]) -> dict[str, list[list[Any]]]:
    """The rows of each table by its caption."""
    return {block["caption"]: block["rows"] for block in blocks if "rows" in block}


def many_groups(count: int) -> dict[str, Any]:
    """Return a config with this number of groups, with long names."""
    groups: list[dict[str, Any]] = [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 4}]
    groups += [
        {
            "name": f"team-{number // 10}-workers-with-a-rather-long-name-{number:02}",
            "instance_type": TYPES[number % 5],
            "count": number % 7 + 1,
            "availability_zone_id": ZONES[number % 3],
        }
        for number in range(count - 1)
    ]
    return {
        "name": f"groups-{count}",
        "region": "us-east-1",
        "network": {"availability_zone_ids": list(ZONES), "nat": "per-zone"},
        "eks": {"admins": ["arn:aws:iam::111122223333:role/Admin"], "public_access_cidrs": ["203.0.113.0/24"]},
        "cluster": {"instance_groups": groups},
    }


def edited() -> dict[str, Any]:
    """The example with everything, edited: a zone, a smaller group, another type, a new group, and one add-on fewer."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "examples/everything.yaml").read_text())
    config["network"]["availability_zone_ids"].append("use1-az1")
    config["cluster"]["instance_groups"][1]["count"] = 2
    config["cluster"]["instance_groups"][2]["instance_type"] = "ml.trn1n.32xlarge"
    extra = {"name": "extra", "instance_type": "ml.c5.18xlarge", "count": 1, "availability_zone_id": "use1-az1"}
    config["cluster"]["instance_groups"].append(extra)
    del config["addons"]["spaces"]
    config["jobs"][0] |= {"replicas": 1}
    return config


def written(folder: Path, content: dict[str, Any], name: str = "config.yaml") -> Path:
    """A file with the content."""
    path = folder / name
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def copied_examples(folder: Path) -> Path:
    """The examples and the shipped config, with a placeholder for the vendored chart of the closed network."""
    copied = folder / "examples"
    shutil.copytree(ROOT / "examples", copied)
    chart = copied / "vendor" / "hyperpod-chart"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: hyperpod-helm-chart\nversion: 0.1.0\n")
    shutil.copy(ROOT / "hyperpod.yaml", copied)
    shutil.copytree(ROOT / "jobs", copied / "jobs", dirs_exist_ok=True)
    return copied
