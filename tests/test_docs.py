"""The pages on constructs, add-ons, closed networks, editing and features: configs load, code runs, evidence exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from assembly import ROOT
from click.testing import CliRunner

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.checks import find
from hyperpod_constructs.core.config import load
from hyperpod_constructs.core.findings import errors
from hyperpod_constructs.core.spec import Addon, Addons, SpecModel

PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text()
    for name in ("constructs", "addons", "closed-network", "features", "editing", "library")
}
BASE: dict[str, Any] = {
    "name": "research",
    "region": "us-west-2",
    "network": {"availability_zone_ids": ["usw2-az1", "usw2-az2"]},
    "cluster": {"instance_groups": [{"name": "system", "instance_type": "ml.m5.4xlarge", "count": 3}]},
}


def blocks(language: str) -> list[tuple[str, str]]:
    found = [
        (page, block) for page, text in PAGES.items() for block in re.findall(rf"```{language}\n(.*?)```", text, re.S)
    ]
    return [pytest.param(block, id=f"{page}-{index}") for index, (page, block) in enumerate(found)]


def merged(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in overlay.items()}}
    return overlay


def written(fragment: str, folder: Path) -> Path:
    path = folder / "closed.yaml"
    path.write_text(yaml.safe_dump(merged(BASE, yaml.safe_load(fragment))))
    return path


@pytest.mark.parametrize("block", blocks("yaml"))
def test_configs_have_no_errors(block: str, tmp_path: Path):
    assert [str(finding) for finding in errors(load(written(block, tmp_path)).findings)] == []


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: str):
    exec(compile(block, "docs", "exec"), {})


def test_the_commands_of_closed_networks_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (config,) = (block.values[0] for block in blocks("yaml") if "mode: closed" in block.values[0])
    written(config, tmp_path)
    (tmp_path / "cdk.out").mkdir()
    (tmp_path / "cdk.out" / "A.template.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for command in ("mirror closed.yaml", "mirror --check cdk.out"):
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, result.output


def test_every_rule_that_is_named_exists():
    for text in PAGES.values():
        assert [rule for rule in re.findall(r"HP\d{3}", text) if not find(rule)] == []


def test_every_link_has_a_target():
    for text in PAGES.values():
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / "docs" / link).exists(), link


def test_the_table_of_addons_has_every_key():
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGES["addons"], re.M))))
    assert documented >= set(Addons.model_fields)


def test_the_table_of_settings_has_every_setting():
    table = PAGES["addons"].partition("## Settings")[2].partition("##")[0]
    documented = {
        key: set(re.findall(r"`(\w+)`", cells)) for key, cells in re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.M)
    }
    expected = {
        key: {name for name in settings.model_fields if name not in Addon.model_fields}
        for key, info in Addons.model_fields.items()
        for settings in (info.annotation, *get_args(info.annotation))
        if isinstance(settings, type) and issubclass(settings, SpecModel)
    }
    assert documented.keys() == {key for key, names in expected.items() if names}
    for key in documented.keys() - {"observability"}:  # has a separate page
        assert expected[key] <= documented[key], key


# ---- the table of features ----

ROWS = [row.strip("|").split(" | ") for row in re.findall(r"^\| (?!feature).*\|$", PAGES["features"], re.M)]


def test_the_table_has_every_feature_of_the_others():
    names = (ROOT / "tests" / "data" / "peer_features.txt").read_text().splitlines()
    assert len(names) == 232
    assert [row[0].strip() for row in ROWS] == names


@pytest.mark.parametrize(
    "reference", sorted({r for row in ROWS for r in re.findall(r"`(tests/[\w/.]+::\w+)`", row[2])})
)
def test_the_evidence_exists(reference: str):
    file, test = reference.split("::")
    assert f"\ndef {test}(" in (ROOT / file).read_text()


ABOUT_PAGES = {"CI of the project itself", "Docs: getting started, how-to, reference", "Troubleshooting guide"}


def test_claims_have_evidence_and_omissions_have_a_reason():
    for feature, this_project, evidence in ROWS:
        if this_project.startswith("no: "):
            assert len(this_project) > 20, feature
        else:  # each rule has examples, which a test runs
            evident = (
                r"\.md\)" if feature.strip() in ABOUT_PAGES else r"`tests/[\w/.]+::\w+`|HP\d{3}|tests/test_\w+\.py"
            )
            assert re.search(evident, evidence), feature
