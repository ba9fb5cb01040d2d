"""The create-only properties are those of the resource schemas that cfn-lint carries."""

from __future__ import annotations

import json
from pathlib import Path

import cfnlint
import pytest

from hyperpod_constructs.core.catalog import _files

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
TYPES = _files.load("replacement")["types"]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """Resource type to the name of its schema's file."""
    found: dict[str, str] = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    return found


@pytest.mark.parametrize("type_", TYPES)
def test_it_is_the_schemas_list(type_: str, names: dict[str, str]) -> None:
    schema = json.loads((SCHEMAS / "resources" / f"{names[type_]}.json").read_text())
    for key, listed in (("create_only", "createOnlyProperties"), ("conditional", "conditionalCreateOnlyProperties")):
        wanted = sorted(path.removeprefix("/properties/") for path in schema.get(listed, ()))
        assert TYPES[type_].get(key, []) == wanted


def test_every_type_that_we_deploy_and_that_has_a_schema_is_listed(names: dict[str, str]) -> None:
    deployed = {type_ for type_ in _files.load("deployer")["types"] if type_ in names}
    assert deployed == set(TYPES)
