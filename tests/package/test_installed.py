"""The package as users get it: built, installed outside the checkout, and used as the README describes."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from installed import built, environment
from proving import every

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("environment"), wheel, requirements=["pytest"])


def run(commands: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of the environment, without variables of the checkout."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HYPERPOD", "JSII", "CDK"))
    }
    path = f"{commands}:/usr/bin:/bin"
    ran = subprocess.run(
        [str(commands / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**environment, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def test_the_wheel_has_types_data_and_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"hyperpod_constructs/py.typed", "k8s_charts/py.typed", "hyperpod_constructs/core/cdk.json"} <= names
    assert {"hyperpod_constructs/__init__.pyi", "k8s_charts/__init__.pyi"} <= names
    assert "hyperpod_constructs/cli/templates/app/app.py.txt" in names
    assert {name.split("/")[0] for name in names} == {
        "hyperpod_constructs",
        "k8s_charts",
        "hyperpod_constructs-0.1.0.dist-info",
    }


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = built(tmp_path, "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    second = built(tmp_path / "again", "wheel", tmp_path / sdist.name.removesuffix(".tar.gz"))
    contents = [{info.filename: info.CRC for info in zipfile.ZipFile(value).infolist()} for value in (wheel, second)]
    assert contents[0] == contents[1]


def test_the_app_that_init_writes_is_checked_synthesized_and_tested(commands: Path, tmp_path: Path) -> None:
    output = run(commands, tmp_path, "hyperpod", "init", "platform", "--name", "lab").stdout
    app = tmp_path / "platform"
    written = {path.relative_to(app).as_posix() for path in app.rglob("*") if path.is_file()}
    assert {
        line.removeprefix("wrote platform/") for line in output.splitlines() if line.startswith("wrote ")
    } == written
    assert " error " not in run(commands, app, "hyperpod", "validate").stdout
    # without CDK's validator, which tests/test_gate.py runs
    assert "lab: 5 stacks" in run(commands, app, "hyperpod", "synth", CDK_VALIDATION="false").stdout
    run(commands, app, "python", "app.py", HYPERPOD_OUT="again.out", CDK_VALIDATION="false")
    templates = sorted((app / "cdk.out").glob("*.template.json"))
    assert len(templates) == 5
    assert every(path.read_text() == (app / "again.out" / path.name).read_text() for path in templates)
    tested = run(commands, app, "python", "-m", "pytest", "-p", "no:cacheprovider", CDK_VALIDATION="false")
    assert "2 passed" in tested.stdout


def test_node_and_npm_are_commands_of_what_is_needed(commands: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import entry_points as e; print(*sorted(p.name for p in e(group='console_scripts')))"
    )
    assert {"hyperpod", "node", "npm", "npx"} <= set(run(commands, tmp_path, "python", "-c", code).stdout.split())


def test_jobs_and_charts_without_a_config(commands: Path, tmp_path: Path) -> None:
    run(commands, tmp_path, "hyperpod", "jobs", "init", "job.yaml")
    assert "kind: HyperPodPyTorchJob" in run(commands, tmp_path, "hyperpod", "jobs", "render", "job.yaml").stdout
    run(commands, tmp_path, "python", "-m", "k8s_charts", "job.yaml", "-o", "dist")
    assert list((tmp_path / "dist").iterdir())


def test_facts_are_refreshed_into_a_folder_of_the_users(wheel: Path, tmp_path: Path) -> None:
    commands = environment(tmp_path / "environment", wheel, requirements=["cfn-lint"])  # the extra [refresh]
    doctored = {
        "source": "test",
        "date": "2026-01-01",
        "instance_types": {"ml.p5.48xlarge": {"regions": ["us-east-1"]}},
    }
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "instance_types.json").write_text(json.dumps(doctored))
    output = run(commands, tmp_path, "hyperpod", "catalog", "refresh", "--into", "facts").stdout
    assert "Wrote instance_types.json into facts" in output
    retained_facts = json.loads((tmp_path / "facts" / "instance_types.json").read_text())
    assert "instance_types" not in retained_facts, "the regions are again the shipped ones"
