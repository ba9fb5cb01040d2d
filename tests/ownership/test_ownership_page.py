"""docs/ownership.md: its examples run, and its tables match the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
import yaml
from assembly import ROOT

from hyperpod_constructs.core.spec import Governance, Platform
from hyperpod_constructs.core.spec.base import SpecModel
from hyperpod_constructs.handlers.kubernetes.controlled import FIELDS

PAGE = (ROOT / "docs" / "ownership.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_runs(code: str) -> None:
    space: dict[str, object] = {}
    exec(code, space)
    template = space["stack"].node.root.synth().get_stack_by_name("Shared").template  # type: ignore[attr-defined]
    (objects,) = (r for r in template["Resources"].values() if r["Type"] == "Custom::HyperPodKubernetesObjects")
    assert objects["Properties"]["Adopt"] == "true"


def fields_named_adopt(annotation: Any, path: str = "") -> Iterator[str]:
    """Where a config has `adopt`, as the page writes it."""
    many = "[]" if get_origin(annotation) is tuple else ""
    for inner in get_args(annotation):
        yield from fields_named_adopt(inner, path + many)
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        for name, info in annotation.model_fields.items():
            if name.startswith("adopt"):
                yield f"{path}.{name}".lstrip(".")
            yield from fields_named_adopt(info.annotation, f"{path}.{name}")


def test_the_page_names_every_field_that_adopts() -> None:
    (table,) = re.findall(r"^\| object \| field in the config .*?\n\n", PAGE, re.M | re.S)
    documented = set(re.findall(r"`([\w.\[\]]+\.adopt|adopt_\w+)`", table))
    assert documented | {"jobs[].adopt"} == set(fields_named_adopt(Platform))


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_settings_load(block: str) -> None:
    assert Governance.model_validate(yaml.safe_load(block)["governance"]).adopt


def test_the_table_has_every_field_of_a_controller() -> None:
    rows = {
        (field, kind)
        for field, kinds in re.findall(r"^\| `(spec[\w.]+)` \| ([\w, ]+) \|", PAGE, re.M)
        for kind in kinds.split(", ")
    }
    assert rows == {(".".join(step[2:] for step in path), kind) for kind, paths in FIELDS.items() for path in paths}
