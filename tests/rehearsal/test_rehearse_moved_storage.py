"""Edits of groups that determine the zone of a file system: the deployment is rejected first, and no data is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner

from hyperpod_constructs.cli import main

pytestmark = pytest.mark.slow

BASE: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "lustre.yaml").read_text())
GROUPS: list[dict[str, Any]] = BASE["cluster"]["instance_groups"]
(WORKERS,) = [group for group in GROUPS if group["name"] == "workers"]
OTHER = {"name": "other", "instance_type": "ml.g5.8xlarge", "count": 1, "availability_zone_id": "usw2-az1"}


def edited(groups: list[dict[str, Any]], **system: str) -> dict[str, Any]:
    lustre = [{**BASE["storage"]["lustre"][0], **system}]
    return {
        **BASE,
        "cluster": {**BASE["cluster"], "instance_groups": groups},
        "storage": {**BASE["storage"], "lustre": lustre},
    }


EDITS = {
    "another group goes before": edited([GROUPS[0], OTHER, WORKERS]),
    "the group moves": edited([GROUPS[0], {**WORKERS, "availability_zone_id": "usw2-az1"}]),
    "the group goes, and another comes": edited([GROUPS[0], OTHER]),
}
ALLOWED = {
    "another group goes after": edited([GROUPS[0], WORKERS, OTHER]),
    "the zone is named": edited([GROUPS[0], OTHER, WORKERS], availability_zone_id="usw2-az2"),
    "the group is renamed": edited([GROUPS[0], {**WORKERS, "name": "trainers"}]),
}


def rehearsed(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    for name, content in (("old", edited(GROUPS)), ("new", config)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**content, "jobs": []}))
    old, new = str(folder / "old.yaml"), str(folder / "new.yaml")
    result = CliRunner().invoke(main, ["rehearse", "--from", old, new, "-o", "json"])
    assert result.stdout, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@pytest.mark.parametrize("config", EDITS.values(), ids=EDITS)
def test_a_deployment_that_would_move_a_file_system_is_rejected(config: dict[str, Any], tmp_path: Path) -> None:
    outcomes = {outcome["stack"]: outcome for outcome in rehearsed(config, tmp_path)["acts"][-1]["outcomes"]}
    failed = outcomes[f"{BASE['name']}-HyperPod"]
    assert failed["status"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "moves file systems" in failed["reason"]


@pytest.mark.parametrize("config", ALLOWED.values(), ids=ALLOWED)
def test_others_succeed(config: dict[str, Any], tmp_path: Path) -> None:
    outcomes = rehearsed(config, tmp_path)["acts"][-1]["outcomes"]
    assert {outcome["status"] for outcome in outcomes} <= {"UPDATE_COMPLETE", "UNCHANGED", "CREATE_COMPLETE"}, outcomes
