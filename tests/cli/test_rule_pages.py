"""Findings contain the address of their rule in the page of rules, which has an anchor for each rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperpod_constructs.cli import main
from hyperpod_constructs.core.rendering import FORMATS

SITE = "https://docs.example.com/hyperpod"


def user_message(form: str, folder: Path) -> str:
    config = folder / "hyperpod.yaml"
    config.write_text("region: us-wset-2\n")
    return CliRunner().invoke(main, ["validate", str(config), "-o", form]).stdout


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
def test_every_format_contains_the_url_of_the_page(form: str, tmp_path: Path) -> None:
    assert "docs/rules.md#hp021" in user_message(form, tmp_path)


def test_text_contains_the_page_of_the_first_error(tmp_path: Path) -> None:
    assert "docs/rules.md#hp" in user_message("text", tmp_path).splitlines()[-1]


def test_addresses_are_absolute_where_the_site_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = json.loads(user_message("sarif", tmp_path))["runs"]
    assert not any("helpUri" in rule for rule in run["tool"]["driver"]["rules"])  # SARIF supports absolute URLs only
    monkeypatch.setenv("HYPERPOD_DOCS_URL", f"{SITE}/")
    (run,) = json.loads(user_message("sarif", tmp_path))["runs"]
    pages = {rule["id"]: rule["helpUri"] for rule in run["tool"]["driver"]["rules"]}
    assert pages["HP021"] == f"{SITE}/docs/rules.html#hp021"
    assert f"({SITE}/docs/rules.html#hp021)" in user_message("markdown", tmp_path)
