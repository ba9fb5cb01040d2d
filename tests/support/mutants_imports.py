"""Which test files can notice a mutant outside of functions: those that import its module, directly or not."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "hyperpod_constructs"


def files_of_tests(folder: Path) -> list[Path]:
    return sorted(folder.rglob("test_*.py"))


def files_that_import(file: str) -> list[str]:
    """The test files that import a module, directly or not; first those that name it or its package."""
    importers = importing(file)
    found = [test_file for test_file in files_of_tests(Path("tests")) if not importers.isdisjoint(imported(test_file))]
    name = re.compile(rf"\b({Path(file).stem}|{Path(file).parent.name})\b")
    return [str(item) for item in sorted(found, key=lambda item: not name.search(item.read_text()))]


def importing(file: str) -> set[str]:
    """A module and all that import it, directly or not."""
    module = ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
    return {module, *_import_graph().find_downstream_modules(module)}


@cache
def _import_graph() -> Any:
    """The imports between our modules; one that imports by name can import each module of its package."""
    import grimp

    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    for module in sorted(graph.modules):
        path = Path(*module.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if "import_module(" in source.read_text():
            package = module if path.is_dir() else module.rpartition(".")[0]
            for find_descendant in graph.find_descendants(package) - {module}:
                graph.add_import(importer=module, imported=find_descendant)
    return graph


@cache
def imported(file: Path) -> frozenset[str]:
    """The modules of this project that a test file imports, directly or through helpers."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    helpers = [path for name in names for path in _helpers().get(name, ()) if path != file]
    return frozenset(name for name in names if name.startswith(PACKAGE)).union(*map(imported, helpers))


@cache
def _helpers() -> dict[str, list[Path]]:
    """The modules under `tests` that are not test files, by name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(Path("tests").rglob("*.py")):
        if not path.name.startswith("test_"):
            found.setdefault(path.stem, []).append(path)
    return found
