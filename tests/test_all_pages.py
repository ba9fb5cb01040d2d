"""Every page is in the index and its links are valid; every `hyperpod` command of every page exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from assembly import ROOT
from click.testing import CliRunner
from proving import every

from hyperpod_constructs.cli import main
from hyperpod_constructs.cli.explain import TOPICS
from hyperpod_constructs.core.rendering import FORMATS

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
}
INDEX = PAGES["docs/README.md"]


def commands() -> list[tuple[str, str]]:
    """Page and command of every line in a code block that begins with `hyperpod`."""
    found: dict[tuple[str, str], None] = {}
    for page, text in PAGES.items():
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
            for line in (
                () if language not in ("", "bash", "console", "text") else block.replace("\\\n", " ").splitlines()
            ):
                command = line.strip().removeprefix("$ ")
                if command.startswith("hyperpod "):
                    found[page, command.split("  #")[0].split(" | ")[0].split(" && ")[0].strip()] = None
    return list(found)


def resolved(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the arguments select, and the remaining arguments."""
    command: click.Command = main
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), arguments[0])
        assert below is not None, f"no command {arguments[0]}"
        command, arguments = below, arguments[1:]
    return command, arguments


def test_the_pages_contain_commands() -> None:
    print(f"{len(commands())} commands in {len(PAGES)} pages")
    assert len(commands()) > 40


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_of_a_page_can_be_typed(page: str, command: str) -> None:
    command_words = shlex.split(re.sub(r"\.\.\.|\[[^]]*\]", "", command))[1:]
    if command_words[0] == "explain" and len(command_words) > 1 and command_words[1] in TOPICS:
        assert CliRunner().invoke(main, ["explain", command_words[1], "-h"]).exit_code == 0
        return
    if command_words[0].startswith("-"):
        return
    found, arguments = resolved(command_words)
    options = {name: param for param in found.params for name in param.opts if isinstance(param, click.Option)}
    for word in arguments:
        if word.startswith("-") and word != "-" and found.name != "explain":
            assert word.partition("=")[0] in {*options, "-h", "--help"}, f"{found.name} has no option {word}"


def test_every_page_is_in_the_index() -> None:
    linked = {f"docs/{target}" for target in re.findall(r"\]\(([^)#:]+\.md)\)", INDEX)}
    assert {page for page in PAGES if page.startswith("docs/") and page != "docs/README.md"} <= linked


@pytest.mark.parametrize("page", PAGES)
def test_links_have_targets(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]+))?\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page}: {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    text = path.read_text()
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {
        *re.findall(r'id="([^"]+)"', text),
        *(re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads),
    }


def test_the_index_lists_the_formats() -> None:
    assert every(form in INDEX for form in FORMATS)


EVIDENCE = {"docs/features.md", "docs/threat-model.md", "docs/design.md"}
"""Pages that say by which test a claim is shown."""


@pytest.mark.parametrize("page", sorted(PAGES.keys() - EVIDENCE))
def test_pages_for_users_name_no_tests(page: str) -> None:
    assert re.findall(r"tests/[\w/]+(?:\.py|::\w+)?|test_\w+\.py", PAGES[page]) == []
