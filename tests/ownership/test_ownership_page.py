"""docs/ownership.md: its examples run, its tables say what the code says."""

from __future__ import annotations

import re

import pytest
import yaml
from assembly import ROOT

from hyperpod_constructs.core.spec import Governance
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
