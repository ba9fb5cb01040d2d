"""`hyperpod diff` reports the correct consequence of each edit in the table, and the comparison of templates agrees."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assemblies import templates
from edit_table import BASE, ROWS, Row, edited
from pydantic import TypeAdapter
from sweep import covering

from hyperpod_constructs.core.changes import REPLACING, Deployment, deployment, edits
from hyperpod_constructs.core.spec import Platform
from hyperpod_constructs.core.spec.base import Change, SpecModel

each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def test_the_table_is_large_and_varied(capsys: pytest.CaptureFixture[str]) -> None:
    counted = Counter(row.change for row in ROWS)
    with capsys.disabled():
        print(f"\n{len(ROWS)} edits: {', '.join(f'{count} {change}' for change, count in sorted(counted.items()))}")
    assert len(ROWS) >= 120
    assert set(counted) == {str(change) for change in Change} | {"nothing"}


@each_row
def test_the_consequence_of_an_edit(row: Row) -> None:
    old, new = Platform.model_validate(BASE), Platform.model_validate(edited(row.path, row.value))
    found = [(edit.path, str(edit.change)) for edit in edits(old, new)]
    if row.change == "nothing":
        assert found == []
    else:
        assert (row.at, row.change) in found


TEXTS = Path(__file__).parent / "edit_texts.txt"


def test_the_text_of_each_edit() -> None:
    """Exact messages, impacts and advice; HYPERPOD_WRITE_DOCS=1 writes them."""
    old = Platform.model_validate(BASE)
    blocks = [
        "".join(f"{edit}\n" for edit in edits(old, Platform.model_validate(edited(row.path, row.value))))
        for row in ROWS
    ]
    text = "\n".join(f"--- {row}\n{block}" for row, block in zip(ROWS, blocks, strict=True))
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        TEXTS.write_text(text)
    assert text == TEXTS.read_text()


@each_row
def test_no_edit_is_reported_with_python_values(row: Row) -> None:
    old, new = Platform.model_validate(BASE), Platform.model_validate(edited(row.path, row.value))
    for edit in edits(old, new):
        assert not any(fragment in str(edit) for fragment in ("a setting", " None", "('", "True", "False", "Platform("))
        assert edit.impact


def _defaults(model: SpecModel, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every field that the base does not state, with its default."""
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if name not in model.model_fields_set and not info.is_required() and value is not None:
            yield (*path, name), value
        for index, inner in enumerate(value) if isinstance(value, tuple) else [(None, value)]:
            if isinstance(inner, SpecModel):
                yield from _defaults(inner, (*path, name) if index is None else (*path, name, index))


def test_a_default_that_is_written_out_changes_nothing() -> None:
    old, count = Platform.model_validate(BASE), 0
    for path, value in _defaults(old):
        config: Any = copy.deepcopy(BASE)
        target = config
        for part in path[:-1]:
            target = target[part] if isinstance(part, int) else target.setdefault(part, {})
        target[path[-1]] = TypeAdapter(Any).dump_python(value, mode="json")
        assert edits(old, Platform.model_validate(config)) == [], path
        count += 1
    print(f"{count} defaults written out")
    assert count > 200


VALID = [row for row in ROWS if row.valid]
PLAYED = [VALID[index] for index in covering([{"change": row.change} for row in VALID])]


@pytest.mark.slow
@pytest.mark.parametrize("row", PLAYED, ids=str)
def test_cloudformations_comparison_agrees(row: Row) -> None:
    """The config's consequence is never less severe than that of the templates, nor more severe without a reason."""
    old, new = Platform.model_validate(BASE), Platform.model_validate(edited(row.path, row.value))
    if row.change == "leaves-behind":
        return  # other stacks
    changes = [edit.change for edit in edits(old, new)]
    simulated: Deployment = deployment(templates(old), templates(new))
    stopping = [edit for edit in simulated.edits if edit.change in REPLACING and edit.change is not Change.REPLACES]
    if not any(change in REPLACING for change in changes):
        assert not stopping, [str(edit) for edit in stopping]
    if row.change in ("replaces-cluster", "loses-data"):
        assert stopping
