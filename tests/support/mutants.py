"""`make mutants`: small faults are put into modules, one at a time, and the quick tests that run the line must fail.

A fault (mutant) is a swapped comparison, a negated condition, another number or text, or a dropped statement. It is compiled
into the module when a test process imports it; no file changes, so the assets of templates keep their hashes. First the
tests of each module run once with tracing, then each mutant is met by the tests that reach its line, then survivors by all
tests in the files of these. A mutant that survives is a test that is missing, or a fault that changes nothing.

Our own, because the two maintained tools do not fit: cosmic-ray neither replaces texts nor drops statements, and runs one
command for all mutants; mutmut 3 wraps functions in a copy of the project and forks, which a jsii process does not outlive.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "hyperpod_constructs/"
TESTS = {  # the first that a module's path begins with; where none does, the tests of the same name
    "core/checks/job": "tests/jobs tests/checks/test_messages.py",
    "core/checks/": "tests/checks/test_messages.py tests/checks/test_families.py tests/checks/test_engine.py",
    "core/changes/": "tests/test_changes.py tests/edits tests/cli/test_explain_diff_init.py",
    "core/config": "tests/test_config.py tests/checks/test_unreadable.py",
    "core/jobs/importing/": "tests/jobs/test_job_import.py",
    "core/jobs/": "tests/jobs",
    "core/network_plan": "tests/test_network_plan.py tests/checks/test_messages.py tests/constructs/test_network.py",
    "handlers/cluster/": "tests/cluster_guard",
    "handlers/governance/": "tests/governance",
    "handlers/grafana/": "tests/observability",
    "handlers/": "tests/handlers",
    "assembly/graph/": "tests/graph",
    "assembly/rehearsal/": "tests/rehearsal",
    "constructs/": "tests/constructs",
    "live/preflight/": "tests/preflight",
    "live/operations/": "tests/operations",
}
SWAPS: dict[type[ast.AST], type[Any]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "all": "any", "any": "all"}
NO_CODE = ("annotation", "returns", "type_params")


class Mutator(ast.NodeTransformer):
    """Visits the places of a module where a fault can be; makes the fault of one of them."""

    def __init__(self, chosen: int | None = None) -> None:
        self.chosen, self.found = chosen, list[tuple[int, str]]()

    def fault(self, node: Any, mutant: ast.AST) -> Any:
        before, after = ast.unparse(node), ast.unparse(mutant)
        self.found.append((node.lineno, f"{before[:90]!s} -> {after[:90]!s}".replace("\n", " ")))
        if len(self.found) - 1 == self.chosen:
            return ast.fix_missing_locations(ast.copy_location(mutant, node))
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        docstring = ast.get_docstring(node) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) else None
        for name, value in ast.iter_fields(node):
            if name in NO_CODE:
                continue
            if isinstance(value, list):
                first = value[:1] if docstring is not None and name == "body" else []
                setattr(node, name, first + [self.visit(one) for one in value[len(first) :]])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    def visit(self, node: Any) -> Any:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FormattedValue) or not isinstance(node, ast.AST):
            if isinstance(node, ast.FormattedValue):
                node.value = self.visit(node.value)
            return node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return node
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            return node
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dataclass":
            return node
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return node  # the docstring of an attribute
        node = self.generic_visit(node)
        return self.faults(node)

    def faults(self, node: Any) -> Any:
        match node:
            case ast.Constant(value=bool(value)):
                return self.fault(node, ast.Constant(not value))
            case ast.Constant(value=int(value)):
                return self.fault(node, ast.Constant(value + 1))
            case ast.Constant(value=str(value)) if value.strip():
                return self.fault(node, ast.Constant(f"{value}#"))
            case ast.Compare(ops=[operator]) if type(operator) in SWAPS:
                return self.fault(node, ast.Compare(node.left, [SWAPS[type(operator)]()], node.comparators))
            case ast.BoolOp():
                return self.fault(node, ast.BoolOp(SWAPS[type(node.op)](), node.values))
            case ast.BinOp() if type(node.op) in SWAPS and not isinstance(node.left, ast.Constant | ast.JoinedStr):
                return self.fault(node, ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))
            case ast.UnaryOp(op=ast.Not()):
                return self.fault(node, node.operand)
            case ast.Call(func=ast.Name(id=name)) if name in NAMES:
                return self.fault(node, ast.Call(ast.Name(NAMES[name], ast.Load()), node.args, node.keywords))
            case ast.If(test=ast.Name() | ast.Attribute() | ast.Call()):
                test = self.fault(node.test, ast.UnaryOp(ast.Not(), node.test))
                return ast.copy_location(ast.If(test, node.body, node.orelse), node)
            case ast.IfExp(test=ast.Name() | ast.Attribute() | ast.Call()):
                return self.fault(node, ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse))
            case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
                return self.fault(node, ast.Pass())
        return node


@dataclass(frozen=True)
class Mutant:
    file: str
    number: int
    line: int
    what: str


def mutants(file: str) -> list[Mutant]:
    mutator = Mutator()
    mutator.visit(ast.parse((ROOT / file).read_text()))
    return [Mutant(file, number, line, what) for number, (line, what) in enumerate(mutator.found)]


def compiled(file: str, number: int) -> CodeType:
    tree = Mutator(number).visit(ast.parse((ROOT / file).read_text()))
    return compile(tree, str(ROOT / file), "exec", dont_inherit=True)


# The side of the test process: a pytest plugin, told by environment variables


if "MUTANT" in os.environ:
    _file, _, _number = os.environ["MUTANT"].rpartition(":")
    _unchanged = SourceFileLoader.get_code

    def _get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if self.get_filename(fullname) == str(ROOT / _file):
            return compiled(_file, int(_number))
        return _unchanged(self, fullname)

    SourceFileLoader.get_code = _get_code  # type: ignore[method-assign]

if "MUTANTS_TRACE" in os.environ:
    _traced = {str(ROOT / file): file for file in json.loads(os.environ["MUTANTS_TRACE"])}
    _reached: dict[str, dict[str, list[str]]] = {file: {} for file in _traced.values()}
    _lines: set[tuple[str, int]] = set()

    def _line(frame: FrameType, event: str, _: Any) -> Any:
        _lines.add((frame.f_code.co_filename, frame.f_lineno))
        return _line

    def _call(frame: FrameType, event: str, argument: Any) -> Any:
        return _line(frame, event, argument) if frame.f_code.co_filename in _traced else None

    def pytest_runtest_logstart(nodeid: str) -> None:
        _lines.clear()
        threading.settrace(_call)
        sys.settrace(_call)

    def pytest_runtest_logfinish(nodeid: str) -> None:
        sys.settrace(None)
        for path, line in _lines:
            _reached[_traced[path]].setdefault(str(line), []).append(nodeid)

    def pytest_sessionfinish() -> None:
        Path(os.environ["MUTANTS_OUT"]).write_text(json.dumps(_reached))


# The side of the command


def tests_of(file: str) -> list[str]:
    module = file.removeprefix(PACKAGE)
    found = next((tests.split() for prefix, tests in TESTS.items() if module.startswith(prefix)), None)
    found = found if found is not None else [str(one) for one in Path("tests").rglob(f"test_{Path(file).stem}.py")]
    return [file, *(each for each in found if Path(each).exists())]


def run(tests: list[str], seconds: int, **environment: str) -> bool | None:
    """Whether the tests pass; None when they do not end in time."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        variables = {**os.environ, "PYTHONPATH": path, "HYPOTHESIS_STORAGE_DIRECTORY": folder, **environment}
        options = ["-m", "pytest", "-q", "-x", "-p", "mutants", "-p", "no:cacheprovider", "-m", "not slow"]
        try:
            done = subprocess.run(
                [sys.executable, *options, *tests], env=variables, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode not in (0, 1, 5) and not environment.get("MUTANT"):
        sys.exit(done.stdout.decode()[-3000:] + done.stderr.decode()[-3000:])
    return done.returncode in (0, 5)


def traced(files: list[str], tests: list[str]) -> dict[str, dict[str, list[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "reached.json"
        if not run(tests, 3600, MUTANTS_TRACE=json.dumps(files), MUTANTS_OUT=str(out)):
            sys.exit(f"the tests fail without a mutant: {' '.join(tests)}")
        reached: dict[str, dict[str, list[str]]] = json.loads(out.read_text())
    return reached


def reaching(mutant: Mutant, reached: dict[str, list[str]]) -> list[str]:
    """The tests that run the line of a mutant; of a line that runs at import, all that run the module."""
    tests = reached.get(str(mutant.line)) or []
    if not tests and not in_function(mutant):
        tests = sorted({test for each in reached.values() for test in each})
    return tests


def in_function(mutant: Mutant) -> bool:
    tree = ast.parse((ROOT / mutant.file).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
    inside = (node.body[0].lineno if isinstance(node, ast.FunctionDef) else node.lineno for node in functions)
    ends = (node.end_lineno or 0 for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
    return any(first <= mutant.line <= last for first, last in zip(inside, ends, strict=True))


def verdict(mutant: Mutant, reached: dict[str, list[str]], seconds: int) -> str:
    tests = reaching(mutant, reached)
    if not tests:
        return "survived (no test runs the line)"
    name = f"{mutant.file}:{mutant.number}"
    whole = sorted({test.partition("::")[0] for each in reached.values() for test in each})
    # so many tests as arguments are slower to collect than their files
    for chosen in (tests if len(tests) < 200 else sorted({test.partition("::")[0] for test in tests}), whole):
        passed = run(chosen, seconds, MUTANT=name)
        if not passed:
            return "killed" if passed is False else "killed (no end)"
    return "survived"


def changed() -> list[str]:
    """Modules that differ from main, or from the commit before where this is main."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    base = git("merge-base", "main", "HEAD")
    base = base if base and base != git("rev-parse", "HEAD") else "HEAD~1"
    return [line for line in git("diff", "--name-only", base, "--", PACKAGE).splitlines() if Path(line).exists()]


def verdicts(chosen: list[Mutant], tests: list[str], jobs: int, seconds: int) -> Iterator[tuple[Mutant, str]]:
    files = sorted({mutant.file for mutant in chosen})
    reached = traced(files, tests or sorted({test for file in files for test in tests_of(file)}))
    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(chosen, pool.map(lambda one: verdict(one, reached[one.file], seconds), chosen), strict=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="modules; without: those that differ from main, or from HEAD~1")
    parser.add_argument("--tests", nargs="+", default=[], help="test files or folders, instead of the modules' own")
    parser.add_argument("--sample", type=int, help="so many mutants, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--seconds", type=int, default=600, help="after which a mutant's tests count as failed")
    options = parser.parse_args()
    os.chdir(ROOT)
    files = [file for file in options.files or changed() if file.endswith(".py")]
    found = [mutant for file in files for mutant in mutants(file)]
    if options.sample and options.sample < len(found):
        found = sorted(
            random.Random(options.seed).sample(found, options.sample), key=lambda one: (one.file, one.number)
        )
    killed = 0
    for mutant, result in verdicts(found, options.tests, options.jobs, options.seconds) if found else ():
        killed += result.startswith("killed")
        print(f"{result}: {mutant.file}:{mutant.line}: {mutant.what}", flush=True)
    print(f"{killed} of {len(found)} mutants killed in {len(files)} modules")


if __name__ == "__main__":
    main()
