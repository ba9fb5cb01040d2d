"""The page on the package index: valid links, and versions that are compatible with other tools."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from assembly import ROOT
from packaging.requirements import Requirement
from proving import every

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()


def shown() -> str:
    """The README as the package index shows it."""
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join((ROOT / fragment["path"]).read_text() for fragment in hook["fragments"])
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    return text


def test_links_of_the_readme_are_whole_addresses_and_lead_to_files_that_exist() -> None:
    base = PROJECT["project"]["urls"]["Homepage"] + "/blob/main/"
    relative = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    links = re.findall(r"\]\(([^)]+)\)", shown())
    assert len(relative) >= 10
    assert every(link.startswith(("https://", "#")) for link in links)
    for link in links:
        if link.startswith(base):
            assert (ROOT / link.removeprefix(base).partition("#")[0]).exists(), link


def test_the_project_has_links_and_python_versions() -> None:
    project = PROJECT["project"]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= project["urls"].keys()
    assert project["requires-python"] == ">=3.11"
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]


@pytest.mark.parametrize(
    ("name", "version", "pinned_by"),
    [
        ("click", "8.1.8", "aws-sam-cli"),
        ("rich", "13.9.4", "aws-sam-cli and others"),
        ("kubernetes", "31.0.0", "tools that stay with an older cluster's client"),
    ],
)
def test_ranges_admit_what_other_tools_pin(name: str, version: str, pinned_by: str) -> None:
    (requirement,) = [item for item in map(Requirement, PROJECT["project"]["dependencies"]) if item.name == name]
    assert requirement.specifier.contains(version), pinned_by
