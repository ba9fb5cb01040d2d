"""Former module paths keep working, with a warning that names the new one."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from hyperpod_constructs import _moved


@pytest.mark.parametrize(("old", "new"), sorted(_moved._MOVED.items()))
def test_a_former_path_is_the_same_module(old: str, new: str):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        assert importlib.import_module(old) is importlib.import_module(new)


def test_a_former_submodule_is_not_loaded_twice():
    from hyperpod_constructs.core.spec import groups

    with pytest.warns(DeprecationWarning, match="is now"):
        assert importlib.import_module("hyperpod_constructs.spec.groups") is groups
    assert groups.__name__ == groups.__spec__.name == "hyperpod_constructs.core.spec.groups"


@pytest.mark.parametrize("module", ["deployer", "graph"])
def test_former_commands_run(module: str):
    command = [sys.executable, "-m", f"hyperpod_constructs.{module}", "--help"]
    root = Path(__file__).parents[1]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert completed.stdout.startswith("usage: python -m hyperpod_constructs.")
