"""`make mutants`: small faults are put into modules, one at a time, and the quick tests that run the line must fail.

A fault (mutant) is a swapped comparison, a negated condition, another number or text, or a dropped statement. No file
changes, so the assets of templates keep their hashes. The tests of all modules are collected once and run once with
tracing. Then a process is forked for each mutant, and the tests that reach its line run in it (`mutants_fork.py`). A mutant
outside of functions, and one that survives, is compiled into the module when another process imports it. Lines outside of
functions run before tests begin, so all quick test files that import the module, directly or not, can notice these mutants.
A mutant that survives this too shows that a test is missing, or the fault changes nothing.

Our own, because the two maintained tools do not fit: cosmic-ray neither replaces texts nor drops statements, and runs one
command for all mutants; mutmut 3 wraps functions in a copy of the project and forks, which a jsii process does not outlive.
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from mutants_imports import PACKAGE, files_of_tests, files_that_import

ROOT = Path(__file__).parents[2]
TESTS = {  # the first prefix of a module's path; otherwise the tests of the same name
    "core/checks/job": "tests/jobs tests/checks/test_messages.py tests/checks/test_parts.py tests/checks/test_reference.py",
    "core/checks/facts": "tests/catalog/test_stated_facts.py tests/checks/test_messages.py tests/checks/test_reference.py",
    "core/checks/": "tests/checks/test_messages.py tests/checks/test_reference.py tests/checks/test_families.py "
    "tests/checks/test_engine.py tests/checks/test_parts.py",
    "core/changes/": "tests/test_changes.py tests/edits tests/cli/test_explain_diff_init.py",
    "core/config": "tests/test_config.py tests/checks/test_unreadable.py tests/checks/test_messages.py",
    "core/shape": "tests/test_config.py tests/checks/test_messages.py",
    "core/unknown_keys": "tests/test_config.py tests/checks/test_messages.py",
    "core/jobs/importing/": "tests/jobs/test_job_import.py",
    "core/jobs/": "tests/jobs",
    "core/network_plan": "tests/test_network_plan.py tests/checks/test_messages.py",
    "handlers/cluster/": "tests/cluster_guard",
    "handlers/governance/": "tests/governance tests/ownership",
    "handlers/grafana/": "tests/observability tests/ownership",
    "handlers/lifecycle/": "tests/lifecycle",
    "handlers/shared/refusals": "tests/cluster_guard tests/lifecycle",
    "handlers/": "tests/handlers tests/ownership",
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
SOME = 10
"""Tests that a mutant meets first."""
NO_CODE = ("annotation", "returns", "type_params")


class Mutator(ast.NodeTransformer):
    """Visits the locations of a module where a fault can be inserted, and inserts one of the faults."""

    def __init__(self, selected: int | None = None) -> None:
        self.selected, self.found = selected, list[tuple[int, str]]()

    def fault(self, node: Any, mutant: ast.AST) -> Any:
        before, after = ast.unparse(node), ast.unparse(mutant)
        self.found.append((node.lineno, f"{before[:90]!s} -> {after[:90]!s}".replace("\n", " ")))
        if len(self.found) - 1 == self.selected:
            return ast.fix_missing_locations(ast.copy_location(mutant, node))
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        docstring = ast.get_docstring(node) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) else None
        for name, value in ast.iter_fields(node):
            if name in NO_CODE:
                continue
            if isinstance(value, list):
                first = value[:1] if docstring is not None and name == "body" else []
                setattr(node, name, first + [self.visit(item) for item in value[len(first) :]])
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
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
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

    @property
    def name(self) -> str:
        return f"{self.file}:{self.number}"


def mutants(file: str) -> list[Mutant]:
    mutator = Mutator()
    mutator.visit(ast.parse((ROOT / file).read_text()))
    return [Mutant(file, number, line, what) for number, (line, what) in enumerate(mutator.found)]


def compiled(file: str, number: int | None) -> CodeType:
    tree = ast.parse((ROOT / file).read_text())
    return compile(tree if number is None else Mutator(number).visit(tree), str(ROOT / file), "exec", dont_inherit=True)


def reaching(mutant: Mutant, reached: dict[str, list[str]]) -> list[str]:
    """The tests that run the line of a mutant; of a line that runs at import, all that run the module.

    Those that run the next line that runs in tests come first: they are about the decorated function, or the class.
    """
    tests = reached.get(str(mutant.line)) or []
    if tests or in_function(mutant):
        return tests
    following = min((int(line) for line in reached if int(line) > mutant.line), default=None)
    near = reached[str(following)] if following is not None else []
    return list(
        dict.fromkeys([*some_of(near, mutant.file), *near, *(test for item in reached.values() for test in item)])
    )


def some_of(tests: list[str], file: str) -> list[str]:
    """Some of the tests, of those named after the module and from all parts of the list: most mutants go no further."""
    matching = [test for test in tests if re.search(rf"\b{Path(file).stem}\b", test)]
    return list(dict.fromkeys([*matching[: SOME // 2], *tests[:: len(tests) // SOME + 1]]))


def import_mutant(file: str, number: int) -> None:
    """Make this process import a module with a fault."""
    unchanged = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        return compiled(file, number) if self.get_filename(fullname) == str(ROOT / file) else unchanged(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def tests_of(file: str) -> list[str]:
    module = file.removeprefix(f"{PACKAGE}/")
    found = next((tests.split() for prefix, tests in TESTS.items() if module.startswith(prefix)), None)
    found = found if found is not None else [str(item) for item in Path("tests").rglob(f"test_{Path(file).stem}.py")]
    return [file, *(item for item in found if Path(item).exists())]


def files_of(paths: list[str]) -> list[str]:
    """The files of test files and folders."""
    return [str(file) for path in map(Path, paths) for file in ([path] if path.is_file() else files_of_tests(path))]


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "hypothesis", "pydantic", "yaml", "jsonschema", "botocore.session"])
OPTIONS = ["-q", "-x", "--assert", "plain", "-p", "no:cacheprovider", "--snapshot-warn-unused", "-m", "not slow"]
PASSED, NOT_FOUND, NO_TESTS = 0, 4, 5
"""Exit codes of pytest."""


def child(tests: list[str], mutant: Mutant | None, output: str, environment: dict[str, str]) -> None:
    """Run tests in a process that was forked before anything of ours was imported."""
    with Path(output).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    sys.path.insert(0, str(Path(__file__).parent))
    if mutant is not None:
        import_mutant(mutant.file, mutant.number)
    import pytest

    basetemp = f"--basetemp={Path(output).parent / 'tests'}"
    plugin = ["-p", "mutants_fork"] if "MUTANTS_PLAN" in environment else []
    os._exit(pytest.main([*OPTIONS, basetemp, *plugin, *tests]))


def run(
    tests: list[str], seconds: int | None, mutant: Mutant | None = None, **environment: str
) -> tuple[int | None, str]:
    """The exit code of pytest, None if the tests time out, and the output."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {"HYPOTHESIS_STORAGE_DIRECTORY": folder, **environment}
        process = FORKS.Process(target=child, args=(tests, mutant, f"{folder}/output", variables))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            return None, ""
        return process.exitcode, Path(folder, "output").read_text()


def in_function(mutant: Mutant) -> bool:
    tree = ast.parse((ROOT / mutant.file).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
    inside = (node.body[0].lineno if isinstance(node, ast.FunctionDef) else node.lineno for node in functions)
    ends = (node.end_lineno or 0 for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
    return any(first <= mutant.line <= last for first, last in zip(inside, ends, strict=True))


def in_session(selected: list[Mutant], tests: list[str], jobs: int, seconds: int) -> dict[str, Any]:
    """What tests reach, and the verdicts of one session for all mutants."""
    with tempfile.TemporaryDirectory() as folder:
        plan, out = Path(folder, "plan.json"), Path(folder, "out.json")
        files = sorted({mutant.file for mutant in selected})
        mutants = [[mutant.file, mutant.number, mutant.line, mutant.what] for mutant in selected]
        plan.write_text(json.dumps({"files": files, "mutants": mutants, "jobs": jobs, "seconds": seconds}))
        code, output = run(tests, None, MUTANTS_PLAN=str(plan), MUTANTS_OUT=str(out))
        if code != PASSED:
            sys.exit(output[-3000:])
        found: dict[str, Any] = json.loads(out.read_text())
    return found


def with_import(mutant: Mutant, tests: list[str], seconds: int, failing: list[str], others: list[list[str]]) -> str:
    """The verdict of tests that import the mutant, without those that fail anyway, and of other test files."""
    files = sorted({test.partition("::")[0] for test in tests})
    # this many tests are slower to collect as arguments than as files
    for selected in (some_of(tests, mutant.file), tests if SOME < len(tests) < 200 else files, files):
        code, _ = run([*selected, *deselected(failing)], seconds, mutant)
        if code == NOT_FOUND and selected is not files:
            continue  # the mutant changes the name of a test
        if code not in (PASSED, NO_TESTS):
            return "killed" if code is not None else "killed (no end)"
        if selected is files or (len(selected) == len(tests) and in_function(mutant)):
            break
    for group in () if in_function(mutant) else others:
        verdict = of_others([file for file in group if file not in files], mutant, seconds, failing)
        if verdict is not None:
            return verdict
        files += group
    return "survived"


def of_others(files: list[str], mutant: Mutant, seconds: int, failing: list[str]) -> str | None:
    """The verdict of test files that have not run without the mutant; None where all pass."""
    failing = list(failing)
    while files:
        code, output = run([*files, *deselected(failing)], seconds, mutant)
        if code in (PASSED, NO_TESTS):
            break
        if code is None:
            return f"survived ({seconds} seconds of {len(files)} test files that import the module)"
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        if not failed or run(failed, None)[0] == PASSED:
            return "killed"
        failing += failed  # without the mutant too
    return None


def deselected(tests: list[str]) -> list[str]:
    return [f"--deselect={test}" for test in tests]


def changed() -> list[str]:
    """Modules that differ from main, or from the commit before where this is main."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    base = git("merge-base", "main", "HEAD")
    base = base if base and base != git("rev-parse", "HEAD") else "HEAD~1"
    return [line for line in git("diff", "--name-only", base, "--", PACKAGE).splitlines() if Path(line).exists()]


def modules(paths: list[str]) -> list[str]:
    files = [
        path for item in paths for path in ([Path(item)] if Path(item).is_file() else sorted(Path(item).rglob("*.py")))
    ]
    return [str(file) for file in files if file.suffix == ".py"]


def verdicts(selected: list[Mutant], tests: list[str], jobs: int, seconds: int) -> Iterator[tuple[Mutant, str]]:
    """The verdict of each mutant; of the tests given, or of those of the modules where none are."""
    files = sorted({mutant.file for mutant in selected})
    found = in_session(selected, tests or sorted({test for file in files for test in tests_of(file)}), jobs, seconds)
    for test in found["failing"]:
        print(f"left out, since it fails without a mutant: {test}", file=sys.stderr, flush=True)
    retried = []
    for mutant in selected:
        verdict = found["verdicts"][mutant.name]
        if verdict == "import":
            retried.append(mutant)
        else:
            yield mutant, verdict if verdict == "killed" else "survived (no test runs the line)"
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(
            lambda item: with_import(
                item,
                reaching(item, found["reached"][item.file]) or tests or tests_of(item.file),
                seconds,
                found["failing"],
                [] if tests else [files_of(tests_of(item.file)), files_that_import(item.file)],
            ),
            retried,
        )
        yield from zip(retried, results, strict=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="modules or folders; without: what differs from main, or from HEAD~1")
    parser.add_argument("--tests", nargs="+", default=[], help="test files or folders, instead of the modules' own")
    parser.add_argument("--sample", type=int, help="so many mutants, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--seconds", type=int, default=600, help="after which a mutant's tests count as failed")
    options = parser.parse_args()
    os.chdir(ROOT)
    files = modules(options.files or changed())
    found = [mutant for file in files for mutant in mutants(file)]
    if options.sample and options.sample < len(found):
        found = sorted(
            random.Random(options.seed).sample(found, options.sample), key=lambda item: (item.file, item.number)
        )
    detected = 0
    for mutant, result in verdicts(found, options.tests, options.jobs, options.seconds) if found else ():
        detected += result.startswith("killed")
        print(f"{result}: {mutant.file}:{mutant.line}: {mutant.what}", flush=True)
    print(f"{detected} of {len(found)} mutants killed in {len(files)} modules (seed {options.seed})")


if __name__ == "__main__":
    main()
