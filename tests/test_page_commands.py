"""Every command of every page runs as written, in a copy of the files that it uses, or is listed with a reason.

Commands that are not run are parsed: a `hyperpod` command by its own parser, with its options and their types, a `make`
target by `make -n`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from assembly import ROOT, Assembly
from click.testing import CliRunner
from proving import every

from hyperpod_constructs.cli import main

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "rules.md"),
]
PROGRAMS = "hyperpod|make|npx|cdk|aws|kubectl|helm|crane|pip|python3?|uv|git|cd|export|sh"
NOT_RUN = {
    "asks AWS or a cluster": r"hyperpod (preflight|context set|jobs (submit|list|logs)|catalog refresh --live)|aws ",
    "deploys": r"make (bootstrap|diff|deploy|destroy)|(npx )?cdk (deploy|bootstrap)",
    "downloads the dependency chart": r"hyperpod chart vendor",
    "plays every resource for a quarter of an hour; tests/rehearsal does": r"hyperpod rehearse --fail-each",
    "installs the requirements first; app.py, which it runs, has its own tests": r"make synth",
    "is CI itself": r"make test",
    "reads the history of the user's repository": r"git show",
    "sets the shell's search path": r"export PATH=",
}
"""Why a command is not run, and which."""
ELSEWHERE = {
    "docs/closed-network.md": "tests/test_docs.py::test_the_commands_of_closed_networks_work",
    "docs/editing.md": "tests/edits/test_editing_page.py::test_the_commands_run",
    "docs/import.md": "tests/importing/test_import_docs.py::test_the_commands_of_the_page_work",
    "docs/jobs.md": "tests/jobs/test_job_docs.py::test_commands",
}
"""Pages whose commands run in a separate test, with the files that they require."""
CODES = {
    "hyperpod catalog refresh": {0, 1},  # 1: a fact differs
    "hyperpod rehearse --no-nodes": {1},  # the nodes never become ready
    "hyperpod upgrade-plan": {0, 1},  # 1: a step is blocked, which depends on the day
}
"""Exit codes other than 0, by the beginning of the command."""


def commands(page: Path) -> Iterator[tuple[int, str]]:
    """The commands of a page with the number of their block, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
    for number, (language, block) in enumerate(blocks):
        if language not in ("", "bash", "sh", "console", "text"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            command = line.strip().removeprefix("$ ")
            if re.match(rf"({PROGRAMS})( |$)", command) and not re.search(r"^\w+: ", command):
                yield number, re.split(r"\s+#\s", command)[0].strip()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def expanded(word: str) -> list[str]:
    """The files that match a pattern, as in a shell; the word itself if there are none."""
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def reason(command: str) -> str | None:
    return next((why for why, pattern in NOT_RUN.items() if re.match(pattern, command)), None)


EVERY = [(name_of(page), block, command) for page in PAGES for block, command in commands(page)]
RUN = {page for page, _, command in EVERY if page not in ELSEWHERE and reason(command) is None}


def test_the_commands_are_counted_by_what_is_done_with_them() -> None:
    others = [command for page, _, command in EVERY if page in ELSEWHERE and reason(command) is None]
    listed = [command for _, _, command in EVERY if reason(command) is not None]
    print(f"{len(EVERY)} commands in {len({page for page, _, _ in EVERY})} pages: {len(listed)} parsed, "
          f"{len(others)} run by tests of their pages, {len(EVERY) - len(listed) - len(others)} run here")  # fmt: skip
    assert len(EVERY) > 70
    assert every(any(re.match(pattern, command) for command in listed) for pattern in NOT_RUN.values())


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_the_tests_of_pages_exist(page: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
    assert page in {item for item, _, _ in EVERY}


@pytest.mark.parametrize("command", sorted({command for _, _, command in EVERY if reason(command)}))
def test_a_command_that_is_not_run_can_be_parsed(command: str) -> None:
    arguments = shlex.split(command.split(" > ")[0])
    if arguments[0] == "make":
        completed = subprocess.run(
            ["make", "-n", *arguments[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert completed.returncode == 0, completed.stderr
    elif arguments[0] == "hyperpod":
        found: click.Command = main
        targets = arguments[1:]
        while isinstance(found, click.Group):
            below = found.get_command(click.Context(found), targets.pop(0))
            assert below is not None
            found = below
        found.make_context("hyperpod", targets, help_option_names=["-h", "--help"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default: Assembly) -> Path:
    """The files that the pages use: the shipped config with its jobs, edits of it, and its templates."""
    for name in ("examples", "jobs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("hyperpod.yaml", "old.yaml", "new.yaml", "deployed.yaml"):
        shutil.copy(ROOT / "hyperpod.yaml", tmp_path / name)
    edited = (ROOT / "hyperpod.yaml").read_text().partition("\njobs:")[0] + "\njobs: []\n"
    (tmp_path / "edited.yaml").write_text(edited)
    (tmp_path / "clusters").mkdir()
    for name in ("one", "two"):
        (tmp_path / "clusters" / f"{name}.yaml").write_text(edited.replace("name: research", f"name: {name}"))
    (tmp_path / "cdk.out").symlink_to(default.folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(RUN))
def test_the_commands_of_a_page_run_as_they_are_written(
    page: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, block = 0, -1
    for number, command in commands(ROOT / page):
        if number != block:
            monkeypatch.chdir(place)
            block = number
        if reason(command) is not None:
            continue
        ran += 1
        command_line, _, target = (part.strip() for part in command.partition(" > "))
        program, *arguments = (name for word in shlex.split(command_line) for name in expanded(word))
        if program == "cd":
            monkeypatch.chdir(arguments[0])
            continue
        if program == "hyperpod":
            result = CliRunner().invoke(main, arguments)
            code, output, text = result.exit_code, result.stdout, result.output
        else:
            assert program in ("python", "python3"), command
            completed = subprocess.run(
                [sys.executable, *arguments], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
            )
            code, output, text = completed.returncode, completed.stdout, completed.stdout + completed.stderr
        expected_codes = next((codes for begins, codes in CODES.items() if command.startswith(begins)), {0})
        assert code in expected_codes, f"{command}: exit code {code}\n{text}"
        assert text.strip(), f"{command} prints nothing"
        if target:
            Path(target).write_text(output)
    assert ran
