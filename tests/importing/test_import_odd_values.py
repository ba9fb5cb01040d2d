"""Values of an incorrect type anywhere in a document: an import reports them and does not fail."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperpod_constructs.core.importing.cluster_stack import import_cluster_stack
from hyperpod_constructs.core.importing.result import finished
from hyperpod_constructs.core.importing.stack import import_stack, parameters_in
from hyperpod_constructs.core.importing.terraform import import_variables

DATA = Path(__file__).parent / "data"
INVALID_VALUES = (None, 5, 2.5, "x", "", [], {}, [1], [None], ["x"], [{"a": 1}], {"a": 1}, True)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def with_invalid_values(data: Any) -> Iterator[Any]:
    for path in paths(data):
        for invalid in INVALID_VALUES:
            changed = copy.deepcopy(data)
            container = changed
            for part in path[:-1]:
                container = container[part]
            container[path[-1]] = invalid
            yield changed


def sources() -> list[Any]:
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in sorted(DATA.rglob("*.*"))]


@pytest.mark.slow
@pytest.mark.parametrize("path", sources())
def test_no_value_makes_an_import_fail(path: Path):
    text = path.read_text()
    if path.suffix == ".tfvars":
        hcl2 = pytest.importorskip("hcl2", reason="the extra `import` is not installed")
        options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
        data, make = hcl2.loads(text, serialization_options=options), import_variables
    elif path.parent.name == "stack":
        parameters = parameters_in(yaml.safe_load(text)) or {}
        data = {key: json.loads(value) if str(value).startswith("[") else value for key, value in parameters.items()}
        make = import_stack
    else:
        data, make = yaml.safe_load(text), import_cluster_stack
    for number, changed in enumerate(with_invalid_values(data)):
        draft = make(changed)
        if number % 100 == 0:
            assert finished(draft, origin="a test").text.startswith("# Imported from a test.\n")


def test_values_of_the_wrong_type_are_reported():
    group = {"InstanceGroupName": "a", "InstanceCount": 1, "KubernetesConfig": {"Labels": "x"}, "OverrideVpcConfig": 5}
    draft = import_stack({"ResourceNamePrefix": "lab", "InstanceGroupSettings1": [group]})
    assert "group a: KubernetesConfig.Labels (x): must be a mapping" in draft.losses
    assert "group a: OverrideVpcConfig (5): must be a mapping" in draft.losses
