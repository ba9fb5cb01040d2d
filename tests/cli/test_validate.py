"""`hyperpod validate` and `schema`, with text output and with output for scripts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.documents import parse

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "hyperpod.yaml").read_text().partition("\njobs:")[0] + "\n"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hyperpod.yaml"
    path.write_text(GOOD)
    return path


def test_the_shipped_config_is_good() -> None:
    result = run("validate", ROOT / "hyperpod.yaml")
    assert result.exit_code == 0
    assert "error" not in result.output


def test_the_default_config_is_the_one_here(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    assert run("validate").exit_code == 0
    config.unlink()
    result = run("validate")
    assert result.exit_code == 1
    assert "file not found" in result.output


@pytest.mark.parametrize(
    ("old", "new", "texts"),
    [
        ("[usw2-az1, usw2-az2]", "[usw2-az1]", ["HP110", "zone"]),
        ("ml.trn1.32xlarge", "ml.trn1.32xlage", ["HP301", "Did you mean 'ml.trn1.32xlarge'?"]),
        (
            "kubernetes_version",
            "kuberentes_version",
            ["HP010", "kuberentes_version", "Did you mean 'kubernetes_version'?"],
        ),
        ('"1.35"', '"1.20"', ["HP201", "1.20"]),
        ("name: research", "name: [ research", ["HP001", "YAML"]),
    ],
)
def test_wrong_configs(config: Path, old: str, new: str, texts: list[str]) -> None:
    config.write_text(GOOD.replace(old, new))
    result = run("validate", config)
    assert result.exit_code == 1
    assert every(word in result.output for word in texts)
    assert f"{config}:" in result.output


def test_json(config: Path) -> None:
    config.write_text(GOOD.replace("[usw2-az1, usw2-az2]", "[usw2-az1]"))
    result = run("validate", config, "--format", "json")
    content = json.loads(result.output)
    finding = content["findings"][0]
    assert (finding["rule"], finding["severity"], finding["path"]) == (
        "HP110",
        "error",
        "network.availability_zone_ids",
    )
    assert finding["line"] == GOOD[: GOOD.index("availability_zone_ids")].count("\n") + 1
    assert content["summary"]["error"] == 1


def test_sarif_has_the_shape_that_scanners_read(config: Path) -> None:
    config.write_text(GOOD.replace("[usw2-az1, usw2-az2]", "[usw2-az1]"))
    content = json.loads(run("validate", config, "--format", "sarif").output)
    [scan] = content["runs"]
    assert content["version"] == "2.1.0"
    result = next(result for result in scan["results"] if result["ruleId"] == "HP110")
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == str(config)
    assert place["region"]["startLine"] > 1
    assert {rule["id"] for rule in scan["tool"]["driver"]["rules"]} == {result["ruleId"] for result in scan["results"]}


def test_sarif_and_github_show_acknowledged_findings_as_such(config: Path) -> None:
    config.write_text(GOOD + "acknowledge: [{rule: HP212, reason: a lab}]\n")
    content = json.loads(run("validate", config, "--format", "sarif").output)
    assert [r["suppressions"][0]["justification"] for r in content["runs"][0]["results"] if "suppressions" in r] == [
        "a lab"
    ]
    assert "::notice " in run("validate", config, "--format", "github").output
    assert "acknowledged: a lab" in run("validate", config).output


def test_github_annotations_are_one_line_each(config: Path) -> None:
    config.write_text(GOOD.replace("[usw2-az1, usw2-az2]", "[usw2-az1]"))
    lines = run("validate", config, "--format", "github").output.splitlines()
    assert lines[0].startswith(f"::error file={config},line=")
    assert "title=HP110::" in lines[0]
    assert "%0A" in lines[0]


def test_a_fleet_of_twenty(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.yaml" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_text(GOOD.replace("name: research", f"name: cluster-{number}"))
    assert run("validate", *paths).exit_code == 0
    paths[7].write_text(GOOD.replace("name: research", "name: cluster-3"))
    result = run("validate", *paths)
    assert result.exit_code == 1
    assert "HP026" in result.output


def test_wrong_use() -> None:
    assert run("validate", "--format", "xml").exit_code == 2
    assert run("validate", "--speed").exit_code == 2


def test_the_schema_accepts_the_shipped_config_and_rejects_a_misspelled_key() -> None:
    schema = json.loads(run("schema").output)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    content = parse((ROOT / "hyperpod.yaml").read_text()).value
    assert list(validator.iter_errors(content)) == []
    assert list(validator.iter_errors({**content, "speed": 3}))
    assert schema["properties"]["region"]["description"]


def test_a_pipe_is_rejected_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    result = run("validate", tmp_path / "pipe.yaml")
    assert result.exit_code == 1
    assert "is not a regular file" in result.output


def test_a_config_that_is_named_twice_is_checked_once(config: Path) -> None:
    result = run("validate", config, config.parent / "." / config.name, config)
    assert result.exit_code == 0
    assert "HP026" not in result.output


def test_sarif_names_no_host_as_its_home(config: Path) -> None:
    (sarif,) = json.loads(run("validate", "--format", "sarif", config).output)["runs"]
    assert "informationUri" not in sarif["tool"]["driver"]
