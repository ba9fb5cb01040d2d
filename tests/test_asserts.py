"""Tests can fail: what an assert looks at exists, and every test function asserts something."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
MODULES = {path: ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")}
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


def functions(module: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef))


def called(node: ast.AST) -> set[str]:
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return {
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in calls
        if isinstance(each, ast.Attribute | ast.Name)
    }


def asserts(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Assert | ast.Raise) for each in ast.walk(node))


HELPERS = {each.name for module in MODULES.values() for each in functions(module) if asserts(each)}


def test_every_test_asserts_something() -> None:
    tests = {
        f"{path.relative_to(FOLDER)}::{each.name}": each
        for path, module in MODULES.items()
        for each in functions(module)
        if each.name.startswith("test_")
    }
    assert len(tests) > 1500
    assert [name for name, each in tests.items() if not asserts(each) and not called(each) & {*HELPERS, *RAISING}] == []


def test_no_assert_holds_for_want_of_anything_to_look_at() -> None:
    """`all` of nothing is true, and a proof without pairs holds: `every` and `proved` of tests/support/proving.py fail."""
    weak = [
        f"{path.relative_to(FOLDER)}:{each.lineno}"
        for path, module in MODULES.items()
        for each in ast.walk(module)
        if isinstance(each, ast.Assert) and path.name != "proving.py"
        if any(isinstance(part, ast.Call) and ast.unparse(part.func) == "all" for part in _positive(each.test))
        or ast.unparse(each.test) == "proof.holds"
    ]
    assert weak == []


def _positive(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a condition, without those that are negated."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return
    yield node
    for each in ast.iter_child_nodes(node):
        yield from _positive(each)
