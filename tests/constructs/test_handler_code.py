"""The code of the Kubernetes functions as an asset: content, imports, and the inputs of its hash."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes_app import App, resources

from hyperpod_constructs import handlers


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "out", copied=True)


def _handler_asset(app: App, outdir: Path) -> Path:
    function = next(v for k, v in resources(app.template(), "AWS::Lambda::Function").items() if "Applier" in k)
    return outdir / f"asset.{function['Properties']['Code']['S3Key'].removesuffix('.zip')}"


def test_the_asset_contains_only_the_sources_and_runs_without_others(app: App, tmp_path: Path) -> None:
    asset = _handler_asset(app, tmp_path / "out")
    files = {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}
    source = Path(handlers.__file__).parent
    expected = {path for name in ("kubernetes", "shared") for path in (source / name).glob("*.py")} | {
        source / "__init__.py"
    }
    assert files == {f"handlers/{path.relative_to(source)}" for path in expected}
    code = "from handlers.kubernetes import apply, wait; print(apply.on_event, wait.on_event, wait.is_complete)"
    completed = subprocess.run([sys.executable, "-c", code], cwd=asset, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.count("<function") == 3


def test_the_functions_need_nothing_but_the_lambda_runtime() -> None:
    allowed = {*sys.stdlib_module_names, "boto3", "botocore", "urllib3"}
    for name in ("kubernetes", "shared"):
        for path in (Path(handlers.__file__).parent / name).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    found = [node.module or ""]
                assert {module.split(".")[0] for module in found} <= allowed, path


def test_the_assets_hash_depends_only_on_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperpod_constructs.constructs import functions

    names = []
    for round_ in ("first", "second"):
        package = tmp_path / round_ / "hyperpod_constructs"
        shutil.copytree(
            Path(handlers.__file__).parent, package / "handlers", ignore=shutil.ignore_patterns("__pycache__")
        )
        if round_ == "second":
            (package / "other.py").write_text("")
            (package / "handlers" / "kubernetes" / "__pycache__").mkdir()
            (package / "handlers" / "kubernetes" / "__pycache__" / "x.pyc").write_text("")
            (package / "handlers" / "shared" / "y.pyc").write_text("")
        monkeypatch.setattr(functions, "_PACKAGE", package)
        names.append(_handler_asset(App(tmp_path / round_ / "out"), tmp_path / round_ / "out").name)
    assert names[0] == names[1]
