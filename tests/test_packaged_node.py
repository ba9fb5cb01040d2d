"""jsii uses the Node.js of the requirements, with settings that it knows, unless the user selects another one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hyperpod_constructs.core import packaged_node
from hyperpod_constructs.core.packaged_node import SETTINGS, use_packaged_node


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch):
    """The variables are restored after the test."""
    for name in ("JSII_NODE", "NODE_OPTIONS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def _run_node() -> str:
    """The errors that Node.js prints when it starts."""
    return subprocess.run([os.environ["JSII_NODE"], "-e", ""], capture_output=True, text=True, check=True).stderr


def test_node_accepts_the_settings():
    use_packaged_node()

    assert os.environ["NODE_OPTIONS"] == f'--require "{SETTINGS.as_posix()}"'
    assert _run_node() == ""  # V8 prints "unrecognized flag" for a flag that it does not know


def test_unknown_flags_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The test above can fail, also for a path with spaces."""
    settings = tmp_path / "a folder with spaces" / "settings.cjs"
    settings.parent.mkdir()
    settings.write_text(SETTINGS.read_text().replace("--wasm-", "--unknown-"))
    monkeypatch.setattr(packaged_node, "SETTINGS", settings)

    use_packaged_node()

    assert _run_node().startswith("Error: unrecognized flag --unknown-tiering-budget=130000000\n")


def test_options_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=2000")

    use_packaged_node()

    assert os.environ["NODE_OPTIONS"] == f'--max-old-space-size=2000 --require "{SETTINGS.as_posix()}"'


def test_another_node_gets_no_settings(monkeypatch: pytest.MonkeyPatch):
    """Its version of V8 is not known."""
    monkeypatch.setenv("JSII_NODE", "/opt/node/bin/node")

    use_packaged_node()

    assert os.environ["JSII_NODE"] == "/opt/node/bin/node"
    assert "NODE_OPTIONS" not in os.environ
