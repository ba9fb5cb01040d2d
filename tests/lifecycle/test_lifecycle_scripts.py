"""Our lifecycle script: sound by bash and shellcheck, run in a folder of its own, and addressed by its content."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyperpod_constructs.constructs.lifecycle_scripts import DEFAULT_SCRIPTS, content_hash

SCRIPTS = sorted(DEFAULT_SCRIPTS.rglob("*.sh"))
SHELLCHECK = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))


def run(folder: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """The script's result and its log."""
    log = folder / "log" / "on_create.log"
    done = subprocess.run(
        ["bash", str(folder / "on_create.sh")],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": "/usr/bin:/bin", "ON_CREATE_LOG": str(log)},
        check=False,
    )
    return done, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the scripts with an empty on_create.d."""
    shutil.copytree(DEFAULT_SCRIPTS, tmp_path / "scripts")
    (tmp_path / "scripts" / "on_create.d").mkdir(exist_ok=True)
    return tmp_path / "scripts"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_understands_it(script: Path):
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path):
    done = subprocess.run(
        [str(SHELLCHECK), "--severity=style", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_lines_end_as_linux_wants_them():
    assert not any(b"\r" in script.read_bytes() for script in SCRIPTS)


def test_it_does_nothing_but_log_when_there_is_nothing_beside_it(folder: Path):
    done, said = run(folder)
    assert done.returncode == 0, said
    assert "on_create: start" in said
    assert "on_create: done" in said


def test_it_runs_what_lies_beside_it_in_order(folder: Path):
    (folder / "on_create.d" / "20-second.sh").write_text("echo two\n")
    (folder / "on_create.d" / "10-first.sh").write_text("echo one\n")
    (folder / "on_create.d" / "notes.txt").write_text("echo never\n")
    done, said = run(folder)
    assert done.returncode == 0
    assert said.index("one") < said.index("two")
    assert "never" not in said


def test_a_failing_script_fails_the_node_and_is_named(folder: Path):
    (folder / "on_create.d" / "10-broken.sh").write_text("exit 3\n")
    (folder / "on_create.d" / "20-next.sh").write_text("echo next\n")
    done, said = run(folder)
    assert done.returncode == 1
    assert "10-broken.sh failed" in said
    assert "next" not in said


def test_a_changed_script_has_another_address(folder: Path):
    before = content_hash(folder)
    (folder / "on_create.d" / "10-more.sh").write_text("true\n")
    assert content_hash(folder) != before
