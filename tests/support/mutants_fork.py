"""The pytest plugin of `mutants.py`: the tests are collected once, and a process is forked for each mutant.

In the fork, the code of the function that holds the fault takes the place of the code that was imported. That finds the
mutants that are killed, in a tenth of a second each; a mutant that survives, or is outside of functions, gets a process
that imports it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from mutants import ROOT, Mutant, compiled, in_function, reaching, some_of


def pytest_runtestloop(session: pytest.Session) -> None:
    if session.testsfailed:
        raise session.Interrupted("errors during collection")
    plan = json.loads(Path(os.environ["MUTANTS_PLAN"]).read_text())
    reached, with_jsii, failing = _traced(session, plan["files"])
    selected = [Mutant(*item) for item in plan["mutants"]]
    running: dict[int, tuple[Mutant, float]] = {}
    verdicts: dict[str, str] = {}
    while selected or running:
        while selected and len(running) < plan["jobs"]:
            mutant = selected.pop(0)
            tests = reaching(mutant, reached[mutant.file])
            forkable = [test for test in tests if test not in with_jsii]  # forks cannot share the process of jsii
            function = _function(mutant) if forkable else None
            if function is None:
                verdicts[mutant.name] = "import" if tests or not in_function(mutant) else "unreached"
                continue
            running[_forked(session, lambda: _attempt(session, mutant, *function, forkable))] = mutant, time.monotonic()  # noqa: B023
        for pid, (mutant, started) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() - started > plan["seconds"]:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                done = pid
            if done:
                del running[pid]
                verdicts[mutant.name] = "killed" if status else "import"
        time.sleep(0.02)
    Path(os.environ["MUTANTS_OUT"]).write_text(
        json.dumps({"reached": reached, "verdicts": verdicts, "failing": failing})
    )
    os._exit(0)  # nothing else of the session matters, such as snapshots that it has not looked at


def _forked(session: pytest.Session, work: Callable[[], int]) -> int:
    """The id of a process that runs tests and ends; files that its tests write are then removed."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with tempfile.TemporaryDirectory() as folder:
                session.config._tmp_path_factory._given_basetemp = Path(folder, "tests")  # type: ignore[attr-defined]
                code = work()
        finally:
            os._exit(code)
    return pid


def _attempt(session: pytest.Session, mutant: Mutant, function: FunctionType, code: CodeType, tests: list[str]) -> int:
    """0 where the tests pass with another code for a function."""
    function.__code__ = code
    first = some_of(tests, mutant.file)
    items = {item.nodeid: item for item in session.items}
    for name in [*first, *(test for test in tests if test not in set(first))]:
        items[name].config.hook.pytest_runtest_protocol(item=items[name], nextitem=None)
        if session.testsfailed:
            return 1
    return 0


def _function(mutant: Mutant) -> tuple[FunctionType, CodeType] | None:
    """The imported function that a mutant is in, and its new code; None where it is in none, or in several."""
    old, new = compiled(mutant.file, None), compiled(mutant.file, mutant.number)
    found = list(_different(old, new))
    if len(found) != 1 or found[0][0].co_freevars != found[0][1].co_freevars:
        return None
    before, after = found[0]
    gc.unfreeze()  # tests/conftest.py freezes all objects, and frozen objects are not listed
    live = [
        get_object
        for get_object in gc.get_objects()
        if isinstance(get_object, FunctionType) and get_object.__code__ == before
    ]
    live = [item for item in live if item.__code__.co_filename == str(ROOT / mutant.file)]
    return (live[0], after) if len(live) == 1 else None


def _different(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The outermost functions in which two modules or classes differ; the module itself where it is no function."""
    of_old, of_new = (
        [constant for constant in code.co_consts if isinstance(constant, CodeType)] for code in (old, new)
    )
    same = old.co_code == new.co_code and _constants(old) == _constants(new) and len(of_old) == len(of_new)
    if not same or old.co_names != new.co_names:
        yield old, new
        return
    for item, other in zip(of_old, of_new, strict=True):
        if item != other:
            yield from (
                [(item, other)] if item.co_flags & 0x02 else _different(item, other)
            )  # a function has CO_NEWLOCALS


def _constants(code: CodeType) -> list[Any]:
    return [(type(constant), constant) for constant in code.co_consts if not isinstance(constant, CodeType)]


def _traced(session: pytest.Session, files: list[str]) -> tuple[dict[str, dict[str, list[str]]], set[str], list[str]]:
    """File to line to the tests that run it; the tests that use jsii; and those that fail without a mutant."""
    out = Path(f"{os.environ['MUTANTS_OUT']}.reached")
    pid = _forked(session, lambda: _trace(session, {str(ROOT / file): file for file in files}, out))
    if os.waitpid(pid, 0)[1]:
        sys.exit("the tests could not be run without a mutant")
    reached, with_jsii, failing = json.loads(out.read_text())
    return reached, set(with_jsii), failing


def _trace(session: pytest.Session, files: dict[str, str], out: Path) -> int:
    reached: dict[str, dict[str, list[str]]] = {file: {} for file in files.values()}
    lines: set[tuple[str, int]] = set()
    with_jsii: set[str] = set()
    failing: list[str] = []
    name = ""

    def on_line(frame: FrameType, _event: str, _argument: Any) -> Any:
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename.endswith("jsii/_kernel/providers/process.py"):
            with_jsii.add(name)
        return on_line(frame, event, argument) if frame.f_code.co_filename in files else None

    for index, item in enumerate(session.items):
        lines.clear()
        name = item.nodeid
        threading.settrace(on_call)
        sys.settrace(on_call)
        following = session.items[index + 1] if index + 1 < len(session.items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        sys.settrace(None)
        if session.testsfailed:
            failing.append(name)
            session.testsfailed = 0
            continue
        for path, line in lines:
            reached[files[path]].setdefault(str(line), []).append(item.nodeid)
    out.write_text(json.dumps([reached, sorted(with_jsii), failing]))
    return 0
