"""Imports of the pure core: no CDK, no AWS client, no Kubernetes client, also while it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("aws_cdk", "jsii", "cdk8s", "boto3", "botocore", "kubernetes", "constructs")


def loaded_after(code: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    """The modules in a list that are loaded after code ran in a separate process."""
    probe = f"import sys\n{code}\nprint('LOADED', *[name for name in {names!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.rsplit("LOADED", 1)[1].split()


def command(*arguments: str) -> str:
    return (
        "from hyperpod_constructs.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import hyperpod_constructs",
        "from hyperpod_constructs.core import catalog, checks, jobs, spec",
        command("--help"),
        command("validate", "hyperpod.yaml"),
        pytest.param(command("validate", "hyperpod.yaml", "--format", "sarif"), marks=pytest.mark.slow),
        pytest.param(command("explain"), marks=pytest.mark.slow),
        command("explain", "HP304"),
        pytest.param(command("schema"), marks=pytest.mark.slow),
        command("diff", "hyperpod.yaml", "hyperpod.yaml"),
        pytest.param(command("validate", "--help"), marks=pytest.mark.slow),
        pytest.param(command("jobs", "--help"), marks=pytest.mark.slow),
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_after(code) == []


def test_a_valid_config_is_checked_without_what_other_commands_need() -> None:
    """Tables, drawings, imports, clients, and modules that only the text of a finding requires."""
    unneeded = ("rich", "jsonschema", "difflib", "unittest", "asyncio", "xml")
    modules = ("report", "importing.terraform", "changes", "cost", "dashboards")
    names = (*unneeded, *(f"hyperpod_constructs.core.{name}" for name in modules), "hyperpod_constructs.live")
    assert loaded_after(command("validate", "hyperpod.yaml"), names) == []


def test_import_contracts() -> None:
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert tool is not None, "import-linter is a development dependency"
    result = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stdout


def test_no_circle_of_imports_is_larger_than_three_modules() -> None:
    """Imports inside functions and under TYPE_CHECKING count too."""
    import grimp
    import networkx

    found = grimp.build_graph("hyperpod_constructs", exclude_type_checking_imports=False)
    graph = networkx.DiGraph(
        (importer, imported)
        for importer in found.modules
        for imported in found.find_modules_directly_imported_by(importer)
    )
    assert graph.number_of_edges() > 1000
    circles = [sorted(circle) for circle in networkx.strongly_connected_components(graph) if len(circle) > 3]
    assert circles == []
    small = [circle for circle in networkx.strongly_connected_components(graph) if len(circle) > 1]
    assert [sorted(circle) for circle in small if any(".core.checks." in name for name in circle)] == []


def test_the_package_has_few_top_level_modules() -> None:
    top = sorted(path.name for path in (ROOT / "hyperpod_constructs").glob("*.py"))
    assert top == ["__init__.py", "_moved.py"]


def test_annotations_of_specs_are_no_text() -> None:
    """Otherwise, pydantic evaluates each of 700 annotations again, a fifth of the import time of the specs."""
    specs = ROOT / "hyperpod_constructs" / "core" / "spec"
    with_models = [path for path in specs.glob("*.py") if "SpecModel" in path.read_text(encoding="utf-8")]
    assert len(with_models) > 10
    assert [path.name for path in with_models if "import annotations" in path.read_text().split('"""', 2)[2]] == []


def test_every_folder_is_in_the_contributors_table_and_in_the_design() -> None:
    package = ROOT / "hyperpod_constructs"
    rooms = {path.name for path in package.iterdir() if path.is_dir() and not path.name.startswith("_")}
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    documented = re.findall(r"`hyperpod_constructs/([a-z_/]+)", page)
    assert {name.partition("/")[0] for name in documented} == rooms
    assert [name for name in documented if not (package / name).exists()] == []
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z]+)/` \|", design, re.MULTILINE)) == rooms


def test_no_module_is_longer_than_400_lines() -> None:
    files = [
        path for folder in ("hyperpod_constructs", "k8s_charts", "tests") for path in (ROOT / folder).rglob("*.py")
    ]
    long = {str(path.relative_to(ROOT)): count for path in files if (count := len(path.read_text().splitlines())) > 400}
    assert long == {}
