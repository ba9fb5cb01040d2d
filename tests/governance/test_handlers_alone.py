"""Functions run from their asset, with only the packages that Lambda provides."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyperpod_constructs import handlers

FOLDER = Path(handlers.__file__).parent


@pytest.mark.parametrize("source", ["cluster", "governance", "grafana", "lifecycle"])
def test_the_entry_points_load(source: str, tmp_path: Path) -> None:
    target = tmp_path / "handlers"
    target.mkdir()
    shutil.copy(FOLDER / "__init__.py", target)
    for name in (source, "shared"):
        shutil.copytree(FOLDER / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('hyperpod_constructs', 'pydantic', 'yaml', 'aws_cdk'):
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from handlers.{source} import index
assert callable(index.on_event)
"""
    completed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
