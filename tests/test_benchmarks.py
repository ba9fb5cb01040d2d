"""The benchmarks find what they measure: each can be loaded. They are run by `make bench`, not timed by tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from assembly import ROOT

SCRIPTS = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_loads(script: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(script.parent)!r}); import {script.stem}"
    completed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout == ""
