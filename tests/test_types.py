"""Type checkers accept what a consumer writes: every example of the pages, the apps of consumers, what `init` writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assembly import ROOT

from hyperpod_constructs.cli.project import APP

pytestmark = pytest.mark.slow


def blocks(text: str) -> list[str]:
    """The Python examples of a page; sessions (`>>>`) are no programs."""
    return [one for one in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if not one.startswith(">>>")]


def write_programs(folder: Path) -> list[Path]:
    """Each example as a program, those of a construct's page after what their index sets up."""
    (before,) = blocks((ROOT / "docs" / "constructs" / "README.md").read_text())
    programs = {}
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        for index, block in enumerate(blocks(page.read_text())):
            is_construct = page.parent.name == "constructs" and page.stem != "README"
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts)
            programs[f"{name}_{index}".replace("-", "_")] = before * is_construct + block
    programs["init_app"] = APP["app.py"].read_text()
    programs["init_test"] = APP["tests/test_platform.py"].read_text()
    written = []
    for name, text in programs.items():
        written.append(folder / f"{name}.py")
        written[-1].write_text(text)
    return written


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("programs")
    written = write_programs(folder)
    for path in [ROOT / "app.py", *sorted((ROOT / "tests" / "apps").glob("*.py")), ROOT / "tests/support/assembly.py"]:
        shutil.copy(path, folder / path.name)
        written.append(folder / path.name)
    assert len(written) > 50
    return written


def test_mypy_strict_finds_nothing(programs: list[Path]) -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file",
        str(ROOT / "pyproject.toml"),
    ]
    ran = subprocess.run([*command, *map(str, programs)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout == ""
    assert ran.returncode == 0, ran.stderr


PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"
OF_CDK = re.compile(r'"(AccountRootPrincipal|Key|Cluster)" is incompatible with protocol "I\w+"')
"""What CDK's own stubs get wrong: classes that are no instance of their interface, since names of parameters differ."""


@pytest.mark.skipif(not PYRIGHT.exists(), reason="npm ci installs pyright")
def test_pyright_finds_nothing(programs: list[Path]) -> None:
    folder = programs[0].parent
    settings = {"pythonVersion": "3.11", "typeCheckingMode": "standard", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    node = Path(sys.executable).with_name("node")
    command = [str(node), str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(ran.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(programs)
    found = [f"{one['file']}: {one['message']}" for one in report["generalDiagnostics"]]
    assert [text for text in found if not OF_CDK.search(text)] == []
