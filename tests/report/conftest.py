"""Complete reports, with synthesized templates: each is created once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from reports import copied_examples, edited, report, written


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of an example by its name, or `edited` for an edit of everything.yaml, as .json and .html."""
    folder = copied_examples(tmp_path_factory.mktemp("whole"))

    @cache
    def make(name: str) -> Path:
        page, code = folder / f"{name}.html", 0
        arguments = [folder / f"{name}.yaml"]
        if name == "edited":
            arguments = [written(folder, edited()), "--from", folder / "everything.yaml"]
            code = 3
        report(*arguments, "-o", page.with_suffix(".json"), code=code)
        return page.with_suffix(".json")

    return make
