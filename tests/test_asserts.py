"""Tests can fail: the values that an assert checks exist, and every test function asserts something."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
RAISING = (
    "raises",
    "validate",
    "has_warning",
    "has_error",
    "exec",
    "parse",
    "check_schema",
    "has_resource",
    "has_resource_properties",
    "resource_count_is",
)
"""Functions of others that raise where something is wrong."""


@cache
def modules() -> dict[Path, ast.Module]:
    """All files of tests."""
    return {path: ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")}


def functions(module: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef))


def called(node: ast.AST) -> set[str]:
    calls = (item.func for item in ast.walk(node) if isinstance(item, ast.Call))
    return {
        call.attr if isinstance(call, ast.Attribute) else call.id
        for call in calls
        if isinstance(call, ast.Attribute | ast.Name)
    }


def asserts(node: ast.AST) -> bool:
    return any(isinstance(item, ast.Assert | ast.Raise) for item in ast.walk(node))


@pytest.mark.slow
def test_every_test_asserts_something() -> None:
    helpers = {item.name for module in modules().values() for item in functions(module) if asserts(item)}
    tests = {
        f"{path.relative_to(FOLDER)}::{function.name}": function
        for path, module in modules().items()
        for function in functions(module)
        if function.name.startswith("test_")
    }
    assert len(tests) > 1500
    assert [name for name, test in tests.items() if not asserts(test) and not called(test) & {*helpers, *RAISING}] == []


@pytest.mark.slow
def test_no_assert_passes_on_an_empty_sequence() -> None:
    """`all` of no values is true, and a proof without pairs holds; `every` and `proved` in tests/support/proving.py fail."""
    weak = [
        f"{path.relative_to(FOLDER)}:{node.lineno}"
        for path, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Assert) and path.name != "proving.py"
        if any(isinstance(part, ast.Call) and ast.unparse(part.func) == "all" for part in _positive(node.test))
        or ast.unparse(node.test) == "proof.holds"
    ]
    assert weak == []


def _positive(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a condition, without those that are negated."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return
    yield node
    for item in ast.iter_child_nodes(node):
        yield from _positive(item)


def test_test_files_have_unique_names() -> None:
    """Otherwise pytest cannot collect them in one process."""
    counted = Counter(path.name for path in FOLDER.rglob("test_*.py"))
    assert [name for name, count in counted.items() if count > 1] == []
