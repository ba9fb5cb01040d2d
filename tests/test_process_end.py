"""The start and the end of the process of a command: fast, but with the clean-up of Python at exit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

END = """
import atexit, os, sys, threading, time
from hyperpod_constructs.core.process import end

class Noisy:
    def __del__(self):
        print("freed")

kept = Noisy()
atexit.register(print, "atexit")
def work():
    time.sleep(0.2)
    print("thread")
if {threads}:
    threading.Thread(target=work).start()
with end():
    print("output")
    {exit}
print("the block ended")
"""


def run(exit_: str, *, threads: bool = False) -> tuple[int, list[str], str]:
    code = END.format(exit=exit_, threads=threads)
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return completed.returncode, completed.stdout.splitlines(), completed.stderr


@pytest.mark.parametrize("code", ["0", "3", "None"])
def test_the_process_ends_with_its_code_and_output_before_objects_are_freed(code: str):
    assert run(f"sys.exit({code})") == (3 if code == "3" else 0, ["output", "atexit"], "")


def test_python_ends_as_usual_while_threads_run():
    assert run("sys.exit(3)", threads=True) == (3, ["output", "thread", "atexit", "freed"], "")


def test_a_message_is_printed_as_usual():
    code, output, error = run("sys.exit('what is wrong')")
    assert (code, output[:1], error) == (1, ["output"], "what is wrong\n")


def test_a_block_that_does_not_exit_ends_nothing():
    assert run("pass") == (0, ["output", "the block ended", "atexit", "freed"], "")


def test_a_closed_output_pipe_fails_as_usual():
    code = (
        "import os, sys; from hyperpod_constructs.core.process import end\n"
        "read, write = os.pipe(); os.dup2(write, 1); os.close(read)\n"
        "with end(): print('x'); sys.exit(0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert completed.returncode == 120
    assert completed.stderr.endswith("BrokenPipeError: [Errno 32] Broken pipe\n")


def test_the_command_returns_the_exit_code_of_its_findings():
    completed = subprocess.run(
        [sys.executable, "-m", "hyperpod_constructs.cli", "validate", "hyperpod.yaml", "-o", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (completed.returncode, completed.stdout[:14]) == (0, '{"findings": [')
    missing = [sys.executable, "-m", "hyperpod_constructs.cli", "validate", "not-there.yaml"]
    assert subprocess.run(missing, capture_output=True, check=False).returncode == 1


PLUGINS = """
import sys
from hyperpod_constructs.core.process import without_plugins
without_plugins()
from hyperpod_constructs.core.spec import Volume
Volume(size_gib=1)
print("importlib.metadata" in sys.modules)
from pydantic.plugin import _loader
print(_loader.PYDANTIC_ENTRY_POINT_GROUP, "importlib.metadata" in sys.modules)
"""


def test_pydantic_does_not_search_for_plugins_and_has_the_rest_of_its_module():
    completed = subprocess.run([sys.executable, "-c", PLUGINS], capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines() == ["False", "pydantic True"]
