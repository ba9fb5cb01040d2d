"""The public names: sorted, importable, typed in the stub, and loaded only when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import hyperpod_constructs


def test_every_public_name_can_be_imported():
    for name in hyperpod_constructs.__all__:
        assert callable(getattr(hyperpod_constructs, name))


def test_the_stub_has_the_same_names():
    stub = Path(hyperpod_constructs.__file__).with_suffix(".pyi")
    tree = ast.parse(stub.read_text())
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(imported) == listed == hyperpod_constructs.__all__


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hyperpod_constructs; print([m for m in ('jsii', 'pydantic', 'boto3') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
