"""`hyperpod explain`, `diff` and `init`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.project import APP, FILES, TEMPLATES
from hyperpod_constructs.core.cdk_context import cdk_context
from hyperpod_constructs.core.checks import rules

ROOT = Path(__file__).parents[2]
OWN = "hyperpod-constructs"
GOOD = (ROOT / "hyperpod.yaml").read_text().partition("\njobs:")[0] + "\n"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_explain_lists_every_rule() -> None:
    output = run("explain").output
    assert every(rule.id in output for rule in rules())


@pytest.mark.parametrize("id", ["HP304", "hp304"])
def test_explain_prints_a_rule_with_examples(id: str) -> None:
    output = run("explain", id).output
    assert output.startswith("HP304 (warning")
    assert "Wrong:" in output
    assert "Right:" in output
    assert "Source:" in output


def test_explain_states_what_can_be_acknowledged() -> None:
    assert "cannot be acknowledged" in run("explain", "HP110").output
    assert "can be acknowledged with a reason" in run("explain", "HP334").output


def test_explain_suggests() -> None:
    result = run("explain", "HP3O1")
    assert result.exit_code == 2
    assert "did you mean HP301?" in result.output


def test_explain_job() -> None:
    result = run("explain", "job", ROOT / "jobs" / "neuron-hello.yaml")
    assert result.exit_code == 0
    assert "ml.trn1.32xlarge" in result.output


def edited(folder: Path, old: str, new: str) -> Path:
    path = folder / "new.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "old.yaml"
    path.write_text(GOOD)
    return path


def test_diff_of_equal_configs(config: Path) -> None:
    result = run("diff", config, config)
    assert (result.exit_code, result.output) == (0, "no differences\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "code", "texts"),
    [
        (
            "10.192.0.0/16",
            "10.193.0.0/16",
            3,
            ["replaces-cluster: network.vpc_cidr", "advice: deploy a second platform"],
        ),
        ("instance_type: ml.m5.4xlarge", "instance_type: ml.m5.8xlarge", 3, ["replaces-group", "with a new name"]),
        ("nat: single", "nat: per-zone", 0, ['in-place: network.nat: "single" becomes "per-zone"']),
        ('"1.35"', '"1.34"', 3, ["refused: eks.kubernetes_version"]),
    ],
)
def test_diff(config: Path, tmp_path: Path, old: str, new: str, code: int, texts: list[str]) -> None:
    result = run("diff", config, edited(tmp_path, old, new))
    assert result.exit_code == code
    assert every(word in result.output for word in texts)


def test_diff_with_a_wrong_config(config: Path, tmp_path: Path) -> None:
    assert run("diff", config, edited(tmp_path, "[usw2-az1, usw2-az2]", "[usw2-az1]")).exit_code == 1
    assert run("diff", config, tmp_path / "missing.yaml").exit_code == 1


def test_diff_with_an_old_config_that_no_longer_passes(config: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(GOOD)
    config.write_text(GOOD.replace("[usw2-az1, usw2-az2]", "[usw2-az1]"))
    result = run("diff", config, new)
    assert "only the configs are compared" in result.output
    assert "network.availability_zone_ids" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_diff_wrong_use(config: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    assert run("diff", config).exit_code == 2
    assert run("diff", "--deployed", config, config).exit_code == 2
    assert run("diff", "--deployed", tmp_path / "bad.json", config).exit_code == 2
    assert run("diff", "--deployed", tmp_path / "none.json", config).exit_code == 2
    os.mkfifo(tmp_path / "pipe.json")
    assert run("diff", "--deployed", tmp_path / "pipe.json", config).exit_code == 2


def test_diff_of_templates(tmp_path: Path) -> None:
    def template(name: str, cidr: str) -> Path:
        path = tmp_path / name
        vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}}
        path.write_text(json.dumps({"Resources": {"Vpc": vpc}}))
        return path

    old, new = template("old.template.json", "10.1.0.0/16"), template("new.template.json", "10.2.0.0/16")
    assert run("diff", "--deployed", old, old).exit_code == 0
    result = run("diff", "--deployed", old, new)
    assert result.exit_code == 3
    assert "Vpc (AWS::EC2::VPC).CidrBlock" in result.output


def test_the_templates_are_the_shipped_files() -> None:
    for file in FILES:
        assert (TEMPLATES / file).read_text() == (ROOT / file).read_text(), f"copy {file} to {TEMPLATES / file}"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--region", "us-east-1"),
        ("--region", "us-west-1"),
        ("--name", "lab", "--zone", "usw2-az3", "--zone", "usw2-az4"),
    ],
)
def test_init_writes_a_config_that_is_valid(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = tmp_path / "new"
    assert run("init", folder, *options).exit_code == 0
    assert run("validate", folder / "hyperpod.yaml").exit_code == 0
    text = (folder / "hyperpod.yaml").read_text()
    assert "yaml-language-server" in text
    assert [value for value in options[1::2] if value not in text] == []


def test_init_makes_the_kubernetes_api_private_by_default(tmp_path: Path) -> None:
    assert run("init", tmp_path / "private").exit_code == 0
    assert "endpoint_access: private" in (tmp_path / "private" / "hyperpod.yaml").read_text()
    ranges = ("--public-access-cidr", "203.0.113.0/24", "--public-access-cidr", "198.51.100.7/32")
    assert run("init", tmp_path / "ranges", *ranges).exit_code == 0
    text = (tmp_path / "ranges" / "hyperpod.yaml").read_text()
    assert "public_access_cidrs: [203.0.113.0/24, 198.51.100.7/32]" in text
    for name in ("private", "ranges"):
        assert "HP212" not in run("validate", tmp_path / name / "hyperpod.yaml").output


def test_init_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "hyperpod.yaml").write_text("mine")
    assert run("init", tmp_path).exit_code == 1
    assert (tmp_path / "hyperpod.yaml").read_text() == "mine"
    assert not (tmp_path / "jobs").exists()
    assert run("init", tmp_path, "--force").exit_code == 0


def test_init_with_an_unknown_region(tmp_path: Path) -> None:
    result = run("init", tmp_path, "--region", "us-wset-2")
    assert result.exit_code == 2
    assert "did you mean 'us-west-2'?" in result.output


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (("init", tmp_path / "file" / "new"), ("jobs", "init", tmp_path / "file" / "job.yaml")):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "cannot be written" in result.output


def test_a_job_file_in_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    file = tmp_path / "x" / "y" / "z.yaml"
    assert run("jobs", "init", file).exit_code == 0
    assert run("jobs", "render", file).exit_code == 0


@pytest.mark.parametrize("command", [("explain", "job"), ("jobs", "render")])
def test_a_platform_config_given_as_a_job(command: tuple[str, str], config: Path) -> None:
    result = run(*command, config)
    assert result.exit_code == 1
    assert "this is a platform config, not a job" in result.output
    assert result.output.count("error HP") == 1


@pytest.mark.parametrize("name", ["training_operator", "amazon-sagemaker-hyperpod-training-operator"])
def test_catalog_shows_an_addon_by_the_configs_key_too(name: str) -> None:
    result = run("catalog", "show", "addon", name)
    assert result.exit_code == 0
    assert "amazon-sagemaker-hyperpod-training-operator" in result.output


def test_the_command_runs_as_a_module() -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "hyperpod_constructs.cli", "--help"], capture_output=True, text=True
    )
    assert completed.returncode == 0
    assert "validate" in completed.stdout


@pytest.mark.slow
def test_diff_of_an_addon_that_is_removed(config: Path, tmp_path: Path) -> None:
    config.write_text(GOOD.replace("addons:", "addons:\n  metrics_server: {}"))
    result = run("diff", config, edited(tmp_path, "addons:", "addons:\n  metrics_server: {enabled: false}"))
    assert "drains: addons.metrics_server: is removed with its pods; anything that depends on it stops" in result.output
    assert "in-place" not in result.output


def test_init_writes_an_app_or_only_the_config(tmp_path: Path) -> None:
    assert run("init", tmp_path / "app").exit_code == 0
    app = {path.relative_to(tmp_path / "app").as_posix() for path in (tmp_path / "app").rglob("*") if path.is_file()}
    assert app == {*FILES, *APP, "requirements.txt"}
    assert json.loads((tmp_path / "app" / "cdk.json").read_text())["app"] == "python3 app.py"
    assert (tmp_path / "app" / "requirements.txt").read_text().startswith(f"hyperpod-constructs=={version(OWN)}\n")
    assert run("init", tmp_path / "config", "--config-only").exit_code == 0
    config = {path.relative_to(tmp_path / "config").as_posix() for path in (tmp_path / "config").rglob("*.*")}
    assert config == set(FILES)


def test_the_app_has_the_flags_and_the_cdk_cli_of_this_project() -> None:
    own_settings, shipped = (json.loads(path.read_text()) for path in (ROOT / "cdk.json", APP["cdk.json"]))
    assert own_settings | {"app": "python3 app.py"} == shipped
    pins = [json.loads(path.read_text())["devDependencies"] for path in (ROOT / "package.json", APP["package.json"])]
    assert pins[0]["aws-cdk"] == pins[1]["aws-cdk"]


def test_without_a_cdk_json_the_shipped_flags_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cdk_context()["@aws-cdk/core:defaultCrossStackReferences"] == "strong"
    (tmp_path / "cdk.json").write_text('{"app": "python3 app.py"}')
    assert "@aws-cdk/core:defaultCrossStackReferences" not in cdk_context()


def test_synth_of_a_wrong_config_writes_nothing(tmp_path: Path) -> None:
    assert run("init", tmp_path, "--config-only").exit_code == 0
    config = tmp_path / "hyperpod.yaml"
    config.write_text(config.read_text().replace("ml.trn1.32xlarge", "ml.trn1.32xlage"))
    result = run("synth", config, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()
