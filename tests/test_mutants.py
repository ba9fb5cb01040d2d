"""`make mutants`: the faults that it inserts, and the tests that can detect them."""

from __future__ import annotations

import ast

import pytest
from mutants import Mutant, Mutator, files_of, in_function, mutants, with_import
from mutants_imports import files_that_import

CHECKS = "hyperpod_constructs/core/checks/network.py"


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("x = a == 1", ["1 -> 2", "a == 1 -> a != 1"]),
        ("x = a < b and c", ["a < b -> a <= b", "a < b and c -> a < b or c"]),
        ("x = min(a, b) + 0.5", ["min(a, b) -> max(a, b)", "min(a, b) + 0.5 -> min(a, b) - 0.5"]),
        ("x = f'{a} of {b in c}'", ["' of ' -> ' of #'", "b in c -> b not in c"]),
        ("x = True if a else b", ["True -> False", "True if a else b -> True if not a else b"]),
        ("if a.b:\n    c(d)", ["c(d) -> pass", "a.b -> not a.b"]),
        ("for a in b:\n    continue", ["continue -> pass"]),
        ("@f('a')\ndef g(b: Literal['c'] = 'd') -> 'e':\n    'Docstring.'", ["'a' -> 'a#'", "'d' -> 'd#'"]),
        ("from a import b", []),
        ("__all__ = ['a']", []),
    ],
)
def test_the_faults_of_a_module(source: str, faults: list[str]) -> None:
    mutator = Mutator()
    mutator.visit(ast.parse(source))
    assert sorted(description for _, description in mutator.found) == sorted(faults)


def mutant(text: str) -> Mutant:
    return next(item for item in mutants(CHECKS) if item.what.startswith(f"'{text}"))


TITLE = "CIDRs are IPv4 blocks."


def test_the_arguments_of_a_decorator_are_outside_of_functions() -> None:
    assert not in_function(mutant(TITLE))
    assert in_function(next(item for item in mutants(CHECKS) if " -> not " in item.what))


def test_the_test_files_that_import_a_module() -> None:
    """Directly, by the package that imports it by name, or by a helper of the tests."""
    found = files_that_import(CHECKS)
    assert {"tests/checks/test_reference.py", "tests/operations/test_day2_jobs.py"} <= set(found)
    helm = "tests/handlers/helm/test_helm_release.py"
    assert helm not in found
    assert helm in files_that_import("hyperpod_constructs/handlers/helm/release.py")
    assert files_of([CHECKS, "tests/checks"])[:2] == [CHECKS, "tests/checks/test_engine.py"]


@pytest.mark.slow
def test_a_file_that_does_not_run_the_module_can_notice_a_mutant_outside_of_functions() -> None:
    unaware, aware = ["tests/catalog/test_files.py"], ["tests/checks/test_reference.py"]
    assert with_import(mutant(TITLE), unaware, 600, [], [unaware]) == "survived"
    assert with_import(mutant(TITLE), unaware, 600, [], [unaware, aware]) == "killed"
