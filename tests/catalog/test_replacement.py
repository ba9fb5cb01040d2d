"""The create-only properties are those of the resource schemas that cfn-lint carries.

With HYPERPOD_WRITE_DOCS set, the lists are written for all types that a deployment may have (deployer.json).
"""

from __future__ import annotations

import json
import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hyperpod_constructs.core.catalog import _files

SCHEMAS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas")))
"""Located without importing cfn-lint, which takes as long as all tests of this file."""
NAMES: dict[str, str] = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
KINDS = {"create_only": "createOnlyProperties", "conditional": "conditionalCreateOnlyProperties"}


def of_schema(type_: str) -> dict[str, list[str]]:
    """What the schema of a type lists."""
    schema: dict[str, Any] = json.loads((SCHEMAS / "resources" / f"{NAMES[type_]}.json").read_text())
    lists = {
        group: sorted(path.removeprefix("/properties/") for path in schema.get(name, ()))
        for group, name in KINDS.items()
    }
    return {"create_only": lists["create_only"]} | (
        {"conditional": lists["conditional"]} if lists["conditional"] else {}
    )


def test_the_lists_are_those_of_the_schemas() -> None:
    content = _files.load("replacement")
    expected = {type_: of_schema(type_) for type_ in sorted(_files.load("deployer")["types"]) if type_ in NAMES}
    documented = {type_: entry["documented"] for type_, entry in content["types"].items() if "documented" in entry}
    for type_, properties in documented.items():
        expected[type_] = {**expected[type_], "documented": properties}
    if os.environ.get("HYPERPOD_WRITE_DOCS"):
        (_files.DATA / "replacement.json").write_text(_files.dumps({**content, "types": expected}))
        return
    assert content["types"] == expected
