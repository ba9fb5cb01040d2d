"""The public names: sorted, importable, typed in the stub, and loaded only when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import hyperpod_constructs
from hyperpod_constructs.core import spec


def test_every_public_name_can_be_imported():
    for name in hyperpod_constructs.__all__:
        assert callable(getattr(hyperpod_constructs, name))


def test_the_stub_has_the_same_names():
    stub = Path(hyperpod_constructs.__file__).with_suffix(".pyi")
    tree = ast.parse(stub.read_text())
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(imported) == listed == hyperpod_constructs.__all__


def test_every_model_of_the_spec_is_public():
    models = {name for name in spec.__all__ if isinstance(found := getattr(spec, name), type) and found in _models()}
    assert len(models) > 50
    assert models <= set(hyperpod_constructs.__all__)


def _models(base: type = spec.SpecModel) -> set[type]:
    return {value for kind in base.__subclasses__() for value in (kind, *_models(kind))}


def test_pages_of_constructs_need_public_names_only():
    for page in (Path(__file__).parents[1] / "docs" / "constructs").glob("*.md"):
        assert "from hyperpod_constructs." not in page.read_text(), page.name


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hyperpod_constructs; print([m for m in ('jsii', 'pydantic', 'boto3') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize("package", ["hyperpod_constructs", "hyperpod_constructs.charts", "k8s_charts"])
def test_every_name_of_a_stub_is_the_object_of_the_runtime(package: str):
    module = import_module(package)
    tree = ast.parse(Path(module.__file__ or "").with_suffix(".pyi").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    imported = {alias.name: node for node in imports for alias in node.names}
    assert set(imported) == set(module.__all__)
    for name, node in imported.items():
        source = import_module(f"{'.' * node.level}{node.module}", package)
        assert getattr(module, name) is getattr(source, name), name


def test_both_packages_are_typed():
    for package in ("hyperpod_constructs", "k8s_charts"):
        assert (Path(__file__).parents[1] / package / "py.typed").exists()
